"""Receptive fields in the cells of tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from convcost.analysis.field_result import field_sizes, field_starts, field_strides
from convcost.analysis.receptive_field import AxisField, Field
from convcost.arith import looks_equal
from convcost.report.table import Cell, number

__all__ = [
    "AXIS_NAMES",
    "LEGEND",
    "axis_names",
    "axis_number",
    "field_and_local_cell",
    "field_cell",
    "local_cell",
    "path_cell",
    "per_axis",
    "place_text",
    "start_cell",
    "stride_cell",
]

AXIS_NAMES = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}
LEGEND = "elements of the input that an output element sees along each axis; * an operator reads all of it; <= a bound"
"""What the cells of a field's size mean."""


def axis_names(rank: int) -> tuple[str, ...]:
    """What the spatial axes of an input with so many are called."""
    return AXIS_NAMES.get(rank) or tuple(f"axis {number}" for number in range(1, rank + 1))


def axis_number(value: Any) -> str:
    """A number of elements, whole or a fraction; a symbol as text; `-` where there is none."""
    if value is None:
        return "-"
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, int):
        return number(value)
    from convcost.formulas.notation import plain_text

    return plain_text(value)


def place_text(value: Any) -> str:
    """A place or distance: with a decimal point where that is exact."""
    if isinstance(value, Fraction) and 1000 % value.denominator == 0:
        return f"{value.numerator / value.denominator:,.10g}"
    return axis_number(value)


def per_axis(values: Sequence[Any], between: str = "x", text: Callable[[Any], str] = axis_number) -> str:
    """A number for each axis; one where all are alike."""
    if all(value is None for value in values):
        return "-"
    alike = all(value is not None and looks_equal(value, values[0]) for value in values)
    texts = [text(value) for value in values]
    return texts[0] if alike else (between if all(map(_is_number, values)) else f" {between} ").join(texts)


def _is_number(value: Any) -> bool:
    return value is None or isinstance(value, (int, Fraction))


def field_cell(field: Field | None) -> Cell:
    """The size: `427`, `1x7`, `224*` where an operator reads all, `<= 99` where it is a bound."""
    if field is None:
        return Cell(value=None, text="-")
    sizes = field_sizes(field)
    whole = [axis.whole for axis in field.axes]
    if len(set(whole)) > 1:
        text = "x".join(f"{axis_number(size)}{'*' * all_}" for size, all_ in zip(sizes, whole, strict=True))
    else:
        text = per_axis(sizes) + "*" * whole[0]
    return Cell(value=listed(sizes), text=f"<= {text}" if field.at_most else text)


def field_and_local_cell(field: Field | None) -> Cell:
    """The size, and where it is all of the input, that through local operators alone in brackets: `224* (35)`."""
    cell = field_cell(field)
    if field is None or not field.is_global:
        return cell
    return cell.replace(text=f"{cell.text} ({local_cell(field).text})")


def listed(values: Sequence[Any]) -> list[Any] | None:
    """The numbers for machines: fractions and symbols as text, `-` where one is missing; None where all are."""
    if all(value is None for value in values):
        return None
    return [value if isinstance(value, int) else "-" if value is None else str(value) for value in values]


def _axes_cell(field: Field | None, values: Sequence[Any], between: str = "x") -> Cell:
    return Cell(value=None, text="-") if field is None else Cell(value=listed(values), text=per_axis(values, between))


def _axes(field: Field | None) -> tuple[AxisField, ...]:
    return () if field is None else field.axes


def stride_cell(field: Field | None) -> Cell:
    """How far apart neighbouring units look."""
    return _axes_cell(field, [] if field is None else field_strides(field))


def start_cell(field: Field | None, sign: int = 1) -> Cell:
    """Where unit 0 starts to see; with sign -1, the padding that it sees before the input."""
    starts = [] if field is None else field_starts(field)
    return _axes_cell(field, [None if start is None else sign * start for start in starts], ",")


def local_cell(field: Field | None) -> Cell:
    """The size through local operators alone."""
    return _axes_cell(field, [axis.local_size for axis in _axes(field)])


def path_cell(field: Field | None, which: str) -> Cell:
    """The size through the shortest or longest path."""
    return _axes_cell(field, [getattr(axis, which) for axis in _axes(field)])
