"""What an output element reads: the language in which operators say where their inputs come from.

For each input an operator gives one or more products; a product has an `AxisRead` for each axis of that input, and an
output element reads every input element that lies in all of them. Receptive fields, touched cells, paths and tiles are
all walks over these.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from functools import lru_cache
from math import ceil, floor, gcd
from typing import TYPE_CHECKING

from convcost.arith import Shape, Size, ceil_div, floor_div, is_int, largest, looks_equal
from convcost.ops.window import extent
from convcost.record import Record

__all__ = ["AxisRead", "Taps", "at_most_whole", "one", "same", "same_shape", "whole", "window"]

if TYPE_CHECKING:
    from typing import TypeAlias

    Product: TypeAlias = tuple["AxisRead", ...]
    """An entry for each axis of an input."""
    Reads: TypeAlias = tuple[tuple[Product, ...], ...]
    """For each input the products that are read of it."""
else:
    Product = Reads = tuple


class Taps(Record):
    """Neighbouring positions: first, first + rate, ... up to last."""

    first: Size = 0
    last: Size = 0
    rate: Size = 1


CENTRE = Taps()
MOST_SPELT = 2**18
"""Reads with more entries than this, over all products, are bounded instead."""


def few(*counts: Size) -> bool:
    """Whether so many times so many entries can be spelt out."""
    total = 1
    for count in counts:
        if not is_int(count):
            return False
        total *= count
    return total <= MOST_SPELT


class AxisRead(Record):
    """What is read of one axis of an input: output q period + r of `axis` reads q step + taps[r].

    `axis` is an axis of the output, or None where the whole axis of the input is read. `taps` has an entry for each
    phase r, None where nothing is read, or one entry for all. `at_most`: no more than this is read. `scattered`: the
    output as a whole reads all of it, and each element a part that is not said. `partial`: some positions read nothing
    of the input. `border` says what stands outside the input: zeros, or its own elements (reflect, replicate,
    circular).
    """

    axis: int | None = None
    period: Size = 1
    step: Size = 1
    taps: tuple[Taps | None, ...] = (CENTRE,)
    at_most: bool = False
    scattered: bool = False
    partial: bool = False
    border: str = "constant"


@lru_cache(256)
def same(axis: int) -> AxisRead:
    """The element at the same place of output axis `axis`."""
    return AxisRead(axis=axis)


@lru_cache(64)
def same_axes(rank: int) -> tuple[Product, ...]:
    """The element at the same place, of so many axes."""
    return (tuple(same(axis) for axis in range(rank)),)


def same_shape(inputs: tuple[Shape, ...]) -> Reads:
    """Each output element reads the input element at its own place."""
    return tuple(same_axes(len(shape)) for shape in inputs)


WHOLE = AxisRead()
AT_MOST_WHOLE = AxisRead(at_most=True)
IN_GROUPS = AxisRead(scattered=True, at_most=True)
"""All elements together read all of the axis, and each at most all of it."""


def whole() -> AxisRead:
    """All of the axis."""
    return WHOLE


def at_most_whole() -> AxisRead:
    """An unknown part of the axis."""
    return AT_MOST_WHOLE


def one(axis: int, offset: Size = 0, partial: bool = False) -> AxisRead:
    """The element `offset` further than the output's own place."""
    return AxisRead(axis=axis, taps=(Taps(first=offset, last=offset),), partial=partial)


def stretched(axis: int) -> AxisRead:
    """The one element of an axis of size 1, which every output reads."""
    return AxisRead(axis=axis, step=0)


def window(axis: int, kernel: Size, stride: Size, padding: Size, dilation: Size) -> AxisRead:
    """A window of `kernel` taps, `dilation` apart, that starts `padding` before `stride` times the output's place."""
    if kernel == 1 and padding == 0 and stride == 1:
        return same(axis)
    taps = Taps(first=-padding, last=extent(kernel, dilation) - 1 - padding, rate=dilation)
    return AxisRead(axis=axis, step=stride, taps=(taps,))


def windows(first: int, kernel: Shape, stride: Shape, padding: Shape, dilation: Shape) -> Product:
    """A window along each output axis from `first`."""
    axes = zip(kernel, stride, padding, dilation, strict=True)
    return tuple(window(first + number, *axis) for number, axis in enumerate(axes))


def front_of_same(size: Size, kernel: Size, stride: Size, dilation: Size) -> Size:
    """The padding in front under `same`: half of what is lacking for ceil(size / stride) windows, rounded down."""
    span = extent(kernel, dilation)
    if looks_equal(stride, 1):
        return floor_div(span - 1, 2)
    lacking = (ceil_div(size, stride) - 1) * stride + span - size
    concrete = is_int(span) and is_int(stride)
    return floor_div(lacking if concrete and span >= stride else largest([lacking, 0]), 2)


def grouped(axis: int, in_channels: Size, out_channels: Size, groups: Size) -> AxisRead:
    """The input channels of the group that an output channel belongs to."""
    if looks_equal(groups, 1):
        return WHOLE
    if not (is_int(in_channels) and is_int(out_channels) and is_int(groups)):
        return IN_GROUPS.replace(axis=axis)
    wide, many = in_channels // groups, out_channels // groups
    if wide == many == 1:
        return same(axis)
    return AxisRead(axis=axis, period=many, step=wide, taps=(Taps(last=wide - 1),))


