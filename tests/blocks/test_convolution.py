"""Depthwise, pointwise, grouped and dilated convolution: the closed forms of the papers."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

import convcost.blocks  # noqa: F401 - registers the blocks
from convcost.errors import FieldError, GraphError
from convcost.graph import Builder
from telling import analysis_of, output_of

# depthwise


def test_depthwise_has_one_filter_a_channel() -> None:
    result = analysis_of("depthwise", (32, 112, 112))
    (layer,) = result.layers
    assert (layer.node.name, layer.node.block, layer.node.op.groups) == ("x.conv", "depthwise", 32)
    assert output_of(result) == (32, 112, 112)
    assert result.totals.weights == 9 * 32 == 288
    assert result.totals.params == 288 + 32
    assert result.totals.macs == 288 * 112 * 112 == 3_612_672
    assert result.totals.flops == 2 * 3_612_672 + 32 * 112 * 112  # and an addition of the bias an output element


def test_depthwise_with_stride_and_without_bias() -> None:
    result = analysis_of("depthwise", (64, 112, 112), stride=2, bias=False)
    assert output_of(result) == (64, 56, 56)  # floor((112 + 2 - 3) / 2) + 1
    assert result.totals.params == result.totals.weights == 9 * 64 == 576
    assert result.totals.macs == 576 * 56 * 56 == 1_806_336


def test_depthwise_multiplier_gives_filters_to_each_channel() -> None:
    result = analysis_of("depthwise", (32, 10, 10), multiplier=3)
    assert output_of(result) == (96, 10, 10)
    assert result.totals.weights == 9 * 32 * 3 == 864
    assert result.totals.params == 864 + 96
    assert result.totals.macs == 864 * 100


@pytest.mark.parametrize(
    ("shape", "fields", "weights", "output"),
    [
        ((8, 100), {"kernel_size": 5}, 5 * 8, (8, 100)),
        ((4, 8, 9, 10), {}, 27 * 4, (4, 8, 9, 10)),
        ((4, 8, 9, 10), {"kernel_size": [1, 3, 5], "stride": [1, 2, 2]}, 15 * 4, (4, 8, 5, 5)),
        ((6, 20, 20), {"dilation": 3}, 9 * 6, (6, 20, 20)),  # padding 3, so that the 7 cells of the kernel stay centred
        ((6, 20, 20), {"padding": 0}, 9 * 6, (6, 18, 18)),
        ((6, 21, 21), {"padding": "same_tf", "stride": 2}, 9 * 6, (6, 11, 11)),
    ],
)
def test_depthwise_on_one_to_three_axes(
    shape: tuple[int, ...], fields: dict[str, Any], weights: int, output: tuple[int, ...]
) -> None:
    result = analysis_of("depthwise", shape, bias=False, **fields)
    positions = 1
    for size in output[1:]:
        positions *= size
    assert output_of(result) == output
    assert result.totals.weights == weights
    assert result.totals.macs == weights * positions


# pointwise


def test_pointwise_is_a_matrix_at_each_position() -> None:
    result = analysis_of("pointwise", (64, 56, 56), out_channels=128)
    assert output_of(result) == (128, 56, 56)
    assert result.totals.weights == 64 * 128 == 8_192
    assert result.totals.params == 8_192 + 128
    assert result.totals.macs == 8_192 * 56 * 56 == 25_690_112


@pytest.mark.parametrize(("shape", "positions"), [((64, 100), 100), ((64, 10, 10), 100), ((64, 5, 5, 4), 100)])
def test_pointwise_groups_divide_the_cost_on_one_to_three_axes(shape: tuple[int, ...], positions: int) -> None:
    result = analysis_of("pointwise", shape, out_channels=128, groups=4, bias=False)
    assert output_of(result) == (128, *shape[1:])
    assert result.totals.params == 64 * 128 // 4 == 2_048
    assert result.totals.macs == 2_048 * positions


def test_grouped_pointwise_has_one_bias_an_output_channel() -> None:
    """ShuffleNet's bottleneck at 240 channels and 80 hidden ones: 20,320 parameters, where (C + 1) N / g would count
    half of the biases."""
    down = analysis_of("pointwise", (240, 28, 28), out_channels=80, groups=2).totals.params
    spatial = analysis_of("depthwise", (80, 28, 28)).totals.params
    up = analysis_of("pointwise", (80, 28, 28), out_channels=240, groups=2).totals.params
    assert down == 240 * 80 // 2 + 80 == 9_680
    assert spatial == (9 + 1) * 80 == 800
    assert up == 80 * 240 // 2 + 240 == 9_840
    assert down + spatial + up == 20_320


# grouped


@pytest.mark.parametrize("groups", [1, 2, 4, 32, 128])
def test_grouped_costs_one_part_in_groups(groups: int) -> None:
    result = analysis_of("grouped", (128, 14, 14), out_channels=128, groups=groups, bias=False)
    dense = 9 * 128 * 128
    assert output_of(result) == (128, 14, 14)
    assert Fraction(result.totals.weights, dense) == Fraction(1, groups)
    assert Fraction(result.totals.macs, dense * 14 * 14) == Fraction(1, groups)


def test_biases_are_not_divided_by_groups() -> None:
    grouped = analysis_of("grouped", (128, 14, 14), out_channels=128, groups=4).totals.params
    dense = analysis_of("grouped", (128, 14, 14), out_channels=128, groups=1).totals.params
    assert (grouped, dense) == (9 * 128 * 128 // 4 + 128, 9 * 128 * 128 + 128) == (36_992, 147_584)
    assert Fraction(grouped, dense) == Fraction(9 * 128 // 4 + 1, 9 * 128 + 1)  # and not 1 / 4


def test_grouped_as_in_alexnet() -> None:
    """The second convolution: 96 to 256 channels, 5x5, 2 groups, at 27x27."""
    result = analysis_of("grouped", (96, 27, 27), out_channels=256, groups=2, kernel_size=5)
    assert output_of(result) == (256, 27, 27)
    assert result.totals.params == 25 * 96 * 256 // 2 + 256 == 307_456
    assert result.totals.macs == 307_200 * 27 * 27 == 223_948_800


@pytest.mark.parametrize(
    ("shape", "kernel", "output"),
    [((8, 33), 3, (12, 17)), ((8, 9, 9), 9, (12, 5, 5)), ((8, 4, 4, 4), 27, (12, 2, 2, 2))],
)
def test_grouped_on_one_to_three_axes(shape: tuple[int, ...], kernel: int, output: tuple[int, ...]) -> None:
    result = analysis_of("grouped", shape, out_channels=12, groups=4, stride=2)
    assert output_of(result) == output
    assert result.totals.params == kernel * 8 * 12 // 4 + 12


# dilated


def test_dilated_costs_what_the_dense_convolution_costs() -> None:
    result = analysis_of("dilated", (16, 20, 20), out_channels=32, dilation=2)
    assert output_of(result) == (32, 20, 20)  # padding 2: 20 + 4 - 5 + 1
    assert result.totals.weights == 9 * 16 * 32 == 4_608
    assert result.totals.params == 4_608 + 32
    assert result.totals.macs == 4_608 * 400 == 1_843_200


def test_dilation_two_spans_five_with_nine_weights() -> None:
    wide = analysis_of("dilated", (1, 20, 20), out_channels=1, dilation=2, padding=0, bias=False)
    five = analysis_of("grouped", (1, 20, 20), out_channels=1, groups=1, kernel_size=5, padding=0, bias=False)
    assert output_of(wide) == output_of(five) == (1, 16, 16)
    assert (wide.totals.weights, five.totals.weights) == (9, 25)


@pytest.mark.parametrize(
    ("shape", "fields", "weights", "output"),
    [
        ((4, 1024), {"kernel_size": 3, "dilation": 512}, 3 * 4 * 8, (8, 1024)),
        ((4, 1024), {"kernel_size": 2, "dilation": 512, "padding": 0}, 2 * 4 * 8, (8, 512)),  # WaveNet: T - (k - 1) d
        ((4, 9, 9), {"dilation": [1, 4], "stride": [2, 1]}, 9 * 4 * 8, (8, 5, 9)),
        ((4, 6, 7, 8), {"dilation": 2}, 27 * 4 * 8, (8, 6, 7, 8)),
    ],
)
def test_dilated_on_one_to_three_axes(
    shape: tuple[int, ...], fields: dict[str, Any], weights: int, output: tuple[int, ...]
) -> None:
    result = analysis_of("dilated", shape, out_channels=8, bias=False, **fields)
    assert output_of(result) == output
    assert result.totals.weights == weights


# padding


@pytest.mark.parametrize("word", ["depthwise", "grouped", "dilated", "dsconv"])
@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
def test_odd_kernels_keep_the_size(word: str, kernel: int) -> None:
    fields: dict[str, Any] = {
        "depthwise": {},
        "grouped": {"out_channels": 6, "groups": 2},
        "dilated": {"out_channels": 6, "dilation": 2},
        "dsconv": {"out_channels": 6},
    }[word]
    assert output_of(analysis_of(word, (4, 11, 12), kernel_size=kernel, **fields))[1:] == (11, 12)


# Wrong fields and inputs

WHOLE = "a whole number of at least 1"
AXES = f"{WHOLE}, or a list with one a spatial axis"


WRONG_FIELDS = [
    ("depthwise", (4, 8, 8), {"kernel_size": 0}, f'depthwise "x": kernel_size is 0; it must be {AXES}'),
    ("depthwise", (4, 8, 8), {"multiplier": 1.5}, f'depthwise "x": multiplier is 1.5; it must be {WHOLE}'),
    ("depthwise", (4, 8, 8), {"bias": 1}, 'depthwise "x": bias is 1; it must be true or false'),
    (
        "depthwise",
        (4, 8, 8),
        {"kernel": 3},
        'depthwise "x": unknown field "kernel"; depthwise takes kernel_size, stride, padding, dilation, multiplier,'
        ' bias; did you mean "kernel_size"?',
    ),
    (
        "depthwise",
        (4, 8, 8),
        {"stride": [1, 2, 2]},
        'depthwise "x": stride is [1, 2, 2], which has 3 entries; the input has 2 spatial axes',
    ),
    (
        "depthwise",
        (4, 8, 8),
        {"padding": "some"},
        'depthwise "x": padding is "some"; it must be a whole number of at least 0, a list with one a spatial axis,'
        ' or same, valid or same_tf; did you mean "same"?',
    ),
    (
        "pointwise",
        (4, 8, 8),
        {},
        f'pointwise "x": the required field out_channels is missing; it must be {WHOLE}',
    ),
    (
        "grouped",
        (4, 8, 8),
        {"out_channels": 8},
        f'grouped "x": the required field groups is missing; it must be {WHOLE}',
    ),
    (
        "dilated",
        (4, 8, 8),
        {"out_channels": 8},
        f'dilated "x": the required field dilation is missing; it must be {AXES}',
    ),
]


@pytest.mark.parametrize(("word", "shape", "fields", "message"), WRONG_FIELDS)
def test_wrong_fields(word: str, shape: tuple[int, ...], fields: dict[str, Any], message: str) -> None:
    with pytest.raises(FieldError) as caught:
        analysis_of(word, shape, **fields)
    assert str(caught.value) == message


WRONG_INPUTS = [
    (
        "pointwise",
        (64, 8, 8),
        {"out_channels": 128, "groups": 3},
        'pointwise "x": conv "conv": groups (=3) must divide in_channels (=64)',
    ),
    (
        "grouped",
        (64, 8, 8),
        {"out_channels": 100, "groups": 8},
        'grouped "x": conv "conv": groups (=8) must divide out_channels (=100)',
    ),
    (
        "dilated",
        (4, 8, 8),
        {"out_channels": 4, "dilation": 4, "padding": 0},
        'dilated "x": conv "conv": kernel_size (=3), 9 with dilation 4, is larger than the padded input'
        " (8 + 2 x 0 = 8) on spatial axis 1; use a smaller kernel, more padding, or fewer strides before it",
    ),
    (
        "depthwise",
        (4,),
        {},
        'depthwise "x": conv "conv": it needs an input of channels and 1 to 3 spatial axes, not 4',
    ),
]


@pytest.mark.parametrize(("word", "shape", "fields", "message"), WRONG_INPUTS)
def test_wrong_inputs(word: str, shape: tuple[int, ...], fields: dict[str, Any], message: str) -> None:
    with pytest.raises(GraphError) as caught:
        analysis_of(word, shape, **fields)
    assert str(caught.value) == message


@pytest.mark.parametrize("count", [0, 2])
def test_blocks_take_one_input(count: int) -> None:
    b = Builder()
    values = [b.input((4, 8, 8), name=f"input{number}") for number in range(count)]
    with pytest.raises(GraphError) as caught:
        b.depthwise(*values, name="x")
    assert str(caught.value) == f'depthwise "x": depthwise takes one input, not {count}'
