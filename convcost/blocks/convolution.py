"""Convolutions with fields set, and depthwise separable convolution."""

from convcost.blocks.parts import ActivationName, NormName, conv_unit, same_padding
from convcost.graph import Builder, Value
from convcost.ops import block
from convcost.ops.kinds import Count, Flag, Padding, PerAxis


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
    Source: Sifre 2014 (thesis); Howard et al. 2017 (MobileNet), arXiv:1704.04861.
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
def pointwise(b: Builder, x: Value, *, out_channels: Count, groups: Count = 1, bias: Flag = True) -> Value:
    """Pointwise convolution: a 1x1 kernel, which mixes channels at each position.

    Shapes: (in_channels, *size) -> (out_channels, *size).
    Parameters: in_channels out_channels / groups weights, and out_channels biases.
    MACs: in_channels out_channels / groups a position.
    Constraints: groups divides both channel counts.
    Source: Lin et al. 2014 (network in network), arXiv:1312.4400; groups: Zhang et al. 2018 (ShuffleNet),
        arXiv:1707.01083.
    """
    return b.conv(x, name="conv", out_channels=out_channels, kernel_size=1, groups=groups, bias=bias)


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
    Source: Krizhevsky et al. 2012 (AlexNet); Xie et al. 2017 (ResNeXt), arXiv:1611.05431.
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
    bias: Flag = True,
) -> Value:
    """Dilated (atrous) convolution: the taps stand `dilation` apart, so the kernel spans dilation (kernel - 1) + 1.

    Shapes: (in_channels, *size) -> (out_channels, *out);
        padding keeps the size (odd kernels, stride 1) unless given.
    Parameters and MACs: those of the dense convolution of the same kernel and output size.
    Source: Yu and Koltun 2016, arXiv:1511.07122.
    """
    return b.conv(
        x,
        name="conv",
        out_channels=out_channels,
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
    bias: Flag = None,
    norm: NormName = "none",
    activation: ActivationName = "none",
) -> Value:
    """Depthwise separable convolution: a depthwise convolution, then a pointwise one (MobileNet's order).

    Shapes: (in_channels, *size) -> (out_channels, *out); the depthwise convolution has the stride;
        padding keeps the size (odd kernels, stride 1) unless given.
    Parameters: in_channels multiplier (prod(kernel_size) + out_channels) weights; biases where there is no norm,
        unless given; the norm's and activation's, which follow both convolutions.
    MACs: as many as weights, an output position. Beside the dense convolution, without bias and with multiplier 1:
        1 / out_channels + 1 / prod(kernel_size).
    Source: Howard et al. 2017 (MobileNet), arXiv:1704.04861, section 3.1.
    """
    x = conv_unit(
        b,
        x,
        "depthwise",
        norm=norm,
        activation=activation,
        bias=bias,
        out_channels=x.channels * multiplier,
        kernel_size=kernel_size,
        stride=stride,
        padding=same_padding(kernel_size, dilation) if padding is None else padding,
        dilation=dilation,
        groups=x.channels,
    )
    return conv_unit(
        b, x, "pointwise", norm=norm, activation=activation, bias=bias, out_channels=out_channels, kernel_size=1
    )
