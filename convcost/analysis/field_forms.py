"""Receptive fields in closed form, of single operators and of blocks, on integers and on symbols.

Along each spatial axis of the input an output element sees `extent` neighbouring elements, and two neighbouring
outputs see windows `jump` elements apart. Layer by layer, extent += (window - 1) jump and jump *= stride; where
branches meet, the larger extent counts. This is for what `convcost explain` shows and for rules that replace one layer;
positions, padding and the cells that are touched are not followed.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from convcost.arith import Shape, Size, ceil_div, equal, is_int, largest
from convcost.graph import Graph, Node
from convcost.ops.attention import MatMul, ScaledDotProductAttention
from convcost.ops.base import Operator
from convcost.ops.channel import ConvClassifier
from convcost.ops.conv import Conv, ConvTranspose
from convcost.ops.equivariant import GroupEquivariantConv
from convcost.ops.graph_conv import GraphConv
from convcost.ops.linear import Linear
from convcost.ops.move import Opaque, Upsample
from convcost.ops.norm import GroupNorm, InstanceNorm, LayerNorm
from convcost.ops.pool import AdaptivePool, GlobalPool, Pool
from convcost.ops.rearrange import Permute, PixelShuffle, PixelUnshuffle, Shift
from convcost.ops.view import Flatten, Reshape
from convcost.ops.window import extent
from convcost.record import Record

__all__ = ["AxisField", "field_of"]


class AxisField(Record):
    """What an output element sees of one axis of the input. `whole`: all of it, and `extent` is the axis' size;
    `at_most`: `extent` is an upper bound, as behind transposed convolutions, where it depends on the position."""

    extent: Size = 1
    jump: Any = 1
    whole: bool = False
    at_most: bool = False


class Seen(Record):
    """What a node sees: a field for each axis of the input, and which of these the node's own spatial axes are
    (None: an axis that the input has not)."""

    parts: tuple[AxisField, ...]
    axes: tuple[int | None, ...]


def field_of(graph: Graph, position: int = -1) -> tuple[AxisField, ...]:
    """What one output element of the node at `position` sees, for each spatial axis of the first input."""
    sizes = graph.nodes[0].shape[1:]
    found: list[Seen] = []
    for node in graph.nodes:
        if node.is_input:
            axes = range(min(len(node.shape) - 1, len(sizes)))
            found.append(Seen(parts=tuple(AxisField() for _ in sizes), axes=tuple(axes)))
            continue
        seen = joined([found[source] for source in node.inputs])
        found.append(_through(node, graph.input_shapes(node), seen, sizes))
    return found[position].parts


def joined(several: list[Seen]) -> Seen:
    """Where branches meet, the largest field of each axis."""
    first, *others = several
    if not others:
        return first
    fields = []
    for axis in zip(*(seen.parts for seen in several), strict=True):
        whole = any(field.whole for field in axis)
        extents = [field.extent for field in axis if field.whole == whole]
        local = [field for field in axis if not field.whole] or list(axis)
        fields.append(
            AxisField(
                extent=larger(extents),
                jump=local[0].jump,
                whole=whole,
                at_most=any(field.at_most for field in axis) and not whole,
            )
        )
    return first.replace(parts=tuple(fields))


def larger(sizes: list[Size]) -> Size:
    """The largest of the sizes; of equal ones no maximum is left behind."""
    different: list[Size] = []
    for size in sizes:
        if not any(equal(size, other) for other in different):
            different.append(size)
    if len(different) == 1:
        return different[0]
    return max(different) if not any(map(_is_symbol, different)) else largest(different)


def _is_symbol(size: Size) -> bool:
    return not isinstance(size, (int, Fraction))


def _through(node: Node, inputs: tuple[Shape, ...], seen: Seen, sizes: Shape) -> Seen:
    """What the node sees, where its inputs together see `seen`."""
    for kind, rule in RULES:
        if isinstance(node.op, kind):
            return rule(node.op, inputs, seen, sizes)
    return seen


def _slid(seen: Seen, windows: Shape, strides: Shape) -> Seen:
    """Behind windows of these extents and strides, an entry for each of the node's last axes."""
    fields = list(seen.parts)
    last = seen.axes[len(seen.axes) - len(windows) :]
    for axis, window, stride in zip(last, windows, strides, strict=True):
        if axis is not None and not fields[axis].whole:
            field = fields[axis]
            fields[axis] = field.replace(extent=field.extent + (window - 1) * field.jump, jump=field.jump * stride)
    return seen.replace(parts=tuple(fields))


