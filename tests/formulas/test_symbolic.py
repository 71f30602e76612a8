"""What is taken for granted of symbols is recorded, and nothing else; functions of specs on symbols are exact."""

from fractions import Fraction

import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from convcost.arith import equal, exact_div, joint_size, largest, looks_equal, note_divides, note_equal, smallest
from convcost.formulas.functions import value_of
from convcost.formulas.symbolic import assumptions, floor_of, number_symbol, size_symbol
from convcost.frontends.expression import evaluate
from convcost.graph import Builder

C, G, N = size_symbol("C"), size_symbol("G"), size_symbol("N")
W = number_symbol("W")


def test_an_exact_division_is_recorded_once() -> None:
    with assumptions() as found:
        exact_div(C, G)
        exact_div(C, G)
        exact_div(12 * C, 4)  # 3 C is whole whatever C is
        exact_div(64, G)
    assert [assumption.text for assumption in found] == ["G divides C", "G divides 64"]
    assert (found[0].divisor, found[0].dividend) == (G, C)


def test_a_division_that_follows_is_not_recorded() -> None:
    with assumptions() as found:
        note_divides(G, C)
        exact_div(C * N, G)
        note_divides(G, 8)
        exact_div(64, G)
    assert [str(assumption) for assumption in found] == ["G divides C", "G divides 8"]


def test_nothing_is_recorded_outside_and_recorders_nest() -> None:
    exact_div(C, G)
    with assumptions() as outer:
        exact_div(C, 2)
        with assumptions() as inner:
            exact_div(C, 3)
    exact_div(C, 5)
    assert [assumption.text for assumption in outer] == ["2 divides C", "3 divides C"]
    assert [assumption.text for assumption in inner] == ["3 divides C"]


def test_equalities_and_what_is_decided_by_them() -> None:
    with assumptions() as found:
        assert joint_size(C, N) == C
        assert joint_size(C, 8) == 8
        assert joint_size(1, C) == joint_size(C, 1) == C
        note_equal(C, C)
        note_equal(2 * (C + 1), 2 * C + 2)
        assert not equal(C, 8)
        assert not equal(C, C + 1)  # never equal
        assert not looks_equal(C, 9)
        note_divides(1, 32 * W)
    assert [assumption.text for assumption in found] == ["C = N", "C = 8", "C != 8", "32*W is whole"]


def test_groups_are_said_to_divide_channels() -> None:
    b = Builder()
    with assumptions() as found:
        b.conv(b.input((64, N, N)), out_channels=96, kernel_size=3, groups=G)
    assert [assumption.text for assumption in found] == ["G divides 64", "G divides 96"]


def test_branches_that_are_joined_are_said_to_have_one_size() -> None:
    b = Builder()
    x = b.input((8, N, N))
    with assumptions() as found:
        b.concat(x, b.max_pool(x, kernel_size=2))
    assert [assumption.text for assumption in found] == ["N = floor(N/2)"]


def test_the_overhang_of_a_pooling_window_stays_exact() -> None:
    """ceil_mode with a stride S: the gap S + 0 - 3 counts where it is negative, min(0, S - 3)."""
    stride = size_symbol("S")
    b = Builder()
    x = b.max_pool(b.input((4, N)), kernel_size=3, stride=stride, ceil_mode=True)
    for size in range(3, 20):
        for step in range(1, 6):
            b = Builder()
            concrete = b.max_pool(b.input((4, size)), kernel_size=3, stride=step, ceil_mode=True)
            assert value_of(x.shape[1], {N: size, stride: step}) == concrete.shape[1]


def test_the_largest_and_the_smallest() -> None:
    assert (largest([3, C]), smallest([3, C]), smallest([3, 2, 7])) == (sympy.Max(3, C), sympy.Min(3, C), 2)


def test_a_part_of_a_multiple_is_whole() -> None:
    """make_divisible(W, 4) is a multiple of 4: its half is whole, and no floor is left of it."""
    channels = evaluate("make_divisible(40*W, 4)", {"W": W})
    with assumptions() as found:
        assert floor_of(channels + 1, 2) == channels / 2
        exact_div(channels, 4)
        exact_div(channels, 8)
    assert [assumption.text for assumption in found] == ["8 divides make_divisible(40*W, 4)"]


EXPRESSIONS = (
    "make_divisible(32*W, 8)",
    "make_divisible(N*W, 4, 16)",
    "max(int(32*W), 8)",
    "min(N, 3) + abs(N)",
    "round(7*W)",
    "floor(N*W) + ceil(N*W)",
    "ceil(N/3)",
    "ceil_div(N, 3) * exact_div(6*N, 2)",
    "N // 4 + N % 4",
    "64 if W > 1 else 32",
    "1 if 1 < W <= 2 else 3",
    "1 if N == 3 or W >= 2 and not N == 5 else 2",
    "N**2 - N/7",
    "floor((N // 8 - 1) / 3)",
)


@given(st.sampled_from(EXPRESSIONS), st.integers(1, 300), st.fractions(Fraction(1, 50), 4))
def test_functions_of_specs_are_exact_on_symbols(text: str, whole: int, part: Fraction) -> None:
    symbolic = evaluate(text, {"N": N, "W": W})
    assert value_of(symbolic, {N: whole, W: part}) == evaluate(text, {"N": whole, "W": part})


def test_conditions_that_are_decided_are_truths() -> None:
    assert evaluate("N > 0", {"N": N}) is True
    assert evaluate("N == N or W > 1", {"N": N, "W": W}) is True
    assert evaluate("N < 0 and W > 1", {"N": N, "W": W}) is False
    assert evaluate("N == kind", {"N": N, "kind": "cuda"}) is False


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "int(W - 2)",
            '"int(W - 2)" cannot be computed: int(W - 2) rounds towards 0, and the sign of W - 2 is not known; write'
            " floor(...) or ceil(...)",
        ),
        ("2**N", "a power must have a whole exponent from 0 to 64 and stay below 2^256"),
    ],
)
def test_what_symbols_cannot_carry_is_refused(text: str, message: str) -> None:
    with pytest.raises(Exception) as refused:
        evaluate(text, {"N": N, "W": W})
    assert str(refused.value) == message
