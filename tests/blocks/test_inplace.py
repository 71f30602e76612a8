"""Blocks that stand where a convolution stood, against their closed forms and the dense convolution."""

from __future__ import annotations

from fractions import Fraction
from math import prod
from typing import Any

import pytest
import sympy

import convcost.blocks  # noqa: F401 - registers the blocks
from convcost.analysis.cost import analyze
from convcost.errors import ConvcostError
from convcost.formulas.symbolic import size_symbol
from convcost.graph import Builder
from telling import analysis_of, names_of, output_of

SHAPES = [(16, 40), (16, 9, 11), (16, 5, 6, 7)]


def weights(word: str, shape: tuple[int, ...], **fields: Any) -> dict[str, int]:
    return {
        layer.node.name.removeprefix("x."): layer.cost.weights for layer in analysis_of(word, shape, **fields).layers
    }


# bottleneck


def test_bottleneck_of_64_channels() -> None:
    """64 x 16, 9 x 16 x 16, 16 x 64: 1,024 + 2,304 + 1,024 = 4,352 of the dense convolution's 36,864 weights."""
    result = analysis_of("bottleneck", (64, 14, 14), out_channels=64)
    assert names_of(result) == ["reduce", "conv", "expand"]
    assert output_of(result) == (64, 14, 14)
    assert result.totals.weights == 1_024 + 2_304 + 1_024 == 4_352
    assert result.totals.params == 4_352 + 16 + 16 + 64
    assert result.totals.macs == 4_352 * 14 * 14
    share = Fraction(4_352, 9 * 64 * 64)
    assert share == Fraction(1, 4 * 9) + Fraction(1, 16) + Fraction(1, 4 * 9)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("reduction", "stride", "kernel"), [(1, 1, 3), (2, 2, 3), (4, 3, 1), (8, 1, 5)])
