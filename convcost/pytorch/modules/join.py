"""Joins."""

import torch
import torch.nn.functional as F  # noqa: N812 - as everywhere in PyTorch
from torch import nn

__all__ = ["Add", "Attention", "Concat", "MatMul", "Multiply"]


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


class MatMul(nn.Module):
    """The matrix product of the last two axes."""

    def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        return torch.matmul(left, right)


class Attention(nn.Module):
    """Scaled dot-product attention."""

    def forward(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        return F.scaled_dot_product_attention(query, key, value).contiguous()
