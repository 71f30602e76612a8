"""Whether a total can fall while a variable grows, seen on its closed form."""

from __future__ import annotations

from math import lcm
from typing import Any

import sympy

from convcost.formulas.closed_form import Formula
from convcost.formulas.functions import MakeDivisible, RoundEven
from convcost.formulas.sizes import needed_stride, scaled

__all__ = ["depends_on", "never_falls"]

GROWING = (sympy.floor, sympy.ceiling, sympy.Max, sympy.Min, RoundEven)
MOST_RESIDUES = 4096


def depends_on(formula: Formula, metric: str, variable: str) -> bool:
    """Whether the variable stands in the closed form of the metric."""
    symbol = formula.symbols[variable]
    names = formula.sizes.names
    return any(
        symbol == part or (part in names and symbol in names[part].expression.free_symbols)
        for alternative in formula.form(metric).alternatives
        for part in alternative.free_symbols
    )


def never_falls(formula: Formula, metric: str, variable: str) -> bool:
    """Whether the total is seen never to fall as the variable grows, where the network can stand."""
    symbol = formula.symbols[variable]
    alternatives = formula.form(metric).alternatives
    if symbol in formula.spatial:
        return all(_rises_step_by_step(alternative, symbol, formula) for alternative in alternatives)
    return all(_has_growing_terms(alternative, symbol) for alternative in alternatives)


def _has_growing_terms(polynomial: Any, symbol: Any) -> bool:
    """Whether every term with the symbol is a positive number times what never falls and is never negative."""
    for term in sympy.Add.make_args(polynomial):
        if symbol not in term.free_symbols:
            continue
        number, product = term.as_coeff_Mul()
        if number < 0 or not all(_grows(factor, symbol) for factor in sympy.Mul.make_args(product)):
            return False
    return True


def _grows(factor: Any, symbol: Any) -> bool:
    """Whether a factor never falls, and is never negative."""
    if symbol not in factor.free_symbols:
        return bool(factor.is_nonnegative)
    base, exponent = factor.as_base_exp()
    if not (exponent.is_Integer and exponent > 0):
        return False
    if base == symbol:
        return bool(symbol.is_positive)
    if isinstance(base, MakeDivisible):
        return bool(base.args[1].is_Rational and base.args[2].is_Rational and _grows(base.args[0], symbol))
    if isinstance(base, GROWING):
        return all(_grows(argument, symbol) for argument in base.args)
    if isinstance(base, sympy.Mul):
        number, rest = base.as_coeff_Mul()
        return bool(number > 0) and all(_grows(part, symbol) for part in sympy.Mul.make_args(rest))
    if isinstance(base, sympy.Add):
        return all(term.as_coeff_Mul()[0] > 0 and _grows(term, symbol) for term in base.args)
    return False


def _rises_step_by_step(polynomial: Any, symbol: Any, formula: Formula) -> bool:
    """Whether each step of a size, from the least with which the network stands, never lowers the polynomial.

    For each rest to the total stride a total is one polynomial; the difference of neighbouring rests is another, and
    where its factors are not negative from the first multiple on, it is never below 0.
    """
    names = [name for name in formula.sizes.names.values() if name.symbol in polynomial.free_symbols]
    stride = lcm(1, needed_stride(names, symbol))
    if stride > MOST_RESIDUES or polynomial.free_symbols - {symbol, *(name.symbol for name in names)}:
        return False
    least = formula.bounds.least.get(symbol, 1)
    steps = sympy.Symbol("steps", nonnegative=True, integer=True)
    start = least - least % stride
    pieces = []
    for rest in range(stride + 1):
        place = {symbol: (stride, start + rest, steps)}
        values = {symbol: stride * steps + start + rest}
        for name in names:
            values[name.symbol] = scaled(name, place)
            if values[name.symbol] is None:
                return False
        pieces.append(sympy.expand(polynomial.xreplace(values)))
    for rest in range(stride):
        difference = sympy.expand(pieces[rest + 1] - pieces[rest])
        if start + rest < least:  # the first of these sizes is too small for the network
            difference = sympy.expand(difference.xreplace({steps: steps + 1}))
        if difference.free_symbols - {steps} or any(
            factor < 0 for factor in difference.as_coefficients_dict().values()
        ):
            return False
    return True
