"""Squeeze-and-excite, and SqueezeNet's fire module."""

from typing import Any

from convcost.blocks.parts import ActivationName, conv_unit, whole_part
from convcost.graph import Builder, Value
from convcost.ops import block
from convcost.ops.kinds import Count, Flag


@block("squeeze_excite", family="attention")
def squeeze_excite(
    b: Builder,
    x: Value,
    *,
    reduction: Count = 16,
    squeeze_channels: Count = None,
    activation: ActivationName = "relu",
    gate: ActivationName = "sigmoid",
) -> Value:
    """Squeeze-and-excite: a gate a channel, computed from the channels' means.

    y = x gate(W2 act(W1 mean(x) + b1) + b2)

    Shapes: (channels, *size) -> the same.
    Fields: squeeze_channels is channels / reduction unless given.
    Parameters: 2 channels squeeze weights, channels + squeeze biases.
    MACs: 2 channels squeeze, at one position.
    Constraints: reduction divides the channels unless squeeze_channels is given.
    Source: Hu et al. 2018, arXiv:1709.01507.
    """
    squeeze = squeeze_channels
    if squeeze is None:
        rule = f"reduction (={reduction}) must divide the channels (={x.channels})"
        squeeze = whole_part(x.channels, reduction, "reduction", rule)
    weight = b.global_avg_pool(x, name="pool")
    weight = conv_unit(b, weight, "squeeze", activation=activation, out_channels=squeeze, kernel_size=1)
    weight = conv_unit(b, weight, "excite", activation=gate, out_channels=x.channels, kernel_size=1)
    return b.multiply(x, weight, name="scale")


@block("fire", family="convolution")
def fire(
    b: Builder,
    x: Value,
    *,
    squeeze: Count,
    expand1x1: Count,
    expand3x3: Count,
    activation: ActivationName = "relu",
    bias: Flag = True,
) -> Value:
    """Fire module: 1x1 down to squeeze channels, then 1x1 and 3x3 side by side, one behind the other.

    Shapes: (in_channels, *size) -> (expand1x1 + expand3x3, *size).
    Parameters: squeeze (in_channels + 1) + expand1x1 (squeeze + 1) + expand3x3 (9 squeeze + 1) in 2-D, biases included.
    MACs: in_channels squeeze + squeeze expand1x1 + 9 squeeze expand3x3 a position in 2-D.
    Source: Iandola et al. 2016 (SqueezeNet), arXiv:1602.07360.
    Remark: the 0.72 GFLOPS an image of SqueezeNet 1.1 in its README are 2 x MACs, where most papers print MACs.
    """
    behind: dict[str, Any] = {"activation": activation, "bias": bias}
    x = conv_unit(b, x, "squeeze", **behind, out_channels=squeeze, kernel_size=1)
    left = conv_unit(b, x, "expand1x1", **behind, out_channels=expand1x1, kernel_size=1)
    right = conv_unit(b, x, "expand3x3", **behind, out_channels=expand3x3, kernel_size=3, padding=1)
    return b.concat(left, right, name="concat")
