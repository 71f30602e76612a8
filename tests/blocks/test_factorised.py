"""Flattened, spatially separable, CP, Tucker and decoupled convolution, against the papers' closed forms."""

from __future__ import annotations

from fractions import Fraction
from math import prod
from typing import Any

import numpy
import pytest

import convcost.blocks  # noqa: F401 - registers the blocks
from convcost.analysis.cost import analyze
from convcost.analysis.result import Analysis
from convcost.analysis.view import view
from convcost.errors import ConvcostError
from convcost.formulas.symbolic import size_symbol
from convcost.graph import Builder
from telling import analysis_of, names_of, output_of, told


def macs_of(result: Analysis) -> list[int]:
    """The MACs of each layer, in order."""
    return [layer.cost.macs for layer in result.layers]


def rows_of(result: Analysis, depth: int) -> list[tuple[Any, ...]]:
    return [(row.name, row.op, row.what, row.output_shape, row.layers) for row in view(result, depth=depth).rows]


# flattened


def test_one_flattened_stage_by_hand() -> None:
    """16 to 32 channels, 3x5, without padding: 10x12, then 8x12, then 8x8."""
    result = analysis_of("flattened", (16, 10, 12), out_channels=32, kernel_size=[3, 5], padding=0)
    assert names_of(result) == ["stage1.lateral", "stage1.axis1", "stage1.axis2"]
    assert [layer.node.shape for layer in result.layers] == [(32, 10, 12), (32, 8, 12), (32, 8, 8)]
    assert [layer.node.op.describe() for layer in result.layers] == ["1x1", "3x1 depthwise", "1x5 depthwise"]
    # 16 x 32 x 120 positions, 3 x 32 x 96, 5 x 32 x 64
    assert macs_of(result) == [61_440, 9_216, 10_240]
    assert result.totals.weights == 32 * (16 + 3 + 5) == 768
    assert result.totals.params == 768 + 3 * 32 == 864  # a bias behind each of the three steps
    assert analysis_of("flattened", (16, 10, 12), out_channels=32, kernel_size=[3, 5], bias=False).totals.params == 768


def test_two_flattened_stages_fold_to_a_row_each() -> None:
    """The second stage reads 32 channels: 32 x (32 + 3 + 5) = 1,280 weights beside 768, and has the stride."""
    result = analysis_of("flattened", (16, 10, 12), out_channels=32, kernel_size=[3, 5], stages=2, stride=2)
    assert result.totals.weights == 768 + 1_280 == 2_048
    assert result.totals.params == 2_048 + 6 * 32 == 2_240
    what = "3x5 stride 2 stages 2"
    assert rows_of(result, 1) == [("x", "flattened", what, (32, 5, 6), 6)]
    assert rows_of(result, 2) == [("x.stage1", "stage", "", (32, 10, 12), 3), ("x.stage2", "stage", "", (32, 5, 6), 3)]
    # the first stage at 10x12, then 1x1 at 10x12, 3x1 stride 2x1 at 5x12, 1x5 stride 1x2 at 5x6
    assert macs_of(result) == [61_440, 11_520, 19_200, 32 * 32 * 120, 3 * 32 * 60, 5 * 32 * 30]


@pytest.mark.parametrize("channels", [1, 3, 16, 96])
@pytest.mark.parametrize("filters", [1, 8, 128])
@pytest.mark.parametrize("kernel", [[1, 1], [3, 3], [5, 5], [3, 7], [1, 9]])
def test_flattened_beside_the_convolution(channels: int, filters: int, kernel: list[int]) -> None:
    """1 / (Kh Kw) + 1 / (C Kw) + 1 / (C Kh), of weights and of MACs."""
    high, wide = kernel
    ratio = Fraction(1, high * wide) + Fraction(1, channels * wide) + Fraction(1, channels * high)
    fields = {"out_channels": filters, "kernel_size": kernel, "bias": False}
    flat = analysis_of("flattened", (channels, 9, 11), **fields).totals
    dense = told("conv", (channels, 9, 11), padding="same", **fields)
    assert Fraction(flat.weights, dense["weights"]) == Fraction(flat.macs, dense["macs"]) == ratio


