"""The receptive fields of a network as a table and as JSON, and what is said of a single layer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from convcost.analysis.field_result import NetworkFields, field_aligned, field_centres, field_json, field_strides
from convcost.analysis.field_share import Share
from convcost.analysis.receptive_field import Field
from convcost.analysis.result import header, plain
from convcost.analysis.sight import Disagreement
from convcost.analysis.view import Row
from convcost.ops.base import show_shape
from convcost.ops.kinds import show
from convcost.report.field_text import (
    LEGEND,
    axis_names,
    axis_number,
    field_cell,
    local_cell,
    path_cell,
    per_axis,
    place_text,
    start_cell,
    stride_cell,
)
from convcost.report.table import Cell, Column, Table

__all__ = [
    "Shares",
    "fields_json",
    "fields_table",
    "head_of",
    "layer_lines",
    "misaligned_lines",
    "shape_text",
    "unknown_read",
]

SCHEMA = "convcost.receptive_field/1"
MOST_DISAGREEMENTS = 3
Shares = Mapping[int, Share]
"""The touched share of nodes, by position."""

TEXTS = ("name", "op", "output")
TITLES = {
    "name": "name",
    "op": "operator",
    "output": "output",
    "size": "field",
    "local_size": "local",
    "shortest": "shortest",
    "longest": "longest",
    "stride": "stride",
    "start": "start",
    "padding": "padding",
    "aligned": "aligned",
    "touched": "touched",
    "touched_cells": "touched cells",
    "global": "global",
    "at_most": "at most",
}
LIKE_THE_SIZE = ("local_size", "shortest", "longest")
"""Shown to people where they differ from the size."""
FOR_MACHINES = ("touched_cells", "global", "at_most")
"""What the cells tell people otherwise: with `*` and `<=`."""


def positions_of(network: NetworkFields, rows: Sequence[Row]) -> list[int]:
    """The position of the last layer of each row."""
    places = {node.name: number for number, node in enumerate(network.graph.nodes)}
    return [places[row.last.name] for row in rows if row.last is not None]


def fields_table(network: NetworkFields, rows: Sequence[Row], shares: Shares, all_columns: bool, hint: str) -> Table:
    """A row a layer, or a block as what its last layer sees; all columns, or those that say something."""
    positions = positions_of(network, rows)
    cells = [_cells(network, row, at, shares) for row, at in zip(rows, positions, strict=True)]
    shown = [key for key in TITLES if all_columns or _is_shown(cells, key)]
    return Table(
        columns=tuple(Column(key=key, title=TITLES[key], right=key not in TEXTS) for key in shown),
        rows=tuple(tuple(line[key] for key in shown) for line in cells),
        head=head_of(network),
        notes=_notes(network, positions, shown, hint),
    )


def _is_shown(cells: Sequence[Mapping[str, Cell]], key: str) -> bool:
    if key in FOR_MACHINES:
        return False
    return key not in LIKE_THE_SIZE or any(line[key].value != line["size"].value for line in cells)


def _cells(network: NetworkFields, row: Row, position: int, shares: Shares) -> dict[str, Cell]:
    field = network.of_nodes[position]
    share = shares.get(position)
    texts = {"name": row.name, "op": row.op, "output": shape_text(row.output_shape or ())}
    return {
        **{key: Cell(value=text, text=text) for key, text in texts.items()},
        "size": field_cell(field),
        "local_size": local_cell(field),
        "shortest": path_cell(field, "shortest"),
        "longest": path_cell(field, "longest"),
        "stride": stride_cell(field),
        "start": start_cell(field),
        "padding": start_cell(field, -1),
        "aligned": _aligned_cell(field),
        "touched": share_cell(field, share),
        "touched_cells": Cell(value=None if share is None else share.cells, text=""),
        "global": Cell(value=None if field is None else field.is_global, text=""),
        "at_most": Cell(value=None if field is None else field.at_most, text=""),
    }


def _aligned_cell(field: Field | None) -> Cell:
    if field is None:
        return Cell(value=None, text="-")
    aligned = field_aligned(field)
    return Cell(value=aligned, text="?" if aligned is None else "yes" if aligned else "no")


def share_cell(field: Field | None, share: Share | None) -> Cell:
    """Which part of its field a unit touches; `?` where that is not known."""
    if field is None or share is None:
        return Cell(value=None, text="-" if field is None else "?")
    return Cell(value=share.part, text=("<= " if share.at_most else "") + part_text(share.cells, share.of))


def part_text(cells: int, of: int) -> str:
    """A share in percent, never rounded up to all or down to nothing."""
    if cells == of:
        return "100%"
    percent = f"{100 * cells / of:.1f}" if of else "0.0"
    return {"100.0": ">99.9%", "0.0": "<0.1%" if cells else "0%"}.get(percent, f"{percent}%")


def shape_text(shape: Sequence[Any]) -> str:
    """A shape, on symbols too."""
    if all(isinstance(size, int) for size in shape):
        return show_shape(tuple(shape))
    return " x ".join(axis_number(size) for size in shape)


def head_of(network: NetworkFields) -> tuple[str, ...]:
    """What network and input the fields are of."""
    graph = network.graph
    node = graph.nodes[network.source]
    settings = ", ".join(f"{name} {_setting(value)}" for name, value in graph.variables.items())
    title = f"{graph.name or 'network'}: {node.name} {shape_text(node.shape)}" + (f" ({settings})" if settings else "")
    others = [other.name for other in graph.inputs if other is not node]
    told = f"Fields in the input {node.name}; --input chooses {' or '.join(others)}." if others else ""
    return (title, told) if told else (title,)


def _setting(value: Any) -> str:
    """A variable's value as a spec spells it; a symbol as text."""
    if isinstance(value, (bool, int, str, Fraction)):
        return value if isinstance(value, str) else show(value)
    return axis_number(value)


