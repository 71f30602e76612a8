"""Polynomials that hold where the input's size is a multiple of the total stride, or has some rest to it."""

from __future__ import annotations

from typing import Any

import sympy

from convcost.formulas.closed_form import ClosedForm, Formula
from convcost.formulas.dominance import Bounds, undominated
from convcost.formulas.sizes import needed_stride, scaled
from convcost.record import Record

__all__ = ["Place", "Polynomial", "polynomials"]

SHORT = {"height": "h", "width": "w", "length": "l", "depth": "d", "H": "h", "W": "w", "L": "l", "D": "d"}


class Place(Record):
    """Where a polynomial holds: `variable = stride symbol + rest`."""

    variable: str
    stride: int
    rest: int
    symbol: Any

    @property
    def text(self) -> str:
        """`resolution = 32 n + 3`."""
        factor = f"{self.stride} " if self.stride > 1 else ""
        return f"{self.variable} = {factor}{self.symbol}" + (f" + {self.rest}" if self.rest else "")


class Polynomial(Record):
    """Closed forms without floors, and where they hold."""

    places: tuple[Place, ...]
    forms: tuple[ClosedForm, ...]


def polynomials(formula: Formula) -> tuple[tuple[Polynomial, ...], str]:
    """The polynomials for sizes that the total stride divides, and for those with the rest of the network as it is
    written, where it has one; or none, and why.

    The total stride is the least number such that its multiples leave no floor of the variable.
    """
    names = [name for name in formula.sizes.names.values() if _occurs(name.symbol, formula)]
    if not formula.spatial:
        return (), "no symbol is a size of the input"
    left = _left(formula)
    if left is not None:
        return (), f"no stride frees {left} of its rounding"
    strides = {symbol: needed_stride(names, symbol) for symbol in formula.spatial}
    symbols = _symbols(formula)
    rests = [dict.fromkeys(strides, 0)]
    written = {symbol: formula.defaults.get(symbol.name, 0) % stride for symbol, stride in strides.items()}
    if any(written.values()):
        rests.append(written)
    found = []
    for rest in rests:
        places = tuple(
            Place(variable=symbol.name, stride=stride, rest=rest[symbol], symbol=symbols[symbol])
            for symbol, stride in strides.items()
        )
        forms = tuple(_form(form, places, formula) for form in formula.forms)
        if any(form is None for form in forms):
            return (), "a size is a rounded product of several variables"
        found.append(Polynomial(places=places, forms=tuple(form for form in forms if form is not None)))
    return tuple(found), ""


def _occurs(symbol: Any, formula: Formula) -> bool:
    return any(symbol in alternative.free_symbols for form in formula.forms for alternative in form.alternatives)


def _left(formula: Formula) -> Any | None:
    """A part that rounds or compares a size and is no name of a size, if there is one."""
    spatial = set(formula.spatial)
    for form in formula.forms:
        for alternative in form.alternatives:
            for term in sympy.Add.make_args(alternative):
                for factor in sympy.Mul.make_args(term):
                    base, exponent = factor.as_base_exp()
                    if factor.free_symbols & spatial and not (base.is_Symbol and exponent.is_Integer and exponent > 0):
                        return factor
    return None


def _symbols(formula: Formula) -> dict[Any, Any]:
    """The variables of the polynomial: n, or the first letters of height and width, where no other symbol has them."""
    spatial = formula.spatial
    taken = set(formula.symbols) - {symbol.name for symbol in spatial}
    found = {}
    for symbol in spatial:
        short = SHORT.get(symbol.name) if len(spatial) > 1 or symbol.name in SHORT else "n"
        name = short if short and short not in taken else f"n_{symbol.name}"
        found[symbol] = sympy.Symbol(name, positive=True, integer=True)
    return found


def _form(form: ClosedForm, places: tuple[Place, ...], formula: Formula) -> ClosedForm | None:
    by_symbol = {formula.symbols[place.variable]: place for place in places}
    values: dict[Any, Any] = {symbol: place.stride * place.symbol + place.rest for symbol, place in by_symbol.items()}
    strides = {symbol: (place.stride, place.rest, place.symbol) for symbol, place in by_symbol.items()}
    for symbol, name in formula.sizes.names.items():
        if any(symbol in alternative.free_symbols for alternative in form.alternatives):
            written = scaled(name, strides)
            if written is None:
                return None
            values[symbol] = written
    found = dict.fromkeys(sympy.expand(alternative.xreplace(values)) for alternative in form.alternatives)
    least = formula.bounds.least
    starts = {
        place.symbol: max(1, -((place.rest - least.get(symbol, 1)) // place.stride))
        for symbol, place in by_symbol.items()
    }
    return form.replace(alternatives=tuple(undominated(found, Bounds({}, least=starts))))