@pytest.mark.parametrize(
    ("channels", "kernel", "ratio"),
    [(1, 3, Fraction(7, 9)), (3, 3, Fraction(1, 3)), (96, 5, Fraction(106, 2_400)), (1, 2, Fraction(5, 4))],
)
def test_some_flattened_ratios(channels: int, kernel: int, ratio: Fraction) -> None:
    """(C + 2 K) / (C K^2): 7 / 9, 9 / 27, 106 / 2,400, and more than the convolution for one channel and 2x2."""
    weights = analysis_of("flattened", (channels, 9, 9), out_channels=4, kernel_size=kernel).totals.weights
    assert Fraction(weights, channels * 4 * kernel**2) == ratio


@pytest.mark.parametrize("stages", [1, 2, 3])
@pytest.mark.parametrize("shape", [(3, 20), (3, 20, 19), (3, 20, 19, 18)])
def test_flattened_on_one_to_three_axes(shape: tuple[int, ...], stages: int) -> None:
    """Without padding each stage of kernel 3 takes 2 off each axis, one axis after the other."""
    rank = len(shape) - 1
    result = analysis_of("flattened", shape, out_channels=5, padding="valid", stages=stages, bias=False)
    assert output_of(result) == (5, *(size - 2 * stages for size in shape[1:]))
    expected, channels, sizes = 0, 3, list(shape[1:])
    for _ in range(stages):
        expected += channels * 5 * prod(sizes)
        for axis in range(rank):
            sizes[axis] -= 2
            expected += 3 * 5 * prod(sizes)
        channels = 5
    assert result.totals.macs == expected
    assert result.totals.weights == 5 * (3 + 3 * rank) + (stages - 1) * 5 * (5 + 3 * rank)


# spatial_separable


def test_two_small_kernels_for_a_square_one() -> None:
    """5x5, one channel, 3x3 without padding: 15 x 3 = 45 and 9 x 3 = 27 multiplications, 72, where 3x3 has 81."""
    result = analysis_of("spatial_separable", (1, 5, 5), out_channels=1, padding=0, bias=False)
    assert names_of(result) == ["axis1", "axis2"]
    assert [layer.node.shape for layer in result.layers] == [(1, 3, 5), (1, 3, 3)]
    assert macs_of(result) == [45, 27]
    assert result.totals.macs == 72
    assert result.totals.weights == 3 + 3  # where 3x3 has 9
    assert told("conv", (1, 5, 5), out_channels=1, kernel_size=3, bias=False)["macs"] == 81


def test_spatial_separable_by_hand() -> None:
    """A branch of Inception v3 at 17x17: 7x1 from 128 to 160 channels, 1x7 to 192, of the same size."""
    result = analysis_of("spatial_separable", (128, 17, 17), out_channels=192, hidden_channels=160, kernel_size=7)
    assert output_of(result) == (192, 17, 17)
    assert [layer.node.op.describe() for layer in result.layers] == ["7x1", "1x7"]
    assert result.totals.weights == 7 * 128 * 160 + 7 * 160 * 192 == 358_400
    assert result.totals.params == 358_400 + 160 + 192
    assert result.totals.macs == 358_400 * 289


@pytest.mark.parametrize(("channels", "hidden", "filters"), [(1, 1, 1), (4, 6, 8), (16, 1, 16), (8, 3, 2)])
@pytest.mark.parametrize(("kernel", "stride", "padding"), [(3, 1, 0), (3, 2, 1), (5, 3, 0), (2, 1, 2)])
def test_spatial_separable_follows_the_closed_form(
    channels: int, hidden: int, filters: int, kernel: int, stride: int, padding: int
) -> None:
    """K M (C + N) weights; H' W K C M + H' W' K M N MACs: the columns' step keeps the width."""
    fields = {"kernel_size": kernel, "stride": stride, "padding": padding, "bias": False}
    result = analysis_of("spatial_separable", (channels, 9, 12), out_channels=filters, hidden_channels=hidden, **fields)
    high, wide = (9 + 2 * padding - kernel) // stride + 1, (12 + 2 * padding - kernel) // stride + 1
    assert output_of(result) == (filters, high, wide)
    assert result.totals.weights == kernel * hidden * (channels + filters)
    assert macs_of(result) == [
        high * 12 * kernel * channels * hidden,
        high * wide * kernel * hidden * filters,
    ]


