"""What a real run says: shapes, parameters, multiply-accumulates and memory, counted by PyTorch and not by formulas."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from convcost.graph import Graph, Node
from convcost.pytorch.build import ExecutionError, Network
from convcost.record import Record

__all__ = [
    "Executed",
    "Memory",
    "counts_groups_in_backward",
    "executed_backward",
    "executed_forward",
    "executed_memory",
    "inputs_of",
]


class Executed(Record):
    """What the run of one node gave. Shapes are without the batch."""

    output_shape: tuple[int, ...]
    params: int
    buffers: int
    macs: int


class Memory(Record):
    """Bytes held by the allocator behind each node, before the inputs that are needed no more are let go; the highest
    of these; and the highest figure at all, which includes what operators allocate and free while they run.

    `storages` are the bytes of the memory in which each node's output lies.
    """

    live: dict[str, int]
    storages: dict[str, int]
    peak: int
    highest: int
    highest_at: str


def inputs_of(graph: Graph, device: str, batch: int) -> list[torch.Tensor]:
    """Zeros for the inputs of a network.

    Raises:
        ExecutionError: they do not fit into memory.
    """
    try:
        return [torch.zeros(batch, *node.shape, device=device) for node in graph.inputs]
    except (RuntimeError, OverflowError, TypeError) as error:
        raise ExecutionError(f"inputs for a batch of {batch:,} do not fit into the memory of {device}") from error


@contextmanager
def counting() -> Iterator[FlopCounterMode]:
    """torch's counter, in the mode in which it sees everything: gradients on, attention by its two products (for the
    fused form on CPUs it has no rule, and counts 0)."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            yield counter
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


def _macs(counter: FlopCounterMode) -> int:
    return int(counter.get_total_flops()) // 2


def executed_forward(graph: Graph, network: Network, device: str, batch: int) -> dict[str, Executed]:
    """A forward pass, node by node.

    Raises:
        ExecutionError: a layer failed.
    """
    found: dict[str, Executed] = {}
    before = 0

    def observe(position: int, node: Node, output: torch.Tensor) -> torch.Tensor:
        nonlocal before
        now = _macs(counter)
        module = network.module_of(node)
        found[node.name] = Executed(
            output_shape=tuple(output.shape[1:]),
            params=sum(parameter.numel() for parameter in module.parameters()),
            buffers=sum(buffer.numel() for buffer in module.buffers()),
            macs=now - before,
        )
        before = now
        return output

    with counting() as counter:
        network.run(inputs_of(graph, device, batch), observe)
    return found


@contextmanager
def out_of_place(network: Network) -> Iterator[None]:
    """Activations write their outputs anew and not over their inputs, which are cut from what made them; no count
    depends on it."""
    overwriting: list[Any] = [module for module in network.modules() if getattr(module, "inplace", False)]
    for module in overwriting:
        module.inplace = False
    try:
        yield
    finally:
        for module in overwriting:
            module.inplace = True


def executed_backward(graph: Graph, network: Network, device: str, batch: int) -> dict[str, int]:
    """Multiply-accumulates of a forward and a backward pass together, a node. Inputs need no gradient, parameters do.

    Each output is cut from what follows, and the backward pass goes node by node from the last to the first, so that
    the counter's figures are known a node; the counter itself gives backward operators to the wrong modules.

    Raises:
        ExecutionError: a layer failed, forward or backward.
    """
    found: dict[str, int] = {}
    outputs: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
    before = 0

    def since() -> int:
        nonlocal before
        now, earlier = _macs(counter), before
        before = now
        return now - earlier

    def cut(position: int, node: Node, output: torch.Tensor) -> torch.Tensor:
        found[node.name] = since()
        leaf = output.detach().requires_grad_(output.requires_grad)
        outputs[position] = output, leaf
        return leaf

    with counting() as counter, out_of_place(network):
        network.run(inputs_of(graph, device, batch), cut)
        for position in reversed(outputs):
            output, leaf = outputs[position]
            if output.requires_grad:
                _backward(graph.nodes[position], output, leaf)
                found[graph.nodes[position].name] += since()
    network.zero_grad(set_to_none=True)
    return found


def _backward(node: Node, output: torch.Tensor, leaf: torch.Tensor) -> None:
    gradient = torch.ones_like(output) if leaf.grad is None else leaf.grad
    try:
        torch.autograd.backward([output], [gradient])
    except RuntimeError as error:
        message = str(error).splitlines()[0]
        raise ExecutionError(f'{node.op.word} "{node.name}" failed in the backward pass: {message}') from error


def counts_groups_in_backward() -> bool:
    """Whether torch's counter multiplies the weight gradient of a grouped convolution by its groups, as up to 2.13."""
    conv = torch.nn.Conv1d(2, 2, 1, groups=2, bias=False, device="meta")
    with counting() as counter:
        out = conv(torch.zeros(1, 2, 1, device="meta"))
        forward = _macs(counter)
        out.sum().backward()
    return _macs(counter) - forward > forward


def executed_memory(graph: Graph, network: Network, device: str, batch: int) -> Memory:
    """The allocator's own figures for a forward pass at inference.

    Raises:
        ExecutionError: a layer failed.
    """
    return _memory_on_gpu(graph, network, batch) if device == "cuda" else _memory_on_cpu(graph, network, batch)


MARK = "convcost:"


def _memory_on_cpu(graph: Graph, network: Network, batch: int) -> Memory:
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")  # the profiler's library announces each start on stderr
    from torch.profiler import ProfilerActivity, profile, record_function

    storages: dict[str, int] = {}

    def observe(position: int, node: Node, output: torch.Tensor) -> torch.Tensor:
        storages[node.name] = output.untyped_storage().nbytes()
        with record_function(f"{MARK}{len(storages) - 1}"):
            return output

    with torch.inference_mode(), profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        outputs = network.run(inputs_of(graph, "cpu", batch), observe)
    del outputs
    events = profiler.profiler.kineto_results.events()
    return _replay(sorted(events, key=lambda event: event.start_ns()), storages)


def _replay(events: list[Any], storages: dict[str, int]) -> Memory:
    """The figures from the profiler's events: allocations, frees, and a mark behind each node."""
    names = list(storages)
    live: dict[str, int] = {}
    held = highest = 0
    highest_at = ""
    for event in events:
        name = event.name()
        if name == "[memory]":
            held += event.nbytes()
            if held > highest and len(live) < len(names):
                highest, highest_at = held, names[len(live)]
        elif name.startswith(MARK):
            live[names[int(name.removeprefix(MARK))]] = held
    return Memory(
        live=live, storages=storages, peak=max(live.values(), default=0), highest=highest, highest_at=highest_at
    )


def _memory_on_gpu(graph: Graph, network: Network, batch: int) -> Memory:
    def requested(kind: str) -> int:
        return int(torch.cuda.memory_stats().get(f"requested_bytes.all.{kind}", 0))

    torch.cuda.synchronize()
    start = requested("current")
    live: dict[str, int] = {}
    storages: dict[str, int] = {}
    highest, highest_at = 0, ""

    def observe(position: int, node: Node, output: torch.Tensor) -> torch.Tensor:
        nonlocal highest, highest_at
        live[node.name] = requested("current") - start
        storages[node.name] = output.untyped_storage().nbytes()
        if requested("peak") - start > highest:
            highest, highest_at = requested("peak") - start, node.name
        return output

    with torch.inference_mode():
        torch.cuda.reset_peak_memory_stats()
        network.run(inputs_of(graph, "cuda", batch), observe)
    return Memory(
        live=live, storages=storages, peak=max(live.values(), default=0), highest=highest, highest_at=highest_at
    )
