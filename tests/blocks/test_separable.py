"""Depthwise separable convolution, in both orders, with and without layers between: the closed forms of the papers."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

import convcost.blocks  # noqa: F401 - registers the blocks
from convcost.errors import FieldError, GraphError
from telling import analysis_of, names_of, output_of

# depthwise_first


def test_dsconv_with_biases() -> None:
    result = analysis_of("dsconv", (128, 14, 14), out_channels=128)
    assert [layer.node.name for layer in result.layers] == ["x.depthwise", "x.pointwise"]
    assert result.totals.params == 128 * (9 + 1) + 128 * (128 + 1) == 1_280 + 16_512 == 17_792
    dense = analysis_of("grouped", (128, 14, 14), out_channels=128, groups=1).totals.params
    assert dense == 128 * (9 * 128 + 1) == 147_584
    assert round(17_792 / 147_584, 4) == 0.1206


@pytest.mark.parametrize(("in_channels", "out_channels", "kernel"), [(128, 128, 3), (32, 64, 3), (16, 24, 5)])
def test_dsconv_without_bias_is_a_sum_of_unit_fractions(in_channels: int, out_channels: int, kernel: int) -> None:
    result = analysis_of("dsconv", (in_channels, 10, 10), out_channels=out_channels, kernel_size=kernel, bias=False)
    dense = kernel**2 * in_channels * out_channels
    ratio = Fraction(1, out_channels) + Fraction(1, kernel**2)
    assert result.totals.params == in_channels * (kernel**2 + out_channels)
    assert Fraction(result.totals.params, dense) == ratio
    assert Fraction(result.totals.macs, dense * 100) == ratio


def test_dsconv_multiplier_multiplies_the_ratio() -> None:
    result = analysis_of("dsconv", (32, 10, 10), out_channels=64, multiplier=2, bias=False)
    assert result.totals.weights == 2 * (9 * 32 + 32 * 64) == 4_672
    assert Fraction(4_672, 9 * 32 * 64) == Fraction(2, 64) + Fraction(2, 9)


def test_dsconv_with_norm_has_no_bias() -> None:
    """A layer of MobileNet: 64 to 128 channels from 112x112 to 56x56, the stride on the depthwise convolution."""
    result = analysis_of("dsconv", (64, 112, 112), out_channels=128, stride=2, norm="batch_norm", activation="relu6")
    words = ["conv", "batch_norm", "relu6", "conv", "batch_norm", "relu6"]
    assert [layer.node.op.word for layer in result.layers] == words
    assert output_of(result) == (128, 56, 56)
    assert result.totals.weights == 64 * (9 + 128) == 8_768
    assert result.totals.params == 8_768 + 2 * 64 + 2 * 128 == 9_152  # and a scale and a shift a channel of each norm
    assert result.totals.buffers == (2 * 64 + 1) + (2 * 128 + 1)
    assert result.totals.macs == 8_768 * 56 * 56 == 27_496_448


def test_dsconv_bias_beside_norm_where_it_is_asked_for() -> None:
    result = analysis_of("dsconv", (64, 8, 8), out_channels=128, norm="batch_norm", bias=True)
    assert result.totals.params == 9_152 + 64 + 128


@pytest.mark.parametrize(
    ("shape", "taps", "output"),
    [((8, 50), 3, (16, 25)), ((8, 50, 9), 9, (16, 25, 5)), ((8, 6, 6, 7), 27, (16, 3, 3, 4))],
)
def test_dsconv_on_one_to_three_axes(shape: tuple[int, ...], taps: int, output: tuple[int, ...]) -> None:
    result = analysis_of("dsconv", shape, out_channels=16, stride=2, bias=False)
    assert output_of(result) == output
    assert result.totals.weights == 8 * (taps + 16)


# pointwise_first


def test_pointwise_first_mixes_at_the_inputs_size() -> None:
    """64 to 128 channels from 112x112 to 56x56: H W C N + H' W' K^2 N, where depthwise_first has H' W' C (K^2 + N)."""
    result = analysis_of("dsconv", (64, 112, 112), out_channels=128, stride=2, order="pointwise_first", bias=False)
    by_name = {layer.node.name: (layer.node.op.groups, layer.cost.macs) for layer in result.layers}
    assert names_of(result) == ["pointwise", "depthwise"]
    assert output_of(result) == (128, 56, 56)
    assert by_name["x.pointwise"] == (1, 112 * 112 * 64 * 128)
    assert by_name["x.depthwise"] == (128, 56 * 56 * 9 * 128)
    assert result.totals.weights == 64 * 128 + 9 * 128 == 9_344
    assert result.totals.macs == 102_760_448 + 3_612_672 == 106_373_120


@pytest.mark.parametrize(("in_channels", "out_channels", "multiplier"), [(128, 128, 1), (32, 64, 2), (16, 24, 3)])
def test_pointwise_first_without_stride_is_a_sum_of_unit_fractions(
    in_channels: int, out_channels: int, multiplier: int
) -> None:
    """Beside the dense 3x3 convolution: 1 / (m K^2) + 1 / C."""
    fields = {"out_channels": out_channels, "multiplier": multiplier, "order": "pointwise_first", "bias": False}
    result = analysis_of("dsconv", (in_channels, 10, 10), **fields)
    ratio = Fraction(1, 9 * multiplier) + Fraction(1, in_channels)
    assert Fraction(result.totals.macs, 9 * in_channels * out_channels * 100) == ratio


def test_pointwise_first_with_multiplier_mixes_into_fewer_channels() -> None:
    """64 channels at two filters a channel: 32 of them are mixed."""
    result = analysis_of("dsconv", (16, 10, 10), out_channels=64, multiplier=2, order="pointwise_first")
    assert [layer.node.shape[0] for layer in result.layers] == [32, 64]
    assert result.totals.weights == 16 * 32 + 9 * 64 == 1_088
    assert result.totals.params == 1_088 + 32 + 64


@pytest.mark.parametrize(
    ("shape", "taps", "output"),
    [((8, 50), 3, (16, 25)), ((8, 50, 9), 9, (16, 25, 5)), ((8, 6, 6, 7), 27, (16, 3, 3, 4))],
)
def test_pointwise_first_on_one_to_three_axes(shape: tuple[int, ...], taps: int, output: tuple[int, ...]) -> None:
    result = analysis_of("dsconv", shape, out_channels=16, stride=2, order="pointwise_first", bias=False)
    assert output_of(result) == output
    assert result.totals.weights == 8 * 16 + taps * 16


# between


@pytest.mark.parametrize(
    ("order", "first", "second"),
    [("depthwise_first", "depthwise", "pointwise"), ("pointwise_first", "pointwise", "depthwise")],
)
def test_nothing_stands_between_the_two_where_it_is_not_wanted(order: str, first: str, second: str) -> None:
    fields = {"out_channels": 12, "order": order, "norm": "batch_norm", "activation": "relu"}
    without = analysis_of("dsconv", (8, 10, 10), between=False, **fields)
    usual = analysis_of("dsconv", (8, 10, 10), **fields)
    behind = [second, f"{second}_norm", f"{second}_act"]
    assert names_of(without) == [first, *behind]
    assert names_of(usual) == [first, f"{first}_norm", f"{first}_act", *behind]
    assert without.totals.macs == usual.totals.macs


def test_separable_convolution_of_xception() -> None:
    """As shipped, in the middle flow: 728 channels at 19x19, one norm, no bias."""
    result = analysis_of("dsconv", (728, 19, 19), out_channels=728, between=False, norm="batch_norm")
    assert names_of(result) == ["depthwise", "pointwise", "pointwise_norm"]
    assert result.totals.weights == 9 * 728 + 728 * 728 == 536_536
    assert result.totals.params == 536_536 + 2 * 728
    assert result.totals.macs == 536_536 * 361 == 193_689_496


@pytest.mark.parametrize(
    ("fields", "biases"), [({}, 12), ({"bias": True, "norm": "batch_norm"}, 36), ({"bias": False}, 0)]
)
def test_only_the_second_has_a_bias_where_nothing_stands_between(fields: dict[str, Any], biases: int) -> None:
    """12 biases, with a norm the 24 of its scale and shift as well."""
    result = analysis_of("dsconv", (8, 10, 10), out_channels=12, between=False, **fields)
    assert result.totals.params - result.totals.weights == biases


# Wrong fields and inputs


WRONG_FIELDS = [
    ({"norm": "batchnorm"}, 'norm is "batchnorm"; it must be none or batch_norm; did you mean "batch_norm"?'),
    (
        {"order": "pointwise"},
        'order is "pointwise"; it must be depthwise_first or pointwise_first; did you mean "pointwise_first"?',
    ),
    ({"between": 0}, "between is 0; it must be true or false"),
    (
        {"order": "pointwise_first", "multiplier": 3},
        "multiplier (=3) must divide out_channels (=8) with order pointwise_first",
    ),
]


@pytest.mark.parametrize(("fields", "message"), WRONG_FIELDS)
def test_wrong_fields(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(FieldError) as caught:
        analysis_of("dsconv", (4, 8, 8), out_channels=8, **fields)
    assert str(caught.value) == f'dsconv "x": {message}'


def test_padding_same_with_stride() -> None:
    with pytest.raises(GraphError) as caught:
        analysis_of("dsconv", (4, 8, 8), out_channels=4, padding="same", stride=2)
    assert str(caught.value) == (
        'dsconv "x": conv "depthwise": padding same needs stride 1 (as in PyTorch), and the stride is 2x2;'
        " use same_tf, or padding as numbers"
    )
