"""Receptive fields of layers and blocks, worked by hand."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import convcost.blocks  # noqa: F401 - registers the blocks
from convcost.analysis.receptive_field import AxisField, receptive_fields
from convcost.graph import Builder

INCEPTION = ("branch1x1", "reduce3x3", "branch3x3", "reduce5x5", "branch5x5", "pool_proj")
Layer = tuple[str, dict[str, Any]]


def seen(shape: tuple[int, ...], *layers: Layer) -> tuple[AxisField, ...]:
    """What the last of these layers, one behind the other, sees of the input."""
    b = Builder()
    x = b.input(shape)
    for word, fields in layers:
        x = b.apply(word, x, **fields)
    field = receptive_fields(b.graph())[x.position]
    assert field is not None
    assert not field.at_most
    return field.axes


def sizes(shape: tuple[int, ...], *layers: Layer) -> tuple[Any, ...]:
    return tuple(axis.size for axis in seen(shape, *layers))


def conv(**fields: Any) -> Layer:
    return "conv", {"out_channels": 8, "kernel_size": 3, "padding": "same_tf", **fields}


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([conv()], (3, 3)),
        ([conv(dilation=2)], (5, 5)),  # 2 (3 - 1) + 1
        ([conv(kernel_size=[1, 7])], (1, 7)),
        ([conv(), conv()], (5, 5)),  # 3 + (3 - 1) 1
        ([conv(stride=2), conv()], (7, 7)),  # 3 + (3 - 1) 2
        ([conv(stride=[1, 2]), conv()], (5, 7)),
        ([conv(stride=2), ("max_pool", {"kernel_size": 2}), conv()], (13, 13)),  # 3 + 1 x 2 = 5; 5 + 2 x 4
        ([conv(), ("pointwise", {"out_channels": 4}), ("relu", {})], (3, 3)),
        ([("flattened", {"out_channels": 8, "stages": 2})], (5, 5)),
        ([("inception", dict.fromkeys(INCEPTION, 2))], (5, 5)),
        ([("basic_block", {"out_channels": 8, "stride": 2})], (7, 7)),  # 3 + 2 x 2; the shortcut sees 1
        ([("dilated_context", {"dilations": [1, 1, 2, 4, 8, 16, 1]})], (67, 67)),  # 1 + 2 x 33
        ([("shift", {})], (1, 1)),  # 8 channels, fewer than 9: none moves
        ([conv(out_channels=9), ("shift", {}), ("pointwise", {"out_channels": 4})], (5, 5)),
        ([("pixel_unshuffle", {"downscale_factor": 2}), conv()], (6, 6)),  # 2 + 2 x 2
        ([("group_norm", {"num_groups": 2})], (72, 64)),
        ([("squeeze_excite", {"reduction": 2})], (72, 64)),
        ([conv(), ("flatten", {}), ("linear", {"out_features": 2})], (72, 64)),
        ([conv(), ("permute", {"dims": [0, 2, 1]}), conv(kernel_size=[1, 5])], (7, 3)),
        # the height is mixed as channels are, once something reads them all
        ([("permute", {"dims": [1, 0, 2]})], (1, 1)),
        ([("permute", {"dims": [1, 0, 2]}), ("pointwise", {"out_channels": 4})], (72, 1)),
    ],
)
def test_sizes(layers: list[Layer], expected: tuple[int, ...]) -> None:
    assert sizes((8, 72, 64), *layers) == expected


def test_wavenet_layers() -> None:
    # (2 - 1)(1 + 2 + 4 + 8) + 1
    assert sizes((4, 100), ("wavenet_stack", {"dilations": [1, 2, 4, 8]})) == (16,)


def test_graph_convolution_is_bounded_by_all_vertices() -> None:
    b = Builder()
    x = b.multipath_gcn(b.input((6, 20)), hidden_channels=8, out_channels=3, edges=40)
    field = receptive_fields(b.graph())[x.position]
    assert field is not None
    (axis,) = field.axes
    assert (axis.size, axis.whole, axis.at_most, axis.start) == (20, True, True, None)


def test_groups_are_seen_whole_once_lifted() -> None:
    lifting = ("group_equivariant_conv", {"out_channels": 4, "kernel_size": 3, "group": "p4m"})
    assert sizes((3, 12, 12), lifting, lifting) == (5, 5)
    whole, high, wide = seen((3, 8, 12, 12), lifting)
    assert (whole.size, whole.whole, whole.stride) == (8, True, None)
    assert [(axis.size, axis.stride, axis.start, axis.whole) for axis in (high, wide)] == [(3, 1, 0, False)] * 2


def test_planar_equivariant_convolution_keeps_the_axes() -> None:
    assert sizes((8, 12, 12), ("equivariant_conv", {"out_channels": 16, "kernel_size": 5})) == (5, 5)


def test_transposed_convolution_is_exact() -> None:
    # of four taps at stride 2 each output meets ceil(4 / 2) = 2
    fields = {"out_channels": 2, "kernel_size": 4, "stride": 2}
    (axis,) = seen((4, 10), ("conv_transpose", {**fields, "padding": 1}))
    assert (axis.size, axis.stride) == (2, Fraction(1, 2))
    # output 0 meets tap 1 alone of input 0, and tap 3 of the one before it
    assert axis.start == -1
    # three outputs next to each other: 0, 1 and 2 meet inputs -1 to 0, -1 to 0, and 0 to 1
    (behind,) = seen((4, 10), ("conv_transpose", fields), conv(padding=0))
    assert (behind.size, behind.stride, behind.start) == (3, Fraction(1, 2), -1)


def test_upsampling() -> None:
    (copied,) = seen((4, 10), ("upsample", {"scale_factor": 2}))
    assert (copied.size, copied.stride, copied.start) == (1, Fraction(1, 2), 0)
    # output 0 lies at -1/4, between elements -1 and 0
    (mixed,) = seen((4, 10), ("upsample", {"scale_factor": 2, "mode": "linear"}))
    assert (mixed.size, mixed.stride, mixed.start) == (2, Fraction(1, 2), -1)
    (resized,) = seen((4, 10), ("upsample", {"size": 25}))
    assert (resized.size, resized.stride) == (1, Fraction(2, 5))


def test_adaptive_pooling_is_exact() -> None:
    # 10 in 4 windows: 0 to 2, 2 to 4, 5 to 7, 7 to 9
    (axis,) = seen((4, 10), ("adaptive_avg_pool", {"output_size": 4}))
    assert (axis.size, axis.stride) == (3, Fraction(5, 2))
    assert [axis.at(place) for place in range(4)] == [(0, 2), (2, 4), (5, 7), (7, 9)]


def test_branches_of_several_widths_are_joined() -> None:
    b = Builder()
    x = b.input((4, 16, 16))
    wide = b.conv(x, out_channels=4, kernel_size=5, padding=2)
    joined = b.concat(x, wide, b.conv(x, out_channels=4, kernel_size=[7, 1], padding=[3, 0]))
    field = receptive_fields(b.graph())[joined.position]
    assert field is not None
    assert [(axis.size, axis.start) for axis in field.axes] == [(7, -3), (5, -2)]


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(1, 2)), min_size=1, max_size=4))
def test_the_recursion_is_what_a_walk_back_finds(windows: list[tuple[int, int, int]]) -> None:
    """Backward: of the last output, the first and last input position that its windows reach."""
    layers = [conv(kernel_size=kernel, stride=stride, dilation=rate, padding=0) for kernel, stride, rate in windows]
    first = last = 0
    for kernel, stride, rate in reversed(windows):
        first, last = first * stride, last * stride + rate * (kernel - 1)
    assert sizes((2, 600), *layers) == (last - first + 1,)
