"""What the positions of an axis see of an axis of the network's input: intervals that repeat with a period.

Position q period + r sees the input from q step + lows[r] to q step + highs[r]. Without transposed convolution or
upsampling the period is 1, and this is the usual arithmetic of receptive fields: size, effective stride and start.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import floor, gcd, lcm
from typing import Any

from convcost.arith import Size, ceil_div, is_int, is_tangled, largest, looks_equal, smallest, tidied
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
    placed: bool = True
    """Whether what is seen lies within the interval; else no more is known than how large it is at most."""

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
        return tuple(tidied(high - low + 1) for low, high in ends if low is not None)

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
        if len(self.lows) == 1:  # the same centre in every phase of a turn
            if self.lows[0] is None:
                return None
            return half(self.lows[0] + self.highs[0]) - self.stride * Fraction(self.period - 1, 2)
        found = [self.at(phase) for phase in range(self.period)]
        centres = [
            half(low + high) - phase * self.stride for phase, end in enumerate(found) if end for low, high in [end]
        ]
        return sum(centres[1:], centres[0]) * Fraction(1, len(centres)) if centres else None

    @property
    def is_tangled(self) -> bool:
        """Whether its ends are too many cases to follow."""
        return any(
            low is not None and (is_tangled(low) or is_tangled(high))
            for low, high in zip(self.lows, self.highs, strict=True)
        )

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


def constant(low: Size | None, high: Size | None, at_most: bool = False) -> AxisMap:
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
    placed = seen.placed and (not read.at_most or looks_equal(read.period, 1))
    if all(low is None for low in seen.lows):
        return seen.replace(period=read.period, step=seen.step * read.step, lows=(None,), highs=(None,))
    if not others and taps is not None and looks_equal(seen.period, 1):
        uneven = seen.step - 1 if read.at_most and not looks_equal(read.period, 1) else 0  # see bounded
        return AxisMap(
            period=read.period,
            step=seen.step * read.step,
            lows=(tidied(seen.lows[0] + seen.step * taps.first),),
            highs=(tidied(seen.highs[0] + seen.step * taps.last + uneven),),
            at_most=at_most,
            placed=placed,
        )
    concrete = taps is None or (is_int(taps.first) and is_int(taps.last))
    if not others and taps is not None and not (is_int(seen.period) and is_int(read.period) and concrete):
        return bounded(seen, read)
    if seen.at_most and len(seen.lows) == 1 and not looks_equal(seen.period, 1):
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
        placed=placed,
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
    lows, highs = zip(*ends, strict=True)
    return (least(lows), most(highs)) if symbolic((*lows, *highs)) else (min(lows), max(highs))


def bounded(seen: AxisMap, read: AxisRead) -> AxisMap:
    """A bound on the size, where phases are symbols or too many: between straight lines, and the steps between taps."""
    reach = ceil_div(tap_lines(read) * seen.step, seen.period * read.period)
    step = seen.step * read.step
    period = seen.period * read.period
    highs = (between_lines(seen) + reach - 1,)
    return AxisMap(period=period, step=step, lows=(0,), highs=highs, at_most=True, placed=False)


def tap_lines(read: AxisRead) -> Any:
    """How far two lines lie apart that rise by the step in a period and hold the taps of all positions, times the
    period."""
    (taps, *others) = read.taps
    if not others:
        return 0 if taps is None else (taps.last - taps.first) * read.period + read.step * (read.period - 1)
    known = [(taps, place * read.step) for place, taps in enumerate(read.taps) if taps is not None]
    lasts = [taps.last * read.period - risen for taps, risen in known]
    return max(lasts, default=0) - min((taps.first * read.period - risen for taps, risen in known), default=0)


def between_lines(seen: AxisMap) -> Any:
    """How far two lines lie apart that rise by the stride and hold the intervals of all positions.

    Intervals that all positions of a turn share rise by a whole step at once, so that the lines leave up to a step less
    one more than the size.
    """
    if len(seen.lows) > 1:
        stride = Fraction(seen.step, seen.period)
        ends = [(place, low, high) for place, (low, high) in enumerate(zip(seen.lows, seen.highs, strict=True))]
        known = [(low - place * stride, high - place * stride) for place, low, high in ends if low is not None]
        return floor(max(high for _, high in known) - min(low for low, _ in known)) + 1 if known else 0
    return seen.size if seen.at_most or looks_equal(seen.period, 1) else seen.size + seen.step - 1


def _between_lines_of(several: list[AxisMap]) -> AxisMap:
    """A bound that holds the intervals of several maps of one stride, whatever their phases."""
    bottoms, tops = [], []
    for seen in several:
        rise = seen.stride * (seen.period - 1)
        bottoms += [low - rise for low in seen.lows if low is not None]
        tops += [high for high in seen.highs if high is not None]
    first = several[0]
    size = floor(max(tops) - min(bottoms)) + 1 if tops else 0
    return AxisMap(period=first.period, step=first.step, lows=(0,), highs=(size - 1,), at_most=True, placed=False)


def can_be_joined(several: Sequence[AxisMap]) -> bool:
    """Whether it is known where what several maps see lies, so that what they see together can be said."""
    first = several[0]
    if all(seen == first for seen in several):
        return True
    if not all(seen.placed for seen in several):
        return False
    return all(
        is_int(seen.period) or (looks_equal(seen.period, other.period) and len(seen.lows) == len(other.lows) == 1)
        for seen in several
        for other in several
        if seen is not other and looks_equal(seen.stride, other.stride)
    )


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
    concrete = all(is_int(seen.period) for seen in several)
    placed = all(seen.placed for seen in several)
    if concrete and placed and lcm(*(seen.period for seen in several)) > LONGEST_PERIOD:
        return _between_lines_of(several)
    shared = all(looks_equal(seen.period, first.period) and len(seen.lows) == 1 for seen in several)
    if not concrete and shared and placed:
        low, high = least([seen.lows[0] for seen in several]), most([seen.highs[0] for seen in several])
        return first.replace(lows=(low,), highs=(high,), at_most=at_most)
    if not placed or not concrete:
        size = most([seen.size for seen in several])
        return AxisMap(period=first.period, step=first.step, lows=(0,), highs=(size - 1,), at_most=True, placed=False)
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
        at_most=at_most,
    )
