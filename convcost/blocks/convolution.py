"""Convolutions with fields set, pruned convolution, and depthwise separable convolution."""

from typing import Annotated, Any

from convcost.arith import Size, floor_div, largest
from convcost.blocks.parts import ActivationName, NormName, conv_unit, same_padding, whole_part
from convcost.graph import Builder, Value
from convcost.ops import block
from convcost.ops.kinds import ChoiceKind, Count, Flag, NumberKind, Padding, PerAxis, is_symbolic

KeepRatio = Annotated[Any, NumberKind(0, 1, above=True)]
SeparableOrder = Annotated[str, ChoiceKind("depthwise_first", "pointwise_first")]


def kept(channels: Size, keep: Size) -> Size:
    """`channels keep`, rounded half up, and at least 1: the channels that pruning leaves."""
    if not is_symbolic(keep) and keep == 1:
        return channels
    above, below = (keep, 1) if is_symbolic(keep) else (keep.numerator, keep.denominator)
    rounded = floor_div(2 * channels * above + below, 2 * below)
    if not is_symbolic(keep) and 2 * above >= below:  # half of one channel is rounded to one
        return rounded
    return largest([1, rounded])


@block("depthwise", family="convolution")
def depthwise(
    b: Builder,
    x: Value,
    *,
    kernel_size: PerAxis = 3,
    stride: PerAxis = 1,
    padding: Padding = None,
    dilation: PerAxis = 1,
    multiplier: Count = 1,
    bias: Flag = True,
) -> Value:
    """Depthwise convolution: one filter an input channel, conv with groups = channels.

    Shapes: (channels, *size) -> (channels multiplier, *out);
        padding keeps the size (odd kernels, stride 1) unless given.
    Parameters: prod(kernel_size) channels multiplier weights, and as many biases as output channels.
    MACs: prod(kernel_size) channels multiplier an output position.
    Relative cost: 1 / in_channels
    Source: Sifre 2014 (thesis); Howard et al. 2017 (MobileNet), arXiv:1704.04861.
    Remark: not introduced by Xception (2017), as the news have it, but by Sifre (2014). That it keeps the number of
        channels, as the blog says, holds with multiplier 1 alone.
    """
    return b.conv(
        x,
        name="conv",
        out_channels=x.channels * multiplier,
        kernel_size=kernel_size,
        stride=stride,
        padding=same_padding(kernel_size, dilation) if padding is None else padding,
        dilation=dilation,
        groups=x.channels,
        bias=bias,
    )


@block("pointwise", family="convolution")
def pointwise(
    b: Builder, x: Value, *, out_channels: Count, stride: PerAxis = 1, groups: Count = 1, bias: Flag = True
) -> Value:
    """Pointwise convolution: a 1x1 kernel, which mixes channels at each position.

    Shapes: (in_channels, *size) -> (out_channels, *out), out = floor((size - 1) / stride) + 1.
    Parameters: in_channels out_channels / groups weights, and out_channels biases.
    MACs: in_channels out_channels / groups an output position.
    Constraints: groups divides both channel counts.
    Relative cost: 1 / groups
    Source: Lin et al. 2014 (network in network), arXiv:1312.4400; groups: Zhang et al. 2018 (ShuffleNet),
        arXiv:1707.01083.
    """
    return b.conv(x, name="conv", out_channels=out_channels, kernel_size=1, stride=stride, groups=groups, bias=bias)


@block("grouped", family="convolution")
def grouped(
    b: Builder,
    x: Value,
    *,
    out_channels: Count,
    groups: Count,
    kernel_size: PerAxis = 3,
    stride: PerAxis = 1,
    padding: Padding = None,
    dilation: PerAxis = 1,
    bias: Flag = True,
) -> Value:
    """Grouped convolution: input and output channels in groups, each group convolved by itself.

    Shapes: (in_channels, *size) -> (out_channels, *out);
        padding keeps the size (odd kernels, stride 1) unless given.
    Parameters: 1 / groups of the weights of the dense convolution; as many biases.
    MACs: 1 / groups of the dense convolution's.
    Constraints: groups divides both channel counts.
    Relative cost: 1 / groups
    Source: Krizhevsky et al. 2012 (AlexNet); Xie et al. 2017 (ResNeXt), arXiv:1611.05431.
    Remark: the slides' ratio of parameters, 1 / groups, holds without biases; with them it is
        (in_channels kernel / groups + 1) / (in_channels kernel + 1), 36,992 / 147,584 = 0.2507 for 128 channels, 3x3
        and 4 groups. The blog's example cuts 3 channels into 2 groups, which cannot be.
    """
    return b.conv(
        x,
        name="conv",
        out_channels=out_channels,
        kernel_size=kernel_size,
        stride=stride,
        padding=same_padding(kernel_size, dilation) if padding is None else padding,
        dilation=dilation,
        groups=groups,
        bias=bias,
    )