def _notes(network: NetworkFields, positions: Sequence[int], shown: Sequence[str], hint: str) -> tuple[str, ...]:
    paths = "shortest" in shown or "longest" in shown
    local = "; local: through local operators alone" if "local_size" in shown else ""
    notes = [
        f"Field: {LEGEND}{local}{'; shortest and longest: through the one path that sees least, and most' * paths}.",
        f"Stride, start and padding are in {elements(network.rank)} of the input; start is the first that unit"
        f" {','.join('0' * network.rank)} sees; touched: the share of its field that a unit reads; ? is not known.",
        *misaligned_lines([network.of_nodes[position] for position in positions], network.rank),
    ]
    return (*notes, hint) if hint else tuple(notes)


def elements(rank: int) -> str:
    """What the elements along so many axes are called."""
    return "pixels" if rank == 2 else "elements"


def misaligned_lines(fields: Sequence[Field | None], rank: int) -> list[str]:
    """Where branches see the input around other centres or at other strides, each place once."""
    found = list(dict.fromkeys(field.disagreement for field in fields if field is not None and field.disagreement))
    lines = [f"Misaligned: {disagreement_text(one, rank)}." for one in found[:MOST_DISAGREEMENTS]]
    left = len(found) - MOST_DISAGREEMENTS
    return [*lines, f"Misaligned at {left} more; --layer NAME tells of each."] if left > 0 else lines


def disagreement_text(found: Disagreement, rank: int) -> str:
    """Which paths disagree, where they meet, and by how many elements of the input."""
    parts = []
    for name, offset, strides in zip(axis_names(rank), found.offset, zip(*found.strides, strict=True), strict=True):
        if offset is None:
            parts.append(f"strides {axis_number(strides[0])} and {axis_number(strides[1])} along the {name}")
        elif offset != 0:
            parts.append(f"{signed(offset)} {elements(rank)} along the {name}")
    differ = "look at other places" if any(offset is None for offset in found.offset) else "have their centres apart"
    return f"{found.node} joins {found.first} and {found.second}, which {differ}: {', '.join(parts)}"


def signed(offset: Any) -> str:
    """A distance with its sign."""
    text = place_text(offset)
    return text if text.startswith("-") else f"+{text}"


