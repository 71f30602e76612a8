"""The channel-wise blocks of ChannelNets, against the paper's closed forms."""

from __future__ import annotations

from typing import Any

import pytest

import convcost.blocks  # noqa: F401 - registers the blocks
from convcost.errors import FieldError
from convcost.formulas.symbolic import size_symbol
from convcost.graph import Builder
from telling import analysis_of, names_of, output_of

# gcwconv


def test_group_channelwise_convolution_of_two_groups() -> None:
    """f g = 8 x 2 = 16 weights and f n = 8 x 512 MACs a position, where a pointwise convolution has 512 x 512."""
    result = analysis_of("gcwconv", (512, 14, 14), groups=2)
    assert names_of(result) == ["conv"]
    assert output_of(result) == (512, 14, 14)
    assert result.totals.params == 8 * 2 == 16
    assert result.totals.macs == 8 * 512 * 14 * 14 == 802_816
    op = result.layers[0].node.op
    assert (op.kernel_size, op.filters, op.stride, op.padding) == (8, 2, 2, 3)  # padding (8 - 2) / 2


@pytest.mark.parametrize("groups", [1, 2, 3, 4, 6, 12])
@pytest.mark.parametrize("shape", [(12, 7), (12, 5, 4), (12, 2, 3, 4)])
def test_each_kernel_makes_one_group(shape: tuple[int, ...], groups: int) -> None:
    taps = groups + 4
    result = analysis_of("gcwconv", shape, groups=groups, channel_kernel_size=taps, bias=True)
    places = 1
    for size in shape[1:]:
        places *= size
    assert output_of(result) == shape
    assert result.totals.weights == taps * groups
    assert result.totals.params == taps * groups + groups
    assert result.totals.macs == taps * 12 * places


@pytest.mark.parametrize(("m", "n", "g", "taps", "df"), [(512, 512, 2, 8, 14), (64, 128, 4, 16, 28), (32, 48, 8, 8, 5)])
def test_depthwise_grouped_pointwise_and_group_channelwise(m: int, n: int, g: int, taps: int, df: int) -> None:
    """d_k^2 m + (m / g) (n / g) g + d_c g parameters; d_k^2 m d_f^2 + m n / g d_f^2 + d_c n d_f^2 MACs."""
    b = Builder()
    x = b.depthwise(b.input((m, df, df)), bias=False)
    x = b.pointwise(x, out_channels=n, groups=g, bias=False)
    x = b.gcwconv(x, groups=g, channel_kernel_size=taps)
    shapes = [(node, b.graph().input_shapes(node)) for node in b.graph().layers]
    assert x.shape == (n, df, df)
    assert sum(node.op.params() for node, _ in shapes) == 9 * m + (m // g) * (n // g) * g + taps * g
    macs = sum(node.op.macs(inputs, node.shape) for node, inputs in shapes)
    assert macs == 9 * m * df**2 + m * n // g * df**2 + taps * n * df**2


# dwscwconv


def test_depthwise_separable_channelwise_convolution_of_channelnet() -> None:
    """d_k^2 m + d_c = 9 x 1,024 + 64 parameters; d_k^2 m d_f^2 + d_c n d_f^2 MACs."""
    result = analysis_of("dwscwconv", (1_024, 7, 7))
    assert names_of(result) == ["depthwise", "channelwise"]
    assert output_of(result) == (1_024, 7, 7)
    assert result.totals.params == 9 * 1_024 + 64 == 9_280
    assert result.totals.macs == 9 * 1_024 * 49 + 64 * 1_024 * 49 == 3_662_848


@pytest.mark.parametrize(
    ("shape", "taps", "output"),
    [((16, 33), 3, (16, 17)), ((16, 7, 8), 9, (16, 4, 4)), ((16, 4, 5, 6), 27, (16, 2, 3, 3))],
)
def test_depthwise_separable_channelwise_convolution_on_one_to_three_axes(
    shape: tuple[int, ...], taps: int, output: tuple[int, ...]
) -> None:
    result = analysis_of("dwscwconv", shape, stride=2, channel_kernel_size=6, bias=True)
    places = 1
    for size in output[1:]:
        places *= size
    assert output_of(result) == output
    assert result.totals.weights == taps * 16 + 6
    assert result.totals.params == taps * 16 + 16 + 6 + 1  # a bias a channel, and one of the kernel
    assert result.totals.macs == 16 * (taps + 6) * places


def test_depthwise_separable_channelwise_convolution_beside_the_dense_one() -> None:
    """(K^2 + d_c) m beside K^2 m n with n = m: 1 / m + d_c / (m K^2) = 1 / 32 + 64 / (32 x 25) = 89 / 800."""
    fields: dict[str, Any] = {"kernel_size": 5, "stride": 2}
    macs = analysis_of("dwscwconv", (32, 9, 9), **fields).totals.macs
    dense = analysis_of("grouped", (32, 9, 9), **fields, out_channels=32, groups=1, bias=False).totals.macs
    assert macs * 800 == dense * 89


@pytest.mark.parametrize(("word", "fields"), [("gcwconv", {"groups": 2}), ("dwscwconv", {})])
def test_sizes_may_be_symbols(word: str, fields: dict[str, Any]) -> None:
    size = size_symbol("size")
    result = analysis_of(word, (8, size, size), **fields)
    assert output_of(result) == (8, size, size)
    assert result.totals.macs == {"gcwconv": 8 * 8 * size**2, "dwscwconv": (9 + 64) * 8 * size**2}[word]


# Wrong fields and inputs

WHOLE = "a whole number of at least 1"


@pytest.mark.parametrize(
    ("word", "fields", "message"),
    [
        ("gcwconv", {"groups": 5}, "groups (=5) must divide the channels (=12)"),
        (
            "gcwconv",
            {"groups": 3},
            "channel_kernel_size (=12) less groups (=3) is 9, and must be even: half of it pads each end of the"
            " channels",
        ),
        (
            "gcwconv",
            {"groups": 4, "channel_kernel_size": 2},
            "channel_kernel_size (=2) must be at least groups (=4), the stride along the channels",
        ),
        ("gcwconv", {}, f"the required field groups is missing; it must be {WHOLE}"),
        ("dwscwconv", {"channel_kernel_size": 0}, f"channel_kernel_size is 0; it must be {WHOLE}"),
        (
            "dwscwconv",
            {"kernel_size": [3, 3, 3]},
            "kernel_size is [3, 3, 3], which has 3 entries; the input has 2 spatial axes",
        ),
    ],
)
def test_wrong_fields(word: str, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(FieldError) as refused:
        analysis_of(word, (12, 7, 7), **fields)
    assert str(refused.value) == f'{word} "x": {message}'