@pytest.mark.parametrize(("shape", "weights"), [((6, 20), 18), ((6, 20, 9), 36), ((6, 20, 9, 8), 54)])
def test_depthwise_separable_along_the_axes(shape: tuple[int, ...], weights: int) -> None:
    """K C an axis: 2 K C in 2-D, where the depthwise KxK has K^2 C."""
    result = analysis_of("spatial_separable", shape, out_channels=6, depthwise=True)
    assert output_of(result) == shape
    assert [layer.node.op.groups for layer in result.layers] == [6] * (len(shape) - 1)
    assert result.totals.weights == 3 * 6 * (len(shape) - 1) == weights
    assert result.totals.params == weights + 6 * (len(shape) - 1)
    assert result.totals.macs == weights * prod(shape[1:])


def test_spatial_separable_on_one_and_three_axes() -> None:
    """One axis is the convolution itself; in 3-D the hidden channels stand between all three steps."""
    line = analysis_of("spatial_separable", (4, 30), out_channels=6, hidden_channels=99, kernel_size=5, dilation=2)
    assert [layer.node.op.describe() for layer in line.layers] == ["5 dilation 2"]
    assert output_of(line) == (6, 30)
    assert line.totals.weights == 5 * 4 * 6
    volume = analysis_of("spatial_separable", (4, 6, 7, 8), out_channels=6, hidden_channels=5, kernel_size=[1, 3, 5])
    assert output_of(volume) == (6, 6, 7, 8)
    assert volume.totals.weights == 1 * 4 * 5 + 3 * 5 * 5 + 5 * 5 * 6


# cp and tucker


def test_cp_by_hand() -> None:
    """6 to 10 channels, rank 4, stride 2, padding 1: 9x12, then 5x12, then 5x6."""
    fields = {"out_channels": 10, "rank": 4, "stride": 2, "padding": 1}
    result = analysis_of("cp", (6, 9, 12), scaled=True, **fields)
    assert names_of(result) == ["reduce", "axis1", "axis2", "scale", "expand"]
    # 4 x 6 x 108, 4 x 3 x 60, 4 x 3 x 30, 4 x 30, 4 x 10 x 30
    assert macs_of(result) == [2_592, 720, 360, 120, 1_200]
    assert result.totals.weights == 4 * (6 + 10 + 3 + 3) + 4 == 92
    assert result.totals.params == 92 + 10  # the last step alone has biases
    plain = analysis_of("cp", (6, 9, 12), **fields)
    assert names_of(plain) == ["reduce", "axis1", "axis2", "expand"]
    assert plain.totals.weights == 88
    assert plain.totals.macs == 4_992 - 120
    assert rows_of(result, 1) == [("x", "cp", "3x3 stride 2 rank 4 scaled true", (10, 5, 6), 5)]


@pytest.mark.parametrize("shape", [(5, 17), (5, 9, 12), (5, 6, 9, 8)])
@pytest.mark.parametrize(("taps", "stride", "padding"), [(3, 1, 1), (3, 2, 1), (3, 2, 0), (2, 3, 1), (5, 1, 2)])
@pytest.mark.parametrize("scaled", [False, True])
def test_cp_follows_the_closed_form(shape: tuple[int, ...], taps: int, stride: int, padding: int, scaled: bool) -> None:
    """R (C + N + sum K) weights, R more with the factors' weights; each step on the map that is left."""
    kernel = (taps, 1, taps)[: len(shape) - 1]
    margins = [padding if size > 1 else 0 for size in kernel]
    strides = [stride if size > 1 else 1 for size in kernel]
    fields = {"kernel_size": list(kernel), "stride": strides, "padding": margins, "bias": False}
    result = analysis_of("cp", shape, out_channels=7, rank=3, scaled=scaled, **fields)
    sizes = list(shape[1:])
    expected = [3 * 5 * prod(sizes)]
    for axis, size in enumerate(kernel):
        sizes[axis] = (sizes[axis] + 2 * margins[axis] - size) // strides[axis] + 1
        expected.append(3 * size * prod(sizes))
    expected += [3 * prod(sizes)] * scaled + [3 * 7 * prod(sizes)]
    assert output_of(result) == (7, *sizes)
    assert macs_of(result) == expected
    assert result.totals.weights == 3 * (5 + 7 + sum(kernel)) + 3 * scaled
    assert result.totals.params == result.totals.weights


