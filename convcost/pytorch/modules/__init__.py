"""The modules that torch.nn lacks, one file a family. Exported networks carry the source of those that they use, so
each class stands by itself, on torch, nn and torch.nn.functional as F."""

from convcost.pytorch.modules.join import Add, Concat, Multiply
from convcost.pytorch.modules.move import Crop, SamePadding

__all__ = ["Add", "Concat", "Crop", "Multiply", "SamePadding"]
