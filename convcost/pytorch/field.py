"""The true receptive field: the cells of the inputs with a gradient, node by node backwards through a real network.

The network is one of positive surrogates, so that no path cancels another, and after every node the gradient is cut
down to where it is: true or false. So each module is run on ones, and adds and multiplies positive numbers of ordinary
size; nothing underflows, and where nothing is read its gradient is exactly 0. The interpolations alone compute their
weights from rounded places, and give 1e-13 where they should give 0: there gradients count from 1e-11 on, which is
below the smallest true weight, 1 / (2 size) an axis, on maps of up to 2,000 elements an axis.

Many units are followed at once, each a sample of the batch. A map whose channels are alike is kept as one channel
while operators treat all channels alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod

import torch
from torch import nn

from convcost.graph import Graph, Node
from convcost.pytorch.build import ExecutionError
from convcost.pytorch.forms import form_of
from convcost.pytorch.modules import Add
from convcost.pytorch.surrogate import mixes_all, one_channel, surrogate
from convcost.record import Record

__all__ = ["Unit", "supports"]

LARGEST = 1 << 19
"""Elements of a map that is computed at once."""
INTERPOLATED = 1e-11


class Unit(Record):
    """The elements of the node at `position` whose place along some of its axes is given: a pair an axis."""

    position: int
    places: tuple[tuple[int, int], ...] = ()


Supports = list[dict[int, torch.Tensor]]


def supports(graph: Graph, units: Sequence[Unit], whole: bool = False) -> Supports:
    """For each unit, and each input of the network by its position, the cells with a gradient: whether any channel has
    one, an entry for each spatial axis. `whole`: every channel of every map is computed.

    Raises:
        ExecutionError: a layer failed, or gives another shape than the graph says.
    """
    order = sorted(range(len(units)), key=lambda number: -units[number].position)
    pending: dict[int, torch.Tensor] = {}
    found: dict[int, torch.Tensor] = {}
    for position in reversed(range(len(graph.nodes))):
        node = graph.nodes[position]
        started = [units[number] for number in order if units[number].position == position]
        before = sum(unit.position > position for unit in units)
        wanted = pending.pop(position, None)
        if started:
            wanted = _joined(wanted, _start(node, started, before))
        if wanted is None:
            continue
        if node.is_input:
            found[position] = wanted.any(dim=1)
            continue
        for source, pattern in zip(node.inputs, _Step(graph, node, whole).back(wanted), strict=True):
            pending[source] = _joined(pending.get(source), pattern)
    results: Supports = [{} for _ in units]
    for position, node in enumerate(graph.nodes):
        for row, number in enumerate(order if node.is_input else ()):
            seen = found.get(position)
            blank = torch.zeros(node.shape[1:], dtype=torch.bool)
            results[number][position] = seen[row] if seen is not None and row < len(seen) else blank
    return results


def _start(node: Node, units: Sequence[Unit], before: int) -> torch.Tensor:
    """The elements of the units, behind so many samples that have begun before."""
    alike = all(axis != 0 for unit in units for axis, _ in unit.places)
    pattern = torch.zeros(before + len(units), 1 if alike else node.shape[0], *node.shape[1:], dtype=torch.bool)
    for row, unit in enumerate(units, before):
        at: list[int | slice] = [slice(None)] * len(node.shape)
        for axis, place in unit.places:
            at[axis] = place
        pattern[(row, *at)] = True
    return pattern


def _joined(first: torch.Tensor | None, second: torch.Tensor) -> torch.Tensor:
    """Where either is, of as many samples and channels as the larger has."""
    if first is None:
        return second
    if len(first) < len(second):
        first, second = second, first
    if first.shape[1] < second.shape[1]:
        first = first.expand(-1, second.shape[1], *first.shape[2:]).clone()
    first[: len(second)] |= second
    return first


class _Step:
    """One node, backwards."""

    def __init__(self, graph: Graph, node: Node, whole: bool) -> None:
        self.graph, self.node, self.whole = graph, node, whole
        self.shapes = [graph.nodes[source].shape for source in node.inputs]
        call = form_of(node.op)
        interpolates = call.function == "nn.Upsample" and call.kwargs.get("mode", "nearest") != "nearest"
        self.least = INTERPOLATED if interpolates else 0.0

    def back(self, wanted: torch.Tensor) -> list[torch.Tensor]:
        """The pattern of each input, for that of the output."""
        if not self.whole and mixes_all(self.node):
            wanted = wanted.any(dim=1, keepdim=True)
        alone = one_channel(self.node) if wanted.shape[1] == 1 and not self.whole else None
        module = surrogate(form_of(self.node.op)) if alone is None else alone
        if isinstance(module, nn.Identity):
            return [wanted]
        if isinstance(module, Add) and all(shape == self.node.shape for shape in self.shapes):
            return [wanted.clone() for _ in self.shapes]
        shapes = self.shapes if alone is None else [(1, *shape[1:]) for shape in self.shapes]
        output = self.node.shape if alone is None else (1, *self.node.shape[1:])
        samples = max(1, LARGEST // max(prod(shape) for shape in (output, *shapes)))
        parts = [self._gradients(module, shapes, part) for part in torch.split(wanted, samples)]
        return [_alike(torch.cat(patterns)) for patterns in zip(*parts, strict=True)]

    def _gradients(
        self, module: nn.Module, shapes: Sequence[tuple[int, ...]], wanted: torch.Tensor
    ) -> Iterator[torch.Tensor]:
        inputs = [torch.zeros(len(wanted), *shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
        try:
            with torch.enable_grad():
                output = module(*inputs)
            gradient = wanted.double().expand(-1, *output.shape[1:])
            gradients = torch.autograd.grad(output, inputs, gradient, allow_unused=True)
        except RuntimeError as error:
            message = str(error).splitlines()[0]
            raise ExecutionError(
                f'{self.node.op.word} "{self.node.name}" failed while its receptive field was measured: {message}'
            ) from error
        for value, gradient in zip(inputs, gradients, strict=True):
            yield torch.zeros_like(value, dtype=torch.bool) if gradient is None else gradient > self.least


def _alike(pattern: torch.Tensor) -> torch.Tensor:
    """The pattern as one channel where all channels are alike."""
    if pattern.shape[1] == 1 or bool((pattern != pattern[:, :1]).any()):
        return pattern
    return pattern[:, :1].clone()
