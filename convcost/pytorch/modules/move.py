"""Modules that move data."""

import torch
import torch.nn.functional as F  # noqa: N812 - as everywhere in PyTorch
from torch import nn

__all__ = [
    "ChannelShuffle",
    "Chunk",
    "Crop",
    "Narrow",
    "Pad",
    "Permute",
    "PixelRearrange",
    "Reshape",
    "SamePadding",
    "Shift",
]


class Crop(nn.Module):
    """The central part of a feature map, as a view."""

    def __init__(self, *size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = x.dim() - len(self.size)
        for axis, size in enumerate(self.size, first):
            x = x.narrow(axis, (x.shape[axis] - size) // 2, size)
        return x


class SamePadding(nn.Module):
    """A layer behind TensorFlow's `same` padding, which depends on the size of the input: the output has
    ceil(size / stride) elements an axis, and the odd element of padding is behind."""

    def __init__(self, layer: nn.Module, spans: tuple[int, ...], strides: tuple[int, ...], value: float = 0.0) -> None:
        super().__init__()
        self.layer = layer
        self.spans = spans
        self.strides = strides
        self.value = value

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        padding: list[int] = []
        sizes = x.shape[x.dim() - len(self.spans) :]
        for size, span, stride in zip(sizes, self.spans, self.strides, strict=True):
            missing = max((-(-size // stride) - 1) * stride + span - size, 0)
            padding = [missing // 2, missing - missing // 2, *padding]
        return self.layer(F.pad(x, padding, value=self.value))


class Reshape(nn.Module):
    """The same elements in another shape, behind the batch."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(x.shape[0], *self.shape)


class Narrow(nn.Module):
    """The elements from start up to stop of one axis, as a view."""

    def __init__(self, dim: int, start: int, stop: int) -> None:
        super().__init__()
        self.dim, self.start, self.stop = dim, start, stop

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.narrow(self.dim, self.start, self.stop - self.start)


class Chunk(nn.Module):
    """One of several equal parts of an axis, as a view."""

    def __init__(self, chunks: int, index: int, dim: int) -> None:
        super().__init__()
        self.chunks, self.index, self.dim = chunks, index, dim

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        size = x.shape[self.dim] // self.chunks
        return x.narrow(self.dim, self.index * size, size)


class Permute(nn.Module):
    """The axes behind the batch in another order, written out in it."""

    def __init__(self, *dims: int) -> None:
        super().__init__()
        self.dims = dims

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.permute(0, *self.dims).clone(memory_format=torch.contiguous_format)


class ChannelShuffle(nn.Module):
    """The channels of all groups interleaved."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.rows = rows

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        groups = x.reshape(x.shape[0], self.rows, x.shape[1] // self.rows, *x.shape[2:])
        return groups.transpose(1, 2).clone(memory_format=torch.contiguous_format).view(x.shape)


class Shift(nn.Module):
    """Each channel moved by one of prod(kernel_size) offsets, zeros coming in; leftover channels stay."""

    def __init__(self, kernel_size: tuple[int, ...], dilation: tuple[int, ...]) -> None:
        super().__init__()
        self.kernel_size, self.dilation = kernel_size, dilation

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        taps = 1
        for size in self.kernel_size:
            taps *= size
        moved = x.shape[1] // taps * taps
        out = x.clone(memory_format=torch.contiguous_format)
        for number in range(taps if moved else 0):
            here, there, rest = [slice(None)] * x.dim(), [slice(None)] * x.dim(), number
            here[1] = there[1] = slice(number, moved, taps)
            for axis in reversed(range(len(self.kernel_size))):
                rest, place = divmod(rest, self.kernel_size[axis])
                step = self.dilation[axis] * (place - self.kernel_size[axis] // 2)
                size = x.shape[2 + axis]
                step = max(-size, min(size, step))
                here[2 + axis] = slice(max(0, -step), size - max(0, step))
                there[2 + axis] = slice(max(0, step), size - max(0, -step))
            out[:, number:moved:taps] = 0
            out[tuple(here)] = x[tuple(there)]
        return out


class Pad(nn.Module):
    """Elements in front of and behind each spatial axis, and channels of zeros."""

    def __init__(self, padding: tuple[int, ...], mode: str = "constant") -> None:
        super().__init__()
        self.padding, self.mode = padding, mode

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.pad(x, self.padding, mode=self.mode)


class PixelRearrange(nn.Module):
    """Channels to positions by a factor along each spatial axis, or back."""

    def __init__(self, factor: int, back: bool = False) -> None:
        super().__init__()
        self.factor, self.back = factor, back

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rank, factor = x.dim() - 2, self.factor
        batch, channels, sizes = x.shape[0], x.shape[1], x.shape[2:]
        if self.back:
            split = [part for size in sizes for part in (size // factor, factor)]
            order = [0, 1, *range(3, 3 + 2 * rank, 2), *range(2, 2 + 2 * rank, 2)]
            shape = [batch, channels * factor**rank, *(size // factor for size in sizes)]
            rearranged = x.reshape(batch, channels, *split).permute(order)
        else:
            left = channels // factor**rank
            order = [0, 1, *(axis for number in range(rank) for axis in (2 + rank + number, 2 + number))]
            shape = [batch, left, *(size * factor for size in sizes)]
            rearranged = x.reshape(batch, left, *[factor] * rank, *sizes).permute(order)
        return rearranged.clone(memory_format=torch.contiguous_format).view(shape)
