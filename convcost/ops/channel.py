"""Convolutions along the channels: sliding-channel convolution, channel-wise convolution, and the classification layer
that convolves."""

from collections.abc import Iterator
from fractions import Fraction
from math import floor, gcd
from typing import Annotated, Any

from convcost.arith import Shape, Size, exact_div, is_int, prod
from convcost.ops.base import Inputs, Operator, operator, show_shape
from convcost.ops.conv import check_groups
from convcost.ops.kinds import (
    ChoiceKind,
    Count,
    Flag,
    InputChannels,
    NumberKind,
    PerAxis,
    SpatialRank,
    Whole,
    is_symbolic,
    show,
)
from convcost.ops.reads import AxisRead, Reads, Taps, at_most_whole, few, front_of_same, same, whole
from convcost.ops.window import positions, slid, slid_same, spatial, with_spatial


class OverlapKind(NumberKind):
    """How much of a window lies in the next one."""

    def __init__(self) -> None:
        super().__init__(0)
        self.rule = "a number of at least 0 and below 1; with 1 every filter would see the same window"

    def parse(self, name: str, value: Any, rank: int | None) -> Any:
        number = super().parse(name, value, rank)
        if not is_symbolic(number) and number >= 1:
            raise self.wrong(name, value)
        return number

    def schema(self) -> dict[str, Any]:
        number, expression = super().schema()["anyOf"]
        return {"anyOf": [{**number, "exclusiveMaximum": 1}, expression]}


class SidesKind(Whole):
    """Padding along the channels: a number for both sides, or `same`."""

    words = ("same",)

    def __init__(self) -> None:
        super().__init__(0)
        self.rule += ", or same"

    def parse(self, name: str, value: Any, rank: int | None) -> Any:
        return value if isinstance(value, str) and value in self.words else super().parse(name, value, rank)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"enum": list(self.words)}, *super().schema()["anyOf"]]}


Overlap = Annotated[Any, OverlapKind()]
Sides = Annotated[Any, SidesKind()]
Windowing = Annotated[str, ChoiceKind("cuda", "pytorch")]


