"""The analysis held against a run: every predicted number beside the executed one, layer by layer."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch

from convcost.analysis.cost import analyze
from convcost.analysis.memory import live_sizes
from convcost.analysis.result import Analysis, plain
from convcost.analysis.training import backward_macs
from convcost.arith import is_int, prod
from convcost.errors import ConvcostError
from convcost.graph import Graph, Node
from convcost.ops.base import show_shape
from convcost.ops.conv import Grouped
from convcost.pytorch.build import Network, build
from convcost.pytorch.execute import (
    Executed,
    Memory,
    counts_groups_in_backward,
    executed_backward,
    executed_forward,
    executed_memory,
)
from convcost.pytorch.field_agreement import FieldComparison, compare_fields
from convcost.pytorch.fvcore_count import fvcore_counts, fvcore_rule, limit_of
from convcost.record import Record

__all__ = ["Comparison", "Validation", "validate"]

FLOAT32 = 4


class Comparison(Record):
    """One quantity of one layer: what the analysis says, what the run says.

    `limit` says why a counter is known to be wrong here, and `limited_to` what it then must say.
    """

    layer: str
    quantity: str
    symbolic: Any
    executed: Any
    limit: str | None = None
    limited_to: Any = None

    @property
    def agrees(self) -> bool:
        """Whether both say the same."""
        return bool(self.symbolic == self.executed)

    @property
    def disagrees(self) -> bool:
        """Whether they differ; where a limit of the counter is known, whether it says something else than that."""
        return bool(self.executed != (self.symbolic if self.limit is None else self.limited_to))


class Validation(Record):
    """Every comparison of one network, and what was left out and why."""

    graph: Graph
    device: str
    batch: int
    comparisons: tuple[Comparison | FieldComparison, ...]
    memory: Memory | None
    omitted: tuple[str, ...] = ()

    @property
    def differences(self) -> tuple[Comparison | FieldComparison, ...]:
        """The comparisons that disagree."""
        return tuple(comparison for comparison in self.comparisons if comparison.disagrees)

    @property
    def limited(self) -> tuple[Comparison | FieldComparison, ...]:
        """The comparisons where a counter is known to be wrong."""
        return tuple(comparison for comparison in self.comparisons if comparison.limit is not None)

    def as_json(self) -> dict[str, Any]:
        """The validation as a JSON object."""
        return {
            "model": self.graph.name,
            "device": self.device,
            "batch": self.batch,
            "agrees": not self.differences,
            "compared": len(self.comparisons),
            "omitted": list(self.omitted),
            "memory": None
            if self.memory is None
            else {
                "peak_bytes": self.memory.peak,
                "peak_with_workspace_bytes": self.memory.highest,
                "peak_with_workspace_at": self.memory.highest_at,
            },
            "comparisons": [
                {**plain(comparison.as_dict()), "agrees": comparison.agrees} for comparison in self.comparisons
            ],
        }


def validate(
    graph: Graph,
    *,
    device: str = "cpu",
    batch: int = 1,
    backward: bool = False,
    rf: bool = False,
    progress: Callable[[str], None] = lambda step: None,
) -> Validation:
    """Build the network, run it, and compare.

    On every device: output shapes, parameters, buffers, and MACs by torch's counter, a layer. On a CPU also MACs by
    fvcore, and on a CPU or GPU the bytes that the allocator holds behind each layer, and their peak. With `rf` also
    what units of each layer see of the input, by gradients, which are computed on the CPU. `device` is cpu, cuda or
    meta; on meta nothing is computed, so that the largest networks can be checked.

    Raises:
        ConvcostError: an operator cannot run, a layer failed, or the device is not there.
    """
    check_device(device)
    analysis = analyze(graph, batch=batch)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Using padding='same' with even kernel")  # torch pads a copy
        return _validate(analysis, device, backward, rf, progress)


def _validate(analysis: Analysis, device: str, backward: bool, rf: bool, progress: Callable[[str], None]) -> Validation:
    graph, batch = analysis.graph, analysis.batch
    progress("building")
    network = build(graph, device)
    progress("running")
    comparisons: list[Comparison | FieldComparison] = list(
        _forward(analysis, executed_forward(graph, network, device, batch))
    )
    omitted = []
    memory = None
    if device == "meta":
        omitted.append("memory: nothing is allocated on meta")
    else:
        progress("measuring memory")
        memory = executed_memory(graph, network, device, batch)
        comparisons += _memory(analysis, memory)
    if device == "cpu":
        progress("counting with fvcore")
        comparisons += _fvcore(graph, network, batch)
    else:
        omitted.append(f"fvcore: it counts on a traced run on the CPU, not on {device}")
    if backward:
        progress("running backward")
        comparisons += _backward(graph, network, device, batch)
    if rf and device == "meta":
        omitted.append("receptive fields: no gradient is computed on meta")
    elif rf:
        progress("measuring receptive fields")
        comparisons += compare_fields(graph)
    return Validation(
        graph=graph,
        device=device,
        batch=batch,
        comparisons=tuple(comparisons),
        memory=memory,
        omitted=tuple(omitted),
    )


def _forward(analysis: Analysis, executed: dict[str, Executed]) -> Iterator[Comparison]:
    for layer in analysis.layers:
        node, run = layer.node, executed[layer.node.name]
        pairs = (
            ("output shape", show_shape(node.shape), show_shape(run.output_shape)),
            ("parameters", layer.cost.params, run.params),
            ("buffers", layer.cost.buffers, run.buffers),
            ("MACs", layer.cost.macs, run.macs),
        )
        for quantity, symbolic, found in pairs:
            yield Comparison(layer=node.name, quantity=quantity, symbolic=symbolic, executed=found)
    totals = analysis.totals
    sums = (
        ("parameters", totals.params, sum(run.params for run in executed.values())),
        ("MACs", totals.macs, sum(run.macs for run in executed.values())),
    )
    for quantity, symbolic, found in sums:
        yield Comparison(layer="total", quantity=quantity, symbolic=symbolic, executed=found)


BUFFER_LIMIT = "PyTorch leaves the output of some transposed convolutions in a larger buffer, made for their input"


def _memory(analysis: Analysis, memory: Memory) -> Iterator[Comparison]:
    graph, batch = analysis.graph, analysis.batch

    def bytes_of(node: Node) -> int:
        return FLOAT32 * batch * prod(node.shape)

    def excess(node: Node) -> int:
        """Bytes by which a transposed convolution's buffer is larger than its output."""
        return memory.storages[node.name] - bytes_of(node) if node.op.word == "conv_transpose" else 0

    predicted = live_sizes(graph, bytes_of)
    peak = analysis.totals.peak_activation_bytes
    highest = 0
    for node, size, more in zip(graph.nodes, predicted, live_sizes(graph, excess), strict=True):
        if not node.is_input:
            highest = max(highest, size + more)
            yield _bytes_alive(node.name, "live bytes", size, memory.live[node.name], size + more)
    if memory.live:
        yield _bytes_alive("total", "peak activation bytes", peak, memory.peak, highest)


