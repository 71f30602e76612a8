"""Positive surrogates: for every operator a module that reads what the operator reads, without anything that could
cancel, switch off or pick.

Weights are ones, activations and scales by stored statistics pass their input on, maxima are sums over the same
windows, products are sums, and norms add the mean over their scope to their input. The modules are those of the forms;
only what is said here takes another's place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - as everywhere in PyTorch
from torch import nn

from convcost.graph import Node
from convcost.pytorch.build import construct
from convcost.pytorch.forms import Call, form_of
from convcost.pytorch.forms.activation import ACTIVATIONS
from convcost.pytorch.modules import Add, GraphConv, SamePadding

__all__ = ["mixes_all", "one_channel", "surrogate"]


class Windows(nn.Module):
    """The sum over the windows of a maximum pooling; the pooling itself says how many windows there are."""

    def __init__(self, pool: Any, rank: int) -> None:
        super().__init__()
        self.pool, self.rank = pool, rank

    def per_axis(self, value: Any) -> tuple[int, ...]:
        return tuple(value) if isinstance(value, tuple) else (value,) * self.rank

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        sizes = x.shape[2:]
        found = self.pool(x.new_zeros(1, 1, *sizes)).shape[2:]
        names = ("kernel_size", "stride", "padding", "dilation")
        kernel, stride, padding, dilation = (self.per_axis(getattr(self.pool, name)) for name in names)
        margins: list[int] = []
        for axis, size in enumerate(sizes):
            last = (found[axis] - 1) * stride[axis] + dilation[axis] * (kernel[axis] - 1)
            margins = [padding[axis], max(0, last + 1 - size - padding[axis]), *margins]
        padded = F.pad(x, margins)
        planes = padded.reshape(-1, 1, *padded.shape[2:])
        convolve: Any = (F.conv1d, F.conv2d, F.conv3d)[self.rank - 1]
        sums: torch.Tensor = convolve(planes, x.new_ones(1, 1, *kernel), stride=stride, dilation=dilation)
        return sums.reshape(*x.shape[:2], *found)


class PlusMean(nn.Module):
    """What a norm reads: each element, and the mean over its scope; the channels in so many groups, the scope the last
    axes of a group (None: all)."""

    def __init__(self, groups: int = 1, last: int | None = None) -> None:
        super().__init__()
        self.groups, self.last = groups, last

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        grouped = x.reshape(x.shape[0], self.groups, -1, *x.shape[2:])
        first = 2 if self.last is None else grouped.dim() - self.last
        return (grouped + grouped.mean(dim=tuple(range(first, grouped.dim())), keepdim=True)).reshape(x.shape)


class PlusChannels(nn.Module):
    """Each element, and the sum over the channels: what a softmax reads."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + x.sum(dim=1, keepdim=True)


