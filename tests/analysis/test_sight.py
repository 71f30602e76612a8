"""Joins of branches: unions, shortest and longest paths, where they disagree, and reads of a whole axis."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convcost.analysis.axis_map import PLACE, AxisMap, constant
from convcost.analysis.sight import AxisSight, Sight, extreme_positions, joined, largest_size
from convcost.ops.reads import AxisRead, at_most_whole, copied, same, transposed, whole, window

SIZE = 100


def behind(*reads: AxisRead, count: int = SIZE) -> Sight:
    """What is seen of one axis behind these, one after the other."""
    sight = Sight(axes=(AxisSight(axis=0),))
    for read in reads:
        sight = sight.read((read,), (count,), (SIZE,))
    return sight


def conv(kernel: int, stride: int = 1, padding: int | None = None, dilation: int = 1) -> AxisRead:
    return window(0, kernel, stride, kernel // 2 if padding is None else padding, dilation)


def path_sizes(sight: Sight) -> tuple[list[int], list[int]]:
    (axis,) = sight.axes
    return [seen.size for seen in axis.shortest], [seen.size for seen in axis.longest]


def test_equal_branches_are_one() -> None:
    sight = behind(conv(3))
    assert joined([("a", sight), ("b", behind(conv(3)))], "join") is sight


def test_the_shortest_and_the_longest_path() -> None:
    found = joined([("a", behind(conv(3))), ("b", behind(conv(7))), ("c", behind())], "join")
    assert [seen.size for seen in found.axes[0].maps] == [7]
    assert path_sizes(found) == ([1], [7])


def test_a_path_of_another_stride_can_be_longer_later() -> None:
    # 9 at stride 1 beside 2 at stride 2; behind a window of 11 these are 19 and 22
    found = joined([("a", behind(conv(9))), ("b", behind(conv(2, 2, 0)))], "join")
    assert path_sizes(found) == ([9, 2], [9, 2])
    assert path_sizes(found.read((conv(11),), (SIZE,), (SIZE,))) == ([19, 22], [19, 22])


def test_what_one_operator_reads_is_no_path_of_its_own() -> None:
    several = [("", behind(window(0, 1, 1, 1, 1))), ("", behind(window(0, 1, 1, -1, 1)))]
    assert path_sizes(joined(several, branches=False)) == ([3], [3])  # offsets -1 and 1, as of a shift
    assert path_sizes(joined(several)) == ([1], [1])


@pytest.mark.parametrize(
    ("first", "second", "offset"),
    [
        (behind(conv(3)), behind(conv(7)), None),
        (behind(conv(3)), behind(conv(3, padding=0)), Fraction(1)),  # centred on 0 and on 1
        (behind(conv(2, padding=1)), behind(), Fraction(1, 2)),  # -1 and 0, beside 0
        (behind(conv(3, 2), conv(2, padding=0)), behind(conv(3, 2)), Fraction(-1)),  # -1..3, centred on 1, beside 0
        (behind(copied(0, SIZE, 2 * SIZE, 2)), behind(transposed(0, 4, 2, 1, 1)), None),
        # outputs 2 q and 2 q + 1 read q beside q - 1 and q, or q and q + 1: by 1/2 before and behind, 0 on average
    ],
)
def test_centres_apart(first: Sight, second: Sight, offset: Fraction | None) -> None:
    found = joined([("a", first), ("b", second)], "join").disagreement
    if offset is None:
        assert found is None
        return
    assert found is not None
    assert (found.node, found.first, found.second, found.offset) == ("join", "a", "b", (offset,))


def test_of_three_branches_the_first_that_disagrees_with_the_first() -> None:
    branches = [("a", behind(conv(3))), ("b", behind(conv(5))), ("c", behind(conv(3, padding=0)))]
    found = joined(branches, "join").disagreement
    assert found is not None
    assert (found.first, found.second) == ("a", "c")


def test_what_sees_everything_agrees_with_everything() -> None:
    assert joined([("a", behind(conv(4, padding=0))), ("b", behind(whole()))], "join").disagreement is None


def test_a_whole_axis_is_clipped_to_the_input() -> None:
    (axis,) = behind(conv(5), whole()).axes
    assert (axis.axis, axis.whole, axis.maps) == (None, True, (constant(0, SIZE - 1),))
    assert (axis.local, axis.local_size) == ((), 5)


def test_a_whole_axis_of_which_not_all_is_seen() -> None:
    # 10 positions with stride 4: 0, 4, ... 36
    (axis,) = behind(window(0, 1, 4, 0, 1)).read((whole(),), (10,), (SIZE,)).axes
    assert axis.maps == (constant(0, 36),)


def test_an_axis_of_one_position_is_not_made_global() -> None:
    (axis,) = behind(conv(5)).read((whole(),), (1,), (SIZE,)).axes
    assert (axis.whole, axis.maps, axis.local) == (False, (constant(-2, 2),), (constant(-2, 2),))


def test_an_unknown_part_is_a_bound() -> None:
    sight = behind(conv(3), at_most_whole())
    assert sight.axes[0].at_most
    assert not sight.dense


@pytest.mark.parametrize(
    ("reads", "dense"),
    [
        ((conv(3), conv(3)), True),
        ((conv(3, dilation=2),), False),
        ((conv(3), conv(3, dilation=3)), True),  # windows of 3, 3 apart, meet
        ((conv(2), conv(2, dilation=3)), False),
        ((conv(1, 2),), True),
        ((conv(1, 2), conv(3)), False),  # 0, 2, 4
        ((conv(3, 2), conv(3)), True),
        ((transposed(0, 4, 2, 1, 1), conv(3)), True),
    ],
)
def test_whether_all_cells_are_touched(reads: tuple[AxisRead, ...], dense: bool) -> None:
    assert behind(*reads).dense == dense


def test_a_read_of_the_place_itself_changes_nothing() -> None:
    sight = behind(conv(3))
    assert sight.read((same(0),), (SIZE,), (SIZE,)) is sight


maps = st.builds(
    lambda period, step, ends: AxisMap(
        period=period,
        step=step,
        lows=tuple(low for low, _ in ends[:period]),
        highs=tuple(low + more for low, more in ends[:period]),
    ),
    st.integers(1, 3),
    st.integers(0, 5),
    st.lists(st.tuples(st.integers(-5, 5), st.integers(0, 5)), min_size=3, max_size=3),
)


@given(st.lists(maps, min_size=1, max_size=3), st.integers(1, 9))
def test_the_largest_size_of_several_maps(several: list[AxisMap], count: int) -> None:
    periods = {seen.period for seen in several}
    if len(periods - {1}) > 1:
        return
    ends = [[seen.at(place) for seen in several] for place in range(count)]
    sizes = [max(high for _, high in place) - min(low for low, _ in place) + 1 for place in ends if None not in place]
    assert largest_size(tuple(several), count) == max(sizes)


@given(st.integers(1, 5), st.integers(1, 30))
def test_where_something_that_repeats_on_a_slope_is_extreme(period: int, count: int) -> None:
    places = extreme_positions(period, count)
    assert set(places) <= set(range(count))
    for phase in range(min(period, count)):
        alike = [place for place in range(count) if place % period == phase]
        assert {alike[0], alike[-1]} <= set(places)


def test_the_place_itself() -> None:
    assert (PLACE.at(7), PLACE.size, PLACE.stride) == ((7, 7), 1, 1)
