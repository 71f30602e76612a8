"""Sets of cells: positions of an axis as bits of an integer, and unions of products of these."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from convcost.analysis.axis_map import positions_read
from convcost.ops.reads import AxisRead

__all__ = ["Box", "Boxes", "Cells", "readers", "seen_of"]


class Cells:
    """Positions of an axis: bit number i of `bits` stands for position `start` + i; bit 0 is set unless it is empty."""

    __slots__ = ("bits", "start")

    def __init__(self, start: int, bits: int) -> None:
        if bits:
            empty = (bits & -bits).bit_length() - 1
            start, bits = start + empty, bits >> empty
        self.start, self.bits = (start, bits) if bits else (0, 0)

    @classmethod
    def of(cls, positions: Iterable[int]) -> Cells:
        """These positions."""
        wanted = set(positions)
        start = min(wanted, default=0)
        return cls(start, sum(1 << (position - start) for position in wanted))

    @classmethod
    def span(cls, start: int, stop: int) -> Cells:
        """All positions from start up to stop."""
        return cls(start, (1 << max(0, stop - start)) - 1)

    def __iter__(self) -> Iterator[int]:
        text = bin(self.bits)[:1:-1]
        place = text.find("1")
        while place >= 0:
            yield self.start + place
            place = text.find("1", place + 1)

    def __len__(self) -> int:
        return self.bits.bit_count()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cells) and (self.start, self.bits) == (other.start, other.bits)

    def __hash__(self) -> int:
        return hash((self.start, self.bits))

    def __contains__(self, position: int) -> bool:
        return position >= self.start and bool(self.bits >> (position - self.start) & 1)

    def __or__(self, other: Cells) -> Cells:
        if not self.bits or not other.bits:
            return self if self.bits else other
        start = min(self.start, other.start)
        return Cells(start, self.bits << (self.start - start) | other.bits << (other.start - start))

    def __and__(self, other: Cells) -> Cells:
        start = min(self.start, other.start)
        return Cells(start, self.bits << (self.start - start) & other.bits << (other.start - start))

    def __le__(self, other: Cells) -> bool:
        return (self & other) == self

    def shifted(self, offset: int) -> Cells:
        """The same positions, moved."""
        return Cells(self.start + offset, self.bits)

    def spaced(self, step: int) -> Cells:
        """Every position times `step`."""
        if step == 1:
            return self
        return Cells(self.start * step, int(("0" * (step - 1)).join(bin(self.bits)[2:]), 2))

    def divided(self, step: int) -> Cells:
        """The positions that `step` divides, divided by it."""
        if step == 1:
            return self
        first = -self.start % step
        text = bin(self.bits)[:1:-1][first::step]
        return Cells((self.start + first) // step, int(text[::-1] or "0", 2))

    @property
    def ends(self) -> tuple[int, int]:
        """The first and last position."""
        return self.start, self.start + self.bits.bit_length() - 1

    def within(self, size: int, border: str = "constant") -> Cells:
        """What lies on an axis of this size; what lies outside falls back on it where the border has its elements."""
        first, last = self.ends
        if first >= 0 and last < size:
            return self
        inside = self & Cells.span(0, size)
        if border == "constant":
            return inside
        outside = [position for position in self if not 0 <= position < size]
        return inside | Cells.of(fold(position, size, border) for position in outside)


def landing(position: int, size: int, border: str) -> int:
    """The position whose element is read at one that may lie outside; -1 where nothing is."""
    if 0 <= position < size:
        return position
    return -1 if border == "constant" else fold(position, size, border)


def fold(position: int, size: int, border: str) -> int:
    """The position within an axis whose element stands at one outside of it."""
    if border == "circular":
        return position % size
    if border == "replicate":
        return 0 if position < 0 else size - 1
    return -position if position < 0 else 2 * (size - 1) - position


def seen_of(cells: Cells, read: AxisRead) -> Cells:
    """The positions that these positions of the output read."""
    (taps, *others) = read.taps
    if not others and taps is not None and read.period == 1 and read.step > 0:
        spaced = cells.spaced(read.step)
        found = Cells(0, 0)
        for tap in range(taps.first, taps.last + 1, taps.rate):
            found = found | spaced.shifted(tap)
        return found
    return together([positions_read(read, position) for position in cells])


def together(ranges: Iterable[range]) -> Cells:
    """The positions of all ranges; of those that are without gaps as runs of bits."""
    known = [places for places in ranges if places]
    start = min((places.start for places in known), default=0)
    bits = 0
    for places in known:
        for first in places if places.step > 1 else (places.start,):
            bits |= (1 << (1 if places.step > 1 else len(places))) - 1 << (first - start)
    return Cells(start, bits)


def readers(cells: Cells, read: AxisRead, size: int, count: int) -> Cells:
    """Of `count` positions of the output those that read any of these positions of an axis of this size."""
    (taps, *others) = read.taps
    if not others and taps is not None and read.period == 1 and read.step > 0 and read.border == "constant":
        found = Cells(0, 0)
        for tap in range(taps.first, taps.last + 1, taps.rate):
            found = found | cells.shifted(-tap).divided(read.step)
        return found & Cells.span(0, count)
    reading = (
        position
        for position in range(count)
        if any(landing(place, size, read.border) in cells for place in positions_read(read, position))
    )
    return Cells.of(reading)


Box = tuple[Cells, ...]


class Boxes:
    """A union of products of cells, an entry for each axis; none lies within another."""

    def __init__(self, boxes: Iterable[Box] = ()) -> None:
        self.boxes: list[Box] = []
        for box in boxes:
            self.add(box)

    def __iter__(self) -> Iterator[Box]:
        return iter(self.boxes)

    def add(self, box: Box) -> None:
        """Take in a product; one that differs along a single axis is joined with it."""
        if not all(cells.bits for cells in box):
            return
        kept = []
        for other in self.boxes:
            if all(new <= old for new, old in zip(box, other, strict=True)):
                return
            if not all(old <= new for new, old in zip(box, other, strict=True)):
                kept.append(other)
        self.boxes = kept
        for number, other in enumerate(kept):
            unlike = [axis for axis, (new, old) in enumerate(zip(box, other, strict=True)) if new != old]
            if len(unlike) == 1:
                del kept[number]
                axis = unlike[0]
                self.add((*box[:axis], box[axis] | other[axis], *box[axis + 1 :]))
                return
        kept.append(box)

    def along(self, axes: Sequence[int]) -> Boxes:
        """What is there along these axes, whatever the others."""
        return Boxes(tuple(box[axis] for axis in axes) for box in self.boxes)

    def ends(self) -> tuple[tuple[int, int], ...]:
        """The first and last position along each axis; () where it is empty."""
        axes = [[cells.ends for cells in axis] for axis in zip(*self.boxes, strict=True)]
        return tuple((min(first for first, _ in axis), max(last for _, last in axis)) for axis in axes)

    def __len__(self) -> int:
        return count_cells(self.boxes)

    def __contains__(self, place: tuple[int, ...]) -> bool:
        return any(all(at in cells for at, cells in zip(place, box, strict=True)) for box in self.boxes)


def count_cells(boxes: Sequence[Box]) -> int:
    """How many cells the products hold together."""
    if not boxes:
        return 0
    if len(boxes) == 1:
        total = 1
        for cells in boxes[0]:
            total *= len(cells)
        return total
    if len(boxes[0]) == 1:
        together = boxes[0][0]
        for (cells,) in boxes[1:]:
            together = together | cells
        return len(together)
    rows: dict[tuple[int, ...], int] = {}
    for position in {position for box in boxes for position in box[0]}:
        there = tuple(number for number, box in enumerate(boxes) if position in box[0])
        rows[there] = rows.get(there, 0) + 1
    return sum(many * count_cells(list(Boxes(boxes[number][1:] for number in there))) for there, many in rows.items())
