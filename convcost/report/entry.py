"""What the docstring of an operator or block says, in parts: definition, sections, source, year."""

from __future__ import annotations

import inspect
import re
from typing import Any

from convcost.ops import BLOCKS, OPERATORS, Block
from convcost.ops.base import Operator
from convcost.ops.kinds import Rank, kind_of, show
from convcost.record import Record

__all__ = ["FAMILIES", "Entry", "entries", "entry_of"]

FAMILIES = (
    "convolution",
    "factorised",
    "dilated",
    "channel",
    "equivariant",
    "graph",
    "linear",
    "residual",
    "attention",
    "pooling",
    "normalisation",
    "activation",
    "join",
    "movement",
)
SECTIONS = (
    "Shapes",
    "Fields",
    "Padding",
    "Parameters and MACs",
    "Parameters",
    "Buffers",
    "MACs",
    "Elementwise",
    "Constraints",
    "Relative cost",
    "Source",
    "Remark",
)
SECTION = re.compile(rf"(?:^|(?<=\. ))({'|'.join(SECTIONS)}): ")
YEAR = re.compile(r"(?<![:.\d])(?:19|20)\d\d(?![\d.])")


class Entry(Record):
    """An operator or block as the catalogue shows it. `body` are the paragraphs behind the first line,
    `takes` its fields: name, rule, and where the value comes from where none is given."""

    word: str
    family: str
    kind: str
    title: str
    body: tuple[str, ...]
    sections: dict[str, str]
    takes: tuple[tuple[str, str, str], ...]
    text: str

    @property
    def relative_cost(self) -> str:
        """MACs beside a standard convolution of the same channels, kernel and output, as arithmetic; or nothing."""
        return self.sections.get("Relative cost", "")

    @property
    def year(self) -> int | None:
        """The earliest year in the source."""
        years = [int(year) for year in YEAR.findall(self.sections.get("Source", ""))]
        return min(years, default=None)


def entries() -> list[Entry]:
    """The whole registry, family by family, operators before blocks."""
    order = {family: number for number, family in enumerate(FAMILIES)}
    registry: dict[str, type[Operator] | Block] = {**OPERATORS, **BLOCKS}
    found = [entry_of(word, entry) for word, entry in registry.items()]
    return sorted(found, key=lambda entry: (order.get(entry.family, len(order)), entry.kind == "block"))


def entry_of(word: str, entry: type[Operator] | Block) -> Entry:
    """The entry of an operator or block."""
    if isinstance(entry, Block):
        kind, doc, annotations, defaults = "block", entry.doc, entry.arguments, entry.defaults
    else:
        kind, doc = "operator", entry.__doc__ or ""
        annotations, defaults = entry.field_annotations, entry.field_defaults
    text = inspect.cleandoc(doc).rstrip()
    title, *paragraphs = text.split("\n\n")
    body = [paragraph for paragraph in paragraphs if not SECTION.match(paragraph)]
    parts = [paragraph for paragraph in paragraphs if SECTION.match(paragraph)]
    return Entry(
        word=word,
        family=entry.family,
        kind=kind,
        title=" ".join(title.split()),
        body=tuple(body),
        sections=_sections("\n".join(parts)),
        takes=tuple(field for name in annotations if (field := _field(name, annotations[name], defaults))),
        text=text,
    )


def _sections(text: str) -> dict[str, str]:
    """The sections of a docstring by name, each in one line; several may share a line."""
    found: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        pieces = SECTION.split(line)
        if pieces[0].strip():
            found[name] = f"{found[name]} {pieces[0].strip()}"
        for name, piece in zip(pieces[1::2], pieces[2::2], strict=True):
            found[name] = piece.strip()
    return found


def _field(name: str, annotation: Any, defaults: dict[str, Any]) -> tuple[str, str, str] | None:
    """A field's name, its rule, and where its value comes from where it is not given."""
    kind = kind_of(annotation)
    if isinstance(kind, Rank):
        return None
    if name not in defaults:
        given = "from the input; where it is stated, it must agree" if kind.derived else "required"
    else:
        given = "see above" if defaults[name] is None else f"default {show(defaults[name])}".replace('"', "")
    return name, kind.rule, given
