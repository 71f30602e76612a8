"""The closed forms of an operator or block, as text and as LaTeX."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from convcost.report.writing import LatexWriter, Writer, broken, latex_name

if TYPE_CHECKING:
    from convcost.formulas.operator_forms import OperatorForms

__all__ = ["closed_forms", "latex_forms"]

WIDTH, NARROWEST = 80, 50
LABEL = 13
"""The formulas begin in this column."""


def closed_forms(word: str, width: int | None = None) -> str:
    """What an operator or block costs in closed form, as text of at most that width, or of 80 characters; nothing where
    it costs nothing, or its cost is not known."""
    room = max(min(width or WIDTH, WIDTH), NARROWEST) - LABEL
    return "\n\n".join(
        "\n".join([_heading(form), *(line for row in _rows(form, _writer(form)) for line in _lines(room, *row))])
        for form in _told(word)
    )


def latex_forms(word: str) -> str:
    """The same as LaTeX: for each case an `align*`, with the symbols in a comment."""
    return "\n\n".join(map(_latex, _told(word)))


def _told(word: str) -> list[OperatorForms]:
    from convcost.formulas.operator_forms import all_forms

    return [form for form in all_forms(word) if not form.is_trivial]


def _heading(form: OperatorForms) -> str:
    return f"Closed form ({form.case}):" if form.case else "Closed form:"


def _names(form: OperatorForms) -> tuple[list[str], list[str]]:
    """All symbols, and those among them that are sizes of feature maps, in the order in which formulas have them."""
    symbols = [*form.symbols, *(symbol for symbol, _ in form.definitions)]
    sizes = [symbol for symbol in symbols if symbol.field == "input_size" or symbol.name.endswith("'")]
    sizes.sort(key=lambda symbol: symbol.name.count("'"))
    order = [name for symbol in symbols for name in (symbol.base, symbol.name)]
    return order, [symbol.name for symbol in sizes]


def _writer(form: OperatorForms) -> Writer:
    return Writer(*_names(form))


def _lines(room: int, label: str, text: str, is_formula: bool = True) -> list[str]:
    """A label, and a text beside it in as many lines as it needs."""
    pieces = broken(text, room) if is_formula else _words(text, room)
    return [f"  {label if not number else '':<{LABEL - 2}}{piece}" for number, piece in enumerate(pieces)]


def _words(text: str, width: int) -> list[str]:
    """Prose in lines; what stands between commas or semicolons stays in one, where it fits."""
    lines: list[str] = []
    for piece in text.replace(", ", ",\n").replace("; ", ";\n").split("\n"):
        if lines and len(f"{lines[-1]} {piece}") <= width:
            lines[-1] += f" {piece}"
        else:
            lines += textwrap.wrap(piece, width)
    return lines


def _rows(form: OperatorForms, writer: Writer) -> list[tuple[str, str, bool]]:
    """Label and text of each line; whether the text is a formula."""
    rows = [("symbols", _legend(form), False)]
    for label, size in _counts(form):
        rows.append((label, _parameters(form, writer) if label == "parameters" else writer.write(size), True))
    rows.append(("output", " x ".join(_axis(writer, size) for size in form.output), True))
    rows += [(label, text, True) for label, text in _defined(form, writer)]
    rows += _seen(form, writer)
    rows += _compared(form, writer)
    if form.assumptions:
        rows.append(("assumes", "; ".join(form.assumptions), False))
    return [row for row in rows if row[1]]


def _axis(writer: Writer, size: Any) -> str:
    text = writer.write(size)
    return f"({text})" if " + " in text or " - " in text else text


def _counts(form: OperatorForms) -> list[tuple[str, Any]]:
    """The counts that are told: weights where there are any, elementwise FLOPs where there are no MACs."""
    counts = [("weights", form.weights)] if form.weights != 0 else []
    counts += [("parameters", form.params), ("MACs", form.macs)]
    return [*counts, ("FLOPs", form.elementwise)] if form.macs == 0 != form.elementwise else counts


def _parameters(form: OperatorForms, writer: Writer) -> str:
    """Weights, and behind them the biases and norms."""
    if form.weights == 0:
        return writer.write(form.params)
    rest = form.beyond_weights
    return writer.write(form.weights) + (f" + {writer.write(rest)}" if rest != 0 else "")


def _legend(form: OperatorForms) -> str:
    """What the letters stand for, of those that are used; symbols with the name of a field need none."""
    used = form.used
    parts: dict[str, list[str]] = {}
    for symbol in form.symbols:
        if symbol.symbol in used and symbol.base != symbol.field:
            parts.setdefault(symbol.field, []).append(symbol.name)
    size = parts.pop("input_size", None)
    texts = [f"{' x '.join(names)} = {field}" for field, names in parts.items()]
    return ", ".join([*texts, *([f"{' x '.join(size)} = size of the input"] if size else [])])


def _defined(form: OperatorForms, writer: Writer) -> list[tuple[str, str]]:
    """The sizes and channels that have names; one that is as another but for the axis says so."""
    rows: list[tuple[str, str]] = []
    told: dict[str, str] = {}
    for symbol, size in form.definitions:
        text = writer.write(size)
        rows.append(
            (symbol.name, f"as {told[_on_h(text)]}, on w" if _on_h(text) in told and "W" in symbol.name else text)
        )
        told.setdefault(text, symbol.name)
    return rows


def _on_h(text: str) -> str:
    """A formula on the axis w as it would stand on h."""
    return text.replace("_w", "_h").replace("W", "H")


def _seen(form: OperatorForms, writer: Writer) -> list[tuple[str, str, bool]]:
    """The receptive field: its size, how far apart those of neighbouring outputs lie, and where the first starts."""
    field = form.receptive_field
    if not field:
        return []
    if all(axis.whole for axis in field):
        bound = "at most " if any(axis.is_bound for axis in field) else ""
        return [("field", f"{bound}the whole input", False)]
    sizes = [
        "all" if axis.whole else f"{'at most ' if axis.is_bound else ''}{writer.write(axis.size)}" for axis in field
    ]
    rows = [("field", _by_axis(sizes), True)]
    strides = ["-" if axis.whole or axis.stride is None else writer.write(axis.stride) for axis in field]
    starts = ["-" if axis.whole or axis.start is None else writer.write(axis.start) for axis in field]
    rows += [("stride", _by_axis(strides), True)] if not set(strides) <= {"1", "-"} else []
    return rows + ([("start", _by_axis(starts), True)] if not set(starts) <= {"0", "-"} else [])


def _by_axis(texts: list[str]) -> str:
    """A text an axis; once where they differ by the axis alone."""
    return texts[0] if len({_on_h(text) for text in texts}) == 1 else ", ".join(texts)


def _compared(form: OperatorForms, writer: Writer) -> list[tuple[str, str, bool]]:
    """The part of the MACs of the standard convolution."""
    if form.ratio is None:
        return []
    rows = [("ratio", writer.write(form.ratio), True)]
    if form.square_ratio is not None:
        rows.append(("for K x K", writer.write(form.square_ratio), True))
    return [*rows, ("", f"of the MACs of {form.beside}, stride 1", False)]


def _latex(form: OperatorForms) -> str:
    """An `align*` of the formulas."""
    order, sizes = _names(form)
    symbols = [*form.symbols, *(symbol for symbol, _ in form.definitions)]
    names = {symbol.name: latex_name(symbol.base, symbol.index) for symbol in symbols}
    writer = LatexWriter(order, sizes, names)
    rows = [
        (_upright(label), _parameters(form, writer) if label == "parameters" else writer.write(size))
        for label, size in _counts(form)
        if size != 0
    ]
    rows.append((_upright("output"), r" \times ".join(_axis(writer, size) for size in form.output)))
    rows += [(names[symbol.name], writer.write(size)) for symbol, size in form.definitions]
    for number, axis in enumerate(form.receptive_field, 1):
        bound = r"\text{at most }" if axis.is_bound else ""
        rows.append((_upright(f"field on axis {number}"), bound + writer.write(axis.size)))
        if axis.start is not None and axis.start != 0:
            rows.append((_upright(f"start on axis {number}"), writer.write(axis.start)))
    if form.ratio is not None:
        rows.append((_upright("ratio"), writer.write(form.ratio)))
    body = " \\\\\n".join(f"  {left} &= {right}" for left, right in rows)
    legend = [_heading(form).rstrip(":"), _legend(form), *(f"assumes {text}" for text in form.assumptions)]
    comments = "".join(f"% {line}\n" for line in legend if line)
    return f"{comments}\\begin{{align*}}\n{body}\n\\end{{align*}}"


def _upright(label: str) -> str:
    return rf"\text{{{label}}}"
