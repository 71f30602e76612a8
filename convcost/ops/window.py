"""Formulas shared by the operators that slide a window: one spatial axis at a time."""

from convcost.arith import Shape, Size, ceil_div, floor_div, prod


def positions(shape: Shape, rank: int) -> Size:
    """How many positions a feature map has: leading axes x spatial axes, without channels."""
    return prod(shape[: len(shape) - rank - 1]) * prod(shape[len(shape) - rank :])


def spatial(shape: Shape, rank: int) -> Shape:
    """The spatial axes of a shape."""
    return shape[len(shape) - rank :]


def with_spatial(shape: Shape, rank: int, channels: Size, sizes: Shape) -> Shape:
    """The shape with other channels and other spatial sizes."""
    return (*shape[: len(shape) - rank - 1], channels, *sizes)


def extent(kernel: Size, dilation: Size) -> Size:
    """The span of a dilated kernel, `dilation * (kernel - 1) + 1`."""
    return dilation * (kernel - 1) + 1


def slid(size: Size, kernel: Size, stride: Size, padding: Size, dilation: Size) -> Size:
    """Positions of a window padded on both sides: `floor((size + 2 padding - extent) / stride) + 1`."""
    return floor_div(size + 2 * padding - extent(kernel, dilation), stride) + 1


def slid_same(size: Size, stride: Size) -> Size:
    """Positions under `same` padding: `ceil(size / stride)`, whatever the kernel."""
    return ceil_div(size, stride)


def slid_ceil(size: Size, stride: Size, padding: Size, overhang: Size) -> Size:
    """Positions of a pooling window where the last may hang over (`ceil_mode`):
    `ceil((size + 2 padding - extent) / stride) + 1`, without a window that starts behind the left-padded input.

    A window starts within the input up to position `ceil((size + padding) / stride)`. Which of the two counts is the
    smaller depends on the fields alone, so `overhang = min(0, stride + padding - extent)` says it for every size.
    """
    return floor_div(size + padding - 1 + overhang, stride) + 1


def slid_transposed(size: Size, kernel: Size, stride: Size, padding: Size, dilation: Size, extra: Size) -> Size:
    """Output size of a transposed convolution: `(size - 1) stride - 2 padding + extent + output_padding`."""
    return (size - 1) * stride - 2 * padding + extent(kernel, dilation) + extra
