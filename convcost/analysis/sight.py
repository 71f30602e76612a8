"""What the elements of a node see of the network's input, and what becomes of it on the way through an operator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import lcm
from typing import Any

from convcost.analysis.axis_map import (
    PLACE,
    AxisMap,
    can_be_joined,
    constant,
    distinct,
    least,
    most,
    positions_read,
    through,
    union,
)
from convcost.arith import Shape, Size, is_int, looks_equal, never_below, tidied
from convcost.ops.reads import CENTRE, AxisRead, Product
from convcost.record import Record

__all__ = ["AxisSight", "Disagreement", "Sight", "joined", "largest_size"]


MOST_PHASES = 2**16
"""Beyond so many it is not looked for gaps."""


class Disagreement(Record):
    """Where branches meet that see the input around other centres, or at other strides.

    `node` joins what comes through the nodes `first` and `second`; `offset` is how far the centre of the second lies
    behind that of the first, in input elements an axis; None where the strides, an entry a branch, differ.
    """

    node: str
    first: str
    second: str
    offset: tuple[Any, ...]
    strides: tuple[tuple[Any, ...], tuple[Any, ...]]


class AxisSight(Record):
    """What is seen of one axis of the input, by the positions of `axis` of the node (None: all see the same).

    `maps` through all paths, one for each stride that occurs; `local` through local operators alone, none where no path
    is local, and `local_size` the size at which the last of them became global; `shortest` and `longest` through the
    one path that sees least, and most, one for each stride too: of paths at other strides another can be ahead later.
    """

    axis: int | None
    maps: tuple[AxisMap, ...] = (PLACE,)
    local: tuple[AxisMap, ...] = (PLACE,)
    local_size: Size = 1
    shortest: tuple[AxisMap, ...] = (PLACE,)
    longest: tuple[AxisMap, ...] = (PLACE,)
    whole: bool = False
    input_size: Size = 0

    @property
    def at_most(self) -> bool:
        """Whether sizes are bounds."""
        return any(seen.at_most for seen in self.maps)

    def at(self, position: int) -> tuple[Any, Any] | None:
        """The interval that a position sees; None: nothing, or a period that is a symbol."""
        known = all(is_int(seen.period) for seen in self.maps)
        ends = [end for end in (seen.at(position) for seen in self.maps if known) if end is not None]
        return ends_of(ends) if ends else None

    def bound(self) -> AxisSight:
        """The same, as a bound."""
        return self.mapped(lambda seen: seen.replace(at_most=True), self.axis)

    def mapped(self, change: Callable[[AxisMap], AxisMap], axis: int | None) -> AxisSight:
        """The same with every map changed; each is changed once."""
        done: dict[int, AxisMap] = {}

        def changed(seen: AxisMap) -> AxisMap:
            key = id(seen)
            if key not in done:
                done[key] = change(seen)
            return done[key]

        return AxisSight(
            axis=axis,
            maps=tuple(map(changed, self.maps)),
            local=tuple(map(changed, self.local)),
            local_size=self.local_size,
            shortest=tuple(map(changed, self.shortest)),
            longest=tuple(map(changed, self.longest)),
            whole=self.whole,
            input_size=self.input_size,
        )

    def read(self, read: AxisRead, count: Size, size: Size) -> AxisSight:
        """What an output sees that reads an axis with `count` positions so; `size` is that of the input's axis."""
        if read.axis is None or read.scattered:
            return self._read_whole(read, count, size)
        if is_place(read):
            return self if read.axis == self.axis else self.mapped(lambda seen: seen, read.axis)
        if any(seen.is_tangled for seen in (*self.maps, *self.local, *self.shortest, *self.longest)):
            return everything(read.axis, size, whole=True)
        return self.mapped(lambda seen: through(seen, read), read.axis)

    def _read_whole(self, read: AxisRead, count: Size, size: Size) -> AxisSight:
        if is_int(count) and count == 1:
            return self.mapped(lambda seen: all_of(seen, 1, None, read.at_most), None)
        found = self.mapped(lambda seen: all_of(seen, count, size, read.at_most), None)
        ends = [(seen.lows[0], seen.highs[0]) for seen in found.maps if seen.lows[0] is not None]
        low, high = ends_of(ends) if ends else (None, None)
        joint = constant(low, high, found.at_most)
        return found.replace(maps=(joint,), local=(), local_size=self.size_of_local(count), whole=True)

    def size_of_local(self, count: Size) -> Size:
        """The size through local operators alone."""
        return largest_size(self.local, count) if self.local else self.local_size


def everything(axis: int | None, size: Size, whole: bool) -> AxisSight:
    """At most all of an axis of the input, of this size, through every path."""
    maps = (constant(0, size - 1, at_most=True),)
    return AxisSight(
        axis=axis, maps=maps, local=maps, local_size=size, shortest=maps, longest=maps, whole=whole, input_size=size
    )