class PlusNeighbours(nn.Module):
    """Each element, and the mean over neighbouring channels, as torch's response normalisation pads them."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        channels = x.flatten(2).transpose(1, 2)
        padded = F.pad(channels, (self.size // 2, (self.size - 1) // 2))
        mean = F.avg_pool1d(padded, self.size, stride=1)
        return x + mean.transpose(1, 2).reshape(x.shape)


class Total(nn.Module):
    """The sum over the last axis, as often as a linear layer has outputs: one with equal weights."""

    def __init__(self, out_features: int) -> None:
        super().__init__()
        self.out_features = out_features

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.sum(dim=-1, keepdim=True).expand(*x.shape[:-1], self.out_features)


class RowsAndColumns(nn.Module):
    """The sum of a row of the first and a column of the second: what a matrix product reads."""

    def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        return left.sum(dim=-1, keepdim=True) + right.sum(dim=-2, keepdim=True)


class QueryKeysValues(nn.Module):
    """The sum of a query, all keys, and all values of a column: what attention reads."""

    def forward(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        keys = key.sum(dim=(-1, -2), keepdim=True)
        return query.sum(dim=-1, keepdim=True) + keys + value.sum(dim=-2, keepdim=True)


class Aggregated(nn.Module):
    """The sum over the channels of neighbours: a graph convolution with equal weights."""

    def __init__(self, out_channels: int, edges: int) -> None:
        super().__init__()
        self.out_channels = out_channels
        self.conv = GraphConv(1, 1, edges, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x.sum(dim=1, keepdim=True)).expand(-1, self.out_channels, -1)


POOLS = {f"nn.MaxPool{rank}d": rank for rank in (1, 2, 3)}
CONVOLUTIONS = {f"nn.{word}{rank}d" for word in ("Conv", "ConvTranspose") for rank in (1, 2, 3)}
ADAPTIVE = {f"nn.AdaptiveMaxPool{rank}d": f"nn.AdaptiveAvgPool{rank}d" for rank in (1, 2, 3)}
PASSED = {
    *(f"nn.{name}" for name in ACTIVATIONS.values()),
    *(f"nn.BatchNorm{rank}d" for rank in (1, 2, 3)),
    *("nn.PReLU", "nn.Dropout", "nn.Identity"),
}
REPLACED: dict[str, Callable[[Call], nn.Module]] = {
    **dict.fromkeys(PASSED, lambda call: nn.Identity()),
    **dict.fromkeys(POOLS, lambda call: Windows(construct(call), POOLS[call.function])),
    **dict.fromkeys(ADAPTIVE, lambda call: construct(call.replace(function=ADAPTIVE[call.function]))),
    **{f"nn.InstanceNorm{rank}d": lambda call: PlusMean(call.args[0]) for rank in (1, 2, 3)},
    "nn.GroupNorm": lambda call: PlusMean(call.args[0]),
    "nn.LayerNorm": lambda call: PlusMean(last=len(call.args[0])),
    "nn.LocalResponseNorm": lambda call: PlusNeighbours(call.args[0]),
    "nn.Softmax": lambda call: PlusChannels(),
    "nn.Linear": lambda call: Total(call.args[1]),
    "Multiply": lambda call: Add(),
    "MatMul": lambda call: RowsAndColumns(),
    "Attention": lambda call: QueryKeysValues(),
    "GraphConv": lambda call: Aggregated(call.args[1], call.args[2]),
    "SamePadding": lambda call: SamePadding(surrogate(call.args[0]), *call.args[1:]),
}


def surrogate(call: Call) -> nn.Module:
    """The module that reads what the form's module reads, in float64."""
    module = REPLACED.get(call.function, construct)(call)
    for name, parameter in module.named_parameters():
        torch.nn.init.constant_(parameter, 0 if name.endswith("bias") else 1)
    return module.double().eval().requires_grad_(False)


def inner(call: Call) -> Call:
    """The layer behind `same` padding, or the call itself."""
    return call.args[0] if call.function == "SamePadding" else call


def mixes_all(node: Node) -> bool:
    """Whether every output channel is the same sum over all input channels: a convolution in one group, which with
    equal weights is one on the sum of the channels."""
    call = inner(form_of(node.op))
    return call.function in CONVOLUTIONS and call.kwargs.get("groups", 1) == 1


REBUILT = {*CONVOLUTIONS, "GroupEquivariantConv", "GraphConv"}
BY_CHANNEL = {
    *PASSED,
    *REBUILT,
    *POOLS,
    *ADAPTIVE,
    *ADAPTIVE.values(),
    *(f"nn.{word}{rank}d" for word in ("AvgPool", "InstanceNorm") for rank in (1, 2, 3)),
    *("nn.GroupNorm", "nn.LocalResponseNorm", "nn.Softmax", "nn.Upsample", "Crop"),
    *("Add", "Multiply", "Concat"),
}
"""Modules that, with equal weights, make of a map whose channels are alike one whose channels are alike."""


def one_channel(node: Node) -> nn.Module | None:
    """The surrogate on a single channel, which stands for all of a map whose channels are alike; None: the operator
    tells channels apart."""
    call = form_of(node.op)
    core = inner(call)
    if len(node.shape) < 2 or not (core.function in BY_CHANNEL or _leaves_channels(core, len(node.shape))):
        return None
    if core.function in REBUILT:
        kwargs = {name: value for name, value in core.kwargs.items() if name != "groups"}
        core = core.replace(args=(1, 1, *core.args[2:]), kwargs={**kwargs, "bias": False})
    elif core.function.startswith("nn.InstanceNorm") or core.function == "nn.GroupNorm":
        core = core.replace(args=(1, 1))
    return surrogate(call.replace(args=(core, *call.args[1:])) if call.function == "SamePadding" else core)


def _leaves_channels(call: Call, axes: int) -> bool:
    """Whether a module that moves data leaves the channels where they are."""
    if call.function == "Pad":
        return len(call.args[0]) == 2 * (axes - 1)
    place = {"Narrow": 0, "Chunk": 2}.get(call.function)
    if place is not None:
        return bool(call.args[place] != 1)
    return call.function == "Permute" and call.args[0] == 1
