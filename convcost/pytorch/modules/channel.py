"""Convolutions along the channels."""

import torch
import torch.nn.functional as F  # noqa: N812 - as everywhere in PyTorch
from torch import nn

__all__ = ["ChannelwiseConv", "ConvClassifier", "SlidingChannelConv"]


class SlidingChannelConv(nn.Module):
    """A pointwise convolution whose filters read windows of in_channels / groups neighbouring channels.

    Filter n starts at channel floor(n // repeat * step) modulo in_channels; the step is a numerator and a denominator.
    Windows that serve equally many filters are multiplied together.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        groups: int,
        step: tuple[int, int],
        repeat: int = 1,
        bias: bool = False,
    ) -> None:
        super().__init__()
        width = in_channels // groups
        self.weight = nn.Parameter(torch.empty(out_channels, width))
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)
        self.bias = nn.Parameter(torch.zeros(out_channels, 1)) if bias else None
        filters: dict[int, list[int]] = {}
        for number in range(out_channels):
            filters.setdefault(number // repeat * step[0] // step[1] % in_channels, []).append(number)
        self.parts: list[tuple[list[list[int]], list[list[int]]]] = []
        for count in sorted({len(served) for served in filters.values()}):
            starts = [start for start, served in filters.items() if len(served) == count]
            windows = [[(start + channel) % in_channels for channel in range(width)] for start in starts]
            self.parts.append((windows, [filters[start] for start in starts]))
        order = [number for _, served in self.parts for group in served for number in group]
        self.places = sorted(range(out_channels), key=order.__getitem__)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, spatial, flat = x.shape[0], x.shape[2:], x.flatten(2)
        found = []
        for windows, filters in self.parts:
            seen = flat[:, torch.tensor(windows, device=x.device)]  # batch, windows, width, positions
            seen = seen.permute(1, 2, 0, 3).flatten(2)
            weight = self.weight[torch.tensor(filters, device=x.device)]  # windows, filters, width
            found.append(torch.bmm(weight, seen).flatten(0, 1))
        out = torch.cat(found)[torch.tensor(self.places, device=x.device)]
        if self.bias is not None:
            out = out + self.bias
        out = out.reshape(len(self.places), batch, -1).transpose(0, 1).contiguous()
        return out.reshape(batch, -1, *spatial)


class ChannelwiseConv(nn.Module):
    """1-D kernels that slide along the channels, the same at every position; the channels are padded before and behind
    by as many zeros as `padding` says."""

    def __init__(
        self, kernel_size: int, filters: int, stride: int = 1, padding: tuple[int, int] = (0, 0), bias: bool = False
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, filters, (kernel_size, 1), stride=(stride, 1), bias=bias)
        self.padding = padding

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        planes = F.pad(x.flatten(2).unsqueeze(1), (0, 0, *self.padding))  # batch, 1, channels, positions
        return self.conv(planes).reshape(x.shape[0], -1, *x.shape[2:])


class ConvClassifier(nn.Module):
    """One kernel over all positions and `depth` channels, slid along the channels: a class a place."""

    def __init__(self, depth: int, positions: int, bias: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 1, (depth, positions), bias=bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        planes = x.flatten(2).unsqueeze(1)  # batch, 1, channels, positions
        return self.conv(planes).reshape(x.shape[0], -1, *[1] * (x.dim() - 2))
