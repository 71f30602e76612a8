"""Pooling: maximum and average over windows, adaptive windows, and the whole map."""

from collections.abc import Iterator
from typing import Any

from convcost.arith import Shape, Size, is_int, prod, smallest
from convcost.ops.base import Inputs, Operator, operator, show_shape
from convcost.ops.conv import check_window, show_window
from convcost.ops.kinds import Flag, InputChannels, PerAxis, PoolPadding, SpatialRank
from convcost.ops.reads import Reads, binned, front_of_same, same, whole, windows
from convcost.ops.window import extent, slid, slid_ceil, slid_same, spatial, with_spatial

NO_PARAMETERS = "pooling learns nothing"
NO_MACS = "pooling compares or adds, and multiplies by no weight"


class Pool(Operator):
    """What maximum and average pooling share."""

    free = {"params": NO_PARAMETERS, "macs": NO_MACS}

    kernel_size: PerAxis
    stride: PerAxis = None
    padding: PoolPadding = 0
    ceil_mode: Flag = False

    @classmethod
    def complete(cls, fields: dict[str, Any], shape: Shape, rank: int) -> None:
        if fields["stride"] is None:
            fields["stride"] = fields["kernel_size"]

    @property
    def rank(self) -> int:
        """The number of spatial axes."""
        return len(self.kernel_size)

    @property
    def is_same(self) -> bool:
        """Whether the output size is `ceil(size / stride)` (TensorFlow's padding)."""
        return isinstance(self.padding, str)

    @property
    def rates(self) -> Shape:
        """The dilation an axis."""
        return (1,) * self.rank

    @property
    def overhangs(self) -> Shape:
        """By how much a window may hang over in ceil_mode, an axis: `min(0, stride + padding - extent)`."""
        windows = zip(self.kernel_size, self.stride, self.padding, self.rates, strict=True)
        gaps = [stride + padding - extent(kernel, rate) for kernel, stride, padding, rate in windows]
        return tuple(smallest([0, gap]) for gap in gaps)

    def out_shape(self, inputs: Inputs) -> Shape:
        (shape,) = inputs
        sizes = spatial(shape, self.rank)
        channels = shape[len(shape) - self.rank - 1]
        return with_spatial(shape, self.rank, channels, self.pooled(sizes))

    def pooled(self, sizes: Shape) -> Shape:
        """The spatial sizes of the output."""
        return (
            tuple(slid_same(*axis) for axis in zip(sizes, self.stride, strict=True))
            if self.is_same
            else tuple(slid_ceil(*axis) for axis in zip(sizes, self.stride, self.padding, self.overhangs, strict=True))
            if self.ceil_mode
            else tuple(
                slid(*axis) for axis in zip(sizes, self.kernel_size, self.stride, self.padding, self.rates, strict=True)
            )
        )

    def reads(self, inputs: Inputs, output: Shape) -> Reads:
        (shape,) = inputs
        at = len(shape) - self.rank
        padding = self.padding
        if self.is_same:
            axes = zip(spatial(shape, self.rank), self.kernel_size, self.stride, self.rates, strict=True)
            padding = tuple(front_of_same(*axis) for axis in axes)
        return (((*map(same, range(at)), *windows(at, self.kernel_size, self.stride, padding, self.rates)),),)

    def check(self, inputs: Inputs) -> Iterator[str]:
        if self.is_same:
            if self.ceil_mode:
                yield "ceil_mode has no meaning with padding same_tf; drop one of the two"
            return
        for kernel, padding in zip(self.kernel_size, self.padding, strict=True):
            if is_int(kernel) and is_int(padding) and 2 * padding > kernel:
                yield f"padding (={padding}) must be at most half of kernel_size (={kernel})"
        if not self.ceil_mode:
            yield from check_window(spatial(inputs[0], self.rank), self.kernel_size, self.padding, self.rates)

    def describe(self) -> str:
        return show_window(self.kernel_size, self.stride, self.rates) + (" ceil" if self.ceil_mode else "")


@operator("max_pool", family="pooling")
class MaxPool(Pool):
    """Maximum pooling: the largest element of each window, channel by channel.

    Shapes: (channels, *size) -> (channels, *out), 1 to 3 spatial axes, where
        out = floor((size + 2 padding - dilation (kernel_size - 1) - 1) / stride) + 1; with ceil_mode the division
        rounds up, but no window starts behind the input; with padding same_tf, out = ceil(size / stride).
    Parameters: none. MACs: none.
    Elementwise: prod(kernel_size) - 1 comparisons an output element.
    Constraints: padding is at most half of the kernel; stride is the kernel where it is not given (as in PyTorch).
    Source: Riesenhuber and Poggio 1999; as torch.nn.MaxPool2d.
    """

    dilation: PerAxis = 1

    @property
    def rates(self) -> Shape:
        return self.dilation

    def elementwise(self, inputs: Inputs, output: Shape) -> Size:
        return prod(output) * (prod(self.kernel_size) - 1)


