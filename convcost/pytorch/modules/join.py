"""Joins."""

import torch
from torch import nn

__all__ = ["Add", "Concat", "Multiply"]


class Add(nn.Module):
    """The sum of its inputs."""

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        total = inputs[0] + inputs[1]
        for other in inputs[2:]:
            total = total + other
        return total


class Multiply(nn.Module):
    """The product of its inputs."""

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        product = inputs[0] * inputs[1]
        for other in inputs[2:]:
            product = product * other
        return product


class Concat(nn.Module):
    """Its inputs one behind the other along the channels."""

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return torch.cat(inputs, dim=1)
