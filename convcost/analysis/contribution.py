"""Contributions: by how many paths each cell of the input reaches an element.

Where all weights are alike, the number of paths is how much a cell counts: fewest paths come from the rim of a
receptive field, and the width that matters is smaller than the field.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import reduce
from itertools import product
from math import prod, sqrt

from convcost.analysis.budget import Budget
from convcost.analysis.path_counts import PathCounts
from convcost.analysis.receptive_field import Field
from convcost.analysis.touched import reads_of
from convcost.arith import Shape
from convcost.graph import Graph, Node
from convcost.ops.reads import AxisRead, Product, Reads
from convcost.record import Record

__all__ = ["Contribution", "contribution"]

NONE = -1
"""The one axis, with one place, of a node of which no axis is told apart."""


class Contribution(Record):
    """The number of paths from each cell of the input to an element of a node.

    `starts` and `sizes` are the first cell along each spatial axis of the input, and how many there are up to the last
    (0 where there is no path); `at_most`: what is read is not known exactly, and every part of it that may be is
    counted.
    """

    counts: PathCounts
    starts: tuple[int, ...]
    sizes: tuple[int, ...]
    at_most: bool = False

    @property
    def total(self) -> int:
        """How many paths there are."""
        return self.counts.total

    def profile(self, axis: int) -> list[int]:
        """The paths from each position of an axis, from its start on, whatever the other axes."""
        sums = self.counts.profile(axis) if self.counts else {}
        return [sums.get(self.starts[axis] + place, 0) for place in range(self.sizes[axis])]

    def row(self, *leading: int) -> list[int]:
        """The paths from each cell along the last axis, at these positions along the others."""
        return self._numbers(self.counts.rows.get(leading, 0))

    def plane(self) -> list[list[int]]:
        """The rows of the last two axes, summed over an axis before them; of one axis, its only row."""
        if len(self.sizes) == 1:
            return [self.row()]
        start, size = self.starts[-2], self.sizes[-2]
        sums = [0] * size
        for key, row in self.counts.rows.items():
            sums[key[-1] - start] += row
        return [self._numbers(row) for row in sums]

    def _numbers(self, row: int) -> list[int]:
        numbers = self.counts.unpacked(row) if row else []
        front = self.starts[-1] - self.counts.start
        return (numbers[front:] + [0] * self.sizes[-1])[: self.sizes[-1]]

    @property
    def count(self) -> int:
        """How many cells have a path."""
        return sum(1 for _ in self.counts.cells())

    @property
    def largest(self) -> int:
        """The most paths from a cell."""
        return max((number for _, number in self.counts.cells()), default=0)

    @property
    def smallest(self) -> int:
        """The fewest paths from a cell that is touched."""
        return min((number for _, number in self.counts.cells()), default=0)

    @property
    def is_equal(self) -> bool:
        """Whether all cells that are touched contribute equally."""
        return self.largest == self.smallest

    def deviation(self, axis: int) -> float:
        """The standard deviation of the paths' places along an axis, in cells; 0 where there is no path."""
        total = self.total
        if not total:
            return 0.0
        profile = self.profile(axis)
        first = sum(place * number for place, number in enumerate(profile))
        second = sum(place * place * number for place, number in enumerate(profile))
        return sqrt(Fraction(total * second - first * first, total * total))

    def middle_half(self, axis: int) -> Fraction:
        """The share of the paths that come from the middle half of the field along an axis.

        Cell i lies from i to i + 1. The middle half of a field of n cells lies from n/4 to 3n/4 behind its start; a
        cell that lies in it by a part counts by that part, so that equal contributions give one half.
        """
        size, total = self.sizes[axis], self.total
        quarters = 0
        for place, number in enumerate(self.profile(axis)):
            quarters += number * max(0, min(3 * size, 4 * place + 4) - max(size, 4 * place))
        return Fraction(quarters, 4 * total) if total else Fraction(0)


