"""An analysis as a table: which columns there are, and what the lines around it say."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from convcost.analysis.result import Analysis
from convcost.analysis.view import Row, View
from convcost.errors import ConvcostError, nearest_hint
from convcost.ops.base import show_shape
from convcost.ops.kinds import show
from convcost.record import Record
from convcost.report.field_text import LEGEND, field_and_local_cell
from convcost.report.table import Cell, Column, Table, number

__all__ = ["COLUMNS", "DEFAULT_COLUMNS", "analysis_table", "choose_columns", "size_text"]

CellOf = Callable[[Row, Analysis], Cell]


class ReportColumn(Record):
    """A column and how a row fills it."""

    column: Column
    cell: CellOf


def _text(value: Any) -> Cell:
    return Cell(value=value, text="" if value is None else str(value))


def _shape(row: Row, analysis: Analysis) -> Cell:
    return _text(None if row.output_shape is None else show_shape(row.output_shape))


def _metric(key: str) -> CellOf:
    def cell(row: Row, analysis: Analysis) -> Cell:
        value = getattr(row.cost, key)
        if row.complete or key == "activations":
            return Cell(value=value, text=number(value))
        if row.kind == "layer":
            return Cell(value=None, text="?")
        return Cell(value=value, text=f">= {number(value)}")

    return cell


def _share(key: str) -> CellOf:
    def cell(row: Row, analysis: Analysis) -> Cell:
        part, whole = getattr(row.cost, key), getattr(analysis.totals, key)
        if not isinstance(part, int) or not isinstance(whole, int) or not row.complete:
            return _text(None)
        share = part / whole if whole else 0.0
        return Cell(value=round(share, 6), text=f"{100 * share:.1f}%", share=share)

    return cell


def _field(row: Row, analysis: Analysis) -> Cell:
    return _text(None) if row.last is None else field_and_local_cell(analysis.field_of(row.last))


def _intensity(row: Row, analysis: Analysis) -> Cell:
    value = row.cost.arithmetic_intensity
    if not row.complete:
        return Cell(value=None, text="?")
    return Cell(value=None if value is None else round(value, 4), text="-" if value is None else f"{value:.1f}")


def _columns() -> dict[str, ReportColumn]:
    texts: tuple[tuple[str, str, CellOf], ...] = (
        ("name", "name", lambda row, _: _text(row.name)),
        ("op", "operator", lambda row, _: _text(row.op)),
        ("block", "block", lambda row, _: _text(row.block)),
        ("what", "what it is", lambda row, _: _text(row.what)),
        ("output", "output", _shape),
    )
    numbers: tuple[tuple[str, str, CellOf], ...] = (
        ("receptive_field", "field", _field),
        ("layers", "layers", lambda row, _: _text(row.layers)),
        ("complete", "complete", lambda row, _: Cell(value=row.complete, text="yes" if row.complete else "no")),
        ("params", "params", _metric("params")),
        ("params_share", "of params", _share("params")),
        ("weights", "weights", _metric("weights")),
        ("buffers", "buffers", _metric("buffers")),
        ("macs", "MACs", _metric("macs")),
        ("macs_share", "of MACs", _share("macs")),
        ("flops", "FLOPs", _metric("flops")),
        ("activations", "activations", _metric("activations")),
        ("bytes_moved", "bytes moved", _metric("bytes_moved")),
        ("weight_bytes", "weight bytes", _metric("weight_bytes")),
        ("arithmetic_intensity", "FLOPs/B", _intensity),
    )
    found = {
        key: ReportColumn(column=Column(key=key, title=title, right=False), cell=cell) for key, title, cell in texts
    }
    for key, title, cell in numbers:
        found[key] = ReportColumn(column=Column(key=key, title=title), cell=cell)
    return found


COLUMNS = _columns()
DEFAULT_COLUMNS = (
    "name",
    "op",
    "what",
    "output",
    "receptive_field",
    "params",
    "params_share",
    "macs",
    "macs_share",
    "activations",
    "bytes_moved",
    "arithmetic_intensity",
)


def choose_columns(names: str | None) -> tuple[str, ...]:
    """The columns of a comma-separated list; the default ones for None.

    Raises:
        ConvcostError: a column is unknown.
    """
    if names is None:
        return DEFAULT_COLUMNS
    chosen = tuple(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))
    for name in chosen:
        if name not in COLUMNS:
            raise ConvcostError(f'unknown column "{name}"; known are {", ".join(COLUMNS)}{nearest_hint(name, COLUMNS)}')
    if not chosen:
        raise ConvcostError(f"no column is left to show; known are {', '.join(COLUMNS)}")
    return chosen


def analysis_table(view: View, columns: tuple[str, ...] = DEFAULT_COLUMNS, hint: str = "") -> Table:
    """The table of a view."""
    analysis = view.analysis
    layers = len(analysis.layers)
    total = Row(name="total", op="", cost=analysis.totals, layers=layers, kind="group", complete=analysis.complete)
    chosen = [COLUMNS[name] for name in columns]
    return Table(
        columns=tuple(report.column for report in chosen),
        rows=tuple(tuple(report.cell(row, analysis) for report in chosen) for row in view.rows),
        total=tuple(_total_cell(report, total, analysis) for report in chosen),
        head=_head(analysis),
        notes=_notes(analysis, hint, "receptive_field" in columns),
    )


def _total_cell(report: ReportColumn, total: Row, analysis: Analysis) -> Cell:
    return _text(None) if report.column.key.endswith("_share") else report.cell(total, analysis)


def _head(analysis: Analysis) -> tuple[str, ...]:
    graph = analysis.graph
    inputs = ", ".join(f"{node.name} {show_shape(node.shape)}" for node in graph.inputs)
    settings = ", ".join(f"{name} {_plain(value)}" for name, value in graph.variables.items())
    title = f"{graph.name or 'network'}: {inputs}" + (f" ({settings})" if settings else "")
    return (title, graph.source) if graph.source else (title,)


def _plain(value: Any) -> str:
    """A variable's value as a spec spells it."""
    return value if isinstance(value, str) else show(value) if isinstance(value, (bool, Fraction)) else str(value)


