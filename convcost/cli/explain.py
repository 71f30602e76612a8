"""`convcost explain`."""

from typing import Annotated

import typer

from convcost import blocks as _blocks  # noqa: F401 - registers the blocks
from convcost.cli.output import emit, screen
from convcost.errors import ConvcostError
from convcost.ops import catalogue_entry
from convcost.report.catalogue import explanation
from convcost.report.operator_forms import closed_forms, latex_forms
from convcost.report.terminal import wrapped

__all__ = ["explain"]


def explain(
    name: Annotated[str, typer.Argument(help="An operator or block, as `convcost ops` lists it.", show_default=False)],
    latex: Annotated[
        bool, typer.Option("--latex", help="The closed form alone, as LaTeX (align* of amsmath).")
    ] = False,
) -> None:
    """What an operator or block is: definition, shapes, cost, constraints, source, fields.

    The closed form gives parameters, MACs, output shape and receptive field (field: the elements of the input that an
    output sees, along an axis; step: how far apart neighbouring outputs look) on symbols, what is assumed of them, and
    the MACs as a part of those of the standard convolution.

    convcost explain dsconv
    """
    entry = catalogue_entry(name)
    if not latex:
        width = screen().width
        emit(wrapped(explanation(name, entry, closed_forms(name, width)), width), None)
        return
    text = latex_forms(name)
    if not text:
        raise ConvcostError(f"{name} has no closed form: it costs nothing, or its cost is not known")
    emit(text, None)