@block("dilated", family="convolution")
def dilated(
    b: Builder,
    x: Value,
    *,
    out_channels: Count,
    dilation: PerAxis,
    kernel_size: PerAxis = 3,
    stride: PerAxis = 1,
    padding: Padding = None,
    groups: Count = 1,
    bias: Flag = True,
) -> Value:
    """Dilated (atrous) convolution: the taps stand `dilation` apart, so the kernel spans dilation (kernel - 1) + 1.

    Shapes: (in_channels, *size) -> (out_channels, *out);
        padding keeps the size (odd kernels, stride 1) unless given.
    Parameters and MACs: those of the convolution of the same kernel, groups and output size.
    Constraints: groups divides both channel counts.
    Relative cost: 1 / groups
    Source: Yu and Koltun 2016, arXiv:1511.07122.
    Remark: that every input contributes equally often, as slides say of stacked dilated convolutions, holds for kernel
        k with dilations 1, k, k^2, ... alone, as in WaveNet: three 3x3 of dilation 2 span 13 x 13, and touch 49 of 169.
    """
    return b.conv(
        x,
        name="conv",
        out_channels=out_channels,
        kernel_size=kernel_size,
        stride=stride,
        padding=same_padding(kernel_size, dilation) if padding is None else padding,
        dilation=dilation,
        groups=groups,
        bias=bias,
    )


@block("pruned", family="convolution")
def pruned(
    b: Builder,
    x: Value,
    *,
    out_channels: Count,
    keep: KeepRatio,
    kernel_size: PerAxis = 3,
    stride: PerAxis = 1,
    padding: Padding = None,
    dilation: PerAxis = 1,
    bias: Flag = True,
) -> Value:
    """Pruned convolution: of out_channels filters, the share `keep` is left, and the next layer reads as much less.

    kept = floor(out_channels keep + 1 / 2), and at least 1.

    Shapes: (in_channels, *size) -> (kept, *out);
        padding keeps the size (odd kernels, stride 1) unless given.
    Parameters: prod(kernel_size) in_channels kept weights, and kept biases.
    MACs: those weights an output position. Beside the convolution of all filters: kept / out_channels, times the
        share of in_channels that is left; with one keep for every layer, and no rounding, keep^2.
    Constraints: keep is above 0 and at most 1.
    Source: Li et al. 2017, arXiv:1608.08710; Zhang et al. 2019, arXiv:1908.02620; Mehta et al. 2019,
        arXiv:1811.12495.
    """
    return b.conv(
        x,
        name="conv",
        out_channels=kept(out_channels, keep),
        kernel_size=kernel_size,
        stride=stride,
        padding=same_padding(kernel_size, dilation) if padding is None else padding,
        dilation=dilation,
        bias=bias,
    )


@block("dsconv", family="convolution")
def dsconv(
    b: Builder,
    x: Value,
    *,
    out_channels: Count,
    kernel_size: PerAxis = 3,
    stride: PerAxis = 1,
    padding: Padding = None,
    dilation: PerAxis = 1,
    multiplier: Count = 1,
    order: SeparableOrder = "depthwise_first",
    between: Flag = True,
    bias: Flag = None,
    norm: NormName = "none",
    activation: ActivationName = "none",
) -> Value:
    """Depthwise separable convolution: a depthwise convolution and a pointwise one.

    Shapes: (in_channels, *size) -> (out_channels, *out); the depthwise convolution has the stride;
        padding keeps the size (odd kernels, stride 1) unless given.
    Fields: order is MobileNet's depthwise_first, or pointwise_first, of which Xception's paper speaks; multiplier is
        the number of filters a channel of the depthwise convolution; norm, activation and bias follow both
        convolutions, with between: false the second alone (as in Keras' separable convolutions); there are biases
        where there is no norm, unless bias says otherwise.
    Parameters: depthwise_first in_channels multiplier (prod(kernel_size) + out_channels) weights, pointwise_first
        (in_channels / multiplier + prod(kernel_size)) out_channels; biases; the norm's and activation's.
    MACs: prod(kernel_size) in_channels multiplier (pointwise_first: prod(kernel_size) out_channels) an output position,
        and the pointwise weights an output position (pointwise_first: a position of the input). The relative cost below
        is that of depthwise_first; pointwise_first with stride 1 has 1 / kernel / multiplier + 1 / in_channels.
    Constraints: with pointwise_first, multiplier divides out_channels.
    Relative cost: multiplier / out_channels + multiplier / kernel
    Source: Howard et al. 2017 (MobileNet), arXiv:1704.04861, section 3.1; Chollet 2017 (Xception), arXiv:1610.02357.
    Remark: older than Xception, of which the news have it: Sifre 2014. The slides' ratio 1 / N + 1 / K^2 holds without
        biases: with them 128 channels and 3x3 give 17,792 / 147,584 = 0.1206, without, as in MobileNet, 17,536 /
        147,456 = 0.1189. Their K K + 1 parameters a new map are those of the depthwise half; the pointwise one has
        C + 1 more.
    """
    behind: dict[str, Any] = {"norm": norm, "activation": activation, "bias": bias}
    first = behind if between else {"bias": False}
    spatial: dict[str, Any] = {
        "kernel_size": kernel_size,
        "stride": stride,
        "padding": same_padding(kernel_size, dilation) if padding is None else padding,
        "dilation": dilation,
    }
    if order == "depthwise_first":
        filters = x.channels * multiplier
        x = conv_unit(b, x, "depthwise", **first, **spatial, out_channels=filters, groups=x.channels)
        return conv_unit(b, x, "pointwise", **behind, out_channels=out_channels, kernel_size=1)
    rule = f"multiplier (={multiplier}) must divide out_channels (={out_channels}) with order pointwise_first"
    mixed = whole_part(out_channels, multiplier, "multiplier", rule)
    x = conv_unit(b, x, "pointwise", **first, out_channels=mixed, kernel_size=1)
    return conv_unit(b, x, "depthwise", **behind, **spatial, out_channels=out_channels, groups=mixed)
