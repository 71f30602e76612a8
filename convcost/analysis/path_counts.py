"""Numbers on the cells of a map, exact and fast: a row is one integer, with as many bytes for every cell.

So a tap of a whole row is a shift and an addition, however large the numbers grow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from convcost.analysis.axis_map import positions_read
from convcost.analysis.budget import Budget
from convcost.analysis.cells import fold, landing
from convcost.ops.reads import AxisRead, Taps

__all__ = ["PathCounts"]

Key = tuple[int, ...]


class PathCounts:
    """Numbers on the cells of one or more axes, none negative.

    `rows` lie along the last axis, by their positions along the others. Cell i of a row has the `width` bytes from
    i width on, the lowest first, and stands at position `start` + i. The sum of all cells is below 256^width - 1.
    """

    __slots__ = ("rows", "start", "width")

    def __init__(self, width: int, start: int, rows: dict[Key, int]) -> None:
        self.width, self.start = width, start
        self.rows = {key: row for key, row in rows.items() if row}

    @classmethod
    def of(cls, cells: Iterable[tuple[Key, int]], width: int) -> PathCounts:
        """These numbers; those of one cell are added."""
        known = list(cells)
        start = min((place[-1] for place, _ in known), default=0)
        rows: dict[Key, int] = {}
        for place, number in known:
            rows[place[:-1]] = rows.get(place[:-1], 0) + (number << 8 * width * (place[-1] - start))
        return cls(width, start, rows)

    def __bool__(self) -> bool:
        return bool(self.rows)

    def __add__(self, other: PathCounts) -> PathCounts:
        start = min(self.start, other.start)
        rows: dict[Key, int] = {}
        for counts in (self, other):
            shift = 8 * self.width * (counts.start - start)
            for key, row in counts.rows.items():
                rows[key] = rows.get(key, 0) + (row << shift)
        return PathCounts(self.width, start, rows)

    @property
    def length(self) -> int:
        """How many cells the longest row has."""
        bits = max((row.bit_length() for row in self.rows.values()), default=0)
        return -(-bits // (8 * self.width))

    def unpacked(self, row: int) -> list[int]:
        """The numbers of a row, from `start` on."""
        width, length = self.width, self.length
        data = row.to_bytes(length * width, "little")
        return [int.from_bytes(data[place : place + width], "little") for place in range(0, len(data), width)]

    def cells(self) -> Iterator[tuple[Key, int]]:
        """Every cell that has more than 0, and its number."""
        for key, row in self.rows.items():
            for place, number in enumerate(self.unpacked(row), self.start):
                if number:
                    yield (*key, place), number

    def sum_of(self, row: int) -> int:
        """The sum of a row's numbers: of its digits, which is what is left of it behind multiples of base - 1."""
        return row % ((1 << 8 * self.width) - 1)

    @property
    def total(self) -> int:
        """The sum of all numbers."""
        return self.sum_of(sum(self.rows.values()))

    def profile(self, axis: int) -> dict[int, int]:
        """The sums of all cells at each position of an axis that has more than 0."""
        if axis == len(next(iter(self.rows), ())):
            numbers = enumerate(self.unpacked(sum(self.rows.values())), self.start)
            return {place: number for place, number in numbers if number}
        sums: dict[int, int] = {}
        for key, row in self.rows.items():
            sums[key[axis]] = sums.get(key[axis], 0) + self.sum_of(row)
        return sums

    def arranged(self, axes: Sequence[int | None]) -> PathCounts:
        """The same along these axes, in this order, and summed over the others; None: a new axis, all at its 0."""
        rank = len(next(iter(self.rows), ())) + 1
        if list(axes) == list(range(rank)):
            return self
        if all(axis is None for axis in axes):
            return PathCounts.of([((0,) * len(axes), self.total)], self.width)
        moved = ((tuple(0 if axis is None else place[axis] for axis in axes), count) for place, count in self.cells())
        return PathCounts.of(moved, self.width)

    def at_all(self, axis: int, size: int) -> PathCounts:
        """What stands at 0 of an axis, at every place of `size` instead."""
        if axis == len(next(iter(self.rows), ())):
            across = int.from_bytes((b"\1" + bytes(self.width - 1)) * size, "little")
            return PathCounts(self.width, self.start, {key: row * across for key, row in self.rows.items()})
        rows = {(*key[:axis], place, *key[axis + 1 :]): row for key, row in self.rows.items() for place in range(size)}
        return PathCounts(self.width, self.start, rows)

    def spend(self, budget: Budget, axis: int, read: AxisRead | None, places: int) -> None:
        """Count the work of `read` along an axis, or without a read of `at_all` of so many places."""
        rows, length, bits = len(self.rows), self.length, 8 * self.width
        last = axis == len(next(iter(self.rows), ()))
        if read is None:
            budget.spend(rows * (1 if last else places), rows * bits * length * places)
            return
        taps = max((len(tap_range(taps)) for taps in read.taps if taps is not None), default=0)
        if not last:
            budget.spend(rows * taps, rows * taps * bits * length)
            return
        phases = min(read.period, length)
        apart = read.period > 1 or read.step != 1
        reach = max((abs(end) for taps in read.taps if taps is not None for end in (taps.first, taps.last)), default=0)
        image = length * read.step // read.period + 2 * reach + 1
        sums = phases * (2 * taps.bit_length() + 1)
        budget.spend(rows * (phases + (length if apart else 0) // 4), rows * sums * bits * image)

    def read(self, axis: int, read: AxisRead, size: int | None) -> PathCounts:
        """What reaches the cells of an axis that is read so, where this reaches the readers; a size bounds the axis."""
        if axis == len(next(iter(self.rows), ())):
            found = self._read_along(read)
            return found if size is None else found._within(size, read.border)
        targets: dict[int, list[int]] = {}
        for place in {key[axis] for key in self.rows}:
            reached: Iterable[int] = positions_read(read, place)
            if size is not None:
                reached = [at for at in (landing(at, size, read.border) for at in reached) if at >= 0]
            targets[place] = list(reached)
        rows: dict[Key, int] = {}
        for key, row in self.rows.items():
            before, behind = key[:axis], key[axis + 1 :]
            for place in targets[key[axis]]:
                new = (*before, place, *behind)
                rows[new] = rows.get(new, 0) + row
        return PathCounts(self.width, self.start, rows)

    def _read_along(self, read: AxisRead) -> PathCounts:
        """Phase by phase: its cells, set apart by the step, once for each tap."""
        length = self.length
        steps: list[tuple[Callable[[int], int], range]] = []
        for first in range(min(read.period, length)):
            reached = positions_read(read, self.start + first)
            if reached:
                steps.append((self._spread(first, read.period, read.step, length), reached))
        start = min((reached[0] for _, reached in steps), default=0)
        bits = 8 * self.width

        def of(row: int) -> int:
            found = 0
            for spread, reached in steps:
                found += repeated(spread(row), len(reached), bits * reached.step) << bits * (reached[0] - start)
            return found

        return PathCounts(self.width, start, {key: of(row) for key, row in self.rows.items()})

    def _spread(self, first: int, period: int, step: int, length: int) -> Callable[[int], int]:
        """What takes every `period`-th cell of a row from `first` on, and sets them `step` apart; 0 adds them up."""
        width = self.width
        between = bytes(width * (step - 1)) if step else b""

        def spread(row: int) -> int:
            if period == step == 1:
                return row
            data = row.to_bytes(length * width, "little")
            places = range(first * width, len(data), period * width)
            together = int.from_bytes(between.join([data[place : place + width] for place in places]), "little")
            return together if step else self.sum_of(together)

        return spread

    def _within(self, size: int, border: str) -> PathCounts:
        """What lies on an axis of this size; what lies outside falls back on it where the border has its elements."""
        bits, start, stop = 8 * self.width, self.start, self.start + self.length
        if start >= 0 and stop <= size:
            return self
        outside = [place for place in range(start, stop) if not 0 <= place < size] if border != "constant" else []
        mask, cell = (1 << bits * size) - 1, (1 << bits) - 1

        def of(row: int) -> int:
            inside = (row << bits * start if start >= 0 else row >> bits * -start) & mask
            folded = ((row >> bits * (place - start) & cell) << bits * fold(place, size, border) for place in outside)
            return inside + sum(folded)

        return PathCounts(self.width, 0, {key: of(row) for key, row in self.rows.items()})


def tap_range(taps: Taps) -> range:
    """The places of taps."""
    return range(taps.first, taps.last + 1, taps.rate)


def repeated(row: int, count: int, shift: int) -> int:
    """The sum of a row and all that are moved by `shift` once, twice, ... count - 1 times."""
    if count == 1:
        return row
    half = repeated(row, count // 2, shift)
    both = half + (half << shift * (count // 2))
    return both + (row << shift * (count - 1)) if count % 2 else both
