"""What one unit sees of the input, and which units see one element of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from convcost.analysis.budget import Budget, BudgetError
from convcost.analysis.cells import Boxes, Cells
from convcost.analysis.field_result import NetworkFields
from convcost.analysis.field_share import Region, cells_of, clipped, region
from convcost.analysis.touched import Touched, seeing, touched
from convcost.analysis.view import Row
from convcost.arith import prod
from convcost.record import Record
from convcost.report.field_text import axis_names
from convcost.report.receptive_field import elements, head_of, part_text, shape_text
from convcost.report.table import Cell, Column, Table

__all__ = ["PixelSeen", "UnitSees", "pixel_json", "pixel_seen", "pixel_table", "unit_json", "unit_sees", "unit_table"]


class UnitSees(Record):
    """What the unit of a layer sees: its `seen` region, what lies outside of the input included (None: padding repeats
    all that it reads), `within` the input (None: nothing of it), and the cells that it touches of each; None where they
    take too long to count."""

    position: int
    unit: tuple[int, ...]
    seen: Region | None
    within: Region | None
    theoretical: Touched | None
    actual: Touched | None

    @property
    def elsewhere(self) -> int:
        """The cells that it touches outside of its region: those that padding repeats from there."""
        if self.actual is None:
            return 0
        if self.within is None:
            return self.actual.count
        inside = tuple(Cells.span(low, high + 1) for low, high in self.within)
        kept = Boxes(tuple(a & b for a, b in zip(box, inside, strict=True)) for box in self.actual.cells)
        return self.actual.count - len(kept)


def unit_sees(network: NetworkFields, position: int, unit: tuple[int, ...]) -> UnitSees | None:
    """What the unit of a layer sees; None where it sees nothing."""
    field = network.of_nodes[position]
    assert field is not None
    seen = region(field, network.unit_axes(position), unit)
    theoretical, actual = (_touched(network, position, unit, bounded) for bounded in (False, True))
    if seen is None and (actual is None or not actual.count):
        return None
    return UnitSees(
        position=position,
        unit=unit,
        seen=seen,
        within=None if seen is None else clipped(seen, field),
        theoretical=theoretical,
        actual=actual,
    )


def _touched(network: NetworkFields, position: int, unit: tuple[int, ...], bounded: bool) -> Touched | None:
    budget = Budget(f'layer "{network.graph.nodes[position].name}": counting the cells that its unit touches')
    try:
        return touched(network.graph, network.of_nodes, position, unit, bounded, network.source, budget)
    except BudgetError:
        return None


def unit_table(network: NetworkFields, found: UnitSees) -> Table:
    """A row an axis: what is seen, and what of it lies in the input."""
    keys = ("axis", "first", "last", "size", "clipped_first", "clipped_last", "clipped_size", "input_size")
    titles = ("axis", "sees from", "to", "size", "within the input from", "to", "size", "of")
    seen_ends: Sequence[tuple[int, int] | None] = found.seen or [None] * network.rank
    within: Sequence[tuple[int, int] | None] = found.within or [None] * network.rank
    rows = []
    sizes = network.input_shape[1:]
    for name, seen, inside, size in zip(axis_names(network.rank), seen_ends, within, sizes, strict=True):
        rows.append((Cell(value=name, text=name), *_ends(seen), *_ends(inside), _number(size)))
    return Table(
        columns=tuple(
            Column(key=key, title=title, right=key != "axis") for key, title in zip(keys, titles, strict=True)
        ),
        rows=tuple(rows),
        head=(*head_of(network), _which(network, found.position, found.unit)),
        notes=tuple(_unit_notes(network, found)),
    )


def _which(network: NetworkFields, position: int, unit: Sequence[int]) -> str:
    node = network.graph.nodes[position]
    place = ",".join(map(str, unit))
    return f"Unit {place} of {node.name}, whose output is {shape_text(node.shape)}"


def _ends(ends: tuple[int, int] | None) -> tuple[Cell, Cell, Cell]:
    if ends is None:
        return (_number(None),) * 3
    return _number(ends[0]), _number(ends[1]), _number(ends[1] - ends[0] + 1)


def _number(value: Any) -> Cell:
    return Cell(value=value, text="-" if value is None else f"{value:,}")


def _unit_notes(network: NetworkFields, found: UnitSees) -> list[str]:
    noun = elements(network.rank)
    lines = []
    if found.seen is not None and found.theoretical is not None:
        told = _touched_text(found.theoretical, cells_of(found.seen), "cells of what it sees")
        lines.append(f"It touches {told}.")
    if found.theoretical is None or found.actual is None:
        lines.append("How many cells it touches is not counted: that takes too long.")
    if found.within is None:
        lines.append("All that it sees lies outside of the input.")
        if found.elsewhere and found.actual is not None:
            bound = "at most " if found.actual.at_most else ""
            cells = "1 cell" if found.elsewhere == 1 else f"{found.elsewhere:,} cells"
            at = " to ".join(str(list(place)) for place in dict.fromkeys(zip(*found.actual.ends, strict=True)))
            lines[-1] = (
                "All that it sees without borders lies outside of the input. On the input as it is, it touches"
                f" {bound}{cells}, which padding repeats there: {at}."
            )
        return lines
    if found.actual is None:
        return lines
    inside = cells_of(found.within)
    if found.elsewhere:
        bound = "at most " if found.actual.at_most else ""
        lines.append(
            f"On the input as it is, it touches {bound}{found.actual.count:,} cells, {found.elsewhere:,} of them"
            " elsewhere: those that padding repeats."
        )
    else:
        lines.append(
            f"On the input as it is, it touches {_touched_text(found.actual, inside, f'{noun} within')};"
            " zeros of the padding are read as nothing."
        )
    return lines


def _touched_text(found: Touched, of: int, what: str) -> str:
    bound = "at most " if found.at_most else ""
    return f"{bound}{found.count:,} of {of:,} {what} ({part_text(found.count, of)})"


def unit_json(network: NetworkFields, found: UnitSees) -> dict[str, Any]:
    """The same as JSON."""
    return {
        "layer": network.graph.nodes[found.position].name,
        "unit": list(found.unit),
        "region": None if found.seen is None else _region_json(found.seen),
        "clipped": None if found.within is None else _region_json(found.within),
        "touched_cells": None if found.theoretical is None else found.theoretical.count,
        "clipped_touched_cells": None if found.actual is None else found.actual.count,
        "at_most": any(one is not None and one.at_most for one in (found.theoretical, found.actual)),
    }


def _region_json(seen: Region) -> dict[str, Any]:
    sizes = [high - low + 1 for low, high in seen]
    return {"start": [low for low, _ in seen], "end": [high for _, high in seen], "size": sizes}


class PixelSeen(Record):
    """The units that see an element of the input: an entry for each node, None where none does."""

    pixel: tuple[int, ...]
    units: tuple[Touched | None, ...]


def pixel_seen(network: NetworkFields, pixel: tuple[int, ...]) -> PixelSeen:
    """The units of every node that see the element at `pixel`.

    Raises:
        BudgetError: there are too many.
    """
    budget = Budget(f"--pixel {','.join(map(str, pixel))}: finding the units that see it")
    return PixelSeen(pixel=pixel, units=tuple(seeing(network.graph, network.of_nodes, pixel, network.source, budget)))


def pixel_table(network: NetworkFields, found: PixelSeen, rows: Sequence[Row], hint: str) -> Table:
    """A row a layer: which of its units see the element, along each axis, and how many they are."""
    places = {node.name: number for number, node in enumerate(network.graph.nodes)}
    place = ",".join(map(str, found.pixel))
    noun = elements(network.rank).removesuffix("s")
    titles = {"name": "name", "op": "operator", "output": "output", "units": "units", "count": "count", "of": "of"}
    notes = [
        "Units: the first to the last that sees it along each axis that the layer keeps; count: how many there are"
        " within, channels not counted; of all units."
    ]
    return Table(
        columns=tuple(Column(key=key, title=title, right=key in ("count", "of")) for key, title in titles.items()),
        rows=tuple(_pixel_row(network, found, row, places[row.last.name]) for row in rows if row.last is not None),
        head=(*head_of(network), f"The units that see {noun} {place} of the input"),
        notes=(*notes, hint) if hint else tuple(notes),
    )


def _pixel_row(network: NetworkFields, found: PixelSeen, row: Row, position: int) -> tuple[Cell, ...]:
    node, units = network.graph.nodes[position], found.units[position]
    of = prod(node.shape[axis] for axis in network.unit_axes(position))
    texts = (row.name, row.op, shape_text(node.shape))
    if units is None:
        ends, count = "none", 0
    else:
        ends = ", ".join(f"{low}" if low == high else f"{low} to {high}" for low, high in units.ends) or "all"
        count = units.count
    bound = "<= " if units is not None and units.at_most else ""
    return (
        *(Cell(value=text, text=text) for text in texts),
        Cell(value=ends, text=ends),
        Cell(value=count, text=f"{bound}{count:,}"),
        Cell(value=of, text=f"{of:,}"),
    )


def pixel_json(network: NetworkFields, found: PixelSeen, rows: Sequence[Row]) -> dict[str, Any]:
    """The same as JSON."""
    places = {node.name: number for number, node in enumerate(network.graph.nodes)}
    layers = []
    for row in rows:
        units = found.units[places[row.last.name]] if row.last is not None else None
        layers.append(
            {
                "name": row.name,
                "start": [] if units is None else [low for low, _ in units.ends],
                "end": [] if units is None else [high for _, high in units.ends],
                "count": 0 if units is None else units.count,
                "at_most": units is not None and units.at_most,
            }
        )
    return {"at": list(found.pixel), "layers": layers}
