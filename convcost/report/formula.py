"""Closed forms as a table, as JSON and as LaTeX."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

from convcost.analysis.result import header, plain
from convcost.formulas.closed_form import ClosedForm, Formula, LayerForm
from convcost.formulas.notation import (
    by_degree,
    code_text,
    grouped_text,
    latex_name,
    latex_text,
    plain_text,
    product_text,
    sum_text,
)
from convcost.formulas.polynomial import Polynomial, polynomials
from convcost.metrics import METRICS
from convcost.ops.kinds import show
from convcost.report.formula_fields import field_cells, field_latex, field_lines, layer_field_json, network_field_json
from convcost.report.table import Cell, Column, Table, number

__all__ = ["formula_json", "formula_latex", "formula_table", "layers_table"]

SCHEMA = "convcost.formula/1"
Values = dict[str, Any]


def _text(text: str) -> Cell:
    return Cell(value=text, text=text)


def formula_table(formula: Formula, at: tuple[Values, Values] | None = None) -> Table:
    """The totals, a row a term: its number, its variables, and the sizes of feature maps that they multiply."""
    rows = []
    short = formula.shorthand
    for form in formula.forms:
        for place, alternative in enumerate(form.alternatives):
            head = f"{METRICS[form.metric].title}{', the largest of' if len(form.alternatives) > 1 else ''}"
            head = "  or" if place else head
            for term in formula.terms(alternative):
                for part in by_degree(term.factor):
                    rows.append((Cell(value=form.metric, text=head), *_cells(part, term.size, short)))
                    head = ""
    columns = (
        Column(key="total", title="total", right=False),
        Column(key="factor", title="factor"),
        Column(key="variables", title="x variables", right=False),
        Column(key="size", title="x size of feature maps", right=False),
    )
    kept = [index for index in range(4) if index < 2 or any(row[index].text for row in rows)]
    return Table(
        columns=tuple(columns[index] for index in kept),
        rows=tuple(tuple(row[index] for index in kept) for row in rows),
        head=(*_head(formula), *_at_lines(at)),
        notes=_notes(formula),
    )


def _cells(part: Any, size: Any, short: Values) -> tuple[Cell, Cell, Cell]:
    """The cells of a term: its number, its variables, and the sizes of feature maps."""
    factor, variables = part.as_coeff_Mul()
    exact = int(factor) if factor.is_Integer else str(factor)
    shown = "" if variables == 1 else product_text(variables.xreplace(short))
    return (
        Cell(value=exact, text=number(exact)),
        Cell(value=code_text(variables), text=shown),
        Cell(value=code_text(size), text="" if size == 1 else product_text(size)),
    )


def layers_table(formula: Formula, at: tuple[Values, Values] | None = None) -> Table:
    """A row a layer: its output, and the closed forms of its quantities."""
    metrics = [form.metric for form in formula.layers[0].forms] if formula.layers else []
    columns = [
        Column(key="name", title="name", right=False),
        Column(key="op", title="operator", right=False),
        Column(key="output", title="output", right=False),
    ]
    columns += [Column(key=key, title=METRICS[key].title, right=False) for key in metrics]
    columns += [Column(key="field", title="field"), Column(key="stride", title="stride")]
    seen = formula.fields_by_layer
    return Table(
        columns=tuple(columns),
        rows=tuple(
            (*_layer_row(layer, formula.shorthand), *field_cells(seen.get(layer.node.name))) for layer in formula.layers
        ),
        head=(*_head(formula), *_at_lines(at)),
        notes=_notes(formula),
    )


def _layer_row(layer: LayerForm, short: Values) -> tuple[Cell, ...]:
    shape = Cell(
        value=" x ".join(map(code_text, layer.shape)),
        text=" x ".join(plain_text(size.xreplace(short)) for size in layer.shape),
    )
    forms = (_form_cell(form, short) for form in layer.forms)
    return (_text(layer.node.name), _text(layer.node.op.word), shape, *forms)


def _form_cell(form: ClosedForm, short: Values) -> Cell:
    (expression,) = form.alternatives
    return Cell(value=code_text(expression), text=sum_text(by_degree(expression.xreplace(short))))


def _head(formula: Formula) -> tuple[str, ...]:
    graph = formula.graph
    shapes = ", ".join(f"{node.name} {' x '.join(map(plain_text, node.shape))}" for node in graph.inputs)
    settings = ", ".join(
        f"{name} {value if isinstance(value, str) else show(value)}"
        for name, value in graph.variables.items()
        if isinstance(value, (int, str, Fraction))
    )
    title = f"{graph.name or 'network'}: {shapes}" + (f" ({settings})" if settings else "")
    kinds = []
    for name, symbol in formula.symbols.items():
        kind = "a whole number" if symbol.is_integer else "a number"
        written = f" ({show(formula.defaults[name])} as written)" if name in formula.defaults else ""
        kinds.append(f"{name} is {kind} above 0{written}")
    return (title, "; ".join(kinds))


def _at_lines(at: tuple[Values, Values] | None) -> tuple[str, ...]:
    if at is None:
        return ()
    values, totals = at
    where = ", ".join(f"{name} = {show(value)}" for name, value in values.items())
    return (f"at {where}: " + ", ".join(f"{METRICS[key].title} {value:,}" for key, value in totals.items()),)


def polynomial_lines(formula: Formula) -> list[str]:
    """`MACs = 11,586,048 n^2 + 1,024,000 for resolution = 32 n`, one line a total; or why there is none."""
    found, why = polynomials(formula)
    if not found:
        return [f"No polynomial beside the closed form: {why}."] if formula.spatial else []
    if all(place.stride == 1 for place in found[0].places):
        return []  # the closed form is a polynomial itself
    lines = []
    for polynomial in found:
        where = ", ".join(place.text for place in polynomial.places)
        for form in polynomial.forms:
            short = formula.shorthand
            symbols = [place.symbol for place in polynomial.places]
            alternatives = [grouped_text(alternative.xreplace(short), symbols) for alternative in form.alternatives]
            largest = alternatives[0] if len(alternatives) == 1 else f"the largest of {'; '.join(alternatives)};"
            if len(form.alternatives) > 1 or form.alternatives[0].free_symbols & _spatial(polynomial):
                lines.append(f"{METRICS[form.metric].title} = {largest} for {where}")
    return lines


def _spatial(polynomial: Polynomial) -> set[Any]:
    return {place.symbol for place in polynomial.places}


def _notes(formula: Formula) -> tuple[str, ...]:
    lines = [f"{name} = {plain_text(part)}" for part, name in formula.shorthand.items()]
    lines += polynomial_lines(formula)
    lines += field_lines(formula.receptive_fields)
    if formula.assumptions:
        lines += [f"Assumed: {plain_assumption(assumption)}" for assumption in formula.assumptions]
    unsupported = [node.name for node in formula.graph.layers if not node.op.supported]
    if unsupported:
        lines.append(f"Not in the cost model, so every total is a lower bound: {', '.join(unsupported)}")
    lines.append(
        "Exact wherever the network stands; ceil and floor round to whole numbers;"
        f" batch {formula.batch}, {formula.dtype}."
    )
    return tuple(lines)


def plain_assumption(assumption: Any) -> str:
    """An assumption in words."""
    parts = {name: getattr(assumption, name) for name in ("divisor", "dividend", "first", "second")}
    shown = {name: plain_text(part) if part is not None else None for name, part in parts.items()}
    if assumption.divisor is None:
        return f"{shown['first']} {'=' if assumption.same else '!='} {shown['second']}"
    return (
        f"{shown['dividend']} is whole"
        if assumption.divisor == 1
        else f"{shown['divisor']} divides {shown['dividend']}"
    )


def formula_json(formula: Formula, at: tuple[Values, Values] | None = None, per_layer: bool = False) -> str:
    """The closed forms as JSON; expressions are in the language of specs."""
    graph = formula.graph
    found, why = polynomials(formula)
    document: dict[str, Any] = {
        **header(graph, SCHEMA),
        "batch": formula.batch,
        "dtype": formula.dtype,
        "complete": all(node.op.supported for node in graph.layers),
        "symbols": {
            name: {"whole": bool(symbol.is_integer), "default": plain(formula.defaults.get(name))}
            for name, symbol in formula.symbols.items()
        },
        "totals": {form.metric: _form_json(form, formula) for form in formula.forms},
        "polynomials": [_polynomial_json(polynomial) for polynomial in found],
        "no_polynomial": why or None,
        "receptive_field": network_field_json(formula.receptive_fields),
        "assumptions": [plain_assumption(assumption) for assumption in formula.assumptions],
    }
    if at is not None:
        document["at"] = {"values": plain(at[0]), "totals": at[1]}
    if per_layer:
        seen = formula.fields_by_layer
        document["layers"] = [
            {**_layer_json(layer), "receptive_field": layer_field_json(seen.get(layer.node.name))}
            for layer in formula.layers
        ]
    return json.dumps(document, indent=1)


def _form_json(form: ClosedForm, formula: Formula) -> dict[str, Any]:
    terms = [
        [{"factor": code_text(term.factor), "size": code_text(term.size)} for term in formula.terms(alternative)]
        for alternative in form.alternatives
    ]
    return {"expression": _largest(form), "terms": terms[0] if len(terms) == 1 else terms}


def _largest(form: ClosedForm) -> str:
    alternatives = [code_text(alternative) for alternative in form.alternatives]
    return alternatives[0] if len(alternatives) == 1 else f"max({', '.join(alternatives)})"


def _polynomial_json(polynomial: Polynomial) -> dict[str, Any]:
    return {
        "where": {
            place.variable: {"stride": place.stride, "rest": place.rest, "symbol": str(place.symbol)}
            for place in polynomial.places
        },
        "totals": {form.metric: _largest(form) for form in polynomial.forms},
    }


def _layer_json(layer: LayerForm) -> dict[str, Any]:
    return {
        "name": layer.node.name,
        "op": layer.node.op.word,
        "output_shape": [code_text(size) for size in layer.shape],
        **{form.metric: _largest(form) for form in layer.forms},
    }


def formula_latex(formula: Formula) -> str:
    """The totals, and the polynomials, as aligned equations."""
    names = {symbol: name.latex for symbol, name in formula.sizes.names.items()}
    names |= {symbol: latex_name(name) for name, symbol in formula.symbols.items()}
    lines = []
    for form in formula.forms:
        written = [_latex_sum([term.factor * term.size for term in formula.terms(a)], names) for a in form.alternatives]
        largest = written[0] if len(written) == 1 else rf"\max\left({', '.join(written)}\right)"
        lines.append(rf"\text{{{METRICS[form.metric].title}}} &= {largest}")
    found, _ = polynomials(formula)
    for polynomial in found if any(place.stride > 1 for item in found for place in item.places) else ():
        where = ", ".join(f"{latex_name(place.variable)} = {_latex_place(place)}" for place in polynomial.places)
        for form in polynomial.forms:
            written = [_latex_sum(by_degree(a), names) for a in form.alternatives]
            largest = written[0] if len(written) == 1 else rf"\max\left({', '.join(written)}\right)"
            lines.append(rf"\text{{{METRICS[form.metric].title}}} &= {largest} && \text{{for }} {where}")
    lines += field_latex(formula.receptive_fields, names)
    return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"


def _latex_place(place: Any) -> str:
    factor = f"{place.stride} " if place.stride > 1 else ""
    return f"{factor}{latex_name(str(place.symbol))}" + (f" + {place.rest}" if place.rest else "")


def _latex_sum(terms: list[Any], names: dict[Any, str]) -> str:
    pieces: list[str] = []
    for term in terms:
        negative = term.could_extract_minus_sign()
        text = latex_text(-term if negative else term, names)
        pieces.append((" - " if negative else " + " if pieces else "") + text)
    return "".join(pieces).strip() or "0"
