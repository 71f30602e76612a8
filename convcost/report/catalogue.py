"""The catalogue of operators and blocks, as tables and as text."""

from __future__ import annotations

import inspect
from typing import Any

from convcost.ops import BLOCKS, OPERATORS, Block
from convcost.ops.base import Operator
from convcost.ops.kinds import Rank, kind_of, show
from convcost.report.table import Cell, Column, Table

__all__ = ["catalogue_table", "explanation", "first_line"]

FAMILIES = (
    "convolution",
    "linear",
    "residual",
    "attention",
    "pooling",
    "normalisation",
    "activation",
    "join",
    "movement",
)


def first_line(entry: type[Operator] | Block) -> str:
    """The one-line definition of an operator or block."""
    return _doc(entry).splitlines()[0]


def _doc(entry: type[Operator] | Block) -> str:
    return inspect.cleandoc(entry.doc if isinstance(entry, Block) else entry.__doc__ or "")


def catalogue_table() -> Table:
    """Every operator and block, by family."""
    entries: list[tuple[str, str, str, str]] = [
        (cls.family, "operator", word, first_line(cls)) for word, cls in OPERATORS.items()
    ]
    entries += [(block.family, "block", word, first_line(block)) for word, block in BLOCKS.items()]
    order = {family: number for number, family in enumerate(FAMILIES)}
    entries.sort(key=lambda entry: (order.get(entry[0], len(order)), entry[1] == "block"))
    titles = ("name", "family", "kind", "definition")
    return Table(
        columns=tuple(Column(key=title, title=title, right=False) for title in titles),
        rows=tuple(
            tuple(Cell(value=text, text=text) for text in (word, family, kind, line))
            for family, kind, word, line in entries
        ),
        notes=(f"{len(OPERATORS)} operators and {len(BLOCKS)} blocks; `convcost explain NAME` tells all of one.",),
    )


def explanation(word: str, entry: type[Operator] | Block) -> str:
    """What an operator or block is: its docstring, and its fields with their defaults."""
    if isinstance(entry, Block):
        kind, annotations, defaults = "block", entry.arguments, entry.defaults
    else:
        kind, annotations, defaults = "operator", entry.field_annotations, entry.field_defaults
    lines = [f"{word} ({entry.family} {kind})", "", _doc(entry).rstrip(), ""]
    fields = [_field_line(name, annotation, defaults) for name, annotation in annotations.items()]
    known = [line for line in fields if line]
    lines += ["Fields:", *known] if known else ["Fields: none."]
    return "\n".join(lines)


def _field_line(name: str, annotation: Any, defaults: dict[str, Any]) -> str:
    kind = kind_of(annotation)
    if isinstance(kind, Rank):
        return ""
    if name not in defaults:
        given = "from the input; where it is stated, it must agree" if kind.derived else "required"
    else:
        given = "see above" if defaults[name] is None else f"default {show(defaults[name])}".replace('"', "")
    return f"    {name}: {kind.rule} ({given})"
