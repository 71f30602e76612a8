"""Reading YAML into values that know their line and column, within bounds that no file can break.

The text is read event by event and without recursion; tags, merge keys, duplicate keys, deep nesting, alias bombs and
large files are refused. Scalars are resolved as in YAML 1.2: only `true` and `false` are booleans, and the words that
YAML 1.1 read as booleans (`yes`, `on`, ...) are refused where they stand without quotes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import yaml

from convcost.errors import ConvcostError, Problem, SpecError
from convcost.frontends.expression import ExpressionError, number

__all__ = ["Located", "Mapping", "Scalar", "Sequence", "read_yaml", "scalar_value"]

LARGEST_FILE = 4 * 2**20
LARGEST_TREE = 200_000
DEEPEST = 40

INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)\Z")
DECIMAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,4})?\Z")
YAML_1_1_BOOLEANS = {"yes", "no", "on", "off", "y", "n"}


class Located:
    """A value of the file and where it stands (line and column count from 1)."""

    __slots__ = ("column", "line", "size")

    def __init__(self, line: int, column: int) -> None:
        self.line = line
        self.column = column
        self.size = 1


class Scalar(Located):
    """A string, number, boolean or null."""

    __slots__ = ("plain", "value")

    def __init__(self, line: int, column: int, value: Any, plain: bool) -> None:
        super().__init__(line, column)
        self.value = value
        self.plain = plain


class Sequence(Located):
    """A list."""

    __slots__ = ("items",)

    def __init__(self, line: int, column: int) -> None:
        super().__init__(line, column)
        self.items: list[Located] = []


class Mapping(Located):
    """A mapping with words as keys, in the order of the file; each entry is the key's place and the value."""

    __slots__ = ("entries",)

    def __init__(self, line: int, column: int) -> None:
        super().__init__(line, column)
        self.entries: dict[str, tuple[Scalar, Located]] = {}

    def get(self, name: str) -> Located | None:
        """The value of a key, or None."""
        return self.entries[name][1] if name in self.entries else None


class RefusedError(ConvcostError):
    def __init__(self, line: int, column: int, message: str) -> None:
        super().__init__(message)
        self.problem = Problem(line, column, message)


def read_yaml(path: str) -> tuple[Located, list[Problem]]:
    """The root value of a file, and the mistakes after which reading could go on.

    Raises:
        SpecError: the file cannot be read, is no YAML, or leaves the bounds.
    """
    text = _read_text(path)
    loader = getattr(yaml, "CParser", None)
    problems: list[Problem] = []
    try:
        parser = loader(text) if loader else yaml.SafeLoader(text)
        root = _compose(_events(parser), problems)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        hint = "; a layer with name, from or repeat needs a colon: `- relu:`" if "mapping values" in str(error) else ""
        raise SpecError(path, [Problem(*place, f"this is no YAML: {error.problem or error.context}{hint}")]) from None
    except yaml.YAMLError as error:
        raise SpecError(path, [Problem(1, 1, f"this is no YAML: {str(error).splitlines()[0]}")]) from None
    except RefusedError as refused:
        raise SpecError(path, [*problems, refused.problem]) from None
    return root, problems


