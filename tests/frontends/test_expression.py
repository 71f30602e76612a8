"""Arithmetic in specs: exact, bounded, and nothing else."""

import warnings
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convcost.frontends.expression import FUNCTIONS, ExpressionError, evaluate, make_divisible, number, simplest

NAMES: dict[str, Any] = {"width": Fraction(3, 4), "depth": 3, "act": "relu6", "wide": True, "shape": [1, 2]}
KNOWN = "width, depth, act, wide, shape"

VALUES = {
    "3": 3,
    " 3 ": 3,
    "+3": 3,
    "-depth": -3,
    "1_000": 1000,
    "1e3": 1000,
    "0.5": Fraction(1, 2),
    "32*width": 24,
    "32 * (width + 1) - 2": 54,
    "7 / 2": Fraction(7, 2),
    "6 / 2": 3,
    "7 // 2": 3,
    "choose(width, 0.5, 48, 0.75, 116)": 116,
    "choose(2, 1, 10, 2, 20, 2, 30)": 20,
    "-7 // 2": -4,
    "7.5 // 2": 3,
    "7 % 3": 1,
    "2 ** 10": 1024,
    "2 ** depth ** 2": 512,
    "1.5 ** 2": Fraction(9, 4),
    "depth == 3": True,
    "depth != 3": False,
    "1 < depth <= 3": True,
    "1 < depth < 3": False,
    "depth > 3": False,
    "depth >= 3 and wide": True,
    "depth > 3 or not wide": False,
    "not depth": False,
    "1 if wide else 2": 1,
    "1 if depth > 3 else 2": 2,
    "depth if depth > 0 else 1 // 0": 3,
    "act == 'relu6'": True,
    "act if wide else 'relu'": "relu6",
    "True": True,
    "shape": [1, 2],
    "abs(-depth)": 3,
    "ceil(2.1)": 3,
    "ceil(-2.1)": -2,
    "floor(2.9)": 2,
    "floor(-2.1)": -3,
    "int(2.9)": 2,
    "int(-2.9)": -2,
    "round(2.5)": 2,
    "round(3.5)": 4,
    "round(2.51)": 3,
    "max(1, depth, 2)": 3,
    "min(4, depth)": 3,
    "ceil_div(7, 2)": 4,
    "exact_div(6, depth)": 2,
    "make_divisible(96*width, 8)": 72,
    "make_divisible(30)": 32,
    "make_divisible(7, 8, 16)": 16,
}


@pytest.mark.parametrize("text", VALUES)
def test_the_value_of_an_expression(text: str) -> None:
    value = evaluate(text, NAMES)
    assert value == VALUES[text]
    assert type(value) is type(VALUES[text])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.1 * 30", 3),  # 3.0000000000000004 in floating point
        ("0.1 + 0.2 == 0.3", True),
        ("1.1 * 1.1", Fraction(121, 100)),
        ("1e-3 * 1000", 1),
        ("0.7 * 100", 70),  # 70.0 - 7e-15
        ("0.1234567890123456789 * 1e19", 1234567890123456789),  # more digits than a float has
    ],
)
def test_decimals_are_exact(text: str, value: Any) -> None:
    assert evaluate(text, {}) == value


@pytest.mark.parametrize(
    ("text", "value"), [("depth > 0 and 8 // depth > 2", False), ("depth == 0 or 8 // depth > 2", True)]
)
def test_and_and_or_look_no_further_than_they_need(text: str, value: bool) -> None:
    assert evaluate(text, {"depth": 0}) is value


ALLOWED = (
    "an expression has numbers, variables, + - * / // % **, comparisons, and, or, not, a if b else c, and "
    "abs, ceil, ceil_div, choose, exact_div, floor, int, make_divisible, max, min, round"
)
FUNCTION_LIST = "abs, ceil, ceil_div, choose, exact_div, floor, int, make_divisible, max, min, round"
POWER = "a power must have a whole exponent from 0 to 64 and stay below 2^256"

