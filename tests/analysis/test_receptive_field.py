"""Receptive fields: channels that see different things, what is global, bounds, and the laws of chains."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

import convcost.blocks  # noqa: F401 - registers the blocks
from commands import ROOT
from convcost.analysis.receptive_field import Field, receptive_fields
from convcost.analysis.touched import touched
from convcost.formulas.symbolic import size_symbol
from convcost.frontends.load import load_spec
from convcost.graph import Builder, Graph, Value
from stacks import conv, stack, step

Windows = list[tuple[int, int, int, int]]
"""Kernel, stride, dilation, padding."""
windows = st.lists(
    st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(1, 3), st.integers(0, 2)), min_size=1, max_size=4
)


def fields_of(graph: Graph) -> list[Field]:
    found = [field for field in receptive_fields(graph) if field is not None]
    assert len(found) == len(graph.nodes)
    return found


def chain(shape: tuple[Any, ...], layers: Windows) -> Graph:
    names = "kernel_size", "stride", "dilation", "padding"
    convs = [
        conv(f"conv{place}", **dict(zip(names, layer, strict=True)), out_channels=1)
        for place, layer in enumerate(layers)
    ]
    return stack(*convs, shape=(1, *shape))


# Chains


@given(windows)
def test_a_chain_by_the_textbook_recursion(layers: Windows) -> None:
    """r += (k - 1) d j, start -= p j, j *= s."""
    for field in fields_of(chain((2000,), layers)):
        (axis,) = field.axes
        size, start, jump = 1, 0, 1
        for kernel, stride, rate, padding in layers[: int(field.node.name[4:] or 0) + 1] if field.node.inputs else []:
            size, start, jump = size + (kernel - 1) * rate * jump, start - padding * jump, jump * stride
        assert (axis.size, axis.start, axis.stride) == (size, start, jump)
        assert axis.centre(0) == Fraction(2 * start + size - 1, 2)
        assert axis.at(3) == (start + 3 * jump, start + 3 * jump + size - 1)
        assert axis.size == axis.local_size == axis.shortest == axis.longest
        assert field.aligned


@given(windows, st.integers(500, 600))  # four layers see 1 + 12 (1 + 3 + 9 + 27) = 481 at most
def test_a_chain_of_symbols_with_numbers_put_in(layers: Windows, value: int) -> None:
    size = size_symbol("L")
    for symbolic, whole in zip(fields_of(chain((size,), layers)), fields_of(chain((value,), layers)), strict=True):
        (ours,), (theirs,) = symbolic.axes, whole.axes
        assert (ours.size, ours.stride, ours.start) == (theirs.size, theirs.stride, theirs.start)
        assert sympy.sympify(ours.input_size).subs(size, value) == theirs.input_size


@settings(deadline=None)
@given(windows, st.integers(60, 90))
def test_same_padding_of_symbols_with_numbers_put_in(layers: Windows, value: int) -> None:
    size = size_symbol("L")
    same = [
        conv(f"conv{place}", out_channels=1, kernel_size=kernel, stride=stride, dilation=rate, padding="same_tf")
        for place, (kernel, stride, rate, _) in enumerate(layers)
    ]
    ours, theirs = (fields_of(stack(*same, shape=(1, length)))[-1].axes[0] for length in (size, value))
    assert (ours.size, ours.stride) == (theirs.size, theirs.stride)
    assert sympy.sympify(ours.start).subs(size, value) == theirs.start


def test_what_lies_behind_another_input_is_not_seen() -> None:
    b = Builder()
    left, right = b.input((2, 8), name="left"), b.input((2, 8), name="right")
    alone = b.conv(right, out_channels=2, kernel_size=3, padding=1)
    b.add(b.conv(left, out_channels=2, kernel_size=5, padding=2), alone)
    of_left, of_right = receptive_fields(b.graph()), receptive_fields(b.graph(), source=1)
    assert [field and field.size for field in of_left] == [(1,), None, None, (5,), (5,)]
    assert [field and field.size for field in of_right] == [None, (1,), (3,), None, (3,)]


def test_leading_axes_are_not_spatial() -> None:
    b = Builder(leading=1)
    x = b.input((7, 3, 16))
    b.conv(x, out_channels=2, kernel_size=3)
    (field,) = receptive_fields(b.graph(), leading=1)[1:]
    assert field is not None
    assert (field.size, field.axes[0].axis) == ((3,), 2)


# Global, and local beside it


def test_a_gate_makes_mobilenet_v3_global_and_leaves_its_local_size() -> None:
    graph = load_spec(str(ROOT / "specs" / "mobilenet_v3_large.yaml")).graph
    fields = dict(zip([node.name for node in graph.nodes], fields_of(graph), strict=True))
    head = fields["head"]
    assert head.is_global
    # 3; 3x3: +4; 3x3/2: +4 = 11; 3x3: 19; 5x5/2: 35; 5x5: 67, 99; 3x3/2: 115; 3x3 five times at 16: 275; 5x5/2: 339;
    # 5x5 twice at 32: 595
    assert [axis.local_size for axis in head.axes] == [595, 595]
    first_gate = next(place for place, node in enumerate(graph.nodes) if node.op.word == "global_avg_pool")
    assert not any(field.is_global for field in fields_of(graph)[:first_gate])
    assert all(field.is_global for field in fields_of(graph)[first_gate:])
    # the longest path goes through no gate: those behind one see no more than the image
    assert [(axis.shortest, axis.longest) for axis in head.axes] == [(135, 595)] * 2


def test_a_gate_sees_the_image_and_keeps_the_start_of_what_it_scales() -> None:
    graph = stack(conv("conv"), step("squeeze_excite", "gate", reduction=4), shape=(16, 9, 12))
    field = fields_of(graph)[-1]
    assert [(axis.whole, axis.local_size) for axis in field.axes] == [(True, 3)] * 2
    # the union of -1..1 and the whole image: what lies in the padding is counted
    assert [axis.at(0) for axis in field.axes] == [(-1, 8), (-1, 11)]
    assert [axis.at(4) for axis in field.axes] == [(0, 8), (0, 11)]


@pytest.mark.parametrize(
    ("layers", "whole"),
    [
        ((step("global_avg_pool", "pool"),), (True, True)),
        ((step("group_norm", "norm", num_groups=2),), (True, True)),
        ((step("permute", "turn", dims=[1, 0, 2]),), (False, False)),
        ((step("permute", "turn", dims=[1, 0, 2]), step("pointwise", "mix", out_channels=4)), (True, False)),
        ((step("linear", "rows", in_features=12, out_features=5),), (False, True)),
        ((step("softmax", "softmax"),), (False, False)),
    ],
)
def test_which_axes_become_global(layers: tuple[Any, ...], whole: tuple[bool, bool]) -> None:
    field = fields_of(stack(*layers, shape=(4, 9, 12)))[-1]
    assert tuple(axis.whole for axis in field.axes) == whole
    assert field.size == tuple(size if is_whole else 1 for size, is_whole in zip((9, 12), whole, strict=True))


def test_an_unknown_operator_gives_a_bound() -> None:
    graph = stack(step("opaque", "unknown", label="deform", output_shape=[4, 9, 12]), conv("conv"), shape=(4, 9, 12))
    for field in fields_of(graph)[1:]:
        assert field.at_most
        assert not field.dense
        assert all(axis.at_most and axis.start is None for axis in field.axes)
        assert field.size >= (9, 12)


# Channels that see different things


def halves(b: Builder, x: Value) -> tuple[Value, Value]:
    return b.split(x, sections=2), b.split(x, sections=2, index=1)


def units(shuffle: bool) -> Graph:
    """Two units that convolve the second half of the channels and leave the first."""
    b = Builder()
    x = b.input((4, 20))
    for _ in range(2):
        first, second = halves(b, x)
        x = b.concat(first, b.conv(second, out_channels=2, kernel_size=3, padding=1))
        if shuffle:
            x = b.channel_shuffle(x, groups=2)
    for name, half in zip(("first", "second"), halves(b, x), strict=True):
        b.apply("relu", half, name=name)
    return b.graph()


def test_halves_stay_apart_without_a_shuffle() -> None:
    *_, first, second = (field.size for field in fields_of(units(shuffle=False)) if field.node.op.word == "relu")
    assert (first, second) == ((1,), (5,))


def test_a_shuffle_mixes_the_halves() -> None:
    # behind the first unit the channels see 1 1 3 3, shuffled 1 3 1 3; of the second unit's convolution each output
    # sees 3 + 2; 1 3 5 5 is shuffled to 1 5 3 5
    graph = units(shuffle=True)
    fields = fields_of(graph)
    assert [field.size for field in fields if field.node.op.word == "relu"] == [(5,), (5,)]
    b = Builder()
    x = b.input((4, 20))
    for _ in range(2):
        kept, changed = halves(b, x)
        x = b.channel_shuffle(b.concat(kept, b.conv(changed, out_channels=2, kernel_size=3, padding=1)), groups=2)
    channels = [b.slice(x, axis=0, start=place, stop=place + 1).position for place in range(4)]
    fields = fields_of(b.graph())
    assert [fields[place].size for place in channels] == [(1,), (5,), (3,), (5,)]


@pytest.mark.parametrize(("shuffle", "sizes"), [(False, (3, 7)), (True, (7, 7))])
def test_groups_stay_apart_without_a_shuffle(shuffle: bool, sizes: tuple[int, int]) -> None:
    b = Builder()
    x = b.input((4, 20))
    narrow = b.conv(x, out_channels=2, kernel_size=1)
    x = b.concat(narrow, b.conv(x, out_channels=2, kernel_size=5, padding=2))
    if shuffle:
        x = b.channel_shuffle(x, groups=2)
    x = b.conv(x, out_channels=4, kernel_size=3, padding=1, groups=2)
    places = [half.position for half in halves(b, x)]
    fields = fields_of(b.graph())
    assert tuple(fields[place].size for place in places) == ((sizes[0],), (sizes[1],))
    assert fields[x.position].size == (7,)


@pytest.mark.parametrize(("name", "units", "local"), [("shufflenet_v1", 16, 527), ("shufflenet_v2_x1_0", 16, 527)])
def test_shufflenets(name: str, units: int, local: int) -> None:
    # 3, pool 7; of each stage's units the first with stride: 7 + 2 x 4 (4), 3 more at 8: 15 + 48 = 63; 63 + 16 and 7 at
    # 16: 79 + 224 = 303; 303 + 32 and 3 at 32: 335 + 192 = 527
    graph = load_spec(str(ROOT / "specs" / f"{name}.yaml")).graph
    before = [field for field in fields_of(graph) if not field.is_global][-1]
    assert before.size == (local, local)
    assert before.aligned


def test_a_shift_moves_each_channel_by_its_own() -> None:
    b = Builder()
    x = b.input((9, 8, 8))
    shifted = b.shift(x, kernel_size=3)
    mixed = b.pointwise(shifted, out_channels=1)
    channels = [b.slice(shifted, axis=0, start=place, stop=place + 1).position for place in range(9)]
    graph = b.graph()
    fields = fields_of(graph)
    offsets = {fields[place].axes[0].start: fields[place].size for place in channels}
    assert set(offsets) == {-1, 0, 1}
    moved = {tuple(axis.start for axis in fields[place].axes) for place in channels}
    assert moved == {(row, column) for row in (-1, 0, 1) for column in (-1, 0, 1)}
    assert {fields[place].size for place in channels} == {(1, 1)}
    assert fields[shifted.position].size == fields[mixed.position].size == (3, 3)
    assert touched(graph, fields, mixed.position, (4, 4), bounded=True).count == 9


def test_too_few_channels_for_a_shift() -> None:
    assert fields_of(stack(step("shift", "shift"), shape=(8, 6, 6)))[-1].size == (1, 1)


# Steps that are no whole numbers, and axes of one element


def test_phases_behind_upsampling() -> None:
    graph = stack(step("upsample", "up", scale_factor=2), conv("conv", padding=1), shape=(4, 10))
    up, last = fields_of(graph)[1:]
    assert (up.axes[0].stride, last.axes[0].stride) == (Fraction(1, 2), Fraction(1, 2))
    # output 2 q reads 2 q - 1 to 2 q + 1, copies of q - 1 and q; output 2 q + 1 copies of q and q + 1
    assert [last.axes[0].at(place) for place in range(4)] == [(-1, 0), (0, 1), (0, 1), (1, 2)]
    assert last.size == (2,)


def test_only_positions_that_exist_count() -> None:
    # 4 taps with stride 2 meet 2 inputs in the middle; cut to a single position with padding 1, one tap of 3 is met
    transposed = step("conv_transpose", "up", out_channels=1, kernel_size=3, stride=2, padding=1)
    (one,) = fields_of(stack(transposed, shape=(1, 1)))[-1].axes
    (two,) = fields_of(stack(transposed, shape=(1, 2)))[-1].axes
    assert (one.size, two.size) == (1, 2)  # 2 x 0 + 1 and 2 x 1 + 1 positions: the odd ones read two


def test_an_axis_of_one_element() -> None:
    graph = stack(conv("conv"), step("flatten", "flat"), step("linear", "classes", out_features=5), shape=(3, 1, 10))
    sizes = [field.size for field in fields_of(graph)]
    assert sizes[1] == (3, 3)
    assert sizes[-1][1] == 10
    assert sizes[-1][0] <= 3


# Elements of one place that see different things


def test_an_axis_that_was_spread_over_tokens_is_a_bound() -> None:
    # each of 16 tokens sees one patch of 8 x 8 of the 32 x 32
    graph = stack(
        conv("patch", out_channels=8, kernel_size=8, stride=8, padding=0),
        step("reshape", "tokens", shape=[8, 16]),
        shape=(3, 32, 32),
    )
    patch, tokens = fields_of(graph)[1:]
    assert (patch.size, patch.at_most) == ((8, 8), False)
    assert (tokens.size, tokens.at_most, tokens.dense) == ((32, 32), True, False)


def test_what_all_features_see_is_no_bound() -> None:
    graph = stack(conv("conv", padding=1), step("flatten", "features"), shape=(3, 8, 8))
    features = fields_of(graph)[-1]
    assert (features.size, features.at_most) == ((8, 8), False)


def test_places_that_depend_on_each_other_along_two_axes_are_a_bound() -> None:
    # of the 16 x 4 x 4 places of cells of 4 x 4, channel 4 i + j shows row i and column j; of 4 such channels together
    # each place of pixel_shuffle shows another
    graph = stack(
        step("pixel_unshuffle", "down", downscale_factor=4),
        step("pixel_shuffle", "up", upscale_factor=2),
        shape=(1, 8, 8),
    )
    down, up = fields_of(graph)[1:]
    assert (down.size, down.at_most) == ((4, 4), False)
    assert up.at_most


def test_taps_of_one_operator_are_no_paths() -> None:
    # of windows of 4 at 0, 1 and 2, channels 0 and 1 see 0 to 3 and 1 to 4: 5 elements on the one path there is
    graph = stack(
        conv("window", out_channels=1, kernel_size=4, padding=0),
        step("pixel_unshuffle", "down", downscale_factor=3),
        step("slice", "part", axis=0, start=0, stop=2),
        shape=(1, 21),
    )
    (axis,) = fields_of(graph)[-1].axes
    assert (axis.size, axis.shortest, axis.longest) == (5, 5, 5)
