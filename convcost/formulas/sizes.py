"""The sizes of feature maps in a closed form: each distinct floor is one name, so that terms of equal maps meet.

With base = floor(numerator / divisor), its constant brought into 0 ... divisor - 1, the sizes floor((R - 1) / 2) + 1
and floor((R + 1) / 2) are the same base and the same offset; both become the name `ceil(R/2)`, and sums are polynomials
in such names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import reduce
from math import gcd, lcm
from typing import Any

import sympy

from convcost.formulas.notation import latex_name, latex_text, plain_text
from convcost.record import Record

__all__ = ["SizeName", "Sizes", "scaled"]


class Base(Record):
    """`floor((numerator + rest) / divisor)`, `rest` from 0 to divisor - 1, of whole terms with whole factors."""

    numerator: Any
    rest: int
    divisor: int


class SizeName(Record):
    """A size of feature maps under one name: `floor((numerator + constant) / divisor)`."""

    symbol: Any
    numerator: Any
    constant: int
    divisor: int

    @property
    def expression(self) -> Any:
        """The size in the variables."""
        return sympy.floor((self.numerator + self.constant) / self.divisor)

    @property
    def latex(self) -> str:
        """The size as LaTeX."""
        whole = self.constant == self.divisor - 1
        above = self.numerator if whole else self.numerator + self.constant
        bracket = "ceil" if whole else "floor"
        names = {symbol: latex_name(symbol.name) for symbol in above.free_symbols}
        return rf"\left\l{bracket} \frac{{{latex_text(above, names)}}}{{{self.divisor}}} \right\r{bracket}"


def base_of(floor: Any) -> tuple[Base, int] | None:
    """The base of a floor, and the whole number beside it; None where its terms are not whole."""
    terms = sympy.expand(floor.args[0]).as_coefficients_dict()
    constant = terms.pop(sympy.S.One, sympy.S.Zero)
    factors = [*terms.values(), constant]
    if not all(isinstance(factor, sympy.Rational) for factor in factors) or not all(term.is_integer for term in terms):
        return None
    divisor = lcm(*(int(factor.q) for factor in factors))
    wholes = {term: int(factor * divisor) for term, factor in terms.items()}
    common = reduce(gcd, wholes.values(), divisor)
    offset, rest = divmod(int(constant * divisor) // common, divisor // common)
    numerator = sympy.Add(*(factor // common * term for term, factor in wholes.items()))
    return Base(numerator=numerator, rest=rest, divisor=divisor // common), offset


def name_text(numerator: Any, constant: int, divisor: int) -> str:
    """`ceil(R/2)`, or `floor((R - 11)/4)`."""
    bracket = "floor"
    if constant == divisor - 1:
        bracket, constant = "ceil", 0
    above = plain_text(numerator + constant)
    return f"{bracket}({f'({above})' if ' ' in above else above}/{divisor})"


class Sizes:
    """The names given to floors, and how an expression is written in them."""

    def __init__(self, shapes: Iterable[tuple[Any, ...]]) -> None:
        self.names: dict[Any, SizeName] = {}
        self._written: dict[Any, Any] = {}
        self._floors: dict[Any, Any] = {}
        self._offsets = self._vote(shapes)

    def _vote(self, shapes: Iterable[tuple[Any, ...]]) -> dict[Base, int]:
        """For each base the offset that most axes have beside it: theirs is the size that gets the name."""
        votes: dict[Base, Counter[int]] = {}
        for size in (size for shape in shapes for size in shape if isinstance(size, sympy.Basic)):
            constant, rest = size.as_coeff_Add()
            if isinstance(rest, sympy.floor) and constant.is_Integer and (found := base_of(rest)):
                votes.setdefault(found[0], Counter())[int(constant) + found[1]] += 1
        return {base: counter.most_common(1)[0][0] for base, counter in votes.items()}

    def named(self, floor: Any) -> Any:
        """A floor in the name of its size."""
        if floor in self._floors:
            return self._floors[floor]
        found = base_of(floor)
        if found is None:
            return floor
        base, offset = found
        if base.divisor == 1:
            written = base.numerator + offset
        else:
            beside = self._offsets.get(base, 0)
            constant = base.rest + beside * base.divisor
            text = name_text(base.numerator, constant, base.divisor)
            symbol = sympy.Symbol(text, integer=True, positive=True)
            self.names[symbol] = SizeName(
                symbol=symbol, numerator=base.numerator, constant=constant, divisor=base.divisor
            )
            written = symbol + (offset - beside)
        self._floors[floor] = written
        return written

    def written(self, expression: Any) -> Any:
        """An expression as a polynomial in names of sizes and whatever else it has."""
        expression = sympy.sympify(expression)
        if expression not in self._written:
            found = {floor: self.named(floor) for floor in outer_floors(expression)}
            self._written[expression] = sympy.expand(expression.xreplace(found) if found else expression)
        return self._written[expression]


def outer_floors(expression: Any) -> list[Any]:
    """The floors of an expression that stand in no other function."""
    found: list[Any] = []
    waiting = [expression]
    while waiting:
        part = waiting.pop()
        if isinstance(part, sympy.floor):
            found.append(part)
        elif isinstance(part, (sympy.Add, sympy.Mul, sympy.Pow)):
            waiting.extend(part.args)
    return found


def scaled(name: SizeName, places: dict[Any, tuple[int, int, Any]]) -> Any | None:
    """The size where each variable is `stride n + rest`, as (stride, rest, n); None where a floor is left."""
    total = sympy.Integer(0)
    constant = name.constant
    for term, factor in name.numerator.as_coefficients_dict().items():
        if term not in places:
            return None
        stride, rest, symbol = places[term]
        if int(factor) * stride % name.divisor:
            return None
        total += sympy.Integer(int(factor) * stride // name.divisor) * symbol
        constant += int(factor) * rest
    return total + constant // name.divisor


def needed_stride(names: Iterable[SizeName], symbol: Any) -> int:
    """The least number such that its multiples leave no floor of this variable."""
    stride = 1
    for name in names:
        for term, factor in name.numerator.as_coefficients_dict().items():
            if term == symbol:
                stride = lcm(stride, name.divisor // gcd(name.divisor, int(factor)))
    return stride
