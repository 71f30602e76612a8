"""A replacement by itself: its closed forms, and numbers for typical channel counts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from convcost.formulas.exchange import KEYS, Exchange, Typical
from convcost.metrics import METRICS
from convcost.report.compare import shown
from convcost.report.table import Cell, Column, Table, number

__all__ = ["exchange_json", "exchange_tables", "typical_table"]


def expression(value: Any) -> str:
    """An expression as people write it: a space for a product, ^ for a power."""
    return "-" if value is None else str(value).replace("**", "^").replace("*", " ")


def exchange_tables(found: Exchange) -> list[Table]:
    """The closed forms as a table, and the typical layers as another."""
    return [_forms(found), _typical(found)]


def _forms(found: Exchange) -> Table:
    titles = ("quantity", "before", "after", "ratio")
    rows = [
        (METRICS[form.key].title, expression(form.before), expression(form.after), expression(form.ratio))
        for form in found.forms
    ]
    notes = [f"Assumed: {', '.join(found.assumed)}."] if found.assumed else []
    for form in found.forms:
        if form.divided is not None:
            title = METRICS[form.key].title
            notes.append(f"{title}, where every division leaves no remainder: ratio {expression(form.divided)}")
    return Table(
        columns=tuple(Column(key=title, title=title, right=False, wraps=title != "quantity") for title in titles),
        rows=tuple(tuple(Cell(value=text, text=text) for text in row) for row in rows),
        head=(f"{found.rule}: {found.setting}",),
        notes=tuple(notes),
    )


def _columns() -> list[Column]:
    columns = [Column(key="channels", title="channels")]
    for key in KEYS:
        columns += [Column(key=f"{key}_before", title=METRICS[key].title), Column(key=f"{key}_after", title="after")]
        columns.append(Column(key=f"{key}_ratio", title="ratio"))
    return columns


def typical_table(several: Sequence[Exchange]) -> Table:
    """The typical layers of all replacements in one table, for CSV."""
    columns = (Column(key="rule", title="rule", right=False), *_columns())
    rows = [(Cell(value=found.rule, text=found.rule), *_typical_row(one)) for found in several for one in found.typical]
    return Table(columns=columns, rows=tuple(rows))


def _typical(found: Exchange) -> Table:
    reasons = dict.fromkeys(f"{one.channels} channels: {one.reason}" for one in found.typical if one.reason)
    where = f"Channels in and out are as many; {found.where}, float32."
    return Table(columns=tuple(_columns()), rows=tuple(map(_typical_row, found.typical)), notes=(where, *reasons))


def _typical_row(one: Typical) -> tuple[Cell, ...]:
    cells = [Cell(value=one.channels, text=number(one.channels))]
    for key in KEYS:
        before = getattr(one.before, key)
        after = None if one.after is None else getattr(one.after, key)
        part = one.ratio(key)
        cells.append(Cell(value=before, text=number(before)))
        cells.append(Cell(value=after, text="-" if after is None else number(after)))
        cells.append(Cell(value=part, text=shown(part)))
    return tuple(cells)


def exchange_json(several: Sequence[Exchange]) -> str:
    """The replacements as JSON."""
    return json.dumps({"replacements": [_json(found) for found in several]}, indent=1)


def _json(found: Exchange) -> dict[str, Any]:
    return {
        "rule": found.rule,
        "layer": found.setting,
        "closed_forms": {
            form.key: {
                "before": str(form.before),
                "after": str(form.after),
                "ratio": None if form.ratio is None else str(form.ratio),
                "ratio_without_remainders": None if form.divided is None else str(form.divided),
            }
            for form in found.forms
        },
        "assumptions": list(found.assumed),
        "typical_on": found.where,
        "typical": [
            {
                "channels": one.channels,
                "before": {key: getattr(one.before, key) for key in KEYS},
                "after": None if one.after is None else {key: getattr(one.after, key) for key in KEYS},
                "ratio": {key: one.ratio(key) for key in KEYS},
                "reason": one.reason or None,
            }
            for one in found.typical
        ],
    }
