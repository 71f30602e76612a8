"""`convcost compare`."""

from __future__ import annotations

import os
import re
from typing import Annotated, Optional

import typer

from convcost.analysis.compare import Comparison
from convcost.analysis.compare import compare as compare_graphs
from convcost.cli.formats import Format, render
from convcost.cli.output import emit
from convcost.cli.settings import parse_settings
from convcost.errors import ConvcostError
from convcost.frontends.load import load_spec

__all__ = ["compare"]


def compare(
    targets: Annotated[
        Optional[list[str]],
        typer.Argument(
            help="Specs: paths, or bare names of bundled ones. None compares operators.", show_default=False
        ),
    ] = None,
    replace: Annotated[
        Optional[list[str]],
        typer.Option(
            "--replace",
            metavar="PATTERN=REPLACEMENT",
            help="A variant by a rule, such as conv3x3=dsconv; repeatable. Rules joined by ; apply together.",
        ),
    ] = None,
    set_: Annotated[
        Optional[list[str]],
        typer.Option("--set", metavar="NAME=VALUE", help="Set a variable of the specs; repeatable."),
    ] = None,
    only_totals: Annotated[bool, typer.Option("--only-totals", help="Leave out the layers.")] = False,
    batch: Annotated[int, typer.Option(help="Samples in a batch.")] = 1,
    dtype: Annotated[str, typer.Option(help="Type of the elements: float32, float16, int8, ...")] = "float32",
    format_: Annotated[Format, typer.Option("--format", help="How the report is written.")] = Format.table,
    output: Annotated[Optional[str], typer.Option(help="Write to a file, whole or not at all.")] = None,
    write: Annotated[
        Optional[str], typer.Option(metavar="DIR", help="Write each variant as a spec into this folder.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 2 if a layer that a rule matches cannot be replaced.")
    ] = False,
) -> None:
    """What is saved when one operator takes another's place, layer by layer and in total.

    convcost compare resnet18 --replace conv3x3=dsconv --replace "conv3x3[stride=1]=ghost(ratio=2)"
    """
    rules = replace or []
    if not targets:
        _need_network({"--set": set_, "--only-totals": only_totals, "--write": write, "--strict": strict})
        emit(_operators(rules, format_, output is not None), output)
        return
    graphs = [load_spec(target, parse_settings(set_ or [])).graph for target in targets]
    comparison = compare_graphs(graphs, rules, batch=batch, dtype=dtype, labels=_labels(targets))
    kept = [
        f"{variant.label}: {skipped.name}: {skipped.reason}"
        for variant in comparison.variants
        for skipped in variant.skipped
    ]
    if strict and kept:
        raise ConvcostError("--strict: these layers cannot be replaced:\n" + "\n".join(f"  {line}" for line in kept))
    if write is not None:
        _write(comparison, write)
    emit(_render(comparison, format_, only_totals, output is not None), output)


def _need_network(given: dict[str, object]) -> None:
    """Options that say nothing of operators alone are refused there.

    Raises:
        ConvcostError: one is given.
    """
    for name, value in given.items():
        if value:
            raise ConvcostError(f"{name} needs a network; give a spec, or leave it out")


def _labels(targets: list[str]) -> list[str]:
    """The names of the files; the whole paths where those are alike, and a number where these are."""
    short = [os.path.basename(target).removesuffix(".yaml") for target in targets]
    found = short if len(set(short)) == len(short) else list(targets)
    seen: dict[str, int] = {}
    for place, label in enumerate(found):
        seen[label] = seen.get(label, 0) + 1
        if seen[label] > 1:
            found[place] = f"{label} ({seen[label]})"
    return found


def _render(comparison: Comparison, format_: Format, only_totals: bool, to_file: bool) -> str:
    from convcost.report.compare import change_tables, comparison_json, comparison_table, flat_table

    if format_ is Format.json:
        return comparison_json(comparison)
    if format_ is Format.csv:
        by_rules = any(variant.changes for variant in comparison.variants)
        return render(flat_table(comparison) if by_rules and not only_totals else comparison_table(comparison), format_)
    tables = [] if only_totals else change_tables(comparison)
    return "\n\n".join(render(table, format_, to_file) for table in [*tables, comparison_table(comparison)])


def _operators(rules: list[str], format_: Format, to_file: bool) -> str:
    if not rules:
        raise ConvcostError("nothing to compare: give specs, or a rule such as --replace conv3x3=dsconv")
    from convcost.formulas.exchange import exchange
    from convcost.report.exchange import exchange_json, exchange_tables, typical_table

    found = [exchange(rule) for rule in rules]
    if format_ is Format.json:
        return exchange_json(found)
    if format_ is Format.csv:
        return render(typical_table(found), format_)
    return "\n\n".join(render(table, format_, to_file) for one in found for table in exchange_tables(one))


def _write(comparison: Comparison, folder: str) -> None:
    """Each variant as a spec, named by its place and label.

    Raises:
        ConvcostError: the folder cannot be made, or a spec cannot be written.
    """
    from convcost.frontends.spec_writer import to_spec

    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise ConvcostError(f"{folder}: cannot be made a folder: {error.strerror}") from None
    for number, variant in enumerate(comparison.variants):
        word = re.sub(r"[^A-Za-z0-9]+", "_", variant.label).strip("_")[:60]
        emit(to_spec(variant.analysis.graph).rstrip("\n"), os.path.join(folder, f"{number}_{word}.yaml"))
