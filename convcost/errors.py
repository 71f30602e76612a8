"""Everything that convcost raises on purpose, and how a mistake is worded.

A message says the place, what was found, the rule, and the nearest known word:
`net.yaml:14:7: conv "stem": groups (=3) must divide in_channels (=64)`.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["ConvcostError", "FieldError", "GraphError", "LimitError", "Problem", "SpecError", "nearest", "nearest_hint"]


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


class Problem:
    """One mistake and its place in a file (line and column count from 1)."""

    __slots__ = ("column", "line", "message")

    def __init__(self, line: int, column: int, message: str) -> None:
        self.line = line
        self.column = column
        self.message = message


class SpecError(ConvcostError):
    """Every mistake found in one spec, in the order of the file.

    `str()` gives one line a mistake: `file:line:column: message`.
    """

    def __init__(self, path: str, problems: Iterable[Problem]) -> None:
        self.path = path
        unique = {(p.line, p.column, p.message): p for p in problems}
        self.problems = tuple(unique[key] for key in sorted(unique))
        super().__init__("\n".join(f"{path}:{p.line}:{p.column}: {p.message}" for p in self.problems))


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is most like this one, or None where none is near."""
    import difflib

    words = {candidate.lower(): candidate for candidate in known}
    found = difflib.get_close_matches(word.lower(), words, n=1, cutoff=0.6)
    return words[found[0]] if found else None


def nearest_hint(word: str, known: Iterable[str]) -> str:
    """The end of a message on an unknown word: `; did you mean "conv"?`, or nothing."""
    found = nearest(word, known)
    return f'; did you mean "{found}"?' if found else ""
