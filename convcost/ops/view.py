"""Views: operators whose output lies in the memory of the input (flatten, reshape, crop, slice, split)."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Any

from convcost.arith import Shape, Size, dense_strides, equal, exact_div, floor_div, is_int, prod
from convcost.ops.base import Inputs, Operator, operator, show_shape
from convcost.ops.kinds import Axis, Count, InputChannels, PerAxis, SpatialRank, Whole
from convcost.ops.list_kinds import NewShape
from convcost.ops.reads import Reads, one, regrouped, same
from convcost.ops.window import spatial, with_spatial

VIEW = {"params": "a view", "macs": "a view", "elementwise": "a view"}

Start = Annotated[Size, Whole(0)]


def check_axis(axis: Size, rank: int, shape: Shape) -> Iterator[str]:
    """The axis must be one of the input's, counted from 0, the channels."""
    if is_int(axis) and axis > rank:
        yield f"axis (={axis}) must be at most {rank}: the input {show_shape(shape)} has {rank + 1} axes, from 0"


@operator("flatten", family="movement")
class Flatten(Operator):
    """Channels and spatial axes as one axis.

    Shapes: (channels, *size) -> (channels prod(size)).
    Parameters: none. MACs: none. Elementwise: none: the output is a view of the input, or a copy of a cropped one.
    Source: as torch.nn.Flatten.
    """

    free = VIEW
    view = True

    rank: SpatialRank

    def out_shape(self, inputs: Inputs) -> Shape:
        (shape,) = inputs
        return (*shape[: len(shape) - self.rank - 1], prod(shape[len(shape) - self.rank - 1 :]))

    def reads(self, inputs: Inputs, output: Shape) -> Reads:
        return regrouped(inputs[0], output)

    def view_strides(self, shape: Shape, strides: Shape) -> Shape | None:
        first = len(shape) - self.rank - 1
        long = [axis for axis in range(first, len(shape)) if not (is_int(shape[axis]) and shape[axis] == 1)]
        if any(not equal(strides[a], strides[b] * shape[b]) for a, b in pairwise(long)):
            return None
        return (*strides[:first], strides[long[-1]] if long else 1)


@operator("reshape", family="movement")
class Reshape(Operator):
    """The same elements, in the same order, as axes of other sizes.

    Shapes: (*in) -> (*shape), the batch apart; one entry of shape may be -1: whatever is left.
    Parameters: none. MACs: none. Elementwise: none: a view of the input, or a copy where its elements do not lie side
        by side.
    Constraints: both shapes have as many elements.
    Source: as torch.reshape.
    """

    free = VIEW
    view = True

    shape: NewShape
    rank: SpatialRank

    @classmethod
    def complete(cls, fields: dict[str, Any], shape: Shape, rank: int) -> None:
        wanted = fields["shape"]
        if any(map(is_minus_one, wanted)):
            total, known = prod(shape[len(shape) - rank - 1 :]), prod(size for size in wanted if not is_minus_one(size))
            divides = not (is_int(total) and is_int(known)) or total % known == 0
            rest = exact_div(total, known) if divides else -1
            fields["shape"] = tuple(rest if is_minus_one(size) else size for size in wanted)

    def out_shape(self, inputs: Inputs) -> Shape:
        (shape,) = inputs
        return (*shape[: len(shape) - self.rank - 1], *self.shape)

    def reads(self, inputs: Inputs, output: Shape) -> Reads:
        return regrouped(inputs[0], output)

    def check(self, inputs: Inputs) -> Iterator[str]:
        found = inputs[0][len(inputs[0]) - self.rank - 1 :]
        have, wanted = prod(found), prod(self.shape)
        if any(map(is_minus_one, self.shape)):
            yield (
                f"shape (={show_shape(self.shape)}): {-wanted} must divide the elements of the input"
                f" ({show_shape(found)}, {have})"
            )
        elif is_int(have) and is_int(wanted) and have != wanted:
            yield (
                f"shape (={show_shape(self.shape)}, {wanted} elements) must have as many elements as the input"
                f" ({show_shape(found)}, {have})"
            )

    def view_strides(self, shape: Shape, strides: Shape) -> Shape | None:
        return reshaped_strides(shape, strides, self.out_shape((shape,)))

    def describe(self) -> str:
        return f"to {show_shape(self.shape)}"


def is_minus_one(size: Size) -> bool:
    """Whether an entry of a new shape stands for whatever is left."""
    return is_int(size) and size == -1


def reshaped_strides(shape: Shape, strides: Shape, wanted: Shape) -> Shape | None:
    """The strides of a tensor seen in another shape, or None where it must be copied.

    Axes that lie side by side in memory form a chunk; the new axes must fill chunk by chunk. Of sizes that are not
    concrete only a dense tensor is known to be one chunk.
    """
    if all(equal(*pair) for pair in zip(strides, dense_strides(shape), strict=True)):
        return dense_strides(wanted)
    if not all(map(is_int, (*shape, *strides, *wanted))):
        return None
    found: list[int] = []
    waiting = list(wanted)
    elements, base = 1, strides[-1]
    for axis in reversed(range(len(shape))):
        elements *= shape[axis]
        if axis and (shape[axis - 1] == 1 or strides[axis - 1] == elements * base):
            continue
        filled = 1
        while waiting and (filled < elements or waiting[-1] == 1):
            found.append(filled * base)
            filled *= waiting.pop()
        if filled != elements:
            return None
        elements, base = 1, strides[axis - 1]
    return tuple(reversed(found))


