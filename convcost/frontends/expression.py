"""Arithmetic expressions in specs: `32*width`, `make_divisible(96*width, 8)`, `resolution // 32`.

A small evaluator over Python's syntax tree, never `eval`: it knows numbers, names, arithmetic, comparisons,
conditionals and a few functions. Numbers are exact (0.1*30 is 3, not 3.0000000000000004), and every value is bounded,
so that no expression can exhaust the machine.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any

from convcost.arith import ceil_div, exact_div, floor_div, is_int
from convcost.errors import ConvcostError, nearest_hint

__all__ = ["FUNCTIONS", "ExpressionError", "evaluate", "number", "simplest"]

LONGEST = 500
BITS = 256


class ExpressionError(ConvcostError):
    """An expression cannot be read or evaluated."""


def number(text: str) -> int | Fraction:
    """A decimal literal, exactly.

    Raises:
        ExpressionError: it is too large or too fine.
    """
    mantissa, _, exponent = text.lower().partition("e")
    if len(mantissa) > 60 or (exponent and abs(int(exponent)) > 60):
        raise ExpressionError(f"the number {text[:40]} is too large or too fine")
    value: int | Fraction = simplest(Fraction(text))
    return value


def simplest(value: Any) -> Any:
    """A fraction that is whole as an int; anything else as it is."""
    return value.numerator if isinstance(value, Fraction) and value.denominator == 1 else value


def make_divisible(value: Any, divisor: Any = 8, min_value: Any = None) -> Any:
    """The multiple of divisor nearest to value, at least min_value (divisor), and not below 0.9 value (MobileNet's)."""
    lowest = divisor if min_value is None else min_value
    rounded = max(lowest, (value + Fraction(divisor) / 2) // divisor * divisor)
    return rounded + divisor if rounded < Fraction(9, 10) * value else rounded


def _round(value: Any) -> Any:
    """The nearest whole number, halves to the even one, as Python rounds."""
    return round(value)


def _floor(value: Any) -> Any:
    return value // 1


def _ceil(value: Any) -> Any:
    return -(-value // 1)


def _truncate(value: Any) -> Any:
    return int(value)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": abs,
    "ceil": _ceil,
    "ceil_div": ceil_div,
    "exact_div": exact_div,
    "floor": _floor,
    "int": _truncate,
    "make_divisible": make_divisible,
    "max": max,
    "min": min,
    "round": _round,
}


def _divide(left: Any, right: Any) -> Any:
    return Fraction(left) / right if isinstance(left, int) and isinstance(right, (int, Fraction)) else left / right


def _floor_divide(left: Any, right: Any) -> Any:
    exact = isinstance(left, Fraction) or isinstance(right, Fraction)
    return left // right if exact else floor_div(left, right)


def _power(left: Any, right: Any) -> Any:
    if not is_int(right) or not 0 <= right <= 64 or _bits(left) * right > BITS:
        raise ExpressionError("a power must have a whole exponent from 0 to 64 and stay below 2^256")
    return left**right


BINARY: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: _divide,
    ast.FloorDiv: _floor_divide,
    ast.Mod: operator.mod,
    ast.Pow: _power,
}
UNARY: dict[type[ast.AST], Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
}
COMPARE: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def evaluate(text: str, names: Mapping[str, Any]) -> Any:
    """The value of an expression over these names.

    Raises:
        ExpressionError: it cannot be read, names what is unknown, or leaves the bounds.
    """
    tree = _parse(text)
    try:
        return _value(tree, names)
    except ZeroDivisionError:
        raise ExpressionError(f'"{text}" divides by zero') from None
    except (ArithmeticError, TypeError, ValueError) as error:
        raise ExpressionError(f'"{text}" cannot be computed: {error}') from None


@lru_cache(maxsize=4096)
def _parse(text: str) -> ast.expr:
    if len(text) > LONGEST:
        raise ExpressionError(f"an expression of {len(text)} characters is too long; the limit is {LONGEST}")
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        hint = ""
        if text.count("(") > text.count(")"):
            hint = "; inside {...} a comma ends a value: put quotes around an expression that has one"
        raise ExpressionError(f'"{text}" is no arithmetic expression{hint}') from None


def _value(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """The value of a syntax tree, bounded."""
    value = simplest(_raw_value(node, names))
    if isinstance(value, (int, Fraction)) and _bits(value) > BITS:
        raise ExpressionError("a number leaves the bounds (2^256)")
    return value


def _raw_value(node: ast.expr, names: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value=bool() | str() as value):
            return value
        case ast.Constant(value=int() as value):
            return value
        case ast.Constant(value=float() as value):
            return Fraction(repr(value))
        case ast.Name(id=name):
            return _look_up(name, names)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in BINARY:
            return BINARY[type(op)](_number(left, names), _number(right, names))
        case ast.UnaryOp(op=op, operand=operand) if type(op) in UNARY:
            return UNARY[type(op)](_value(operand, names))
        case ast.Compare(left=left, ops=ops, comparators=others):
            return _compare(
                _value(left, names), [(op, _value(other, names)) for op, other in zip(ops, others, strict=True)]
            )
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return _value(body if _value(test, names) else orelse, names)
        case ast.BoolOp(op=op, values=values):
            known = [bool(_value(value, names)) for value in values]
            return all(known) if isinstance(op, ast.And) else any(known)
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            return _call(name, [_number(argument, names) for argument in arguments])
        case _:
            raise ExpressionError(
                f'"{ast.unparse(node)[:60]}" is not allowed; an expression has numbers, variables, + - * / // % **,'
                f" comparisons, a if b else c, and {', '.join(FUNCTIONS)}"
            )


def _number(node: ast.expr, names: Mapping[str, Any]) -> Any:
    value = _value(node, names)
    if isinstance(value, (str, bool, list, tuple)) or value is None:
        raise ExpressionError(f'"{ast.unparse(node)[:60]}" is no number')
    return value


def _look_up(name: str, names: Mapping[str, Any]) -> Any:
    if name not in names:
        known = f"known are {', '.join(names)}" if names else "none are defined"
        raise ExpressionError(f'unknown variable "{name}"; {known}{nearest_hint(name, names)}')
    return names[name]


def _compare(left: Any, others: list[tuple[ast.cmpop, Any]]) -> bool:
    for op, right in others:
        if type(op) not in COMPARE:
            raise ExpressionError("only == != < <= > >= compare")
        if not COMPARE[type(op)](left, right):
            return False
        left = right
    return True


def _call(name: str, arguments: list[Any]) -> Any:
    if name not in FUNCTIONS:
        raise ExpressionError(
            f'unknown function "{name}"; known are {", ".join(FUNCTIONS)}{nearest_hint(name, FUNCTIONS)}'
        )
    if name in ("exact_div", "ceil_div") and any(isinstance(argument, Fraction) for argument in arguments):
        raise ExpressionError(f"{name} needs whole numbers")
    return FUNCTIONS[name](*arguments)


def _bits(value: Any) -> int:
    if isinstance(value, Fraction):
        return max(value.numerator.bit_length(), value.denominator.bit_length())
    return value.bit_length() if isinstance(value, int) else 1
