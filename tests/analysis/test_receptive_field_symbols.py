"""Receptive fields where sizes or channels are symbols: what numbers give, or a bound of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

import convcost.blocks  # noqa: F401 - registers the blocks
from convcost.analysis.receptive_field import AxisField, Field, receptive_fields
from convcost.formulas.functions import value_of
from convcost.formulas.symbolic import size_symbol
from convcost.graph import Builder, Value

C, N = size_symbol("C"), size_symbol("n")
Step = Callable[[Builder, Value], Value]


def field_of(shape: tuple[Any, ...], *steps: Step) -> Field:
    """What the last of these steps, one behind the other, sees."""
    b = Builder()
    x = b.input(shape)
    for step in steps:
        x = step(b, x)
    field = receptive_fields(b.graph())[x.position]
    assert field is not None
    return field


def op(word: str, **fields: Any) -> Step:
    return lambda b, x: b.apply(word, x, **fields)


def beside(*branches: Step) -> Step:
    """The branches, one behind the other along the channels."""
    return lambda b, x: b.concat(*(branch(b, x) for branch in branches))


def told(axis: AxisField) -> tuple[Any, Any, Any]:
    return axis.size, axis.stride, axis.start


NARROW = op("conv", out_channels=C, kernel_size=1)
WIDE = op("conv", out_channels=C, kernel_size=5, padding=2)
MIXED = beside(NARROW, WIDE)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([MIXED], (5, 1, -2)),
        ([MIXED, op("relu")], (5, 1, -2)),
        ([MIXED, op("conv", out_channels=4, kernel_size=3, padding=1)], (7, 1, -3)),
        ([MIXED, op("channel_shuffle", groups=2)], (5, 1, -2)),
        ([MIXED, op("depthwise", kernel_size=3)], (7, 1, -3)),
        ([MIXED, op("grouped", out_channels=2 * C, kernel_size=3, groups=2)], (7, 1, -3)),
        ([beside(WIDE, WIDE), op("conv", out_channels=4, kernel_size=3, stride=2)], (7, 2, -2)),
        ([op("pad", channels_after=C)], (1, 1, 0)),
    ],
)
def test_channels_that_are_a_symbol(steps: list[Step], expected: tuple[int, int, int]) -> None:
    """All channels together, as with numbers of channels: which sees what is known of the whole."""
    field = field_of((2 * C, 40), *steps)
    assert not field.at_most
    assert told(field.axes[0]) == expected


@pytest.mark.parametrize(("channels", "size"), [(1, 1), (3, 5)])
def test_what_is_selected_of_unknown_channels_is_bounded(channels: int, size: int) -> None:
    """The first of C channels through 1x1, then C through 5x5: which of them a slice takes, C decides."""
    part = op("slice", axis=0, start=0, stop=channels)
    field = field_of((4, 40), MIXED, part)
    assert (field.at_most, field.axes[0].size, field.axes[0].start) == (True, 5, None)
    two = op("conv", out_channels=2, kernel_size=1), op("conv", out_channels=2, kernel_size=5, padding=2)
    exact = field_of((4, 40), beside(*two), part)
    assert (exact.at_most, exact.axes[0].size) == (False, size)


def test_phases_on_a_length_that_is_a_symbol() -> None:
    """A pixel shuffle and an upsampling see phases, as at any length."""
    for word, fields in (("pixel_shuffle", {"upscale_factor": 2}), ("upsample", {"scale_factor": 2})):
        after = op("conv", out_channels=1, kernel_size=4)
        ours = field_of((4, N), op(word, **fields), after)
        theirs = field_of((4, 31), op(word, **fields), after)
        assert not ours.at_most
        assert told(ours.axes[0]) == told(theirs.axes[0])
        assert [ours.axes[0].at(place) for place in range(4)] == [theirs.axes[0].at(place) for place in range(4)]


windows = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(1, 2)), min_size=1, max_size=2)


@settings(max_examples=30, deadline=None)
@given(windows, windows, st.integers(40, 400))
def test_branches_under_same_padding(first: list[Any], second: list[Any], size: int) -> None:
    """Branches of one stride are joined in closed form, with minima where the size decides which is ahead."""

    def branch(windows: list[Any], stride: int) -> Step:
        def steps(b: Builder, x: Value) -> Value:
            for kernel, own, rate in (*windows, (1, stride, 1)):
                fields = {"kernel_size": kernel, "stride": own, "dilation": rate}
                x = b.conv(x, out_channels=1, padding="same_tf", **fields)
            return x

        return steps

    def total(windows: list[Any]) -> int:
        product = 1
        for _, stride, _ in windows:
            product *= stride
        return product

    joined = beside(branch(first, total(second)), branch(second, total(first)))
    ours, theirs = field_of((1, N), joined), field_of((1, size), joined)
    (symbolic,), (exact,) = ours.axes, theirs.axes
    assert symbolic.stride == exact.stride == total(first) * total(second)
    assert value_of(sympy.sympify(symbolic.size), {N: size}) == exact.size
    assert value_of(sympy.sympify(symbolic.start), {N: size}) == exact.start


def test_a_pool_over_what_stops_short_is_a_bound() -> None:
    pool = op("global_avg_pool")
    fields = {"out_channels": 1, "kernel_size": 2, "stride": 3}
    bounded = field_of((1, N), op("conv", padding=1, **fields), pool)
    assert (bounded.axes[0].whole, bounded.at_most, bounded.axes[0].size) == (True, True, N)
    # without padding there are floor((n - 2) / 3) + 1 = floor((n + 1) / 3) windows; the last ends 1 before a multiple
    short = field_of((1, N), op("conv", **fields), pool)
    assert (short.at_most, short.axes[0].size) == (False, 3 * sympy.floor((N + 1) / 3) - 1)
    assert [value_of(short.axes[0].size, {N: size}) for size in (20, 21, 22)] == [20, 20, 20]
    assert [field_of((1, size), op("conv", **fields), pool).axes[0].size for size in (20, 21, 22)] == [20, 20, 20]
    # windows of 5 without padding at stride 1 reach both ends
    reaching = field_of((1, N), op("conv", out_channels=1, kernel_size=5), pool)
    assert (reaching.axes[0].whole, reaching.at_most, reaching.axes[0].size) == (True, False, N)
    # cropped to all but 4: elements 2 to n - 3
    cropped = field_of((1, N + 4), op("crop", size=N), pool)
    assert (cropped.axes[0].start, cropped.axes[0].size, cropped.at_most) == (2, N, False)


def test_a_gate_keeps_its_size_in_closed_form() -> None:
    gated = op("squeeze_excite", reduction=2)
    wide = op("conv", out_channels=4, kernel_size=3, padding=1)
    field = field_of((4, N), *(step for _ in range(12) for step in (wide, gated)))
    assert (field.axes[0].whole, field.axes[0].size, field.at_most) == (True, N, False)
    assert field.axes[0].local_size == 25  # 1 + 12 x 2