def is_place(read: AxisRead) -> bool:
    """Whether the element at the same place is read."""
    return read.taps == (CENTRE,) and looks_equal(read.step, 1) and looks_equal(read.period, 1)


def ends_of(ends: Sequence[tuple[Any, Any]]) -> tuple[Any, Any]:
    """The interval that holds all."""
    return least([low for low, _ in ends]), most([high for _, high in ends])


def all_of(seen: AxisMap, count: Size, size: Any, at_most: bool) -> AxisMap:
    """What all positions together see, within the input where its size is given."""
    at_most = at_most or seen.at_most
    if seen.at_most:
        return constant(0, (seen.size if size is None else size) - 1, at_most)
    if not (is_int(count) and is_int(seen.period)):
        return _all_of_symbols(seen, count, size, at_most)
    period = 1 if len(seen.lows) == 1 else seen.period  # one interval a turn only rises
    ends = [end for end in map(seen.at, extreme_positions(period, count)) if end is not None]
    if not ends:
        return AxisMap(step=0, lows=(None,), highs=(None,), at_most=at_most)
    low, high = ends_of(ends)
    if is_int(size):
        low, high = max(low, 0), min(high, size - 1)
    elif size is not None:
        low, high = 0, size - 1
    return constant(low, high, at_most)


def _all_of_symbols(seen: AxisMap, count: Size, size: Any, at_most: bool) -> AxisMap:
    """What all positions together see where sizes are symbols: a bound unless it is decided for all values."""
    (low, *others) = seen.lows
    if others or low is None or not looks_equal(seen.period, 1):
        return constant(0, size - 1, at_most=True)
    high = tidied(seen.highs[0] + seen.step * (count - 1))
    low, in_front = (0, True) if never_below(0, low) else (low, never_below(low, 0))
    high, behind = (size - 1, True) if never_below(high, size - 1) else (high, never_below(size - 1, high))
    return constant(low, high, at_most) if in_front and behind else constant(0, size - 1, at_most=True)


def extreme_positions(period: int, count: int) -> list[int]:
    """The positions of an axis among which something that repeats with a period, on a slope, is extreme."""
    if count <= 2 * period:
        return list(range(count))
    return [*range(period), *range(count - period, count)]


def largest_size(maps: tuple[AxisMap, ...], count: Size) -> Size:
    """The most that a position of an axis with `count` positions sees."""
    if len(maps) == 1 and not (is_int(count) and is_int(maps[0].period) and count < maps[0].period):
        return maps[0].size
    if not is_int(count) or not all(is_int(seen.period) for seen in maps):
        return most([seen.size for seen in maps])
    period = lcm(*(seen.period for seen in maps))
    sizes = [0]
    for position in extreme_positions(period, count):
        ends = [end for end in (seen.at(position) for seen in maps) if end is not None]
        if ends:
            low, high = ends_of(ends)
            sizes.append(high - low + 1)
    return most(sizes)


class Sight(Record):
    """What an element sees, an entry for each spatial axis of the input.

    `dense`: it is known to touch every cell between the ends. `disagreement`: the first place where branches disagreed.
    """

    axes: tuple[AxisSight, ...]
    dense: bool = True
    disagreement: Disagreement | None = None

    def read(self, product: Product, shape: Shape, sizes: Shape) -> Sight:
        """What an output sees that reads this product of a node of this shape."""
        axes, dense = [], self.dense
        for seen, size in zip(self.axes, sizes, strict=True):
            if seen.axis is None:
                axes.append(seen)
                continue
            read, count = product[seen.axis], shape[seen.axis]
            dense = dense and _leaves_no_gap(seen, read, count)
            axes.append(seen.read(read, count, size))
        if all(new is old for new, old in zip(axes, self.axes, strict=True)):
            return self
        return self.replace(axes=tuple(axes), dense=dense)

    def bound(self) -> Sight:
        """The same, as a bound."""
        return self.replace(axes=tuple(seen.bound() for seen in self.axes), dense=False)


def _leaves_no_gap(seen: AxisSight, read: AxisRead, count: Size) -> bool:
    """Whether what neighbouring taps see meets, for sure."""
    (first, *others) = seen.maps
    if others or first.at_most or read.at_most or not all(map(is_int, (first.period, first.step, count))):
        return False
    if read.axis is None or read.scattered:
        span: list[range] = [range(count)]
    elif is_int(read.period) and all(taps is None or is_int(taps.last) for taps in read.taps):
        turns = first.period if len(first.lows) > 1 or first.period > 1 else 1
        phases = max(len(read.taps), 1) * turns if len(read.taps) > 1 else turns
        if phases * (read.period if len(read.taps) == 1 else 1) > MOST_PHASES:
            return False
        span = [positions_read(read, phase) for phase in range(phases * (read.period if len(read.taps) == 1 else 1))]
    else:
        return False
    return all(_meet(first, positions) for positions in span)


