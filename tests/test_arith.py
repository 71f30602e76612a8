"""Arithmetic on sizes: the same functions on integers, symbols and object arrays."""

from typing import Any

import numpy
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from convcost.arith import ceil_div, exact_div, floor_div, is_int, joint_size, largest, prod
from convcost.formulas.symbolic import size_symbol
from convcost.graph import Builder

CHANNELS, GROUPS, SIZE = size_symbol("C"), size_symbol("g"), size_symbol("R")


def array(*numbers: int) -> Any:
    """Python integers in an array, which cannot overflow."""
    return numpy.array(numbers, dtype=object)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (3, True),
        (0, True),
        (True, False),
        (3.0, False),
        (CHANNELS, False),
        (sympy.Integer(3), False),
        (array(3), False),
    ],
)
def test_is_int(size: object, expected: bool) -> None:
    assert is_int(size) is expected


# ---- integers ----


def test_prod() -> None:
    assert prod([]) == 1
    assert prod((2, 3, 7)) == 42
    assert prod(size for size in (10**12, 10**12)) == 10**24
    assert prod([CHANNELS, 3, CHANNELS]) == 3 * CHANNELS**2
    assert list(prod([array(2, 3), 5, array(1, 10)])) == [10, 150]


@pytest.mark.parametrize(
    ("size", "divisor", "floor", "ceil"), [(7, 2, 3, 4), (8, 2, 4, 4), (0, 3, 0, 0), (-1, 2, -1, 0)]
)
def test_floor_and_ceil(size: int, divisor: int, floor: int, ceil: int) -> None:
    assert (floor_div(size, divisor), ceil_div(size, divisor)) == (floor, ceil)


def test_exact_div_wants_a_divisor() -> None:
    assert exact_div(12, 4) == 3
    with pytest.raises(ArithmeticError) as refused:
        exact_div(12, 5)
    assert str(refused.value) == "5 does not divide 12"


@pytest.mark.parametrize(
    ("first", "second", "joint"),
    [(4, 4, 4), (1, 4, 4), (4, 1, 4), (1, 1, 1), (1, CHANNELS, CHANNELS), (CHANNELS, 1, CHANNELS)],
)
def test_joint_size(first: Any, second: Any, joint: Any) -> None:
    assert joint_size(first, second) == joint


def test_largest() -> None:
    assert largest([3]) == 3
    assert largest([3, 9, 2]) == 9
    assert largest([3, CHANNELS]) == sympy.Max(3, CHANNELS)
    assert list(largest([array(1, 8), 5, array(7, 2)])) == [7, 8]


# ---- symbols ----


def test_exact_division_of_symbols_leaves_no_floor() -> None:
    assert exact_div(CHANNELS * 6, GROUPS) == 6 * CHANNELS / GROUPS
    assert exact_div(CHANNELS * GROUPS, GROUPS) == CHANNELS
    assert exact_div(12, GROUPS) == 12 / GROUPS
    assert not exact_div(CHANNELS, 2).has(sympy.floor)


def test_floor_division_of_symbols() -> None:
    assert floor_div(SIZE, 2) == sympy.floor(SIZE / 2)
    assert floor_div(4 * SIZE, 2) == 2 * SIZE
    assert floor_div(7, GROUPS) == sympy.floor(7 / GROUPS)
    assert ceil_div(SIZE, 2).subs(SIZE, 7) == 4


@given(st.integers(-50, 50), st.integers(1, 9), st.integers(-9, 9), st.integers(1, 9))
def test_floors_of_floors_are_flattened(number: int, first: int, constant: int, second: int) -> None:
    flat = floor_div(floor_div(SIZE, first) + constant, second)
    assert flat.count(sympy.floor) <= 1
    assert flat.subs(SIZE, number) == (number // first + constant) // second


def test_a_symbol_inside_a_floor_may_be_the_constant() -> None:
    flat = floor_div(floor_div(SIZE, 3) + 2 * CHANNELS, 5)
    assert flat.subs({SIZE: 100, CHANNELS: 4}) == (100 // 3 + 8) // 5
    assert flat.count(sympy.floor) == 1


@given(st.integers(1, 500))
def test_what_cannot_be_flattened_stays_true(number: int) -> None:
    twice = floor_div(2 * floor_div(SIZE, 3) + 1, 5)
    two = floor_div(floor_div(SIZE, 3) + floor_div(SIZE, 7), 2)
    assert twice.subs(SIZE, number) == (2 * (number // 3) + 1) // 5
    assert two.subs(SIZE, number) == (number // 3 + number // 7) // 2


def test_five_layers_of_stride_2_are_one_floor() -> None:
    # one layer gives floor((R + 2 - 3) / 2) + 1 = floor((R - 1) / 2) + 1, and of that the next takes 1 again
    builder = Builder()
    value = builder.input((3, SIZE, SIZE))
    for _ in range(5):
        value = builder.conv(value, out_channels=3, kernel_size=3, stride=2, padding=1)
    assert value.shape[1] == sympy.floor((SIZE - 1) / 32) + 1
    assert [value.shape[1].subs(SIZE, number) for number in (1, 32, 33, 224)] == [1, 1, 2, 7]


# ---- object arrays ----


def test_arrays_divide_element_by_element() -> None:
    assert list(floor_div(array(7, 8, 9), 2)) == [3, 4, 4]
    assert list(floor_div(9, array(2, 3, 4))) == [4, 3, 2]
    assert list(ceil_div(array(7, 8, 9), 2)) == [4, 4, 5]
    assert list(exact_div(array(8, 12), array(4, 3))) == [2, 4]


def test_arrays_hold_integers_beyond_64_bits() -> None:
    (large,) = prod([array(10**10)] * 3)
    assert large == 10**30
    assert type(large) is int


def test_one_formula_for_integers_symbols_and_arrays() -> None:
    # 3 x 3 x 3 x 16 / 1 weights at floor((size - 1) / 2) + 1 positions an axis
    def macs(size: Any) -> Any:
        builder = Builder()
        builder.conv(builder.input((3, size, size)), out_channels=16, kernel_size=3, stride=2, padding=1)
        image, layer = builder.graph().nodes
        return layer.op.macs((image.shape,), layer.shape)

    assert macs(7) == 432 * 4 * 4
    assert list(macs(array(7, 8, 9))) == [432 * 16, 432 * 16, 432 * 25]
    assert macs(SIZE) == 432 * (sympy.floor((SIZE - 1) / 2) + 1) ** 2
