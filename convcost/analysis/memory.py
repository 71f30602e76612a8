"""Peak activation memory: which tensors are alive at once, in the order of execution."""

from __future__ import annotations

from collections.abc import Callable

from convcost.arith import Shape, Size, dense_strides, is_int, largest
from convcost.graph import Graph, Node
from convcost.record import Record

__all__ = ["Peak", "live_sizes", "peak_activations", "sharing"]


class Peak(Record):
    """The peak, in bytes, and the node during which it is reached (None where symbols hide it)."""

    size: Size
    node: Node | None


def sharing(graph: Graph) -> list[bool]:
    """For each node, whether its output lies in the memory of its first input: a view, or written in place."""
    shares: list[bool] = []
    strides: list[Shape | None] = []  # of outputs whose elements do not lie side by side
    for node in graph.nodes:
        op, view_strides = node.op, None
        if op.view and node.inputs:
            shape = graph.nodes[node.inputs[0]].shape
            view_strides = op.view_strides(shape, strides[node.inputs[0]] or dense_strides(shape))
        shares.append(bool(node.inputs) and (view_strides is not None or op.in_place))
        strides.append(strides[node.inputs[0]] if op.in_place else view_strides)
    return shares


def storages(graph: Graph) -> list[int]:
    """For each node, the position of the node whose memory holds its output: its own, or the one it shares."""
    owner: list[int] = []
    for position, (node, shares) in enumerate(zip(graph.nodes, sharing(graph), strict=True)):
        owner.append(owner[node.inputs[0]] if shares else position)
    return owner


def live_sizes(graph: Graph, size_of: Callable[[Node], Size]) -> list[Size]:
    """The bytes alive while each node runs: its inputs, its output, and what later nodes still need.

    `size_of` gives the bytes of the memory that a node's output has for itself.
    """
    owner = storages(graph)
    last_use = {}
    read = [False] * len(graph.nodes)
    for position, node in enumerate(graph.nodes):
        last_use[owner[position]] = position
        for source in node.inputs:
            last_use[owner[source]] = position
            read[source] = True
    for position, is_read in enumerate(read):
        if not is_read:  # an output: the caller keeps it
            last_use[owner[position]] = len(graph.nodes)
    freed_after: dict[int, list[int]] = {}
    for storage, position in last_use.items():
        freed_after.setdefault(position, []).append(storage)
    live: Size = sum((size_of(node) for node in graph.inputs), 0)
    sizes = []
    for position, node in enumerate(graph.nodes):
        if owner[position] == position and not node.is_input:
            live = live + size_of(node)
        sizes.append(live)
        for storage in freed_after.get(position, ()):
            live = live - size_of(graph.nodes[storage])
    return sizes


def peak_activations(graph: Graph, size_of: Callable[[Shape], Size]) -> Peak:
    """The peak of the activation memory. Inputs count until they are last read, outputs to the end.

    `size_of` gives the bytes of a tensor of some shape. Among symbols no node is known to be the peak.
    """
    sizes = live_sizes(graph, lambda node: size_of(node.shape))
    if not sizes:
        return Peak(size=0, node=None)
    if not all(map(is_int, sizes)):
        return Peak(size=largest(sizes), node=None)
    top = max(range(len(sizes)), key=sizes.__getitem__)
    return Peak(size=sizes[top], node=graph.nodes[top])
