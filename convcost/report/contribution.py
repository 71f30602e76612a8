"""Contributions drawn for a terminal: along each axis how many paths come from where, and how wide that is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import sqrt
from typing import Any

from convcost.analysis.contribution import Contribution
from convcost.report.field_text import axis_names
from convcost.report.table import number
from convcost.report.terminal import BLOCKS_UP, PAGE, Screen, wrapped

__all__ = ["contribution_dict", "contribution_text", "shortened"]

LINES = 8
"""The height of a drawing."""
INDENT = "  "
WIDEST = 6
"""A cell is drawn at most so many characters wide."""
MEANING = (
    "A path leads from a cell of the input through one tap of each layer to the unit; channels are not told apart. With"
    " weights alike, a cell counts by its paths."
)


def shortened(value: int) -> str:
    """A number, beyond a million to three digits: `4.41 x 10^18`."""
    if value < 10**6:
        return number(value)
    exponent = len(str(value)) - 1
    digits = round(Fraction(value, 10 ** (exponent - 2)))
    if digits == 1000:
        digits, exponent = 100, exponent + 1
    return f"{digits // 100}.{digits % 100:02} x 10^{exponent}"


def contribution_text(
    found: Contribution, layer: str, unit: Sequence[int], input_sizes: Sequence[int], screen: Screen
) -> str:
    """The contributions to a unit of a layer: in total, and along each axis of an input of these sizes; axes that are
    alike are drawn once."""
    width = screen.width or PAGE
    place = f"unit {','.join(map(str, unit))} of {layer}" if unit else f"every unit of {layer}"
    if not found.total:
        return wrapped(f"Contributions to {place}: no path leads there from the input", width)
    bound = "at most " if found.at_most else ""
    count = "1 path" if found.total == 1 else f"{bound}{shortened(found.total)} paths"
    cells = "1 cell" if found.count == 1 else f"{shortened(found.count)} cells"
    each = "" if found.count == 1 else f", {_each(found)}"
    blocks = [
        [f"Contributions to {place}: {count} from {cells} of the input{each}"],
        *(_axis(found, names, axis, input_sizes[axis], width, screen) for names, axis in _different(found)),
        [MEANING],
    ]
    return "\n\n".join("\n".join(wrapped(line, width) for line in lines) for lines in blocks)


def _each(found: Contribution) -> str:
    if found.is_equal:
        return f"{shortened(found.largest)} from each: all contribute equally"
    return f"{shortened(found.smallest)} to {shortened(found.largest)} from each: they do not contribute equally"


def _different(found: Contribution) -> Iterator[tuple[str, int]]:
    """The axes along which contributions differ, each with the names of all that are like it."""
    names = axis_names(len(found.sizes))
    known = [(start, found.profile(axis)) for axis, start in enumerate(found.starts)]
    for axis, own in enumerate(known):
        if own not in known[:axis]:
            yield " and ".join(name for name, other in zip(names, known, strict=True) if other == own), axis


def _axis(found: Contribution, names: str, axis: int, image: int, width: int, screen: Screen) -> list[str]:
    start, size, profile = found.starts[axis], found.sizes[axis], found.profile(axis)
    stop = start + size
    facts = (
        f"{names}: cells {number(start)} to {number(stop - 1)}, standard deviation {found.deviation(axis):.4g}"
        f" ({sqrt((size * size - 1) / 12):.4g} if every cell between counted alike),"
        f" {share_text(found.middle_half(axis))} of the paths from the middle half"
    )
    columns = width - len(INDENT)
    if start < 0 or stop > image:
        outside = f"{'·' if screen.unicode else '.'} outside of the input, whose cells are 0 to {number(image - 1)}"
    else:
        outside = ""
    written = [number(count) for count in profile]
    across = max(map(len, written)) + 1
    if across * size <= columns:
        bars = _bars(profile, across, screen)
        return [facts, *bars, _ground(start, 1, size, across, image, screen), _cells(written, across), *_note(outside)]
    merged = -(-size // columns)
    means = [Fraction(sum(part), len(part)) for part in _parts(profile, merged)]
    across = min(WIDEST, columns // len(means))
    ends = f"{number(start):<{len(means) * across - len(number(stop - 1))}}{number(stop - 1)}"
    scale = f"a column is the mean of {merged} cells" if merged > 1 else ""
    bars = _bars(means, across, screen)
    ground = _ground(start, merged, len(means), across, image, screen)
    return [facts, *bars, ground, INDENT + ends, *_note("; ".join(filter(None, (scale, outside))))]


def share_text(share: Fraction) -> str:
    """A share in percent; what is not all does not read 100.0%."""
    return "99.9%" if Fraction(999, 1000) < share < 1 else f"{float(share):.1%}"


def _note(text: str) -> list[str]:
    return [f"{INDENT}({text})"] if text else []


def _parts(profile: list[int], merged: int) -> list[list[int]]:
    return [profile[place : place + merged] for place in range(0, len(profile), merged)]


def _cells(written: Sequence[str], across: int) -> str:
    return (INDENT + "".join(text.rjust(across) for text in written)).rstrip()


def _bars(values: Sequence[int] | Sequence[Fraction], across: int, screen: Screen) -> list[str]:
    """Bars upwards, the highest of all lines; what is above 0 is seen, however small."""
    top = max(values)
    eighths = [max(round(8 * LINES * Fraction(value, top)), 1 if value else 0) for value in values]
    gap = across > 1
    lines = []
    for line in reversed(range(LINES)):
        marks = (_mark(min(max(height - 8 * line, 0), 8), screen.unicode) for height in eighths)
        lines.append((INDENT + "".join(" " * gap + mark * (across - gap) for mark in marks)).rstrip())
    return lines


def _mark(eighths: int, unicode: bool) -> str:
    if unicode:
        return BLOCKS_UP[eighths]
    return " " if not eighths else "#" if eighths > 4 else "."


def _ground(start: int, merged: int, columns: int, across: int, image: int, screen: Screen) -> str:
    """The line below the bars: drawn through where the input is."""
    line, outside = ("─", "·") if screen.unicode else ("-", ".")
    inside = (0 <= start + column * merged + (merged - 1) // 2 < image for column in range(columns))
    return INDENT + "".join((line if there else outside) * across for there in inside)


def contribution_dict(found: Contribution) -> dict[str, Any]:
    """The contributions as plain values; numbers of paths are whole."""
    axes = range(len(found.sizes))
    return {
        "total": found.total,
        "cells": found.count,
        "equal": found.is_equal,
        "at_most": found.at_most,
        "smallest": found.smallest,
        "largest": found.largest,
        "axes": [
            {
                "start": found.starts[axis],
                "size": found.sizes[axis],
                "standard_deviation": round(found.deviation(axis), 6),
                "middle_half": round(float(found.middle_half(axis)), 6),
                "profile": found.profile(axis),
            }
            for axis in axes
        ],
    }
