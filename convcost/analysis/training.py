"""What a training step multiplies: the forward pass, and the gradients of inputs and weights behind it."""

from __future__ import annotations

from convcost.arith import Size, is_int
from convcost.graph import Graph

__all__ = ["backward_macs"]


def backward_macs(graph: Graph, batch: int = 1) -> dict[str, Size]:
    """Multiply-accumulates of a forward and a backward pass together, a layer.

    A weight gradient is needed where there are weights, an input gradient where a layer before has parameters (the
    network's inputs need none); what each takes, the operator says.
    """
    found: dict[str, Size] = {}
    needs_gradient: list[bool] = []
    for node in graph.nodes:
        needed = tuple(needs_gradient[source] for source in node.inputs)
        params = node.op.params()
        needs_gradient.append(any(needed) or not (is_int(params) and params == 0))
        if not node.is_input:
            shapes = graph.input_shapes(node)
            forward = node.op.macs(shapes, node.shape)
            found[node.name] = batch * (forward + node.op.backward_macs(shapes, node.shape, needed))
    return found
