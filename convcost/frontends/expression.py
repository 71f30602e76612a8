"""Arithmetic expressions in specs: `32*width`, `make_divisible(96*width, 8)`, `resolution // 32`.

A small evaluator over Python's syntax tree, never `eval`: it knows numbers, names, arithmetic, comparisons,
conditionals and a few functions. Numbers are exact (0.1*30 is 3, not 3.0000000000000004), and every value is bounded,
so that no expression can exhaust the machine.
"""

from __future__ import annotations

import ast
import operator
import warnings
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any

from convcost.arith import ceil_div, division, exact_div, floor_div, is_int
from convcost.errors import ConvcostError, nearest_hint, printable
from convcost.ops.kinds import is_symbolic

__all__ = ["FUNCTIONS", "YAML_1_1_BOOLEANS", "ExpressionError", "evaluate", "number", "quote", "shorten", "simplest"]

LONGEST = 500
BITS = 256
MOST_NAMES = 20
LONGEST_LIST = 300
"""Characters: so much of the known names does a message list."""
YAML_1_1_BOOLEANS = {"yes", "no", "on", "off"}
"""The words, in lower case, that YAML 1.1 read as booleans besides true and false."""


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


def shorten(text: str) -> str:
    """A text as messages show it: printable, and cut where it is long."""
    shown = printable(text)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def quote(text: str) -> str:
    """A text as messages quote it."""
    return f'"{shorten(text)}"'


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


def _choose(value: Any, *pairs: Any) -> Any:
    """The result beside the key that the value is: `choose(width, 0.5, 48, 1, 116)`."""
    if len(pairs) % 2:
        raise ExpressionError("choose takes a value, and pairs of a key and its result")
    keys = pairs[::2]
    if not is_int(value) and not isinstance(value, Fraction):
        raise ExpressionError(f"choose needs a number to look for, not {shorten(str(value))}")
    for key, result in zip(keys, pairs[1::2], strict=True):
        if value == key:
            return result
    shown = ", ".join(_spelt(key) for key in keys)
    raise ExpressionError(f"{_spelt(value)} is none of the values that are known here: {shown}")


def _spelt(value: Any) -> str:
    """A number as a spec spells it."""
    return f"{float(value):g}" if isinstance(value, Fraction) else str(value)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": abs,
    "ceil": _ceil,
    "ceil_div": ceil_div,
    "choose": _choose,
    "exact_div": exact_div,
    "floor": _floor,
    "int": _truncate,
    "make_divisible": make_divisible,
    "max": max,
    "min": min,
    "round": _round,
}
ARGUMENTS: dict[str, tuple[int, int | None]] = {
    "ceil_div": (2, 2),
    "choose": (3, None),
    "exact_div": (2, 2),
    "make_divisible": (1, 3),
    "max": (2, None),
    "min": (2, None),
}
"""The fewest and most arguments (None: any number) of a function; one that is not here takes one."""


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
SIGNS: dict[type[ast.AST], Callable[[Any], Any]] = {ast.USub: operator.neg, ast.UAdd: operator.pos}
EQUALITIES: dict[type[ast.AST], tuple[str, Callable[[Any, Any], Any]]] = {
    ast.Eq: ("==", operator.eq),
    ast.NotEq: ("!=", operator.ne),
}
ORDERS: dict[type[ast.AST], tuple[str, Callable[[Any, Any], Any]]] = {
    ast.Lt: ("<", operator.lt),
    ast.LtE: ("<=", operator.le),
    ast.Gt: (">", operator.gt),
    ast.GtE: (">=", operator.ge),
}


def _applied(name: str, function: Callable[..., Any], arguments: list[Any]) -> Any:
    """A function, comparison or connective of these arguments, by the rule of symbols where one of them is symbolic."""
    symbol = next((argument for argument in arguments if is_symbolic(argument)), None)
    if symbol is None or any(isinstance(argument, str) for argument in arguments):
        return function(*arguments)
    return division(symbol).functions.get(name, function)(*arguments)


def _undecided(*arguments: Any) -> Any:
    raise ExpressionError("a condition depends on what is no number")


def evaluate(text: str, names: Mapping[str, Any]) -> Any:
    """The value of an expression over these names.

    Raises:
        ExpressionError: it cannot be read, names what is unknown, or leaves the bounds.
    """
    tree = _parse(text)
    if isinstance(tree, ast.Name) and tree.id not in names and tree.id.lower() in YAML_1_1_BOOLEANS:
        raise ExpressionError(f"{tree.id} is a boolean in YAML 1.1 and a word in 1.2; write true or false")
    try:
        return _Evaluation(text.strip(), names).value(tree)
    except ZeroDivisionError:
        raise ExpressionError(f"{quote(text)} divides by zero") from None
    except RecursionError:
        raise ExpressionError(f"{quote(text)} nests too deeply") from None
    except (ArithmeticError, TypeError, ValueError) as error:
        raise ExpressionError(f"{quote(text)} cannot be computed: {error}") from None


