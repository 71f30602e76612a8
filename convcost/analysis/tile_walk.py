"""How an axis of the input, cut at both ends, goes through a network: where tiles can start, and what they get right.

A tile is a part of the image on which the same network runs. An element of a map is trusted where everything that it
reads lies in the tile's maps and is trusted: there the tile and the whole image give the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import lcm

from convcost.analysis.axis_map import positions_read
from convcost.arith import is_int
from convcost.errors import GraphError
from convcost.graph import Graph, Node, label
from convcost.ops.reads import AxisRead
from convcost.record import Record

__all__ = ["Track", "Walk", "lineage", "reason_of", "walk"]


class Track(Record):
    """What becomes of a cut axis in a node: `axis`, and how far neighbouring positions lie apart, in input elements;
    `front` and `back` elements at the ends are not trusted; the map needs `least` elements, so that what the border
    mirrors is trusted too."""

    axis: int
    stride: Fraction = Fraction(1)
    front: int = 0
    back: int = 0
    least: int = 1


class Walk(Record):
    """An axis of the input in every node on the way, by position. Tiles may start at multiples of `alignment`, where
    every layer's reads repeat; `coarsest` is the last that makes it larger, if any does."""

    tracks: dict[int, Track]
    alignment: int
    coarsest: str

    def shift(self, position: int) -> int:
        """By how many positions a node's map moves where the input moves by the alignment."""
        return int(self.alignment / self.tracks[position].stride)


def lineage(graph: Graph, position: int, source: int) -> list[int]:
    """The nodes on whose values the one at `position` depends, in the order of execution.

    Raises:
        GraphError: another input is among them.
    """
    wanted = {position}
    for number in range(position, -1, -1):
        if number in wanted:
            wanted.update(graph.nodes[number].inputs)
    for number in sorted(wanted - {source}):
        if graph.nodes[number].is_input:
            raise GraphError(
                f'"{graph.nodes[position].name}" reads the input "{graph.nodes[number].name}" beside'
                f' "{graph.nodes[source].name}"; only what sees a single input can be tiled, so choose an earlier layer'
            )
    return sorted(wanted)


def reason_of(graph: Graph, node: Node, found: str) -> str:
    """Why no tiles give the results of the whole: the layer, and what can be done."""
    before = [f'"{graph.nodes[place].name}"' for place in node.inputs if not graph.nodes[place].is_input]
    remedy = f"tile only up to {' and '.join(before)}, or" if before else "the remedy is"
    return f"{label(node.op.word, node.name)} {found}; {remedy} a tile as large as the image on that axis"


def walk(graph: Graph, places: Sequence[int], source: int, axis: int, number: int) -> Walk:
    """Follow an axis of the input at `source` through the nodes at these places; it is spatial axis `number`.

    Raises:
        GraphError: a layer reads it in a way that a tile cannot repeat.
    """
    tracks = {source: Track(axis=axis)}
    alignment, coarsest = 1, ""
    for position in places:
        node = graph.nodes[position]
        if node.is_input:
            continue
        shapes = graph.input_shapes(node)
        found = []
        for place, products in zip(node.inputs, node.op.reads(shapes, node.shape), strict=True):
            for read in (product[tracks[place].axis] for product in products):
                problem = _problem(read, f"spatial axis {number}")
                if problem:
                    raise GraphError(reason_of(graph, node, problem))
                ends = _Ends(graph.nodes[place].shape[tracks[place].axis], tracks[place], read)
                tracks[place] = ends.before(graph, node)
                found.append(ends.behind(node.shape))
                repeat = lcm(alignment, (tracks[place].stride * read.step).numerator)
                alignment, coarsest = repeat, coarsest if repeat == alignment else node.name
        tracks[position] = _met(graph, node, found, number)
    return Walk(tracks=tracks, alignment=alignment, coarsest=coarsest)


def _problem(read: AxisRead, axis: str) -> str:
    """Why an axis that is read so cannot be cut; nothing where it can."""
    if read.at_most or not (is_int(read.period) and is_int(read.step)):
        return f"reads an unknown part of {axis}"
    if read.scattered:
        return f"spreads {axis} over other axes"
    if read.axis is None:
        return f"reads all of {axis}"
    return f"reads the same elements of {axis} everywhere" if read.step == 0 else ""


def _met(graph: Graph, node: Node, found: Sequence[Track], number: int) -> Track:
    """The axis behind all that a node reads."""
    if len({(track.axis, track.stride) for track in found}) > 1:
        differing = (
            "joins branches of other strides" if len({track.axis for track in found}) == 1 else "turns and joins"
        )
        raise GraphError(reason_of(graph, node, f"{differing} along spatial axis {number}"))
    return found[0].replace(front=max(track.front for track in found), back=max(track.back for track in found))


class _Ends:
    """What an operator that reads so makes of the ends of a map of `size` elements."""

    def __init__(self, size: int, track: Track, read: AxisRead) -> None:
        self.size, self.track, self.read = size, track, read
        phases = enumerate(read.taps if len(read.taps) > 1 else read.taps * read.period)
        self.taps = [(phase, taps) for phase, taps in phases if taps is not None]

    def behind(self, output: Sequence[int]) -> Track:
        """The axis of the output. An element at an end is not trusted if it, or one further in, reads what is not."""
        read, last = self.read, self.size - 1 - self.track.back
        count = output[read.axis or 0]
        fronts = [
            (-((taps.first - self.track.front) // read.step) - 1) * read.period + phase + 1 for phase, taps in self.taps
        ]
        backs = [((last - taps.last) // read.step + 1) * read.period + phase for phase, taps in self.taps]
        return Track(
            axis=read.axis or 0,
            stride=self.track.stride * Fraction(read.step, read.period),
            front=max([0, *fronts]),
            back=max([0, *(count - first for first in backs)]),
        )

    def before(self, graph: Graph, node: Node) -> Track:
        """The axis of the input, with what the border of the image needs of it.

        Raises:
            GraphError: the border shows elements of the other end.
        """
        if self.read.border == "constant":
            return self.track
        front = max(0, -positions_read(self.read, 0)[0])
        count = node.shape[self.read.axis or 0]
        back = max(0, positions_read(self.read, count - 1)[-1] - self.size + 1)
        if not front and not back:
            return self.track
        if self.read.border == "circular":
            raise GraphError(reason_of(graph, node, "shows at one border what lies at the other, and reads both of it"))
        mirrors = self.read.border == "reflect"
        least = max(self.track.back + 1 + front * mirrors, self.track.front + 1 + back * mirrors)
        return self.track.replace(least=max(self.track.least, least))
