"""Receptive fields held against the gradients of a real network: every node, at a corner, in the middle, and at the
other corner."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import gcd
from typing import Any

import torch

from convcost.analysis.cells import Boxes
from convcost.analysis.receptive_field import Field, receptive_fields
from convcost.analysis.touched import Touched, touched
from convcost.graph import Graph, Node
from convcost.pytorch.field import Unit, supports
from convcost.record import Record

__all__ = ["FieldComparison", "compare_fields", "few_units"]

Ends = tuple[tuple[int, int], ...]
CELLS, INTERVAL = "touched cells", "receptive field"


class FieldComparison(Record):
    """What a unit of a layer sees: what the analysis says, and what has a gradient. A bound agrees with what is no
    more."""

    layer: str
    quantity: str
    symbolic: str
    executed: str
    limit: None = None
    limited_to: None = None
    agrees: bool

    @property
    def disagrees(self) -> bool:
        """Whether they differ, or what is found goes beyond the bound."""
        return not self.agrees

    def as_dict(self) -> dict[str, Any]:
        """The fields that every comparison has."""
        return {name: getattr(self, name) for name in self.fields if name != "agrees"}


class Limits(Record):
    """What keeps the intervals of a node from being what its units see: see the functions of these names."""

    folded: bool
    mixed: bool


def few_units(sizes: Sequence[int]) -> list[tuple[int, ...]]:
    """The first, the middle and the last position of axes of these sizes, each once."""
    several = [(0,) * len(sizes), tuple(size // 2 for size in sizes), tuple(size - 1 for size in sizes)]
    return list(dict.fromkeys(several))


def compare_fields(graph: Graph, units: Any = few_units, whole: bool = False) -> Iterator[FieldComparison]:
    """Every comparison of a network: for each node, each input with spatial axes, and the units that `units` chooses
    for the sizes of the node's axes that lead to the input's; `whole` as in `field.supports`.

    Raises:
        ExecutionError: a layer failed.
    """
    asked, borders = [], folded(graph)
    for source, node in enumerate(graph.nodes):
        if not node.is_input or len(node.shape) < 2:
            continue
        fields = receptive_fields(graph, source)
        loose = mixed(graph, fields)
        for position, field in enumerate(fields):
            axes = spatial_axes(field)
            sizes = [graph.nodes[position].shape[axis] for axis in axes]
            for unit in units(sizes) if not graph.nodes[position].is_input else ():
                places = tuple(zip(axes, unit, strict=True))
                limits = Limits(folded=position in borders, mixed=position in loose)
                asked.append((source, fields, unit, limits, Unit(position=position, places=places)))
    found = supports(graph, [unit for *_, unit in asked], whole)
    for (source, fields, unit, limits, chosen), there in zip(asked, found, strict=True):
        yield from _compared(graph, fields, source, chosen.position, unit, there[source], limits)


def behind(graph: Graph, chosen: Callable[[int, Node], bool]) -> set[int]:
    """The positions of the nodes that are chosen, and of all behind them."""
    found: set[int] = set()
    for position, node in enumerate(graph.nodes):
        if chosen(position, node) or found.intersection(node.inputs):
            found.add(position)
    return found


def folded(graph: Graph) -> set[int]:
    """The positions behind a border with the map's own elements, which stand elsewhere in the input."""
    return behind(graph, lambda position, node: node.op.word == "pad" and getattr(node.op, "mode", "") != "constant")


def mixed(graph: Graph, fields: Sequence[Field | None]) -> set[int]:
    """The positions of nodes where what is seen along one axis may depend on the place along another: intervals know
    each axis for itself, and hold what is seen from any place along the others. So it is where positions between the
    taps of a transposed convolution see nothing, where channels become places, and places channels."""
    return behind(graph, lambda position, node: _mixes(node.op) or 0 in spatial_axes(fields[position]))


