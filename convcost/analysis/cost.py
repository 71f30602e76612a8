"""What a graph costs: one walk over its nodes, one formula a quantity."""

from __future__ import annotations

from typing import Any

from convcost.analysis.memory import Peak, peak_activations
from convcost.arith import Shape, Size, ceil_div, prod
from convcost.errors import ConvcostError
from convcost.graph import Graph, Node
from convcost.metrics import CONVENTION, dtype_bits
from convcost.record import Record

__all__ = ["Analysis", "Cost", "LayerCost", "Totals", "analyze", "bytes_of"]


class Cost(Record):
    """The additive quantities of a layer, a block or a network; costs add up."""

    params: Size = 0
    weights: Size = 0
    buffers: Size = 0
    macs: Size = 0
    flops: Size = 0
    activations: Size = 0
    bytes_moved: Size = 0
    weight_bytes: Size = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(**{name: getattr(self, name) + getattr(other, name) for name in Cost.fields})

    @staticmethod
    def sum(costs: list[Cost]) -> Cost:
        """The sum of many costs."""
        return Cost(**{name: sum(getattr(cost, name) for cost in costs) for name in Cost.fields})

    @property
    def arithmetic_intensity(self) -> float | None:
        """FLOPs for each byte moved; None where no byte is moved."""
        return self.flops / self.bytes_moved if self.bytes_moved else None


class Totals(Cost):
    """The cost of a whole network, with the peak of its activation memory."""

    peak_activation_bytes: Size = 0


class LayerCost(Record):
    """A layer and what it costs."""

    node: Node
    cost: Cost


class Analysis(Record):
    """What a network costs: its layers in the order of execution, and the totals.

    `batch` multiplies activations, MACs, FLOPs and bytes; `dtype` gives the bytes an element.
    """

    graph: Graph
    layers: tuple[LayerCost, ...]
    totals: Totals
    peak: Peak
    batch: int
    dtype: str

    @property
    def unsupported(self) -> tuple[Node, ...]:
        """The layers whose cost is unknown: the totals are lower bounds where there are any."""
        return tuple(layer.node for layer in self.layers if not layer.node.op.supported)

    @property
    def complete(self) -> bool:
        """Whether the cost of every layer is known."""
        return not self.unsupported

    @property
    def convention(self) -> dict[str, Any]:
        """What the numbers mean."""
        return {**CONVENTION, "batch": self.batch, "dtype": self.dtype}

    def to_json(self) -> str:
        """The analysis as JSON, a layer an object; as `convcost analyze --format json`."""
        from convcost.report.json import analysis_to_json

        return analysis_to_json(self)


def bytes_of(elements: Size, bits: int) -> Size:
    """Bytes of so many elements, whole bytes at least."""
    return elements * (bits // 8) if bits % 8 == 0 else ceil_div(elements * bits, 8)


def analyze(graph: Graph, *, batch: int = 1, dtype: str = "float32") -> Analysis:
    """What the graph costs at inference.

    Raises:
        ConvcostError: the batch is below 1, or the dtype unknown.
    """
    if batch < 1:
        raise ConvcostError(f"batch is {batch}; it must be at least 1")
    bits = dtype_bits(dtype)
    known: dict[tuple[int, ...], Cost] = {}  # equal layers of repeated blocks share their operator and shapes
    layers = []
    for node in graph.nodes:
        if node.is_input:
            continue
        inputs = graph.input_shapes(node)
        key = (id(node.op), *map(id, inputs))
        if key not in known:
            known[key] = layer_cost(node, inputs, batch, bits)
        layers.append(LayerCost(node=node, cost=known[key]))
    total = Cost.sum([layer.cost for layer in layers])
    peak = peak_activations(graph, lambda shape: bytes_of(batch * prod(shape), bits))
    totals = Totals(**total.as_dict(), peak_activation_bytes=peak.size)
    return Analysis(graph=graph, layers=tuple(layers), totals=totals, peak=peak, batch=batch, dtype=dtype)


def layer_cost(node: Node, inputs: tuple[Shape, ...], batch: int, bits: int) -> Cost:
    """The cost of one node."""
    op = node.op
    params = op.params()
    macs = batch * op.macs(inputs, node.shape)
    weight_bytes = bytes_of(params, bits)
    activations: Size = 0
    bytes_moved: Size = 0
    if not op.view:
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