def _bounded(seen: Seen) -> Seen:
    """The same, as an upper bound."""
    fields = tuple(field if field.whole else field.replace(at_most=True) for field in seen.parts)
    return seen.replace(parts=fields)


def _whole(seen: Seen, sizes: Shape, axes: tuple[int | None, ...] | None = None) -> Seen:
    """All of the input along these axes, or along all."""
    wanted = range(len(sizes)) if axes is None else axes
    fields = [
        AxisField(extent=sizes[number], jump=field.jump, whole=True) if number in wanted else field
        for number, field in enumerate(seen.parts)
    ]
    return seen.replace(parts=tuple(fields))


def _divided(jump: Any, factor: Size) -> Any:
    return Fraction(jump) / factor if isinstance(jump, (int, Fraction)) and is_int(factor) else jump / factor


def _window(op: Conv, inputs: tuple[Shape, ...], seen: Seen, sizes: Shape) -> Seen:
    extents = tuple(extent(*axis) for axis in zip(op.kernel_size, op.dilation, strict=True))
    return _slid(seen, extents, op.stride)


def _pool(op: Pool, inputs: tuple[Shape, ...], seen: Seen, sizes: Shape) -> Seen:
    return _slid(seen, tuple(extent(*axis) for axis in zip(op.kernel_size, op.rates, strict=True)), op.stride)


def _transposed(op: ConvTranspose, inputs: tuple[Shape, ...], seen: Seen, sizes: Shape) -> Seen:
    """Of the taps of the kernel, each output meets at most every stride-th."""
    windows = tuple(
        ceil_div(extent(taps, rate), step)
        for taps, rate, step in zip(op.kernel_size, op.dilation, op.stride, strict=True)
    )
    return _finer(_bounded(_slid(seen, windows, (1,) * len(windows))), op.stride)


def _finer(seen: Seen, factors: Shape) -> Seen:
    """Behind what multiplies the size: neighbouring outputs see windows that lie closer."""
    fields = list(seen.parts)
    for axis, factor in zip(seen.axes[len(seen.axes) - len(factors) :], factors, strict=True):
        if axis is not None and not fields[axis].whole and not equal(factor, 1):
            fields[axis] = fields[axis].replace(jump=_divided(fields[axis].jump, factor))
    return seen.replace(parts=tuple(fields))


def _upsampled(op: Upsample, inputs: tuple[Shape, ...], seen: Seen, sizes: Shape) -> Seen:
    """A copy of one element, or a mean of two neighbours along each axis."""
    rank = len(seen.axes)
    if not op.copies:
        seen = _bounded(_slid(seen, (2,) * rank, (1,) * rank))
    if not op.to_size:
        return _finer(seen, op.scale_factor)
    own = inputs[0][len(inputs[0]) - rank :]
    return _finer(seen, tuple(_divided(new, old) for new, old in zip(op.size, own, strict=True)))


def _adaptive(op: AdaptivePool, inputs: tuple[Shape, ...], seen: Seen, sizes: Shape) -> Seen:
    """A window spans at most ceil(size / out) + 1."""
    own = inputs[0][len(inputs[0]) - op.rank :]
    windows = tuple(ceil_div(size, out) + 1 for size, out in zip(own, op.output_size, strict=True))
    steps = tuple(_divided(size, out) for size, out in zip(own, op.output_size, strict=True))
    return _bounded(_slid(seen, windows, steps))


