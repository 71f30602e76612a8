"""Functions of symbols that sympy lacks: MobileNet's `make_divisible`, and rounding as Python rounds.

Each stays as it is written until its arguments are numbers, and is exact then.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import sympy

from convcost.arith import ceil_div, floor_div

__all__ = ["FUNCTIONS", "MakeDivisible", "RoundEven", "is_whole", "made_divisible", "plain_number", "value_of"]


def exact_number(value: Any) -> Fraction:
    """A sympy number that is rational as a fraction."""
    return Fraction(int(value.p), int(value.q))


def plain_number(value: Any) -> Any:
    """A sympy number or truth as Python's; anything else as it is."""
    if isinstance(value, sympy.logic.boolalg.BooleanAtom):
        return bool(value)
    if isinstance(value, sympy.Rational):
        exact = exact_number(value)
        return exact.numerator if exact.denominator == 1 else exact
    return value


def made_divisible(value: Fraction | int, divisor: Fraction | int, lowest: Fraction | int) -> Fraction | int:
    """The multiple of divisor nearest to value, at least lowest, and not below 0.9 value."""
    rounded = max(lowest, (value + Fraction(divisor) / 2) // divisor * divisor)
    return rounded + divisor if rounded < Fraction(9, 10) * value else rounded


class MakeDivisible(sympy.Function):  # type: ignore[misc]
    """`make_divisible(value, divisor, lowest)`: max(lowest, floor(value / divisor + 1/2) divisor), and one divisor more
    where that is below 0.9 value."""

    nargs = 3
    is_positive = True
    is_real = True

    @classmethod
    def eval(cls, value: Any, divisor: Any, lowest: Any) -> Any:
        if all(isinstance(argument, sympy.Rational) for argument in (value, divisor, lowest)):
            return sympy.sympify(made_divisible(*map(exact_number, (value, divisor, lowest))))
        return None

    def _eval_is_integer(self) -> bool | None:
        return True if self.args[1].is_Integer and (self.args[2] / self.args[1]).is_Integer else None

    def _sympystr(self, printer: Any) -> str:
        value, divisor, lowest = self.args
        shown = (value, divisor) if lowest == divisor else self.args
        return f"make_divisible({', '.join(map(printer.doprint, shown))})"

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        value, divisor, lowest = self.args
        shown = (value, divisor) if lowest == divisor else self.args
        text = rf"\operatorname{{make\_divisible}}\left({', '.join(map(printer.doprint, shown))}\right)"
        return text if exp is None else f"{text}^{{{exp}}}"


def is_whole(expression: Any) -> bool:
    """Whether an expression is seen to be whole, as sympy sees it, or as a part of a multiple of its divisor."""
    if expression.is_integer:
        return True
    if isinstance(expression, sympy.Add):
        return all(map(is_whole, expression.args))
    factor, rest = expression.as_coeff_Mul()
    if not isinstance(factor, sympy.Rational) or not rest.is_integer:
        return False
    divisors = [part.args[1] for part in sympy.Mul.make_args(rest) if isinstance(part, MakeDivisible)]
    return any((factor * divisor).is_Integer for divisor in divisors)


class RoundEven(sympy.Function):  # type: ignore[misc]
    """The nearest whole number, halves to the even one."""

    nargs = 1
    is_integer = True

    @classmethod
    def eval(cls, value: Any) -> Any:
        if isinstance(value, sympy.Rational):
            return sympy.Integer(round(exact_number(value)))
        return value if value.is_integer else None

    def _sympystr(self, printer: Any) -> str:
        return f"round({printer.doprint(self.args[0])})"

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        text = rf"\operatorname{{round}}\left({printer.doprint(self.args[0])}\right)"
        return text if exp is None else f"{text}^{{{exp}}}"


def _ceil(value: Any) -> Any:
    """The ceiling; of whole numbers over a whole number the floor that it is, so that floors of it are flattened."""
    above, below = sympy.fraction(sympy.together(value))
    return ceil_div(above, below) if above.is_integer and below.is_integer else sympy.ceiling(value)


def _truncated(value: Any) -> Any:
    """As Python's int: towards 0.

    Raises:
        ValueError: the sign is not known.
    """
    value = sympy.sympify(value)
    if value.is_nonnegative:
        return sympy.floor(sympy.expand(value))
    raise ValueError(
        f"int({value}) rounds towards 0, and the sign of {value} is not known; write floor(...) or ceil(...)"
    )


def _make_divisible(value: Any, divisor: Any = 8, min_value: Any = None) -> Any:
    return MakeDivisible(value, divisor, divisor if min_value is None else min_value)


def _choose(test: Any, first: Any, second: Any) -> Any:
    return sympy.Piecewise((sympy.sympify(first), test), (sympy.sympify(second), True))


FUNCTIONS = {
    "abs": sympy.Abs,
    "ceil": _ceil,
    "floor": lambda value: floor_div(value, 1),
    "int": _truncated,
    "make_divisible": _make_divisible,
    "max": sympy.Max,
    "min": sympy.Min,
    "round": RoundEven,
    "==": sympy.Eq,
    "!=": sympy.Ne,
    "<": sympy.Lt,
    "<=": sympy.Le,
    ">": sympy.Gt,
    ">=": sympy.Ge,
    "and": sympy.And,
    "or": sympy.Or,
    "not": sympy.Not,
    "if": _choose,
}
"""What the functions, comparisons and conditionals of expressions in specs are on symbols, by name."""


def value_of(expression: Any, values: Mapping[Any, Any]) -> Any:
    """The exact value of an expression where its symbols have these values: a whole number, a fraction or a truth.

    Raises:
        ValueError: a symbol has no value, or the expression none here.
    """
    return _Evaluation(values).value(expression)


class _Evaluation:
    """The walk over one expression; equal parts are computed once."""

    def __init__(self, values: Mapping[Any, Any]) -> None:
        self.known: dict[Any, Any] = dict(values)

    def value(self, expression: Any) -> Any:
        if expression in self.known:
            return self.known[expression]
        found = self.computed(expression)
        self.known[expression] = found
        return found

    def computed(self, expression: Any) -> Any:
        if isinstance(expression, (int, Fraction)):
            return expression
        if isinstance(expression, sympy.Rational):
            return plain_number(expression)
        if isinstance(expression, sympy.Piecewise):
            return next(self.value(value) for value, test in expression.args if self.value(test))
        for kind, rule in RULES.items():
            if isinstance(expression, kind):
                return _whole_or_fraction(rule([self.value(argument) for argument in expression.args]))
        if isinstance(expression, sympy.Symbol):
            raise ValueError(f"{expression} has no value")
        return plain_number(sympy.sympify(expression.func(*map(self.value, expression.args))))


def _whole_or_fraction(value: Any) -> Any:
    return value.numerator if isinstance(value, Fraction) and value.denominator == 1 else value


def _power(arguments: list[Any]) -> Any:
    base, exponent = arguments
    return base**exponent if exponent >= 0 else Fraction(1) / base**-exponent


RULES: dict[Any, Callable[[list[Any]], Any]] = {
    sympy.Add: sum,
    sympy.Mul: math.prod,
    sympy.Pow: _power,
    sympy.floor: lambda arguments: math.floor(arguments[0]),
    sympy.ceiling: lambda arguments: math.ceil(arguments[0]),
    sympy.Max: max,
    sympy.Min: min,
    MakeDivisible: lambda arguments: made_divisible(*arguments),
    RoundEven: lambda arguments: round(arguments[0]),
    sympy.Mod: lambda arguments: arguments[0] % arguments[1],
}
"""How the parts of closed forms are computed."""
