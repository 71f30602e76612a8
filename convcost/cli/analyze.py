"""`convcost analyze`."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated, Optional

import typer

from convcost.analysis.cost import analyze as analyze_graph
from convcost.analysis.view import View, view
from convcost.cli.formats import Format, render
from convcost.cli.output import emit
from convcost.cli.settings import parse_settings
from convcost.errors import ConvcostError
from convcost.frontends.load import load_spec

__all__ = ["analyze"]


class GroupBy(StrEnum):
    """What layers are added up by."""

    op = "op"
    block = "block"
    name_prefix = "name-prefix"


def analyze(
    target: Annotated[
        str, typer.Argument(help="A spec: a path, or the bare name of a bundled one.", show_default=False)
    ],
    set_: Annotated[
        Optional[list[str]], typer.Option("--set", metavar="NAME=VALUE", help="Set a variable of the spec; repeatable.")
    ] = None,
    depth: Annotated[
        Optional[int],
        typer.Option(
            help="Levels of names to unfold; 1 shows a block as one row (1 in tables and Markdown, all elsewhere)."
        ),
    ] = None,
    group_by: Annotated[
        Optional[GroupBy],
        typer.Option(
            help="Add up layers by operator, block, or name up to its first dot and without a number at its end."
        ),
    ] = None,
    sort: Annotated[Optional[str], typer.Option(help="Order by a metric, largest first, or by name.")] = None,
    top: Annotated[Optional[int], typer.Option(help="Keep so many rows; the others are added up in one.")] = None,
    columns: Annotated[Optional[str], typer.Option(help="Columns to show, with commas between.")] = None,
    batch: Annotated[int, typer.Option(help="Samples in a batch.")] = 1,
    dtype: Annotated[str, typer.Option(help="Type of the elements: float32, float16, int8, ...")] = "float32",
    format_: Annotated[Format, typer.Option("--format", help="How the report is written.")] = Format.table,
    output: Annotated[Optional[str], typer.Option(help="Write to a file, whole or not at all.")] = None,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict", help="Exit with 1 if the cost of a layer is unknown, or a total is not what the spec expects."
        ),
    ] = False,
) -> None:
    """What a network costs: parameters, multiply-accumulates, activations and bytes moved, layer by layer.

    convcost analyze mobilenet_v1 --set width=0.5 --depth 2
    """
    spec = load_spec(target, parse_settings(set_ or []))
    analysis = analyze_graph(spec.graph, batch=batch, dtype=dtype)
    folds = format_ in (Format.table, Format.markdown) and depth is None and group_by is None
    shown = view(analysis, depth=1 if folds else depth, group_by=group_by and group_by.value, sort=sort, top=top)
    hint = "Blocks are folded into one row; --depth 2 unfolds them." if folds and _folds_any(shown) else ""
    emit(_render(shown, format_, columns, hint, to_file=output is not None), output)
    unmet = [] if set_ or batch != 1 or dtype != "float32" else spec.unmet(analysis.totals.as_dict())
    for problem in unmet:
        print(f"{target}: {problem}", file=sys.stderr)
    if strict and (unmet or not analysis.complete):
        raise typer.Exit(1)


def _folds_any(shown: View) -> bool:
    return any(row.layers > 1 and row.op for row in shown.rows)


def _render(shown: View, format_: Format, columns: str | None, hint: str, to_file: bool) -> str:
    if format_ is Format.json:
        if columns is not None:
            raise ConvcostError("--columns chooses what a table shows; JSON always has everything")
        return shown.to_json()
    from convcost.report.analysis import analysis_table, choose_columns

    return render(analysis_table(shown, choose_columns(columns), hint), format_, to_file)
