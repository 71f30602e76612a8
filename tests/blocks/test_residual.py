"""Residual blocks: basic, bottleneck, ResNeXt's and inverted, with gates, against the papers' weights."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

import convcost.blocks  # noqa: F401 - registers the blocks
from convcost.errors import FieldError, GraphError
from telling import analysis_of, names_of, output_of

# basic_block


def test_basic_block_on_equal_shapes_has_no_shortcut() -> None:
    result = analysis_of("basic_block", (64, 56, 56), out_channels=64)
    expected = ["conv1", "conv1_norm", "conv1_act", "conv2", "conv2_norm", "add", "add_act"]
    assert names_of(result) == expected
    assert output_of(result) == (64, 56, 56)
    assert result.totals.weights == 9 * 64 * (64 + 64) == 73_728
    assert result.totals.params == 73_728 + 2 * 2 * 64 == 73_984  # two norms of 64 scales and shifts
    assert result.totals.macs == 73_728 * 56 * 56 == 231_211_008


def test_basic_block_with_stride_has_a_convolution_around() -> None:
    """The first block of ResNet-18's second stage."""
    result = analysis_of("basic_block", (64, 56, 56), out_channels=128, stride=2)
    assert names_of(result)[5:7] == ["shortcut", "shortcut_norm"]
    assert output_of(result) == (128, 28, 28)
    assert result.totals.weights == 9 * 128 * (64 + 128) + 64 * 128 == 221_184 + 8_192
    assert result.totals.params == 229_376 + 3 * 2 * 128 == 230_144
    assert result.totals.buffers == 3 * (2 * 128 + 1)
    assert result.totals.macs == 229_376 * 28 * 28 == 179_830_784


def test_basic_block_adds_and_activates_once() -> None:
    elements = 8 * 10 * 10
    result = analysis_of("basic_block", (8, 10, 10), out_channels=8, norm="none")
    # two biases, an activation between, the sum, an activation behind it
    assert result.totals.flops - 2 * result.totals.macs == 5 * elements
    assert names_of(result) == ["conv1", "conv1_act", "conv2", "add", "add_act"]


def test_basic_block_without_norm_has_biases() -> None:
    result = analysis_of("basic_block", (64, 8, 8), out_channels=128, norm="none", activation="none")
    assert names_of(result) == ["conv1", "conv2", "shortcut", "add"]
    assert result.totals.params == 229_376 + 3 * 128


@pytest.mark.parametrize(
    ("shape", "taps", "output"),
    [((8, 33), 3, (16, 17)), ((8, 7, 8), 9, (16, 4, 4)), ((8, 4, 5, 6), 27, (16, 2, 3, 3))],
)
def test_basic_block_on_one_to_three_axes(shape: tuple[int, ...], taps: int, output: tuple[int, ...]) -> None:
    """Both ways have the output size floor((size - 1) / stride) + 1, odd sizes as well."""
    result = analysis_of("basic_block", shape, out_channels=16, stride=2)
    assert output_of(result) == output
    assert result.totals.weights == taps * 16 * (8 + 16) + 8 * 16


@pytest.mark.parametrize(("stride", "output"), [(1, (8, 9, 12)), ([2, 1], (8, 5, 12)), ([1, 3], (8, 9, 4))])
def test_basic_block_with_dilation_and_strides_by_axis(stride: Any, output: tuple[int, ...]) -> None:
    result = analysis_of("basic_block", (8, 9, 12), out_channels=8, stride=stride, dilation=2)
    assert output_of(result) == output
    around = 0 if stride == 1 else 8 * 8
    assert result.totals.weights == 9 * 8 * 16 + around


# bottleneck_block


def test_bottleneck_of_resnet() -> None:
    """C = N = 256 and m = 64: C m + 9 m^2 + m N = 69,632 weights, where a dense 3x3 convolution has 589,824."""
    result = analysis_of("bottleneck_block", (256, 56, 56), out_channels=256)
    assert "shortcut" not in names_of(result)
    assert result.totals.weights == 256 * 64 + 9 * 64 * 64 + 64 * 256 == 69_632
    assert result.totals.params == 69_632 + 2 * (64 + 64 + 256) == 70_400
    assert result.totals.macs == 69_632 * 56 * 56 == 218_365_952
    assert round(69_632 / (9 * 256 * 256), 3) == 0.118


