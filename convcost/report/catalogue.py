"""The catalogue of operators and blocks, as a table, as text, and as pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from convcost.ops import BLOCKS, OPERATORS, Block
from convcost.ops.base import Operator
from convcost.report.entry import Entry, entries, entry_of
from convcost.report.table import Cell, Column, Table

__all__ = ["catalogue_table", "explanation", "family_page"]

Users = Mapping[str, Sequence[str]]
"""For each operator and block, the bundled networks that use it."""

COLUMNS = (
    Column(key="name", title="name", right=False),
    Column(key="family", title="family", right=False),
    Column(key="kind", title="kind", right=False),
    Column(key="relative_cost", title="cost of a conv", right=False),
    Column(key="year", title="year"),
    Column(key="definition", title="definition", right=False, wraps=True),
)
USED_BY = Column(key="used_by", title="used by", right=False, wraps=True)
SHOWN = 4
"""So many networks are named in a table for people; JSON and CSV have all."""
LONGEST = 50
"""Formulas longer than this are left to `convcost explain`."""
LEGEND = (
    "cost of a conv: MACs as a part of those of a standard convolution with the same channels in and out and the same"
    " kernel, at stride 1; kernel is the product of the kernel's sizes, kernel_sum their sum. No entry where it stands"
    " for no convolution; long formulas stand in `convcost explain`."
)


def catalogue_table(users: Users | None = None) -> Table:
    """Every operator and block, by family; with the bundled networks that use it where `users` are given."""
    found = entries()
    columns = COLUMNS if users is None else (*COLUMNS[:-1], USED_BY)
    return Table(
        columns=columns,
        rows=tuple(_row(entry, users) for entry in found),
        notes=(
            LEGEND,
            f"{len(OPERATORS)} operators and {len(BLOCKS)} blocks; `convcost explain NAME` tells all of one.",
        ),
    )


def _row(entry: Entry, users: Users | None) -> tuple[Cell, ...]:
    year = entry.year
    cells = [Cell(value=text, text=text) for text in (entry.word, entry.family, entry.kind)]
    cost = entry.relative_cost
    cells.append(Cell(value=cost or None, text=(cost if len(cost) <= LONGEST else "see explain") or "-"))
    cells.append(Cell(value=year, text="-" if year is None else str(year)))
    if users is None:
        return (*cells, Cell(value=entry.title, text=entry.title))
    names = list(users.get(entry.word, ()))
    shown = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
    return (*cells, Cell(value=names, text=shown or "-"))


def explanation(word: str, entry: type[Operator] | Block, closed_form: str = "") -> str:
    """What an operator or block is: its docstring, its closed form where that is given, and its fields."""
    told = entry_of(word, entry)
    lines = [f"{word} ({told.family} {told.kind})", "", told.text, ""]
    lines += [*closed_form.splitlines(), ""] if closed_form else []
    fields = [f"    {name}: {rule} ({given})" for name, rule, given in told.takes]
    lines += ["Fields:", *fields] if fields else ["Fields: none."]
    return "\n".join(lines)


def family_page(family: str, users: Users) -> str:
    """The page of a family in Markdown: each operator and block with its docstring, fields and users."""
    found = [entry for entry in entries() if entry.family == family]
    lines = [f"# {family.capitalize()}", "", "Made from the docstrings: `convcost explain NAME` prints the same.", ""]
    lines += ["| name | kind | cost of a conv | year | definition |", "|:--|:--|:--|--:|:--|"]
    for entry in found:
        cost, year = (f"`{entry.relative_cost}`" if entry.relative_cost else ""), entry.year or ""
        cells = (f"[{entry.word}](#{entry.word})", entry.kind, cost, str(year), _markdown(entry.title))
        lines.append(f"| {' | '.join(cells)} |")
    for entry in found:
        lines += ["", *_described(entry, users)]
    return "\n".join(lines) + "\n"


def _described(entry: Entry, users: Users) -> list[str]:
    lines = [f"## {entry.word}", "", _markdown(entry.title)]
    for paragraph in entry.body:
        lines += ["", *(["```text", paragraph, "```"] if " = " in paragraph else [_markdown(paragraph)])]
    lines.append("")
    lines += [f"- **{name}**: {_markdown(text)}" for name, text in entry.sections.items()]
    names = users.get(entry.word, ())
    lines.append(f"- **Used by**: {', '.join(names) if names else 'no bundled network'}")
    if entry.takes:
        lines += ["", "| field | what it takes | where it is not given |", "|:--|:--|:--|"]
        lines += [f"| `{name}` | {_markdown(rule)} | {given} |" for name, rule, given in entry.takes]
    return lines


def _markdown(text: str) -> str:
    """Text in which nothing is markup."""
    for character in "\\*_|<[":
        text = text.replace(character, f"\\{character}")
    return text
