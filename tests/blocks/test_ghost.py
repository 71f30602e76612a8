"""Ghost module and ghost bottleneck, against the paper's closed form with its divisions rounded up."""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from typing import Any

import pytest
from sympy import floor

import convcost.blocks  # noqa: F401 - registers the blocks
from convcost.analysis.cost import analyze
from convcost.errors import FieldError, GraphError
from convcost.formulas.symbolic import size_symbol
from convcost.graph import Builder
from telling import analysis_of, names_of, output_of

# ghost


def test_ghost_makes_half_of_its_maps_from_the_other_half() -> None:
    """The first module of GhostNet's third block: 24 to 72 channels at 56x56."""
    result = analysis_of("ghost", (24, 56, 56), out_channels=72)
    primary = ["primary", "primary_norm", "primary_act"]
    cheap = ["cheap", "cheap_norm", "cheap_act"]
    assert names_of(result) == [*primary, *cheap, "concat"]
    assert output_of(result) == (72, 56, 56)
    assert result.totals.weights == 24 * 36 + 9 * 36 == 1_188  # m = 72 / 2 = 36
    assert result.totals.params == 1_188 + 2 * (36 + 36) == 1_332
    assert result.totals.macs == 1_188 * 56 * 56 == 3_725_568


def test_ghost_drops_the_maps_beyond_its_channels() -> None:
    """7 channels in thirds: m = ceil(7 / 3) = 3, 3 x 3 = 9 maps, of which the last 2 are dropped and paid for."""
    result = analysis_of("ghost", (10, 8, 8), out_channels=7, ratio=3)
    assert names_of(result)[-2:] == ["concat", "drop"]
    assert [layer.node.shape[0] for layer in result.layers] == [3, 3, 3, 6, 6, 6, 9, 7]
    assert result.totals.weights == 10 * 3 + 9 * 6 == 84
    assert result.totals.params == 84 + 2 * (3 + 6) == 102
    assert result.totals.macs == 84 * 64
    dropped = result.layers[-1]
    assert dropped.node.op.view
    assert (dropped.cost.macs, dropped.cost.flops) == (0, 0)


@pytest.mark.parametrize("out_channels", [1, 2, 5, 12, 13, 64])
@pytest.mark.parametrize("ratio", [1, 2, 3, 5])
@pytest.mark.parametrize(("kernel", "cheap"), [(1, 3), (3, 3), (3, 5), (5, 1)])
def test_ghost_follows_the_closed_form(out_channels: int, ratio: int, kernel: int, cheap: int) -> None:
    """K^2 C ceil(N / s) + d^2 ceil(N / s) (s - 1) weights."""
    result = analysis_of(
        "ghost", (6, 9, 9), out_channels=out_channels, ratio=ratio, kernel_size=kernel, cheap_kernel_size=cheap
    )
    maps = ceil(Fraction(out_channels, ratio))
    assert output_of(result) == (out_channels, 9, 9)
    assert result.totals.weights == kernel**2 * 6 * maps + cheap**2 * maps * (ratio - 1)
    assert result.totals.macs == result.totals.weights * 81


def test_ghost_of_ratio_one_is_the_convolution() -> None:
    result = analysis_of("ghost", (16, 10, 10), out_channels=24, ratio=1, kernel_size=3)
    assert names_of(result) == ["primary", "primary_norm", "primary_act"]
    assert result.totals.weights == 9 * 16 * 24


@pytest.mark.parametrize(("channels", "gain"), [(128, 1.869), (16, 1.28), (9, 1.0), (8, 0.941)])
def test_ghost_gains_less_than_its_ratio_where_the_kernel_is_small(channels: int, gain: float) -> None:
    """1x1 and 3x3 in halves: c / (c / 2 + 9 / 2) = 2 c / (c + 9), and no gain at all up to 9 channels."""
    ghost = analysis_of("ghost", (channels, 10, 10), out_channels=32).totals.macs
    dense = analysis_of("pointwise", (channels, 10, 10), out_channels=32).totals.macs
    assert Fraction(dense, ghost) == Fraction(2 * channels, channels + 9)
    assert round(dense / ghost, 3) == gain


def test_ghost_gains_nearly_its_ratio_where_both_kernels_are_alike() -> None:
    """The paper's s c / (s + c - 1) with 3x3 and 3x3: 2 x 128 / 129 = 1.984."""
    ghost = analysis_of("ghost", (128, 10, 10), out_channels=32, kernel_size=3).totals.macs
    assert Fraction(9 * 128 * 32 * 100, ghost) == Fraction(2 * 128, 2 + 128 - 1)