REFUSED = {
    "": '"" is no arithmetic expression',
    "3 +": '"3 +" is no arithmetic expression',
    "1 2": '"1 2" is no arithmetic expression',
    "1; 2": '"1; 2" is no arithmetic expression',
    "08": '"08" is no arithmetic expression',
    "import os": '"import os" is no arithmetic expression',
    "max(1": '"max(1" is no arithmetic expression; inside {...} a comma ends a value: put quotes around an expression'
    " that has one",
    "wdth": f'unknown variable "wdth"; known are {KNOWN}; did you mean "width"?',
    "zzz": f'unknown variable "zzz"; known are {KNOWN}',
    "foo(1)": f'unknown function "foo"; known are {FUNCTION_LIST}; did you mean "floor"?',
    "makedivisible(3)": f'unknown function "makedivisible"; known are {FUNCTION_LIST}; did you mean "make_divisible"?',
    "open(3)": f'unknown function "open"; known are {FUNCTION_LIST}',
    "().__class__": f'"().__class__" is not allowed; {ALLOWED}',
    "width.numerator": f'"width.numerator" is not allowed; {ALLOWED}',
    "shape[0]": f'"shape[0]" is not allowed; {ALLOWED}',
    "[1, 2]": f'"[1, 2]" is not allowed; {ALLOWED}',
    "{}": f'"{{}}" is not allowed; {ALLOWED}',
    "lambda: 1": f'"lambda: 1" is not allowed; {ALLOWED}',
    "(a := 1)": f'"(a := 1)" is not allowed; {ALLOWED}',
    "[x for x in shape]": f'"[x for x in shape]" is not allowed; {ALLOWED}',
    "f'{width}'": f"\"f'{{width}}'\" is not allowed; {ALLOWED}",
    "max(a=1)": f'"max(a=1)" is not allowed; {ALLOWED}',
    "max(*shape)": f'"*shape" is not allowed; {ALLOWED}',
    "1 << 3": f'"1 << 3" is not allowed; {ALLOWED}',
    "~5": f'"~5" is not allowed; {ALLOWED}',
    "1j": f'"1j" is not allowed; {ALLOWED}',
    "b'a'": f"\"b'a'\" is not allowed; {ALLOWED}",
    "None": f'"None" is not allowed; {ALLOWED}',
    "1 in shape": "only == != < <= > >= compare",
    "depth is 3": "only == != < <= > >= compare",
    "act + 1": '"act" is no number',
    "wide * 2": '"wide" is no number',
    "shape * 2": '"shape" is no number',
    "max(1, act)": '"act" is no number',
    "-act": '"act" is no number',
    "-wide": '"wide" is no number',
    "1 / 0": '"1 / 0" divides by zero',
    "1 // 0": '"1 // 0" divides by zero',
    "1 % (depth - 3)": '"1 % (depth - 3)" divides by zero',
    "make_divisible(96, 0)": '"make_divisible(96, 0)" divides by zero',
    "exact_div(7, 2)": '"exact_div(7, 2)" cannot be computed: 2 does not divide 7',
    "exact_div(7.5, 2)": "exact_div needs whole numbers",
    "ceil_div(7.5, 2)": "ceil_div needs whole numbers",
    "2 ** -1": POWER,
    "2 ** 0.5": POWER,
    "2 ** 65": POWER,
    "9**9**9": POWER,
    "(2 ** 64) ** 64": POWER,
    "2 ** 60 * 2 ** 60 * 2 ** 60 * 2 ** 60 * 2 ** 60": "a number leaves the bounds (2^256)",
    "1 + " + "9" * 100: "a number leaves the bounds (2^256)",
    "1e400": "the number 1e400 is too large or too fine",
    "2 * 1e-400": "the number 1e-400 is too large or too fine",
    "floor(1, 2)": "floor takes 1 argument, not 2",
    "round()": "round takes 1 argument, not 0",
    "max(1)": "max takes at least 2 arguments, not 1",
    "make_divisible(1, 2, 3, 4)": "make_divisible takes 1 to 3 arguments, not 4",
    "1" + " + 1" * 200: "an expression of 801 characters is too long; the limit is 500",
}


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: text[:40])
def test_what_is_no_expression_is_refused_by_a_message(text: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate(text, NAMES)
    assert str(caught.value) == REFUSED[text]


def test_without_variables_the_message_says_so() -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate("width", {})
    assert str(caught.value) == 'unknown variable "width"; none are defined'


def test_many_variables_are_not_all_listed() -> None:
    names = {f"layer{number}": number for number in range(1000)}
    with pytest.raises(ExpressionError) as caught:
        evaluate("zzz", names)
    assert str(caught.value).startswith('unknown variable "zzz"; known are layer0, layer1, ')
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    "text", ["(" * 230 + "x" + ")" * 230, "-" * 490 + "x", "not " * 120 + "x", "abs(" * 95 + ")" * 95]
)
def test_what_nests_deeply_is_refused_in_a_few_words(text: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate(text, {})
    assert len(str(caught.value)) < 250


def test_a_long_sum_is_computed() -> None:
    assert evaluate("+".join(["1"] * 250), {}) == 250


@pytest.mark.parametrize("text", ["1if 1else 2", "1 is 1", "'\\d' == 'd'"])
def test_nothing_is_written_beside_the_message(text: str) -> None:
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        outcome = []
        try:
            outcome.append(evaluate(text, {}))
        except ExpressionError as error:
            outcome.append(str(error))
    assert len(outcome) == 1
    assert [str(warning.message) for warning in heard] == []


# --- numbers


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("-3", -3),
        ("2.50", Fraction(5, 2)),
        ("2.0", 2),
        (".5", Fraction(1, 2)),
        ("1.5e3", 1500),
        ("1E-2", Fraction(1, 100)),
    ],
)
def test_a_decimal_literal(text: str, value: Any) -> None:
    assert number(text) == value
    assert type(number(text)) is type(value)


