"""Convolution and transposed convolution, with 1, 2 or 3 spatial axes."""

from collections.abc import Iterator

from convcost.arith import Shape, Size, equal, exact_div, is_int, note_divides, prod
from convcost.ops.base import Inputs, Operator, operator, show_shape
from convcost.ops.kinds import Count, Extent, Flag, InputChannels, NumericPadding, Padding, PerAxis
from convcost.ops.reads import Reads, front_of_same, grouped, same, transposed, windows
from convcost.ops.window import extent, positions, slid, slid_same, slid_transposed, spatial, with_spatial


def show_window(kernel: Shape, stride: Shape, dilation: Shape) -> str:
    """`3x3 stride 2 dilation 2`; a 1-D kernel is `3`."""
    words = [show_shape(kernel)]
    for name, sizes in (("stride", stride), ("dilation", dilation)):
        if any(not is_int(size) or size != 1 for size in sizes):
            alike = all(equal(size, sizes[0]) for size in sizes)
            words.append(f"{name} {sizes[0] if alike else show_shape(sizes)}")
    return " ".join(words)


def check_groups(in_channels: Size, out_channels: Size, groups: Size) -> Iterator[str]:
    """Groups must divide the channels on both sides; those of unequal size, a list, are checked on their own."""
    for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
        if not isinstance(groups, tuple):
            note_divides(groups, channels)
        if is_int(channels) and is_int(groups) and channels % groups:
            yield f"groups (={groups}) must divide {name} (={channels})"


def check_window(sizes: Shape, kernel: Shape, padding: Shape, dilation: Shape) -> Iterator[str]:
    """The window must fit into the padded input, axis by axis."""
    for axis, (size, taps, pad, rate) in enumerate(zip(sizes, kernel, padding, dilation, strict=True)):
        span = extent(taps, rate)
        if is_int(size) and is_int(span) and is_int(pad) and span > size + 2 * pad:
            dilated = f", {span} with dilation {rate}," if is_int(rate) and rate > 1 else ""
            yield (
                f"kernel_size (={taps}){dilated} is larger than the padded input"
                f" ({size} + 2 x {pad} = {size + 2 * pad}) on spatial axis {axis + 1};"
                " use a smaller kernel, more padding, or fewer strides before it"
            )


class Grouped(Operator):
    """What convolution and transposed convolution share: weights `in_channels x out_channels / groups x kernel`."""

    out_channels: Count
    kernel_size: PerAxis
    stride: PerAxis = 1
    dilation: PerAxis = 1
    groups: Count = 1
    bias: Flag = True
    in_channels: InputChannels

    @property
    def rank(self) -> int:
        """The number of spatial axes."""
        return len(self.kernel_size)

    def weights(self) -> Size:
        return exact_div(self.in_channels * self.out_channels, self.groups) * prod(self.kernel_size)

    def params(self) -> Size:
        return self.weights() + (self.out_channels if self.bias else 0)

    def elementwise(self, inputs: Inputs, output: Shape) -> Size:
        return prod(output) if self.bias else 0

    def describe(self) -> str:
        words = show_window(self.kernel_size, self.stride, self.dilation)
        if self.groups == 1:
            return words
        return f"{words} depthwise" if self.groups == self.in_channels else f"{words} groups {self.groups}"


