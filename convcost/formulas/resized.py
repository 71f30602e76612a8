"""The same network on inputs of other sizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from convcost.arith import Shape, is_int
from convcost.errors import GraphError
from convcost.graph import Graph, Node
from convcost.ops.base import show_shape
from convcost.ops.kinds import Rank, kind_of
from convcost.ops.move import Input

__all__ = ["resized"]


def resized(graph: Graph, shapes: Mapping[str, Shape]) -> Graph:
    """The graph with other shapes of its inputs, by name; what operators take from their inputs is taken anew.

    Raises:
        GraphError: an operator cannot stand on what it reads then.
    """
    nodes: list[Node] = []
    made: dict[Any, tuple[Any, Shape]] = {}
    for node in graph.nodes:
        if node.is_input:
            shape = tuple(shapes.get(node.name, node.shape))
            nodes.append(node.replace(op=Input(shape=shape), shape=shape))
            continue
        inputs = tuple(nodes[source].shape for source in node.inputs)
        key = (id(node.op), inputs)
        if key not in made:
            made[key] = _bound(node, inputs, len(graph.input_shapes(node)[0]))
        op, shape = made[key]
        nodes.append(node.replace(op=op, shape=shape))
    return graph.replace(nodes=tuple(nodes))


def _bound(node: Node, inputs: tuple[Shape, ...], axes: int) -> tuple[Any, Shape]:
    op = node.op
    kinds = {name: kind_of(annotation) for name, annotation in op.field_annotations.items()}
    fields = {
        name: getattr(op, name)
        for name, kind in kinds.items()
        if not kind.derived and not isinstance(kind, Rank) and getattr(op, name) != op.field_defaults.get(name, ...)
    }
    ranks = [getattr(op, name) for name, kind in kinds.items() if isinstance(kind, Rank)]
    leading = axes - 1 - ranks[0] if ranks else 0
    found = type(op).bind(fields, inputs, leading)
    for problem in found.check(inputs):
        raise GraphError(f'{op.word} "{node.name}": {problem}')
    shape = found.out_shape(inputs)
    if any(is_int(size) and size < 1 for size in shape):
        raise GraphError(
            f'{op.word} "{node.name}": the output would be {show_shape(shape)}; every axis must be at least 1'
        )
    return found, shape
