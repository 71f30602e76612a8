"""The channel-wise convolutions of ChannelNets."""

from convcost.blocks.parts import same_padding, whole_part
from convcost.errors import FieldError
from convcost.graph import Builder, Value
from convcost.ops import block
from convcost.ops.kinds import Count, Flag, PerAxis, is_symbolic


@block("gcwconv", family="channel")
def gcwconv(
    b: Builder,
    x: Value,
    *,
    groups: Count,
    channel_kernel_size: Count = None,
    bias: Flag = False,
) -> Value:
    """Group channel-wise convolution: mixes the channels of groups before or behind a grouped convolution.

    A channel-wise convolution with `groups` kernels and stride `groups`, so that each kernel makes one group.

    Shapes: (channels, *size) -> the same.
    Fields: channel_kernel_size is 4 groups unless given.
    Parameters: groups channel_kernel_size weights, and groups biases.
    MACs: channels channel_kernel_size a position; beside a pointwise convolution channel_kernel_size / channels.
    Constraints: groups divides the channels, and channel_kernel_size - groups, the padding of both ends, is even and at
        least 0.
    Source: Gao et al. 2018 (ChannelNets), arXiv:1809.01330; 4 groups as in the released code.
    """
    taps = 4 * groups if channel_kernel_size is None else channel_kernel_size
    whole_part(x.channels, groups, "groups", f"groups (={groups}) must divide the channels (={x.channels})")
    missing = taps - groups
    if not is_symbolic(missing) and missing < 0:
        rule = f"channel_kernel_size (={taps}) must be at least groups (={groups}), the stride along the channels"
        raise FieldError(rule, "channel_kernel_size")
    odd = (
        f"channel_kernel_size (={taps}) less groups (={groups}) is {missing}, and must be even: half of it pads each"
        " end of the channels"
    )
    padding = whole_part(missing, 2, "channel_kernel_size", odd)
    return b.channelwise_conv(
        x, name="conv", kernel_size=taps, filters=groups, stride=groups, padding=padding, bias=bias
    )


@block("dwscwconv", family="channel")
def dwscwconv(
    b: Builder,
    x: Value,
    *,
    kernel_size: PerAxis = 3,
    stride: PerAxis = 1,
    channel_kernel_size: Count = 64,
    bias: Flag = False,
) -> Value:
    """Depthwise separable channel-wise convolution: a depthwise convolution, then one kernel along the channels.

    The channel-wise convolution stands in the place of the pointwise one, and keeps the channels.

    Shapes: (channels, *size) -> (channels, *out), out = floor((size - 1) / stride) + 1 for odd kernels.
    Parameters: channels prod(kernel_size) + channel_kernel_size weights; channels + 1 biases.
    MACs: channels (prod(kernel_size) + channel_kernel_size) an output position.
    Relative cost: 1 / in_channels + channel_kernel_size / (in_channels * kernel)
    Source: Gao et al. 2018 (ChannelNets), arXiv:1809.01330.
    """
    x = b.conv(
        x,
        name="depthwise",
        out_channels=x.channels,
        kernel_size=kernel_size,
        stride=stride,
        padding=same_padding(kernel_size, (1,) * len(kernel_size)),
        groups=x.channels,
        bias=bias,
    )
    return b.channelwise_conv(x, name="channelwise", kernel_size=channel_kernel_size, padding="same", bias=bias)