@lru_cache(maxsize=4096)
def _parse(text: str) -> ast.expr:
    if len(text) > LONGEST:
        raise ExpressionError(f"an expression of {len(text)} characters is too long; the limit is {LONGEST}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's own, such as of `1if 1else 2`
            return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        hint = ""
        if text.count("(") > text.count(")"):
            hint = "; inside {...} a comma ends a value: put quotes around an expression that has one"
        raise ExpressionError(f"{quote(text)} is no arithmetic expression{hint}") from None


class _Evaluation:
    """The walk over the syntax tree of one expression; what need not be known (`a or b`) is not computed."""

    def __init__(self, text: str, names: Mapping[str, Any]) -> None:
        self.text = text
        self.names = names

    def value(self, node: ast.expr) -> Any:
        """The value of a syntax tree, bounded.

        Raises:
            ExpressionError: it has what is not allowed, names what is unknown, or leaves the bounds.
        """
        value = simplest(self.raw_value(node))
        if isinstance(value, (int, Fraction)) and _bits(value) > BITS:
            raise ExpressionError("a number leaves the bounds (2^256)")
        return value

    def raw_value(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant(value=bool() | str() | int() as value):
                return value
            case ast.Constant(value=float() as value):
                literal = ast.get_source_segment(self.text, node) or repr(value)
                return number(literal.replace("_", ""))
            case ast.Name(id=name):
                return self.look_up(name)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in BINARY:
                return BINARY[type(op)](self.number(left), self.number(right))
            case ast.UnaryOp(op=op, operand=operand) if type(op) in SIGNS:
                return SIGNS[type(op)](self.number(operand))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return _applied("not", operator.not_, [self.value(operand)])
            case ast.Compare(left=left, ops=ops, comparators=others):
                return self.compare(left, ops, others)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self.choose(self.value(test), body, orelse)
            case ast.BoolOp(op=op, values=values):
                return self.combine("and" if isinstance(op, ast.And) else "or", values)
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self.call(name, arguments)
            case _:
                raise ExpressionError(
                    f"{quote(ast.unparse(node))} is not allowed; an expression has numbers, variables, "
                    f"+ - * / // % **, comparisons, and, or, not, a if b else c, and {', '.join(FUNCTIONS)}"
                )

    def number(self, node: ast.expr) -> Any:
        value = self.value(node)
        if isinstance(value, (str, bool, list, tuple, dict)) or value is None:
            raise ExpressionError(f"{quote(ast.unparse(node))} is no number")
        return value

    def look_up(self, name: str) -> Any:
        if name not in self.names:
            known = f"known are {_listed(self.names)}" if self.names else "none are defined"
            hint = nearest_hint(name[:60], self.names)
            raise ExpressionError(f"unknown variable {quote(name)}; {known}{hint}")
        return self.names[name]

    def compare(self, left: ast.expr, ops: list[ast.cmpop], others: list[ast.expr]) -> Any:
        """Whether a chain of comparisons holds; a condition, where that depends on symbols."""
        found: Any = True
        for op, right in zip(ops, others, strict=True):
            if type(op) in EQUALITIES:
                sign, compare = EQUALITIES[type(op)]
                holds = _applied(sign, compare, [self.value(left), self.value(right)])
            elif type(op) in ORDERS:
                sign, compare = ORDERS[type(op)]
                holds = _applied(sign, compare, [self.number(left), self.number(right)])
            else:
                raise ExpressionError("only == != < <= > >= compare")
            if is_symbolic(holds):
                found = holds if found is True else _applied("and", _undecided, [found, holds])
            elif not holds:
                return False
            left = right
        return found

    def choose(self, test: Any, body: ast.expr, orelse: ast.expr) -> Any:
        """One of two values; both, with the condition, where that depends on a symbol."""
        if not is_symbolic(test):
            return self.value(body if test else orelse)
        return _applied("if", _undecided, [test, self.number(body), self.number(orelse)])

    def combine(self, word: str, values: list[ast.expr]) -> Any:
        """`and` or `or` of truths; what need not be known is not computed."""
        unknown = []
        for node in values:
            value = self.value(node)
            if is_symbolic(value):
                unknown.append(value)
            elif bool(value) is (word == "or"):
                return word == "or"
        return _applied(word, _undecided, unknown) if unknown else word == "and"

    def call(self, name: str, nodes: list[ast.expr]) -> Any:
        if name not in FUNCTIONS:
            hint = nearest_hint(name[:60], FUNCTIONS)
            raise ExpressionError(f"unknown function {quote(name)}; known are {', '.join(FUNCTIONS)}{hint}")
        arguments = [self.number(node) for node in nodes]
        fewest, most = ARGUMENTS.get(name, (1, 1))
        if len(arguments) < fewest or (most is not None and len(arguments) > most):
            takes = f"at least {fewest}" if most is None else f"{fewest}" if fewest == most else f"{fewest} to {most}"
            noun = "argument" if takes == "1" else "arguments"
            raise ExpressionError(f"{name} takes {takes} {noun}, not {len(arguments)}")
        if name in ("exact_div", "ceil_div") and any(isinstance(argument, Fraction) for argument in arguments):
            raise ExpressionError(f"{name} needs whole numbers")
        return _applied(name, FUNCTIONS[name], arguments)


def _listed(names: Mapping[str, Any]) -> str:
    """The names, or the first of many, separated by commas."""
    shown: list[str] = []
    for name in names:
        if len(shown) == MOST_NAMES or sum(map(len, shown)) > LONGEST_LIST:
            shown.append("...")
            break
        shown.append(name[:60])
    return ", ".join(shown)


def _bits(value: Any) -> int:
    if isinstance(value, Fraction):
        return max(value.numerator.bit_length(), value.denominator.bit_length())
    return value.bit_length() if isinstance(value, int) else 1
