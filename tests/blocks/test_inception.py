"""Inception's module and network in network's mlpconv layer, against the papers' counts."""

from __future__ import annotations

from fractions import Fraction
from math import prod
from typing import Any

import pytest

import convcost.blocks  # noqa: F401 - registers the blocks
from convcost.errors import FieldError, GraphError
from telling import analysis_of, names_of, output_of

# inception

INCEPTION_3A = {
    "branch1x1": 64,
    "reduce3x3": 96,
    "branch3x3": 128,
    "reduce5x5": 16,
    "branch5x5": 32,
    "pool_proj": 32,
}
SMALL = {"branch1x1": 1, "reduce3x3": 2, "branch3x3": 3, "reduce5x5": 4, "branch5x5": 5, "pool_proj": 6}


def test_inception_3a() -> None:
    """GoogLeNet's first module: C a + C b' + 9 b' b + C c' + 25 c' c + C d = 163,328 weights."""
    result = analysis_of("inception", (192, 28, 28), **INCEPTION_3A)
    by_name = {layer.node.name: layer.cost.weights for layer in result.layers}
    assert output_of(result) == (64 + 128 + 32 + 32, 28, 28) == (256, 28, 28)
    assert by_name["x.branch1x1"] == 192 * 64 == 12_288
    assert by_name["x.reduce3x3"] == 192 * 96 == 18_432
    assert by_name["x.branch3x3"] == 9 * 96 * 128 == 110_592
    assert by_name["x.reduce5x5"] == 192 * 16 == 3_072
    assert by_name["x.branch5x5"] == 25 * 16 * 32 == 12_800
    assert by_name["x.pool_proj"] == 192 * 32 == 6_144
    assert result.totals.weights == 12_288 + 18_432 + 110_592 + 3_072 + 12_800 + 6_144 == 163_328
    assert result.totals.params == 163_328 + (64 + 96 + 128 + 16 + 32 + 32) == 163_328 + 368  # a bias a channel
    assert result.totals.macs == 163_328 * 28 * 28 == 128_049_152


def test_inception_3a_with_torchvisions_smaller_kernel() -> None:
    """3x3 in the place of 5x5: 9 x 16 x 32 = 4,608 weights there, 155,136 in all."""
    result = analysis_of("inception", (192, 28, 28), large_kernel_size=3, norm="batch_norm", **INCEPTION_3A)
    assert output_of(result) == (256, 28, 28)
    assert result.totals.weights == 163_328 - 12_800 + 4_608 == 155_136
    assert result.totals.params == 155_136 + 2 * 368  # a scale and a shift a channel, no biases
    assert result.totals.macs == 155_136 * 784 == 121_626_624


def test_inception_concatenates_four_activated_branches() -> None:
    """Elementwise work: a bias and a comparison an element of each convolution; 8 comparisons a maximum of 9."""
    result = analysis_of("inception", (2, 4, 4), **SMALL)
    assert names_of(result) == [
        "branch1x1",
        "branch1x1_act",
        "reduce3x3",
        "reduce3x3_act",
        "branch3x3",
        "branch3x3_act",
        "reduce5x5",
        "reduce5x5_act",
        "branch5x5",
        "branch5x5_act",
        "pool",
        "pool_proj",
        "pool_proj_act",
        "concat",
    ]
    assert output_of(result) == (1 + 3 + 5 + 6, 4, 4)
    assert result.totals.flops - 2 * result.totals.macs == 2 * 16 * (1 + 2 + 3 + 4 + 5 + 6) + 8 * 2 * 16


def test_inception_branches_read_the_input_or_their_own_reduction() -> None:
    result = analysis_of("inception", (2, 4, 4), activation="none", **SMALL)
    nodes = [layer.node for layer in result.layers]
    read = {node.name: [nodes[source - 1].name if source else "input" for source in node.inputs] for node in nodes}
    assert read == {
        "x.branch1x1": ["input"],
        "x.reduce3x3": ["input"],
        "x.branch3x3": ["x.reduce3x3"],
        "x.reduce5x5": ["input"],
        "x.branch5x5": ["x.reduce5x5"],
        "x.pool": ["input"],
        "x.pool_proj": ["x.pool"],
        "x.concat": ["x.branch1x1", "x.branch3x3", "x.branch5x5", "x.pool_proj"],
    }


