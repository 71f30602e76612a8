"""Closed forms made readable: maxima decided, floors of small fractions settled, terms grouped by feature map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sympy

__all__ = ["cleaned", "collected", "in_terms", "settled"]


def cleaned(size: Any) -> Any:
    """The expression without maxima and floors that are decided for every size."""
    size = sympy.sympify(size)
    if not size.has(sympy.floor, sympy.Max):
        return size
    size = size.replace(sympy.floor, _floor).replace(sympy.Max, _maximum)
    smaller = sympy.expand(size.replace(sympy.Max, _by_minimum)) if size.has(sympy.Max) else size
    return smaller if sympy.count_ops(smaller) < sympy.count_ops(sympy.expand(size)) else size


def _floor(inside: Any) -> Any:
    """`floor(-1 / n)` is -1 for every whole n of at least 1."""
    if (-1 / inside).is_integer and (-1 / inside).is_positive:
        return sympy.Integer(-1)
    return sympy.floor(inside)


def _maximum(*sizes: Any) -> Any:
    """Without the sizes that another is never below."""
    left = list(sizes)
    for size in sizes:
        if any(other is not size and never_below(other, size) for other in left):
            left.remove(size)
    return sympy.Max(*left)


def _by_minimum(*sizes: Any) -> Any:
    """The larger of two as what is left of both without the smaller."""
    return sympy.Add(*sizes) - sympy.Min(*sizes) if len(sizes) == 2 else sympy.Max(*sizes)


def never_below(first: Any, second: Any) -> bool:
    """Whether `first >= second` for all values of the symbols, as far as signs of coefficients tell."""
    difference = first - second
    shifted = {symbol: symbol + 1 for symbol in difference.free_symbols if symbol.is_positive and symbol.is_integer}
    coefficients = sympy.expand(difference.subs(shifted, simultaneous=True)).as_coefficients_dict()
    return all(coefficient >= 0 and term.is_nonnegative for term, coefficient in coefficients.items())


def in_terms(size: Any, back: dict[Any, Any]) -> Any:
    """The expression with helper symbols and named parts replaced by what they stand for."""
    if not back:
        return size
    replaced = sympy.sympify(size)
    for part, meaning in back.items():
        replaced = replaced.subs(part, meaning)
    return sympy.expand(replaced) if replaced != size else replaced


def collected(expression: Any, sizes: Sequence[Any]) -> Any:
    """The terms grouped by the sizes of feature maps, and each group factored."""
    groups: dict[Any, Any] = {}
    for term in sympy.Add.make_args(sympy.expand(expression)):
        size, rest = sympy.Integer(1), sympy.Integer(1)
        for factor in sympy.Mul.make_args(term):
            if factor.free_symbols & set(sizes):
                size *= factor
            else:
                rest *= factor
        groups[size] = groups.get(size, 0) + rest
    return sympy.Add(*(factored(rest) * size for size, rest in groups.items()))


def factored(expression: Any) -> Any:
    """The expression as a product, in the shorter of two ways."""
    ways = [paired(_positive(sympy.factor(expression))), paired(sympy.factor_terms(sympy.expand(expression)))]
    return min(ways, key=lambda way: int(sympy.count_ops(way)))


def _positive(expression: Any) -> Any:
    """A product of which no sum has more negative terms than positive ones, where its sign allows."""
    if not expression.is_Mul:
        return expression
    factors = []
    for factor in expression.args:
        if factor.is_Add and 2 * sum(map(_is_negative, factor.args)) > len(factor.args):
            factors.append(-factor)
            factors.append(sympy.Integer(-1))
        else:
            factors.append(factor)
    return sympy.Mul(*factors)


def _is_negative(term: Any) -> bool:
    return bool(term.as_coeff_Mul()[0].is_negative)


def paired(expression: Any) -> Any:
    """In every sum, `a b - b` as `b (a - 1)`, and what stands below a floor as one fraction."""
    expression = sympy.sympify(expression)
    if not expression.args:
        return expression
    if isinstance(expression, sympy.floor):
        above, below = sympy.together(expression.args[0]).as_numer_denom()
        return sympy.floor(sympy.Mul(paired(sympy.expand(above)), 1 / below, evaluate=False), evaluate=False)
    parts = [paired(part) for part in expression.args]
    if not expression.is_Add:
        return expression.func(*parts)
    return sympy.Add(*_joined(list(sympy.Add.make_args(sympy.Add(*parts)))))


def _joined(terms: list[Any]) -> list[Any]:
    """The terms of a sum, with those that differ by a factor and a sign put together."""
    for first in terms:
        for second in terms:
            shared = _shared(first, second)
            if shared is not None:
                return _joined([*(term for term in terms if term is not first and term is not second), shared])
    return terms


def _shared(first: Any, second: Any) -> Any:
    """`b (a - 1)` for `a b` and `-b`, or `-b (a - 1)` for `-a b` and `b`; a is a symbol, and b more than a number."""
    if first is second or not second.free_symbols:
        return None
    quotient = -first / second
    if not quotient.is_Symbol:
        return None
    return sympy.Mul(-second, quotient - 1)


def as_parts(ratio: Any) -> Any:
    """A ratio as a sum of few fractions, or as one."""
    parts = sympy.expand(ratio)
    terms = sympy.Add.make_args(parts)
    simple = len(terms) <= 4 and not any(map(_is_negative, terms))
    below = [factor for term in terms for factor in sympy.Mul.make_args(term) if factor.is_Pow and factor.base.is_Add]
    return parts if simple and not below else paired(ratio)


def settled(expression: Any, numbers: dict[Any, Any]) -> Any:
    """The value where symbols have these numbers: an int, or an exact fraction."""
    value = sympy.sympify(expression).subs(numbers)
    return int(value) if value.is_Integer else value
