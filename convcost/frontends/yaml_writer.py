"""Writing YAML: mappings, lists and scalars in flow style, in lines of at most 120 characters where they can be cut.

What is written reads the same under YAML 1.1 and 1.2: words that one of them takes for something else are quoted.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from convcost.errors import ConvcostError
from convcost.frontends.expression import BITS, YAML_1_1_BOOLEANS

__all__ = ["WIDTH", "flow", "pieces", "values_in", "written_text"]

WIDTH = 120
WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*\Z")
PLAIN_TEXT = re.compile(r"[^\W\d_](?:[\w .,;()/+'&-]|:(?=\w))*\Z")
NO_STRINGS = {"true", "false", "null", "y", "n", *YAML_1_1_BOOLEANS}
LONGEST_DECIMAL = 40


def scalar(value: Any) -> str:
    """A scalar as it stands in a flow mapping or list.

    Raises:
        ConvcostError: a fraction that no expression of a spec can hold.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Fraction):
        return _fraction(value)
    if isinstance(value, int):
        return str(value)
    assert isinstance(value, str), value
    return value if WORD.match(value) and value.lower() not in NO_STRINGS else quoted(value)


def quoted(text: str) -> str:
    """Printable text in quotes, by whichever need no more than doubling."""
    return "'" + text.replace("'", "''") + "'" if '"' in text or "\\" in text else f'"{text}"'


def _fraction(value: Fraction) -> str:
    """A decimal where it is exact and short, else a quotient, which a spec reads as an expression."""
    bits = max(value.numerator.bit_length(), value.denominator.bit_length())
    if bits > BITS:
        raise ConvcostError(f"a fraction of {bits} bits is too fine for a spec, which holds numbers below 2^{BITS}")
    for places in range(1, LONGEST_DECIMAL):
        scaled = abs(value) * 10**places
        if scaled.denominator == 1:
            digits = f"{scaled.numerator:0{places + 1}d}"
            decimal = f"{'-' if value < 0 else ''}{digits[:-places]}.{digits[-places:]}"
            if len(decimal) <= LONGEST_DECIMAL:
                return decimal
    return f"{value.numerator}/{value.denominator}"


def pieces(value: Any) -> list[str]:
    """A value in flow style, cut wherever a line may end."""
    if isinstance(value, dict):
        parts = [_behind(f"{scalar(key)}: ", pieces(item)) for key, item in value.items()]
        return _enclosed("{", parts, "}")
    if isinstance(value, (list, tuple)):
        return _enclosed("[", [pieces(item) for item in value], "]")
    return [scalar(value)]


def _behind(start: str, parts: list[str]) -> list[str]:
    return [start + parts[0], *parts[1:]]


def _enclosed(start: str, items: list[list[str]], end: str) -> list[str]:
    if not items:
        return [start + end]
    found = [piece for item in items[:-1] for piece in (*item[:-1], f"{item[-1]},")] + items[-1]
    found[0] = start + found[0]
    found[-1] += end
    return found


def flow(start: str, value: Any, indent: int) -> list[str]:
    """`start` and the value in flow style; lines behind the first are indented so far."""
    first, *others = pieces(value)
    lines = [start + first]
    for piece in others:
        if len(lines[-1]) + 1 + len(piece) <= WIDTH:
            lines[-1] += f" {piece}"
        else:
            lines.append(" " * indent + piece)
    return lines


def written_text(start: str, text: str) -> list[str]:
    """`start` and a text, whose words have single blanks between; folded at blanks where it is long."""
    is_plain = PLAIN_TEXT.match(text) and text.lower() not in NO_STRINGS
    line = start + (text if is_plain else quoted(text))
    if len(line) <= WIDTH:
        return [line]
    folded = start + quoted(text)
    return textwrap.wrap(folded, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def values_in(value: Any) -> int:
    """How many values a reader finds: scalars, keys, and what holds them."""
    waiting: list[Any] = [value]
    count = 0
    while waiting:
        found = waiting.pop()
        count += 1
        if isinstance(found, dict):
            count += len(found)
            waiting.extend(found.values())
        elif isinstance(found, Sequence) and not isinstance(found, str):
            waiting.extend(found)
    return count
