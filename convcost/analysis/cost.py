"""What a graph costs: one walk over its nodes, one formula a quantity."""

from __future__ import annotations

from convcost.analysis.memory import peak_activations, sharing
from convcost.analysis.result import Analysis, Cost, LayerCost, Totals
from convcost.arith import Shape, Size, ceil_div, is_int, prod
from convcost.errors import ConvcostError
from convcost.graph import Graph, Node
from convcost.metrics import dtype_bits
from convcost.ops.kinds import as_whole, is_symbolic, show

__all__ = ["analyze", "bytes_of", "checked_batch", "layer_cost"]


def bytes_of(elements: Size, bits: int) -> Size:
    """Bytes of so many elements, whole bytes at least."""
    return elements * (bits // 8) if bits % 8 == 0 else ceil_div(elements * bits, 8)


def analyze(graph: Graph, *, batch: int = 1, dtype: str = "float32") -> Analysis:
    """What the graph costs at inference.

    Raises:
        ConvcostError: the batch is below 1, or the dtype unknown.
    """
    batch = checked_batch(batch)
    bits = dtype_bits(dtype)
    known: dict[tuple[int, ...], Cost] = {}  # equal layers of repeated blocks share their operator and shapes
    layers = []
    for node, shares in zip(graph.nodes, sharing(graph), strict=True):
        if node.is_input:
            continue
        inputs = graph.input_shapes(node)
        key = (id(node.op), shares, *map(id, inputs))
        if key not in known:
            known[key] = layer_cost(node, inputs, batch, bits, shares)
        layers.append(LayerCost(node=node, cost=known[key]))
    total = Cost.sum([layer.cost for layer in layers])
    peak = peak_activations(graph, lambda shape: bytes_of(batch * prod(shape), bits))
    totals = Totals(**total.as_dict(), peak_activation_bytes=peak.size)
    return Analysis(graph=graph, layers=tuple(layers), totals=totals, peak=peak, batch=batch, dtype=dtype)


def checked_batch(batch: Size) -> Size:
    """A batch, held to its rule.

    Raises:
        ConvcostError: it is no whole number of at least 1.
    """
    if not is_symbolic(batch) and as_whole(batch) is None:
        raise ConvcostError(f"batch is {show(batch)}; it must be a whole number of at least 1")
    if not is_symbolic(batch):
        batch = int(batch)
    if is_int(batch) and batch < 1:
        raise ConvcostError(f"batch is {batch}; it must be at least 1")
    return batch


def layer_cost(node: Node, inputs: tuple[Shape, ...], batch: int, bits: int, shares: bool) -> Cost:
    """The cost of one node; `shares` says whether its output lies in the memory of its input."""
    op = node.op
    params = op.params()
    macs = batch * op.macs(inputs, node.shape)
    weight_bytes = bytes_of(params, bits)
    activations: Size = 0
    bytes_moved: Size = 0
    if op.in_place or not shares:
        written = bytes_of(batch * prod(node.shape), bits)
        activations = 0 if op.in_place else batch * prod(node.shape)
        bytes_moved = sum(bytes_of(batch * prod(shape), bits) for shape in inputs) + weight_bytes + written
    return Cost(
        params=params,
        weights=op.weights(),
        buffers=op.buffers(),
        macs=macs,
        flops=2 * macs + batch * op.elementwise(inputs, node.shape),
        activations=activations,
        bytes_moved=bytes_moved,
        weight_bytes=weight_bytes,
    )
