"""What `convcost rf` prints: a report for each question, and the checks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from convcost.analysis.field_result import NetworkFields, field_aligned, field_sizes
from convcost.analysis.field_share import shares, widest_unit
from convcost.analysis.result import Cost, LayerCost
from convcost.analysis.view import Row, folded
from convcost.arith import is_int
from convcost.cli.formats import Format, render
from convcost.cli.output import screen
from convcost.cli.progress import Progress
from convcost.errors import ConvcostError
from convcost.frontends.expression import shorten
from convcost.record import Record
from convcost.report.field_text import axis_names, field_cell, per_axis
from convcost.report.receptive_field import (
    disagreement_text,
    fields_json,
    fields_table,
    head_of,
    layer_lines,
    positions_of,
    shape_text,
    unknown_read,
)
from convcost.report.table import Cell, Column, Table
from convcost.report.terminal import PAGE, wrapped

if TYPE_CHECKING:
    from convcost.analysis.tiling import Tiling

__all__ = ["Question", "checks", "need_numbers", "report"]

HINT = "Blocks are folded into one row, as what leaves them; --depth 2 unfolds them."
MOST_NAMES = 5


class Question(Record):
    """What is asked of the receptive fields of a network."""

    network: NetworkFields
    layer: str | None
    unit: str | None
    pixel: str | None
    tile: str | None
    contributions: bool
    depth: int | None
    format: Format
    to_file: bool

    @property
    def position(self) -> int:
        """The layer that is asked for: the last that keeps its spatial axes, unless it is named."""
        return self.network.last_local() if self.layer is None else self.network.position(self.layer)

    @property
    def for_people(self) -> bool:
        """Whether people read the answer."""
        return self.format in (Format.table, Format.markdown)


def report(question: Question) -> str:
    """The answer in its format."""
    if question.contributions:
        from convcost.cli.rf_contribution import contribution_report

        return contribution_report(question)
    if question.unit is not None:
        return unit_report(question)
    if question.pixel is not None:
        return pixel_report(question)
    if question.tile is not None:
        return tile_report(question)
    return fields_report(question)


def rows_of(question: Question) -> list[Row]:
    """The layers that are shown: the one that is named, or all, folded for people."""
    nodes = question.network.graph.layers
    if question.layer is not None:
        nodes = (question.network.graph.nodes[question.position],)
    depth = 1 if _folds(question) else question.depth
    return folded([LayerCost(node=node, cost=Cost()) for node in nodes], None if question.layer is not None else depth)


def _folds(question: Question) -> bool:
    return question.for_people and question.depth is None and question.layer is None


def hint_of(question: Question, rows: Sequence[Row]) -> str:
    """That blocks are folded, where they are without being asked."""
    return HINT if _folds(question) and any(row.kind == "fold" for row in rows) else ""


def counted_shares(question: Question, rows: Sequence[Row]) -> dict[int, Any]:
    """The touched share of each row, with a bar on stderr meanwhile."""
    positions = positions_of(question.network, rows)
    with Progress(len(positions)) as progress:
        return shares(question.network, positions, progress.reach)


def fields_report(question: Question) -> str:
    """The table of layers, or all that is known of one."""
    network, rows = question.network, rows_of(question)
    found = counted_shares(question, rows)
    if question.format is Format.json:
        return fields_json(network, rows, found, {})
    if question.layer is not None and question.for_people:
        return lines_report(question, layer_lines(network, question.position, found.get(question.position)))
    everything = question.format is Format.csv
    table = fields_table(network, rows, found, everything, hint_of(question, rows))
    return render(table, question.format, question.to_file)


def lines_report(question: Question, lines: list[str]) -> str:
    """Sentences below what they are about."""
    title = Table(columns=(), rows=(), head=head_of(question.network))
    if question.format is Format.markdown:
        return render(title.replace(notes=tuple(lines)), question.format)
    width = None if question.to_file else screen().width
    text = "\n".join(wrapped(line, width or PAGE) for line in lines)
    return f"{render(title, question.format, question.to_file)}\n\n{text}"


def unit_of(question: Question, position: int) -> tuple[int, ...]:
    """The unit that is asked for.

    Raises:
        ConvcostError: the layer has no such unit.
    """
    network = question.network
    node, axes = network.graph.nodes[position], network.unit_axes(position)
    need_numbers(network, "--contributions" if question.unit is None else "--unit")
    if question.unit is None:
        return widest_unit(network, position)
    if not axes:
        raise ConvcostError(
            f'--unit {question.unit}: "{node.name}" ({shape_text(node.shape)}) has no spatial axes left,'
            " so that all of its units see the same; name an earlier one with --layer"
        )
    field = network.of_nodes[position]
    assert field is not None
    called = [
        name
        for axis in axes
        for name, own in zip(axis_names(network.rank), field.axes, strict=True)
        if own.axis == axis
    ][: len(axes)]
    sizes = [node.shape[axis] for axis in axes]
    return _places("--unit", question.unit, f'layer "{node.name}"', called, sizes)


def _places(option: str, text: str, where: str, names: Sequence[str], sizes: Sequence[int]) -> tuple[int, ...]:
    """Places along axes of these sizes.

    Raises:
        ConvcostError: there are not as many, or one lies outside.
    """
    found = _numbers(option, text, ",".join(["3"] * len(names)))
    shape = "x".join(map(str, sizes))
    if len(found) != len(sizes):
        axes = f"{len(sizes)} spatial axes" if len(sizes) > 1 else "1 spatial axis"
        raise ConvcostError(
            f"{option} {text}: {where} has {axes} ({shape}), so it takes {len(sizes)} number"
            f"{'s' if len(sizes) > 1 else ''}, {' and '.join(names)}"
        )
    for place, name, size in zip(found, names, sizes, strict=True):
        if not 0 <= place < size:
            raise ConvcostError(
                f"{option} {text}: {place} lies outside of {where}, whose {name} is {size}; places go from 0 to"
                f" {size - 1}"
            )
    return found


def _numbers(option: str, text: str, example: str) -> tuple[int, ...]:
    parts = [part.strip() for part in re.split(r"[,x]", text)]
    if not all(re.fullmatch(r"[+-]?[0-9]{1,12}", part) for part in parts):
        raise ConvcostError(
            f'{option} "{shorten(text)}": it must be whole numbers with commas between, such as {example}'
        )
    return tuple(map(int, parts))


def need_numbers(network: NetworkFields, option: str) -> None:
    """Refuse what cannot be told of symbols.

    Raises:
        ConvcostError: a shape has one.
    """
    if not all(is_int(size) for node in network.graph.nodes for size in node.shape):
        raise ConvcostError(f"{option} needs a network of numbers; leave out --symbol")


def unit_report(question: Question) -> str:
    """What a unit sees."""
    from convcost.report.field_unit import unit_json, unit_sees, unit_table

    network, position = question.network, question.position
    unit = unit_of(question, position)
    found = unit_sees(network, position, unit)
    if found is None:
        name = network.graph.nodes[position].name
        raise ConvcostError(
            f'unit {question.unit} of "{name}" sees nothing of the input: what it reads is padding alone'
        )
    if question.format is Format.json:
        rows = rows_of(question.replace(layer=network.graph.nodes[position].name))
        return fields_json(network, rows, counted_shares(question, rows), {"unit": unit_json(network, found)})
    return render(unit_table(network, found), question.format, question.to_file)


def pixel_report(question: Question) -> str:
    """Which units see an element of the input."""
    from convcost.report.field_unit import pixel_json, pixel_seen, pixel_table

    network, rows = question.network, rows_of(question)
    node = network.graph.nodes[network.source]
    need_numbers(network, "--pixel")
    assert question.pixel is not None
    where = f'the input "{node.name}"'
    place = _places("--pixel", question.pixel, where, axis_names(network.rank), node.shape[1:])
    found = pixel_seen(network, place)
    if question.format is Format.json:
        extra = {"pixel": pixel_json(network, found, rows)}
        return fields_json(network, rows, counted_shares(question, rows), extra)
    table = pixel_table(network, found, rows, hint_of(question, rows))
    return render(table, question.format, question.to_file)


def tile_report(question: Question) -> str:
    """The overlap of tiles."""
    from convcost.analysis.tiling import tiling
    from convcost.report.tiling import tiling_dict, tiling_text

    network, position = question.network, question.position
    need_numbers(network, "--tile")
    assert question.tile is not None
    size = _numbers("--tile", question.tile, "512 or 512,256")
    if len(size) not in (1, network.rank) or min(size) < 1:
        raise ConvcostError(
            f"--tile {question.tile}: it takes one size of at least 1 for all axes, or {network.rank}:"
            f" {', '.join(axis_names(network.rank))}"
        )
    found = tiling(network.graph, network.of_nodes, position, size * (network.rank // len(size)), network.source)
    if question.format is Format.json:
        rows = rows_of(question.replace(layer=network.graph.nodes[position].name))
        return fields_json(network, rows, counted_shares(question, rows), {"tiling": tiling_dict(found)})
    if question.format is Format.csv:
        return render(tiling_table(found, axis_names(network.rank)), question.format)
    return lines_report(question, tiling_text(found))


def tiling_table(found: Tiling, names: Sequence[str]) -> Table:
    """A row an axis."""
    keys = ("image", "tile", "step", "overlap", "alignment", "count", "output", "tile_output", "front", "back")
    rows = [
        [Cell(value=value, text=str(value)) for value in (name, *(getattr(axis, key) for key in keys))]
        for name, axis in zip(names, found.axes, strict=True)
    ]
    return Table(
        columns=tuple(Column(key=key, title=key) for key in ("axis", *keys)), rows=tuple(tuple(row) for row in rows)
    )


def checks(question: Question, at_least: int | None, local: bool, aligned: bool, strict: bool) -> list[str]:
    """What the layer that is asked for does not hold, a line each."""
    found = []
    network = question.network
    if at_least is not None:
        found += _too_small(question, at_least, local)
    if aligned:
        found += _misaligned(question)
    if strict:
        fields = network.of_nodes if question.layer is None else (network.of_nodes[question.position],)
        bounds = [field.node.name for field in fields if field is not None and field.at_most]
        more = f" and {len(bounds) - MOST_NAMES} more" if len(bounds) > MOST_NAMES else ""
        if bounds:
            found.append(f"--strict: the field is only a bound in {', '.join(bounds[:MOST_NAMES])}{more}")
    return found


def _misaligned(question: Question) -> list[str]:
    network = question.network
    field = network.of_nodes[question.position]
    if field is None:
        return []
    layer = f'layer "{field.node.name}"'
    if field.disagreement is not None:
        told = disagreement_text(field.disagreement, network.rank)
        return [f"{layer} is misaligned: {told}; --aligned asks that all paths agree"]
    if field_aligned(field) is None:
        why = unknown_read(network, question.position)
        return [f"{layer}: it is not known whether its paths are aligned, as --aligned asks: {why}"]
    return []


def _too_small(question: Question, at_least: int, local: bool) -> list[str]:
    network = question.network
    field = network.of_nodes[question.position]
    if field is None:
        return []
    sizes = [axis.local_size for axis in field.axes] if local else field_sizes(field)
    shown = per_axis(sizes) if local else field_cell(field).text
    what = "through local operators alone its field" if local else "its field"
    told = f'layer "{field.node.name}": {what} is {shown.replace("<=", "at most").replace("*", "")}'
    if any(axis.whole for axis in field.axes) and not local:
        told += ", through an operator that reads all of it"
    if any(size < at_least for size in sizes):
        return [f"{told}, and --at-least asks for {at_least} along every axis"]
    return [f"{told}, a bound, so that --at-least {at_least} cannot be said"] if field.at_most else []
