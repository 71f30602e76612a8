"""Comparisons as tables: the layers that each variant replaces, and the totals of all."""

from __future__ import annotations

import json
from typing import Any

from convcost.analysis.compare import Change, Comparison, Variant, field_text
from convcost.analysis.receptive_field import AxisField
from convcost.metrics import METRICS
from convcost.report.analysis import convention
from convcost.report.table import Cell, Column, Table, number

__all__ = ["change_tables", "comparison_json", "comparison_table", "flat_table"]

LAYER_KEYS = (("params", "params"), ("macs", "MACs"), ("bytes_moved", "bytes"))
TOTAL_KEYS = ("params", "macs", "bytes_moved", "weight_bytes", "peak_activation_bytes")
MARK = "!"
MARKED = f"{MARK} fewer MACs, but no fewer bytes moved: memory may not pay out what arithmetic saves."


def comparison_json(comparison: Comparison) -> str:
    """The comparison as JSON."""
    return json.dumps(comparison.as_json(), indent=1)


def shown(value: float | None) -> str:
    """A ratio with three digits that count."""
    if value is None:
        return "-"
    return f"{value:.3f}" if 0.1 <= value < 10 else f"{value:.3g}"


def field(axes: tuple[AxisField, ...]) -> str:
    """What an output element sees of the layer's input: `3x3`."""
    return "x".join(map(field_text, axes)) or "-"


def _columns(keys: Any, first: Any) -> tuple[Column, ...]:
    columns = list(first)
    for key, title in keys:
        columns += [Column(key=f"{key}_before", title=title), Column(key=f"{key}_after", title="after")]
        columns.append(Column(key=f"{key}_ratio", title="ratio"))
    return tuple(columns)


LAYER_COLUMNS = _columns(
    LAYER_KEYS,
    (
        Column(key="name", title="layer", right=False),
        Column(key="was", title="was", right=False),
        Column(key="is", title="is", right=False),
        Column(key="field_before", title="field"),
        Column(key="field_after", title="after"),
    ),
)


def change_tables(comparison: Comparison) -> list[Table]:
    """For each variant made by rules, a table of what was replaced, with what was kept below it."""
    return [_changes(variant) for variant in comparison.variants if variant.changes or variant.skipped]


def _changes(variant: Variant) -> Table:
    marked = any(change.moves_more for change in variant.changes)
    kept = len(variant.skipped)
    head = f"{variant.label}: {len(variant.changes)} replaced, {kept} kept"
    notes = [f"kept: {skipped.name}: {skipped.reason}" for skipped in variant.skipped]
    return Table(
        columns=LAYER_COLUMNS if variant.changes else (),
        rows=tuple(_row(change) for change in variant.changes),
        head=(head,),
        notes=(*((MARKED,) if marked else ()), *notes),
    )


def _row(change: Change) -> tuple[Cell, ...]:
    texts = (change.name, change.was, change.is_now, field(change.field_before), field(change.field_after))
    cells = [Cell(value=text, text=text) for text in texts]
    for key, _ in LAYER_KEYS:
        before, after, part = getattr(change.before, key), getattr(change.after, key), change.ratio(key)
        mark = f" {MARK}" if key == "bytes_moved" and change.moves_more else ""
        cells += [Cell(value=before, text=number(before)), Cell(value=after, text=number(after))]
        cells.append(Cell(value=part, text=f"{shown(part)}{mark}"))
    return tuple(cells)


def comparison_table(comparison: Comparison) -> Table:
    """The totals of every variant, each beside its ratio to the first."""
    columns = [Column(key="label", title="network", right=False)]
    for key in TOTAL_KEYS:
        columns += [Column(key=key, title=METRICS[key].title), Column(key=f"{key}_ratio", title="ratio")]
    columns += [Column(key="replaced", title="replaced"), Column(key="kept", title="kept")]
    first = comparison.variants[0].analysis
    return Table(
        columns=tuple(columns),
        rows=tuple(_totals(comparison, variant) for variant in comparison.variants),
        notes=(f"Ratios are to the first row. {convention(first)}",),
    )


def _totals(comparison: Comparison, variant: Variant) -> tuple[Cell, ...]:
    more = "" if variant.analysis.complete else ">= "
    cells = [Cell(value=variant.label, text=variant.label)]
    for key in TOTAL_KEYS:
        value, part = getattr(variant.analysis.totals, key), comparison.ratio(variant, key)
        cells += [Cell(value=value, text=f"{more}{number(value)}"), Cell(value=part, text=shown(part))]
    by_rules = bool(variant.changes or variant.skipped)
    for count in (len(variant.changes), len(variant.skipped)):
        cells.append(Cell(value=count if by_rules else None, text=str(count) if by_rules else "-"))
    return tuple(cells)


def flat_table(comparison: Comparison) -> Table:
    """Every replaced layer of every variant in one table, for CSV."""
    columns = (Column(key="variant", title="variant", right=False), *LAYER_COLUMNS)
    rows = tuple(
        (Cell(value=variant.label, text=variant.label), *_row(change))
        for variant in comparison.variants
        for change in variant.changes
    )
    return Table(columns=columns, rows=rows)
