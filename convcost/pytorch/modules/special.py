"""Convolutions over groups of symmetries, in groups of unequal size, and on graphs."""

import torch
import torch.nn.functional as F  # noqa: N812 - as everywhere in PyTorch
from torch import nn

__all__ = ["GraphConv", "GroupEquivariantConv", "SelfGroupedConv"]


class GroupEquivariantConv(nn.Module):
    """A convolution with each filter in every rotation (p4), or rotation and reflection (p4m).

    An element of the group is `turns + 4 * mirrored`: the last axis reversed where mirrored, then quarter turns. Maps
    are (batch, channels, group, height, width); lifting takes images, without a group axis.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        group: str,
        stride: int = 1,
        padding: int = 0,
        bias: bool = True,
        lifting: bool = False,
    ) -> None:
        super().__init__()
        self.order = {"p4": 4, "p4m": 8}[group]
        self.stride = stride
        self.padding = padding
        rows = 1 if lifting else self.order
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, rows, kernel_size, kernel_size))
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None

    def transformed(self, element: int) -> torch.Tensor:
        """The filters, transformed by an element of the group."""
        mirrored, turns = divmod(element, 4)
        weight: torch.Tensor = self.weight
        if weight.shape[2] > 1:
            sign = -1 if mirrored else 1
            order = [4 * (mirrored ^ (row // 4)) + sign * (row - turns) % 4 for row in range(self.order)]
            weight = torch.stack([weight[:, :, row] for row in order], dim=2)
        return torch.rot90(weight.flip(-1) if mirrored else weight, turns, (-2, -1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        filters = torch.stack([self.transformed(element) for element in range(self.order)], dim=1)
        filters = filters.flatten(2, 3).flatten(0, 1)
        bias = None if self.bias is None else self.bias.repeat_interleave(self.order)
        maps = x.flatten(1, 2) if x.dim() == 5 else x
        y = F.conv2d(maps, filters, bias, self.stride, self.padding)
        return y.view(y.shape[0], -1, self.order, *y.shape[2:])


class SelfGroupedConv(nn.Module):
    """Convolutions side by side, each on so many of the channels: from where the one before ends, and around."""

    def __init__(self, *groups: nn.Module) -> None:
        super().__init__()
        self.groups = nn.ModuleList(groups)
        self.channels = [conv.get_parameter("weight").shape[1] for conv in groups]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        outputs = []
        first, every = 0, x.shape[1]
        for conv, channels in zip(self.groups, self.channels, strict=True):
            end = first + channels
            part = x[:, first:end]
            if end > every:
                part = torch.cat([part, x[:, : end - every]], dim=1)
            outputs.append(conv(part))
            first = end % every
        return torch.cat(outputs, dim=1)


class GraphConv(nn.Module):
    """A graph convolution on (batch, channels, vertices), over a made-up graph that has so many edges.

    The vertices stand on a ring: edge number k ends at vertex k % vertices and starts k // vertices further on, so that
    the first edges are the self-loops, and no edge comes twice. For another graph, put another `aggregate`.
    """

    def __init__(self, in_channels: int, out_channels: int, edges: int, bias: bool = True) -> None:
        super().__init__()
        self.edges = edges
        self.linear = nn.Linear(in_channels, out_channels, bias=False)
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None

    def aggregate(self, rows: torch.Tensor) -> torch.Tensor:
        """The sum over neighbours, each edge weighted by the degrees at both of its ends."""
        vertices = rows.shape[0]
        laps, rest = self.edges // vertices, self.edges % vertices
        place = torch.arange(vertices, device=rows.device)
        into = (laps + (place < rest).long()).to(rows.dtype).rsqrt()
        out_of = (laps + ((place - laps) % vertices < rest).long()).to(rows.dtype).rsqrt()
        flat = rows.flatten(1)
        ring, out_of = torch.cat([flat, flat[:laps]]), torch.cat([out_of, out_of[:laps]])
        last = vertices + laps - 1
        weight = into.unsqueeze(1) * out_of[:last].unfold(0, laps, 1)
        total = torch.bmm(ring[:last].unfold(0, laps, 1), weight.unsqueeze(2)).squeeze(2)
        if rest > 0:
            weight = into[:rest] * out_of[laps : laps + rest]
            more = torch.bmm(ring[laps : laps + rest].unsqueeze(2), weight.reshape(-1, 1, 1)).squeeze(2)
            total = total + F.pad(more, (0, 0, 0, vertices - rest))
        return total.view_as(rows)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = x.permute(2, 0, 1)
        if self.linear.in_features <= self.linear.out_features:
            rows = self.linear(self.aggregate(rows))
        else:
            rows = self.aggregate(self.linear(rows))
        if self.bias is not None:
            rows = rows + self.bias
        return rows.permute(1, 2, 0).clone(memory_format=torch.contiguous_format)
