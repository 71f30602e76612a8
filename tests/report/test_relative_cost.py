"""The relative costs of the docstrings are arithmetic, and give what operator and convolution cost."""

from __future__ import annotations

from fractions import Fraction
from math import prod
from typing import Any

import pytest

import convcost.blocks  # noqa: F401 - registers the blocks
from convcost.frontends.expression import evaluate
from convcost.report.entry import Entry, entries
from telling import analysis_of

CHANNELS = 24
SHAPE = (CHANNELS, 10, 11)

SETTINGS: dict[str, list[dict[str, Any]]] = {
    "conv": [{"out_channels": 40, "kernel_size": 3, "padding": 1, "groups": 4}],
    "depthwise": [{"kernel_size": 5}, {"kernel_size": [3, 5], "dilation": 2}],
    "pointwise": [{"out_channels": 40, "groups": 8}, {"out_channels": 7}],
    "grouped": [{"out_channels": 40, "groups": 4}],
    "dilated": [{"out_channels": 40, "dilation": 3}],
    "dsconv": [{"out_channels": 40}, {"out_channels": 64, "kernel_size": [3, 5], "multiplier": 2}],
    "flattened": [{"out_channels": 40}, {"out_channels": 9, "kernel_size": [3, 5]}],
    "cp": [{"out_channels": 40, "rank": 11}, {"out_channels": 24, "rank": 64, "kernel_size": [1, 7]}],
    "tucker": [{"out_channels": 40, "in_rank": 5, "out_rank": 9}],
    "decoupled": [{"out_channels": 40, "multiplier": 2}, {"out_channels": 8, "kernel_size": 5}],
    "shift_block": [{"out_channels": 24, "expansion": 9}, {"out_channels": 24, "expansion": 1}],
    "scc": [{"out_channels": 40, "groups": 4, "overlap": 0.5}],
    "mlpconv": [{"conv_channels": 16, "mlp_channels": 9, "out_channels": 40, "kernel_size": 5}],
    "dwscwconv": [{"channel_kernel_size": 16}],
    "bottleneck": [{"out_channels": 40, "reduction": 4}, {"out_channels": 24, "reduction": 2, "kernel_size": [3, 5]}],
    "shift_conv": [{"out_channels": 40}, {"out_channels": 9, "kernel_size": 1}],
    "equivariant_conv": [{"out_channels": 40}, {"out_channels": 8, "kernel_size": 5}],
}
WITH_KERNEL_OF_ONE = {"pointwise", "scc"}


def relative() -> dict[str, Entry]:
    return {entry.word: entry for entry in entries() if entry.relative_cost}


def convolution_macs(out_channels: int, kernel: list[int]) -> int:
    """Of a standard convolution that keeps the size."""
    return out_channels * CHANNELS * prod(kernel) * prod(SHAPE[1:])


def test_every_relative_cost_has_a_setting() -> None:
    assert set(relative()) == set(SETTINGS)


@pytest.mark.parametrize(
    ("word", "fields"), [(word, fields) for word, several in SETTINGS.items() for fields in several]
)
def test_the_formula_is_the_ratio(word: str, fields: dict[str, Any]) -> None:
    result = analysis_of(word, SHAPE, **fields)
    assert result.layers[-1].node.shape[1:] == SHAPE[1:]
    out_channels = result.layers[-1].node.shape[0]
    size = 1 if word in WITH_KERNEL_OF_ONE else fields.get("kernel_size", 3)
    kernel = size if isinstance(size, list) else [size, size]
    defaults = {"groups": 1, "multiplier": 1}
    names = {**defaults, **fields, "in_channels": CHANNELS, "out_channels": out_channels}
    names |= {"kernel": prod(kernel), "kernel_sum": sum(kernel)}
    formula = evaluate(relative()[word].relative_cost, names)
    assert formula == Fraction(result.totals.macs, convolution_macs(out_channels, kernel))


def test_a_wrong_formula_is_seen() -> None:
    result = analysis_of("dsconv", SHAPE, out_channels=40)
    right = Fraction(result.totals.macs, convolution_macs(40, [3, 3]))
    assert evaluate("1 / 40 + 1 / 9", {}) == right != evaluate("1 / 40 + 1 / 8", {})