@pytest.mark.parametrize("shape", [(8, 20), (8, 5, 4), (8, 5, 2, 2)])
def test_inception_on_one_to_three_axes(shape: tuple[int, ...]) -> None:
    """3^axes and 5^axes taps: 20 positions in each."""
    result = analysis_of("inception", shape, **SMALL)
    rank = len(shape) - 1
    weights = 8 * (1 + 2 + 4 + 6) + 3**rank * 2 * 3 + 5**rank * 4 * 5
    assert weights == {1: 222, 2: 658, 3: 2_766}[rank]
    assert output_of(result) == (15, *shape[1:])
    assert result.totals.weights == weights
    assert result.totals.macs == weights * 20


# mlpconv


def test_mlpconv_of_the_first_stage() -> None:
    """CIFAR-10: 5x5 from 3 to 192 channels, then 160 and 96: 25 x 3 x 192 + 192 x 160 + 160 x 96 = 60,480 weights."""
    result = analysis_of("mlpconv", (3, 32, 32), conv_channels=192, mlp_channels=160, out_channels=96, kernel_size=5)
    by_name = {layer.node.name: layer.cost.params for layer in result.layers}
    assert names_of(result) == ["conv", "conv_act", "mlp1", "mlp1_act", "mlp2", "mlp2_act"]
    assert output_of(result) == (96, 32, 32)
    assert by_name["x.conv"] == 25 * 3 * 192 + 192 == 14_592
    assert by_name["x.mlp1"] == 192 * 160 + 160 == 30_880
    assert by_name["x.mlp2"] == 160 * 96 + 96 == 15_456
    assert result.totals.weights == 14_400 + 30_720 + 15_360 == 60_480
    assert result.totals.params == 14_592 + 30_880 + 15_456 == 60_928
    assert result.totals.macs == 60_480 * 1_024 == 61_931_520


def test_mlpconv_stages_of_network_in_network() -> None:
    """The three stages are all that the network has: 966,986 parameters at 32x32, 16x16 and 8x8."""
    stages = [
        ((3, 32, 32), {"conv_channels": 192, "mlp_channels": 160, "out_channels": 96, "kernel_size": 5}),
        ((96, 16, 16), {"conv_channels": 192, "mlp_channels": 192, "out_channels": 192, "kernel_size": 5}),
        ((192, 8, 8), {"conv_channels": 192, "mlp_channels": 192, "out_channels": 10, "kernel_size": 3}),
    ]
    totals = [analysis_of("mlpconv", shape, **fields).totals for shape, fields in stages]
    second = (25 * 96 * 192 + 192) + 2 * (192 * 192 + 192)
    third = (9 * 192 * 192 + 192) + (192 * 192 + 192) + (192 * 10 + 10)
    assert [total.params for total in totals] == [60_928, second, third] == [60_928, 535_104, 370_954]
    assert sum(total.params for total in totals) == 966_986
    assert sum(total.macs for total in totals) == 60_480 * 1_024 + 534_528 * 256 + 370_560 * 64 == 222_486_528


