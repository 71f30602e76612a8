"""Which of several polynomials can be the largest, where their names stand for sizes of feature maps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from math import floor
from typing import Any

import sympy

from convcost.formulas.sizes import SizeName

__all__ = ["Bounds", "undominated"]

Terms = dict[Any, Any]
"""A polynomial: the factor of each product."""


class Bounds:
    """The least values of variables and of sizes: every axis of a network that stands has at least 1 element."""

    def __init__(self, names: Mapping[Any, SizeName], axes: Iterable[Any] = (), least: Mapping[Any, int] | None = None):
        self.names = names
        self.least: dict[Any, int] = dict(least or {})
        self._larger: dict[tuple[Any, Any], bool] = {}
        for axis in axes:
            constant, rest = sympy.sympify(axis).as_coeff_Add()
            factor, symbol = rest.as_coeff_Mul()
            if symbol.is_Symbol and factor.is_Rational and factor > 0:
                self._raise(symbol, Fraction(1 - int(constant)) / Fraction(int(factor.p), int(factor.q)))

    def _raise(self, symbol: Any, least: Fraction) -> None:
        """A symbol is at least so much; where it names a size, so is the variable in it at least what that takes."""
        line = self.line(symbol) if symbol in self.names else None
        if line is None:
            self.least[symbol] = max(self.least.get(symbol, 1), -floor(-least))
            return
        variable, slope, constant = line
        self._raise(variable, (-floor(-least) - constant) / slope)

    def at_least(self, symbol: Any) -> int:
        """The least value of a symbol; 1 where nothing more is known of it, 0 where it need not be whole."""
        if symbol in self.names and (line := self.line(symbol)) is not None:
            variable, slope, constant = line
            return max(1, floor(slope * self.least.get(variable, 1) + constant))
        return self.least.get(symbol, 1) if symbol.is_positive and symbol.is_integer else 0

    def line(self, size: Any) -> tuple[Any, Fraction, Fraction] | None:
        """The variable, slope and constant of a size before its floor; None where it has several variables."""
        if size not in self.names:
            return (size, Fraction(1), Fraction(0)) if size.is_Symbol else None
        name = self.names[size]
        terms = name.numerator.as_coefficients_dict()
        if len(terms) != 1:
            return None
        ((term, factor),) = terms.items()
        return term, Fraction(int(factor), name.divisor), Fraction(name.constant, name.divisor)

    def is_larger(self, first: Any, second: Any) -> bool:
        """Whether one size is at least the other wherever the network stands; both of one variable."""
        key = first, second
        if key not in self._larger:
            one, other = self.line(first), self.line(second)
            least = self.least.get(one[0], 1) if one else 1
            self._larger[key] = bool(
                one
                and other
                and one[0] == other[0]
                and one[1] >= other[1]
                and one[1] * least + one[2] >= other[1] * least + other[2]
            )
        return self._larger[key]

    def ratio(self, first: Any, second: Any) -> int:
        """How many times the other one product is at least; 0 where that is not seen.

        Each factor of the other needs one of its own that is at least as large; those left over multiply.
        """
        factors, wanted = _factors(first), _factors(second)
        if factors is None or wanted is None:
            return 0
        factors = list(factors)
        for other in wanted:
            found = next((factor for factor in factors if factor == other or self.is_larger(factor, other)), None)
            if found is None:
                return 0
            factors.remove(found)
        ratio = 1
        for factor in factors:
            ratio *= self.at_least(factor)
        return ratio


def undominated(polynomials: Iterable[Any], bounds: Bounds) -> list[Any]:
    """The polynomials that no other is seen to reach wherever the network stands."""
    kept: list[tuple[Any, Terms]] = []
    for polynomial in polynomials:
        terms = dict(sympy.sympify(polynomial).as_coefficients_dict())
        if any(_reaches(other, terms, bounds) for _, other in kept):
            continue
        kept = [(other, its) for other, its in kept if not _reaches(terms, its, bounds)]
        kept.append((polynomial, terms))
    return [polynomial for polynomial, _ in kept]


def _reaches(first: Terms, second: Terms, bounds: Bounds) -> bool:
    """Whether `first >= second` is seen: what second has more of is covered by larger terms of first."""
    more: dict[Any, Fraction] = {}
    less: dict[Any, Fraction] = {}
    for term in {**first, **second}:
        difference = first.get(term, sympy.S.Zero) - second.get(term, sympy.S.Zero)
        if difference:
            exact = Fraction(int(difference.p), int(difference.q))
            (more if exact > 0 else less)[term] = abs(exact)
    for term, factor in less.items():
        needed = factor
        for other in more:
            if needed and more[other] and (ratio := bounds.ratio(other, term)):
                covered = min(needed, more[other] * ratio)
                more[other] -= covered / ratio
                needed -= covered
        if needed:
            return False
    # what is left over of first must not be negative: its terms are products of sizes
    return all(bounds.ratio(other, sympy.S.One) for other, rest in more.items() if rest)


def _factors(product: Any) -> list[Any] | None:
    """The factors of a product, those of powers one by one; None where it has others than whole powers."""
    found = []
    for factor in sympy.Mul.make_args(product):
        base, exponent = factor.as_base_exp()
        if not exponent.is_Integer or exponent < 0:
            return None
        found += [base] * int(exponent)
    return [factor for factor in found if factor != 1]