@operator("conv", family="convolution")
class Conv(Grouped):
    """Convolution: each output channel is a weighted sum over a window of the input channels of its group.

    y[n, p] = b[n] + sum over c, k of w[n, c, k] x[c, stride p + dilation k - padding]

    Shapes: (in_channels, *size) -> (out_channels, *out), 1 to 3 spatial axes, where
        out = floor((size + 2 padding - dilation (kernel_size - 1) - 1) / stride) + 1.
    Padding: numbers pad both sides; `valid` is 0; `same` keeps the size (stride 1 only, as in PyTorch);
        `same_tf` is TensorFlow's, out = ceil(size / stride), with the odd element of padding behind.
    Parameters: out_channels in_channels / groups prod(kernel_size) weights, and out_channels biases.
    MACs: one a weight and output position, taps that fall on padding included.
    Elementwise: one addition an output element where there is a bias.
    Constraints: groups divides in_channels and out_channels; the dilated kernel fits into the padded input.
    Relative cost: 1 / groups
    Source: LeCun et al. 1989; Dumoulin and Visin 2016, "A guide to convolution arithmetic for deep learning",
        arXiv:1603.07285; groups: Krizhevsky et al. 2012 (AlexNet); dilation: Yu and Koltun 2016, arXiv:1511.07122.
    Remark: slides print (M / s) x (N / s) for the new map of an M x N one, and the news Df^2 M N Dk^2 for its cost.
        The first holds only where s divides both sizes and padding keeps them, the second with Df the side of the
        output, which is the input's only at stride 1: a 7 x 7 map gives 4 x 4 with kernel 3, stride 2 and padding 1.
    """

    padding: Padding = 0

    @property
    def is_same(self) -> bool:
        """Whether the output size is `ceil(size / stride)`."""
        return isinstance(self.padding, str)

    def out_shape(self, inputs: Inputs) -> Shape:
        (shape,) = inputs
        sizes = spatial(shape, self.rank)
        padding = (0,) * self.rank if self.is_same else self.padding
        windows = zip(sizes, self.kernel_size, self.stride, padding, self.dilation, strict=True)
        return with_spatial(
            shape,
            self.rank,
            self.out_channels,
            tuple(
                slid_same(size, stride) if self.is_same else slid(size, kernel, stride, pad, dilation)
                for size, kernel, stride, pad, dilation in windows
            ),
        )

    def macs(self, inputs: Inputs, output: Shape) -> Size:
        return self.weights() * positions(output, self.rank)

    def reads(self, inputs: Inputs, output: Shape) -> Reads:
        (shape,) = inputs
        at = len(shape) - self.rank - 1
        fields = self.kernel_size, self.stride, self.dilation
        padding = self.padding
        if self.is_same:
            axes = zip(spatial(shape, self.rank), *fields, strict=True)
            padding = tuple(front_of_same(*axis) for axis in axes)
        channels = grouped(at, self.in_channels, self.out_channels, self.groups)
        slid_windows = windows(at + 1, self.kernel_size, self.stride, padding, self.dilation)
        return (((*map(same, range(at)), channels, *slid_windows),),)

    def check(self, inputs: Inputs) -> Iterator[str]:
        yield from check_groups(self.in_channels, self.out_channels, self.groups)
        if self.padding == "same" and any(is_int(step) and step != 1 for step in self.stride):
            yield (
                "padding same needs stride 1 (as in PyTorch), and the stride is"
                f" {show_shape(self.stride)}; use same_tf, or padding as numbers"
            )
        if not self.is_same:
            yield from check_window(spatial(inputs[0], self.rank), self.kernel_size, self.padding, self.dilation)


@operator("conv_transpose", family="convolution")
class ConvTranspose(Grouped):
    """Transposed convolution: each input element spreads a weighted window over the output.

    The gradient of a convolution with respect to its input, used to upsample.

    Shapes: (in_channels, *size) -> (out_channels, *out), 1 to 3 spatial axes, where
        out = (size - 1) stride - 2 padding + dilation (kernel_size - 1) + 1 + output_padding.
    Parameters: in_channels out_channels / groups prod(kernel_size) weights, and out_channels biases.
    MACs: one a weight and *input* position; what padding crops from the output is still computed.
    Elementwise: one addition an output element where there is a bias.
    Constraints: groups divides in_channels and out_channels; output_padding is below the stride or the dilation.
    Source: Dumoulin and Visin 2016, arXiv:1603.07285, section 4; Zeiler et al. 2010, "Deconvolutional networks".
    """

    padding: NumericPadding = 0
    output_padding: Extent = 0

    def out_shape(self, inputs: Inputs) -> Shape:
        (shape,) = inputs
        sizes = spatial(shape, self.rank)
        windows = zip(
            sizes, self.kernel_size, self.stride, self.padding, self.dilation, self.output_padding, strict=True
        )
        return with_spatial(shape, self.rank, self.out_channels, tuple(slid_transposed(*window) for window in windows))

    def macs(self, inputs: Inputs, output: Shape) -> Size:
        return self.weights() * positions(inputs[0], self.rank)

    def reads(self, inputs: Inputs, output: Shape) -> Reads:
        at = len(output) - self.rank - 1
        axes = zip(self.kernel_size, self.stride, self.padding, self.dilation, strict=True)
        spread = [transposed(at + 1 + number, *axis) for number, axis in enumerate(axes)]
        return (((*map(same, range(at)), grouped(at, self.in_channels, self.out_channels, self.groups), *spread),),)

    def check(self, inputs: Inputs) -> Iterator[str]:
        yield from check_groups(self.in_channels, self.out_channels, self.groups)
        for extra, stride, dilation in zip(self.output_padding, self.stride, self.dilation, strict=True):
            if all(map(is_int, (extra, stride, dilation))) and extra >= max(stride, dilation):
                yield f"output_padding (={extra}) must be below the stride (={stride}) or the dilation (={dilation})"
        output = spatial(self.out_shape(inputs), self.rank)
        if any(is_int(size) and size < 1 for size in output):
            yield f"the output would be {show_shape(output)}; use less padding (={show_shape(self.padding)})"
