"""Networks of one block, with random weights: shared by what is held against dense computations."""

from typing import Any

import pytest

import convcost.blocks  # noqa: F401 - registers the blocks
from convcost.graph import Builder

torch = pytest.importorskip("torch")

from convcost.pytorch.build import Network, build  # noqa: E402

Tensor = Any
SIZES = {1: (11,), 2: (8, 9), 3: (5, 6, 7)}
RANKS = pytest.mark.parametrize("rank", [1, 2, 3])


def built(word: str, channels: int, axes: int, /, **fields: Any) -> tuple[Network, Tensor]:
    """The network of one block on so many spatial axes, with random weights, and an input for it."""
    return built_on(word, (channels, *SIZES[axes]), **fields)


def built_on(word: str, shape: tuple[int, ...], /, **fields: Any) -> tuple[Network, Tensor]:
    torch.manual_seed(len(shape))
    b = Builder()
    b.apply(word, b.input(shape), name="x", **fields)
    network = build(b.graph()).double()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter)
    return network, torch.randn(2, *shape, dtype=torch.float64)


def weight(network: Network, name: str) -> Tensor:
    return network.get_submodule(f"x.{name}").weight.detach()


def bias(network: Network, name: str) -> Tensor:
    return network.get_submodule(f"x.{name}").bias.detach()
