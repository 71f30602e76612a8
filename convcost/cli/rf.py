"""`convcost rf`."""

from __future__ import annotations

import sys
from typing import Annotated, Any, Optional

import typer

from convcost.analysis.field_result import network_fields
from convcost.cli.formats import Format
from convcost.cli.output import emit
from convcost.cli.settings import parse_settings
from convcost.errors import ConvcostError
from convcost.frontends.load import load_spec
from convcost.graph import Graph

__all__ = ["rf"]

Target = Annotated[str, typer.Argument(help="A spec: a path, or the bare name of a bundled one.", show_default=False)]
Settings = Annotated[
    Optional[list[str]], typer.Option("--set", metavar="NAME=VALUE", help="Set a variable of the spec; repeatable.")
]
Symbol = Annotated[
    Optional[list[str]],
    typer.Option(help="A variable of the spec, or height, width, length or depth of its input, to keep; repeatable."),
]
Input = Annotated[Optional[str], typer.Option("--input", help="The input whose elements are seen, of several.")]
Layer = Annotated[Optional[str], typer.Option(help="One layer, and everything that is known of it.")]
Unit = Annotated[
    Optional[str],
    typer.Option(
        metavar="Y,X", help="The part of the input that this unit sees, of --layer or the last layer with spatial axes."
    ),
]
Pixel = Annotated[
    Optional[str], typer.Option(metavar="Y,X", help="The units of every layer that see this element of the input.")
]
Tile = Annotated[
    Optional[str],
    typer.Option(
        metavar="SIZE", help="The overlap that tiles of this size (512, or 512x256) need to give equal results."
    ),
]
Contributions = Annotated[
    bool, typer.Option("--contributions", help="Draw how much each element of the input contributes to a unit.")
]
Plot = Annotated[
    Optional[str],
    typer.Option(metavar="FILE", help="Draw the field along depth, and contributions, as a picture: .svg or .png."),
]
AtLeast = Annotated[
    Optional[int], typer.Option(metavar="N", help="Exit with 1 where the layer's field is smaller along any axis.")
]
Local = Annotated[bool, typer.Option("--local", help="Hold --at-least to the size through local operators alone.")]
Aligned = Annotated[
    bool, typer.Option("--aligned", help="Exit with 1 where paths to the layer see other centres or strides, or may.")
]
Depth = Annotated[
    Optional[int],
    typer.Option(
        help="Levels of names to unfold; 1 shows a block as one row (1 in tables and Markdown, all elsewhere)."
    ),
]
Strict = Annotated[
    bool, typer.Option("--strict", help="Exit with 1 if the field of a layer, or of --layer, is only a bound.")
]


def rf(
    target: Target,
    set_: Settings = None,
    layer: Layer = None,
    unit: Unit = None,
    pixel: Pixel = None,
    tile: Tile = None,
    contributions: Contributions = False,
    plot: Plot = None,
    at_least: AtLeast = None,
    local: Local = False,
    aligned: Aligned = False,
    input_: Input = None,
    symbol: Symbol = None,
    depth: Depth = None,
    format_: Annotated[Format, typer.Option("--format", help="How the report is written.")] = Format.table,
    output: Annotated[Optional[str], typer.Option(help="Write to a file, whole or not at all.")] = None,
    strict: Strict = False,
) -> None:
    """The receptive field of every layer: which part of the input its units see, how far apart, and what they touch.

    A unit is an output element, whatever its channel; its place counts from 0. A field with * is global: an operator on
    the way reads all of its input.

    convcost rf resnet50 --layer layer4 --unit 3,5

    convcost rf unet --tile 256
    """
    _one_of({"--unit": unit, "--pixel": pixel, "--tile": tile, "--contributions": contributions and unit is None})
    _needs({"--local": local}, "--at-least", at_least is not None)
    if at_least is not None and at_least < 1:
        raise ConvcostError(f"--at-least is {at_least}; it must be at least 1")
    network = network_fields(_graph(target, set_ or [], symbol or []), input_)
    from convcost.cli.rf_report import Question, checks, need_numbers, report

    for option, given in (("--at-least", at_least), ("--plot", plot)):
        if given is not None:
            need_numbers(network, option)
    question = Question(
        network=network,
        layer=layer,
        unit=unit,
        pixel=pixel,
        tile=tile,
        contributions=contributions,
        depth=depth,
        format=format_,
        to_file=output is not None,
    )
    unmet = checks(question, at_least, local, aligned, strict)
    answer = report(question)
    if plot is not None:  # after all that can be refused, so that a wrong question leaves no file
        from convcost.cli.rf_contribution import draw

        draw(question, plot)
    emit(answer, output)
    for problem in unmet:
        print(f"{target}: {problem}", file=sys.stderr)
    if unmet:
        raise typer.Exit(1)


def _graph(target: str, settings: list[str], symbols: list[str]) -> Graph:
    variables = parse_settings(settings)
    if not symbols:
        return load_spec(target, variables).graph
    from convcost.frontends.formula import symbolic_graph

    return symbolic_graph(target, symbols, variables)


def _one_of(given: dict[str, Any]) -> None:
    """Options that each ask another question.

    Raises:
        ConvcostError: more than one is given.
    """
    found = [name for name, value in given.items() if value not in (None, False)]
    if len(found) > 1:
        raise ConvcostError(f"{' and '.join(found)} ask for different reports; give one of them")


def _needs(given: dict[str, bool], other: str, present: bool) -> None:
    """Options that say nothing without another.

    Raises:
        ConvcostError: one is given without it.
    """
    for name, value in given.items():
        if value and not present:
            raise ConvcostError(f"{name} says how {other} compares; give {other} too, or leave it out")