def _read_text(path: str) -> str:
    def refuse(message: str) -> SpecError:
        return SpecError(path, [Problem(1, 1, message)])

    try:
        if not os.path.isfile(path):
            raise refuse("this is a folder, not a spec" if os.path.isdir(path) else "there is no such file")
        size = os.path.getsize(path)
        if size > LARGEST_FILE:
            raise refuse(f"the file has {size:,} bytes; a spec may have {LARGEST_FILE:,}")
        with open(path, "rb") as file:
            return file.read(LARGEST_FILE + 1).decode("utf-8-sig")
    except OSError as error:
        raise refuse(f"the file cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise refuse(f"the file is not UTF-8 (byte {error.start + 1}); save it as UTF-8") from None


def _events(parser: Any) -> Iterator[Any]:
    while parser.check_event():
        yield parser.get_event()


class _Composer:
    """Builds the tree of the one document; `size` of each value counts its parts, aliases written out."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        self.root: Located | None = None
        self.open: list[Sequence | Mapping] = []
        self.keys: list[Scalar | None] = []
        self.anchors: dict[str, Located] = {}

    def take(self, event: Any) -> None:
        """One event of the parser.

        Raises:
            RefusedError: the file leaves the bounds.
        """
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if isinstance(event, yaml.AliasEvent):
            value = self.anchors.get(event.anchor or "")
            if value is None or value in self.open:
                raise RefusedError(line, column, f"the alias *{event.anchor} names nothing that is complete above it")
            self.put(value, value.size, line, column)
        elif isinstance(event, yaml.NodeEvent):
            value = _value_of(event, line, column)
            if event.anchor:
                self.anchors[event.anchor] = value
            self.put(value, 1, line, column)
            if isinstance(value, (Sequence, Mapping)):
                if len(self.open) >= DEEPEST:
                    raise RefusedError(
                        line, column, f"nested {DEEPEST} levels deep; use blocks and names to flatten it"
                    )
                self.open.append(value)
                self.keys.append(None)
        elif isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
            self.open.pop()
            self.keys.pop()
        elif isinstance(event, yaml.DocumentStartEvent) and self.root is not None:
            raise RefusedError(line, column, "a second document starts here; a spec is one document")

    def put(self, value: Located, size: int, line: int, column: int) -> None:
        """Hang a value into the innermost open one."""
        for parent in self.open:
            parent.size += size
        if self.open and self.open[0].size > LARGEST_TREE:
            raise RefusedError(
                line, column, f"the file has more than {LARGEST_TREE:,} values, aliases written out; use repeat"
            )
        if not self.open:
            self.root = value
            return
        parent = self.open[-1]
        if isinstance(parent, Sequence):
            parent.items.append(value)
        elif (key := self.keys[-1]) is None:
            self.keys[-1] = _key(value, parent, self.problems)
        else:
            parent.entries.setdefault(key.value, (key, value))
            self.keys[-1] = None


def _compose(events: Iterator[Any], problems: list[Problem]) -> Located:
    composer = _Composer(problems)
    for event in events:
        composer.take(event)
    if composer.root is None:
        raise RefusedError(1, 1, "the file is empty; a spec has at least input and layers")
    return composer.root


def _value_of(event: Any, line: int, column: int) -> Located:
    if event.tag is not None and event.tag not in ("!", "tag:yaml.org,2002:str"):
        raise RefusedError(line, column, f"the tag {event.tag[:60]} is not allowed; a spec has plain values only")
    if isinstance(event, yaml.SequenceStartEvent):
        return Sequence(line, column)
    if isinstance(event, yaml.MappingStartEvent):
        return Mapping(line, column)
    plain = event.style is None or event.style == ""
    try:
        return Scalar(line, column, scalar_value(event.value) if plain else event.value, plain)
    except ExpressionError as error:
        raise RefusedError(line, column, str(error)) from None


def scalar_value(text: str) -> str | int | Fraction | bool | None:
    """A plain scalar: null, true, false, a number, or a string.

    Raises:
        ExpressionError: a number that is too large or too fine.
    """
    if text in ("", "~", "null"):
        return None
    if text in ("true", "false"):
        return text == "true"
    if INTEGER.match(text):
        return number(text) if len(text) > 15 else int(text)
    if DECIMAL.match(text) and not (text[:1].isdigit() and text[:1] == "0" and text[1:2].isdigit()):
        return number(text)
    return text


def _key(value: Located, parent: Mapping, problems: list[Problem]) -> Scalar:
    if not isinstance(value, Scalar):
        raise RefusedError(value.line, value.column, "a key must be a word, not a list or a mapping")
    key = Scalar(value.line, value.column, value.value if isinstance(value.value, str) else _as_word(value.value), True)
    if key.value == "<<":
        raise RefusedError(
            value.line, value.column, "merge keys (<<) are not allowed; define a block with arguments instead"
        )
    if value.plain and key.value.lower() in YAML_1_1_BOOLEANS:
        message = f'the key {key.value} is a boolean in YAML 1.1 and a word in 1.2; write "{key.value}" or another word'
        problems.append(Problem(value.line, value.column, message))
    if key.value in parent.entries:
        first = parent.entries[key.value][0].line
        message = f'the key "{key.value}" stands twice in one mapping, first on line {first}; keep one of them'
        problems.append(Problem(value.line, value.column, message))
    return key


def _as_word(value: Any) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