@pytest.mark.parametrize("text", ["9" * 61, "0." + "3" * 60, "1e61", "1e-61", "1e9999"])
def test_a_literal_out_of_bounds(text: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        number(text)
    assert str(caught.value) == f"the number {text[:40]} is too large or too fine"


def test_simplest() -> None:
    assert simplest(Fraction(6, 2)) == 3
    assert type(simplest(Fraction(6, 2))) is int
    assert simplest(Fraction(1, 2)) == Fraction(1, 2)
    assert simplest("relu") == "relu"


# --- laws

INTEGERS = st.integers(-(10**6), 10**6)
POSITIVE = st.integers(1, 10**6)


@given(INTEGERS, POSITIVE)
def test_division_is_pythons(left: int, right: int) -> None:
    names = {"a": left, "b": right}
    assert evaluate("a // b", names) == left // right
    assert evaluate("a % b", names) == left % right
    assert evaluate("a / b", names) == Fraction(left, right)
    assert evaluate("(a // b) * b + a % b", names) == left
    assert evaluate("ceil_div(a, b)", names) == evaluate("ceil(a / b)", names)


@given(st.fractions(min_value=-1000, max_value=1000, max_denominator=100))
def test_rounding_is_pythons(value: Fraction) -> None:
    names = {"a": simplest(value)}
    assert evaluate("round(a)", names) == round(value)
    assert evaluate("int(a)", names) == int(value)
    assert evaluate("floor(a)", names) <= value <= evaluate("ceil(a)", names)


@given(st.integers(1, 10**4), st.sampled_from([1, 4, 8, 16]))
def test_make_divisible_is_near_and_no_less_than_nine_tenths(value: int, divisor: int) -> None:
    found = make_divisible(value, divisor)
    assert found % divisor == 0
    assert 10 * found >= 9 * value
    # torchvision's rounding, in the floating point numbers that it uses
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    assert found == (rounded + divisor if rounded < 0.9 * value else rounded)


@given(st.decimals(min_value=-1000, max_value=1000, places=6))
def test_a_decimal_is_what_it_says(value: Any) -> None:
    assert evaluate(f"{value:f}", {}) == Fraction(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("choose(3, 1, 10, 2, 20)", "3 is none of the values that are known here: 1, 2"),
        ("choose(0.75, 0.5, 48, 1, 116)", "0.75 is none of the values that are known here: 0.5, 1"),
        ("choose(1, 1, 10, 2)", "choose takes a value, and pairs of a key and its result"),
    ],
)
def test_choose_refuses_what_it_does_not_know(text: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate(text, {})
    assert str(caught.value) == message


def test_every_function_has_a_test() -> None:
    tested = " ".join(VALUES)
    assert all(f"{name}(" in tested for name in FUNCTIONS)
