"""How expressions are written: as plain text, and as LaTeX."""

# ruff: noqa: N802 - sympy's printers find a method by the class of what they print

from __future__ import annotations

from typing import Any

import sympy
from sympy.printing.latex import LatexPrinter
from sympy.printing.str import StrPrinter

__all__ = ["latex_text", "plain_text"]


class _Plain(StrPrinter):  # type: ignore[misc]
    """`ceil(resolution/32)^2`: `^` for powers, and Python's names of functions."""

    def _print_Pow(self, expr: Any, rational: bool = False) -> str:
        return str(super()._print_Pow(expr, rational)).replace("**", "^")

    def _print_Mul(self, expr: Any) -> str:
        return str(super()._print_Mul(expr)).replace("**", "^")

    def _print_Max(self, expr: Any) -> str:
        return f"max({self._listed(expr)})"

    def _print_Min(self, expr: Any) -> str:
        return f"min({self._listed(expr)})"

    def _print_ceiling(self, expr: Any) -> str:
        return f"ceil({self.doprint(expr.args[0])})"

    def _print_Mod(self, expr: Any) -> str:
        first, second = expr.args
        return f"({self.doprint(first)} mod {self.doprint(second)})"

    def _print_Piecewise(self, expr: Any) -> str:
        *tests, (last, _) = expr.args
        shown = "".join(f"{self.doprint(value)} if {self.doprint(test)} else " for value, test in tests)
        return f"({shown}{self.doprint(last)})"

    def _print_Relational(self, expr: Any) -> str:
        sign = {"==": "=", "!=": "!="}.get(expr.rel_op, expr.rel_op)
        return f"{self.doprint(expr.lhs)} {sign} {self.doprint(expr.rhs)}"

    def _listed(self, expr: Any) -> str:
        return ", ".join(map(self.doprint, sorted(expr.args, key=sympy.default_sort_key)))


_PLAIN = _Plain()


def plain_text(expression: Any) -> str:
    """An expression as text."""
    return str(_PLAIN.doprint(sympy.sympify(expression)))


def latex_text(expression: Any, names: dict[Any, str] | None = None) -> str:
    """An expression as LaTeX, with these names of symbols."""
    printer = LatexPrinter({"symbol_names": names or {}})
    return str(printer.doprint(sympy.sympify(expression)))


def code_text(expression: Any) -> str:
    """An expression in the language of specs: `3200*ceil(resolution/2)**2 + 1024000`."""
    return str(_PLAIN.doprint(sympy.sympify(expression))).replace("^", "**")


def product_text(product: Any) -> str:
    """A product with its number first, thousands separated: `11,586,048 h w`."""
    number, rest = sympy.sympify(product).as_coeff_Mul()
    factors = sorted(sympy.Mul.make_args(rest), key=lambda factor: (len(factor.free_symbols), str(factor)))
    words = [_factor_text(factor) for factor in factors if factor != 1]
    if number != 1 or not words:
        words.insert(0, f"{int(number.p):,}" if number.is_Integer else f"{int(number.p):,}/{int(number.q):,}")
    return " ".join(words)


def _factor_text(factor: Any) -> str:
    text = plain_text(factor)
    return f"({text})" if isinstance(factor, sympy.Add) else text


def sum_text(terms: list[Any]) -> str:
    """Terms as a sum, in their order: `11,586,048 n^2 - 26,149,888 n + 1,024,000`."""
    pieces: list[str] = []
    for term in terms:
        negative = sympy.sympify(term).could_extract_minus_sign()
        text = product_text(-term if negative else term)
        sign = ("-" if negative else "") if not pieces else (" - " if negative else " + ")
        pieces.append(sign + text)
    return "".join(pieces) or "0"


def by_degree(polynomial: Any) -> list[Any]:
    """The terms of a sum: those with more factors first."""
    return sorted(sympy.Add.make_args(polynomial), key=lambda term: (-_degree(term), -abs(term.as_coeff_Mul()[0])))


def grouped_text(polynomial: Any, symbols: list[Any]) -> str:
    """A polynomial in these symbols, other variables in its factors: `(64 c1^2 + 9 c1) n^2 + 1,000 c2`."""
    groups: dict[Any, list[Any]] = {}
    for term in by_degree(polynomial):
        factor, power = term.as_independent(*symbols, as_Add=False)
        groups.setdefault(power, []).append(factor)
    if all(len(factors) == 1 for factors in groups.values()):
        return sum_text(by_degree(polynomial))
    pieces = []
    for power in by_degree(sympy.Add(*groups)):
        factors = sum_text(groups[power])
        if power == 1:
            pieces.append(factors)
        else:
            pieces.append(f"({factors}) {product_text(power)}" if len(groups[power]) > 1 else factors)
            if len(groups[power]) == 1:
                pieces[-1] = product_text(groups[power][0] * power)
    return " + ".join(pieces).replace("+ -", "- ")


def _degree(term: Any) -> int:
    powers = [factor.as_base_exp()[1] for factor in sympy.Mul.make_args(term) if factor.free_symbols]
    return sum(int(power) for power in powers if power.is_Integer)


def latex_name(name: str) -> str:
    """A variable's name as LaTeX sets a word."""
    return name if len(name) == 1 else r"\mathit{" + name.replace("_", r"\_") + "}"
