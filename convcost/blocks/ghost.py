"""Ghost module and ghost bottleneck (GhostNet)."""

from convcost.arith import ceil_div, equal
from convcost.blocks.parts import ActivationName, NormName, conv_unit, hold_to_odd, same_padding
from convcost.blocks.residual import BOTH_WAYS, GateName
from convcost.graph import Builder, Value
from convcost.ops import block
from convcost.ops.kinds import Count, Flag, PerAxis


@block("ghost", family="convolution")
def ghost(
    b: Builder,
    x: Value,
    *,
    out_channels: Count,
    ratio: Count = 2,
    kernel_size: PerAxis = 1,
    cheap_kernel_size: PerAxis = 3,
    stride: PerAxis = 1,
    norm: NormName = "batch_norm",
    activation: ActivationName = "relu",
    bias: Flag = None,
) -> Value:
    """Ghost module: a convolution to 1 / ratio of the channels, and the others by a cheap depthwise convolution of it.

    z = act(norm(W x)) has m = ceil(out_channels / ratio) channels, g = act(norm(depthwise(z))) has m (ratio - 1);
    y is the first out_channels of z and g. The maps beyond out_channels are computed and dropped.

    Shapes: (in_channels, *size) -> (out_channels, *out), out = floor((size - 1) / stride) + 1 for odd kernels; the
        first convolution has the stride.
    Fields: ratio 1 leaves the first convolution alone; biases stand where there is no norm, unless given.
    Parameters: m (prod(kernel_size) in_channels + prod(cheap_kernel_size) (ratio - 1)) weights; norms of all m ratio
        maps, or biases where there is no norm.
    MACs: those weights an output position. Where ratio divides out_channels, a convolution of the same kernel costs
        ratio in_channels kernel / (in_channels kernel + (ratio - 1) cheap_kernel) times as much, which is near ratio
        only where both kernels are of about one size: with 1x1 and 3x3, as in GhostNet, it is
        2 in_channels / (in_channels + 9).
    Constraints: an odd cheap_kernel_size, so that all maps have one size.
    Source: Han et al. 2020 (GhostNet), arXiv:1911.11907, section 3.1.
    Remark: slides print 1 + 1 parameters a new map. A cheap map has prod(cheap_kernel_size) weights and a bias, 9 + 1
        with the paper's 3x3, and only (ratio - 1) / ratio of the maps are cheap.
    """
    ones = (1,) * len(kernel_size)
    maps = ceil_div(out_channels, ratio)
    x = conv_unit(
        b,
        x,
        "primary",
        norm=norm,
        activation=activation,
        bias=bias,
        out_channels=maps,
        kernel_size=kernel_size,
        stride=stride,
        padding=same_padding(kernel_size, ones),
    )
    if equal(ratio, 1):
        return x
    hold_to_odd("cheap_kernel_size", cheap_kernel_size, "so that its maps are as large as those they join")
    cheap = conv_unit(
        b,
        x,
        "cheap",
        norm=norm,
        activation=activation,
        bias=bias,
        out_channels=maps * (ratio - 1),
        kernel_size=cheap_kernel_size,
        padding=same_padding(cheap_kernel_size, ones),
        groups=maps,
    )
    x = b.concat(x, cheap, name="concat")
    return x if equal(maps * ratio, out_channels) else b.slice(x, name="drop", axis=0, start=0, stop=out_channels)


@block("ghost_bottleneck", family="residual")
def ghost_bottleneck(
    b: Builder,
    x: Value,
    *,
    out_channels: Count,
    hidden_channels: Count,
    kernel_size: PerAxis = 3,
    stride: PerAxis = 1,
    ratio: Count = 2,
    squeeze_channels: Count = None,
    squeeze_activation: ActivationName = "relu",
    gate: GateName = "hardsigmoid",
    norm: NormName = "batch_norm",
    activation: ActivationName = "relu",
) -> Value:
    """Ghost bottleneck: a ghost module up to hidden_channels and one down to out_channels, beside a shortcut.

    Between the two stand a depthwise convolution where there is a stride, and a squeeze-and-excite gate where
    squeeze_channels are given. The second ghost module has no activation, nor has the sum. The shortcut is the
    identity, or a depthwise and a 1x1 convolution where the shape changes.

    Shapes: (in_channels, *size) -> (out_channels, *out), out = floor((size - 1) / stride) + 1.
    Fields: kernel_size is that of the depthwise convolutions of stride and shortcut; the ghost modules are 1x1, with
        cheap maps of 3x3.
    Parameters: those of the two ghost modules; with a stride, prod(kernel_size) hidden_channels weights; in the gate
        2 hidden_channels squeeze_channels weights, and as many biases as hidden_channels + squeeze_channels; where the
        shape changes, in_channels (prod(kernel_size) + out_channels) weights; norms, or biases where there is no norm.
    MACs: the first ghost module runs at the input's size, the gate at one position, all else at the output's size.
    Constraints: an odd kernel_size, so that both ways have one size.
    Source: Han et al. 2020 (GhostNet), arXiv:1911.11907, figure 3; the gate as in the authors' code.
    """
    hold_to_odd("kernel_size", kernel_size, BOTH_WAYS)
    ones = (1,) * len(stride)
    depthwise = {"kernel_size": kernel_size, "stride": stride, "padding": same_padding(kernel_size, ones)}
    strided = any(not equal(step, 1) for step in stride)
    out = b.ghost(x, name="ghost1", out_channels=hidden_channels, ratio=ratio, norm=norm, activation=activation)
    if strided:
        fields = {**depthwise, "out_channels": hidden_channels, "groups": hidden_channels}
        out = conv_unit(b, out, "depthwise", norm=norm, **fields)
    if squeeze_channels is not None:
        fields = {"squeeze_channels": squeeze_channels, "activation": squeeze_activation, "gate": gate}
        out = b.squeeze_excite(out, name="squeeze_excite", **fields)
    out = b.ghost(out, name="ghost2", out_channels=out_channels, ratio=ratio, norm=norm, activation="none")
    around = x
    if strided or not equal(x.channels, out_channels):
        fields = {**depthwise, "out_channels": x.channels, "groups": x.channels}
        around = conv_unit(b, x, "shortcut_depthwise", norm=norm, **fields)
        around = conv_unit(b, around, "shortcut", norm=norm, out_channels=out_channels, kernel_size=1)
    return b.add(out, around, name="add")
