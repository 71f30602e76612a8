"""The formats of reports, and the renderer of each."""

from enum import StrEnum

from convcost.cli.output import screen
from convcost.report.table import Table

__all__ = ["Format", "render"]


class Format(StrEnum):
    """How a report is written."""

    table = "table"
    json = "json"
    csv = "csv"
    markdown = "markdown"


def render(table: Table, format_: Format, to_file: bool = False) -> str:
    """A table in a format; for people, in the width and colours of the screen unless it goes to a file."""
    if format_ is Format.table:
        from convcost.report.terminal import Screen, to_terminal

        return to_terminal(table, Screen() if to_file else screen())
    from convcost.report.text import to_csv, to_json, to_markdown

    return {Format.csv: to_csv, Format.json: to_json, Format.markdown: to_markdown}[format_](table)
