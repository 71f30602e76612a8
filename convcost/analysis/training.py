"""What a training step multiplies: the forward pass, and the gradients of inputs and weights behind it."""

from __future__ import annotations

from convcost.arith import Size
from convcost.graph import Graph

__all__ = ["backward_macs"]


def backward_macs(graph: Graph, batch: int = 1) -> dict[str, Size]:
    """Multiply-accumulates of a forward and a backward pass together, a layer.

    The rule: each weight gradient, and each input gradient, of convolution, transposed convolution and linear takes as
    many MACs as the forward pass. A weight gradient is needed where there are weights, an input gradient where a layer
    before has parameters (the network's inputs need none).
    """
    found: dict[str, Size] = {}
    needs_gradient: list[bool] = []
    for node in graph.nodes:
        before = any(needs_gradient[source] for source in node.inputs)
        learns = not node.is_input and not _is_zero(node.op.params())
        needs_gradient.append(before or learns)
        if not node.is_input:
            macs = batch * node.op.macs(graph.input_shapes(node), node.shape)
            found[node.name] = macs * (1 + (1 if before else 0) + (0 if _is_zero(node.op.weights()) else 1))
    return found


def _is_zero(count: Size) -> bool:
    return isinstance(count, int) and count == 0
