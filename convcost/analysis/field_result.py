"""Receptive fields as results: which input they are of, how they are told, and how they stand in JSON."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from convcost.analysis.receptive_field import AxisField, Field, receptive_fields
from convcost.analysis.result import plain
from convcost.analysis.sight import Disagreement, extreme_positions
from convcost.arith import is_int, looks_equal
from convcost.errors import ConvcostError, nearest_hint
from convcost.graph import Graph
from convcost.ops.base import show_shape
from convcost.record import Record

if TYPE_CHECKING:
    from convcost.analysis.field_share import Share

MOST_PLACES = 2**12
"""Of longer periods only this many positions at each end are compared."""

__all__ = [
    "NetworkFields",
    "field_aligned",
    "field_centres",
    "field_json",
    "field_sizes",
    "field_starts",
    "field_strides",
    "network_fields",
    "tidy",
]


class NetworkFields(Record):
    """The receptive fields in the input at position `source`: `of_nodes` has an entry for each node, None where it sees
    nothing of that input."""

    graph: Graph
    source: int
    of_nodes: tuple[Field | None, ...]

    @property
    def input_shape(self) -> tuple[Any, ...]:
        """The shape of the input."""
        return self.graph.nodes[self.source].shape

    @property
    def rank(self) -> int:
        """How many spatial axes the input has."""
        return len(self.input_shape) - 1

    def position(self, name: str) -> int:
        """The position of the layer of that name, or of the last within the block of that name.

        Raises:
            ConvcostError: there is none, or it sees nothing of the input.
        """
        names = {node.name: number for number, node in enumerate(self.graph.nodes) if not node.is_input}
        below = [number for known, number in names.items() if known.startswith(f"{name}.")]
        if name not in names and not below:
            known = list(dict.fromkeys(name for full in names for name in _prefixes(full)))
            hint = nearest_hint(name, known) or "; without --layer all are listed, with --depth 2 those in blocks too"
            raise ConvcostError(f'the network has no layer "{name}"{hint}')
        number = names[name] if name in names else below[-1]
        if self.of_nodes[number] is None:
            layer, given = self.graph.nodes[number].name, self.graph.nodes[self.source].name
            raise ConvcostError(f'layer "{layer}" sees nothing of the input "{given}"; name another with --input')
        return number

    def last_local(self) -> int:
        """The position of the last layer that keeps all spatial axes; of the last that sees anything, where none does.

        Raises:
            ConvcostError: no layer sees anything of the input.
        """
        layers = [
            (number, field)
            for number, field in enumerate(self.of_nodes)
            if field is not None and not self.graph.nodes[number].is_input
        ]
        if not layers:
            raise ConvcostError(f'no layer sees anything of the input "{self.graph.nodes[self.source].name}"')
        keeping = [number for number, field in layers if all(axis.axis is not None for axis in field.axes)]
        return keeping[-1] if keeping else layers[-1][0]

    def unit_axes(self, position: int) -> tuple[int, ...]:
        """The axes of a node along which its units see different parts of the input."""
        field = self.of_nodes[position]
        return tuple(sorted({axis.axis for axis in field.axes if axis.axis is not None})) if field is not None else ()


def _prefixes(name: str) -> list[str]:
    """A name, and those of the blocks around it."""
    return [name[:end] for end, letter in enumerate(name) if letter == "."] + [name]


def network_fields(graph: Graph, name: str | None = None) -> NetworkFields:
    """The receptive fields in the input of that name; in the first one that has spatial axes, without.

    Raises:
        ConvcostError: there is no such input, or it has no spatial axes.
    """
    inputs = {node.name: number for number, node in enumerate(graph.nodes) if node.is_input}
    if name is not None and name not in inputs:
        raise ConvcostError(
            f'the network has no input "{name}"; it has {", ".join(inputs)}{nearest_hint(name, inputs)}'
        )
    wanted = list(inputs.values()) if name is None else [inputs[name]]
    spatial = [number for number in wanted if len(graph.nodes[number].shape) > 1]
    if not spatial:
        found = ", ".join(f"{graph.nodes[number].name} {show_shape(graph.nodes[number].shape)}" for number in wanted)
        raise ConvcostError(
            f"{graph.name or 'the network'}: {found} has channels alone; a receptive field needs an input with a"
            " spatial axis, such as [3, 224, 224]"
        )
    return NetworkFields(graph=graph, source=spatial[0], of_nodes=tuple(receptive_fields(graph, spatial[0])))


def field_sizes(field: Field) -> list[Any]:
    """The size along each axis; where an operator reads all of it, of what lies in the input."""
    return [_clipped_size(axis, _count(field, axis)) if axis.whole else axis.size for axis in field.axes]


def _count(field: Field, axis: AxisField) -> Any:
    return 1 if axis.axis is None else field.node.shape[axis.axis]


def _clipped_size(axis: AxisField, count: Any) -> Any:
    """The most elements of the input that a position sees of it."""
    periods = [seen.period for seen in axis.maps]
    if axis.at_most or not all(map(is_int, (axis.input_size, count, *periods))):
        return axis.input_size
    sizes = [0]
    for place in extreme_positions(min(max(periods), MOST_PLACES), count):
        ends = axis.at(place)
        if ends is not None:
            sizes.append(min(ends[1], axis.input_size - 1) - max(ends[0], 0) + 1)
    return max(sizes)


def field_strides(field: Field) -> list[Any]:
    """The stride along each axis, of what moves with the position: beside it, what sees all the same stands still. None
    where there is none, or where it is not known.

    A bound that moves with the position does so at its stride. What stands still, alone or beside it, says nothing of
    what is seen within.
    """
    return [
        None if axis.at_most and (len(axis.maps) > 1 or looks_equal(axis.maps[0].step, 0)) else _stride(axis)
        for axis in field.axes
    ]


def field_aligned(field: Field) -> bool | None:
    """Whether all paths see the input around the same centre; None: not known, as in a bound it is not known where."""
    if not field.aligned:
        return False
    return None if field.at_most else True


def _stride(axis: AxisField) -> Any:
    if axis.stride is not None or axis.axis is None:
        return axis.stride
    moving = [seen.stride for seen in axis.maps if not looks_equal(seen.step, 0)]
    return moving[0] if len(moving) == 1 else None


def field_starts(field: Field) -> list[Any]:
    """The first element that position 0 sees along each axis; of those in the input, where an operator reads all."""
    return [
        max(axis.start, 0)
        if axis.whole and is_int(axis.start)
        else 0
        if axis.whole and axis.start is not None
        else axis.start
        for axis in field.axes
    ]


def field_centres(field: Field) -> list[Any]:
    """The centre of what position 0 sees along each axis; None where it is not known."""
    return [_centre(axis) for axis in field.axes]


def _centre(axis: AxisField) -> Any:
    if axis.at_most or axis.start is None:
        return None
    if not axis.whole:
        return tidy(axis.centre(0))
    ends = axis.at(0) if is_int(axis.input_size) and all(is_int(seen.period) for seen in axis.maps) else None
    if ends is None:
        return None
    return tidy(Fraction(max(ends[0], 0) + min(ends[1], axis.input_size - 1), 2))


def tidy(value: Any) -> Any:
    """A fraction as the whole number that it is, where it is one."""
    return value.numerator if isinstance(value, Fraction) and value.denominator == 1 else value


def field_json(field: Field | None, share: Share | None = None) -> dict[str, Any] | None:
    """A receptive field as a JSON object: an entry for each axis of the input, null where something is not known, and
    `stride_exact` beside a stride that is no whole number."""
    if field is None:
        return None
    axes, starts = field.axes, field_starts(field)
    dense = share is None and field.dense and not field.at_most
    strides = field_strides(field)
    exact = [str(stride) if isinstance(stride, Fraction) else None for stride in strides]
    return {
        "size": plain(field_sizes(field)),
        "stride": plain(strides),
        **({"stride_exact": exact} if any(exact) else {}),
        "start": plain(starts),
        "padding": plain([None if start is None else -start for start in starts]),
        "aligned": field_aligned(field),
        "global": field.is_global,
        "local_size": plain([axis.local_size for axis in axes]),
        "touched": 1.0 if dense else None if share is None else share.part,
        "touched_cells": None if share is None else share.cells,
        "at_most": field.at_most,
        "shortest": plain([axis.shortest for axis in axes]),
        "longest": plain([axis.longest for axis in axes]),
        "centre": plain(field_centres(field)),
        "disagreement": None if field.disagreement is None else _disagreement_json(field.disagreement),
    }


def _disagreement_json(found: Disagreement) -> dict[str, Any]:
    offset = [None if one is None else tidy(one) for one in found.offset]
    return {**found.as_dict(), "offset": plain(offset), "strides": plain(found.strides)}
