"""The cells of the input that an element touches, and the elements that see a cell: exact sets, hole by hole.

An interval hides what dilation leaves out (gridding), and at the border what paths through padding do not reach. Here
sets of elements are carried through the graph, from an element back to the input, or from a cell of the input on.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from convcost.analysis.budget import Budget
from convcost.analysis.cells import Box, Boxes, Cells, readers, seen_of
from convcost.analysis.receptive_field import Field
from convcost.arith import Shape
from convcost.graph import Graph
from convcost.ops.reads import AxisRead, Product, Reads
from convcost.record import Record

__all__ = ["Touched", "seeing", "touched"]

UNLIMITED = 2**63


class Touched(Record):
    """Cells along the spatial axes; `at_most`: a bound, and no more than these."""

    cells: Boxes
    at_most: bool = False

    @property
    def count(self) -> int:
        """How many cells there are."""
        return len(self.cells)

    @property
    def ends(self) -> tuple[tuple[int, int], ...]:
        """The first and last cell along each axis; () where there is none."""
        return self.cells.ends()


def full(shape: Shape) -> Box:
    """All elements of a node."""
    return tuple(Cells.span(0, size) for size in shape)


@lru_cache(4096)
def reads_of(op: object, inputs: tuple[Shape, ...], output: Shape) -> Reads:
    """What the operator reads, worked out once."""
    return op.reads(inputs, output)  # type: ignore[attr-defined]


def touched(
    graph: Graph,
    fields: Sequence[Field | None],
    position: int,
    unit: Sequence[int],
    bounded: bool,
    source: int = 0,
    budget: Budget | None = None,
) -> Touched:
    """What the elements of the node at `position` touch whose place along the node's spatial axes is `unit`.

    The axes of the node that no axis of the input leads to (channels, and axes behind global operators) are taken as a
    whole. `bounded`: on maps as they are; else as if each map went on behind its borders, up to the last operator that
    reads all of one.

    Raises:
        BudgetError: it takes more than the budget that is given.
    """
    budget = budget or Budget("", UNLIMITED)
    spatial = [_spatial(field) for field in fields]
    places = dict(zip(sorted(spatial[position]), unit, strict=True))
    start = tuple(
        Cells.of([places[axis]]) if axis in places else Cells.span(0, size)
        for axis, size in enumerate(graph.nodes[position].shape)
    )
    budget.spend(0, sum(graph.nodes[position].shape))
    wanted: dict[tuple[int, bool], Boxes] = {(position, bounded): Boxes([start])}
    at_most = False
    for number in range(position, source, -1):
        node = graph.nodes[number]
        for bordered in (False, True):
            boxes = wanted.pop((number, bordered), None)
            if boxes is None or node.is_input:
                continue
            reads = reads_of(node.op, graph.input_shapes(node), node.shape)
            for place, products in zip(node.inputs, reads, strict=True):
                for product in products if fields[place] is not None else ():
                    shape = graph.nodes[place].shape
                    ends = bordered or any(product[axis].axis is None and shape[axis] != 1 for axis in spatial[place])
                    for box in boxes:
                        _spend_image(budget, product, box, shape)
                        free = set() if ends else spatial[place]
                        image, exact = _image(product, box, shape, node.shape, free)
                        known = wanted.setdefault((place, ends), Boxes())
                        _spend_joining(budget, known, image)
                        known.add(image)
                        at_most = at_most or not exact
    axes = sorted(spatial[source])
    found = [wanted.get((source, bordered), Boxes()).along(axes) for bordered in (False, True)]
    together = Boxes(box for boxes in found for box in boxes)
    _spend_counting(budget, together)
    return Touched(cells=together, at_most=at_most)


def _spend_image(budget: Budget, product: Product, box: Box, shape: Shape) -> None:
    """The work of `_image`."""
    for read, size in zip(product, shape, strict=True):
        if read.axis is None or read.scattered:
            budget.spend(1, size)
            continue
        cells, most = box[read.axis], taps_of(read)
        extent = cells.bits.bit_length() * read.step // read.period + reach_of(read)
        if len(read.taps) == 1 and read.period == 1 and read.step > 0:
            budget.spend(most + cells.bits.bit_length() // 16 * (read.step > 1), most * extent)
        else:
            budget.spend(len(cells) * most, len(cells) * most * extent)
        if read.border != "constant" and cells:
            outside = max(0, -(cells.ends[0] * read.step) + reach_of(read))
            budget.spend(extent + outside if outside or cells.ends[1] * read.step + reach_of(read) >= size else 0)


def _spend_joining(budget: Budget, known: Boxes, box: Box) -> None:
    """The work of `Boxes.add`."""
    count = len(known.boxes) + 1
    budget.spend(count * len(box), 2 * count * sum(cells.bits.bit_length() for cells in box))


def _spend_counting(budget: Budget, boxes: Boxes) -> None:
    """The work of counting the cells of products that may overlap."""
    count = len(boxes.boxes)
    if count < 2 or len(boxes.boxes[0]) < 2:
        return
    steps = 1
    for first, last in boxes.ends()[:-1]:
        steps *= min(last - first + 1, 2**count)
        budget.spend((last - first + 1) * count + steps * count * count)


def taps_of(read: AxisRead) -> int:
    """The most taps of a phase."""
    return max((len(range(taps.first, taps.last + 1, taps.rate)) for taps in read.taps if taps is not None), default=0)


def reach_of(read: AxisRead) -> int:
    """How far the taps lie away, at most."""
    return max((max(abs(taps.first), abs(taps.last)) for taps in read.taps if taps is not None), default=0)


def _spatial(field: Field | None) -> set[int]:
    return {axis.axis for axis in field.axes if axis.axis is not None} if field is not None else set()


def _image(product: Product, box: Box, shape: Shape, output: Shape, free: set[int]) -> tuple[Box, bool]:
    """What a box of the output reads of an input, and whether it is no mere bound; `free` axes have no borders."""
    found, exact = [], True
    for axis, (read, size) in enumerate(zip(product, shape, strict=True)):
        if read.axis is None or read.scattered:
            scattered = read.axis is not None and len(box[read.axis]) < output[read.axis]
            exact = exact and not read.at_most and not scattered
            found.append(Cells.span(0, size))
            continue
        exact = exact and not read.at_most
        cells = seen_of(box[read.axis], read)
        found.append(cells if axis in free else cells.within(size, read.border))
    return tuple(found), exact


def seeing(
    graph: Graph,
    fields: Sequence[Field | None],
    pixel: Sequence[int],
    source: int = 0,
    budget: Budget | None = None,
) -> list[Touched | None]:
    """Of every node the elements that see the cell of the input at `pixel`, along the node's spatial axes; None where
    none does.

    Raises:
        BudgetError: it takes more than the budget that is given.
    """
    budget = budget or Budget("", UNLIMITED)
    spatial = [_spatial(field) for field in fields]
    places = dict(zip(sorted(spatial[source]), pixel, strict=True))
    shape = graph.nodes[source].shape
    start = tuple(
        Cells.of([places[axis]]) if axis in places else Cells.span(0, size) for axis, size in enumerate(shape)
    )
    found: list[tuple[Boxes, bool] | None] = [None] * len(graph.nodes)
    found[source] = Boxes([start]), False
    for number, node in enumerate(graph.nodes):
        if node.is_input:
            continue
        reads = reads_of(node.op, graph.input_shapes(node), node.shape)
        boxes, at_most = Boxes(), False
        for place, products in zip(node.inputs, reads, strict=True):
            before = found[place]
            if before is None:
                continue
            for product in products:
                for box in before[0]:
                    _spend_preimage(budget, product, box, node.shape)
                    image = _preimage(product, box, graph.nodes[place].shape, node.shape)
                    _spend_joining(budget, boxes, image)
                    boxes.add(image)
                at_most = at_most or before[1] or any(read.at_most or read.scattered for read in product)
        found[number] = (boxes, at_most) if boxes.boxes else None
    return [
        None if one is None else Touched(cells=one[0].along(sorted(axes)), at_most=one[1])
        for one, axes in zip(found, spatial, strict=True)
    ]


def _preimage(product: Product, box: Box, shape: Shape, output: Shape) -> Box:
    """The elements of an output that read any of a box of an input."""
    found = list(full(output))
    for read, cells, size in zip(product, box, shape, strict=True):
        if read.axis is not None and not read.scattered:
            found[read.axis] = found[read.axis] & readers(cells, read, size, output[read.axis])
    return tuple(found)


def _spend_preimage(budget: Budget, product: Product, box: Box, output: Shape) -> None:
    """The work of `_preimage`."""
    budget.spend(1, sum(output))
    for read, cells in zip(product, box, strict=True):
        if read.axis is None or read.scattered:
            continue
        most, extent = taps_of(read), cells.bits.bit_length() + reach_of(read)
        if len(read.taps) == 1 and read.period == 1 and read.step > 0 and read.border == "constant":
            budget.spend(most + most * extent // 16 * (read.step > 1), most * extent)
        else:
            budget.spend(output[read.axis] * (most + 1))
