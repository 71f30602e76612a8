"""`convcost validate`."""

import json
import os
from functools import partial
from typing import Annotated, Any, Optional

import typer

from convcost.cli.extras import need_torch
from convcost.cli.formats import Format, render
from convcost.cli.output import emit
from convcost.cli.progress import Progress
from convcost.cli.settings import parse_settings
from convcost.errors import ConvcostError
from convcost.frontends.load import load_spec

__all__ = ["validate"]


def validate(
    targets: Annotated[list[str], typer.Argument(help="Specs: paths, folders, or bundled names.", show_default=False)],
    set_: Annotated[
        Optional[list[str]], typer.Option("--set", metavar="NAME=VALUE", help="Set a variable of the spec; repeatable.")
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Show every comparison, not only disagreements.")] = False,
    backward: Annotated[bool, typer.Option("--backward", help="Compare a backward pass too.")] = False,
    rf: Annotated[bool, typer.Option("--rf", help="Compare what units of each layer see of the input too.")] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda, or meta, which computes nothing.")] = "cpu",
    batch: Annotated[int, typer.Option(help="Samples in the batch that is run.")] = 1,
    format_: Annotated[Format, typer.Option("--format", help="How the report is written.")] = Format.table,
    output: Annotated[Optional[str], typer.Option(help="Write to a file, whole or not at all.")] = None,
) -> None:
    """Hold the analysis against a real run: shapes, parameters, MACs by two counters, memory, layer by layer.

    Exits with 1 where they disagree.
    """
    need_torch("validate")
    from convcost.pytorch.validate import check_device
    from convcost.pytorch.validate import validate as validate_graph

    check_device(device)
    settings = parse_settings(set_ or [])
    graphs = {path: load_spec(path, settings).graph for target in targets for path in _expanded(target)}
    results = []
    with Progress(len(graphs)) as progress:
        for path, graph in graphs.items():
            say = partial(progress.say, os.path.basename(path))
            try:
                result = validate_graph(graph, device=device, batch=batch, backward=backward, rf=rf, progress=say)
            except ConvcostError as error:
                raise ConvcostError(f"{path}: {error}") from error
            results.append((path, result))
            progress.advance()
    emit(_report(results, format_, all_, to_file=output is not None), output)
    if any(result.differences for _, result in results):
        raise typer.Exit(1)


def _expanded(target: str) -> list[str]:
    """The specs of a folder, or the target itself."""
    if not os.path.isdir(target):
        return [target]
    found = sorted(name for name in os.listdir(target) if name.endswith((".yaml", ".yml")))
    if not found:
        raise ConvcostError(f"{target}: the folder has no spec (*.yaml)")
    return [os.path.join(target, name) for name in found]


def _report(results: list[tuple[str, Any]], format_: Format, show_all: bool, to_file: bool) -> str:
    if format_ is Format.json:
        documents = [{"target": path, **result.as_json()} for path, result in results]
        return json.dumps({"schema": "convcost.validation/1", "validations": documents}, indent=1)
    from convcost.report.validation import flat_table, validation_table

    if format_ is Format.csv:
        return render(flat_table(results, show_all), format_, to_file)
    shown = [render(validation_table(result, show_all), format_, to_file) for _, result in results]
    if len(results) > 1:
        compared = sum(len(result.comparisons) for _, result in results)
        differences = sum(len(result.differences) for _, result in results)
        shown.append(f"{len(results)} networks: {differences:,} differences in {compared:,} comparisons")
    return "\n\n".join(shown)
