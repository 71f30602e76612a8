"""Symbolic sizes: how sympy expressions divide, and what is taken for granted of them.

Importing it registers the rules with `arith`; from then on every formula takes sympy symbols, which should be declared
positive integers (`sympy.Symbol("width", positive=True, integer=True)`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import sympy

from convcost.arith import Division, division
from convcost.formulas.functions import FUNCTIONS, is_whole, plain_number
from convcost.formulas.simplify import is_tangled, largest_of, never_below, smallest_of, tidied
from convcost.record import Record

__all__ = ["Assumption", "assume_divides", "assumptions", "floor_of", "number_symbol", "size_symbol"]


class Assumption(Record):
    """What a closed form takes for granted: `divisor` divides `dividend`; or else `first` and `second` are the same
    size, or are not where `same` is false."""

    divisor: Any = None
    dividend: Any = None
    first: Any = None
    second: Any = None
    same: bool = True

    @property
    def text(self) -> str:
        """The assumption in words."""
        if self.divisor is None:
            return f"{self.first} {'=' if self.same else '!='} {self.second}"
        return f"{self.dividend} is whole" if self.divisor == 1 else f"{self.divisor} divides {self.dividend}"

    def __str__(self) -> str:
        return self.text


_recorders: list[list[Assumption]] = []


@contextmanager
def assumptions() -> Iterator[list[Assumption]]:
    """Records what is assumed of symbols inside: `with assumptions() as found: ...`. Each is listed once, in order."""
    found: list[Assumption] = []
    _recorders.append(found)
    try:
        yield found
    finally:
        _recorders[:] = [other for other in _recorders if other is not found]


def _assume(assumption: Assumption) -> None:
    """Tell everyone who records."""
    for found in _recorders:
        if assumption not in found:
            found.append(assumption)


def _is_implied(divisor: Any, dividend: Any, found: list[Assumption]) -> bool:
    """Whether a factor of the dividend is known to be divided."""
    known = [other.dividend for other in found if other.divisor == divisor]
    if isinstance(dividend, sympy.Integer):
        return any(isinstance(other, (int, sympy.Integer)) and dividend % int(other) == 0 for other in known)
    whole = [factor for factor in sympy.Mul.make_args(dividend) if factor.is_integer]
    return any(factor in known for factor in whole) and len(whole) == len(sympy.Mul.make_args(dividend))


def assume_divides(divisor: Any, dividend: Any) -> None:
    """Record that the divisor divides, unless that is seen to hold, or follows from what is recorded."""
    if not _recorders:
        return
    dividend = sympy.sympify(dividend)
    if is_whole(sympy.expand(dividend / divisor)):
        return
    assumption = Assumption(divisor=divisor, dividend=dividend)
    for found in _recorders:
        if assumption not in found and not _is_implied(divisor, dividend, found):
            found.append(assumption)


def _assume_alike(first: Any, second: Any) -> None:
    if _recorders and sympy.expand(sympy.sympify(first) - second) != 0:
        _assume(Assumption(first=first, second=second))


def _assume_unlike(first: Any, second: Any) -> None:
    if _recorders and second is not None and not (sympy.sympify(first) - second).is_nonzero:
        _assume(Assumption(first=first, second=second, same=False))


def size_symbol(name: str) -> sympy.Symbol:
    """A symbol for a size: a positive integer."""
    return sympy.Symbol(name, positive=True, integer=True)


def number_symbol(name: str) -> sympy.Symbol:
    """A symbol for a positive number that need not be whole, such as a multiplier of widths."""
    return sympy.Symbol(name, positive=True)


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
    quotient = sympy.expand(quotient / divisor)
    whole = [term for term in sympy.Add.make_args(quotient) if is_whole(term)]
    return sympy.floor(quotient - sympy.Add(*whole)) + sympy.Add(*whole)


def exact_of(size: Any, divisor: Any) -> sympy.Expr:
    """`size / divisor`, on the assumption that the divisor divides."""
    assume_divides(divisor, size)
    return sympy.sympify(size) / divisor


def joint_of(first: Any, second: Any) -> Any:
    """The size of an axis on which two operands meet, on the assumption that they are equal, unless one is 1."""
    if first in (1, second):
        return second
    if second == 1:
        return first
    _assume_alike(first, second)
    return second if isinstance(second, int) else first


def _plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, with numbers of Python where it gives a number."""
    return lambda *arguments: plain_number(function(*arguments))


@division.register
def _(size: sympy.Basic) -> Division:
    return SYMBOLIC


SYMBOLIC = Division(
    exact=exact_of,
    floor=floor_of,
    largest=largest_of,
    smallest=smallest_of,
    joint=joint_of,
    alike=_assume_alike,
    unlike=_assume_unlike,
    divides=assume_divides,
    never_below=never_below,
    tidied=tidied,
    is_tangled=is_tangled,
    functions={name: _plain(function) for name, function in FUNCTIONS.items()},
)