def test_a_cheap_map_has_ten_parameters() -> None:
    """3x3 and a bias; 1 + 1, as slides have it, would be a kernel of 1x1."""
    slides, paper = (
        analysis_of("ghost", (128, 9, 9), out_channels=128, cheap_kernel_size=kernel, norm="none") for kernel in (1, 3)
    )
    by_name = {layer.node.name: layer.cost.params for layer in paper.layers}
    assert by_name["x.cheap"] == 64 * (9 + 1)
    assert {layer.node.name: layer.cost.params for layer in slides.layers}["x.cheap"] == 64 * (1 + 1)
    assert by_name["x.primary"] == 64 * (128 + 1)


def test_ghost_has_its_stride_in_the_primary_convolution() -> None:
    result = analysis_of("ghost", (8, 33, 33), out_channels=16, kernel_size=3, stride=2, norm="none")
    by_name = {layer.node.name: layer.cost.macs for layer in result.layers}
    assert output_of(result) == (16, 17, 17)  # floor((33 + 2 - 3) / 2) + 1
    assert by_name["x.primary"] == 9 * 8 * 8 * 17 * 17
    assert by_name["x.cheap"] == 9 * 8 * 17 * 17


@pytest.mark.parametrize(
    ("shape", "kernel", "taps"), [((8, 50), 3, 3), ((8, 7, 9), [3, 5], 15), ((8, 4, 5, 6), [1, 3, 3], 9)]
)
def test_ghost_on_one_to_three_axes(shape: tuple[int, ...], kernel: Any, taps: int) -> None:
    result = analysis_of(
        "ghost", shape, out_channels=12, kernel_size=3, cheap_kernel_size=kernel, norm="none", activation="none"
    )
    assert names_of(result) == ["primary", "cheap", "concat"]
    assert output_of(result) == (12, *shape[1:])
    assert result.totals.weights == 3 ** (len(shape) - 1) * 8 * 6 + taps * 6


def test_ghost_on_symbols() -> None:
    """2 m channels leave nothing over; of n, nobody knows, so the crop stands, and costs nothing."""
    size, channels, maps, number = map(size_symbol, "SCmn")
    b = Builder()
    b.ghost(b.input((channels, size, size)), out_channels=2 * maps, name="x")
    result = analyze(b.graph())
    assert result.totals.macs.equals((channels + 9) * maps * size**2)
    assert names_of(result)[-1] == "concat"
    b = Builder()
    b.ghost(b.input((channels, size, size)), out_channels=number, name="x")
    result = analyze(b.graph())
    assert result.totals.macs.equals((channels + 9) * floor((number + 1) / 2) * size**2)
    assert names_of(result)[-1] == "drop"
    assert output_of(result) == (number, size, size)


# ghost_bottleneck


def test_ghost_bottleneck_of_equal_shapes_adds_its_input() -> None:
    """GhostNet's first block: 16 channels throughout at 112x112, two modules of 16 x 8 + 9 x 8 = 200 weights."""
    result = analysis_of("ghost_bottleneck", (16, 112, 112), out_channels=16, hidden_channels=16)
    module = ["primary", "primary_norm", "cheap", "cheap_norm", "concat"]
    first = ["primary", "primary_norm", "primary_act", "cheap", "cheap_norm", "cheap_act", "concat"]
    assert names_of(result) == [*(f"ghost1.{name}" for name in first), *(f"ghost2.{name}" for name in module), "add"]
    assert output_of(result) == (16, 112, 112)
    assert result.totals.weights == 2 * (16 * 8 + 9 * 8) == 400
    assert result.totals.params == 400 + 2 * 2 * (8 + 8) == 464
    assert result.totals.macs == 400 * 112 * 112 == 5_017_600


