"""Receptive fields: what an element of every node sees of the network's input, on integers and on symbols.

Where elements of a node differ along an axis (the channels behind a concatenation or a shift), a view keeps runs of
what they see along it, until an operator reads that axis as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, groupby
from typing import Any

from convcost.analysis.axis_map import AxisMap, half, least, most, positions_read
from convcost.analysis.sight import AxisSight, Disagreement, Sight, joined, largest_size
from convcost.arith import Shape, Size, is_int, looks_equal
from convcost.graph import Graph, Node
from convcost.ops.reads import AxisRead, Product, same_axes
from convcost.record import Record

__all__ = ["AxisField", "Field", "View", "receptive_fields"]

Run = tuple[int, Sight | None]
MOST_ELEMENTS = 2**17
"""Along an axis with more elements they are not told apart."""
MOST_COMPARED = 2**12
"""Of more elements along an axis it is not asked whether one description holds for all."""


class View(Record):
    """What the elements of a node see: `sight`, all together; along `axis` they differ, by runs of so many elements;
    without runs it is not known how (axis -1: nor along which), but that each sees all of it or nothing where it is
    `even`. The runs are paths of their own where `branches` put them side by side."""

    sight: Sight
    axis: int | None = None
    runs: tuple[Run, ...] = ()
    even: bool = False
    branches: bool = False

    def read(self, product: Product, shape: Shape, output: Shape, sizes: Shape) -> View | None:
        """What the output sees that reads this product of a node of this shape; None: nothing."""
        if product is same_axes(len(shape))[0]:
            return self
        own = self.axis
        if own is None:
            axis = self._partial(product, shape)
            if axis is None:
                return self._scattered(View(sight=self.sight.read(product, shape, sizes)), product, shape)
            if not _can_be_told(shape[axis]):
                return View(sight=self.sight.read(product, shape, sizes), axis=product[axis].axis, even=True)
            runs = ((shape[axis], self.sight),)
            return View(sight=self.sight, axis=axis, runs=runs).read(product, shape, output, sizes)
        read = product[own] if own >= 0 else None
        if read is not None and read.axis is None:
            sight = self.sight.read(product, shape, sizes)
            return View(sight=sight.bound() if read.at_most else sight)
        if read is None or read.axis is None or read.scattered or not self.runs or not _can_be_told(output[read.axis]):
            return self._unknown(product, shape, output, sizes)
        return self._selected(read, product, shape, output, sizes)

    def _partial(self, product: Product, shape: Shape) -> int | None:
        """The first axis along which only some positions read anything; where they cannot be told apart, one through
        which nothing is seen, as of others the maps say it."""
        followed = [seen.axis for seen in self.sight.axes]
        partial = (axis for axis, read in enumerate(product) if read.partial)
        return next((axis for axis in partial if _can_be_told(shape[axis]) or axis not in followed), None)

    def _scattered(self, found: View, product: Product, shape: Shape) -> View:
        """Where an axis that is seen through lies spread along another now, it is not known which part is where."""
        axes = [seen.axis for seen in self.sight.axes]
        spread = [
            read.axis for axis, read in enumerate(product) if read.scattered and axis in axes and shape[axis] != 1
        ]
        if not spread:
            return found
        return View(sight=found.sight, axis=spread[0] if len(set(spread)) == 1 else -1)

    def _unknown(self, product: Product, shape: Shape, output: Shape, sizes: Shape) -> View:
        """What is read of elements that differ in an unknown way is bounded by what all see."""
        sight = self.sight.read(product, shape, sizes)
        read = product[self.axis] if self.axis is not None and self.axis >= 0 else None
        if read is None or read.axis is None or self.axis is None:
            return View(sight=sight.bound(), axis=-1)
        kept = read == AxisRead(axis=read.axis) and looks_equal(shape[self.axis], output[read.axis])
        if read.scattered or kept:
            return View(sight=sight, axis=read.axis, even=self.even)
        return View(sight=sight.bound(), axis=read.axis)

    def _selected(self, read: AxisRead, product: Product, shape: Shape, output: Shape, sizes: Shape) -> View | None:
        elements = [sight for count, sight in self.runs for _ in range(count)]
        picked = picked_elements(elements, read, output[read.axis or 0], self.branches)
        seen = {id(sight): sight for sight in picked if sight is not None}
        done = {key: sight.read(product, shape, sizes) for key, sight in seen.items()}
        return view_of([None if sight is None else done[id(sight)] for sight in picked], read.axis, self.branches)

    def is_known_at(self, place_axis: int) -> bool:
        """Whether all elements at one place see what is said, those along `place_axis` taken together."""
        return self.axis is None or self.axis == place_axis or self.even

    def plain(self) -> View:
        """Without runs where these are along an axis that is seen through, and the maps say what they say."""
        followed = any(seen.axis == self.axis for seen in self.sight.axes)
        return View(sight=self.sight) if self.runs and followed and self._says_each_run() else self

    def _says_each_run(self) -> bool:
        """Whether what is said of each position along the axis is what it sees, as behind a pixel shuffle; of very many
        it is not asked."""
        starts = list(accumulate((count for count, _ in self.runs), initial=0))
        if not 0 < starts[-1] <= MOST_COMPARED:
            return False
        pairs = (
            (place, sight)
            for (count, sight), start in zip(self.runs, starts, strict=False)
            for place in range(start, start + count)
        )
        return all(self._says(place, sight) for place, sight in pairs)

    def _says(self, place: int, sight: Sight | None) -> bool:
        ours = [seen.at(place) if seen.axis == self.axis else seen.maps for seen in self.sight.axes]
        if sight is None:
            return None in ours
        return ours == [seen.at(place) if seen.axis == self.axis else seen.maps for seen in sight.axes]


def _can_be_told(size: Size) -> bool:
    """Whether an axis has few enough elements to follow each."""
    return is_int(size) and size <= MOST_ELEMENTS


def picked_elements(
    elements: list[Sight | None], read: AxisRead, count: int, branches: bool = False
) -> list[Sight | None]:
    """What each of `count` positions reads so of elements along an axis, seen together."""
    size = len(elements)
    (taps, *others) = read.taps
    if not others and taps is not None and taps.first == taps.last and read.period == read.step == 1:
        before, after = max(0, -taps.first), max(0, taps.first)
        inside = elements[after : max(after, count + taps.first)]
        return [None] * min(before, count) + inside + [None] * max(0, count - before - len(inside))
    together = Together(branches)
    found: list[Sight | None] = []
    alike = read.period if not others else 1  # positions that read the same
    for position in range(0, count, alike):
        places = positions_read(read, position)
        seen = together(tuple(elements[place] for place in places if 0 <= place < size))
        found += [seen] * min(alike, count - position)
    return found


class Together:
    """Unions of sights, each taken once; of paths of their own where they are `branches`."""

    def __init__(self, branches: bool) -> None:
        self.branches = branches
        self.known: dict[frozenset[int], Sight | None] = {}

    def __call__(self, several: tuple[Sight | None, ...]) -> Sight | None:
        if len(several) == 1:
            return several[0]
        key = frozenset(map(id, several))
        if key not in self.known:
            seen = {id(sight): sight for sight in several if sight is not None}
            self.known[key] = joined([("", one) for one in seen.values()], "", self.branches) if seen else None
        return self.known[key]


def view_of(elements: Sequence[Sight | None], axis: int | None, branches: bool) -> View | None:
    """The view of elements along an axis; None where none sees anything."""
    different: list[Sight] = []
    first_like: dict[int, Sight | None] = {id(None): None}
    for sight in elements:
        if sight is not None and id(sight) not in first_like:
            first_like[id(sight)] = next((other for other in different if other == sight), sight)
            if first_like[id(sight)] is sight:
                different.append(sight)
    if not different:
        return None
    groups = [list(group) for _, group in groupby((first_like[id(sight)] for sight in elements), id)]
    runs = tuple((len(group), group[0]) for group in groups)
    sight = joined([("", sight) for sight in different], "", branches)
    return View(sight=sight) if len(runs) == 1 else View(sight=sight, axis=axis, runs=runs, branches=branches)


def joined_views(several: Sequence[tuple[str, View]], output: Shape, node: str = "") -> View:
    """What is seen through several inputs, or several products of one."""
    if len(several) == 1:
        return several[0][1]
    sight = joined([(name, view.sight) for name, view in several], node, branches=bool(node))
    axes = {view.axis for _, view in several if view.axis is not None}
    if not axes:
        return View(sight=sight)
    (axis, *others) = axes
    if not others and all(view.even or view.axis is None for _, view in several):
        alike = [view for _, view in several if view.sight == sight]
        if any(view.axis is None for view in alike):
            return View(sight=sight)
        return View(sight=sight, axis=axis, even=len(alike) == len(several))
    if others or axis < 0 or any(view.axis is not None and not view.runs for _, view in several):
        return View(sight=sight, axis=axis if not others else -1)
    lists = [
        [sight for count, sight in view.runs or ((output[axis], view.sight),) for _ in range(count)]
        for _, view in several
    ]
    branches = bool(node) or any(view.branches for _, view in several)
    together = Together(branches)
    found = view_of([together(elements) for elements in zip(*lists, strict=True)], axis, branches)
    return found.replace(sight=sight) if found is not None else View(sight=sight)


class AxisField(Record):
    """What the positions of a node see of one axis of the input, of `input_size` elements.

    `size` is the most that a position sees, in input elements, what lies outside of the input counted; `stride` how far
    neighbouring positions see apart (None where all see the same, or where branches of other strides meet); `start` the
    first element that position 0 sees, negative in the padding (None where it is not known). `local_size`: through
    local operators alone; `shortest` and `longest`: through the one path that sees least, and most. `whole`: an
    operator on the way reads all of an axis. `at_most`: the sizes are bounds.
    """

    size: Size
    stride: Any
    start: Any
    local_size: Size
    shortest: Size
    longest: Size
    whole: bool
    at_most: bool
    input_size: Size
    axis: int | None
    maps: tuple[AxisMap, ...]
    local: tuple[AxisMap, ...] = ()

    @property
    def is_bound(self) -> bool:
        """Whether the size is a bound that can be missed: what sees at most 1 element sees it."""
        return self.at_most and not looks_equal(self.size, 1)

    @property
    def padding(self) -> Any:
        """The effective padding: how far the first position sees in front of the input."""
        return None if self.start is None else -self.start

    def at(self, position: int) -> tuple[int, int] | None:
        """The first and last element that a position sees, what lies outside of the input included; None: nothing."""
        ends = [end for end in (seen.at(position) for seen in self.maps) if end is not None]
        return (min(low for low, _ in ends), max(high for _, high in ends)) if ends else None

    def centre(self, position: int) -> Any:
        """The centre of what a position sees, in input elements from 0, the centre of the first."""
        ends = self.at(position)
        return None if ends is None else half(ends[0] + ends[1])


class Field(Record):
    """The receptive field of a node: an entry for each spatial axis of the input.

    `dense`: every cell between the ends is touched, for sure. `disagreement`: the first place on the way where branches
    see the input around other centres, or at other strides; None where all agree.
    """

    node: Node
    axes: tuple[AxisField, ...]
    dense: bool
    disagreement: Disagreement | None

    @property
    def aligned(self) -> bool:
        """Whether all paths see the input around the same centre."""
        return self.disagreement is None

    @property
    def is_global(self) -> bool:
        """Whether an operator on the way reads all of an axis."""
        return any(axis.whole for axis in self.axes)

    @property
    def at_most(self) -> bool:
        """Whether the sizes are bounds."""
        return any(axis.at_most for axis in self.axes)

    @property
    def size(self) -> Shape:
        """The size along each axis, in input elements."""
        return tuple(axis.size for axis in self.axes)


def views(graph: Graph, source: int = 0, leading: int = 0) -> list[View | None]:
    """What each node sees of the input at position `source`, with `leading` axes before its channels; None: nothing."""
    shape = graph.nodes[source].shape
    sizes = shape[leading + 1 :]
    start = View(
        sight=Sight(axes=tuple(AxisSight(axis=axis, input_size=size) for axis, size in enumerate(sizes, leading + 1)))
    )
    found: list[View | None] = []
    known: dict[Any, Any] = {}
    for position, node in enumerate(graph.nodes):
        if node.is_input:
            found.append(start if position == source else None)
            continue
        shapes = graph.input_shapes(node)
        key = id(node.op), shapes
        if key not in known:
            known[key] = node.op.reads(shapes, node.shape)
        found.append(_view(graph, node, known[key], found, sizes))
    return found


def _view(graph: Graph, node: Node, reads: Any, found: Sequence[View | None], sizes: Shape) -> View | None:
    branches = []
    for place, products in zip(node.inputs, reads, strict=True):
        seen = found[place]
        if seen is None:
            continue
        read = [seen.read(product, graph.nodes[place].shape, node.shape, sizes) for product in products]
        if seen.axis is not None and _couples(products, seen.axis):
            read = [None if view is None else view.replace(sight=view.sight.bound(), runs=()) for view in read]
        known = [("", view) for view in read if view is not None]
        if known:
            branches.append((graph.nodes[place].name, joined_views(known, node.shape)))
    return joined_views(branches, node.shape, node.name).plain() if branches else None


def _couples(products: Sequence[Product], axis: int) -> bool:
    """Whether which elements along an axis are read depends on the place along two others together."""
    return len(products) > 1 and any(
        sum(read.partial for number, read in enumerate(product) if number != axis) > 1 for product in products
    )


def receptive_fields(graph: Graph, source: int = 0, leading: int = 0) -> list[Field | None]:
    """The receptive field of every node in the input at position `source`; None: it sees nothing of it."""
    sizes = graph.nodes[source].shape[leading + 1 :]
    known: dict[Any, tuple[AxisField, ...]] = {}
    fields: list[Field | None] = []
    for node, view in zip(graph.nodes, views(graph, source, leading), strict=True):
        if view is None:
            fields.append(None)
            continue
        sight, certain = view.sight, view.is_known_at(leading)
        key = id(sight), certain, node.shape
        if key not in known:
            told = sight if certain else sight.bound()
            known[key] = tuple(_axis_field(seen, node.shape, size) for seen, size in zip(told.axes, sizes, strict=True))
        fields.append(Field(node=node, axes=known[key], dense=sight.dense and certain, disagreement=sight.disagreement))
    return fields


def _axis_field(seen: AxisSight, shape: Shape, size: Size) -> AxisField:
    count = 1 if seen.axis is None else shape[seen.axis]
    one = seen.maps[0] if len(seen.maps) == 1 and seen.axis is not None else None
    starts = [found.lows[0] for found in seen.maps if found.lows[0] is not None]
    beside = seen.whole and len(seen.maps) > 1 and not is_int(size)  # what is seen beside all of it lies within
    at_most = seen.at_most or (beside and not any(looks_equal(found.size, size) for found in seen.maps))
    return AxisField(
        size=size if beside else largest_size(seen.maps, count),
        stride=one.stride if one is not None else None,
        start=None if at_most or not starts else least(starts),
        local_size=seen.size_of_local(count),
        shortest=least([path.size for path in seen.shortest]),
        longest=most([path.size for path in seen.longest]),
        whole=seen.whole,
        at_most=at_most,
        input_size=size,
        axis=seen.axis,
        maps=seen.maps,
        local=seen.local,
    )