def _notes(analysis: Analysis, hint: str, with_field: bool) -> tuple[str, ...]:
    totals = analysis.totals
    bound = "" if analysis.complete else ">= "
    at = f" at {analysis.peak.node.name}" if analysis.peak.node else ""
    notes = [
        f"parameters {bound}{number(totals.params)} ({number(totals.weights)} weights),"
        f" in {bound}{_bytes(totals.weight_bytes)}",
        f"MACs {bound}{number(totals.macs)}, FLOPs {bound}{number(totals.flops)}",
        f"peak activation memory {bound}{_bytes(totals.peak_activation_bytes)}{at}",
        *_unsupported_notes(analysis),
        convention(analysis),
        *(_field_notes(analysis) if with_field else ()),
    ]
    return (*notes, hint) if hint else tuple(notes)


def _field_notes(analysis: Analysis) -> tuple[str, ...]:
    found = analysis.receptive_fields
    if found is None:
        return ()
    name = analysis.graph.nodes[found.source].name
    of = f" All of this is of the input {name}; - sees nothing of it." if len(analysis.graph.inputs) > 1 else ""
    return (f"Field: {LEGEND}; in brackets through local operators alone.{of}",)


def convention(analysis: Analysis) -> str:
    """What the numbers of an analysis mean, in a sentence."""
    words = analysis.convention
    batch = f"batch {analysis.batch}, {analysis.dtype}, {words['mode']}"
    return f"Convention: MACs are {words['macs']}; FLOPs = {words['flops']}; {batch}."


def _unsupported_notes(analysis: Analysis) -> list[str]:
    if analysis.complete:
        return []
    names = ", ".join(f"{node.name} ({node.op.describe()})" for node in analysis.unsupported)
    return [f"Not in the cost model, so every total is a lower bound: {names}"]


def size_text(size: Any) -> str:
    """Bytes in the unit that suits them, such as 16.1 MiB."""
    if not isinstance(size, int):
        return str(size)
    for unit, scale in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size >= scale:
            return f"{size / scale:.2f} {unit}"
    return f"{size} B"


def _bytes(size: Any) -> str:
    return f"{number(size)} B ({size_text(size)})" if isinstance(size, int) and size >= 1024 else f"{number(size)} B"