def _equivariant(op: GroupEquivariantConv, inputs: tuple[Shape, ...], seen: Seen, sizes: Shape) -> Seen:
    """A window over the plane, and every element of the group."""
    if not op.is_lifting:
        seen = _whole(seen, sizes, tuple(axis for axis in seen.axes[:1] if axis is not None))
    slid = _slid(seen, (op.kernel_size, op.kernel_size), (op.stride, op.stride))
    return slid.replace(axes=(None, *slid.axes)) if op.is_lifting else slid


def _shifted(op: Shift, inputs: tuple[Shape, ...], seen: Seen, sizes: Shape) -> Seen:
    """All offsets together, as the next 1x1 mixes them; where the channels are too few, nothing moves."""
    if all(map(is_int, (*op.kernel_size, op.channels))) and op.moved_channels == 0:
        return seen
    windows = tuple(extent(*axis) for axis in zip(op.kernel_size, op.dilation, strict=True))
    return _slid(seen, windows, (1,) * len(windows))


def _linear(op: Linear, inputs: tuple[Shape, ...], seen: Seen, sizes: Shape) -> Seen:
    """All of the vector; of a map, all of its last axis."""
    return _whole(seen, sizes, seen.axes[-1:]) if seen.axes else _whole(seen, sizes)


def _permuted(op: Permute, inputs: tuple[Shape, ...], seen: Seen, sizes: Shape) -> Seen:
    """The axes in their new order; one that becomes channels is mixed as a whole by what follows."""
    old: tuple[int | None, ...] = (None, *seen.axes)
    moved = seen.replace(axes=tuple(old[axis] for axis in op.dims[1:]))
    channels = old[op.dims[0]]
    return moved if channels is None else _whole(moved, sizes, (channels,))


def _reshaped(op: Reshape, inputs: tuple[Shape, ...], seen: Seen, sizes: Shape) -> Seen:
    """The axes that stay at the end; of others, all is seen."""
    before, after = inputs[0][1:], op.shape[1:]
    kept = 0
    while kept < min(len(before), len(after)) and equal(before[-1 - kept], after[-1 - kept]):
        kept += 1
    lost = tuple(axis for axis in seen.axes[: len(before) - kept] if axis is not None)
    axes = (None,) * (len(after) - kept) + seen.axes[len(before) - kept :]
    return _whole(seen, sizes, lost).replace(axes=axes)


Rule = Callable[[Any, tuple[Shape, ...], Seen, Shape], Seen]
RULES: tuple[tuple[type[Operator] | tuple[type[Operator], ...], Rule], ...] = (
    (Conv, _window),
    (ConvTranspose, _transposed),
    (Pool, _pool),
    (AdaptivePool, _adaptive),
    (
        (GlobalPool, ConvClassifier, GroupNorm, InstanceNorm, LayerNorm, MatMul, ScaledDotProductAttention, Opaque),
        lambda op, inputs, seen, sizes: _whole(seen, sizes),
    ),
    (GroupEquivariantConv, _equivariant),
    (GraphConv, lambda op, inputs, seen, sizes: _slid(seen, (2,), (1,))),
    (Linear, _linear),
    (Upsample, _upsampled),
    (Shift, _shifted),
    (Permute, _permuted),
    (PixelShuffle, lambda op, inputs, seen, sizes: _finer(seen, (op.upscale_factor,) * op.rank)),
    (
        PixelUnshuffle,
        lambda op, inputs, seen, sizes: _slid(seen, (op.downscale_factor,) * op.rank, (op.downscale_factor,) * op.rank),
    ),
    (Flatten, lambda op, inputs, seen, sizes: seen.replace(axes=())),
    (Reshape, _reshaped),
)
"""What each operator does to a field; those that are not here see one element. Of graph convolution the axis is the
vertices, and an extent of n is a reach of n - 1 hops."""