@pytest.mark.parametrize(("shape", "kernel_size"), [((6, 12), 3), ((6, 12, 9), [3, 5]), ((6, 4, 4, 4), 3)])
@pytest.mark.parametrize("stride", [1, 2])
def test_mlpconv_beside_the_dense_convolution(shape: tuple[int, ...], kernel_size: Any, stride: int) -> None:
    """n1 / n3 + n2 (n1 / n3 + 1) / (C K) of the MACs, for n1, n2 and n3 channels out of the three convolutions."""
    result = analysis_of(
        "mlpconv",
        shape,
        conv_channels=8,
        mlp_channels=10,
        out_channels=12,
        kernel_size=kernel_size,
        stride=stride,
    )
    dense = analysis_of("grouped", shape, out_channels=12, groups=1, kernel_size=kernel_size, stride=stride, bias=False)
    kernel = prod(kernel_size) if isinstance(kernel_size, list) else kernel_size ** (len(shape) - 1)
    assert output_of(result) == output_of(dense)
    assert output_of(result)[1:] == tuple((size - 1) // stride + 1 for size in shape[1:])
    assert result.totals.weights == kernel * 6 * 8 + 8 * 10 + 10 * 12
    ratio = Fraction(8, 12) + Fraction(10, 6 * kernel) * (Fraction(8, 12) + 1)
    assert Fraction(result.totals.macs, dense.totals.macs) == ratio


def test_mlpconv_with_padding_given() -> None:
    result = analysis_of(
        "mlpconv", (3, 10, 10), conv_channels=4, mlp_channels=5, out_channels=6, kernel_size=5, padding=0
    )
    assert output_of(result) == (6, 6, 6)
    assert result.totals.macs == (25 * 3 * 4 + 4 * 5 + 5 * 6) * 36 == 12_600


# Wrong fields and inputs

WHOLE = "a whole number of at least 1"


WRONG_FIELDS = [
    (
        "inception",
        {name: count for name, count in SMALL.items() if name != "pool_proj"},
        f'inception "x": the required field pool_proj is missing; it must be {WHOLE}',
    ),
    ("inception", {**SMALL, "branch3x3": 0}, f'inception "x": branch3x3 is 0; it must be {WHOLE}'),
    (
        "inception",
        {**SMALL, "branch7x7": 4},
        'inception "x": unknown field "branch7x7"; inception takes branch1x1, reduce3x3, branch3x3, reduce5x5,'
        ' branch5x5, pool_proj, large_kernel_size, norm, activation; did you mean "branch5x5"?',
    ),
    (
        "mlpconv",
        {"conv_channels": 4, "mlp_channels": 4, "out_channels": 4},
        f'mlpconv "x": the required field kernel_size is missing; it must be {WHOLE},'
        " or a list with one a spatial axis",
    ),
    (
        "mlpconv",
        {"conv_channels": 4, "mlp_channels": "some", "out_channels": 4, "kernel_size": 3},
        f'mlpconv "x": mlp_channels is "some"; it must be {WHOLE}',
    ),
]


@pytest.mark.parametrize(("word", "fields", "message"), WRONG_FIELDS)
def test_wrong_fields(word: str, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(FieldError) as caught:
        analysis_of(word, (8, 6, 6), **fields)
    assert str(caught.value) == message


WRONG_INPUTS = [
    (
        "inception",
        (8, 6, 6),
        {**SMALL, "large_kernel_size": 4},
        'inception "x": large_kernel_size (=4) must be odd, so that all branches have the size of the input',
    ),
    (
        "inception",
        (8,),
        SMALL,
        'inception "x": conv "branch1x1": it needs an input of channels and 1 to 3 spatial axes, not 8',
    ),
    (
        "mlpconv",
        (8, 4, 4),
        {"conv_channels": 4, "mlp_channels": 4, "out_channels": 4, "kernel_size": 7, "padding": 1},
        'mlpconv "x": conv "conv": kernel_size (=7) is larger than the padded input (4 + 2 x 1 = 6) on spatial axis 1;'
        " use a smaller kernel, more padding, or fewer strides before it",
    ),
    (
        "mlpconv",
        (8, 4, 4),
        {"conv_channels": 4, "mlp_channels": 4, "out_channels": 4, "kernel_size": 3, "padding": "same", "stride": 2},
        'mlpconv "x": conv "conv": padding same needs stride 1 (as in PyTorch), and the stride is 2x2;'
        " use same_tf, or padding as numbers",
    ),
]


@pytest.mark.parametrize(("word", "shape", "fields", "message"), WRONG_INPUTS)
def test_wrong_inputs(word: str, shape: tuple[int, ...], fields: dict[str, Any], message: str) -> None:
    with pytest.raises((FieldError, GraphError)) as caught:
        analysis_of(word, shape, **fields)
    assert str(caught.value) == message
