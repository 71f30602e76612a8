"""Formulas as text: `C (K_h K_w + N) H' W' / groups`, and as LaTeX.

Expressions are taken apart by what they say of themselves (`is_Add`, `args`, ...), so that nothing is imported here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["Writer", "broken"]


class Writer:
    """Writes expressions as text. `order` are the names of symbols as they shall stand in a product, sizes of feature
    maps among them as `sizes`, which stand last in products and first in sums."""

    ruled = False
    """Whether a fraction has a rule between its parts, and a sum there needs no brackets."""

    def __init__(self, order: Iterable[str], sizes: Iterable[str]) -> None:
        self.sizes = list(sizes)
        ranked = [*self.sizes, *(name for name in order if name not in self.sizes)]
        self.rank = {name: number for number, name in enumerate(ranked)}

    def write(self, expression: Any) -> str:
        """The expression as text."""
        if isinstance(expression, int):
            return str(expression)
        if expression.is_Add:
            return self._sum(expression)
        if expression.is_Mul or (expression.is_Pow and expression.exp.is_negative) or expression.is_Rational:
            return self._quotient(expression)
        return self._atom(expression)

    def _sum(self, expression: Any) -> str:
        text = ""
        for term in sorted(expression.args, key=self._place):
            sign = "-" if _is_negative(term) else "+"
            shown = self.write(-term if sign == "-" else term)
            text += f" {sign} {shown}" if text else f"{'-' if sign == '-' else ''}{shown}"
        return text

    def _place(self, term: Any) -> tuple[Any, ...]:
        """Where a term stands in a sum: negative ones behind, a number last."""
        names = sorted(self.rank.get(symbol.name, len(self.rank)) for symbol in term.free_symbols)
        return (not names, _is_negative(term), names, str(term))

    def _quotient(self, expression: Any) -> str:
        above: list[Any] = []
        below: list[Any] = []
        sign = ""
        for factor in _flat(expression):
            if factor.is_Rational:
                sign = "-" if factor.is_negative else sign
                above += [abs(factor.p)] if abs(factor.p) != 1 else []
                below += [factor.q] if factor.q != 1 else []
            elif factor.is_Pow and factor.exp.is_negative:
                below.append(1 / factor)
            else:
                above.append(factor)
        return sign + self.fraction(self._factors(above, bool(below)), self._factors(below, True))

    def _factors(self, factors: list[Any], in_fraction: bool) -> list[str]:
        if len(factors) == 1 and in_fraction and self.ruled and not isinstance(factors[0], int):
            return [self.write(factors[0])]
        return [self._factor(factor) for factor in sorted(factors, key=self._turn)]

    def _turn(self, factor: Any) -> tuple[Any, ...]:
        """Where a factor stands in a product: numbers, fields, sums, sizes."""
        if isinstance(factor, int):
            return (0, 0, "")
        base = factor.base if factor.is_Pow else factor
        if not base.is_Symbol:
            return (2, 0, str(base))
        return (3 if base.name in self.sizes else 1, self.rank.get(base.name, len(self.rank)), base.name)

    def _factor(self, factor: Any) -> str:
        if isinstance(factor, int):
            return self.number(factor)
        return self.within(self.write(factor)) if factor.is_Add or factor.is_Mul else self._atom(factor)

    def _atom(self, expression: Any) -> str:
        if expression.is_Integer:
            return self.number(int(expression))
        if expression.is_Symbol:
            return self.symbol(expression.name)
        if expression.is_Pow:
            return self.power(self._factor(expression.base), self.write(expression.exp))
        arguments = sorted(expression.args, key=lambda part: (bool(part.free_symbols), self._place(part)))
        return self.function(type(expression).__name__.lower(), [self.write(part) for part in arguments])

    def number(self, number: int) -> str:
        """A number."""
        return f"{number:,}"

    def symbol(self, name: str) -> str:
        """A symbol."""
        return name

    def within(self, text: str) -> str:
        """The text in brackets."""
        return f"({text})"

    def power(self, base: str, exponent: str) -> str:
        """A power."""
        return f"{base}^{exponent}"

    def function(self, name: str, arguments: list[str]) -> str:
        """A function of these arguments."""
        return f"{name}({', '.join(arguments)})"

    def fraction(self, above: list[str], below: list[str]) -> str:
        """A product, divided by another."""
        top = " ".join(above) or "1"
        if not below:
            return top
        bottom = below[0] if len(below) == 1 else f"({' '.join(below)})"
        return f"{top}/{bottom}" if len(above) < 2 and " " not in top else f"{top} / {bottom}"


class LatexWriter(Writer):
    """Writes expressions as LaTeX; `names` are the symbols' own."""

    ruled = True

    def __init__(self, order: Iterable[str], sizes: Iterable[str], names: Mapping[str, str]) -> None:
        super().__init__(order, sizes)
        self.names = names

    def number(self, number: int) -> str:
        return str(number)

    def symbol(self, name: str) -> str:
        return self.names.get(name, latex_name(name))

    def within(self, text: str) -> str:
        return rf"\left({text}\right)"

    def power(self, base: str, exponent: str) -> str:
        return f"{base}^{{{exponent}}}"

    def function(self, name: str, arguments: list[str]) -> str:
        inside = ", ".join(arguments)
        if name in ("floor", "ceiling"):
            side = name.removesuffix("ing")
            return rf"\left\l{side} {inside} \right\r{side}"
        return rf"\{name}\left({inside}\right)"

    def fraction(self, above: list[str], below: list[str]) -> str:
        top = r" \, ".join(above) or "1"
        return rf"\frac{{{top}}}{{{' '.join(below)}}}" if below else top


def latex_name(base: str, index: str = "") -> str:
    r"""A letter as it is, with primes or a number below; a field's name upright: `\mathrm{dilation}_{h}`."""
    stem, _, number = base.partition("_") if len(base.split("_")[0]) == 1 else (base, "", "")
    shown = stem if len(stem.rstrip("'")) == 1 else rf"\mathrm{{{stem.replace('_', chr(92) + '_')}}}"
    below = index or number
    return f"{shown}_{{{below}}}" if below else shown


def _flat(expression: Any) -> list[Any]:
    """The factors of a product, those of products inside it among them."""
    return [part for factor in expression.args for part in _flat(factor)] if expression.is_Mul else [expression]


def _is_negative(term: Any) -> bool:
    return bool(term.as_coeff_Mul()[0].is_negative)


def broken(text: str, width: int) -> list[str]:
    """A formula in lines of at most that width, each further one led by its sign: broken at the outer sums, and inside
    brackets where that is not enough."""
    lines = [text]
    for depth in range(3):
        lines = [
            part for line in lines for part in ([line] if len(line) <= width else _packed(_terms(line, depth), width))
        ]
    return lines


def _packed(pieces: list[str], width: int) -> list[str]:
    lines: list[str] = []
    for piece in pieces:
        if lines and len(f"{lines[-1]} {piece}") <= width:
            lines[-1] += f" {piece}"
        else:
            lines.append(piece)
    return lines


def _terms(text: str, deepest: int) -> list[str]:
    """The terms of the sums in at most so many brackets, each but the first with its sign in front."""
    terms, depth, start = [], 0, 0
    for place, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if text[place : place + 3] in (" + ", " - ", " = ") and depth <= deepest:
            terms.append(text[start:place])
            start = place + 1
    return [*terms, text[start:]]
