"""Everything that convcost raises on purpose, and how a mistake is worded.

A message says the place, what was found, the rule, and the nearest known word:
`net.yaml:14:7: conv "stem": groups (=3) must divide in_channels (=64)`.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

__all__ = [
    "ConvcostError",
    "FieldError",
    "GraphError",
    "LimitError",
    "Problem",
    "SpecError",
    "nearest",
    "nearest_hint",
    "printable",
]


class ConvcostError(Exception):
    """The base of every error that a user can cause."""


class FieldError(ConvcostError):
    """A field of an operator or block has an unusable value, or is unknown or missing.

    `field` is its name, where the mistake lies in one field.
    """

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class GraphError(ConvcostError):
    """An operator cannot stand on its inputs, or a graph is not well formed."""


class LimitError(GraphError):
    """A network has more nodes than its builder allows."""


MOST_CANDIDATES = 300
MOST_PROBLEMS = 100
"""So many mistakes of a file are reported; who has more will not read them."""


def printable(text: str) -> str:
    """The text with every character that could speak to a terminal written as its escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class Problem:
    """One mistake and its place in a file (line and column count from 1)."""

    __slots__ = ("column", "line", "message")

    def __init__(self, line: int, column: int, message: str) -> None:
        self.line = line
        self.column = column
        self.message = printable(message)


class SpecError(ConvcostError):
    """Every mistake found in one spec, in the order of the file.

    `str()` gives one line a mistake: `file:line:column: message`; of very many mistakes, the first hundred.
    """

    def __init__(self, path: str, problems: Iterable[Problem], more: bool = False) -> None:
        self.path = path
        unique = {(p.line, p.column, p.message): p for p in problems}
        found = tuple(unique[key] for key in sorted(unique))
        self.problems = found[:MOST_PROBLEMS]
        lines = [f"{printable(path)}:{p.line}:{p.column}: {p.message}" for p in self.problems]
        if more or len(found) > MOST_PROBLEMS:
            lines.append("... and more; mend these first")
        super().__init__("\n".join(lines))


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is most like this one, or None where none is near."""
    import difflib

    candidates = list(known)
    if len(candidates) > MOST_CANDIDATES:  # so that no file takes long
        similar = (candidate for candidate in candidates if abs(len(candidate) - len(word)) <= 2)
        candidates = list(islice(similar, MOST_CANDIDATES))
    words = {candidate.lower(): candidate for candidate in candidates}
    found = difflib.get_close_matches(word.lower(), words, n=1, cutoff=0.6)
    return words[found[0]] if found else None


def nearest_hint(word: str, known: Iterable[str]) -> str:
    """The end of a message on an unknown word: `; did you mean "conv"?`, or nothing."""
    found = nearest(word, known)
    return f'; did you mean "{found}"?' if found else ""