def test_bottleneck_of_resnext() -> None:
    """32 groups of 4: 256 x 128 + 9 x 128^2 / 32 + 128 x 256 = 70,144 weights, 93.4 % of them in 1x1 convolutions."""
    result = analysis_of("bottleneck_block", (256, 56, 56), out_channels=256, hidden_channels=128, groups=32)
    assert result.totals.weights == 32 * (256 * 4 + 9 * 4 * 4 + 4 * 256) == 70_144
    pointwise = sum(layer.cost.weights for layer in result.layers if layer.node.name in ("x.reduce", "x.expand"))
    assert pointwise == 65_536
    assert round(pointwise / 70_144, 4) == 0.9343


@pytest.mark.parametrize(
    ("stride_first", "reduce_positions", "macs"), [(False, 56 * 56, 372_506_624), (True, 28 * 28, 295_436_288)]
)
def test_bottleneck_stride_on_the_first_or_the_middle_convolution(
    stride_first: bool, reduce_positions: int, macs: int
) -> None:
    result = analysis_of(
        "bottleneck_block", (256, 56, 56), out_channels=512, stride=2, stride_first=stride_first, norm="none"
    )
    by_name = {layer.node.name: layer.cost.macs for layer in result.layers}
    assert output_of(result) == (512, 28, 28)
    assert by_name["x.reduce"] == 256 * 128 * reduce_positions
    assert by_name["x.conv"] == 9 * 128 * 128 * 784 == 115_605_504
    assert by_name["x.expand"] == 128 * 512 * 784 == 51_380_224
    assert by_name["x.shortcut"] == 256 * 512 * 784 == 102_760_448
    assert result.totals.macs == macs


def test_bottleneck_without_norm_has_biases() -> None:
    result = analysis_of("bottleneck_block", (256, 8, 8), out_channels=512, hidden_channels=64, norm="none")
    assert result.totals.weights == 256 * 64 + 9 * 64 * 64 + 64 * 512 + 256 * 512
    assert result.totals.params == result.totals.weights + 64 + 64 + 512 + 512


def test_bottleneck_with_norm_everywhere() -> None:
    """The first block of ResNet-50: 64 to 256 channels without stride, with a convolution around."""
    result = analysis_of("bottleneck_block", (64, 56, 56), out_channels=256)
    assert result.totals.weights == 64 * 64 + 9 * 64 * 64 + 64 * 256 + 64 * 256 == 73_728
    assert result.totals.params == 73_728 + 2 * (64 + 64 + 256 + 256) == 75_008


@pytest.mark.parametrize(
    ("shape", "fields", "taps", "output"),
    [
        ((16, 33), {}, 3, (32, 17)),
        ((16, 33, 9), {"kernel_size": 5}, 25, (32, 17, 5)),
        ((16, 33, 9), {"dilation": 3}, 9, (32, 17, 5)),
        ((16, 4, 6, 7), {}, 27, (32, 2, 3, 4)),
    ],
)
def test_bottleneck_on_one_to_three_axes(
    shape: tuple[int, ...], fields: dict[str, Any], taps: int, output: tuple[int, ...]
) -> None:
    result = analysis_of("bottleneck_block", shape, out_channels=32, stride=2, **fields)
    assert output_of(result) == output
    assert result.totals.weights == 16 * 8 + taps * 8 * 8 + 8 * 32 + 16 * 32


# resnext_block


def test_resnext_block_of_32_paths_of_4() -> None:
    """C_card (256 d + 9 d^2 + 256 d) = 70,144 weights, near the 69,632 of ResNet's bottleneck."""
    result = analysis_of("resnext_block", (256, 56, 56), out_channels=256)
    bottleneck = analysis_of("bottleneck_block", (256, 56, 56), out_channels=256, hidden_channels=128, groups=32)
    assert result.totals == bottleneck.totals
    assert names_of(result) == names_of(bottleneck)
    assert result.totals.weights == 32 * (256 * 4 + 9 * 4 * 4 + 4 * 256) == 70_144


