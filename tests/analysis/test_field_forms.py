"""Receptive fields in closed form, worked by hand."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import convcost.blocks  # noqa: F401 - registers the blocks
from convcost.analysis.field_forms import AxisField, field_of
from convcost.graph import Builder

INCEPTION = ("branch1x1", "reduce3x3", "branch3x3", "reduce5x5", "branch5x5", "pool_proj")


def seen(shape: tuple[int, ...], *layers: tuple[str, dict[str, Any]]) -> tuple[AxisField, ...]:
    """What the last of these layers, one behind the other, sees of the input."""
    b = Builder()
    x = b.input(shape)
    for word, fields in layers:
        x = b.apply(word, x, **fields)
    return field_of(b.graph(), x.position)


def extents(shape: tuple[int, ...], *layers: tuple[str, dict[str, Any]]) -> tuple[Any, ...]:
    return tuple(axis.extent for axis in seen(shape, *layers))


def conv(**fields: Any) -> tuple[str, dict[str, Any]]:
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
        ([conv(out_channels=9), ("shift", {})], (5, 5)),
        ([("pixel_unshuffle", {"downscale_factor": 2}), conv()], (6, 6)),  # 2 + 2 x 2
        ([("group_norm", {"num_groups": 2})], (72, 64)),
        ([("squeeze_excite", {"reduction": 2})], (72, 64)),
        ([conv(), ("flatten", {})], (3, 3)),
        ([conv(), ("flatten", {}), ("linear", {"out_features": 2})], (72, 64)),
        ([conv(), ("permute", {"dims": [0, 2, 1]}), conv(kernel_size=[1, 5])], (7, 3)),
        ([("permute", {"dims": [1, 0, 2]})], (72, 1)),  # the height is mixed as channels are
    ],
)
def test_fields(layers: list[tuple[str, dict[str, Any]]], expected: tuple[int, ...]) -> None:
    assert extents((8, 72, 64), *layers) == expected


def test_wavenet_layers() -> None:
    # (2 - 1)(1 + 2 + 4 + 8) + 1
    assert extents((4, 100), ("wavenet_stack", {"dilations": [1, 2, 4, 8]})) == (16,)


def test_hops_of_graph_convolution() -> None:
    # deep: 1 + 3 layers, shallow: 1 + 2; an extent of n is a reach of n - 1
    fields = {"hidden_channels": 8, "out_channels": 3, "edges": 40}
    assert extents((6, 20), ("multipath_gcn", fields)) == (5,)


def test_groups_are_seen_whole_once_lifted() -> None:
    lifting = ("group_equivariant_conv", {"out_channels": 4, "kernel_size": 3, "group": "p4m"})
    assert extents((3, 12, 12), lifting, lifting) == (5, 5)
    whole, high, wide = seen((3, 8, 12, 12), lifting)
    assert (whole.extent, whole.whole) == (8, True)
    assert high == wide == AxisField(extent=3)


def test_planar_equivariant_convolution_keeps_the_axes() -> None:
    assert extents((8, 12, 12), ("equivariant_conv", {"out_channels": 16, "kernel_size": 5})) == (5, 5)


def test_transposed_convolution_gives_an_upper_bound() -> None:
    (axis,) = seen((4, 10), ("conv_transpose", {"out_channels": 2, "kernel_size": 4, "stride": 2, "padding": 1}))
    assert axis == AxisField(extent=2, jump=Fraction(1, 2), at_most=True)  # ceil(4 / 2) taps meet an output
    # 2 + (3 - 1) / 2
    behind = seen((4, 10), ("conv_transpose", {"out_channels": 2, "kernel_size": 4, "stride": 2}), conv())
    assert behind == (AxisField(extent=3, jump=Fraction(1, 2), at_most=True),)


def test_upsampling() -> None:
    assert seen((4, 10), ("upsample", {"scale_factor": 2})) == (AxisField(jump=Fraction(1, 2)),)
    linear = seen((4, 10), ("upsample", {"scale_factor": 2, "mode": "linear"}))
    assert linear == (AxisField(extent=2, jump=Fraction(1, 2), at_most=True),)
    assert seen((4, 10), ("upsample", {"size": 25})) == (AxisField(jump=Fraction(2, 5)),)


def test_adaptive_pooling_gives_an_upper_bound() -> None:
    # windows of 10 in 4: 0-3, 2-5, 5-8, 7-10, three elements; ceil(10 / 4) + 1 bounds them
    (axis,) = seen((4, 10), ("adaptive_avg_pool", {"output_size": 4}))
    assert axis == AxisField(extent=4, jump=Fraction(5, 2), at_most=True)


def test_a_gate_sees_everything_and_keeps_the_step_of_what_it_scales() -> None:
    axes = seen((8, 20, 16), conv(stride=2), ("squeeze_excite", {"reduction": 2}))
    assert axes == (AxisField(extent=20, jump=2, whole=True), AxisField(extent=16, jump=2, whole=True))


def test_branches_of_several_inputs_are_joined() -> None:
    b = Builder()
    x = b.input((4, 16, 16))
    wide = b.conv(x, out_channels=4, kernel_size=5, padding=2)
    joined = b.concat(x, wide, b.conv(x, out_channels=4, kernel_size=[7, 1], padding=[3, 0]))
    assert [axis.extent for axis in field_of(b.graph(), joined.position)] == [7, 5]


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(1, 2)), min_size=1, max_size=4))
def test_the_recursion_is_what_a_walk_back_finds(windows: list[tuple[int, int, int]]) -> None:
    """Backward: of the last output, the first and last input position that its windows reach."""
    layers = [conv(kernel_size=kernel, stride=stride, dilation=rate, padding=0) for kernel, stride, rate in windows]
    first = last = 0
    for kernel, stride, rate in reversed(windows):
        first, last = first * stride, last * stride + rate * (kernel - 1)
    assert extents((2, 600), *layers) == (last - first + 1,)