@operator("scc", family="channel")
class SlidingChannelConv(Operator):
    """Sliding-channel convolution (SCC): pointwise, each filter on a window of channels; the windows slide and overlap.

    y[n, p] = b[n] + sum over c < width of w[n, c] x[(start[n] + c) mod in_channels, p], width = in_channels / groups

    Shapes: (in_channels, *size) -> (out_channels, *size), 1 to 3 spatial axes.
    Fields: overlap is the part of a window that the next one shares. The released code has two rules for the windows:
        `cuda`, of its CUDA kernel: start[n] = floor(n (1 - overlap) width) mod in_channels; exact here, while the
        kernel computes it in float32, where some windows start a channel earlier (filter 25 for an overlap of 0.33);
        `pytorch`, of its PyTorch module: step = width - floor(overlap width), windows start at 0, step, 2 step, ... mod
        in_channels until one recurs, and each serves equally many filters, one behind the other.
        Where overlap width is whole, both give the same windows.
    Parameters: in_channels out_channels / groups weights, and out_channels biases.
    MACs: one a weight and position, whatever the overlap.
    Elementwise: one addition an output element where there is a bias.
    Constraints: groups divides in_channels; overlap is below 1; for `pytorch` groups divides out_channels as well, and
        so does the number of windows, min(out_channels, in_channels / gcd(step, in_channels)).
    Relative cost: 1 / groups
    Source: Wang et al. 2021 (DSXplore), arXiv:2101.00745, and its released code.
    """

    out_channels: Count
    groups: Count
    overlap: Overlap
    windowing: Windowing = "cuda"
    bias: Flag = False
    in_channels: InputChannels
    rank: SpatialRank

    @classmethod
    def needs_spatial_axes(cls) -> bool:
        return True

    @property
    def step(self) -> Fraction:
        """How far each window starts behind the one before; whole numbers decide where it starts."""
        width = Fraction(self.in_channels, self.groups)
        return width - (self.overlap * width if self.windowing == "cuda" else floor(self.overlap * width))

    @property
    def repeat(self) -> int:
        """How many filters, one behind the other, share a window before the next."""
        return 1 if self.windowing == "cuda" else int(self.out_channels // self.recurring)

    @property
    def recurring(self) -> int:
        """How many windows there are under the rule `pytorch`."""
        return int(min(self.out_channels, self.in_channels // gcd(int(self.step), self.in_channels)))

    def starts(self) -> tuple[int, ...]:
        """The first channel of the window of each filter."""
        return tuple(floor(n // self.repeat * self.step) % self.in_channels for n in range(self.out_channels))

    def out_shape(self, inputs: Inputs) -> Shape:
        (shape,) = inputs
        return with_spatial(shape, self.rank, self.out_channels, spatial(shape, self.rank))

    def weights(self) -> Size:
        return exact_div(self.in_channels * self.out_channels, self.groups)

    def params(self) -> Size:
        return self.weights() + (self.out_channels if self.bias else 0)

    def macs(self, inputs: Inputs, output: Shape) -> Size:
        return self.weights() * positions(output, self.rank)

    def reads(self, inputs: Inputs, output: Shape) -> Reads:
        """The window of each filter; a second product for the windows that go on at the first channel."""
        at = len(output) - self.rank - 1
        before, places = map(same, range(at)), tuple(map(same, range(at + 1, len(output))))
        concrete = all(map(is_int, (self.in_channels, self.out_channels, self.groups)))
        if not concrete or is_symbolic(self.overlap) or not few(self.out_channels):
            return (((*before, at_most_whole(), *places),),)
        last = [start + self.in_channels // self.groups - 1 for start in self.starts()]
        first = tuple(
            Taps(first=start, last=min(end, self.in_channels - 1))
            for start, end in zip(self.starts(), last, strict=True)
        )
        wrapped = tuple(Taps(last=end - self.in_channels) if end >= self.in_channels else None for end in last)
        windows = [taps for taps in (first, wrapped) if any(taps)]
        leading = tuple(before)
        channels = [
            AxisRead(axis=at, period=self.out_channels, step=0, taps=taps, partial=taps is wrapped) for taps in windows
        ]
        return (tuple((*leading, read, *places) for read in channels),)

    def elementwise(self, inputs: Inputs, output: Shape) -> Size:
        return prod(output) if self.bias else 0

    def check(self, inputs: Inputs) -> Iterator[str]:
        is_free = self.windowing == "cuda"
        wrong = list(check_groups(self.in_channels, self.groups if is_free else self.out_channels, self.groups))
        yield from wrong
        if is_free:
            return
        known = all(map(is_int, (self.in_channels, self.out_channels, self.groups))) and not is_symbolic(self.overlap)
        if known and not wrong and self.out_channels % self.recurring:
            yield (
                f"overlap (={show(self.overlap)}) gives {self.recurring} windows of {self.in_channels // self.groups}"
                f" channels, and their number must divide out_channels (={self.out_channels}) under the rule pytorch;"
                " use another overlap, or windowing: cuda"
            )

    def describe(self) -> str:
        words = f"groups {self.groups} overlap {show(self.overlap)}"
        return words if self.windowing == "cuda" else f"{words} pytorch windows"


@operator("channelwise_conv", family="channel")
class ChannelwiseConv(Operator):
    """Channel-wise convolution: 1-D kernels that slide along the channels, the same at every position.

    y[f length + n, p] = b[f] + sum over k of w[f, k] x[stride n + k - padding, p], length the channels of one filter

    Shapes: (channels, *size) -> (filters length, *size), 1 to 3 spatial axes, filter by filter, where
        length = floor((channels + 2 padding - kernel_size) / stride) + 1.
    Padding: a number pads both ends of the channels; `same` gives length = ceil(channels / stride), with the odd
        element of padding behind.
    Parameters: filters kernel_size weights, and filters biases.
    MACs: kernel_size an output element, taps that fall on padding included; beside a pointwise convolution of the same
        channels kernel_size / in_channels.
    Elementwise: one addition an output element where there is a bias.
    Constraints: the kernel fits into the padded channels.
    Source: Gao et al. 2018 (ChannelNets), arXiv:1809.01330.
    """

    kernel_size: Count
    filters: Count = 1
    stride: Count = 1
    padding: Sides = 0
    bias: Flag = False
    in_channels: InputChannels
    rank: SpatialRank

    @classmethod
    def needs_spatial_axes(cls) -> bool:
        return True

    @property
    def is_same(self) -> bool:
        """Whether one filter gives `ceil(channels / stride)` channels."""
        return isinstance(self.padding, str)

    def length(self) -> Size:
        """The output channels of one filter."""
        if self.is_same:
            return slid_same(self.in_channels, self.stride)
        return slid(self.in_channels, self.kernel_size, self.stride, self.padding, 1)

    def out_shape(self, inputs: Inputs) -> Shape:
        (shape,) = inputs
        return with_spatial(shape, self.rank, self.filters * self.length(), spatial(shape, self.rank))

    def weights(self) -> Size:
        return self.filters * self.kernel_size

    def params(self) -> Size:
        return self.weights() + (self.filters if self.bias else 0)

    def macs(self, inputs: Inputs, output: Shape) -> Size:
        return self.kernel_size * prod(output)

    def reads(self, inputs: Inputs, output: Shape) -> Reads:
        """A window of channels, the same for each filter."""
        at = len(output) - self.rank - 1
        places = tuple(map(same, range(at + 1, len(output))))
        fields = (self.in_channels, self.kernel_size, self.stride)
        if not (all(map(is_int, fields)) and few(self.length())):
            return (((*map(same, range(at)), at_most_whole(), *places),),)
        front = front_of_same(self.in_channels, self.kernel_size, self.stride, 1) if self.is_same else self.padding
        starts = [self.stride * place - front for place in range(self.length())]
        taps = tuple(Taps(first=start, last=start + self.kernel_size - 1) for start in starts)
        return (((*map(same, range(at)), AxisRead(axis=at, period=len(taps), step=0, taps=taps), *places),),)

    def elementwise(self, inputs: Inputs, output: Shape) -> Size:
        return prod(output) if self.bias else 0

    def check(self, inputs: Inputs) -> Iterator[str]:
        if self.is_same or not all(map(is_int, (self.in_channels, self.kernel_size, self.padding))):
            return
        padded = self.in_channels + 2 * self.padding
        if self.kernel_size > padded:
            yield (
                f"kernel_size (={self.kernel_size}) is larger than the padded channels"
                f" ({self.in_channels} + 2 x {self.padding} = {padded}); use a smaller kernel, or more padding"
            )

    def describe(self) -> str:
        words = [f"{self.kernel_size} channels"]
        for name, value in (("filters", self.filters), ("stride", self.stride)):
            if not is_int(value) or value != 1:
                words.append(f"{name} {value}")
        return " ".join(words)


@operator("conv_classifier", family="channel")
class ConvClassifier(Operator):
    """Convolutional classification layer: one kernel as large as the map and some channels deep, a class a place.

    y[n] = b + sum over c < depth, p of w[c, p] x[n + c, p], depth = in_channels - num_classes + 1

    It stands in the place of global pooling and a linear layer; each class sees `depth` neighbouring channels.

    Shapes: (in_channels, *size) -> (num_classes, 1, ...), 1 to 3 spatial axes.
    Fields: kernel_size is the size of the map, and need not be given.
    Parameters: prod(kernel_size) depth weights, and 1 bias.
    MACs: prod(kernel_size) depth num_classes.
    Elementwise: one addition an output element where there is a bias.
    Constraints: num_classes is at most in_channels.
    Source: Gao et al. 2018 (ChannelNets), arXiv:1809.01330.
    """

    num_classes: Count
    kernel_size: PerAxis = None
    bias: Flag = False
    in_channels: InputChannels

    @classmethod
    def complete(cls, fields: dict[str, Any], shape: Shape, rank: int) -> None:
        if fields["kernel_size"] is None:
            fields["kernel_size"] = spatial(shape, rank)

    @property
    def rank(self) -> int:
        """The number of spatial axes."""
        return len(self.kernel_size)

    def depth(self) -> Size:
        """The channels that each class sees."""
        return self.in_channels - self.num_classes + 1

    def out_shape(self, inputs: Inputs) -> Shape:
        (shape,) = inputs
        return with_spatial(shape, self.rank, self.num_classes, (1,) * self.rank)

    def weights(self) -> Size:
        return prod(self.kernel_size) * self.depth()

    def params(self) -> Size:
        return self.weights() + (1 if self.bias else 0)

    def macs(self, inputs: Inputs, output: Shape) -> Size:
        return self.weights() * prod(output)

    def reads(self, inputs: Inputs, output: Shape) -> Reads:
        """Some neighbouring channels, everywhere."""
        at = len(output) - self.rank - 1
        channels = AxisRead(axis=at, taps=(Taps(last=self.depth() - 1),))
        return (((*map(same, range(at)), channels, *(whole() for _ in range(self.rank))),),)

    def elementwise(self, inputs: Inputs, output: Shape) -> Size:
        return prod(output) if self.bias else 0

    def check(self, inputs: Inputs) -> Iterator[str]:
        if is_int(self.num_classes) and is_int(self.in_channels) and self.num_classes > self.in_channels:
            yield (
                f"num_classes (={self.num_classes}) must be at most in_channels (={self.in_channels}): classes are"
                " places along the channels; use a pointwise convolution before it, or linear"
            )
        sizes = spatial(inputs[0], self.rank)
        if all(map(is_int, (*sizes, *self.kernel_size))) and sizes != self.kernel_size:
            yield (
                f"kernel_size (={show_shape(self.kernel_size)}) must be the size of the map ({show_shape(sizes)});"
                " leave it out, and it is taken from the input"
            )

    def describe(self) -> str:
        return f"{show_shape((self.depth(), *self.kernel_size))}"