@pytest.mark.parametrize(("cardinality", "base_width"), [(1, 64), (2, 40), (4, 24), (8, 14), (32, 4)])
@pytest.mark.parametrize("stage", [1, 2, 4, 8])
def test_resnext_paths_grow_with_the_stage(cardinality: int, base_width: int, stage: int) -> None:
    """The settings that the paper calls equally complex: twice the channels, twice the width of a path."""
    channels, width = 256 * stage, base_width * stage
    result = analysis_of(
        "resnext_block", (channels, 7, 7), out_channels=channels, cardinality=cardinality, base_width=base_width
    )
    weights = cardinality * (channels * width + 9 * width**2 + width * channels)
    assert result.totals.weights == weights
    assert result.totals.macs == weights * 49
    assert result.totals.params == weights + 2 * (2 * cardinality * width + channels)


def test_resnext_block_with_one_path_of_64_is_the_bottleneck() -> None:
    fields = {"out_channels": 512, "stride": 2}
    result = analysis_of("resnext_block", (256, 28, 28), cardinality=1, base_width=64, **fields)
    assert result.totals == analysis_of("bottleneck_block", (256, 28, 28), **fields).totals


@pytest.mark.parametrize(
    ("shape", "taps", "output"),
    [((16, 33), 3, (64, 17)), ((16, 33, 9), 9, (64, 17, 5)), ((16, 4, 6, 7), 27, (64, 2, 3, 4))],
)
def test_resnext_block_on_one_to_three_axes(shape: tuple[int, ...], taps: int, output: tuple[int, ...]) -> None:
    """floor(64 x 10 / 256) = 2 channels a path, 8 hidden ones."""
    result = analysis_of("resnext_block", shape, out_channels=64, cardinality=4, base_width=10, stride=2, dilation=2)
    assert output_of(result) == output
    assert result.totals.weights == 4 * 2 * (16 + taps * 2 + 64) + 16 * 64


# inverted_residual


def test_inverted_residual_with_addition() -> None:
    """24 channels, ratio 6, at 56x56: 144 hidden channels (the third block of MobileNet v2)."""
    result = analysis_of("inverted_residual", (24, 56, 56), out_channels=24)
    expected = ["expand", "expand_norm", "expand_act", "depthwise", "depthwise_norm", "depthwise_act"]
    assert names_of(result) == [*expected, "project", "project_norm", "add"]
    assert result.totals.weights == 144 * (24 + 9 + 24) == 8_208
    assert result.totals.params == 8_208 + 2 * (144 + 144 + 24) == 8_832
    assert result.totals.macs == 8_208 * 56 * 56 == 25_740_288


def test_inverted_residual_with_stride_has_no_addition() -> None:
    """16 to 24 channels from 112x112 to 56x56: the first 1x1 runs at the input's size."""
    result = analysis_of("inverted_residual", (16, 112, 112), out_channels=24, stride=2)
    assert "add" not in names_of(result)
    assert output_of(result) == (24, 56, 56)
    assert result.totals.params == 96 * (16 + 9 + 24) + 2 * (96 + 96 + 24) == 4_704 + 432
    assert result.totals.macs == 16 * 96 * 112 * 112 + 96 * (9 + 24) * 56 * 56 == 29_202_432


def test_inverted_residual_with_ratio_one_has_no_expansion() -> None:
    """The first block of MobileNet v2: 32 to 16 channels."""
    result = analysis_of("inverted_residual", (32, 112, 112), out_channels=16, expand_ratio=1)
    assert names_of(result) == ["depthwise", "depthwise_norm", "depthwise_act", "project", "project_norm"]
    assert result.totals.params == 9 * 32 + 32 * 16 + 2 * (32 + 16) == 896
    assert result.totals.macs == 800 * 112 * 112 == 10_035_200


def test_inverted_residual_without_norm_has_biases_and_no_activation_at_the_end() -> None:
    result = analysis_of("inverted_residual", (8, 10, 10), out_channels=8, norm="none", activation="relu")
    assert names_of(result) == ["expand", "expand_act", "depthwise", "depthwise_act", "project", "add"]
    assert result.totals.params == 48 * (8 + 9 + 8) + 48 + 48 + 8


