"""Tables for people at a terminal. Nothing is ever cut off: a table that is too wide for the screen is shown in
several panes, each led by its first column.

The columns are laid out here and coloured by rich's styles: a table of MobileNet's size took 10 ms with rich.table, and
4 ms more to load the console that it needs, of the 20 ms that the whole command may take beside its imports.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from convcost.record import Record
from convcost.report.table import Cell, Table

__all__ = ["Screen", "to_terminal", "wrapped"]

GAP = 2
BAR = 8
PROSE = 40
"""Prose is not broken into lines shorter than this."""
PAGE = 120
"""The width of paragraphs where the screen sets none; tables have the width that they need."""
BLOCKS = " ▏▎▍▌▋▊▉"
BLOCKS_UP = " ▁▂▃▄▅▆▇█"


class Screen(Record):
    """What the text is written to: its width (None: unlimited, as a pipe is), and its colours and characters."""

    width: int | None = None
    color: bool = False
    unicode: bool = True


def to_terminal(table: Table, screen: Screen) -> str:
    """The table as text for that screen."""
    blank: list[list[Span]] = [[("", "")]]
    lines = _paragraphs(table.head, screen, "bold")
    for indexes in _panes(table, screen) if table.columns else ():
        lines += (blank if lines else []) + _pane(table, indexes, screen)
    lines += (blank if table.notes else []) + _paragraphs(table.notes, screen, "dim")
    return _print(lines, screen)


def wrapped(text: str, width: int | None) -> str:
    """Text in lines of at most that width, each wrapped below its own indentation."""
    if width is None:
        return text
    lines = []
    for line in text.splitlines():
        indent = line[: len(line) - len(line.lstrip())]
        lines += textwrap.wrap(line, width, subsequent_indent=indent + "    ") or [""]
    return "\n".join(lines)


def bar(share: float, unicode: bool) -> str:
    """A share from 0 to 1 as a bar of fixed width."""
    if not unicode:
        return ("#" * round(share * BAR)).ljust(BAR)
    eighths = round(share * BAR * 8)
    return ("█" * (eighths // 8) + BLOCKS[eighths % 8].strip()).ljust(BAR)


def _text(cell: Cell, screen: Screen) -> str:
    return cell.text if cell.share is None else f"{bar(cell.share, screen.unicode)} {cell.text:>6}"


def _widths(table: Table, screen: Screen) -> list[int]:
    """The width of each column; prose gets what the others leave of the screen."""
    lines = [*table.rows, *([table.total] if table.total else [])]
    widths = [
        max([len(column.title), *(len(_text(line[index], screen)) for line in lines)])
        for index, column in enumerate(table.columns)
    ]
    for index, column in enumerate(table.columns):
        if column.wraps and screen.width is not None:
            others = sum(widths) - widths[index] + GAP * (len(widths) - 1)
            widths[index] = min(widths[index], max(PROSE, screen.width - others))
    return widths


def _panes(table: Table, screen: Screen) -> Iterator[list[int]]:
    """The columns of each pane: as many as fit, the first one always."""
    widths = _widths(table, screen)
    if screen.width is None or sum(widths) + GAP * (len(widths) - 1) <= screen.width:
        yield list(range(len(widths)))
        return
    pane, used = [0], widths[0]
    for index in range(1, len(widths)):
        if len(pane) > 1 and used + GAP + widths[index] > screen.width:
            yield pane
            pane, used = [0], widths[0]
        pane.append(index)
        used += GAP + widths[index]
    yield pane


Span = tuple[str, str]
"""A piece of a line: its text and its style."""


def _fitted(widths: list[int], screen: Screen) -> list[int]:
    """The widths of a pane's columns; where even its one or two columns are too wide, they are narrowed."""
    if screen.width is None or sum(widths) + GAP * (len(widths) - 1) <= screen.width:
        return widths
    if len(widths) == 1:
        return [screen.width]
    first = min(widths[0], max((screen.width - GAP) // 2, 1))
    return [first, max(screen.width - GAP - first, 1)]


def _pane(table: Table, indexes: list[int], screen: Screen) -> list[list[Span]]:
    """The lines of the table with these columns."""
    all_widths = _widths(table, screen)
    widths = _fitted([all_widths[index] for index in indexes], screen)
    rights = [table.columns[index].right for index in indexes]
    width = sum(widths) + GAP * (len(widths) - 1)
    rule: list[Span] = [("─" * width if screen.unicode else "-" * width, "")]

    def line(cells: Sequence[Cell], style: str = "") -> Iterator[list[Span]]:
        """A row of the table, in several lines where a text is wider than its column."""
        shown = [cells[index] for index in indexes]
        pieces = [_wrapped(_text(cell, screen), width) for cell, width in zip(shown, widths, strict=True)]
        for number in range(max(map(len, pieces))):
            spans: list[Span] = []
            for cell, parts, width, right in zip(shown, pieces, widths, rights, strict=True):
                part = parts[number] if number < len(parts) else ""
                spans.append((part.rjust(width) if right else part.ljust(width), style or _style(cell)))
                spans.append((" " * GAP, ""))
            yield spans

    titles = [Cell(value=None, text=column.title) for column in table.columns]
    lines = [*line(titles, "bold"), rule]
    for row in table.rows:
        lines.extend(line(row))
    if table.total is not None:
        lines.extend([rule, *line(table.total, "bold")])
    return lines


def _wrapped(text: str, width: int) -> list[str]:
    return [text] if len(text) <= width else textwrap.wrap(text, width)


def _style(cell: Cell) -> str:
    if cell.share is not None:
        return "cyan"
    return "dim" if cell.text in ("0", "-") else ""


def _paragraphs(lines: Iterable[str], screen: Screen, style: str) -> list[list[Span]]:
    width = screen.width or PAGE
    return [[(part, style)] for line in lines for part in textwrap.wrap(line, width)]


def _print(lines: list[list[Span]], screen: Screen) -> str:
    """The lines as text, with the colours of the screen."""
    if not screen.color:
        return "\n".join("".join(text for text, _ in spans).rstrip() for spans in lines)
    from rich.color import ColorSystem
    from rich.style import Style

    styles = {style: Style.parse(style) for spans in lines for _, style in spans}
    return "\n".join(
        "".join(styles[style].render(text, color_system=ColorSystem.STANDARD) for text, style in spans).rstrip()
        for spans in lines
    )