def transposed(axis: int, kernel: Size, stride: Size, padding: Size, dilation: Size) -> AxisRead:
    """The inputs whose spread window meets the output: of the taps those that stride divides, by the output's phase.

    On symbols, at most as many as fit: ceil(extent / stride).
    """
    if looks_equal(stride, 1):
        span = extent(kernel, dilation) - 1
        return AxisRead(axis=axis, taps=(Taps(first=padding - span, last=padding, rate=dilation),))
    if not (few(kernel, stride) and is_int(padding) and is_int(dilation)):
        most = ceil_div(extent(kernel, dilation), stride)
        return AxisRead(axis=axis, period=stride, taps=(Taps(last=most - 1),), at_most=True)
    phases = []
    for phase in range(stride):
        met = [
            (phase + padding - dilation * tap) // stride
            for tap in reversed(range(kernel))
            if (phase + padding - dilation * tap) % stride == 0
        ]
        rate = met[1] - met[0] if len(met) > 1 else 1
        phases.append(Taps(first=met[0], last=met[-1], rate=rate) if met else None)
    return AxisRead(axis=axis, period=stride, taps=tuple(phases))


def binned(axis: int, size: Size, out: Size) -> AxisRead:
    """Bin i of an axis of `size` elements: from floor(i size / out) up to ceil((i + 1) size / out)."""
    if looks_equal(out, 1):
        return WHOLE
    if not (is_int(size) and is_int(out) and few(out // gcd(size, out))):
        return AxisRead(axis=axis, period=out, step=size, taps=(Taps(last=ceil_div(size, out)),), at_most=True)
    common = gcd(size, out)
    period, step = out // common, size // common
    bins = [(i * step // period, -(-(i + 1) * step // period) - 1) for i in range(period)]
    return AxisRead(axis=axis, period=period, step=step, taps=tuple(Taps(first=a, last=b) for a, b in bins))


def copied(axis: int, size: Size, out: Size, factor: Size | None = None) -> AxisRead:
    """The nearest of `size` elements for each of `out`: number floor(i size / out)."""
    if factor is not None or (looks_equal(size, out)):
        return same(axis) if factor is None or looks_equal(factor, 1) else AxisRead(axis=axis, period=factor)
    if not (is_int(size) and is_int(out) and few(out // gcd(size, out))):
        return AxisRead(axis=axis, period=out, step=size, at_most=True)
    common = gcd(size, out)
    period, step = out // common, size // common
    taps = tuple(Taps(first=i * step // period, last=i * step // period) for i in range(period))
    return AxisRead(axis=axis, period=period, step=step, taps=taps)


def interpolated(axis: int, size: Size, out: Size, align_corners: bool, factor: Size | None = None) -> AxisRead:
    """The two neighbours of each place between the elements, or the one that it falls on.

    Place i of `out` is (i + 1/2) size / out - 1/2, or i (size - 1) / (out - 1) where corners are aligned.
    """
    if looks_equal(size, out) or (factor is not None and looks_equal(factor, 1)):
        return same(axis)
    if not (is_int(size) and is_int(out) and few(out)):
        if factor is None or align_corners:
            return AxisRead(axis=axis, period=out, step=size, taps=(Taps(last=1),), at_most=True)
        return AxisRead(axis=axis, period=factor, taps=(Taps(last=1),), at_most=True)
    if align_corners:
        over, under, shift = (size - 1, out - 1, 0) if out > 1 else (0, 1, 0)
    else:
        over, under, shift = size, out, size - out
    common = gcd(over, under)
    taps = []
    for i in range(under // common):
        places = Fraction(2 * i * over + shift, 2 * under)
        taps.append(Taps(first=floor(places), last=ceil(places)))
    return AxisRead(axis=axis, period=under // common, step=over // common, taps=tuple(taps))


def chosen(axis: int, count: int, places: Iterable[int], step: int | None = None) -> AxisRead:
    """Of each `count` positions those at these places read the one at their own place, or, with `step` 1, the one of
    their turn; the others nothing."""
    if not few(count):
        return AxisRead(axis=axis, at_most=True, partial=True)
    wanted = set(places)
    taps = tuple(
        (Taps(first=place, last=place) if step is None else CENTRE) if place in wanted else None
        for place in range(count)
    )
    return AxisRead(axis=axis, period=count, step=count if step is None else step, taps=taps, partial=True)


def regrouped(shape: Shape, output: Shape) -> Reads:
    """The same elements in order, as axes of other sizes: axes at both ends that stay are followed, and what lies
    between is spread over the axes that are there now."""
    front = common_start(shape, output)
    behind = common_start(shape[front:][::-1], output[front:][::-1])
    old, new = range(front, len(shape) - behind), range(front, len(output) - behind)
    long = [axis for axis in old if not looks_equal(shape[axis], 1)]
    wide = [axis for axis in new if not looks_equal(output[axis], 1)]
    if len(long) == len(wide) == 1:
        spread = AxisRead(axis=wide[0])
    else:
        spread = AxisRead(
            axis=wide[0] if len(wide) == 1 else new[0] if new else None, scattered=True, at_most=len(wide) > 1
        )
    moved = [spread if axis in long else AxisRead() for axis in old]
    kept = (same(len(output) - behind + axis) for axis in range(behind))
    return (((*map(same, range(front)), *moved, *kept),),)


def common_start(first: Shape, second: Shape) -> int:
    """How many axes at the start have equal sizes."""
    count = 0
    for one_size, other in zip(first, second, strict=False):
        if not looks_equal(one_size, other):
            break
        count += 1
    return count
