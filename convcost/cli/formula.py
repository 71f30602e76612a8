"""`convcost formula`."""

from __future__ import annotations

from typing import Annotated, Any, Optional

import typer

from convcost.cli.formats import Format, render
from convcost.cli.output import emit
from convcost.cli.settings import parse_settings
from convcost.errors import ConvcostError

__all__ = ["formula"]


def formula(
    target: Annotated[
        str, typer.Argument(help="A spec: a path, or the bare name of a bundled one.", show_default=False)
    ],
    symbol: Annotated[
        Optional[list[str]],
        typer.Option(
            help="A variable of the spec, or height, width, length or depth of its input; repeatable. Without it,"
            " whatever sets the size of the input.",
        ),
    ] = None,
    at: Annotated[
        Optional[list[str]], typer.Option(metavar="NAME=VALUE", help="Evaluate the closed form; repeatable.")
    ] = None,
    set_: Annotated[
        Optional[list[str]], typer.Option("--set", metavar="NAME=VALUE", help="Set a variable of the spec; repeatable.")
    ] = None,
    metrics: Annotated[
        Optional[str],
        typer.Option(help="Totals, with commas between; peak_activation_bytes is one that has to be asked for."),
    ] = None,
    per_layer: Annotated[bool, typer.Option("--per-layer", help="A row a layer: its output, and its cost.")] = False,
    latex: Annotated[bool, typer.Option("--latex", help="Write the totals as LaTeX.")] = False,
    batch: Annotated[int, typer.Option(help="Samples in a batch.")] = 1,
    dtype: Annotated[str, typer.Option(help="Type of the elements: float32, float16, int8, ...")] = "float32",
    format_: Annotated[Format, typer.Option("--format", help="How the report is written.")] = Format.table,
    output: Annotated[Optional[str], typer.Option(help="Write to a file, whole or not at all.")] = None,
) -> None:
    """The totals of a network in closed form in the size of its input, or in other variables: exact for every size.

    convcost formula mobilenet_v1 --at resolution=192
    """
    from convcost.frontends.formula import formula as closed_form
    from convcost.frontends.formula import verified

    if latex and (per_layer or format_ is not Format.table):
        raise ConvcostError("--latex writes the totals as equations; drop --per-layer and --format")
    settings = parse_settings(set_ or [])
    wanted = None if metrics is None else [name.strip() for name in metrics.split(",") if name.strip()]
    if wanted == []:
        raise ConvcostError("--metrics is empty; name one, such as macs")
    if per_layer and wanted is None:
        wanted = ["params", "macs"]
    made = closed_form(target, symbol or None, variables=settings, metrics=wanted, batch=batch, dtype=dtype)
    point: tuple[dict[str, Any], dict[str, int]] | None = None
    if at:
        values = made.checked({**parse_settings(at, "--at")})
        point = values, verified(made, target, values, settings)
    from convcost.report.formula import formula_json, formula_latex, formula_table, layers_table

    if latex:
        text = formula_latex(made)
    elif format_ is Format.json:
        text = formula_json(made, point, per_layer)
    else:
        table = layers_table(made, point) if per_layer else formula_table(made, point)
        text = render(table, format_, to_file=output is not None)
    emit(text, output)
