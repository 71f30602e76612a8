"""What is decided of symbols for all their values holds at each, and rewriting changes no value."""

from __future__ import annotations

from typing import Any

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from convcost.arith import is_tangled, largest, never_below, smallest, tidied
from convcost.formulas.functions import value_of
from convcost.formulas.symbolic import floor_of, number_symbol, size_symbol

M, N = size_symbol("m"), size_symbol("n")
SMALL = st.integers(-6, 6)


@st.composite
def floors(draw: st.DrawFn, depth: int = 2) -> Any:
    """A sum of m, n and a floor of such a sum over a number."""
    size = draw(SMALL) * M + draw(SMALL) * N + draw(SMALL)
    if depth == 0:
        return size
    return size + draw(st.sampled_from((-2, -1, 0, 1, 2))) * floor_of(draw(floors(depth - 1)), draw(st.integers(2, 5)))


@st.composite
def sizes(draw: st.DrawFn) -> Any:
    """The same with a maximum or minimum of two, at times."""
    size = draw(floors())
    if draw(st.booleans()):
        return size
    kind = draw(st.sampled_from((sympy.Max, sympy.Min)))
    return size + draw(st.sampled_from((-2, -1, 1, 2))) * kind(draw(floors(1)), draw(floors(1)))


points = st.builds(lambda m, n: {M: m, N: n}, st.integers(1, 60), st.integers(1, 60))


@settings(deadline=None)
@given(sizes(), points)
def test_tidying_changes_no_value(size: Any, point: dict[Any, int]) -> None:
    assert value_of(tidied(size), point) == value_of(size, point)


@settings(deadline=None)
@given(sizes(), sizes(), points)
def test_what_is_never_below_is_not_below(first: Any, second: Any, point: dict[Any, int]) -> None:
    if never_below(first, second):
        assert value_of(first, point) >= value_of(second, point)


@settings(deadline=None)
@given(st.lists(sizes(), min_size=1, max_size=3), points)
def test_extremes_are_those_of_the_values(several: list[Any], point: dict[Any, int]) -> None:
    values = [value_of(size, point) for size in several]
    assert value_of(largest([N, *several]), point) == max(point[N], *values)
    assert value_of(smallest([N, *several]), point) == min(point[N], *values)


@pytest.mark.parametrize(
    ("first", "second", "decided"),
    [
        (N, 1, True),
        (N, 2, False),  # of 1 it does not hold
        (2 * floor_of(N + 1, 2), N, True),  # rounding up to an even number
        (2 * floor_of(N, 2), N, False),
        (2 * floor_of(N, 2) + 1, N, True),
        (N, 4 * floor_of(N, 4), True),
        (floor_of(N, 2) + 3, floor_of(N, 2) + 1, True),
        (sympy.Max(M, N), N, True),
        (N, sympy.Min(M, N), True),
        (sympy.Min(M, N), N, False),
        (M, N, False),
    ],
)
def test_what_is_decided(first: Any, second: Any, decided: bool) -> None:
    assert never_below(first, second) is decided


@pytest.mark.parametrize(
    ("size", "written"),
    [
        (floor_of(1 - N, 2), "-floor(n/2)"),
        (sympy.floor(N / 16 - sympy.Rational(15, 4)), "floor(n/16 + 1/4) - 4"),
        (sympy.floor(sympy.floor(N / 2) / 3 + sympy.Rational(1, 3)), "floor(n/6 + 1/3)"),
        (2 * sympy.Max(M, N) + 1, "Max(2*m + 1, 2*n + 1)"),
        (sympy.Max(1, N) - sympy.Min(-2, -N) + 1, "Max(n + 3, 2*n + 1)"),  # n is at least 1
        (sympy.Max(3, N) - sympy.Min(-3, -N) + 1, "Max(7, 2*n + 1)"),
        (-sympy.Max(3, N), "Min(-3, -n)"),
        (M * (N + 1) - M, "m*n"),
    ],
)
def test_one_form(size: Any, written: str) -> None:
    assert sympy.sympify(tidied(size)) == sympy.sympify(written, {"m": M, "n": N})


def test_whole_numbers_are_those_of_python() -> None:
    assert type(tidied(N - N + 3)) is int
    assert tidied(3) == 3
    assert never_below(3, 3)
    assert not never_below(2, 3)
    assert not is_tangled(3)


def test_numbers_that_need_not_be_whole_are_not_rounded() -> None:
    width = number_symbol("w")
    assert never_below(2 * width, width)
    assert not never_below(width, 1)  # 1/2 is a number as well
    assert tidied(sympy.floor(32 * width)) == sympy.floor(32 * width)


def test_many_maxima_are_tangled() -> None:
    several = [sympy.Max(M, number * N) for number in range(2, 7)]
    assert not is_tangled(sum(several[:4]))
    assert is_tangled(sum(several))
    assert is_tangled(sympy.Max(M, sympy.Min(N, 3) + 2 * N))
