"""What the positions of an axis see of an axis of the network's input: intervals that repeat with a period.

Position q period + r sees the input from q step + lows[r] to q step + highs[r]. Without transposed convolution or
upsampling the period is 1, and this is the usual arithmetic of receptive fields: size, effective stride and start.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import gcd, lcm
from typing import Any

from convcost.arith import Size, ceil_div, is_int, largest, looks_equal, smallest
from convcost.ops.reads import AxisRead
from convcost.record import Record

__all__ = ["AxisMap", "constant", "through", "union"]

LONGEST_PERIOD = 4096
"""Beyond so many phases straight lines bound the map."""


class AxisMap(Record):
    """Intervals of the input, for every position of an axis.

    `lows` and `highs` have an entry for each phase (None: nothing is seen), or one for all. `at_most`: these are
    bounds, and where they start is not known.
    """

    period: Size = 1
    step: Size = 1
    lows: tuple[Any, ...] = (0,)
    highs: tuple[Any, ...] = (0,)
    at_most: bool = False

    @property
    def stride(self) -> Any:
        """How far the intervals of neighbouring positions lie apart, on average: a fraction behind upsampling."""
        if is_int(self.step) and is_int(self.period):
            return self.step // self.period if self.step % self.period == 0 else Fraction(self.step, self.period)
        return self.step / self.period

    @property
    def sizes(self) -> tuple[Any, ...]:
        """The size of the interval of each phase that sees anything."""
        ends = zip(self.lows, self.highs, strict=True)
        return tuple(high - low + 1 for low, high in ends if low is not None)

    @property
    def size(self) -> Any:
        """The largest size of an interval."""
        return most(self.sizes) if self.sizes else 0

    @property
    def middle(self) -> Any:
        """The centre of what position 0 sees, averaged over the phases, each moved back by its distance; None where
        nothing is seen, or the phases are not known."""
        if not is_int(self.period):
            return None
        found = [self.at(phase) for phase in range(self.period)]
        centres = [
            half(low + high) - phase * self.stride for phase, end in enumerate(found) if end for low, high in [end]
        ]
        return sum(centres[1:], centres[0]) * Fraction(1, len(centres)) if centres else None

    def at(self, position: int) -> tuple[int, int] | None:
        """The interval that a position sees, or None."""
        turns, phase = divmod(position, self.period)
        number = phase if len(self.lows) > 1 else 0
        if self.lows[number] is None:
            return None
        return self.lows[number] + turns * self.step, self.highs[number] + turns * self.step

    def spread(self, period: int) -> AxisMap:
        """The same, with this multiple of its period."""
        shared = period == self.period and len(self.lows) == 1
        ends = [self.at(position) for position in range(1 if shared else period)]
        return self.replace(
            period=period,
            step=self.step * (period // self.period),
            lows=tuple(None if end is None else end[0] for end in ends),
            highs=tuple(None if end is None else end[1] for end in ends),
        )


PLACE = AxisMap()
"""Each position sees the one at its own place."""


def constant(low: Size, high: Size, at_most: bool = False) -> AxisMap:
    """Every position sees the same interval."""
    return AxisMap(step=0, lows=(low,), highs=(high,), at_most=at_most)


def half(size: Any) -> Any:
    """Half of a size, as a fraction where it is concrete."""
    return Fraction(size) / 2 if isinstance(size, (int, Fraction)) else size / 2


def most(sizes: Sequence[Any]) -> Any:
    """The largest of sizes; of symbols, by the rule of their type."""
    different = distinct(sizes)
    return different[0] if len(different) == 1 else largest(different) if symbolic(different) else max(different)


def least(sizes: Sequence[Any]) -> Any:
    """The smallest of sizes; of symbols, by the rule of their type."""
    different = distinct(sizes)
    return different[0] if len(different) == 1 else smallest(different) if symbolic(different) else min(different)


def distinct(sizes: Sequence[Any]) -> list[Any]:
    """Each size once."""
    found: list[Any] = []
    for size in sizes:
        if not any(looks_equal(size, other) for other in found):
            found.append(size)
    return found


def symbolic(sizes: Sequence[Any]) -> bool:
    """Whether a size is neither a whole number nor a fraction."""
    return any(not isinstance(size, (int, Fraction)) for size in sizes)


def through(seen: AxisMap, read: AxisRead) -> AxisMap:
    """What an output sees that reads so, where the positions of what it reads see `seen`."""
    (taps, *others) = read.taps
    at_most = seen.at_most or read.at_most
    if not others and taps is not None and looks_equal(seen.period, 1):
        return AxisMap(
            period=read.period,
            step=seen.step * read.step,
            lows=(seen.lows[0] + seen.step * taps.first,),
            highs=(seen.highs[0] + seen.step * taps.last,),
            at_most=at_most,
        )
    if not others and taps is not None and not (is_int(seen.period) and is_int(read.period)):
        return bounded(seen, read)
    turns = seen.period // gcd(seen.period, read.step) if read.step else 1
    period = read.period * turns
    if period > LONGEST_PERIOD:
        return bounded(seen, read)
    alike = not others and len(seen.lows) == 1 and read.period == 1 and turns == 1
    ends = [_seen_at(seen, read, position) for position in range(1 if alike else period)]
    return AxisMap(
        period=period,
        step=read.step * turns * seen.step // seen.period,
        lows=tuple(low for low, _ in ends),
        highs=tuple(high for _, high in ends),
        at_most=at_most,
    )


def positions_read(read: AxisRead, position: int) -> range:
    """The positions that an output reads."""
    turns, phase = divmod(position, read.period)
    taps = read.taps[phase if len(read.taps) > 1 else 0]
    if taps is None:
        return range(0)
    start = turns * read.step
    return range(start + taps.first, start + taps.last + 1, taps.rate)


def _seen_at(seen: AxisMap, read: AxisRead, position: int) -> tuple[Any, Any]:
    ends = [end for end in map(seen.at, positions_read(read, position)) if end is not None]
    if not ends:
        return None, None
    return min(low for low, _ in ends), max(high for _, high in ends)


def bounded(seen: AxisMap, read: AxisRead) -> AxisMap:
    """A bound on the size, where phases are symbols or too many: the largest interval, and the steps between taps."""
    widths = [taps.last - taps.first for taps in read.taps if taps is not None]
    reach = ceil_div(most(widths) * seen.step, seen.period) if widths else 0
    step = seen.step * read.step
    period = seen.period * read.period
    return AxisMap(period=period, step=step, lows=(0,), highs=(seen.size + reach - 1,), at_most=True)


def union(several: Sequence[AxisMap]) -> tuple[AxisMap, ...]:
    """The intervals that hold those of all, a map for each stride that occurs."""
    strides = distinct([seen.stride for seen in several])
    return tuple(_joined([seen for seen in several if looks_equal(seen.stride, stride)]) for stride in strides)


def _joined(several: list[AxisMap]) -> AxisMap:
    """The intervals that hold those of several maps of one stride."""
    first = several[0]
    if all(seen is first or seen == first for seen in several):
        return first
    at_most = any(seen.at_most for seen in several)
    if at_most or not all(is_int(seen.period) for seen in several):
        size = most([seen.size for seen in several])
        return AxisMap(period=first.period, step=first.step, lows=(0,), highs=(size - 1,), at_most=at_most)
    period = lcm(*(seen.period for seen in several))
    spread = [seen.spread(period) for seen in several]
    phases = max(len(seen.lows) for seen in spread)
    ends = [[seen.at(phase) for seen in spread] for phase in range(phases)]
    seeing = [[end for end in phase if end is not None] for phase in ends]
    return AxisMap(
        period=period,
        step=spread[0].step,
        lows=tuple(least([low for low, _ in phase]) if phase else None for phase in seeing),
        highs=tuple(most([high for _, high in phase]) if phase else None for phase in seeing),
    )
