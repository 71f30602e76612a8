"""The one table of all reports: columns, rows of cells, a row of totals, and lines of text around it."""

from __future__ import annotations

from typing import Any

from convcost.record import Record

__all__ = ["Cell", "Column", "Table", "number"]


class Column(Record):
    """A column: `key` names it in CSV and on the command line, `title` heads it. One that `wraps` is prose, which a
    narrow screen breaks into lines."""

    key: str
    title: str
    right: bool = True
    wraps: bool = False


class Cell(Record):
    """A cell: the `value` for machines, the `text` for people, and a `share` from 0 to 1 where it is a bar."""

    value: Any
    text: str
    share: float | None = None


class Table(Record):
    """A table. `head` stands above it, `notes` below; `total` is its last row."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    total: tuple[Cell, ...] | None = None
    head: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def number(value: Any) -> str:
    """A number with thousands separators; a symbol as it prints."""
    return f"{value:,}" if isinstance(value, int) else str(value)
