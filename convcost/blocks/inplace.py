"""Blocks that can stand where a convolution stood: as many channels in and out, and the same size."""

from convcost.arith import equal, floor_div
from convcost.blocks.convolution import KeepRatio, kept
from convcost.blocks.parts import same_padding, whole_part
from convcost.errors import GraphError
from convcost.graph import Builder, Value
from convcost.ops import block
from convcost.ops.base import show_shape
from convcost.ops.equivariant import ORDERS, Border, SymmetryGroup
from convcost.ops.kinds import Count, Flag, NumericPadding, PerAxis


@block("bottleneck", family="factorised")
def bottleneck(
    b: Builder,
    x: Value,
    *,
    out_channels: Count,
    reduction: Count = 4,
    kernel_size: PerAxis = 3,
    stride: PerAxis = 1,
    padding: NumericPadding = None,
    dilation: PerAxis = 1,
    bias: Flag = True,
) -> Value:
    """Bottleneck without a shortcut: 1x1 down to out_channels / reduction, the kernel among these, 1x1 up.

    Shapes: (in_channels, *size) -> (out_channels, *out); the middle convolution has kernel and stride;
        padding keeps the size (odd kernels, stride 1) unless given.
    Parameters: hidden (in_channels + prod(kernel_size) hidden + out_channels) weights, hidden = out_channels /
        reduction; biases a convolution.
    MACs: in_channels hidden a position of the input, the other weights an output position.
    Constraints: reduction divides out_channels.
    Relative cost: 1 / (reduction * kernel) + out_channels / (in_channels * reduction * reduction)
        + out_channels / (in_channels * reduction * kernel)
    Source: He et al. 2016 (ResNet), arXiv:1512.03385, figure 5 right, without norm, activation and shortcut.
    Remark: slides print the ratio of the matrix form, N x N as N x M and M x N, upside down, as 2 N / M; it is 2 M / N,
        as linear_bottleneck shows.
    """
    rule = f"reduction (={reduction}) must divide out_channels (={out_channels})"
    hidden = whole_part(out_channels, reduction, "reduction", rule)
    x = b.conv(x, name="reduce", out_channels=hidden, kernel_size=1, bias=bias)
    x = b.conv(
        x,
        name="conv",
        out_channels=hidden,
        kernel_size=kernel_size,
        stride=stride,
        padding=same_padding(kernel_size, dilation) if padding is None else padding,
        dilation=dilation,
        bias=bias,
    )
    return b.conv(x, name="expand", out_channels=out_channels, kernel_size=1, bias=bias)


@block("linear_bottleneck", family="linear")
def linear_bottleneck(b: Builder, x: Value, *, out_features: Count, reduction: Count = 4, bias: Flag = True) -> Value:
    """Linear bottleneck: a matrix as the product of two, over out_features / reduction features.

    Shapes: (in_features,) -> (out_features,).
    Parameters: hidden (in_features + out_features) weights, hidden = out_features / reduction; biases a layer. Beside
        the matrix, N x N and hidden M: 2 M / N.
    MACs: as many as weights.
    Constraints: reduction divides out_features; the input is a vector.
    Source: Sainath et al. 2013, "Low-rank matrix factorization for deep neural network training".
    Remark: slides print the ratio inverted, 2 N / M, and say rightly that it is below 1 where M is below N / 2.
    """
    if len(x.shape) - b.leading != 1:
        raise GraphError(f"it needs a vector, not {show_shape(x.shape)}; flatten it first")
    rule = f"reduction (={reduction}) must divide out_features (={out_features})"
    hidden = whole_part(out_features, reduction, "reduction", rule)
    x = b.linear(x, name="reduce", out_features=hidden, bias=bias)
    return b.linear(x, name="expand", out_features=out_features, bias=bias)


