"""`convcost explain`."""

from typing import Annotated

import typer

from convcost import blocks as _blocks  # noqa: F401 - registers the blocks
from convcost.cli.output import emit, screen
from convcost.ops import catalogue_entry
from convcost.report.catalogue import explanation
from convcost.report.terminal import wrapped

__all__ = ["explain"]


def explain(
    name: Annotated[str, typer.Argument(help="An operator or block, as `convcost ops` lists it.", show_default=False)],
) -> None:
    """What an operator or block is: definition, shapes, cost, constraints, source, fields.

    convcost explain dsconv
    """
    emit(wrapped(explanation(name, catalogue_entry(name)), screen().width), None)
