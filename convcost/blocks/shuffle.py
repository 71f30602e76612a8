"""The units of ShuffleNet v1 and v2."""

from typing import Any

from convcost.arith import equal, is_int
from convcost.blocks.parts import ActivationName, NormName, conv_unit, norm_act, whole_part
from convcost.blocks.residual import add_and_activate
from convcost.errors import FieldError
from convcost.graph import Builder, Value
from convcost.ops import block
from convcost.ops.kinds import Count, Flag, PerAxis


def keeps_size(stride: PerAxis) -> bool:
    """Whether the stride is 1 on every axis."""
    return all(step == 1 for step in stride)


def hold_to_input(out_channels: Count, channels: Count, join: str) -> None:
    """The rule of a unit with stride 1: its output has the channels of its input.

    Raises:
        FieldError: it has others.
    """
    if is_int(out_channels) and is_int(channels) and out_channels != channels:
        rule = f"out_channels (={out_channels}) must be the channels of the input (={channels}) where the stride is 1"
        raise FieldError(f"{rule}: {join}; set stride to change the channels", "out_channels")


def hidden_in_groups(hidden_channels: Count, out_channels: Count, groups: Count) -> Count:
    """The channels of the depthwise convolution: those given, or a quarter of `out_channels`.

    Raises:
        FieldError: 4 does not divide out_channels, or the groups do not divide the hidden channels.
    """
    hidden = hidden_channels
    if hidden is None:
        rule = f"4 does not divide out_channels (={out_channels}); give hidden_channels"
        hidden = whole_part(out_channels, 4, "out_channels", rule)
    if is_int(hidden) and is_int(groups) and hidden % groups:
        rule = f"groups (={groups}) must divide hidden_channels (={hidden})"
        raise FieldError(f"{rule}, which is out_channels / 4 unless given", "groups")
    return hidden


def channels_beside_input(out_channels: Count, channels: Count, groups: Count) -> Count:
    """What the convolutions of a strided unit give: `out_channels` without those of the pooled input.

    Raises:
        FieldError: there are none left, or the groups do not divide them.
    """
    rest = out_channels - channels
    if is_int(rest) and rest < 1:
        rule = f"out_channels (={out_channels}) must be above the channels of the input (={channels})"
        raise FieldError(f"{rule}, which is pooled and stands first in the output", "out_channels")
    if is_int(rest) and is_int(groups) and rest % groups:
        rule = f"groups (={groups}) must divide out_channels - in_channels (={out_channels} - {channels} = {rest})"
        raise FieldError(f"{rule}, which the last 1x1 convolution gives", "groups")
    return rest


