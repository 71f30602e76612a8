"""Modules that move data."""

import torch
import torch.nn.functional as F  # noqa: N812 - as everywhere in PyTorch
from torch import nn

__all__ = ["Crop", "SamePadding"]


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