@operator("crop", family="movement")
class Crop(Operator):
    """The central part of the feature map (the encoder maps of U-Net).

    Of an odd margin the smaller half is cut in front.

    Shapes: (channels, *in) -> (channels, *size).
    Parameters: none. MACs: none. Elementwise: none: the output is a view of the input.
    Constraints: size is at most the input's.
    Source: Ronneberger et al. 2015 (U-Net), arXiv:1505.04597.
    """

    free = VIEW
    view = True

    size: PerAxis
    channels: InputChannels

    def out_shape(self, inputs: Inputs) -> Shape:
        (shape,) = inputs
        return with_spatial(shape, len(self.size), self.channels, self.size)

    def reads(self, inputs: Inputs, output: Shape) -> Reads:
        (shape,) = inputs
        at = len(shape) - len(self.size)
        axes = enumerate(zip(shape[at:], self.size, strict=True), at)
        cut = [one(axis, floor_div(size - left, 2)) for axis, (size, left) in axes]
        return (((*map(same, range(at)), *cut),),)

    def check(self, inputs: Inputs) -> Iterator[str]:
        found = spatial(inputs[0], len(self.size))
        for wanted, have in zip(self.size, found, strict=True):
            if is_int(wanted) and is_int(have) and wanted > have:
                yield f"size (={show_shape(self.size)}) must be at most the input's ({show_shape(found)})"
                return

    def describe(self) -> str:
        return f"to {show_shape(self.size)}"


def part_of(output: Shape, at: int, offset: Size) -> Reads:
    """The elements from `offset` on of axis `at`."""
    axes = tuple(one(axis, offset) if axis == at else same(axis) for axis in range(len(output)))
    return ((axes,),)


@operator("slice", family="movement")
class Slice(Operator):
    """The elements from start up to stop of one axis.

    Shapes: (*, size, *) -> (*, stop - start, *); axis 0 is the channels, the batch is not counted.
    Fields: stop is the size of the axis unless given.
    Parameters: none. MACs: none. Elementwise: none: the output is a view of the input.
    Constraints: start is below stop, stop at most the size.
    Source: as torch.narrow.
    """

    free = VIEW
    view = True

    axis: Axis = 0
    start: Start = 0
    stop: Count = None
    rank: SpatialRank

    @classmethod
    def complete(cls, fields: dict[str, Any], shape: Shape, rank: int) -> None:
        axis = fields["axis"]
        if fields["stop"] is None:
            fields["stop"] = shape[len(shape) - rank - 1 + axis] if axis <= rank else fields["start"] + 1

    def out_shape(self, inputs: Inputs) -> Shape:
        (shape,) = inputs
        at = len(shape) - self.rank - 1 + self.axis
        return (*shape[:at], self.stop - self.start, *shape[at + 1 :])

    def reads(self, inputs: Inputs, output: Shape) -> Reads:
        return part_of(output, len(output) - self.rank - 1 + self.axis, self.start)

    def check(self, inputs: Inputs) -> Iterator[str]:
        wrong = list(check_axis(self.axis, self.rank, inputs[0]))
        yield from wrong
        if wrong or not all(map(is_int, (self.start, self.stop))):
            return
        size = inputs[0][len(inputs[0]) - self.rank - 1 + self.axis]
        if self.start >= self.stop:
            yield f"start (={self.start}) must be below stop (={self.stop})"
        elif is_int(size) and self.stop > size:
            yield f"stop (={self.stop}) must be at most the size of axis {self.axis} (={size})"

    def describe(self) -> str:
        return f"axis {self.axis}, {self.start} to {self.stop}"


@operator("split", family="movement")
class Split(Operator):
    """One of `sections` equal parts of an axis: part `index`, counted from 0.

    Shapes: (*, size, *) -> (*, size / sections, *); axis 0 is the channels, the batch is not counted.
    Parameters: none. MACs: none. Elementwise: none: the output is a view of the input.
    Constraints: sections divides the size; index is below sections.
    Source: as torch.chunk; Zhang et al. 2018 (ShuffleNet v2), arXiv:1807.11164.
    """

    free = VIEW
    view = True

    sections: Count
    index: Start = 0
    axis: Axis = 0
    rank: SpatialRank

    def out_shape(self, inputs: Inputs) -> Shape:
        (shape,) = inputs
        at = len(shape) - self.rank - 1 + self.axis
        return (*shape[:at], exact_div(shape[at], self.sections), *shape[at + 1 :])

    def reads(self, inputs: Inputs, output: Shape) -> Reads:
        at = len(output) - self.rank - 1 + self.axis
        return part_of(output, at, self.index * output[at])

    def check(self, inputs: Inputs) -> Iterator[str]:
        wrong = list(check_axis(self.axis, self.rank, inputs[0]))
        yield from wrong
        if wrong:
            return
        size = inputs[0][len(inputs[0]) - self.rank - 1 + self.axis]
        if is_int(size) and is_int(self.sections) and size % self.sections:
            yield f"sections (={self.sections}) must divide the size of axis {self.axis} (={size})"
        elif is_int(self.index) and is_int(self.sections) and self.index >= self.sections:
            yield f"index (={self.index}) must be below sections (={self.sections}); parts are counted from 0"

    def describe(self) -> str:
        return f"axis {self.axis}, part {self.index} of {self.sections}"