def test_bottleneck_on_one_to_three_axes(shape: tuple[int, ...], reduction: int, stride: int, kernel: int) -> None:
    """1x1 at the input's positions, the rest at the output's; (size - 1) // stride + 1 of these an axis."""
    fields = {"out_channels": 24, "reduction": reduction, "stride": stride, "kernel_size": kernel, "bias": False}
    result = analysis_of("bottleneck", shape, **fields)
    rank, hidden = len(shape) - 1, 24 // reduction
    sizes = tuple((size - 1) // stride + 1 for size in shape[1:])
    inner = kernel**rank * hidden * hidden
    assert output_of(result) == (24, *sizes)
    assert result.totals.params == 16 * hidden + inner + hidden * 24
    assert result.totals.macs == 16 * hidden * prod(shape[1:]) + (inner + hidden * 24) * prod(sizes)


def test_bottleneck_takes_the_window_of_the_convolution() -> None:
    """Two rows more of padding, five taps two apart: 9 + 4 - 9 + 1 = 5."""
    result = analysis_of("bottleneck", (8, 9, 9), out_channels=8, kernel_size=5, padding=2, dilation=2, stride=[1, 2])
    assert output_of(result) == (8, 5, 3)
    assert analysis_of("bottleneck", (8, 9, 9), out_channels=8, dilation=3).layers[-1].node.shape == (8, 9, 9)


# linear_bottleneck


@pytest.mark.parametrize("reduction", [1, 2, 4, 16])
def test_linear_bottleneck_is_2_m_over_n(reduction: int) -> None:
    result = analysis_of("linear_bottleneck", (512,), out_features=512, reduction=reduction, bias=False)
    hidden = 512 // reduction
    assert names_of(result) == ["reduce", "expand"]
    assert output_of(result) == (512,)
    assert result.totals.macs == result.totals.params == 2 * 512 * hidden
    assert Fraction(result.totals.params, 512 * 512) == Fraction(2 * hidden, 512)


def test_linear_bottleneck_between_different_features() -> None:
    """25 (100 + 50) weights, 25 + 50 biases."""
    result = analysis_of("linear_bottleneck", (100,), out_features=50, reduction=2)
    assert (result.totals.weights, result.totals.params) == (3_750, 3_750 + 25 + 50)


# shift_conv


def test_shift_conv_is_a_pointwise_convolution_with_a_free_window() -> None:
    result = analysis_of("shift_conv", (64, 14, 14), out_channels=32, stride=2)
    assert names_of(result) == ["shift", "pointwise"]
    assert output_of(result) == (32, 7, 7)
    assert result.totals.weights == 64 * 32 == 2_048
    assert result.totals.params == 2_048 + 32
    assert result.totals.macs == 2_048 * 49
    assert Fraction(2_048, 9 * 64 * 32) == Fraction(1, 9)
    assert result.totals.activations == 64 * 196 + 32 * 49  # the moved map is written


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_shift_conv_on_one_to_three_axes(shape: tuple[int, ...], kernel: int, stride: int) -> None:
    result = analysis_of("shift_conv", shape, out_channels=10, kernel_size=kernel, stride=stride, bias=False)
    sizes = tuple((size - 1) // stride + 1 for size in shape[1:])
    assert output_of(result) == (10, *sizes)
    assert result.totals.macs == 160 * prod(sizes)


# equivariant_conv


@pytest.mark.parametrize(("group", "order"), [("p4", 4), ("p4m", 8)])
def test_equivariant_conv_shares_parameters_and_saves_no_work(group: str, order: int) -> None:
    """64 channels are 64 / order maps over the group: order (64 / order)^2 9 weights, 64 / order biases."""
    result = analysis_of("equivariant_conv", (64, 14, 14), out_channels=64, group=group)
    assert names_of(result) == ["to_group", "conv", "to_plane"]
    assert output_of(result) == (64, 14, 14)
    assert result.totals.weights == order * (64 // order) ** 2 * 9 == 36_864 // order
    assert result.totals.params == 36_864 // order + 64 // order
    assert result.totals.macs == 36_864 * 196
    assert result.totals.activations == 64 * 196  # both reshapes are views


@pytest.mark.parametrize(
    ("fields", "sizes"),
    [
        ({"stride": 2}, (7, 8)),  # (14 - 1) // 2 + 1
        ({"kernel_size": 5}, (14, 15)),
        ({"kernel_size": 5, "padding": 0}, (10, 11)),
        ({"kernel_size": 1, "stride": 3}, (5, 5)),
        ({"kernel_size": 2}, (13, 14)),  # even kernels get (2 - 1) // 2 = 0
    ],
)
def test_equivariant_conv_windows(fields: dict[str, Any], sizes: tuple[int, int]) -> None:
    result = analysis_of("equivariant_conv", (8, 14, 15), out_channels=16, group="p4m", **fields)
    taps = fields.get("kernel_size", 3) ** 2
    assert output_of(result) == (16, *sizes)
    assert result.totals.weights == 8 * 16 * taps // 8
    assert result.totals.macs == 8 * 16 * taps * prod(sizes)


# pruned_conv


def test_pruned_conv_computes_what_is_kept() -> None:
    """0.75: 48 of 64 filters on 12 of 16 channels; the 16 others are zeros."""
    result = analysis_of("pruned_conv", (16, 10, 10), out_channels=64, keep=0.75)
    assert names_of(result) == ["kept", "conv", "zeros"]
    assert output_of(result) == (64, 10, 10)
    assert result.totals.weights == 9 * 12 * 48 == 5_184
    assert result.totals.params == 5_184 + 48
    assert result.totals.macs == 5_184 * 100
    assert Fraction(5_184, 9 * 16 * 64) == Fraction(3, 4) ** 2


@pytest.mark.parametrize(
    ("fields", "names", "count"),
    [
        ({"keep": 1}, ["conv"], 9 * 16 * 20),
        ({"keep": 1, "keep_in": 0.5}, ["kept", "conv"], 9 * 8 * 20),
        ({"keep": 0.5, "keep_in": 1}, ["conv", "zeros"], 9 * 16 * 10),
        ({"keep": 0.7}, ["kept", "conv", "zeros"], 9 * 11 * 14),  # 11.2, 14
        ({"keep": 0.01}, ["kept", "conv", "zeros"], 9),  # one channel at least
        ({"keep": 0.5, "kernel_size": 1}, ["kept", "conv", "zeros"], 8 * 10),
    ],
)
def test_pruned_conv_slices_and_pads_where_something_is_left_out(
    fields: dict[str, Any], names: list[str], count: int
) -> None:
    result = analysis_of("pruned_conv", (16, 10, 10), out_channels=20, bias=False, **fields)
    assert names_of(result) == names
    assert output_of(result) == (20, 10, 10)
    assert (result.totals.params, result.totals.macs) == (count, count * 100)


@pytest.mark.parametrize("shape", SHAPES)
def test_pruned_conv_on_one_to_three_axes(shape: tuple[int, ...]) -> None:
    result = analysis_of("pruned_conv", shape, out_channels=12, keep=0.5, stride=2, dilation=2, bias=False)
    sizes = tuple((size - 1) // 2 + 1 for size in shape[1:])
    assert output_of(result) == (12, *sizes)
    assert result.totals.macs == 3 ** (len(shape) - 1) * 8 * 6 * prod(sizes)


# On symbols


C, N, H, W = map(size_symbol, ("C", "N", "H", "W"))


@pytest.mark.parametrize(
    ("word", "fields", "count"),
    [
        ("bottleneck", {"reduction": 4}, C * N / 4 + 9 * N * N / 16 + N * N / 4),
        ("shift_conv", {}, C * N),
        ("equivariant_conv", {"group": "p4m"}, 9 * C * N / 8),
        ("equivariant_conv", {"group": "p4"}, 9 * C * N / 4),
        (
            "pruned_conv",
            {"keep": 0.5},
            9 * sympy.floor(C / 2 + Fraction(1, 2)) * sympy.floor(N / 2 + Fraction(1, 2)),
        ),
    ],
)
def test_closed_forms(word: str, fields: dict[str, Any], count: Any) -> None:
    b = Builder()
    out = b.apply(word, b.input((C, H, W)), name="x", out_channels=N, bias=False, **fields)
    totals = analyze(b.graph()).totals
    assert out.shape == (N, H, W)
    assert sympy.simplify(totals.params - count) == 0
    order = {"p4": 4, "p4m": 8}.get(fields.get("group"), 1)
    assert sympy.simplify(totals.macs - count * order * H * W) == 0


def test_the_linear_bottleneck_on_symbols() -> None:
    b = Builder()
    b.linear_bottleneck(b.input((C,)), out_features=N, bias=False)
    assert sympy.simplify(analyze(b.graph()).totals.params - (C + N) * N / 4) == 0


# The bias of blocks that had none to give, and the stride of a pointwise convolution


@pytest.mark.parametrize(
    ("word", "fields", "weighted", "biases"),
    [
        ("ghost", {"out_channels": 16}, 2, 16),
        ("fire", {"squeeze": 4, "expand1x1": 8, "expand3x3": 8}, 3, 20),
        ("shuffle_unit", {"out_channels": 16, "groups": 2}, 3, 4 + 4 + 16),
        ("bottleneck", {"out_channels": 16}, 3, 4 + 4 + 16),
        ("shift_conv", {"out_channels": 16}, 1, 16),
        ("equivariant_conv", {"out_channels": 16}, 1, 2),
        ("pruned_conv", {"out_channels": 16, "keep": 0.5}, 1, 8),
        ("pointwise", {"out_channels": 16, "stride": 2}, 1, 16),
    ],
)
def test_bias_is_given_or_taken(word: str, fields: dict[str, Any], weighted: int, biases: int) -> None:
    plain = {"norm": "none", "activation": "none"} if word in ("ghost", "shuffle_unit") else {}
    found = {
        bias: analysis_of(word, (16, 8, 8), bias=bias, **fields, **plain).totals.params
        - analysis_of(word, (16, 8, 8), bias=bias, **fields, **plain).totals.weights
        for bias in (True, False)
    }
    assert found == {True: biases, False: 0}
    default = analysis_of(word, (16, 8, 8), **fields, **plain)
    assert default.totals.params - default.totals.weights == biases
    ops = [layer.node.op for layer in default.layers]
    assert sum(hasattr(op, "bias") for op in ops) == weighted


def test_biases_behind_a_norm_are_left_out_unless_asked_for() -> None:
    """Norms have two parameters a channel."""
    for word, fields in (("ghost", {"out_channels": 16}), ("shuffle_unit", {"out_channels": 16, "groups": 2})):
        found = analysis_of(word, (16, 8, 8), **fields).totals.params
        assert analysis_of(word, (16, 8, 8), **fields, bias=False).totals.params == found
        channels = 16 if word == "ghost" else 24
        assert analysis_of(word, (16, 8, 8), **fields, bias=True).totals.params == found + channels


def test_pointwise_with_a_stride() -> None:
    result = analysis_of("pointwise", (16, 9, 10), out_channels=8, stride=2, groups=2, bias=False)
    assert output_of(result) == (8, 5, 5)
    assert (result.totals.weights, result.totals.macs) == (64, 64 * 25)


# Wrong fields and inputs

WHOLE = "a whole number of at least 1"
MAPS = "it needs an input of channels and 1 to 3 spatial axes, not 60"
REFUSED = [
    ("bottleneck", (60, 8, 8), {"out_channels": 6}, "reduction (=4) must divide out_channels (=6)"),
    ("bottleneck", (60, 8, 8), {"out_channels": 8, "reduction": 0}, f"reduction is 0; it must be {WHOLE}"),
    ("bottleneck", (60, 8, 8), {}, f"the required field out_channels is missing; it must be {WHOLE}"),
    ("bottleneck", (60,), {"out_channels": 8}, f'conv "reduce": {MAPS}'),
    (
        "bottleneck",
        (60, 8, 8),
        {"out_channels": 8, "kernel_size": 9, "padding": 0},
        'conv "conv": kernel_size (=9) is larger than the padded input (8 + 2 x 0 = 8) on spatial axis 1;'
        " use a smaller kernel, more padding, or fewer strides before it",
    ),
    (
        "bottleneck",
        (60, 8, 8),
        {"out_channels": 8, "padding": "same"},
        'padding is "same"; it must be a whole number of at least 0, a list with one a spatial axis, or valid',
    ),
    ("linear_bottleneck", (60,), {"out_features": 6}, "reduction (=4) must divide out_features (=6)"),
    ("linear_bottleneck", (60, 8, 8), {"out_features": 8}, "it needs a vector, not 60x8x8; flatten it first"),
    (
        "linear_bottleneck",
        (60,),
        {"out_channels": 8},
        'unknown field "out_channels"; linear_bottleneck takes out_features, reduction, bias',
    ),
    ("shift_conv", (60,), {"out_channels": 8}, f'shift "shift": {MAPS}'),
    (
        "shift_conv",
        (60, 8, 8),
        {"out_channels": 8, "padding": 0},
        'unknown field "padding"; shift_conv takes out_channels, kernel_size, stride, dilation, bias',
    ),
    (
        "equivariant_conv",
        (60, 8, 8),
        {"out_channels": 64},
        "p4m has 8 elements, which must divide the channels of the input (=60)",
    ),
    (
        "equivariant_conv",
        (60, 8, 8),
        {"out_channels": 6, "group": "p4"},
        "p4 has 4 elements, which must divide the channels (out_channels=6)",
    ),
    (
        "equivariant_conv",
        (64, 8),
        {"out_channels": 64},
        "it needs an input of channels and 2 spatial axes, not 64x8",
    ),
    (
        "equivariant_conv",
        (64, 8, 8),
        {"out_channels": 64, "group": "p6"},
        'group is "p6"; it must be p4 or p4m',
    ),
    (
        "equivariant_conv",
        (64, 8, 8),
        {"out_channels": 64, "kernel_size": [3, 1]},
        f"kernel_size is [3, 1]; it must be {WHOLE}",
    ),
    ("pruned_conv", (60, 8, 8), {"out_channels": 8, "keep": 0}, "keep is 0; it must be a number above 0 and at most 1"),
    (
        "pruned_conv",
        (60, 8, 8),
        {"out_channels": 8, "keep": 0.5, "keep_in": 1.5},
        "keep_in is 1.5; it must be a number above 0 and at most 1",
    ),
    (
        "pruned_conv",
        (60, 8, 8),
        {"out_channels": 8},
        "the required field keep is missing; it must be a number above 0 and at most 1",
    ),
    ("pruned_conv", (60,), {"out_channels": 8, "keep": 1}, f'conv "conv": {MAPS}'),
]


@pytest.mark.parametrize(("word", "shape", "fields", "message"), REFUSED)
def test_wrong_fields_and_inputs(word: str, shape: tuple[int, ...], fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConvcostError) as caught:
        analysis_of(word, shape, **fields)
    assert str(caught.value) == f'{word} "x": {message}'
