"""The language of rules: `conv3x3[stride=1, in_channels>=64]=ghost(ratio=2)`, several of them joined by `;`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection
from fractions import Fraction
from typing import Any

from convcost.errors import ConvcostError, nearest_hint
from convcost.ops import BLOCKS, OPERATORS
from convcost.record import Record
from convcost.rewrite.targets import ALIASES, check_argument

__all__ = ["Condition", "Pattern", "Rule", "parse_rules"]

CONV = re.compile(r"conv(\d{1,9}(?:x\d{1,9}){0,2})?\Z")
WORD = re.compile(r"\s*([A-Za-z_]\w*)\s*")
COMPARISON = re.compile(r"\s*([A-Za-z_]\w*)\s*(>=|<=|!=|=|>|<|~)\s*(.+?)\s*\Z", re.DOTALL)
NUMBER = re.compile(r"-?(\d{1,20}(\.\d{0,20}|/[1-9]\d{0,19})?|\.\d{1,20})\Z")
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


class Condition(Record):
    """What narrows a pattern: `in_channels>=64`, or `name~stage2.*` (a regular expression for the whole name)."""

    field: str
    sign: str
    value: Any

    def holds(self, found: Any) -> bool:
        """Whether a layer's value meets it; of values an axis, whether all do."""
        if self.sign == "~":
            return re.fullmatch(self.value, str(found)) is not None
        if isinstance(found, tuple) and not isinstance(self.value, tuple):
            return all(self.holds(item) for item in found)
        if type(found) is not type(self.value) and not (_is_number(found) and _is_number(self.value)):
            return self.sign == "!="
        return bool(COMPARE[self.sign](found, self.value))


class Pattern(Record):
    """Which layers a rule speaks of: an operator or block, for convolutions a kernel, and conditions."""

    word: str
    kernel: tuple[int, ...] | None = None
    conditions: tuple[Condition, ...] = ()
    text: str = ""


class Rule(Record):
    """A pattern, and what takes its place, with the fields that are given."""

    pattern: Pattern
    word: str
    given: dict[str, Any]
    text: str


def parse_rules(text: str, blocks: Collection[str] = ()) -> tuple[Rule, ...]:
    """The rules of a text, in order. `blocks` are names that patterns may have beside those of the catalogue: blocks
    that a network's own spec defines.

    Raises:
        ConvcostError: one cannot be read.
    """
    rules = tuple(_rule(part.strip(), blocks) for part in _split(text, ";") if part.strip())
    if not rules:
        raise ConvcostError("a rule is empty; it must be PATTERN=REPLACEMENT, such as conv3x3=dsconv")
    return rules


def _rule(text: str, blocks: Collection[str]) -> Rule:
    parts = _split(text, "=")
    if len(parts) < 2 or not parts[0].strip() or not parts[1].strip():
        raise ConvcostError(f'rule "{text}": it must be PATTERN=REPLACEMENT, such as conv3x3=dsconv')
    left, right = parts[0].strip(), "=".join(parts[1:]).strip()
    try:
        word, fields = _replacement(right)
        return Rule(pattern=_pattern(left, blocks), word=word, given=fields, text=text)
    except ConvcostError as error:
        raise ConvcostError(f'rule "{text}": {error}') from None


def _split(text: str, separator: str) -> list[str]:
    """The parts of a text between separators that stand in no bracket."""
    parts: list[str] = []
    depth, current = 0, ""
    for character in text:
        depth += (character in "([") - (character in ")]")
        if character == separator and depth == 0:
            parts.append(current)
            current = ""
        else:
            current += character
    return [*parts, current]


def _head(text: str, opening: str, closing: str) -> tuple[str, str]:
    """The word before a bracket, and what stands in it."""
    match = WORD.match(text)
    if match is None:
        raise ConvcostError(f'"{text}" must start with the name of an operator or block')
    rest = text[match.end() :]
    if not rest:
        return match[1], ""
    if not (rest.startswith(opening) and rest.endswith(closing)):
        raise ConvcostError(f'behind "{match[1]}" stands "{rest}"; it must be {opening}...{closing} or nothing')
    return match[1], rest[1:-1]


def _pattern(text: str, blocks: Collection[str]) -> Pattern:
    word, inside = _head(text, "[", "]")
    match = CONV.match(word)
    kernel = tuple(map(int, match[1].split("x"))) if match and match[1] else None
    if match:
        word = "conv"
    elif word not in OPERATORS and word not in BLOCKS and word not in blocks:
        hint = nearest_hint(word, [*OPERATORS, *BLOCKS, *blocks, "conv3x3", "conv1x1"])
        raise ConvcostError(f'unknown pattern "{word}"; it must be conv, conv3x3, an operator or a block{hint}')
    conditions = tuple(_condition(part) for part in _split(inside, ",") if part.strip())
    return Pattern(word=word, kernel=kernel, conditions=conditions, text=text)


def _condition(text: str) -> Condition:
    match = COMPARISON.match(text)
    if match is None:
        rule = "it must be FIELD, one of = != >= <= > < ~, and a value, such as in_channels>=64"
        raise ConvcostError(f'the condition "{text.strip()}" cannot be read; {rule}')
    field, sign, value = match.groups()
    if sign == "~":
        try:
            re.compile(value)
        except re.error as error:
            raise ConvcostError(f'"{value}" is no regular expression: {error}') from None
        return Condition(field=field, sign=sign, value=value)
    return Condition(field=field, sign=sign, value=_value(value))


def _replacement(text: str) -> tuple[str, dict[str, Any]]:
    word, inside = _head(text, "(", ")")
    if word not in ALIASES and word not in OPERATORS and word not in BLOCKS:
        hint = nearest_hint(word, [*OPERATORS, *BLOCKS, *ALIASES])
        raise ConvcostError(f'unknown replacement "{word}"; `convcost ops` lists operators and blocks{hint}')
    fields: dict[str, Any] = {}
    for part in filter(str.strip, _split(inside, ",")):
        name, sign, value = part.partition("=")
        if not sign or not name.strip().isidentifier() or not value.strip():
            raise ConvcostError(f'"{part.strip()}" is no argument; it must be FIELD=VALUE, such as groups=4')
        if name.strip() in fields:
            raise ConvcostError(f"the argument {name.strip()} is given twice")
        fields[name.strip()] = _value(value.strip())
        check_argument(word, name.strip(), fields[name.strip()])
    return word, fields


def _value(text: str) -> Any:
    """A number, exactly; true or false; a list in brackets, or 3x3; a word."""
    if text in ("true", "false"):
        return text == "true"
    if text.startswith("[") and text.endswith("]"):
        return tuple(_value(part.strip()) for part in _split(text[1:-1], ","))
    if re.fullmatch(r"\d{1,20}(x\d{1,20})+", text):
        return tuple(map(int, text.split("x")))
    if not NUMBER.match(text):
        return text
    value = Fraction(text)
    return int(value) if value.denominator == 1 else value


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, Fraction)) and not isinstance(value, bool)
