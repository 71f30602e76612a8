"""Operators that copy data to other places: permute, channel shuffle, shift, pad, pixel shuffle."""

from collections.abc import Iterator
from itertools import product
from typing import Annotated

from convcost.arith import Shape, Size, exact_div, floor_div, is_int, looks_equal, note_divides, prod
from convcost.ops.base import Inputs, Operator, operator, show_shape
from convcost.ops.kinds import ChoiceKind, Count, Extent, Flag, InputChannels, PerAxis, SpatialRank, Whole
from convcost.ops.list_kinds import Order
from convcost.ops.reads import AxisRead, Product, Reads, Taps, at_most_whole, chosen, few, one, same, windows
from convcost.ops.window import spatial, with_spatial

COPIES = {"params": "moves its input", "macs": "copies; nothing is multiplied", "elementwise": "copies"}

PadMode = Annotated[str, ChoiceKind("constant", "reflect", "replicate", "circular")]
Margin = Annotated[Size, Whole(0)]


@operator("permute", family="movement")
class Permute(Operator):
    """The axes in another order, written out in that order.

    Shapes: (size_0, size_1, ...) -> (size_dims[0], size_dims[1], ...); axis 0 is the channels, the batch not counted.
    Parameters: none. MACs: none. Elementwise: none, but every element is read and written.
    Constraints: dims has each axis once.
    Source: as torch.permute followed by contiguous.
    """

    free = COPIES

    dims: Order
    rank: SpatialRank

    def out_shape(self, inputs: Inputs) -> Shape:
        (shape,) = inputs
        first = len(shape) - self.rank - 1
        return (*shape[:first], *(shape[first + axis] for axis in self.dims))

    def reads(self, inputs: Inputs, output: Shape) -> Reads:
        first = len(output) - self.rank - 1
        moved = [same(first + self.dims.index(axis)) for axis in range(self.rank + 1)]
        return (((*map(same, range(first)), *moved),),)

    def check(self, inputs: Inputs) -> Iterator[str]:
        if len(self.dims) != self.rank + 1:
            axes = ", ".join(map(str, range(self.rank + 1)))
            yield f"dims (={list(self.dims)}) must hold each axis of the input {show_shape(inputs[0])} once: {axes}"

    def describe(self) -> str:
        return " ".join(map(str, self.dims))


@operator("channel_shuffle", family="movement")
class ChannelShuffle(Operator):
    """Channel shuffle: the channels of all groups interleaved, so that the next grouped convolution mixes groups.

    Channel n of group g, of n_g a group, goes to place n groups + g: reshape to (groups, n_g), transpose, flatten.
    With `inverse`, as in Megvii's code, to (n_g, groups): the inverse permutation, equal where n_g = groups.

    Shapes: (channels, *) -> the same.
    Parameters: none. MACs: none. Elementwise: none, but every element is read and written.
    Constraints: groups divides the channels; a full mixture needs channels / groups >= groups.
    Source: Zhang et al. 2018 (ShuffleNet), arXiv:1707.01083, section 3.1.
    """

    free = COPIES

    groups: Count
    inverse: Flag = False
    channels: InputChannels

    def out_shape(self, inputs: Inputs) -> Shape:
        (shape,) = inputs
        return shape

    def reads(self, inputs: Inputs, output: Shape) -> Reads:
        """Of groups of n channels, place n groups + g has channel g n + n."""
        others = tuple(map(same, range(1, len(output))))
        if not few(self.channels, self.groups):
            return (((AxisRead(axis=0, scattered=True, at_most=True), *others),),)
        many = self.channels // self.groups if self.inverse else self.groups
        step = self.channels // many
        taps = tuple(Taps(first=group * step, last=group * step) for group in range(many))
        return (((AxisRead(axis=0, period=many, taps=taps), *others),),)

    def check(self, inputs: Inputs) -> Iterator[str]:
        note_divides(self.groups, self.channels)
        if is_int(self.groups) and is_int(self.channels) and self.channels % self.groups:
            yield f"groups (={self.groups}) must divide the channels (={self.channels})"

    def describe(self) -> str:
        return f"{self.groups} groups" + (" inverse" if self.inverse else "")


