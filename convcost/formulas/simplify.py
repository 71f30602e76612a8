"""Closed forms made readable: maxima decided, floors of small fractions settled, terms grouped by feature map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sympy

__all__ = [
    "cleaned",
    "collected",
    "in_terms",
    "is_tangled",
    "largest_of",
    "never_below",
    "settled",
    "smallest_of",
    "tidied",
]


def cleaned(size: Any) -> Any:
    """The expression without maxima and floors that are decided for every size."""
    size = sympy.sympify(size)
    if not size.has(sympy.floor, sympy.Max):
        return size
    size = size.replace(sympy.floor, _floor).replace(sympy.Max, lambda *sizes: largest_of(sizes))
    smaller = sympy.expand(size.replace(sympy.Max, _by_minimum)) if size.has(sympy.Max) else size
    return smaller if sympy.count_ops(smaller) < sympy.count_ops(sympy.expand(size)) else size


def _floor(inside: Any) -> Any:
    """`floor(-1 / n)` is -1 for every whole n of at least 1."""
    if (-1 / inside).is_integer and (-1 / inside).is_positive:
        return sympy.Integer(-1)
    return sympy.floor(inside)


def largest_of(sizes: Sequence[Any]) -> Any:
    """The maximum, without the sizes that another is never below."""
    left = list(dict.fromkeys(sizes))
    for size in tuple(left):
        if any(other is not size and never_below(other, size) for other in left):
            left.remove(size)
    return left[0] if len(left) == 1 else sympy.Max(*left)


def smallest_of(sizes: Sequence[Any]) -> Any:
    """The minimum, without the sizes that are never below another."""
    left = list(dict.fromkeys(sizes))
    for size in tuple(left):
        if any(other is not size and never_below(size, other) for other in left):
            left.remove(size)
    return left[0] if len(left) == 1 else sympy.Min(*left)


def _by_minimum(*sizes: Any) -> Any:
    """The larger of two as what is left of both without the smaller."""
    return sympy.Add(*sizes) - sympy.Min(*sizes) if len(sizes) == 2 else sympy.Max(*sizes)


def never_below(first: Any, second: Any) -> bool:
    """Whether `first >= second` for all values of the symbols, as far as signs of coefficients tell."""
    return _is_never_negative(sympy.expand(sympy.sympify(first) - second), MOST_CHOICES)


MOST_CHOICES = 4
"""So many maxima and minima in one expression are followed."""


def _is_never_negative(difference: Any, choices: int) -> bool:
    """Whether an expression is at least 0: with every floor at its worst, and every maximum at one of its sizes."""
    while found := _outer(difference):
        factor, part = found
        if isinstance(part, sympy.floor):
            inside = part.args[0]
            if factor > 0:
                inside -= _most_lost(inside)
            difference = sympy.expand(difference + factor * (inside - part))
            continue
        if choices == 0:
            return False
        enough = any if bool(factor > 0) is isinstance(part, sympy.Max) else all
        ways = (sympy.expand(difference + factor * (size - part)) for size in part.args)
        return enough(_is_never_negative(way, choices - 1) for way in ways)
    shifted = {symbol: symbol + 1 for symbol in difference.free_symbols if symbol.is_positive and symbol.is_integer}
    coefficients = sympy.expand(difference.subs(shifted, simultaneous=True)).as_coefficients_dict()
    return all(coefficient >= 0 and term.is_nonnegative for term, coefficient in coefficients.items())


def _outer(difference: Any) -> tuple[Any, Any] | None:
    """A floor, maximum or minimum that is a term of a sum, with its factor."""
    for term in sympy.Add.make_args(difference):
        factor, part = term.as_coeff_Mul()
        if isinstance(part, (sympy.floor, sympy.Max, sympy.Min)):
            return factor, part
    return None


def _most_lost(inside: Any) -> Any:
    """How much a floor takes away at most: below 1, and of whole numbers over n at most (n - 1) / n."""
    terms = inside.as_coefficients_dict()
    if not all(term == 1 or term.is_integer for term in terms):
        return sympy.Integer(1)
    divisor = sympy.ilcm(1, *(factor.q for factor in terms.values()))
    return sympy.Rational(divisor - 1, divisor)


def tidied(size: Any) -> Any:
    """The expression multiplied out, each floor in one form: of a fraction from 0 to below 1 beside positive terms."""
    size = sympy.expand(sympy.sympify(size))
    if size.has(sympy.floor):
        size = sympy.expand(size.replace(sympy.floor, _normal_floor))
    if size.has(sympy.Max, sympy.Min):
        size = _with_extremes_outside(size)
    return int(size) if size.is_Integer else size


def _with_extremes_outside(size: Any) -> Any:
    """`2 max(a, b) + c` as `max(2 a + c, 2 b + c)`, and of `max(a, b)` and `min(-a, -b)` one; a minimum where the
    factor is negative."""
    as_maxima = {part: -sympy.Max(*(-inner for inner in part.args)) for part in size.atoms(sympy.Min)}
    size = sympy.expand(size.xreplace(as_maxima))
    found = _outer(size)
    if found is None or not isinstance(found[1], sympy.Max) or len(size.atoms(sympy.Max)) > 1:
        return size
    factor, part = found
    ways = [sympy.expand(size + factor * (inner - part)) for inner in part.args]
    return largest_of(ways) if factor > 0 else smallest_of(ways)


def is_tangled(size: Any) -> bool:
    """Whether an expression has more maxima and minima than can be decided, or some within others."""
    found = sympy.sympify(size).atoms(sympy.Max, sympy.Min)
    nested = any(inner.has(sympy.Max, sympy.Min) for part in found for inner in part.args)
    return nested or len(found) > MOST_CHOICES


def _normal_floor(inside: Any) -> Any:
    """The floor of a sum of whole terms with rational factors; any other stays as it is.

    Of nested floors one is left, as floor((floor(x) + c) / n) = floor((x + c) / n); `floor(-a / n)` is
    `-floor((a + n - 1) / n)`; and whole numbers stand outside.
    """
    inside = sympy.expand(inside)
    terms = inside.as_coefficients_dict()
    variable = {term: factor for term, factor in terms.items() if term != 1}
    if not variable or not all(term.is_integer and factor.is_Rational for term, factor in terms.items()):
        return sympy.floor(inside)
    floors = [term for term in variable if isinstance(term, sympy.floor)]
    if len(floors) == 1:
        (inner,) = floors
        share = variable[inner]
        if share.p == 1 and all((factor / share).is_integer for factor in terms.values()):
            return _normal_floor(inside + share * (inner.args[0] - inner))
    if sum(variable.values()) < 0:
        return -_normal_floor(_most_lost(inside) - inside)
    return sympy.floor(inside - terms[1] + terms[1] % 1) + sympy.floor(terms[1])


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