def contribution(
    graph: Graph, fields: Sequence[Field | None], position: int, unit: Sequence[int], source: int = 0
) -> Contribution:
    """The paths from each cell of the input to the element of the node at `position` whose place along the node's
    spatial axes is `unit`.

    A path picks, at every operator from the element back, one of the operator's inputs, one of its products there, and
    one of the positions that this product reads along each axis. Axes that do not lead to the place of the unit
    (channels, and axes behind global operators) are not told apart, and count once: a convolution is one path a tap,
    whatever its channels. Of an operator that reads other places for other channels (shift, pixel_unshuffle), each of
    its products counts, as if every channel read through all.

    Maps go on behind their borders up to the last operator that reads all of one, as in `touched(bounded=False)`. A
    cell has a path exactly if it is touched, unless the channels that are touched are a part of all.

    Raises:
        BudgetError: there are too many cells on the way.
    """
    place = f" at {','.join(map(str, unit))}" if unit else ""
    budget = Budget(f'layer "{graph.nodes[position].name}": counting the paths to its unit{place}')
    walk = _Walk(graph, fields, position, source, budget)
    found = walk.counts(unit)
    budget.spend(2 * len(found.rows) * found.length)
    rank = len(walk.live[source])
    if not found:
        return Contribution(counts=found, starts=(0,) * rank, sizes=(0,) * rank)
    ends = [(min(profile), max(profile)) for profile in map(found.profile, range(rank))]
    return Contribution(
        counts=found,
        starts=tuple(first for first, _ in ends),
        sizes=tuple(last - first + 1 for first, last in ends),
        at_most=walk.at_most,
    )


def live_axes(field: Field | None) -> set[int]:
    """The axes of a node that lead to axes of the input."""
    return {axis.axis for axis in field.axes if axis.axis is not None} if field is not None else set()