@block("shuffle_unit", family="residual")
def shuffle_unit(
    b: Builder,
    x: Value,
    *,
    out_channels: Count,
    hidden_channels: Count = None,
    stride: PerAxis = 1,
    groups: Count = 3,
    first_groups: Count = None,
    norm: NormName = "batch_norm",
    activation: ActivationName = "relu",
    bias: Flag = None,
) -> Value:
    """ShuffleNet unit: a grouped 1x1 convolution, channel shuffle, depthwise 3x3, a grouped 1x1, beside a shortcut.

    Stride 1: y = act(x + f(x)). Any other: y = act([pool(x), f(x)]), pool a 3x3 average with the stride, and f gives
    the channels that are missing. An activation follows the first 1x1 alone; with one group there is no shuffle.

    Shapes: (in_channels, *size) -> (out_channels, *out), out = floor((size - 1) / stride) + 1.
    Fields: hidden_channels is out_channels / 4 unless given; first_groups are the groups of the first 1x1 where they
        are others than groups (1 in the first unit of the network).
    Parameters: hidden (in_channels / first_groups + 9 + f's channels / groups) weights in 2-D; norms, or biases where
        there is no norm.
    MACs: in 2-D, with c in_channels, n out_channels, m hidden and g groups: h w (2 c m / g + 9 m) with stride 1, where
        n = c; h w c m / first_groups + h' w' (9 m + m (n - c) / g) with another, where h' w' is the output's size.
    Constraints: 4 divides out_channels unless hidden_channels is given; groups divide hidden, and f's channels;
        first_groups divide in_channels and hidden; out_channels = in_channels with stride 1, and is above them with
        any other, which needs sizes of at least 3 on 3 spatial axes, as avg_pool does.
    Source: Zhang et al. 2018 (ShuffleNet), arXiv:1707.01083, figure 2b and 2c. The authors' code shuffles behind the
        depthwise convolution, and by the inverse permutation; the cost is the same.
    Remark: slides print 240 / 4 = 80 for the hidden channels, which is 60, and count the biases of grouped convolutions
        divided by the groups: (240 + 1) 80 / 2. Each output has one: with 2 groups, biases and no norm the unit has
        7,260 + 600 + 7,440 = 15,300 parameters with 60, 9,680 + 800 + 9,840 = 20,320 with 80 (printed: 20,160), of the
        convolution's 518,640.
    """
    hidden = hidden_in_groups(hidden_channels, out_channels, groups)
    added = keeps_size(stride)
    if added:
        hold_to_input(out_channels, x.channels, "the input is added")
    given = out_channels if added else channels_beside_input(out_channels, x.channels, groups)
    out = conv_unit(
        b,
        x,
        "reduce",
        norm=norm,
        bias=bias,
        activation=activation,
        out_channels=hidden,
        kernel_size=1,
        groups=groups if first_groups is None else first_groups,
    )
    if not equal(groups, 1):
        out = b.channel_shuffle(out, name="shuffle", groups=groups)
    out = conv_unit(
        b,
        out,
        "depthwise",
        norm=norm,
        bias=bias,
        out_channels=hidden,
        kernel_size=3,
        stride=stride,
        padding=1,
        groups=hidden,
    )
    out = conv_unit(b, out, "expand", norm=norm, bias=bias, out_channels=given, kernel_size=1, groups=groups)
    if added:
        return add_and_activate(b, out, x, activation)
    around = b.avg_pool(x, name="pool", kernel_size=3, stride=stride, padding=1)
    return norm_act(b, b.concat(around, out, name="concat"), "concat", "none", activation)


@block("shuffle_v2_unit", family="residual")
def shuffle_v2_unit(
    b: Builder,
    x: Value,
    *,
    out_channels: Count,
    stride: PerAxis = 1,
    norm: NormName = "batch_norm",
    activation: ActivationName = "relu",
) -> Value:
    """ShuffleNet v2 unit: half of the output passes through 1x1, depthwise 3x3 and 1x1 convolutions, without groups.

    Stride 1: the other half is the first half of the input as it is, and the convolutions read the second. Any other:
    both read the whole input, and the other half is a depthwise 3x3 and a 1x1 convolution of it. Both halves are
    joined, and their channels shuffled in two groups. An activation follows each 1x1, none the depthwise convolutions.

    Shapes: (in_channels, *size) -> (out_channels, *out), out = floor((size - 1) / stride) + 1.
    Parameters: with b = out_channels / 2, b (2 b + 9) weights in 2-D with stride 1;
        in_channels (9 + b) + b (in_channels + 9 + b) with another; norms, or biases where there is no norm.
    MACs: as many as weights, an output position; but the b in_channels of the first 1x1 at each of the input's.
    Constraints: out_channels is even, and with stride 1 it is in_channels.
    Source: Ma et al. 2018 (ShuffleNet v2), arXiv:1807.11164, figure 3c and 3d; as torchvision's shufflenet_v2.
    """
    rule = f"2 must divide out_channels (={out_channels}), of which each branch gives one half"
    half = whole_part(out_channels, 2, "out_channels", rule)
    follow: dict[str, Any] = {"norm": norm, "activation": activation}
    if keeps_size(stride):
        hold_to_input(out_channels, x.channels, "half of the input passes through")
        left = b.split(x, name="left", sections=2, index=0)
        right = b.split(x, name="right", sections=2, index=1)
    else:
        window: dict[str, Any] = {"kernel_size": 3, "stride": stride, "padding": 1}
        left = conv_unit(b, x, "left_depthwise", norm=norm, out_channels=x.channels, groups=x.channels, **window)
        left = conv_unit(b, left, "left_expand", **follow, out_channels=half, kernel_size=1)
        right = x
    right = conv_unit(b, right, "reduce", **follow, out_channels=half, kernel_size=1)
    right = conv_unit(
        b, right, "depthwise", norm=norm, out_channels=half, kernel_size=3, stride=stride, padding=1, groups=half
    )
    right = conv_unit(b, right, "expand", **follow, out_channels=half, kernel_size=1)
    return b.channel_shuffle(b.concat(left, right, name="concat"), name="shuffle", groups=2)