def layer_lines(network: NetworkFields, position: int, share: Share | None) -> list[str]:
    """Everything that is known of one layer, in sentences."""
    field = network.of_nodes[position]
    assert field is not None
    names = " x ".join(axis_names(network.rank))
    noun = elements(network.rank)
    bound = "at most " if field.at_most else ""
    size = _of_axes([axis.size for axis in field.axes]) if not field.is_global else field_cell(field).text
    return [
        f"{field.node.name}: {' '.join((field.node.op.word, field.node.op.describe())).strip()}, output"
        f" {shape_text(field.node.shape)}",
        f"Field: {bound}{size.removeprefix('<= ')} {noun} of the input" + (f" ({names})." if network.rank > 1 else "."),
        *_global_lines(field),
        *_place_lines(network, field),
        f"Paths: the shortest sees {bound}{_of_axes([axis.shortest for axis in field.axes])}, the longest"
        f" {bound}{_of_axes([axis.longest for axis in field.axes])}.",
        _aligned_line(network, position, field),
        _touched_line(field, share),
    ]


def _aligned_line(network: NetworkFields, position: int, field: Field) -> str:
    aligned = field_aligned(field)
    if aligned is None:
        return f"Aligned: not known: {unknown_read(network, position)}."
    if aligned:
        return "Aligned: all paths see the input around the same centre."
    return "".join(misaligned_lines([field], network.rank))


def unknown_read(network: NetworkFields, position: int) -> str:
    """Why the field of a node is a bound: the first node on the way to it whose field is one."""
    nodes, fields = network.graph.nodes, network.of_nodes
    first, waiting, met = position, [position], {position}
    while waiting:
        at = waiting.pop()
        first = min(first, at)
        for before in nodes[at].inputs:
            field = fields[before]
            if before not in met and field is not None and field.at_most:
                met.add(before)
                waiting.append(before)
    known = "is not known" if not nodes[first].op.supported else "is known as a bound alone"
    return f"what {nodes[first].name} reads {known}"


def _global_lines(field: Field) -> list[str]:
    if not field.is_global:
        return []
    local = _of_axes([axis.local_size for axis in field.axes])
    return [f"Global (*): an operator on the way reads all of its input; through local operators alone it is {local}."]


def _of_axes(values: Sequence[Any]) -> str:
    return " x ".join(map(axis_number, values))


def _place_lines(network: NetworkFields, field: Field) -> list[str]:
    """Stride, start and centre."""
    unit = ",".join("0" for axis in field.axes if axis.axis is not None)
    strides, centres = field_strides(field), field_centres(field)
    start, padding = start_cell(field).text, start_cell(field, -1).text
    hidden = [axis.at_most and stride is None for axis, stride in zip(field.axes, strides, strict=True)]
    if all(hidden):
        return ["Stride, start and centre: not known."]
    if not unit:
        return ["Stride: none, as all of its outputs see the same."]
    shown = " x ".join("?" if no else axis_number(one) for one, no in zip(strides, hidden, strict=True))
    unsaid = " (?: not known)" if any(hidden) else ""
    lines = [f"Stride: {shown}, how far neighbouring units look apart{unsaid}."]
    if start == "-":
        return [*lines, "Start and centre: not known."]
    return [
        *lines,
        f"Unit {unit}: starts at {start} (padding {padding}), with its centre at {per_axis(centres, ',', place_text)}.",
    ]


def _touched_line(field: Field, share: Share | None) -> str:
    if share is None:
        return "Touched: not known."
    where = "of the input" if field.is_global else "of the field"
    bound = "at most " if share.at_most else ""
    return f"Touched: {bound}{share.cells:,} of {share.of:,} cells {where} ({part_text(share.cells, share.of)})."


def fields_json(network: NetworkFields, rows: Sequence[Row], shares: Shares, extra: Mapping[str, Any]) -> str:
    """The receptive fields as JSON, one layer a line; `extra` holds what else was asked."""
    graph = network.graph
    node = graph.nodes[network.source]
    found = {
        **header(graph, SCHEMA),
        "input": {"name": node.name, "shape": plain(node.shape), "axes": list(axis_names(network.rank))},
        **extra,
    }
    head = json.dumps(found, indent=1).removesuffix("\n}")
    lines = ",\n".join(
        "  " + json.dumps(_layer_json(network, row, position, shares))
        for row, position in zip(rows, positions_of(network, rows), strict=True)
    )
    return f'{head},\n "layers": [\n{lines}\n ]\n}}'


def _layer_json(network: NetworkFields, row: Row, position: int, shares: Shares) -> dict[str, Any]:
    return {
        "name": row.name,
        "op": row.op,
        "block": row.block,
        "what": row.what,
        "output_shape": plain(row.output_shape),
        "receptive_field": field_json(network.of_nodes[position], shares.get(position)),
    }