def _meet(seen: AxisMap, positions: range) -> bool:
    positions = positions[: seen.period + 1]  # after a period the distances repeat
    if len(positions) > MOST_PHASES:
        return False
    ends = [seen.at(position) for position in positions]
    if None in ends:
        return False
    known = sorted(end for end in ends if end is not None)
    return all(later[0] <= before[1] + 1 for before, later in pairwise(known))


def joined(several: Sequence[tuple[str, Sight]], node: str = "", branches: bool = True) -> Sight:
    """What is seen through several ways together, each with the name of its last node; `node` is where they meet.

    They are paths of their own where they are `branches`, and else what one operator reads.
    """
    sights = [sight for _, sight in several]
    first = sights[0]
    if all(sight is first or sight == first for sight in sights):
        return first
    axes = tuple(_joined_axis(axis, branches) for axis in zip(*(sight.axes for sight in sights), strict=True))
    dense = any(
        sight.dense and all(own.maps == all_.maps for own, all_ in zip(sight.axes, axes, strict=True))
        for sight in sights
    )
    found = next((sight.disagreement for sight in sights if sight.disagreement), None)
    if found is None and node:
        found = next(filter(None, (_disagreement(several[0], other, node) for other in several[1:])), None)
    return Sight(axes=axes, dense=dense, disagreement=found)


def _joined_axis(several: tuple[AxisSight, ...], branches: bool) -> AxisSight:
    first = several[0]
    if all(seen is first or seen == first for seen in several):
        return first
    axes = {seen.axis for seen in several if seen.axis is not None}
    adrift = any(seen.at_most and not looks_equal(seen.step, 0) for branch in several for seen in branch.maps)
    if len(axes) > 1 or adrift:  # what a position sees depends on its place along both, or lies who knows where
        return everything(min(axes), first.input_size, whole=any(branch.whole for branch in several))
    together = [seen for branch in several for seen in branch.maps]
    if not can_be_joined(together):
        whole = any(branch.whole for branch in several)
        return everything(min(axes) if axes else None, first.input_size, whole)
    local = [seen for branch in several for seen in branch.local]
    if local and not can_be_joined(local):
        local = list(everything(None, first.input_size, whole=False).local)
    return AxisSight(
        axis=min(axes) if axes else None,
        maps=union(together),
        local=union(local) if local else (),
        local_size=most([branch.local_size for branch in several]),
        shortest=_paths([seen for branch in several for seen in branch.shortest], least if branches else None),
        longest=_paths([seen for branch in several for seen in branch.longest], most if branches else None),
        whole=any(branch.whole for branch in several),
        input_size=first.input_size,
    )


def _paths(maps: list[AxisMap], choose: Callable[[list[Any]], Any] | None) -> tuple[AxisMap, ...]:
    """Of paths of each stride the one that sees least, or most; what is no path of its own is seen together."""
    if choose is None:
        return union(maps)
    strides = distinct([seen.stride for seen in maps])
    return tuple(_path([seen for seen in maps if looks_equal(seen.stride, stride)], choose) for stride in strides)


def _path(maps: list[AxisMap], choose: Callable[[list[Any]], Any]) -> AxisMap:
    wanted = choose([seen.size for seen in maps])
    alike = next((seen for seen in maps if looks_equal(seen.size, wanted)), None)
    return alike if alike is not None else maps[0].replace(lows=(0,), highs=(wanted - 1,))


def _disagreement(first: tuple[str, Sight], second: tuple[str, Sight], node: str) -> Disagreement | None:
    """How two branches disagree; what sees all of an axis agrees with everything."""
    offsets: list[Any] = []
    strides: list[tuple[Any, Any]] = []
    differs = False
    for one, other in zip(first[1].axes, second[1].axes, strict=True):
        if one.axis is None or other.axis is None or one.at_most or other.at_most:
            offsets.append(0)
            strides.append((None, None))
            continue
        pair = one.maps[0].stride, other.maps[0].stride
        strides.append(pair)
        middles = one.maps[0].middle, other.maps[0].middle
        known = None not in middles
        offset = tidied(middles[1] - middles[0]) if known else 0
        same = looks_equal(*pair)
        offsets.append(offset if same else None)
        differs = differs or not same or not looks_equal(offset, 0)
    if not differs:
        return None
    ours, theirs = zip(*strides, strict=True)
    return Disagreement(node=node, first=first[0], second=second[0], offset=tuple(offsets), strides=(ours, theirs))
