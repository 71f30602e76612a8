"""Receptive fields of a network in closed form, written in the names of feature maps' sizes as its costs are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from convcost.analysis.axis_map import AxisMap, least
from convcost.analysis.receptive_field import AxisField, Field, receptive_fields
from convcost.arith import is_int, looks_equal, tidied
from convcost.formulas.sizes import Sizes
from convcost.graph import Graph, Node
from convcost.record import Record

__all__ = ["FieldForm", "NetworkFieldForms", "network_field_forms"]


class FieldForm(Record):
    """The receptive field of a layer, an entry for each spatial axis of the input (None: not known, or none).

    `local_size`, `local_stride` and `local_start` are through local operators alone; `whole` says along which axes an
    operator reads all of the input, and `at_most` that sizes are bounds.
    """

    node: Node
    size: tuple[Any, ...]
    stride: tuple[Any, ...]
    start: tuple[Any, ...]
    local_size: tuple[Any, ...]
    local_stride: tuple[Any, ...]
    local_start: tuple[Any, ...]
    whole: tuple[bool, ...]
    at_most: bool
    aligned: bool

    @property
    def is_global(self) -> bool:
        """Whether an operator on the way reads all of an axis."""
        return any(self.whole)


class NetworkFieldForms(Record):
    """The receptive fields of a network in its input `source`: `of_nodes` has an entry for each node, None where it
    sees nothing of that input.

    `last_local` is the last layer to which local operators lead that keep every axis (None: there is none), and
    `first_global` the first layer behind it of which every output sees all of an axis.
    """

    source: Node
    of_nodes: tuple[FieldForm | None, ...]
    last_local: FieldForm | None
    first_global: FieldForm | None
    sizes: Sizes


def network_field_forms(graph: Graph) -> NetworkFieldForms | None:
    """The receptive fields in the first input that has spatial axes; None where none has."""
    source = next((place for place, node in enumerate(graph.nodes) if node.is_input and len(node.shape) > 1), None)
    if source is None:
        return None
    fields = receptive_fields(graph, source)
    sizes = Sizes(node.shape for node in graph.nodes)
    known: dict[int, FieldForm] = {}

    def form(field: Field | None) -> FieldForm | None:
        if field is None:
            return None
        key = id(field.axes)
        if key not in known:
            known[key] = _field_form(field, sizes.written)
        return known[key].replace(node=field.node, aligned=field.aligned)

    forms = tuple(form(field) for field in fields)
    local = [place for place, field in enumerate(fields) if _is_local(field)]
    last = local[-1] if local else source
    behind = (found for found in forms[last + 1 :] if found is not None and found.is_global)
    return NetworkFieldForms(
        source=graph.nodes[source],
        of_nodes=forms,
        last_local=forms[last] if local else None,
        first_global=next(behind, None),
        sizes=sizes,
    )


def _is_local(field: Field | None) -> bool:
    """Whether local operators lead to a layer that keeps every axis of the input."""
    return (
        field is not None
        and not field.node.is_input
        and all(axis.axis is not None and _moving(axis) for axis in field.axes)
    )


def _moving(axis: AxisField) -> list[AxisMap]:
    """What is seen through local operators; what stands still is no local path."""
    return [seen for seen in axis.local if not looks_equal(seen.step, 0)]


def _field_form(field: Field, written: Callable[[Any], Any]) -> FieldForm:
    parts: dict[str, list[Any]] = {name: [] for name in FieldForm.fields if name.endswith(("size", "stride", "start"))}
    for axis in field.axes:
        moving = _moving(axis)
        bound = any(seen.at_most for seen in moving) or any(None in seen.lows for seen in moving)
        starts = [seen.lows[0] for seen in moving]
        is_more = is_int(axis.size) and is_int(axis.input_size) and axis.size > axis.input_size
        parts["size"].append(axis.input_size if axis.whole and is_more else axis.size)
        parts["stride"].append(axis.stride)
        parts["start"].append(0 if axis.whole and axis.start is not None else axis.start)
        parts["local_size"].append(axis.local_size)
        parts["local_stride"].append(moving[0].stride if len(moving) == 1 else None)
        parts["local_start"].append(None if bound or not starts else least(starts))
    told = {
        name: tuple(None if value is None else written(tidied(value)) for value in values)
        for name, values in parts.items()
    }
    whole = tuple(axis.whole for axis in field.axes)
    return FieldForm(node=field.node, **told, whole=whole, at_most=field.at_most, aligned=field.aligned)
