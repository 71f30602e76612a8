"""Symbolic sizes: how sympy expressions divide. The only module that imports sympy.

Importing it registers the rules with `arith`; from then on every formula takes sympy symbols, which should be declared
positive integers (`sympy.Symbol("width", positive=True, integer=True)`).
"""

from __future__ import annotations

from typing import Any

import sympy

from convcost.arith import Division, division

__all__ = ["floor_of", "size_symbol"]


def size_symbol(name: str) -> sympy.Symbol:
    """A symbol for a size: a positive integer."""
    return sympy.Symbol(name, positive=True, integer=True)


def floor_of(size: Any, divisor: Any) -> sympy.Expr:
    """`floor(size / divisor)`, with floors of floors flattened.

    For integers c and n > 0, floor((floor(x) + c) / n) = floor((x + c) / n): five layers of stride 2 become one floor.
    """
    size = sympy.sympify(size)
    quotient = sympy.expand(size)
    terms = sympy.Add.make_args(quotient)
    floors = [term for term in terms if isinstance(term, sympy.floor)]
    others = [term for term in terms if not isinstance(term, sympy.floor)]
    if len(floors) == 1 and all(term.is_integer for term in others) and sympy.sympify(divisor).is_integer:
        quotient = sympy.expand(floors[0].args[0] + sympy.Add(*others))
    return sympy.floor(sympy.expand(quotient / divisor))


def exact_of(size: Any, divisor: Any) -> sympy.Expr:
    """`size / divisor`, on the assumption that the divisor divides."""
    return sympy.sympify(size) / divisor


@division.register
def _(size: sympy.Basic) -> Division:
    return Division(exact=exact_of, floor=floor_of, largest=lambda sizes: sympy.Max(*sizes))
