"""Sets of cells, held against Python's sets."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convcost.analysis.axis_map import positions_read
from convcost.analysis.cells import Boxes, Cells, fold, readers, seen_of
from convcost.ops.reads import AxisRead, Taps

positions = st.sets(st.integers(-40, 40))
taps = st.builds(
    lambda first, more, rate: Taps(first=first, last=first + more * rate, rate=rate),
    st.integers(-6, 6),
    st.integers(0, 4),
    st.integers(1, 3),
)


@st.composite
def reads(draw: st.DrawFn) -> AxisRead:
    period = draw(st.integers(1, 3))
    count = draw(st.sampled_from([1, period]))
    several = [draw(taps) for _ in range(count)]
    found = [None if count > 1 and draw(st.integers(0, 4)) == 0 else one for one in several]
    return AxisRead(axis=0, period=period, step=draw(st.integers(0, 3)), taps=tuple(found))


@given(positions, positions, st.integers(-9, 9))
def test_sets(one: set[int], other: set[int], offset: int) -> None:
    ours, theirs = Cells.of(one), Cells.of(other)
    assert set(ours) == one
    assert list(ours) == sorted(one)
    assert len(ours) == len(one)
    assert set(ours | theirs) == one | other
    assert set(ours & theirs) == one & other
    assert (ours <= theirs) == (one <= other)
    assert (ours == theirs) == (one == other)
    assert set(ours.shifted(offset)) == {place + offset for place in one}
    assert [place in ours for place in range(-41, 42)] == [place in one for place in range(-41, 42)]
    if one:
        assert ours.ends == (min(one), max(one))


@given(positions, positions)
def test_equal_sets_are_one_key(one: set[int], other: set[int]) -> None:
    together = Cells.of(one) | Cells.of(other)
    assert hash(together) == hash(Cells.of(one | other))
    assert together == Cells.of(one | other)


@given(positions, st.integers(1, 5))
def test_multiples(one: set[int], factor: int) -> None:
    assert set(Cells.of(one).spaced(factor)) == {factor * place for place in one}
    assert set(Cells.of(one).divided(factor)) == {place // factor for place in one if place % factor == 0}
    assert Cells.of(one).spaced(factor).divided(factor) == Cells.of(one)


@given(st.integers(-9, 9), st.integers(-9, 9))
def test_a_span(start: int, stop: int) -> None:
    assert set(Cells.span(start, stop)) == set(range(start, stop))


@pytest.mark.parametrize(
    ("border", "row"),  # five elements a b c d e, three more on each side, as torch.nn.functional.pad has them
    [("reflect", "dcb abcde dcb"), ("replicate", "aaa abcde eee"), ("circular", "cde abcde abc")],
)
def test_what_stands_outside(border: str, row: str) -> None:
    before, inside, behind = row.split()
    assert [inside[fold(place, 5, border)] for place in (-3, -2, -1)] == list(before)
    assert [inside[fold(place, 5, border)] for place in (5, 6, 7)] == list(behind)
    assert set(Cells.of([-2, 4, 6]).within(5, border)) == {"abcde".index(name) for name in (before[1], "e", behind[1])}


def test_zeros_stand_outside() -> None:
    assert set(Cells.of([-2, 0, 4, 5]).within(5)) == {0, 4}
    assert not Cells.of([-2, 7]).within(5).bits


@given(st.sets(st.integers(0, 15)), reads())
def test_what_positions_read(chosen: set[int], read: AxisRead) -> None:
    expected = {place for position in chosen for place in positions_read(read, position)}
    assert set(seen_of(Cells.of(chosen), read)) == expected


@given(st.sets(st.integers(0, 11)), reads(), st.integers(1, 9), st.sampled_from(["constant", "circular", "replicate"]))
def test_who_reads_is_the_transpose_of_what_is_read(chosen: set[int], read: AxisRead, count: int, border: str) -> None:
    read, size = read.replace(border=border), 12
    expected = {
        position for position in range(count) if set(seen_of(Cells.of([position]), read).within(size, border)) & chosen
    }
    assert set(readers(Cells.of(chosen), read, size, count)) == expected


boxes = st.lists(st.tuples(*[st.sets(st.integers(0, 4), max_size=3)] * 3), max_size=6)


@given(boxes)
def test_unions_of_products(several: list[tuple[set[int], ...]]) -> None:
    found = Boxes(tuple(map(Cells.of, box)) for box in several)
    expected = {place for box in several for place in product(*box)}
    assert len(found) == len(expected)
    assert {place for place in product(range(5), repeat=3) if place in found} == expected
    assert {place for box in found for place in product(*box)} == expected
    assert len(found.along([2, 0])) == len({(place[2], place[0]) for place in expected})
    axes = list(zip(*expected, strict=True))
    assert found.ends() == tuple((min(axis), max(axis)) for axis in axes)


def test_products_that_differ_along_one_axis_are_joined() -> None:
    found = Boxes(
        [(Cells.span(0, 3), Cells.of([1])), (Cells.span(0, 3), Cells.of([3])), (Cells.of([1]), Cells.of([1]))]
    )
    assert list(found) == [(Cells.span(0, 3), Cells.of([1, 3]))]
