"""`convcost ops`."""

from typing import Annotated

import typer

from convcost import blocks as _blocks  # noqa: F401 - registers the blocks
from convcost.cli.formats import Format, render
from convcost.cli.output import emit
from convcost.report.catalogue import catalogue_table

__all__ = ["ops"]


def ops(
    format_: Annotated[Format, typer.Option("--format", help="How the table is written.")] = Format.table,
) -> None:
    """The catalogue: every operator and block by family, with its definition in one line."""
    emit(render(catalogue_table(), format_), None)
