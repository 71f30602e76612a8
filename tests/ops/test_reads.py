"""What output elements read: each rule against the definition of its operator, and a rule for every operator."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor

import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from convcost.analysis.axis_map import positions_read
from convcost.formulas.symbolic import size_symbol
from convcost.graph import Builder, Graph
from convcost.ops import OPERATORS
from convcost.ops.base import Operator
from convcost.ops.reads import (
    AxisRead,
    Taps,
    at_most_whole,
    binned,
    chosen,
    copied,
    front_of_same,
    grouped,
    interpolated,
    regrouped,
    same,
    same_shape,
    transposed,
    whole,
    window,
)
from strategies import graphs

small = st.integers(1, 5)


def read_of(read: AxisRead, count: int) -> list[list[int]]:
    return [list(positions_read(read, place)) for place in range(count)]


# Every operator has a rule


@pytest.mark.parametrize("word", OPERATORS)
def test_every_operator_says_what_it_reads(word: str) -> None:
    """Only of an operator that nothing is known of is an unknown part all that can be said."""
    entry = OPERATORS[word]
    assert (entry.reads is Operator.reads) == (not entry.supported)


def test_what_nothing_is_known_of_reads_at_most_everything() -> None:
    b = Builder()
    b.opaque(b.input((3, 8, 8)), label="deform", output_shape=[3, 4, 4])
    (node,) = b.graph().layers
    assert node.op.reads(((3, 8, 8),), (3, 4, 4)) == (((at_most_whole(),) * 3,),)


@given(graphs())
def test_a_rule_has_an_entry_for_each_axis_of_each_input(graph: Graph) -> None:
    for node in graph.layers:
        shapes = graph.input_shapes(node)
        reads = node.op.reads(shapes, node.shape)
        assert len(reads) == len(shapes), node.name
        for products, shape in zip(reads, shapes, strict=True):
            assert products, node.name
            for product in products:
                assert len(product) == len(shape), node.name
                assert all(read.axis is None or read.axis < len(node.shape) for read in product), node.name
                assert all(len(read.taps) in (1, read.period) for read in product), node.name


# The rules


@given(small, small, st.integers(0, 4), small)
def test_windows(kernel: int, stride: int, padding: int, dilation: int) -> None:
    expected = [[place * stride - padding + tap * dilation for tap in range(kernel)] for place in range(9)]
    assert read_of(window(0, kernel, stride, padding, dilation), 9) == expected


@given(st.integers(1, 40), small, small, small)
def test_the_front_of_same_padding(size: int, kernel: int, stride: int, dilation: int) -> None:
    """TensorFlow's rule: ceil(size / stride) windows, and of what they lack the smaller half in front."""
    span = dilation * (kernel - 1) + 1
    lacking = max(0, (ceil(Fraction(size, stride)) - 1) * stride + span - size)
    assert front_of_same(size, kernel, stride, dilation) == lacking // 2
    symbol = size_symbol("H")
    assert sympy.sympify(front_of_same(symbol, kernel, stride, dilation)).subs(symbol, size) == lacking // 2


@given(small, small, st.integers(0, 3), small)
def test_transposed_convolution_by_scattering(kernel: int, stride: int, padding: int, dilation: int) -> None:
    """Input i spreads to i stride - padding + tap dilation."""
    read = transposed(0, kernel, stride, padding, dilation)
    expected: list[list[int]] = [[] for _ in range(4 * stride)]
    for place in range(-40, 40):
        for tap in range(kernel):
            spread = place * stride - padding + tap * dilation
            if 0 <= spread < len(expected):
                expected[spread].append(place)
    assert read_of(read, len(expected)) == expected


@given(st.integers(1, 5), st.integers(1, 4), st.integers(1, 4))
def test_groups_of_channels(groups: int, wide: int, many: int) -> None:
    read = grouped(0, groups * wide, groups * many, groups)
    if groups == 1:
        assert read == whole()
        return
    expected = [[place // many * wide + at for at in range(wide)] for place in range(groups * many)]
    assert read_of(read, groups * many) == expected


@given(st.integers(1, 20), st.integers(2, 20))
def test_bins(size: int, out: int) -> None:
    expected = [list(range(floor(Fraction(i * size, out)), ceil(Fraction((i + 1) * size, out)))) for i in range(out)]
    assert read_of(binned(0, size, out), out) == expected


@given(st.integers(1, 20), st.integers(1, 20))
def test_nearest_neighbours(size: int, out: int) -> None:
    assert read_of(copied(0, size, out), out) == [[i * size // out] for i in range(out)]


@given(st.integers(1, 12), st.integers(1, 4))
def test_nearest_neighbours_by_a_factor(size: int, factor: int) -> None:
    assert read_of(copied(0, size, size * factor, factor), size * factor) == [
        [i // factor] for i in range(size * factor)
    ]


@given(st.integers(1, 20), st.integers(1, 20), st.booleans())
def test_linear_interpolation(size: int, out: int, align_corners: bool) -> None:
    """The two neighbours of each place; of a place on an element that element alone."""
    for i, found in enumerate(read_of(interpolated(0, size, out, align_corners), out)):
        place = Fraction(2 * i + 1, 2) * Fraction(size, out) - Fraction(1, 2)
        if align_corners:
            place = Fraction(i * (size - 1), out - 1) if out > 1 else Fraction(0)
        assert found == sorted({floor(place), ceil(place)})


def test_chosen_positions() -> None:
    assert read_of(chosen(0, 4, [1, 3]), 4) == [[], [1], [], [3]]
    # of each two positions the second reads the element of its turn
    assert read_of(chosen(0, 2, [1], step=1), 6) == [[], [0], [], [1], [], [2]]


def test_axes_that_a_reshape_keeps_are_followed() -> None:
    ((product,),) = regrouped((6, 4, 5), (2, 3, 4, 5))
    assert product[1:] == (same(2), same(3))
    assert (product[0].scattered, product[0].at_most) == (True, True)
    ((product,),) = regrouped((3, 4, 5), (60,))
    assert [(read.axis, read.scattered, read.at_most) for read in product] == [(0, True, False)] * 3
    ((product,),) = regrouped((7, 1, 1), (7,))
    assert product[0] == same(0)


def test_the_same_shape() -> None:
    assert same_shape(((3, 4), (3, 4))) == (((same(0), same(1)),),) * 2
    assert read_of(same(0), 3) == [[0], [1], [2]]


@given(small, st.integers(2, 5), small)
def test_what_symbols_bound(kernel: int, stride: int, dilation: int) -> None:
    symbol = size_symbol("s")
    (bound,) = transposed(0, kernel, symbol, 0, dilation).taps
    assert bound is not None
    most = max(
        len(range(taps.first, taps.last + 1)) for taps in transposed(0, kernel, stride, 0, dilation).taps if taps
    )
    assert most <= sympy.sympify(bound.last + 1).subs(symbol, stride)


def test_taps_by_default_are_the_place_itself() -> None:
    assert Taps() == Taps(first=0, last=0, rate=1)
    assert AxisRead(axis=0) == same(0)
