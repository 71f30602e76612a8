"""Formulas as text and as LaTeX."""

from __future__ import annotations

import pytest
import sympy

from convcost.report.writing import LatexWriter, Writer, broken, latex_name

C, N, K, H, W, groups = sympy.symbols("C N K H W groups", positive=True, integer=True)
ORDER, SIZES = ("C", "N", "K", "groups"), ("H", "W")


@pytest.mark.parametrize(
    ("expression", "text", "latex"),
    [
        (C * N * K**2 * H * W / groups, "C N K^2 H W / groups", r"\frac{C \, N \, K^{2} \, H \, W}{\mathrm{groups}}"),
        (1 / N + 1 / K**2, "1/N + 1/K^2", r"\frac{1}{N} + \frac{1}{K^{2}}"),
        (C / (N * K), "C/(N K)", r"\frac{C}{N K}"),
        (H - K * groups + 2 * N - 1, "H + 2 N - K groups - 1", r"H + 2 \, N - K \, \mathrm{groups} - 1"),
        (C * (N + K**2), "C (N + K^2)", r"C \, \left(N + K^{2}\right)"),
        (sympy.floor((H - 1) / K) + 1, "floor((H - 1) / K) + 1", r"\left\lfloor \frac{H - 1}{K} \right\rfloor + 1"),
        (sympy.Max(3, K), "max(3, K)", r"\max\left(3, K\right)"),
        (-C / 2, "-C/2", r"-\frac{C}{2}"),
        (sympy.Rational(10, 9), "10/9", r"\frac{10}{9}"),
        (sympy.Integer(11586048), "11,586,048", "11586048"),
        (sympy.Integer(0), "0", "0"),
    ],
)  # fmt: skip
def test_expressions(expression: sympy.Expr, text: str, latex: str) -> None:
    assert Writer(ORDER, SIZES).write(expression) == text
    assert LatexWriter(ORDER, SIZES, {}).write(expression) == latex


def test_a_sum_below_a_rule_needs_no_brackets() -> None:
    expression = (C + N) / (C * groups)
    assert Writer(ORDER, SIZES).write(expression) == "(C + N) / (C groups)"
    assert LatexWriter(ORDER, SIZES, {}).write(expression) == r"\frac{C + N}{C \mathrm{groups}}"


@pytest.mark.parametrize(
    ("name", "index", "latex"),
    [
        ("K", "h", "K_{h}"),
        ("H'", "", "H'"),
        ("C_1", "", "C_{1}"),
        ("hidden_channels", "", r"\mathrm{hidden\_channels}"),
        ("dilation", "h", r"\mathrm{dilation}_{h}"),
    ],
)
def test_names_in_latex(name: str, index: str, latex: str) -> None:
    assert latex_name(name, index) == latex


def test_long_formulas_are_broken_at_their_outer_sums_first() -> None:
    assert broken("a (b + c) + d", 40) == ["a (b + c) + d"]
    assert broken("a (b + c) + d", 12) == ["a (b + c)", "+ d"]
    assert broken("a (b + c) + d", 6) == ["a (b", "+ c)", "+ d"]
