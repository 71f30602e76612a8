"""Interval maps of an axis: what each position sees, held against a walk position by position."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from typing import Any

import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from convcost.analysis.axis_map import LONGEST_PERIOD, PLACE, AxisMap, constant, positions_read, through, union
from convcost.formulas.symbolic import size_symbol
from convcost.ops.reads import AxisRead, Taps, binned, copied, interpolated, transposed, window

PLACES = range(-12, 25)
Interval = tuple[int, int] | None


@st.composite
def windows(draw: st.DrawFn) -> AxisRead:
    fields = draw(st.tuples(*[st.integers(1, 4)] * 2, st.integers(0, 3), st.integers(1, 3)))
    return window(0, *fields)


@st.composite
def resizings(draw: st.DrawFn) -> AxisRead:
    size, out = draw(st.integers(1, 9)), draw(st.integers(2, 9))
    kind = draw(st.sampled_from(["transposed", "bins", "nearest", "linear", "corners"]))
    if kind == "transposed":
        return transposed(0, *draw(st.tuples(*[st.integers(1, 4)] * 2, st.integers(0, 2), st.integers(1, 3))))
    if kind == "bins":
        return binned(0, size, out)
    return copied(0, size, out) if kind == "nearest" else interpolated(0, size, out, align_corners=kind == "corners")


reads = windows() | resizings()


def hull(ends: list[Interval]) -> Interval:
    known = [end for end in ends if end is not None]
    return (min(low for low, _ in known), max(high for _, high in known)) if known else None


def made(several: list[AxisRead]) -> AxisMap:
    return made_from(PLACE, several)


def made_from(seen: AxisMap, several: list[AxisRead]) -> AxisMap:
    for read in several:
        seen = through(seen, read)
    return seen


@given(st.lists(reads, max_size=2), reads)
def test_through_is_the_hull_of_what_is_read(before: list[AxisRead], read: AxisRead) -> None:
    seen = made(before)
    behind = through(seen, read)
    assert not behind.at_most
    for place in PLACES:
        assert behind.at(place) == hull([seen.at(one) for one in positions_read(read, place)])


@given(st.lists(windows(), max_size=3), st.lists(windows(), max_size=3), st.lists(reads, max_size=2))
def test_a_union_holds_each_and_no_more(one: list[AxisRead], other: list[AxisRead], before: list[AxisRead]) -> None:
    first, second = made(before + one), made(before + other)
    found = union([first, second])
    assert len(found) == 1 + (first.stride != second.stride)
    for place in PLACES:
        assert hull([seen.at(place) for seen in found]) == hull([first.at(place), second.at(place)])


@given(st.lists(reads, max_size=2), st.integers(1, 4))
def test_spread_says_the_same(before: list[AxisRead], factor: int) -> None:
    seen = made(before)
    spread = seen.spread(seen.period * factor)
    assert spread.period == seen.period * factor
    assert spread.stride == seen.stride
    assert [spread.at(place) for place in PLACES] == [seen.at(place) for place in PLACES]


@given(st.lists(reads, max_size=2))
def test_the_size_is_the_largest_of_all_positions(before: list[AxisRead]) -> None:
    seen = made(before)
    ends = [end for end in map(seen.at, range(2 * seen.period)) if end is not None]
    assert seen.size == max((high - low + 1 for low, high in ends), default=0)


def test_phases_without_taps_see_nothing() -> None:
    # kernel 1, stride 3: outputs 0, 3, 6 read 0, 1, 2
    seen = through(PLACE, transposed(0, 1, 3, 0, 1))
    assert [seen.at(place) for place in range(5)] == [(0, 0), None, None, (1, 1), None]
    assert (seen.stride, seen.size, seen.middle) == (Fraction(1, 3), 1, 0)
    # a window of 3 meets one of them, wherever it lies
    assert [through(seen, window(0, 3, 1, 1, 1)).at(place) for place in range(4)] == [(0, 0), (0, 0), (1, 1), (1, 1)]


def test_a_map_that_sees_nothing() -> None:
    nothing = AxisMap(lows=(None,), highs=(None,))
    assert (nothing.at(3), nothing.size, nothing.sizes, nothing.middle) == (None, 0, (), None)


def test_all_positions_see_a_constant() -> None:
    seen = constant(2, 5)
    assert [seen.at(place) for place in (0, 7)] == [(2, 5), (2, 5)]
    assert (seen.stride, seen.size) == (0, 4)
    assert through(seen, window(0, 3, 2, 1, 1)).at(4) == (2, 5)


def test_the_middle_behind_upsampling() -> None:
    # copies of 0 0 1 1: seen moved back by place / 2 these are 0, -1/2
    assert through(PLACE, copied(0, 4, 8)).middle == Fraction(-1, 4)


@given(st.lists(windows(), max_size=1), st.lists(windows() | st.sampled_from([copied(0, 8, 16)]), max_size=3))
def test_too_many_phases_give_a_bound(before: list[AxisRead], after: list[AxisRead]) -> None:
    # 97 x 97 phases are more than are kept
    middle = [binned(0, 89, 97), binned(0, 83, 97)]
    bound = made([*before, *middle, *after])
    assert bound.at_most
    assert len(bound.lows) == 1
    for place in range(3 * 97):
        walked = {place}
        for read in reversed([*middle, *after]):
            walked = {one for each in walked for one in positions_read(read, each)}
        found = hull([made(before).at(one) for one in walked])
        assert found is None or found[1] - found[0] + 1 <= bound.size
    assert LONGEST_PERIOD < 97 * 97


@given(
    windows(),
    st.lists(windows(), max_size=2),
    st.integers(1, 4),
    st.sampled_from(["copied", "linear", "transposed"]),
    st.booleans(),
)
def test_a_symbolic_factor_gives_a_bound_for_every_number(
    before: AxisRead, after: list[AxisRead], factor: int, kind: str, again: bool
) -> None:
    def resizing(factor: Any) -> AxisRead:
        if kind == "copied":
            return copied(0, 12, 12 * factor, factor)
        if kind == "linear":
            return interpolated(0, 12, 12 * factor, align_corners=False, factor=factor)
        return transposed(0, 3, factor, 0, 2)

    symbol = size_symbol("f")
    sizes = [
        made([before, resizing(by), *after, *([resizing(by), *after] if again else [])]).size for by in (factor, symbol)
    ]
    assert sizes[0] <= sympy.sympify(sizes[1]).subs(symbol, factor)


@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5])
def test_symbolic_strides_bound_what_a_transposed_convolution_sees(kernel: int) -> None:
    stride = size_symbol("s")
    bound = through(PLACE, transposed(0, kernel, stride, 0, 1))
    assert bound.at_most
    for value in (2, 3):
        assert through(PLACE, transposed(0, kernel, value, 0, 1)).size <= sympy.sympify(bound.size).subs(stride, value)


def test_steps_of_the_input_behind_a_symbolic_stride() -> None:
    # every second element, spread by 2 with 2 taps: a window of 2 behind sees elements 0 and 2 from place 1
    stride = size_symbol("s")
    before, after = window(0, 1, 2, 0, 1), window(0, 2, 1, 0, 1)
    bound = sympy.sympify(made([before, transposed(0, 2, stride, 0, 1), after]).size).subs(stride, 2)
    assert made([before, transposed(0, 2, 2, 0, 1), after]).at(1) == (0, 2)
    assert bound >= 3


def test_a_bound_does_not_say_where_its_phases_start() -> None:
    # 0 and 1 from place 0, 1 and 2 from place 1 would do: together 3, whichever places are read later
    bound = AxisMap(period=2, step=2, lows=(0,), highs=(1,), at_most=True)
    assert made_from(bound, [window(0, 2, 1, 0, 1), window(0, 1, 2, 0, 1)]).size == 3


def test_a_window_on_symbols() -> None:
    kernel, stride = size_symbol("k"), size_symbol("s")
    seen = made([window(0, kernel, stride, 1, 1), window(0, 3, 1, 0, 2)])
    assert (seen.size - (kernel + 4 * stride)).expand() == 0
    assert seen.stride == stride
    assert seen.lows == (-1,)


def test_taps_apart() -> None:
    assert list(positions_read(AxisRead(axis=0, step=2, taps=(Taps(first=-1, last=5, rate=3),)), 4)) == [7, 10, 13]


def test_what_reads_only_empty_phases_sees_nothing() -> None:
    # outputs 0, 2, 4 have a tap; every second from -1 on meets none of them, whatever follows
    seen = made([transposed(0, 1, 2, 0, 1), window(0, 1, 2, 1, 1), window(0, 3, 1, 1, 1), transposed(0, 3, 2, 1, 1)])
    assert [seen.at(place) for place in range(4)] == [None] * 4
    assert seen.size == 0


@pytest.mark.parametrize("strides", list(product((1, 2, 3), repeat=2)))
@pytest.mark.parametrize("kernels", list(product((1, 2, 3), repeat=2)))
def test_upsampling_twice_by_a_symbol(strides: tuple[int, int], kernels: tuple[int, int]) -> None:
    first, second = window(0, kernels[0], strides[1], 0, 1), window(0, kernels[1], 1, 0, 1)
    factor = size_symbol("f")

    def size(by: Any) -> Any:
        once = copied(0, 9, 9 * by, by)
        return made([window(0, 1, strides[0], 0, 1), once, first, once, second]).size

    bound = sympy.sympify(size(factor))
    assert all(size(value) <= bound.subs(factor, value) for value in range(1, 5))