@operator("avg_pool", family="pooling")
class AvgPool(Pool):
    """Average pooling: the mean of each window, channel by channel.

    Shapes: as max_pool, without dilation.
    Parameters: none. MACs: none.
    Elementwise: prod(kernel_size) an output element: additions of the taps and one division.
    Constraints: padding is at most half of the kernel. count_include_pad (whether padding counts in the mean)
        changes values and no cost.
    Source: LeCun et al. 1998 (LeNet); as torch.nn.AvgPool2d.
    """

    count_include_pad: Flag = True

    def check(self, inputs: Inputs) -> Iterator[str]:
        yield from super().check(inputs)
        sizes = spatial(inputs[0], self.rank)
        if self.rank == 3 and not self.is_same:
            for kernel, size in zip(self.kernel_size, sizes, strict=True):
                if is_int(kernel) and is_int(size) and kernel > size:
                    yield f"kernel_size (={kernel}) is larger than the input ({size}) before padding"

    def elementwise(self, inputs: Inputs, output: Shape) -> Size:
        return prod(output) * prod(self.kernel_size)


class AdaptivePool(Operator):
    """What the adaptive poolings share."""

    free = {"params": NO_PARAMETERS, "macs": NO_MACS}

    output_size: PerAxis

    @property
    def rank(self) -> int:
        """The number of spatial axes."""
        return len(self.output_size)

    def out_shape(self, inputs: Inputs) -> Shape:
        (shape,) = inputs
        return with_spatial(shape, self.rank, shape[len(shape) - self.rank - 1], self.output_size)

    def elementwise(self, inputs: Inputs, output: Shape) -> Size:
        return prod(inputs[0])

    def reads(self, inputs: Inputs, output: Shape) -> Reads:
        (shape,) = inputs
        at = len(shape) - self.rank
        bins = [binned(at + number, shape[at + number], out) for number, out in enumerate(self.output_size)]
        return (((*map(same, range(at)), *bins),),)

    def describe(self) -> str:
        return f"to {show_shape(self.output_size)}"


@operator("adaptive_max_pool", family="pooling")
class AdaptiveMaxPool(AdaptivePool):
    """Adaptive maximum pooling: the windows are chosen so that the output has the size asked for.

    Window i of an axis spans floor(i size / out) to ceil((i + 1) size / out).

    Shapes: (channels, *size) -> (channels, *output_size).
    Parameters: none. MACs: none.
    Elementwise: one comparison an input element (elements that two windows share are counted once).
    Source: He et al. 2014 (spatial pyramid pooling), arXiv:1406.4729; as torch.nn.AdaptiveMaxPool2d.
    """


@operator("adaptive_avg_pool", family="pooling")
class AdaptiveAvgPool(AdaptivePool):
    """Adaptive average pooling: the windows are chosen so that the output has the size asked for.

    Window i of an axis spans floor(i size / out) to ceil((i + 1) size / out).

    Shapes: (channels, *size) -> (channels, *output_size).
    Parameters: none. MACs: none.
    Elementwise: one addition an input element (elements that two windows share are counted once), one division an
        output element.
    Source: He et al. 2014 (spatial pyramid pooling), arXiv:1406.4729; as torch.nn.AdaptiveAvgPool2d.
    """

    def elementwise(self, inputs: Inputs, output: Shape) -> Size:
        return prod(inputs[0]) + prod(output)


class GlobalPool(Operator):
    """What the global poolings share."""

    free = {"params": NO_PARAMETERS, "macs": NO_MACS}

    channels: InputChannels
    rank: SpatialRank

    def out_shape(self, inputs: Inputs) -> Shape:
        (shape,) = inputs
        return with_spatial(shape, self.rank, self.channels, (1,) * self.rank)

    def elementwise(self, inputs: Inputs, output: Shape) -> Size:
        return prod(inputs[0])

    def reads(self, inputs: Inputs, output: Shape) -> Reads:
        return (((*map(same, range(len(output) - self.rank)), *(whole() for _ in range(self.rank))),),)

    def check(self, inputs: Inputs) -> Iterator[str]:
        if self.rank < 1:
            yield f"the input {show_shape(inputs[0])} has no spatial axis to pool"


@operator("global_max_pool", family="pooling")
class GlobalMaxPool(GlobalPool):
    """Global maximum pooling: the largest element of each channel.

    Shapes: (channels, *size) -> (channels, 1, ...): the spatial axes stay, with size 1.
    Parameters: none. MACs: none.
    Elementwise: one comparison an input element.
    Source: Oquab et al. 2015; as torch.nn.AdaptiveMaxPool2d(1).
    """


@operator("global_avg_pool", family="pooling")
class GlobalAvgPool(GlobalPool):
    """Global average pooling: the mean of each channel.

    Shapes: (channels, *size) -> (channels, 1, ...): the spatial axes stay, with size 1.
    Parameters: none. MACs: none.
    Elementwise: one addition an input element, one division an output element.
    Source: Lin et al. 2014 (network in network), arXiv:1312.4400; as torch.nn.AdaptiveAvgPool2d(1).
    """

    def elementwise(self, inputs: Inputs, output: Shape) -> Size:
        return prod(inputs[0]) + prod(output)