def test_ghost_bottleneck_with_stride_and_gate() -> None:
    """24 to 40 channels through 72, 5x5, from 56x56 to 28x28, a gate of 20 (72 / 4 = 18, rounded to fours)."""
    result = analysis_of(
        "ghost_bottleneck",
        (24, 56, 56),
        out_channels=40,
        hidden_channels=72,
        kernel_size=5,
        stride=2,
        squeeze_channels=20,
    )
    by_name = {layer.node.name.removeprefix("x."): layer.cost for layer in result.layers}
    assert output_of(result) == (40, 28, 28)
    assert result.layers[-1].node.op.word == "add"  # and no activation behind it
    assert by_name["ghost1.primary"].macs == 24 * 36 * 56 * 56
    assert by_name["ghost1.cheap"].macs == 9 * 36 * 56 * 56
    assert by_name["depthwise"].macs == 25 * 72 * 28 * 28
    assert by_name["squeeze_excite.squeeze"].params == 72 * 20 + 20
    assert by_name["squeeze_excite.excite"].params == 20 * 72 + 72
    assert by_name["squeeze_excite.excite"].macs == 20 * 72
    assert by_name["ghost2.primary"].macs == 72 * 20 * 28 * 28
    assert by_name["ghost2.cheap"].macs == 9 * 20 * 28 * 28
    assert by_name["shortcut_depthwise"].macs == 25 * 24 * 28 * 28
    assert by_name["shortcut"].macs == 24 * 40 * 28 * 28
    assert result.totals.weights == 6_168 + 2 * 72 * 20 == 9_048  # convolutions and gate
    assert 24 * 36 + 9 * 36 + 25 * 72 + 72 * 20 + 9 * 20 + 25 * 24 + 24 * 40 == 6_168
    # biases of the gate, and a scale and a shift a map of each norm
    assert result.totals.params == 9_048 + (72 + 20) + 2 * (36 + 36 + 72 + 20 + 20 + 24 + 40) == 9_636
    words = [layer.node.op.word for layer in result.layers if layer.node.name.startswith("x.squeeze_excite.")]
    assert words == ["global_avg_pool", "conv", "relu", "conv", "hardsigmoid", "multiply"]


def test_ghost_bottleneck_with_other_channels_has_convolutions_around_without_stride() -> None:
    result = analysis_of("ghost_bottleneck", (8, 9, 9), out_channels=12, hidden_channels=20, norm="none")
    around = [name for name in names_of(result) if name.startswith("shortcut")]
    assert around == ["shortcut_depthwise", "shortcut"]
    assert "depthwise" not in names_of(result)
    assert result.totals.weights == (8 * 10 + 9 * 10) + (20 * 6 + 9 * 6) + 9 * 8 + 8 * 12
    assert result.totals.params == result.totals.weights + 20 + 12 + 8 + 12  # a bias a map


@pytest.mark.parametrize(
    ("shape", "kernel", "taps", "output"),
    [((8, 33), 5, 5, (8, 17)), ((8, 33, 9), 5, 25, (8, 17, 5)), ((8, 4, 5, 6), 3, 27, (8, 2, 3, 3))],
)
def test_ghost_bottleneck_on_one_to_three_axes(
    shape: tuple[int, ...], kernel: int, taps: int, output: tuple[int, ...]
) -> None:
    result = analysis_of("ghost_bottleneck", shape, out_channels=8, hidden_channels=16, kernel_size=kernel, stride=2)
    cheap = 3 ** (len(shape) - 1)
    assert output_of(result) == output
    assert result.totals.weights == (8 + cheap) * 8 + taps * 16 + (16 + cheap) * 4 + taps * 8 + 8 * 8


# Wrong fields and inputs

WHOLE = "a whole number of at least 1"
AXES = f"{WHOLE}, or a list with one a spatial axis"


WRONG = [
    (
        FieldError,
        "ghost",
        (4, 8, 8),
        {"out_channels": 4, "ratio": 0},
        f'ghost "x": ratio is 0; it must be {WHOLE}',
    ),
    (
        FieldError,
        "ghost",
        (4, 8, 8),
        {"out_channels": 4, "cheap_kernel_size": "3x3"},
        f'ghost "x": cheap_kernel_size is "3x3"; it must be {AXES}',
    ),
    (
        FieldError,
        "ghost",
        (4, 8, 8),
        {"out_channels": 4, "cheap_kernel_size": [3, 2]},
        'ghost "x": cheap_kernel_size (=3x2) must be odd on every axis, so that its maps are as large as those they'
        " join",
    ),
    (
        FieldError,
        "ghost_bottleneck",
        (4, 8, 8),
        {"out_channels": 4},
        f'ghost_bottleneck "x": the required field hidden_channels is missing; it must be {WHOLE}',
    ),
    (
        FieldError,
        "ghost_bottleneck",
        (4, 8, 8),
        {"out_channels": 4, "hidden_channels": 8, "gate": "softmax"},
        'ghost_bottleneck "x": gate is "softmax"; it must be sigmoid or hardsigmoid',
    ),
    (
        GraphError,
        "ghost_bottleneck",
        (4,),
        {"out_channels": 4, "hidden_channels": 8},
        'ghost_bottleneck "x": ghost "ghost1": conv "primary": it needs an input of channels and 1 to 3 spatial axes,'
        " not 4",
    ),
]


@pytest.mark.parametrize(("kind", "word", "shape", "fields", "message"), WRONG)
def test_wrong_fields_and_inputs(
    kind: type[Exception], word: str, shape: tuple[int, ...], fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(kind) as caught:
        analysis_of(word, shape, **fields)
    assert str(caught.value) == message