@pytest.mark.parametrize(("ratio", "hidden"), [(0.5, 8), (Fraction(3, 2), 24), (2.0, 32), (Fraction(1), 16)])
def test_inverted_residual_takes_ratios_that_give_whole_channels(ratio: Any, hidden: int) -> None:
    result = analysis_of("inverted_residual", (16, 10, 10), out_channels=4, expand_ratio=ratio, norm="none")
    expansion = 0 if ratio == 1 else 16 * hidden
    assert result.totals.weights == expansion + 9 * hidden + hidden * 4


@pytest.mark.parametrize(
    ("shape", "kernel", "taps", "output"),
    [((8, 33), 5, 5, (12, 17)), ((8, 10, 9), 5, 25, (12, 5, 5)), ((8, 4, 5, 6), 3, 27, (12, 2, 3, 3))],
)
def test_inverted_residual_on_one_to_three_axes(
    shape: tuple[int, ...], kernel: int, taps: int, output: tuple[int, ...]
) -> None:
    result = analysis_of("inverted_residual", shape, out_channels=12, stride=2, kernel_size=kernel)
    assert output_of(result) == output
    assert result.totals.weights == 48 * (8 + taps + 12)


def test_inverted_residual_with_hidden_channels() -> None:
    """MobileNet v3, 80 to 80 channels through 200: 2.5 times as many, and no ratio needed."""
    result = analysis_of(
        "inverted_residual", (80, 14, 14), out_channels=80, hidden_channels=200, activation="hardswish"
    )
    ratio = analysis_of("inverted_residual", (80, 14, 14), out_channels=80, expand_ratio=2.5, activation="hardswish")
    assert result.totals == ratio.totals
    assert result.totals.weights == 200 * (80 + 9 + 80)


def test_inverted_residual_with_as_many_hidden_channels_has_no_expansion() -> None:
    result = analysis_of("inverted_residual", (16, 10, 10), out_channels=16, hidden_channels=16, norm="none")
    assert names_of(result) == ["depthwise", "depthwise_act", "project", "add"]


def test_inverted_residual_with_a_gate() -> None:
    """MobileNet v3, 24 to 40 channels through 72, 5x5, from 56x56 to 28x28, the gate of 24 channels."""
    result = analysis_of(
        "inverted_residual",
        (24, 56, 56),
        out_channels=40,
        kernel_size=5,
        stride=2,
        hidden_channels=72,
        squeeze_channels=24,
        gate="hardsigmoid",
        activation="relu",
    )
    by_name = {layer.node.name.removeprefix("x."): layer for layer in result.layers}
    gate = ["pool", "squeeze", "squeeze_act", "excite", "excite_act", "scale"]
    units = [f"{name}{part}" for name in ("expand", "depthwise") for part in ("", "_norm", "_act")]
    assert names_of(result) == [*units, *(f"squeeze_excite.{name}" for name in gate), "project", "project_norm"]
    assert by_name["squeeze_excite.squeeze_act"].node.op.word == "relu"
    assert by_name["squeeze_excite.excite_act"].node.op.word == "hardsigmoid"
    assert result.totals.weights == 24 * 72 + 25 * 72 + 72 * 40 + 2 * 72 * 24 == 6_408 + 3_456
    assert result.totals.params == 9_864 + (72 + 24) + 2 * (72 + 72 + 40) == 10_328
    assert result.totals.macs == 24 * 72 * 56 * 56 + (25 + 40) * 72 * 28 * 28 + 3_456 == 9_091_584


def test_inverted_residual_of_efficientnet() -> None:
    """16 to 24 channels through 96, the gate of 16 / 4 channels, silu throughout."""
    fields = {"squeeze_channels": 4, "squeeze_activation": "silu", "activation": "silu"}
    result = analysis_of("inverted_residual", (16, 112, 112), out_channels=24, stride=2, **fields)
    words = [layer.node.op.word for layer in result.layers if layer.node.op.family == "activation"]
    assert words == ["silu", "silu", "silu", "sigmoid"]
    assert result.totals.params == 96 * (16 + 9 + 24) + (2 * 96 * 4 + 96 + 4) + 2 * (96 + 96 + 24) == 6_004


