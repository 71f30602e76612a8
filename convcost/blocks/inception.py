"""Inception's module of four branches, and network in network's mlpconv layer."""

from typing import Any

from convcost.arith import floor_div, is_int
from convcost.blocks.parts import ActivationName, NormName, conv_unit, same_padding
from convcost.errors import FieldError
from convcost.graph import Builder, Value
from convcost.ops import block
from convcost.ops.kinds import Count, Padding, PerAxis


@block("inception", family="convolution")
def inception(
    b: Builder,
    x: Value,
    *,
    branch1x1: Count,
    reduce3x3: Count,
    branch3x3: Count,
    reduce5x5: Count,
    branch5x5: Count,
    pool_proj: Count,
    large_kernel_size: Count = 5,
    norm: NormName = "none",
    activation: ActivationName = "relu",
) -> Value:
    """Inception module: four branches side by side on one input, one behind the other along the channels.

    The branches: 1x1; 1x1 then 3x3; 1x1 then 5x5; 3x3 maximum pooling then 1x1. An activation follows each convolution.

    Shapes: (in_channels, *size) -> (branch1x1 + branch3x3 + branch5x5 + pool_proj, *size).
    Fields: large_kernel_size is the kernel of the 5x5 on each axis; torchvision's GoogLeNet has 3 there, which its
        authors call a known bug (issue 906 of pytorch/vision).
    Parameters: in_channels (branch1x1 + reduce3x3 + reduce5x5 + pool_proj) + 9 reduce3x3 branch3x3
        + 25 reduce5x5 branch5x5 weights in 2-D; norms, or biases where there is no norm.
    MACs: as many as weights, a position.
    Constraints: an odd large_kernel_size, so that all branches have the size of the input.
    Source: Szegedy et al. 2015 (GoogLeNet), arXiv:1409.4842, figure 2b.
    """
    if is_int(large_kernel_size) and large_kernel_size % 2 == 0:
        rule = f"large_kernel_size (={large_kernel_size}) must be odd, so that all branches have the size of the input"
        raise FieldError(rule, "large_kernel_size")
    follow: dict[str, Any] = {"norm": norm, "activation": activation}
    one = conv_unit(b, x, "branch1x1", **follow, out_channels=branch1x1, kernel_size=1)
    three = conv_unit(b, x, "reduce3x3", **follow, out_channels=reduce3x3, kernel_size=1)
    three = conv_unit(b, three, "branch3x3", **follow, out_channels=branch3x3, kernel_size=3, padding=1)
    five = conv_unit(b, x, "reduce5x5", **follow, out_channels=reduce5x5, kernel_size=1)
    five = conv_unit(
        b,
        five,
        "branch5x5",
        **follow,
        out_channels=branch5x5,
        kernel_size=large_kernel_size,
        padding=floor_div(large_kernel_size - 1, 2),
    )
    pooled = b.max_pool(x, name="pool", kernel_size=3, stride=1, padding=1)
    pooled = conv_unit(b, pooled, "pool_proj", **follow, out_channels=pool_proj, kernel_size=1)
    return b.concat(one, three, five, pooled, name="concat")


@block("mlpconv", family="convolution")
def mlpconv(
    b: Builder,
    x: Value,
    *,
    conv_channels: Count,
    mlp_channels: Count,
    out_channels: Count,
    kernel_size: PerAxis,
    stride: PerAxis = 1,
    padding: Padding = None,
    activation: ActivationName = "relu",
) -> Value:
    """Mlpconv layer: a convolution, then two 1x1 convolutions, which are a small perceptron slid over the map.

    y = act(W2 act(W1 act(conv(x)))), W1 and W2 matrices at each position.

    Shapes: (in_channels, *size) -> (out_channels, *out), the output size of the first convolution;
        padding keeps the size (odd kernels, stride 1) unless given.
    Fields: conv_channels go out of the first convolution, mlp_channels out of the first 1x1.
    Parameters: prod(kernel_size) in_channels conv_channels + conv_channels mlp_channels
        + mlp_channels out_channels weights; as many biases as channels go out of the three.
    MACs: as many as weights, an output position.
    Relative cost: (conv_channels + mlp_channels * (conv_channels + out_channels) / in_channels / kernel) / out_channels
    Source: Lin et al. 2014 (network in network), arXiv:1312.4400, section 3.1.
    """
    x = conv_unit(
        b,
        x,
        "conv",
        activation=activation,
        out_channels=conv_channels,
        kernel_size=kernel_size,
        stride=stride,
        padding=same_padding(kernel_size, (1,) * len(kernel_size)) if padding is None else padding,
    )
    x = conv_unit(b, x, "mlp1", activation=activation, out_channels=mlp_channels, kernel_size=1)
    return conv_unit(b, x, "mlp2", activation=activation, out_channels=out_channels, kernel_size=1)
