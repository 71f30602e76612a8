"""Receptive fields in closed form: beside the totals of a formula, as cells, as JSON and as LaTeX."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from convcost.formulas.notation import by_degree, code_text, latex_text, sum_text
from convcost.formulas.receptive_field import FieldForm, NetworkFieldForms
from convcost.report.table import Cell

__all__ = ["field_cells", "field_latex", "field_lines", "layer_field_json", "network_field_json"]

UNKNOWN = "-"


def written(value: Any) -> str:
    """A value as text; `-` where there is none."""
    return UNKNOWN if value is None else sum_text(by_degree(value))


def joined(values: Sequence[Any], between: str) -> str:
    """The values of all axes; one where all are alike."""
    texts = [written(value) for value in values]
    return texts[0] if len(set(texts)) == 1 else between.join(texts)


def field_lines(found: NetworkFieldForms | None) -> list[str]:
    """The field of the last local layer, and from where on all of the input is seen."""
    if found is None:
        return []
    lines = [] if found.last_local is None else [_last_local_line(found.last_local)]
    if found.first_global is not None:
        form = found.first_global
        inputs = tuple(map(found.sizes.written, found.source.shape[1:]))
        size = "the whole input" if form.size == inputs else " x ".join(map(written, form.size))
        lines.append(f"From {form.node.name} on: {'at most ' if form.at_most else ''}{size}.")
    return lines


def _last_local_line(form: FieldForm) -> str:
    size = " x ".join(map(written, form.local_size))
    parts = [f"{'at most ' if form.at_most else ''}{size}"]
    for name, values in (("stride", form.local_stride), ("start", form.local_start)):
        if None not in values:
            parts.append(f"{name} {joined(values, ', ')}")
    alone = " through local operators alone (others on the way read all of the input)" if form.is_global else ""
    return f"Receptive field of {form.node.name}, the last local layer{alone}: {', '.join(parts)}."


def field_cells(form: FieldForm | None) -> tuple[Cell, Cell]:
    """Size and stride of a layer's field: `35`, `all (35)` where all of the input is seen, `<= 35`."""
    if form is None:
        return Cell(value=None, text=UNKNOWN), Cell(value=None, text=UNKNOWN)
    size = joined(form.size, " x ")
    if form.is_global:
        size = f"all ({joined(form.local_size, ' x ')})"
    stride = form.local_stride if form.is_global else form.stride
    return (
        Cell(value=" x ".join(map(_code, form.size)), text=f"<= {size}" if form.at_most else size),
        Cell(value=" x ".join(map(_code, stride)), text=joined(stride, " x ")),
    )


def _code(value: Any) -> str:
    return UNKNOWN if value is None else code_text(value)


def _json(values: Sequence[Any]) -> list[str | None]:
    return [None if value is None else code_text(value) for value in values]


def network_field_json(found: NetworkFieldForms | None) -> dict[str, Any] | None:
    """The field of the last local layer, through local operators alone; expressions are in the language of specs."""
    if found is None:
        return None
    last, behind = found.last_local, found.first_global
    return {
        "input": found.source.name,
        "layer": None if last is None else last.node.name,
        "size": None if last is None else _json(last.local_size),
        "stride": None if last is None else _json(last.local_stride),
        **_start_json(None if last is None else last.local_start),
        "global": last is not None and last.is_global,
        "at_most": last is not None and last.at_most,
        "aligned": last is None or last.aligned,
        "global_from": None if behind is None else behind.node.name,
    }


def _start_json(values: Sequence[Any] | None) -> dict[str, Any]:
    padding = None if values is None else [None if value is None else -value for value in values]
    return {"start": None if values is None else _json(values), "padding": None if padding is None else _json(padding)}


def layer_field_json(form: FieldForm | None) -> dict[str, Any] | None:
    """The receptive field of a layer; None where it sees nothing of the input."""
    if form is None:
        return None
    return {
        "size": _json(form.size),
        "stride": _json(form.stride),
        **_start_json(form.start),
        "global": form.is_global,
        "local_size": _json(form.local_size),
        "at_most": form.at_most,
        "aligned": form.aligned,
    }


def field_latex(found: NetworkFieldForms | None, names: dict[Any, str]) -> list[str]:
    """Size, stride and start of the last local layer's field, as rows of aligned equations."""
    if found is None or found.last_local is None:
        return []
    form = found.last_local
    names = {**{symbol: name.latex for symbol, name in found.sizes.names.items()}, **names}
    bound = r"\text{at most } " if form.at_most else ""
    rows = (
        ("receptive field", bound, form.local_size, r" \times "),
        ("effective stride", "", form.local_stride, ", "),
        ("start", "", form.local_start, ", "),
    )
    return [
        rf"\text{{{label}}} &= {sign}{between.join(latex_text(value, names) for value in values)}"
        for label, sign, values, between in rows
        if None not in values
    ]