class _Walk:
    """The way from an element back to the input."""

    def __init__(
        self, graph: Graph, fields: Sequence[Field | None], position: int, source: int, budget: Budget
    ) -> None:
        self.graph, self.position, self.source, self.budget = graph, position, source, budget
        self.live = [live_axes(field) for field in fields]
        self.seeing = [field is not None for field in fields]
        self.at_most = False
        self.told = self._told(self._leading())
        self.width = -(-(self._bound() + 1).bit_length() // 8)

    def counts(self, unit: Sequence[int]) -> PathCounts:
        """The paths from each cell along the spatial axes of the input."""
        graph, source = self.graph, self.source
        own = self.graph.nodes[self.position].shape
        keyed = set(self.told[self.position]) - self.live[self.position]
        self.budget.spend(prod(own[axis] for axis in keyed))
        places = product(*self._places(dict(zip(sorted(self.live[self.position]), unit, strict=True))))
        start = PathCounts.of(((place, 1) for place in places) if self.seeing[self.position] else (), self.width)
        wanted: dict[tuple[int, bool], PathCounts] = {(self.position, False): start}
        for number in range(self.position, source, -1):
            for bordered in (False, True):
                counts = wanted.pop((number, bordered), None)
                if counts is None or not counts:
                    continue
                for place, one in self._products(graph.nodes[number]):
                    shape = graph.nodes[place].shape
                    ends = bordered or any(one[axis].axis is None and shape[axis] != 1 for axis in self.live[place])
                    found = self._through(counts, one, number, place, ends)
                    key = place, ends
                    wanted[key] = wanted[key] + found if key in wanted else found
        layout = self._layout(source)
        kept = [layout.index(axis) for axis in sorted(self.live[source])]
        reached = [wanted[source, bordered] for bordered in (False, True) if (source, bordered) in wanted]
        return reduce(PathCounts.__add__, (counts.arranged(kept) for counts in reached), PathCounts(self.width, 0, {}))

    def _products(self, node: Node) -> Iterator[tuple[int, Product]]:
        """What a node reads of what sees the input: the position of each node, and each product of it."""
        if node.is_input:
            return
        reads: Reads = reads_of(node.op, self.graph.input_shapes(node), node.shape)
        for place, products in zip(node.inputs, reads, strict=True):
            if self.seeing[place]:
                yield from ((place, one) for one in products)

    def _places(self, unit: dict[int, int]) -> list[list[int]]:
        """The places of the unit along each axis that is told apart; all, where the unit has none there."""
        shape = self.graph.nodes[self.position].shape
        return [
            [0] if axis == NONE else [unit[axis]] if axis in unit else list(range(shape[axis]))
            for axis in self._layout(self.position)
        ]

    def _leading(self) -> list[set[int]]:
        """The axes of each node that lead to axes of the input through any path, of which a field knows one."""
        leading: list[set[int]] = [set() for _ in self.graph.nodes]
        leading[self.source] = self.live[self.source]
        for number in range(self.source + 1, self.position + 1):
            for place, one in self._products(self.graph.nodes[number]):
                ways = (followed(one[axis]) for axis in leading[place])
                leading[number] = leading[number] | {way for way in ways if way is not None}
        return leading

    def _told(self, leading: list[set[int]]) -> list[set[int]]:
        """The axes of each node along which places are told apart: those that lead to the input, and those through
        which such are read."""
        told = [set(axes) for axes in leading]
        reached = {self.position}
        for number in range(self.position, self.source, -1):
            for place, one in self._products(self.graph.nodes[number]) if number in reached else ():
                told[place] |= {axis for axis, read in enumerate(one) if followed(read) in told[number]}
                reached.add(place)
        return told

    def _layout(self, number: int) -> tuple[int, ...]:
        return tuple(sorted(self.told[number])) or (NONE,)

    def _bound(self) -> int:
        """At least as many as there are paths to the elements of any node together."""
        bounds = [0] * len(self.graph.nodes)
        bounds[self.position] = prod(map(len, self._places(dict.fromkeys(self.live[self.position], 0))))
        for number in range(self.position, self.source, -1):
            node = self.graph.nodes[number]
            for place, one in self._products(node) if bounds[number] else ():
                most = bounds[number]
                for axis in self.told[place]:
                    most *= most_read(one[axis], self.graph.nodes[place].shape[axis], node.shape, self.told[number])
                bounds[place] += most
        return max(bounds)

    def _through(self, counts: PathCounts, one: Product, number: int, place: int, bounded: bool) -> PathCounts:
        """What reaches an input of a node through one product, where this reaches the node."""
        shape, output, told = self.graph.nodes[place].shape, self.graph.nodes[number].shape, self.told[number]
        there, layout = self._layout(number), self._layout(place)
        self.at_most = self.at_most or any(self._is_vague(read, counts, number) for read in one)
        ways = [None if axis == NONE else followed(one[axis]) for axis in layout]
        self.budget.spend(len(counts.rows) * (counts.length if ways != list(there) else 1))
        counts = counts.arranged([there.index(way) if way in told else None for way in ways])
        for index in reversed(range(len(layout))):
            axis, way = layout[index], ways[index]
            if axis == NONE:
                continue
            if way not in told:
                places = shape[axis] if way is None else output[way]
                counts.spend(self.budget, index, None, places)
                counts = counts.at_all(index, places)
            if way is not None:
                free = axis in self.live[place] and not bounded
                counts.spend(self.budget, index, one[axis], 1)
                counts = counts.read(index, one[axis], None if free else shape[axis])
        return counts

    def _is_vague(self, read: AxisRead, counts: PathCounts, number: int) -> bool:
        """Whether it is not known which part of what is read so is read."""
        if read.at_most or not read.scattered or read.axis not in self.told[number]:
            return read.at_most
        places = counts.profile(self._layout(number).index(read.axis))
        return len(places) < self.graph.nodes[number].shape[read.axis]


def followed(read: AxisRead) -> int | None:
    """The axis of the output whose places say what is read; None where all is, or it is not said."""
    return None if read.scattered else read.axis


def most_read(read: AxisRead, size: int, output: Shape, told: set[int]) -> int:
    """The most places of an axis that a place of the output reads; all its places together, where none is told."""
    axis = followed(read)
    if axis is None:
        return size
    most = max((len(range(taps.first, taps.last + 1, taps.rate)) for taps in read.taps if taps is not None), default=1)
    return most if axis in told else most * output[axis]