@block("shift_conv", family="factorised")
def shift_conv(
    b: Builder,
    x: Value,
    *,
    out_channels: Count,
    kernel_size: PerAxis = 3,
    stride: PerAxis = 1,
    dilation: PerAxis = 1,
    bias: Flag = True,
) -> Value:
    """Shift convolution: each channel moved by an offset of the kernel, then a 1x1 with the stride.

    Shapes: (in_channels, *size) -> (out_channels, *out), out = floor((size - 1) / stride) + 1.
    Parameters: in_channels out_channels weights, and out_channels biases. The shift has none.
    MACs: as many as weights, an output position.
    Constraints: with in_channels below prod(kernel_size) nothing is shifted.
    Relative cost: 1 / kernel
    Source: Wu et al. 2018 (ShiftNet), arXiv:1711.08141.
    """
    x = b.shift(x, name="shift", kernel_size=kernel_size, dilation=dilation)
    return b.conv(x, name="pointwise", out_channels=out_channels, kernel_size=1, stride=stride, bias=bias)


@block("equivariant_conv", family="equivariant")
def equivariant_conv(
    b: Builder,
    x: Value,
    *,
    out_channels: Count,
    group: SymmetryGroup = "p4m",
    kernel_size: Count = 3,
    stride: Count = 1,
    padding: Border = None,
    bias: Flag = True,
) -> Value:
    """Group-equivariant convolution among planar channels: each `order` of them are one map over the group.

    Shapes: (in_channels, height, width) -> (out_channels, *out), order 4 for p4 and 8 for p4m;
        padding keeps the size (odd kernels, stride 1) unless given.
    Parameters: in_channels out_channels kernel_size^2 / order weights, and out_channels / order biases.
    MACs: those of the convolution: the group shares parameters, and saves no work.
    Constraints: order divides in_channels and out_channels.
    Relative cost: 1
    Source: Cohen and Welling 2016, arXiv:1602.07576.
    """
    order = ORDERS[group]
    if len(x.shape) != 3:
        raise GraphError(f"it needs an input of channels and 2 spatial axes, not {show_shape(x.shape)}")
    rule = f"{group} has {order} elements, which must divide the channels"
    maps = whole_part(x.channels, order, "group", f"{rule} of the input (={x.channels})")
    out_maps = whole_part(out_channels, order, "out_channels", f"{rule} (out_channels={out_channels})")
    height, width = x.shape[1:]
    x = b.reshape(x, name="to_group", shape=(maps, order, height, width))
    x = b.group_equivariant_conv(
        x,
        name="conv",
        out_channels=out_maps,
        kernel_size=kernel_size,
        stride=stride,
        padding=floor_div(kernel_size - 1, 2) if padding is None else padding,
        group=group,
        bias=bias,
    )
    return b.reshape(x, name="to_plane", shape=(out_channels, *x.shape[2:]))


@block("pruned_conv", family="convolution")
def pruned_conv(
    b: Builder,
    x: Value,
    *,
    out_channels: Count,
    keep: KeepRatio,
    keep_in: KeepRatio = None,
    kernel_size: PerAxis = 3,
    stride: PerAxis = 1,
    padding: NumericPadding = None,
    dilation: PerAxis = 1,
    bias: Flag = True,
) -> Value:
    """Pruned convolution in its place: the channels that are left are computed, those that are pruned are zeros.

    Shapes: (in_channels, *size) -> (out_channels, *out);
        padding keeps the size (odd kernels, stride 1) unless given.
    Fields: keep is the share of out_channels that is left, keep_in that of the input's channels (keep unless given; 1
        behind a layer that is not pruned); both are rounded half up, and at least one channel is left.
    Parameters: prod(kernel_size) kept_in kept weights, and kept biases.
    MACs: those weights an output position; beside the convolution, where nothing is rounded, keep keep_in.
    Constraints: keep and keep_in are above 0 and at most 1.
    Source: Li et al. 2017, arXiv:1608.08710; Zhang et al. 2019, arXiv:1908.02620.
    """
    left, left_in = kept(out_channels, keep), kept(x.channels, keep if keep_in is None else keep_in)
    if not equal(left_in, x.channels):
        x = b.slice(x, name="kept", stop=left_in)
    x = b.conv(
        x,
        name="conv",
        out_channels=left,
        kernel_size=kernel_size,
        stride=stride,
        padding=same_padding(kernel_size, dilation) if padding is None else padding,
        dilation=dilation,
        bias=bias,
    )
    return x if equal(left, out_channels) else b.pad(x, name="zeros", channels_after=out_channels - left)
