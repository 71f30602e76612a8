"""Tables as CSV, JSON and Markdown."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from convcost.report.table import Cell, Table

__all__ = ["to_csv", "to_json", "to_markdown"]


def to_csv(table: Table) -> str:
    """Comma-separated values: keys as the header, numbers without separators, no row of totals."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([column.key for column in table.columns])
    writer.writerows([[_plain(cell.value) for cell in row] for row in table.rows])
    return out.getvalue().rstrip("\n")


def _plain(value: Any) -> Any:
    """A list as its entries with spaces between."""
    return " ".join(map(str, value)) if isinstance(value, (list, tuple)) else value


def to_json(table: Table) -> str:
    """A list of objects, one a row, with the columns' keys."""
    keys = [column.key for column in table.columns]
    rows = [dict(zip(keys, (cell.value for cell in row), strict=True)) for row in table.rows]
    return json.dumps(rows, indent=1)


def to_markdown(table: Table) -> str:
    """A Markdown table with the lines above and below it."""
    lines = [*(_escape(line) + "  " for line in table.head), ""]
    if table.columns:
        lines.append(_line([column.title for column in table.columns]))
        lines.append("|" + "|".join("--:" if column.right else ":--" for column in table.columns) + "|")
    lines.extend(_line([cell.text for cell in row]) for row in table.rows)
    if table.total is not None:
        lines.append(_line([_bold(cell) for cell in table.total]))
    lines.append("")
    lines.extend(f"- {_escape(note)}" for note in table.notes)
    return "\n".join(lines)


def _line(texts: list[str]) -> str:
    return "| " + " | ".join(_escape(text) for text in texts) + " |"


def _bold(cell: Cell) -> str:
    return f"**{cell.text}**" if cell.text else ""


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