def _bytes_alive(layer: str, quantity: str, size: int, executed: int, with_excess: int) -> Comparison:
    return Comparison(
        layer=layer,
        quantity=quantity,
        symbolic=size,
        executed=executed,
        limit=None if with_excess == size else BUFFER_LIMIT,
        limited_to=with_excess,
    )


def _fvcore(graph: Graph, network: Network, batch: int) -> Iterator[Comparison]:
    counts = fvcore_counts(graph, network, batch)
    for node in graph.layers:
        yield Comparison(
            layer=node.name,
            quantity="fvcore count",
            symbolic=fvcore_rule(graph, node, batch),
            executed=counts[node.name],
            limit=limit_of(node),
            limited_to=0,
        )


GROUPS_LIMIT = "torch's counter multiplies the weight gradient of a grouped convolution by its groups"


def _backward(graph: Graph, network: Network, device: str, batch: int) -> Iterator[Comparison]:
    counts = executed_backward(graph, network, device, batch)
    multiplied = counts_groups_in_backward()
    predicted = backward_macs(graph, batch)
    for node in graph.layers:
        groups = node.op.groups if multiplied and isinstance(node.op, Grouped) else 1
        groups = groups if is_int(groups) else 1  # groups of unequal size run one by one
        forward = batch * node.op.macs(graph.input_shapes(node), node.shape)
        yield Comparison(
            layer=node.name,
            quantity="forward and backward MACs",
            symbolic=predicted[node.name],
            executed=counts[node.name],
            limit=GROUPS_LIMIT if groups > 1 else None,
            limited_to=predicted[node.name] + (groups - 1) * forward,
        )


def check_device(device: str) -> None:
    """Refuse a device that is not there.

    Raises:
        ConvcostError: it is unknown or missing.
    """
    if device not in ("cpu", "cuda", "meta"):
        raise ConvcostError(f'unknown device "{device}"; it must be cpu, cuda or meta')
    if device == "cuda" and not torch.cuda.is_available():
        raise ConvcostError("--device cuda: PyTorch sees no GPU here; use cpu, or meta for networks too large to run")