def test_cp_in_three_dimensions_by_hand() -> None:
    """2 to 3 channels, rank 2, stride 2, padding 1: 4x5x6, 2x5x6, 2x3x6, 2x3x3."""
    result = analysis_of("cp", (2, 4, 5, 6), out_channels=3, rank=2, stride=2, padding=1, scaled=True)
    # 2 x 2 x 120, 2 x 3 x 60, 2 x 3 x 36, 2 x 3 x 18, 2 x 18, 2 x 3 x 18
    assert macs_of(result) == [480, 360, 216, 108, 36, 108]
    assert result.totals.weights == 2 * (2 + 3 + 9) + 2 == 30


def test_tucker_by_hand() -> None:
    """6 to 10 channels, ranks 2 and 3, stride 2: 1x1 at 9x12, the core and the last 1x1 at 5x6."""
    result = analysis_of("tucker", (6, 9, 12), out_channels=10, in_rank=2, out_rank=3, stride=2)
    assert names_of(result) == ["reduce", "core", "expand"]
    # 6 x 2 x 108, 9 x 2 x 3 x 30, 3 x 10 x 30
    assert macs_of(result) == [1_296, 1_620, 900]
    assert result.totals.weights == 12 + 54 + 30 == 96
    assert result.totals.params == 96 + 10
    assert rows_of(result, 1) == [("x", "tucker", "3x3 stride 2 in_rank 2 out_rank 3", (10, 5, 6), 3)]


