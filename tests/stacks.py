"""Small networks to rewrite, and what rules do to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import convcost.blocks  # noqa: F401 - registers the blocks
from convcost.errors import ConvcostError
from convcost.graph import Builder, Graph
from convcost.rewrite import replace

REPLACEMENTS = (
    "dsconv",
    "group(groups=4)",
    "pointwise_group(groups=2)",
    "ghost(ratio=2, kernel_size=3)",
    "bottleneck(reduction=4)",
    "fire(ratio=8)",
    "flattened",
    "flattened(stages=2)",
    "spatial_separable",
    "dilated(kernel_size=3, dilation=2)",
    "scc(groups=2, overlap=0.5)",
    "shift",
    "shuffle_unit(groups=3)",
    "cp(rank=64)",
    "tucker(rank=0.5)",
    "decoupled(multiplier=2)",
    "channelwise",
    "p4m",
    "prune(keep=0.7)",
)
"""What may take a layer's place, as rules have it."""


def stack(*steps: Callable[[Builder, Any], Any], shape: tuple[int, ...] = (16, 10, 10)) -> Graph:
    """A network of steps, one behind the other."""
    b = Builder()
    x = b.input(shape)
    for step in steps:
        x = step(b, x)
    return b.graph()


def conv(name: str, **fields: Any) -> Callable[[Builder, Any], Any]:
    fields = {"out_channels": 16, "kernel_size": 3, "padding": 1, **fields}
    return lambda b, x: b.conv(x, name=name, **fields)


def step(word: str, name: str, **fields: Any) -> Callable[[Builder, Any], Any]:
    return lambda b, x: b.apply(word, x, name=name, **fields)


def replaced(graph: Graph, rule: str) -> list[str]:
    return [one.name for one in replace(graph, rule).replaced]


def kept(graph: Graph, rule: str) -> list[tuple[str, str]]:
    return [(one.name, one.reason) for one in replace(graph, rule).skipped]


def names(graph: Graph) -> list[str]:
    return [node.name for node in graph.nodes]


def refusal(graph: Graph, rule: str) -> str:
    with pytest.raises(ConvcostError) as caught:
        replace(graph, rule)
    return str(caught.value)
