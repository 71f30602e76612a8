"""Tiled inference: which overlap of tiles gives the results of the whole image, exactly, and which elements of a tile's
output are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from convcost.analysis.receptive_field import Field
from convcost.analysis.tile_walk import Walk, lineage, reason_of, walk
from convcost.arith import Shape, Size, is_int, prod
from convcost.errors import GraphError
from convcost.graph import Graph, Node, label
from convcost.ops import Operator
from convcost.ops.base import show_shape
from convcost.ops.move import Input
from convcost.record import Record

__all__ = ["AxisTiling", "Piece", "Tiling", "tiling"]


class Piece(Record):
    """A tile along an axis: it starts at element `start` of the image; of its output the elements from `first` up to
    `stop` are kept, and the first of them belongs at `place` of the whole output."""

    start: int
    first: int
    stop: int
    place: int


class AxisTiling(Record):
    """Tiles along a spatial axis of the image.

    Tiles of `tile` elements start `step` apart, a multiple of `alignment`, and the last ends with the image. `axis` is
    the axis of the layer's output, of `output` elements and of `tile_output` in a tile, of which `front` and `back` at
    a cut are not those of the whole image; `stride` is how far the outputs lie apart in the image (None where the image
    is not cut).
    """

    image: int
    tile: int
    step: int
    alignment: int
    axis: int | None
    output: int
    tile_output: int
    front: int = 0
    back: int = 0
    stride: Fraction | None = None

    @property
    def overlap(self) -> int:
        """How many elements two neighbouring tiles share, save the last two, which may share more. Below 0 they lie
        apart: nothing reads what is between."""
        return self.tile - self.step

    @property
    def count(self) -> int:
        """How many tiles there are."""
        return -(-(self.image - self.tile) // self.step) + 1

    def pieces(self) -> tuple[Piece, ...]:
        """The tiles in order: each is kept from its front margin on, up to the first that is kept of the next."""
        starts = [*range(0, self.image - self.tile, self.step), self.image - self.tile]
        offsets = [0 if self.stride is None else int(start / self.stride) for start in starts]
        firsts = [0, *(self.front for _ in starts[1:])]
        ends = [*(offset + self.front for offset in offsets[1:]), self.output]
        return tuple(
            Piece(start=start, first=first, stop=end - offset, place=offset + first)
            for start, offset, first, end in zip(starts, offsets, firsts, ends, strict=True)
        )


class Tiling(Record):
    """Tiles on which a network gives, at `node`, what it gives on the whole image.

    `limit` is the largest tile that was allowed, an entry a spatial axis. `whole` and `network` are what runs on the
    image and on a tile; `resized` names the layers whose fields hold a size, which is another there.
    """

    node: Node
    axes: tuple[AxisTiling, ...]
    limit: tuple[int, ...]
    whole: Graph
    network: Graph
    resized: tuple[str, ...]

    @property
    def tile(self) -> tuple[int, ...]:
        """The size of a tile along each axis."""
        return tuple(axis.tile for axis in self.axes)

    @property
    def step(self) -> tuple[int, ...]:
        """How far tiles start apart along each axis."""
        return tuple(axis.step for axis in self.axes)

    @property
    def overlap(self) -> tuple[int, ...]:
        """How many elements neighbouring tiles share along each axis."""
        return tuple(axis.overlap for axis in self.axes)

    @property
    def alignment(self) -> tuple[int, ...]:
        """Tiles start at multiples of this along each axis."""
        return tuple(axis.alignment for axis in self.axes)

    @property
    def count(self) -> int:
        """How many tiles there are."""
        return prod(axis.count for axis in self.axes)

    @property
    def work(self) -> Fraction | None:
        """Multiply-accumulates of all tiles for each of the whole image; None where there are none."""
        whole = macs_of(self.whole)
        return Fraction(self.count * macs_of(self.network), whole) if whole else None


def macs_of(graph: Graph) -> int:
    """The multiply-accumulates of a graph."""
    return sum(node.op.macs(graph.input_shapes(node), node.shape) for node in graph.layers)


def tiling(graph: Graph, fields: Sequence[Field | None], position: int, tile: Sequence[int], source: int = 0) -> Tiling:
    """The tiles of at most this size, an entry a spatial axis or one for all, that give what the whole image gives at
    the node at `position`, with the least overlap.

    A tile has the size of the image less a multiple of the alignment, the largest that is allowed: so each has the
    image's place on the grids of all layers, at both ends.

    Raises:
        GraphError: no overlap gives equal results, or the tile is too small.
    """
    seen, start = fields[position], fields[source]
    if seen is None or start is None:
        raise GraphError(
            f'"{graph.nodes[position].name}" sees nothing of the input "{graph.nodes[source].name}", so there is'
            " nothing to tile; choose another layer or input"
        )
    limit = _checked(tile, [axis.input_size for axis in start.axes])
    places = lineage(graph, position, source)
    cut = [number for number, axis in enumerate(start.axes) if limit[number] < axis.input_size]
    walks = {}
    for number in cut:
        try:
            walks[number] = walk(graph, places, source, start.axes[number].axis or 0, number + 1)
        except GraphError as error:
            local = show_shape(tuple(axis.local_size for axis in seen.axes))
            beside = f" (through local operators alone its field is {local})" if seen.is_global else ""
            raise GraphError(f'"{graph.nodes[position].name}" cannot be tiled{beside}: {error}') from None
    _rebuilt(graph, places, walks, dict.fromkeys(cut, 1))  # refuses what depends on the size
    turns = {number: _turns(graph, position, source, walks[number], number + 1, limit[number]) for number in cut}
    network, resized = _rebuilt(graph, places, walks, turns)
    whole, _ = _rebuilt(graph, places, {}, {})
    shapes = network.nodes[places.index(source)].shape, network.nodes[-1].shape
    axes = [
        _axis(walks.get(number), position, own.input_size, (own.axis, axis.axis), shapes, graph.nodes[position].shape)
        for number, (own, axis) in enumerate(zip(start.axes, seen.axes, strict=True))
    ]
    return Tiling(
        node=graph.nodes[position], axes=tuple(axes), limit=limit, whole=whole, network=network, resized=resized
    )


def _checked(tile: Sequence[int], image: Sequence[Size]) -> tuple[int, ...]:
    """The size of a tile along each axis.

    Raises:
        GraphError: there are not as many as axes, or one is below 1.
    """
    given = tuple(tile) * (len(image) if len(tile) == 1 else 1)
    if len(given) != len(image) or any(not is_int(size) or size < 1 for size in given):
        raise GraphError(
            f"the tile is {show_shape(tuple(tile))}; it must be one whole number of at least 1 for each of the"
            f" {len(image)} spatial axes of the image ({show_shape(tuple(image))}), or one for all"
        )
    return given


def _turns(graph: Graph, position: int, source: int, followed: Walk, number: int, limit: int) -> int:
    """How many alignments a tile is larger than the image (below 0).

    Raises:
        GraphError: no tile of at most this size has an output that is trusted.
    """
    image = graph.nodes[source].shape[followed.tracks[source].axis]
    found = (limit - image) // followed.alignment
    needs = {place: track.least for place, track in followed.tracks.items()}
    last = followed.tracks[position]
    needs[position] = max(last.least, last.front + last.back + followed.shift(position))
    lacking = (
        -((graph.nodes[place].shape[followed.tracks[place].axis] - need) // followed.shift(place))
        for place, need in needs.items()
    )
    least = max(lacking)
    if found >= least:
        return found
    size = image + least * followed.alignment
    remedy = f"the least that works is {size}" if least < 0 else f"only the whole image ({image}) works"
    name, outputs = graph.nodes[position].name, followed.shift(position)
    beside = f' (as "{followed.coarsest}" repeats)' if followed.coarsest else ""
    raise GraphError(
        f"a tile of {limit} is too small along spatial axis {number}: tiles start at multiples of {followed.alignment}"
        f"{beside}, so an inner one must give at least {outputs}"
        f' output{"s" if outputs != 1 else ""} of "{name}" that see nothing of its cuts;'
        f" {remedy}"
    )


def _axis(
    followed: Walk | None,
    position: int,
    image: int,
    axes: tuple[int | None, int | None],
    shapes: tuple[Shape, Shape],
    output: Shape,
) -> AxisTiling:
    """The tiles along one axis, which is the first of `axes` in the image and the second in the layer."""
    if followed is None:
        (_, axis) = axes
        count = 1 if axis is None else output[axis]
        return AxisTiling(image=image, tile=image, step=image, alignment=1, axis=axis, output=count, tile_output=count)
    track = followed.tracks[position]
    tile, given = shapes[0][axes[0] or 0], shapes[1][track.axis]
    turns = (given - track.front - track.back) // followed.shift(position)
    return AxisTiling(
        image=image,
        tile=tile,
        step=turns * followed.alignment,
        alignment=followed.alignment,
        axis=track.axis,
        output=output[track.axis],
        tile_output=given,
        front=track.front,
        back=track.back,
        stride=track.stride,
    )


def _rebuilt(
    graph: Graph, places: Sequence[int], walks: Mapping[int, Walk], turns: Mapping[int, int]
) -> tuple[Graph, tuple[str, ...]]:
    """The nodes at these places on an image that is so many alignments larger along each cut axis, and the layers that
    hold another size there.

    Raises:
        GraphError: a layer reads its input in another way there, or cannot stand on it.
    """
    nodes: list[Node] = []
    resized = []
    numbers = {place: number for number, place in enumerate(places)}
    for place in places:
        node = graph.nodes[place]
        shape = list(node.shape)
        for number, followed in walks.items():
            shape[followed.tracks[place].axis] += turns[number] * followed.shift(place)
        inputs = tuple(numbers[before] for before in node.inputs)
        new = node.replace(inputs=inputs, shape=tuple(shape))
        shapes = tuple(nodes[before].shape for before in inputs)
        op = Input(shape=new.shape) if node.is_input else _fitting(graph, new, shapes)
        if not node.is_input and op.reads(shapes, new.shape) != node.op.reads(graph.input_shapes(node), node.shape):
            raise GraphError(reason_of(graph, node, "reads other places of an image of another size"))
        if not node.is_input and op != node.op:
            resized.append(node.name)
        nodes.append(new.replace(op=op))
    return graph.replace(nodes=tuple(nodes)), tuple(resized)


def _fitting(graph: Graph, node: Node, inputs: tuple[Shape, ...]) -> Operator:
    """The operator, or one with another size in its field, that gives the node's shape.

    Raises:
        GraphError: neither does.
    """
    problem = ""
    for op in (node.op, *_of_size(node.op, inputs, node.shape)):
        problem = next(op.check(inputs), "")
        if not problem and op.out_shape(inputs) == node.shape:
            return op
    if problem:
        raise GraphError(f"{label(node.op.word, node.name)} cannot stand on an image of another size: {problem}")
    made, wanted = show_shape(op.out_shape(inputs)), show_shape(node.shape)
    before = next(own for own in graph.nodes if own.name == node.name)
    reason = f"depends on the size of its input: of another it makes {made}, where {wanted} is needed"
    raise GraphError(reason_of(graph, before, reason))


def _of_size(op: Operator, inputs: tuple[Shape, ...], output: Shape) -> list[Operator]:
    """The operator with another size in the field that holds one."""
    values: Any = op
    if op.word == "reshape":
        return [op.replace(shape=output[len(inputs[0]) - values.rank - 1 :])]
    if op.word == "slice":
        return [op.replace(stop=values.start + output[len(output) - values.rank - 1 + values.axis])]
    for field in ("size", "output_size"):
        if op.word in ("crop", "upsample", "adaptive_max_pool", "adaptive_avg_pool") and getattr(op, field, None):
            sizes = getattr(op, field)
            return [op.replace(**{field: output[len(output) - len(sizes) :]})]
    return []