@operator("shift", family="movement")
class Shift(Operator):
    """Shift: each channel is moved by one of prod(kernel_size) offsets, zeros coming in; 1x1 convolutions mix them.

    y[c, p] = x[c, p + dilation offset]; of taps = prod(kernel_size) offsets channel c has number c mod taps, the last
    axis fastest, counted from the corner -(kernel_size // 2). Only the first floor(channels / taps) taps channels move,
    the rest stay: with fewer channels than taps nothing moves at all, and the receptive field stays 1.

    Shapes: (channels, *size) -> the same.
    Parameters: none. MACs: none. Elementwise: none, but every element is read and written.
    Source: Wu et al. 2018 (ShiftNet), arXiv:1711.08141; the leftover channels as in its CUDA code.
    """

    free = COPIES

    kernel_size: PerAxis = 3
    dilation: PerAxis = 1
    channels: InputChannels

    def out_shape(self, inputs: Inputs) -> Shape:
        (shape,) = inputs
        return shape

    def reads(self, inputs: Inputs, output: Shape) -> Reads:
        """A product for each offset and the channels that it moves, and one for the channels that stay."""
        rank = len(self.kernel_size)
        if not few(*self.kernel_size, self.channels):
            front = tuple(
                rate * floor_div(kernel, 2) for kernel, rate in zip(self.kernel_size, self.dilation, strict=True)
            )
            reach = windows(1, self.kernel_size, (1,) * rank, front, self.dilation)
            concrete = all(map(is_int, self.kernel_size))
            return (((at_most_whole(), *(read.replace(at_most=concrete) for read in reach)),),)
        taps, moved = prod(self.kernel_size), self.moved_channels
        numbers = product(*(range(kernel) for kernel in self.kernel_size)) if moved else ()
        products: list[Product] = []
        for number, places in enumerate(numbers):
            axes = zip(places, self.kernel_size, self.dilation, strict=True)
            offsets = [rate * (place - kernel // 2) for place, kernel, rate in axes]
            channels = chosen(0, self.channels, range(number, moved, taps))
            products.append((channels, *(one(1 + axis, offset) for axis, offset in enumerate(offsets))))
        if moved < self.channels:
            products.append((chosen(0, self.channels, range(moved, self.channels)), *map(same, range(1, rank + 1))))
        return (tuple(products),)

    @property
    def moved_channels(self) -> int:
        """How many channels move, of concrete ones."""
        taps: int = prod(self.kernel_size)
        return int(self.channels // taps * taps)

    def describe(self) -> str:
        words = show_shape(self.kernel_size)
        wide = any(rate != 1 for rate in self.dilation)
        return f"{words} dilation {show_shape(self.dilation)}" if wide else words


@operator("pad", family="movement")
class Pad(Operator):
    """Padding as a layer: elements in front of and behind each spatial axis, and channels of zeros.

    Shapes: (channels, *size) -> (channels_before + channels + channels_after, *(before + size + after)).
    Fields: mode is constant (zeros), reflect, replicate or circular.
    Parameters: none. MACs: none. Elementwise: none, but every element is read and written.
    Constraints: reflect needs before and after below the size, circular at most the size; channels are padded in mode
        constant alone.
    Source: as torch.nn.functional.pad; channels: He et al. 2016 (ResNet), arXiv:1512.03385, shortcut A.
    """

    free = COPIES

    before: Extent = 0
    after: Extent = 0
    channels_before: Margin = 0
    channels_after: Margin = 0
    mode: PadMode = "constant"
    channels: InputChannels

    def out_shape(self, inputs: Inputs) -> Shape:
        (shape,) = inputs
        sizes = zip(self.before, spatial(shape, len(self.before)), self.after, strict=True)
        return with_spatial(
            shape,
            len(self.before),
            self.channels_before + self.channels + self.channels_after,
            tuple(front + size + behind for front, size, behind in sizes),
        )

    def reads(self, inputs: Inputs, output: Shape) -> Reads:
        at = len(output) - len(self.before)
        padded = [one(at + axis, -front).replace(border=self.mode) for axis, front in enumerate(self.before)]
        extra = (self.channels_before, self.channels_after)
        channels = one(at - 1, -self.channels_before, partial=any(not looks_equal(more, 0) for more in extra))
        return (((*map(same, range(at - 1)), channels, *padded),),)

    def check(self, inputs: Inputs) -> Iterator[str]:
        if self.mode == "constant":
            return
        for name, more in (("channels_before", self.channels_before), ("channels_after", self.channels_after)):
            if is_int(more) and more > 0:
                yield f"{name} (={more}) must be 0 in mode {self.mode}: channels are padded with zeros alone"
                return
        margin = {"reflect": 1, "circular": 0}.get(self.mode)
        for name, sizes in (("before", self.before), ("after", self.after)):
            for pad, size in zip(sizes, spatial(inputs[0], len(sizes)), strict=True):
                if margin is not None and is_int(pad) and is_int(size) and pad > size - margin:
                    rule = "below" if margin else "at most"
                    yield f"{name} (={pad}) must be {rule} the size (={size}) in mode {self.mode}"
                    return

    def describe(self) -> str:
        words = [f"{show_shape(self.before)} before, {show_shape(self.after)} after"]
        extra = (self.channels_before, self.channels_after)
        if any(not is_int(more) or more for more in extra):
            words.append(f"channels {extra[0]} before, {extra[1]} after")
        return ", ".join(words) + ("" if self.mode == "constant" else f" {self.mode}")


@operator("pixel_shuffle", family="movement")
class PixelShuffle(Operator):
    """Pixel shuffle (sub-pixel upsampling): channels become positions, factor along each spatial axis.

    Shapes: (channels, *size) -> (channels / upscale_factor^axes, *(size upscale_factor)).
    Parameters: none. MACs: none. Elementwise: none, but every element is read and written.
    Constraints: upscale_factor^axes divides the channels.
    Source: Shi et al. 2016, arXiv:1609.05158; as torch.nn.PixelShuffle, for 1 to 3 spatial axes.
    """

    free = COPIES

    upscale_factor: Count
    channels: InputChannels
    rank: SpatialRank

    @classmethod
    def needs_spatial_axes(cls) -> bool:
        return True

    def out_shape(self, inputs: Inputs) -> Shape:
        (shape,) = inputs
        return with_spatial(
            shape,
            self.rank,
            exact_div(self.channels, prod((self.upscale_factor,) * self.rank)),
            tuple(size * self.upscale_factor for size in spatial(shape, self.rank)),
        )

    def reads(self, inputs: Inputs, output: Shape) -> Reads:
        """A product for each place within the cells: its channel, and the positions that are there."""
        at, factor = len(output) - self.rank - 1, self.upscale_factor
        before = tuple(map(same, range(at)))
        if not few(factor, factor**self.rank):
            coarse = [AxisRead(axis=at + 1 + axis, period=factor) for axis in range(self.rank)]
            return (((*before, at_most_whole(), *coarse),),)
        products = []
        for number, places in enumerate(product(range(factor), repeat=self.rank)):
            channels = AxisRead(axis=at, step=factor**self.rank, taps=(Taps(first=number, last=number),))
            there = [chosen(at + 1 + axis, factor, [place], step=1) for axis, place in enumerate(places)]
            products.append((*before, channels, *there))
        return (tuple(products),)

    def check(self, inputs: Inputs) -> Iterator[str]:
        places = prod((self.upscale_factor,) * self.rank)
        if is_int(places) and is_int(self.channels) and self.channels % places:
            power = f"{self.upscale_factor}^{self.rank} = {places}"
            yield f"upscale_factor (={self.upscale_factor}): {power} must divide the channels (={self.channels})"

    def describe(self) -> str:
        return f"x {self.upscale_factor}"


@operator("pixel_unshuffle", family="movement")
class PixelUnshuffle(Operator):
    """Pixel unshuffle (space to depth): positions become channels, factor along each spatial axis.

    Shapes: (channels, *size) -> (channels downscale_factor^axes, *(size / downscale_factor)).
    Parameters: none. MACs: none. Elementwise: none, but every element is read and written.
    Constraints: downscale_factor divides every size.
    Source: Shi et al. 2016, arXiv:1609.05158; as torch.nn.PixelUnshuffle, for 1 to 3 spatial axes.
    """

    free = COPIES

    downscale_factor: Count
    channels: InputChannels
    rank: SpatialRank

    @classmethod
    def needs_spatial_axes(cls) -> bool:
        return True

    def out_shape(self, inputs: Inputs) -> Shape:
        (shape,) = inputs
        return with_spatial(
            shape,
            self.rank,
            self.channels * prod((self.downscale_factor,) * self.rank),
            tuple(exact_div(size, self.downscale_factor) for size in spatial(shape, self.rank)),
        )

    def reads(self, inputs: Inputs, output: Shape) -> Reads:
        """A product for each place within the cells: the channels that show it."""
        at, factor = len(output) - self.rank - 1, self.downscale_factor
        before = tuple(map(same, range(at)))
        if not few(factor**self.rank, factor**self.rank):
            cells = windows(at + 1, *((size,) * self.rank for size in (factor, factor, 0, 1)))
            return (((*before, at_most_whole(), *cells),),)
        products = []
        for number, places in enumerate(product(range(factor), repeat=self.rank)):
            channels = chosen(at, factor**self.rank, [number], step=1)
            there = [
                AxisRead(axis=at + 1 + axis, step=factor, taps=(Taps(first=place, last=place),))
                for axis, place in enumerate(places)
            ]
            products.append((*before, channels, *there))
        return (tuple(products),)

    def check(self, inputs: Inputs) -> Iterator[str]:
        for size in spatial(inputs[0], self.rank):
            if is_int(size) and is_int(self.downscale_factor) and size % self.downscale_factor:
                yield f"downscale_factor (={self.downscale_factor}) must divide the sizes; one is {size}"
                return

    def describe(self) -> str:
        return f"/ {self.downscale_factor}"
