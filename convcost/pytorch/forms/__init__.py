"""The PyTorch form of every operator: which module, with which arguments, one file a family.

A form reads the operator's fields and never its formulas, so that a run of the module is a second opinion. One form
serves both the built network and the exported source. Importing this package fills the registry.
"""

from convcost.pytorch.forms import activation, channel, move, norm, special, window
from convcost.pytorch.forms.call import FORMS, Call, form_of

__all__ = ["FORMS", "Call", "activation", "channel", "form_of", "move", "norm", "special", "window"]
