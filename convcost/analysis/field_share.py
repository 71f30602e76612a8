"""How much of its receptive field a unit touches, layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any

from convcost.analysis.budget import Budget, BudgetError
from convcost.analysis.field_result import NetworkFields
from convcost.analysis.receptive_field import AxisField, Field
from convcost.analysis.sight import extreme_positions
from convcost.analysis.touched import Touched, reads_of, touched
from convcost.arith import is_int, looks_equal, prod
from convcost.ops.reads import CENTRE, AxisRead
from convcost.record import Record

__all__ = ["Region", "Share", "clipped", "region", "shares", "widest_unit"]

LARGEST_FIELD = 2**18
"""Along an axis; of a larger field that is not dense, the cells are not counted."""


MOST_STEPS = 2**20
"""So many nodes are walked over for all cells that are counted together; what is left is not counted."""


class Share(Record):
    """So many cells are touched of `of`, those of the field; `at_most`: no more than these."""

    cells: int
    of: int
    at_most: bool = False

    @property
    def part(self) -> float | None:
        """The share, from 0 to 1; None where it is a bound."""
        return None if self.at_most or not self.of else self.cells / self.of

    @property
    def exact(self) -> Fraction:
        """The share as a fraction."""
        return Fraction(self.cells, self.of)


Region = tuple[tuple[int, int], ...]
"""The first and last element along each axis of the input."""


def region(field: Field, axes: tuple[int, ...], unit: tuple[int, ...]) -> Region | None:
    """What the unit at these places of the node's `axes` sees, outside of the input too; None: nothing."""
    places = dict(zip(axes, unit, strict=True))
    found = [axis.at(places[axis.axis] if axis.axis is not None else 0) for axis in field.axes]
    ends = tuple(end for end in found if end is not None)
    return ends if len(ends) == len(found) else None


def clipped(seen: Region, field: Field) -> Region | None:
    """The part of a region that lies in the input, or None."""
    ends = tuple(
        (max(low, 0), min(high, axis.input_size - 1)) for (low, high), axis in zip(seen, field.axes, strict=True)
    )
    return ends if all(low <= high for low, high in ends) else None


def cells_of(seen: Region) -> int:
    """How many cells a region has."""
    return prod([high - low + 1 for low, high in seen])


def widest_unit(found: NetworkFields, position: int) -> tuple[int, ...]:
    """The unit nearest to the middle among those that see most."""
    field = found.of_nodes[position]
    shape = found.graph.nodes[position].shape
    assert field is not None
    unit = []
    for number in found.unit_axes(position):
        axis = next(axis for axis in field.axes if axis.axis == number)
        unit.append(_widest_place(axis, shape[number]))
    return tuple(unit)


def _widest_place(axis: AxisField, count: int) -> int:
    middle = count // 2
    period = max(seen.period for seen in axis.maps)
    near = range(max(0, middle - period), min(count, middle + period + 1))
    places = sorted({*near, *extreme_positions(period, count)}, key=lambda place: (abs(place - middle), place))
    return max(places, key=lambda place: _size_at(axis, place))


def _size_at(axis: AxisField, place: int) -> tuple[bool, int]:
    """Whether a place sees any of the input, and how much with what lies outside."""
    ends = axis.at(place)
    if ends is None:
        return False, 0
    return ends[1] >= 0 and ends[0] < axis.input_size, ends[1] - ends[0] + 1


def shares(
    found: NetworkFields, positions: Iterable[int], progress: Callable[[int], None] = lambda done: None
) -> dict[int, Share]:
    """How many cells the units of these nodes touch; a node is missing where that is not known, or takes too long.

    Cells are counted for the unit that sees most; where an operator on the way reads all of the input, within the
    input. `progress` is told how many nodes are done.
    """
    known: dict[int, Share | None] = {}
    counted: dict[int, Share] = {}
    steps = 0
    for done, position in enumerate(positions):
        way = [position]
        while way[-1] not in known and (before := _like(found, way[-1])) is not None:
            way.append(before)
        first = way[-1]
        if first not in known:
            field = found.of_nodes[first]
            steps += first if field is not None and not field.dense else 0
            known[first] = _counted(found, first) if steps <= MOST_STEPS else None
        known.update(dict.fromkeys(way, known[first]))
        one = known[first]
        if one is not None:
            counted[position] = one
        progress(done + 1)
    return counted


def _counted(found: NetworkFields, position: int) -> Share | None:
    field = found.of_nodes[position]
    if field is None or field.at_most or not _is_concrete(found, field):
        return None
    if max(seen.period for axis in field.axes for seen in axis.maps) > LARGEST_FIELD:
        return None
    unit = widest_unit(found, position)
    seen = region(field, found.unit_axes(position), unit)
    within = clipped(seen, field) if seen is not None and field.is_global else seen
    if within is None:
        return None
    if not all(is_int(end) for ends in within for end in ends):
        return None
    of = cells_of(within)
    if field.dense:
        return Share(cells=of, of=of)
    if any(high - low >= LARGEST_FIELD for low, high in within):
        return None
    try:
        cells = _touched(found, position, unit, bounded=field.is_global)
    except BudgetError:
        return None
    return Share(cells=cells.count, of=of, at_most=cells.at_most)


def _touched(found: NetworkFields, position: int, unit: tuple[int, ...], bounded: bool) -> Touched:
    budget = Budget(f'layer "{found.graph.nodes[position].name}": counting the cells that it touches')
    return touched(found.graph, found.of_nodes, position, unit, bounded, found.source, budget)


def _is_concrete(found: NetworkFields, field: Field) -> bool:
    sizes: list[Any] = [*found.input_shape, *field.node.shape]
    for axis in field.axes:
        sizes += [axis.size, *(seen.period for seen in axis.maps)]
    return all(map(is_int, sizes))


def _like(found: NetworkFields, position: int) -> int | None:
    """The one layer that this one reads, where every unit reads its own place alone, and all its units all channels."""
    node = found.graph.nodes[position]
    if node.is_input or len(node.inputs) != 1 or found.of_nodes[position] is None:
        return None
    (before,) = node.inputs
    field = found.of_nodes[before]
    if field is None or found.graph.nodes[before].is_input:
        return None
    (products,) = reads_of(node.op, found.graph.input_shapes(node), node.shape)
    spatial = found.unit_axes(before)
    if len(products) != 1 or spatial != found.unit_axes(position):
        return None
    sizes = found.graph.nodes[before].shape
    return (
        before
        if all(
            _is_own(read, axis, axis in spatial) and (read.axis is None or looks_equal(sizes[axis], node.shape[axis]))
            for axis, read in enumerate(products[0])
        )
        else None
    )


def _is_own(read: AxisRead, axis: int, spatial: bool) -> bool:
    if read.at_most or read.scattered or read.partial:
        return False
    if read.axis is None:
        return not spatial
    return read.axis == axis and read.taps == (CENTRE,) and read.step == read.period == 1