# Wrong fields and inputs

WHOLE = "a whole number of at least 1"


WRONG_FIELDS = [
    (
        "basic_block",
        {},
        f'basic_block "x": the required field out_channels is missing; it must be {WHOLE}',
    ),
    (
        "basic_block",
        {"out_channels": 8, "groups": 2},
        'basic_block "x": unknown field "groups"; basic_block takes out_channels, stride, dilation, keep, norm,'
        " activation",
    ),
    (
        "basic_block",
        {"out_channels": 8, "norm": "group"},
        'basic_block "x": norm is "group"; it must be none or batch_norm',
    ),
    (
        "bottleneck_block",
        {"out_channels": 258},
        'bottleneck_block "x": 4 does not divide out_channels (=258); give hidden_channels',
    ),
    (
        "bottleneck_block",
        {"out_channels": 8, "stride_first": "yes"},
        'bottleneck_block "x": stride_first is "yes"; it must be true or false',
    ),
    (
        "inverted_residual",
        {"out_channels": 8, "expand_ratio": 0.3},
        'inverted_residual "x": expand_ratio (=0.3) times the channels (=16) must be whole',
    ),
    (
        "inverted_residual",
        {"out_channels": 8, "expand_ratio": 0},
        'inverted_residual "x": expand_ratio is 0; it must be a number above 0',
    ),
    (
        "inverted_residual",
        {"out_channels": 8, "squeeze_channels": 4, "gate": "relu"},
        'inverted_residual "x": gate is "relu"; it must be sigmoid or hardsigmoid',
    ),
    (
        "resnext_block",
        {"out_channels": 30},
        'resnext_block "x": base_width (=4) gives a path floor(30 x 4 / 256) = 0 channels at out_channels (=30); use a'
        " base_width of at least 9",
    ),
]


@pytest.mark.parametrize(("word", "fields", "message"), WRONG_FIELDS)
def test_wrong_fields(word: str, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(FieldError) as caught:
        analysis_of(word, (16, 8, 8), **fields)
    assert str(caught.value) == message


WRONG_INPUTS = [
    (
        "bottleneck_block",
        (16, 8, 8),
        {"out_channels": 24, "groups": 4},
        'bottleneck_block "x": conv "conv": groups (=4) must divide in_channels (=6)',
    ),
    (
        "basic_block",
        (16,),
        {"out_channels": 16},
        'basic_block "x": conv "conv1": it needs an input of channels and 1 to 3 spatial axes, not 16',
    ),
]


@pytest.mark.parametrize(
    ("word", "shape", "fields", "shown"),
    [
        ("bottleneck_block", (8, 2, 2), {"out_channels": 8, "kernel_size": 2}, "2x2"),  # where broadcasting hides it
        ("bottleneck_block", (8, 8, 2), {"out_channels": 8, "kernel_size": [3, 2]}, "3x2"),
        ("bottleneck_block", (16, 8, 8), {"out_channels": 16, "kernel_size": 2, "dilation": 2}, "2x2"),
        ("resnext_block", (256, 2, 2), {"out_channels": 256, "kernel_size": 2}, "2x2"),
        ("inverted_residual", (16, 8, 8), {"out_channels": 16, "kernel_size": 4}, "4x4"),
        ("ghost_bottleneck", (8, 2, 2), {"out_channels": 4, "hidden_channels": 8, "kernel_size": 2}, "2x2"),
    ],
)
def test_even_kernels_have_two_sizes(word: str, shape: tuple[int, ...], fields: dict[str, Any], shown: str) -> None:
    with pytest.raises(FieldError) as caught:
        analysis_of(word, shape, **fields)
    rule = "must be odd on every axis, so that both ways of the block have one size"
    assert str(caught.value).endswith(f"kernel_size (={shown}) {rule}")


@pytest.mark.parametrize(("word", "shape", "fields", "message"), WRONG_INPUTS)
def test_wrong_inputs(word: str, shape: tuple[int, ...], fields: dict[str, Any], message: str) -> None:
    with pytest.raises(GraphError) as caught:
        analysis_of(word, shape, **fields)
    assert str(caught.value) == message