@pytest.mark.parametrize("shape", [(8, 17), (8, 9, 12), (8, 6, 9, 8)])
@pytest.mark.parametrize(("taps", "stride", "padding"), [(3, 1, 1), (3, 2, 1), (2, 3, 0), (5, 1, 2)])
@pytest.mark.parametrize(("inner", "outer"), [(1, 1), (2, 5), (8, 12)])
def test_tucker_follows_the_closed_form(
    shape: tuple[int, ...], taps: int, stride: int, padding: int, inner: int, outer: int
) -> None:
    """C R_i at the input's size, prod(K) R_i R_o + R_o N at the output's."""
    rank = len(shape) - 1
    fields = {"kernel_size": taps, "stride": stride, "padding": padding, "bias": False}
    result = analysis_of("tucker", shape, out_channels=12, in_rank=inner, out_rank=outer, **fields)
    out = [(size + 2 * padding - taps) // stride + 1 for size in shape[1:]]
    assert output_of(result) == (12, *out)
    core = taps**rank * inner * outer
    assert macs_of(result) == [8 * inner * prod(shape[1:]), core * prod(out), outer * 12 * prod(out)]
    assert result.totals.weights == 8 * inner + core + outer * 12


@pytest.mark.parametrize(
    ("fields", "ranks"),
    [
        ({"rank": 0.25}, (16, 32)),
        ({"rank": 1}, (64, 128)),
        ({"rank": 0.1}, (6, 13)),  # 6.4 and 12.8
        ({"rank": Fraction(3, 128)}, (2, 3)),  # 1.5, rounded half up, and 3
        ({"rank": 0.001}, (1, 1)),  # at least 1
        ({"rank": 0.5, "in_rank": 7}, (7, 64)),
        ({"rank": 0.5, "out_rank": 7}, (32, 7)),
    ],
)
def test_ranks_as_a_share_of_the_channels(fields: dict[str, Any], ranks: tuple[int, int]) -> None:
    result = analysis_of("tucker", (64, 8, 8), out_channels=128, **fields)
    assert (result.layers[0].node.shape[0], result.layers[1].node.shape[0]) == ranks


def test_tucker_is_a_bottleneck_without_activations() -> None:
    fields = {"out_channels": 256, "norm": "none", "activation": "none"}
    bottleneck = analysis_of("bottleneck_block", (256, 14, 14), hidden_channels=64, **fields)
    result = analysis_of("tucker", (256, 14, 14), out_channels=256, rank=0.25)
    assert result.totals.weights == bottleneck.totals.weights == 69_632
    assert result.totals.macs == bottleneck.totals.macs


# decoupled


@pytest.mark.parametrize("multiplier", [1, 2, 4, 9])
@pytest.mark.parametrize(("channels", "filters", "kernel"), [(1, 1, 3), (16, 8, 3), (3, 5, 7), (64, 64, 1)])
def test_decoupled_beside_the_convolution(channels: int, filters: int, kernel: int, multiplier: int) -> None:
    """C d N + d N K^2 weights, d / K^2 + d / C of the convolution's."""
    fields = {"out_channels": filters, "kernel_size": kernel, "bias": False}
    result = analysis_of("decoupled", (channels, 9, 11), multiplier=multiplier, **fields)
    assert names_of(result) == ["mix", "gather"]
    hidden = multiplier * filters
    assert [layer.node.shape for layer in result.layers] == [(hidden, 9, 11), (filters, 9, 11)]
    assert result.totals.weights == channels * hidden + hidden * kernel**2
    dense = told("conv", (channels, 9, 11), padding="same", **fields)
    ratio = Fraction(multiplier, kernel**2) + Fraction(multiplier, channels)
    assert Fraction(result.totals.macs, dense["macs"]) == Fraction(result.totals.weights, dense["weights"]) == ratio


def test_decoupled_of_multiplier_one_is_pointwise_then_depthwise() -> None:
    result = analysis_of("decoupled", (6, 9, 12), out_channels=10, stride=2, activation="relu")
    assert names_of(result) == ["mix", "mix_act", "gather"]
    assert [layer.node.op.describe() for layer in result.layers] == ["1x1", "", "3x3 stride 2 depthwise"]
    # 6 x 10 at 9x12, 9 x 10 at 5x6; 10 biases
    assert macs_of(result) == [60 * 108, 0, 90 * 30]
    assert result.totals.params == 60 + 90 + 10
    separable = analysis_of("dsconv", (6, 9, 12), out_channels=10, stride=2, order="pointwise_first", between=False)
    assert (result.totals.macs, result.totals.params) == (separable.totals.macs, separable.totals.params)


def test_the_two_steps_of_every_convolution() -> None:
    """With K^2 channels to gather from, the 1x1 alone costs what the convolution does: 9 x 4 x 5 = 180 a position."""
    mix, gather = macs_of(analysis_of("decoupled", (4, 8, 8), out_channels=5, multiplier=9, padding=1))
    assert mix == told("conv", (4, 8, 8), out_channels=5, kernel_size=3, padding=1)["macs"] == 180 * 64
    assert gather == 9 * 9 * 5 * 64  # K^4 N a position, were it not one tap each


# Axes, symbols and arrays

SETTINGS: list[tuple[str, dict[str, Any]]] = [
    ("flattened", {"out_channels": 6, "stages": 2, "stride": 2}),
    ("spatial_separable", {"out_channels": 6, "hidden_channels": 5, "stride": 2, "kernel_size": 4, "padding": 1}),
    ("spatial_separable", {"out_channels": 4, "depthwise": True, "dilation": 2}),
    ("cp", {"out_channels": 6, "rank": 3, "stride": 2, "scaled": True}),
    ("tucker", {"out_channels": 6, "rank": 0.5, "stride": 2, "kernel_size": 5}),
    ("decoupled", {"out_channels": 6, "multiplier": 2, "stride": 3, "padding": 0}),
]


@pytest.mark.parametrize(("word", "fields"), SETTINGS)
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_symbols_and_arrays_give_the_integers(word: str, fields: dict[str, Any], rank: int) -> None:
    names = [size_symbol(f"size{axis}") for axis in range(rank)]
    several = [[9 + number + axis for axis in range(rank)] for number in range(6)]
    arrays = [numpy.array(axis, dtype=object) for axis in zip(*several, strict=True)]
    symbolic = analysis_of(word, (4, *names), **fields)
    together = analysis_of(word, (4, *arrays), **fields)
    for number, sizes in enumerate(several):
        alone = analysis_of(word, (4, *sizes), **fields)
        values = dict(zip(names, sizes, strict=True))
        assert symbolic.totals.macs.subs(values) == together.totals.macs[number] == alone.totals.macs
        assert tuple(size.subs(values) for size in output_of(symbolic)[1:]) == output_of(alone)[1:]
        assert (symbolic.totals.params, together.totals.params) == (alone.totals.params,) * 2


def test_symbols_for_channels_and_ranks() -> None:
    channels, filters, rank, size = map(size_symbol, "CNRS")
    result = analysis_of("cp", (channels, size, size), out_channels=filters, rank=rank, scaled=True, bias=False)
    assert result.totals.weights.equals(rank * (channels + filters + 6 + 1))
    assert result.totals.macs.equals(rank * (channels + filters + 7) * size**2)
    b = Builder()
    b.flattened(b.input((channels, size)), out_channels=filters, padding=0, name="x")
    assert analyze(b.graph()).totals.macs.equals(channels * filters * size + 3 * filters * (size - 2))
    result = analysis_of("spatial_separable", (channels, size), out_channels=8, depthwise=True, bias=False)
    assert output_of(result) == (8, size)  # nobody knows whether it is C


# Refusals

REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("flattened", {"stages": 0}, "stages is 0; it must be a whole number from 1 to 100"),
    (
        "flattened",
        {"padding": "same"},
        'padding is "same"; it must be a whole number of at least 0, a list with one a spatial axis, or valid',
    ),
    (
        "flattened",
        {"stages": 2, "kernel_size": [3, 6], "padding": 0},
        'conv "axis2": kernel_size (=6) is larger than the padded input (4 + 2 x 0 = 4) on spatial axis 2;'
        " use a smaller kernel, more padding, or fewer strides before it",
    ),
    (
        "spatial_separable",
        {"depthwise": True},
        "out_channels is 6; with depthwise: true it must be the input's channels (=4)",
    ),
    (
        "spatial_separable",
        {"depthwise": True, "out_channels": 4, "hidden_channels": 8},
        "hidden_channels is 8; with depthwise: true it must be the input's channels (=4)",
    ),
    ("cp", {}, "the required field rank is missing; it must be a whole number of at least 1"),
    ("cp", {"rank": 0.5}, "rank is 0.5; it must be a whole number of at least 1"),
    ("tucker", {"in_rank": 2}, "give rank, the share of the channels that is kept, or both in_rank and out_rank"),
    ("tucker", {"rank": 2}, "rank is 2; it must be a number above 0 and at most 1"),
    ("tucker", {"rank": 0}, "rank is 0; it must be a number above 0 and at most 1"),
    ("decoupled", {"multiplier": 1.5}, "multiplier is 1.5; it must be a whole number of at least 1"),
]


@pytest.mark.parametrize(("word", "fields", "message"), REFUSED)
def test_refusals(word: str, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConvcostError) as refused:
        analysis_of(word, (4, 9, 9), **{"out_channels": 6, **fields})
    assert str(refused.value) == f'{word} "x": {message}'


@pytest.mark.parametrize(
    ("word", "fields", "first"),
    [
        ("flattened", {}, "lateral"),
        ("cp", {"rank": 2}, "reduce"),
        ("tucker", {"rank": 1}, "reduce"),
        ("decoupled", {}, "mix"),
        ("spatial_separable", {}, None),
    ],
)
@pytest.mark.parametrize("shape", [(4,), (4, 5, 6, 7, 8)])
def test_spatial_axes_are_needed(word: str, fields: dict[str, Any], first: str | None, shape: tuple[int, ...]) -> None:
    with pytest.raises(ConvcostError) as refused:
        analysis_of(word, shape, out_channels=6, **fields)
    place = f'conv "{first}": ' if first else "" if len(shape) == 1 else 'conv "axis1": '
    rule = f"it needs an input of channels and 1 to 3 spatial axes, not {'x'.join(map(str, shape))}"
    assert str(refused.value) == f'{word} "x": {place}{rule}'
