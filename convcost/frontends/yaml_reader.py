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
from convcost.frontends.expression import YAML_1_1_BOOLEANS, ExpressionError, number, quote

__all__ = ["YAML_1_1_BOOLEANS", "Located", "Mapping", "Scalar", "Sequence", "read_yaml", "scalar_value"]

LARGEST_FILE = 4 * 2**20
LARGEST_TREE = 200_000
DEEPEST = 40
LARGEST_REREAD = 64 * 2**10
"""Characters: a file that is no YAML is read again by the slower parser, whose messages say more, up to this size."""

INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)\Z")
DECIMAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,4})?\Z")
NOT_ALLOWED = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")


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
    problems: list[Problem] = []
    try:
        _check_characters(text)
        root = _compose(text, problems)
    except yaml.YAMLError as error:
        raise SpecError(path, [*problems, _problem_of(error)]) from None
    except RefusedError as refused:
        raise SpecError(path, [*problems, refused.problem]) from None
    return root, problems


def _problem_of(error: yaml.YAMLError) -> Problem:
    if not isinstance(error, yaml.MarkedYAMLError):
        return Problem(1, 1, f"this is no YAML: {str(error).splitlines()[0]}")
    mark = error.problem_mark or error.context_mark
    place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    hint = "; a layer with name, from or repeat needs a colon: `- relu:`" if "mapping values" in str(error) else ""
    return Problem(*place, f"this is no YAML: {error.problem or error.context}{hint}")


def _check_characters(text: str) -> None:
    found = NOT_ALLOWED.search(text)
    if found:
        line, start = 1, 0
        for end in LINE_BREAK.finditer(text, 0, found.start()):
            line, start = line + 1, end.end()
        message = f"this is no YAML: the character U+{ord(found[0]):04X} is not allowed; remove it"
        raise RefusedError(line, found.start() - start + 1, message)


def _read_text(path: str) -> str:
    def refuse(message: str) -> SpecError:
        return SpecError(path, [Problem(1, 1, message)])

    try:
        if os.path.isdir(path):
            raise refuse("this is a folder, not a spec")
        if not os.path.isfile(path):
            there = os.path.exists(path)
            raise refuse("this is no regular file; a spec is one" if there else "there is no such file")
        size = os.path.getsize(path)
        if size > LARGEST_FILE:
            raise refuse(f"the file has {size:,} bytes; a spec may have {LARGEST_FILE:,}")
        with open(path, "rb") as file:
            return file.read(LARGEST_FILE + 1).decode("utf-8-sig")
    except OSError as error:
        raise refuse(f"the file cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise refuse(f"the file is not UTF-8 (byte {error.start + 1}); save it as UTF-8") from None


def _events(text: str) -> Iterator[Any]:
    """What the parser finds, by libyaml where it is there, which takes less than a tenth of the time.

    Raises:
        YAMLError: the text is no YAML.
    """
    fast = getattr(yaml, "CSafeLoader", None)
    try:
        yield from _parsed(fast or yaml.SafeLoader, text)
    except yaml.YAMLError:
        if fast and len(text) <= LARGEST_REREAD:
            for _ in _parsed(yaml.SafeLoader, text):
                pass
        raise


def _parsed(loader: Any, text: str) -> Iterator[Any]:
    parser = loader(text)
    while parser.check_event():
        yield parser.get_event()


class _Composer:
    """Builds the tree of the one document; `size` of each value counts its parts, aliases written out."""

    def __init__(self, text: str, problems: list[Problem]) -> None:
        self.text = text
        self.problems = problems
        self.root: Located | None = None
        self.open: list[Sequence | Mapping] = []
        self.keys: list[Scalar | None] = []
        self.starts: list[int] = []
        self.total = 0
        self.anchors: dict[str, Located] = {}

    def take(self, event: Any) -> None:
        """One event of the parser.

        Raises:
            RefusedError: the file leaves the bounds.
        """
        start: Any = event.start_mark
        end: Any = event.end_mark
        line, column = start.line + 1, start.column + 1
        if isinstance(event, yaml.AliasEvent):
            anchor = event.anchor or ""
            value = self.anchors.get(anchor)
            if value is None or value in self.open:
                raise RefusedError(line, column, f"the alias *{anchor[:60]} names nothing that is complete above it")
            self.put(value, value.size, line, column)
        elif isinstance(event, yaml.NodeEvent):
            if isinstance(event, yaml.ScalarEvent) and start.index == end.index:
                column -= self.blanks_before(start.index, column)
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
                self.starts.append(self.total - 1)
        elif isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
            self.open.pop().size = self.total - self.starts.pop()
            self.keys.pop()
        elif isinstance(event, yaml.DocumentStartEvent) and self.root is not None:
            raise RefusedError(line, column, "a second document starts here; a spec is one document")

    def blanks_before(self, index: int, column: int) -> int:
        """How many blanks part an empty value from what it follows: some parsers place it behind them."""
        blanks = 0
        while blanks < column - 1 and self.text[index - 1 - blanks] in " \t":
            blanks += 1
        return blanks if blanks < column - 1 else 0

    def put(self, value: Located, size: int, line: int, column: int) -> None:
        """Hang a value into the innermost open one."""
        self.total += size
        if self.total > LARGEST_TREE:
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
            if not _was_boolean(key):  # reported; what it means is not known
                parent.entries.setdefault(key.value, (key, value))
            self.keys[-1] = None


def _compose(text: str, problems: list[Problem]) -> Located:
    composer = _Composer(text, problems)
    for event in _events(text):
        composer.take(event)
    if composer.root is None:
        raise RefusedError(1, 1, "the file is empty; a spec has at least input and layers")
    return composer.root


def _value_of(event: Any, line: int, column: int) -> Located:
    if event.tag not in (None, "!", "tag:yaml.org,2002:str"):
        raise RefusedError(line, column, f"the tag {event.tag[:60]} is not allowed; a spec has plain values only")
    if isinstance(event, yaml.SequenceStartEvent):
        return Sequence(line, column)
    if isinstance(event, yaml.MappingStartEvent):
        return Mapping(line, column)
    plain = event.tag is None and (event.style is None or event.style == "")
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
    word = value.value if isinstance(value.value, str) else _as_word(value.value)
    key = Scalar(value.line, value.column, word, value.plain)
    if key.value == "<<":
        raise RefusedError(
            value.line, value.column, "merge keys (<<) are not allowed; define a block with arguments instead"
        )
    if _was_boolean(key):
        message = f'the key {key.value} is a boolean in YAML 1.1 and a word in 1.2; write "{key.value}" or another word'
        problems.append(Problem(value.line, value.column, message))
    if key.value in parent.entries:
        first = parent.entries[key.value][0].line
        message = f"the key {quote(key.value)} stands twice in one mapping, first on line {first}; keep one of them"
        problems.append(Problem(value.line, value.column, message))
    return key


def _was_boolean(key: Scalar) -> bool:
    """Whether this word was a boolean in YAML 1.1."""
    return key.plain and key.value.lower() in YAML_1_1_BOOLEANS


def _as_word(value: Any) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
