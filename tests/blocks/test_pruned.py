"""Pruned channels: a share of a convolution's filters, and of the inner channels of residual blocks."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from sympy import Max, Symbol, floor

import convcost.blocks  # noqa: F401 - registers the blocks
from convcost.analysis.cost import analyze
from convcost.blocks.convolution import kept
from convcost.errors import FieldError
from convcost.formulas.symbolic import size_symbol
from convcost.graph import Builder
from telling import analysis_of, names_of, output_of

# pruned


def test_pruned_leaves_a_share_of_the_filters() -> None:
    result = analysis_of("pruned", (16, 10, 10), out_channels=64, keep=0.75)
    assert names_of(result) == ["conv"]
    assert output_of(result) == (48, 10, 10)
    assert result.totals.weights == 9 * 16 * 48 == 6_912
    assert result.totals.params == 6_912 + 48
    assert result.totals.macs == 6_912 * 100


@pytest.mark.parametrize("keep", [1, 0.75, 0.5, 0.25, Fraction(3, 8)])
def test_one_share_for_all_layers_costs_its_square(keep: Any) -> None:
    """The second layer has a N_1 of N_1 inputs and a N_2 of N_2 filters: K^2 (a N_1) (a N_2) = a^2 of all."""
    b = Builder()
    x = b.pruned(b.input((16, 10, 10)), out_channels=64, keep=keep, bias=False)
    b.pruned(x, out_channels=128, keep=keep, bias=False)
    first, second = analyze(b.graph()).layers
    share = Fraction(keep)
    assert (first.node.shape[0], second.node.shape[0]) == (64 * share, 128 * share)
    assert Fraction(first.cost.weights, 9 * 16 * 64) == share
    assert Fraction(second.cost.weights, 9 * 64 * 128) == share**2
    assert Fraction(second.cost.macs, 9 * 64 * 128 * 100) == share**2


def test_pruned_keeping_all_is_the_convolution() -> None:
    pruned = analysis_of("pruned", (16, 10, 11), out_channels=12, keep=1, stride=2)
    dense = analysis_of("grouped", (16, 10, 11), out_channels=12, groups=1, stride=2)
    assert output_of(pruned) == output_of(dense) == (12, 5, 6)
    assert pruned.totals == dense.totals


@pytest.mark.parametrize(
    ("channels", "keep", "left"),
    [
        (10, 0.25, 3),  # 2.5, half up
        (10, 0.24, 2),  # 2.4
        (10, Fraction(1, 3), 3),
        (11, 0.5, 6),  # 5.5
        (1, 0.5, 1),
        (1, 0.01, 1),  # and at least 1
        (64, 0.001, 1),
        (1000, 0.0295, 30),  # 29.5 as a decimal, just below it as a float
        (7, 1, 7),
    ],
)
def test_channels_are_rounded_half_up_to_at_least_one(channels: int, keep: Any, left: int) -> None:
    assert output_of(analysis_of("pruned", (4, 8, 8), out_channels=channels, keep=keep)) == (left, 8, 8)


@pytest.mark.parametrize(
    ("shape", "fields", "weights", "output"),
    [
        ((8, 50), {}, 3 * 8 * 6, (6, 50)),
        ((8, 9, 9), {"kernel_size": 5, "stride": 2, "padding": 0}, 25 * 8 * 6, (6, 3, 3)),
        ((8, 9, 9), {"dilation": 2}, 9 * 8 * 6, (6, 9, 9)),
        ((8, 4, 5, 6), {}, 27 * 8 * 6, (6, 4, 5, 6)),
    ],
)
def test_pruned_on_one_to_three_axes(
    shape: tuple[int, ...], fields: dict[str, Any], weights: int, output: tuple[int, ...]
) -> None:
    result = analysis_of("pruned", shape, out_channels=12, keep=0.5, bias=False, **fields)
    assert output_of(result) == output
    assert result.totals.weights == weights


def test_kept_symbols() -> None:
    channels, keep = size_symbol("N"), Symbol("a", positive=True)
    assert kept(channels, 1) == channels
    assert kept(2 * channels, Fraction(1, 2)) == channels
    assert kept(channels, Fraction(2, 3)) == floor(2 * channels / 3 + Fraction(1, 2))
    assert kept(channels, Fraction(1, 3)) == Max(1, floor(channels / 3 + Fraction(1, 2)))
    assert kept(channels, keep).subs({channels: 10, keep: Fraction(1, 4)}) == 3
    for number in (1, 2, 3, 10):
        assert kept(channels, Fraction(1, 3)).subs(channels, number) == kept(number, Fraction(1, 3))


# keep in residual blocks


@pytest.mark.parametrize("keep", [1, 0.5, 0.25])
def test_basic_block_is_pruned_between_its_convolutions(keep: Any) -> None:
    """9 C (a N) + 9 (a N) N: both convolutions are a of what they were, and the output keeps its 64 channels."""
    result = analysis_of("basic_block", (64, 14, 14), out_channels=64, keep=keep)
    hidden = int(64 * keep)
    assert output_of(result) == (64, 14, 14)
    assert result.totals.weights == 9 * 64 * hidden + 9 * hidden * 64
    assert Fraction(result.totals.weights, 2 * 9 * 64 * 64) == Fraction(keep)
    assert result.totals.params == result.totals.weights + 2 * (hidden + 64)


@pytest.mark.parametrize("keep", [1, 0.5, 0.25])
def test_bottleneck_is_pruned_around_its_middle_convolution(keep: Any) -> None:
    """C (a m) + 9 (a m)^2 + (a m) N: a^2 of the 3x3 convolution, a of both 1x1."""
    result = analysis_of("bottleneck_block", (256, 14, 14), out_channels=256, keep=keep)
    by_name = {layer.node.name: layer.cost.weights for layer in result.layers}
    share = Fraction(keep)
    assert output_of(result) == (256, 14, 14)
    assert Fraction(by_name["x.reduce"], 256 * 64) == Fraction(by_name["x.expand"], 64 * 256) == share
    assert Fraction(by_name["x.conv"], 9 * 64 * 64) == share**2


def test_bottleneck_rounds_the_hidden_channels_that_it_is_given() -> None:
    """0.3 x 10 = 3 hidden channels; the shortcut is as it was."""
    result = analysis_of("bottleneck_block", (8, 9, 9), out_channels=16, hidden_channels=10, keep=0.3, stride=2)
    assert result.totals.weights == 8 * 3 + 9 * 3 * 3 + 3 * 16 + 8 * 16


# Wrong fields

SHARE = "a number above 0 and at most 1"


WRONG_FIELDS = [
    ("pruned", {}, "the required field keep is missing; it must be " + SHARE),
    ("pruned", {"keep": 0}, "keep is 0; it must be " + SHARE),
    ("pruned", {"keep": 1.5}, "keep is 1.5; it must be " + SHARE),
    ("pruned", {"keep": "half"}, 'keep is "half"; it must be ' + SHARE),
    ("basic_block", {"keep": -1}, "keep is -1; it must be " + SHARE),
    ("bottleneck_block", {"keep": True}, "keep is true; it must be " + SHARE),
]


@pytest.mark.parametrize(("word", "fields", "message"), WRONG_FIELDS)
def test_wrong_fields(word: str, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(FieldError) as caught:
        analysis_of(word, (4, 8, 8), out_channels=8, **fields)
    assert str(caught.value) == f'{word} "x": {message}'
