"""`convcost ops`."""

from typing import Annotated

import typer

from convcost import blocks as _blocks  # noqa: F401 - registers the blocks
from convcost.cli.formats import Format, render
from convcost.cli.output import emit
from convcost.report.catalogue import catalogue_table

__all__ = ["ops"]


def ops(
    used_by: Annotated[
        bool, typer.Option("--used-by", help="Name the bundled networks that use each, instead of its definition.")
    ] = False,
    format_: Annotated[Format, typer.Option("--format", help="How the table is written.")] = Format.table,
) -> None:
    """The catalogue: every operator and block by family, with its cost beside a convolution, year and definition."""
    users = None
    if used_by:
        from convcost.frontends.usage import used_by as find_users

        users = find_users()
    emit(render(catalogue_table(users), format_), None)