def _mixes(op: Any) -> bool:
    if op.word == "pixel_shuffle":
        return bool(op.rank > 1)
    if op.word != "conv_transpose" or len(op.stride) < 2:
        return False
    axes = zip(op.kernel_size, op.stride, op.dilation, strict=True)
    return any(min(taps, stride // gcd(stride, rate)) < stride for taps, stride, rate in axes)


def spatial_axes(field: Field | None) -> list[int]:
    """The axes of a node that lead to axes of the input."""
    return sorted({axis.axis for axis in field.axes if axis.axis is not None}) if field is not None else []


def _compared(
    graph: Graph,
    fields: Sequence[Field | None],
    source: int,
    position: int,
    unit: tuple[int, ...],
    there: torch.Tensor,
    limits: Limits,
) -> Iterator[FieldComparison]:
    field, layer = fields[position], graph.nodes[position].name
    place = f", unit ({', '.join(map(str, unit))})" if unit else ""
    place += f", {graph.nodes[source].name}" if len(graph.inputs) > 1 else ""

    def comparison(quantity: str, symbolic: str, executed: str, agrees: bool) -> FieldComparison:
        return FieldComparison(
            layer=layer, quantity=quantity + place, symbolic=symbolic, executed=executed, agrees=agrees
        )

    if field is None:
        yield comparison(CELLS, "none", _told(there), not bool(there.any()))
        return
    yield comparison(CELLS, *_cells(touched(graph, fields, position, unit, True, source), there))
    endless = touched(graph, fields, position, unit, False, source)
    is_exact = _all_inside(endless, there) and not is_constant(field) and not limits.mixed
    if is_exact or not limits.folded:
        yield comparison(INTERVAL, *_interval(field, unit, is_exact, there))


def _cells(actual: Touched, there: torch.Tensor) -> tuple[str, str, bool]:
    """What is said and found of the cells, and whether they agree."""
    expected = mask(actual.cells, there.shape)
    more, fewer = there & ~expected, expected & ~there
    agrees = not bool(more.any()) and (actual.at_most or not bool(fewer.any()))
    executed = _told(there)
    if not agrees:
        executed += f", with {_first(more)}" if bool(more.any()) else f", without {_first(fewer)}"
    return ("at most " if actual.at_most else "") + _told(expected), executed, agrees


def _interval(field: Field, unit: tuple[int, ...], is_exact: bool, there: torch.Tensor) -> tuple[str, str, bool]:
    """What is said and found of the interval: itself where the unit lies nowhere near a border, and else what of it
    lies within the input, where paths through padding may end before it does."""
    at = dict(zip(spatial_axes(field), unit, strict=True))
    known = [axis.at(0 if axis.axis is None else at[axis.axis]) for axis in field.axes]
    interval = tuple(end for end in known if end is not None)
    found = ends_of(there)
    if field.at_most:  # where it starts is not known
        agrees, symbolic = True, "at most " + " x ".join(str(axis.size) for axis in field.axes)
    elif len(interval) < len(known):
        agrees, symbolic = not found, "nothing"
    elif is_exact:
        agrees, symbolic = found == interval, _shown(interval)
    else:
        pairs = zip(interval, there.shape, strict=True)
        interval = tuple((max(low, 0), min(high, size - 1)) for (low, high), size in pairs)
        agrees, symbolic = _holds(interval, found), f"within {_shown(interval)}"
    sizes = tuple(high - low + 1 for low, high in found)
    agrees = agrees and all(size <= axis.size for size, axis in zip(sizes, field.axes, strict=bool(found)))
    return symbolic, _shown(found), agrees


def is_constant(field: Field) -> bool:
    """Whether an operator on the way reads all of an axis: what all positions behind it see alike has no borders."""
    return field.is_global or any(seen.step == 0 for axis in field.axes for seen in axis.maps)


def mask(cells: Boxes, shape: Sequence[int]) -> torch.Tensor:
    """True at the cells that lie within the shape."""
    found = torch.zeros(tuple(shape), dtype=torch.bool)
    for box in cells:
        inside = [
            torch.tensor([cell for cell in axis if 0 <= cell < size]) for axis, size in zip(box, shape, strict=True)
        ]
        if all(len(axis) for axis in inside):
            found[torch.meshgrid(*inside, indexing="ij")] = True
    return found


def ends_of(there: torch.Tensor) -> Ends:
    """The first and last place along each axis; () where there is none."""
    places = there.nonzero()
    if not len(places):
        return ()
    return tuple(zip(places.amin(dim=0).tolist(), places.amax(dim=0).tolist(), strict=True))


def _all_inside(endless: Touched, there: torch.Tensor) -> bool:
    """Whether a unit of maps without borders touches the very cells that were found: no border is in its way."""
    return endless.count == int(there.sum()) and bool((mask(endless.cells, there.shape) == there).all())


def _holds(interval: Ends, found: Ends) -> bool:
    pairs = zip(interval, found, strict=bool(found))
    return all(low <= first and last <= high for (low, high), (first, last) in pairs)


def _shown(ends: Ends) -> str:
    return " x ".join(f"{first}..{last}" for first, last in ends) or "nothing"


def _told(there: torch.Tensor) -> str:
    count = int(there.sum())
    return f"{count:,} in {_shown(ends_of(there))}" if count else "none"


def _first(there: torch.Tensor) -> str:
    return f"({', '.join(map(str, there.nonzero()[0].tolist()))})"
