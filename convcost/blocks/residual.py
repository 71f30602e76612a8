"""Residual blocks: basic, bottleneck, ResNeXt's and inverted."""

from typing import Annotated

from convcost.arith import Size, equal, floor_div, is_int
from convcost.blocks.convolution import KeepRatio, kept
from convcost.blocks.parts import ActivationName, NormName, conv_unit, hold_to_odd, same_padding, whole_part
from convcost.errors import FieldError
from convcost.graph import Builder, Value
from convcost.ops import block
from convcost.ops.kinds import ChoiceKind, Count, Flag, PerAxis, PositiveNumber, as_whole, is_symbolic, show

BOTH_WAYS = "so that both ways of the block have one size"
"""Why the kernel of a residual block is odd."""

GateName = Annotated[str, ChoiceKind("sigmoid", "hardsigmoid")]


def shortcut(b: Builder, x: Value, out_channels: Count, stride: PerAxis, norm: str) -> Value:
    """The way around a residual block: the identity, or a strided 1x1 convolution where the shape changes."""
    if all(equal(step, 1) for step in stride) and equal(x.channels, out_channels):
        return x
    return conv_unit(b, x, "shortcut", norm=norm, out_channels=out_channels, kernel_size=1, stride=stride)


def add_and_activate(b: Builder, x: Value, around: Value, activation: str) -> Value:
    """The end of a residual block: the sum of both ways, activated."""
    x = b.add(x, around, name="add")
    return x if activation == "none" else b.apply(activation, x, name="add_act")


@block("basic_block", family="residual")
def basic_block(
    b: Builder,
    x: Value,
    *,
    out_channels: Count,
    stride: PerAxis = 1,
    dilation: PerAxis = 1,
    keep: KeepRatio = 1,
    norm: NormName = "batch_norm",
    activation: ActivationName = "relu",
) -> Value:
    """Basic residual block: two 3x3 convolutions beside a shortcut.

    y = act(x' + conv2(act(conv1(x)))), x' the input, or a strided 1x1 convolution of it where the shape changes.

    Shapes: (in_channels, *size) -> (out_channels, *out), out = floor((size - 1) / stride) + 1.
    Fields: keep is the share of the channels between the two convolutions that pruning leaves, rounded half up; the
        block's output keeps its channels, since it is added to the shortcut.
    Parameters: 9 hidden (in_channels + out_channels) weights in 2-D, hidden = out_channels keep, in_channels
        out_channels more for the shortcut's convolution; norms, or biases where there is no norm.
    MACs: those weights an output position.
    Constraints: keep is above 0 and at most 1.
    Source: He et al. 2016 (ResNet), arXiv:1512.03385, figure 5 left; as torchvision's BasicBlock. keep: Zhang et al.
        2019, arXiv:1908.02620.
    """
    kernel = (3,) * len(stride)
    out = conv_unit(
        b,
        x,
        "conv1",
        norm=norm,
        activation=activation,
        out_channels=kept(out_channels, keep),
        kernel_size=kernel,
        stride=stride,
        padding=same_padding(kernel, dilation),
        dilation=dilation,
    )
    out = conv_unit(
        b,
        out,
        "conv2",
        norm=norm,
        out_channels=out_channels,
        kernel_size=kernel,
        padding=same_padding(kernel, dilation),
        dilation=dilation,
    )
    return add_and_activate(b, out, shortcut(b, x, out_channels, stride, norm), activation)


@block("bottleneck_block", family="residual")
def bottleneck_block(
    b: Builder,
    x: Value,
    *,
    out_channels: Count,
    hidden_channels: Count = None,
    kernel_size: PerAxis = 3,
    stride: PerAxis = 1,
    dilation: PerAxis = 1,
    groups: Count = 1,
    stride_first: Flag = False,
    keep: KeepRatio = 1,
    norm: NormName = "batch_norm",
    activation: ActivationName = "relu",
) -> Value:
    """Bottleneck residual block: 1x1 down to hidden_channels, 3x3, 1x1 up to out_channels, beside a shortcut.

    Shapes: (in_channels, *size) -> (out_channels, *out), out = floor((size - 1) / stride) + 1.
    Fields: hidden_channels is out_channels / 4 unless given; groups of the 3x3 make it a ResNeXt block;
        stride_first puts the stride on the first 1x1 (ResNet v1) and not on the 3x3 (v1.5, as torchvision);
        keep is the share of the hidden channels that pruning leaves, rounded half up.
    Parameters: in_channels hidden + prod(kernel_size) hidden^2 / groups + hidden out_channels weights, in_channels
        out_channels more for the shortcut's convolution; norms, or biases where there is no norm.
    MACs: with the stride on the 3x3, the first 1x1 runs at the input's size.
    Constraints: an odd kernel_size, so that both ways have one size; keep is above 0 and at most 1.
    Source: He et al. 2016 (ResNet), arXiv:1512.03385, figure 5 right; Xie et al. 2017 (ResNeXt), arXiv:1611.05431.
        keep: Zhang et al. 2019, arXiv:1908.02620.
    """
    hidden = hidden_channels
    if hidden is None:
        rule = f"4 does not divide out_channels (={out_channels}); give hidden_channels"
        hidden = whole_part(out_channels, 4, "out_channels", rule)
    hidden = kept(hidden, keep)
    hold_to_odd("kernel_size", kernel_size, BOTH_WAYS)
    ones = (1,) * len(stride)
    out = conv_unit(
        b,
        x,
        "reduce",
        norm=norm,
        activation=activation,
        out_channels=hidden,
        kernel_size=1,
        stride=stride if stride_first else ones,
    )
    out = conv_unit(
        b,
        out,
        "conv",
        norm=norm,
        activation=activation,
        out_channels=hidden,
        kernel_size=kernel_size,
        stride=ones if stride_first else stride,
        padding=same_padding(kernel_size, dilation),
        dilation=dilation,
        groups=groups,
    )
    out = conv_unit(b, out, "expand", norm=norm, out_channels=out_channels, kernel_size=1)
    return add_and_activate(b, out, shortcut(b, x, out_channels, stride, norm), activation)


@block("resnext_block", family="residual")
def resnext_block(
    b: Builder,
    x: Value,
    *,
    out_channels: Count,
    cardinality: Count = 32,
    base_width: Count = 4,
    kernel_size: PerAxis = 3,
    stride: PerAxis = 1,
    dilation: PerAxis = 1,
    norm: NormName = "batch_norm",
    activation: ActivationName = "relu",
) -> Value:
    """ResNeXt block: `cardinality` paths of 1x1, 3x3 and 1x1, summed beside a shortcut; a bottleneck with groups.

    width = floor(out_channels base_width / 256) channels a path, hidden = cardinality width.

    Shapes: (in_channels, *size) -> (out_channels, *out), out = floor((size - 1) / stride) + 1.
    Fields: base_width is the width of a path in the first stage, of 256 channels; it grows with out_channels, so that
        one value serves the whole network. cardinality 1 and base_width 64 give ResNet's bottleneck.
    Parameters: cardinality width (in_channels + prod(kernel_size) width + out_channels) weights, in_channels
        out_channels more for the shortcut's convolution; norms, or biases where there is no norm.
    MACs: the first 1x1 runs at the input's size, all else at the output's.
    Constraints: an odd kernel_size, so that both ways have one size; base_width is at least 256 / out_channels.
    Source: Xie et al. 2017 (ResNeXt), arXiv:1611.05431, figure 3c.
    """
    width = floor_div(out_channels * base_width, 256)
    if is_int(width) and width < 1:
        raise FieldError(
            f"base_width (={base_width}) gives a path floor({out_channels} x {base_width} / 256) = 0 channels at"
            f" out_channels (={out_channels}); use a base_width of at least {-(-256 // out_channels)}",
            "base_width",
        )
    return bottleneck_block(
        b,
        x,
        out_channels=out_channels,
        hidden_channels=cardinality * width,
        kernel_size=kernel_size,
        stride=stride,
        dilation=dilation,
        groups=cardinality,
        norm=norm,
        activation=activation,
    )


@block("inverted_residual", family="residual")
def inverted_residual(
    b: Builder,
    x: Value,
    *,
    out_channels: Count,
    kernel_size: PerAxis = 3,
    stride: PerAxis = 1,
    expand_ratio: PositiveNumber = 6,
    hidden_channels: Count = None,
    squeeze_channels: Count = None,
    squeeze_activation: ActivationName = "relu",
    gate: GateName = "sigmoid",
    norm: NormName = "batch_norm",
    activation: ActivationName = "relu6",
) -> Value:
    """Inverted residual: 1x1 up to hidden channels, depthwise, 1x1 down to out_channels without activation.

    The input is added where the stride is 1 and the channels agree; with hidden = in_channels the first 1x1 falls away.

    Shapes: (in_channels, *size) -> (out_channels, *out), out = floor((size - 1) / stride) + 1 for odd kernels.
    Fields: hidden_channels takes the place of in_channels expand_ratio; with squeeze_channels, a squeeze-and-excite
        gate of so many channels, with squeeze_activation and gate, follows the depthwise convolution.
    Parameters: hidden (in_channels + prod(kernel_size) + out_channels) weights, hidden = in_channels expand_ratio;
        where hidden = in_channels, in_channels^2 fewer; norms, or biases where there is no norm; of the gate 2 hidden
        squeeze_channels weights, and as many biases as hidden + squeeze_channels.
    MACs: in_channels hidden a position of the input (none where hidden = in_channels), hidden (prod(kernel_size) +
        out_channels) one of the output, and the gate's weights once.
    Constraints: in_channels expand_ratio is whole; an odd kernel_size where the input is added.
    Source: Sandler et al. 2018 (MobileNet v2), arXiv:1801.04381, table 1; with the gate Howard et al. 2019 (MobileNet
        v3), arXiv:1905.02244, figure 4, and Tan and Le 2019 (EfficientNet), arXiv:1905.11946.
    """
    hidden = expanded(x.channels, expand_ratio) if hidden_channels is None else hidden_channels
    adds = all(equal(step, 1) for step in stride) and equal(x.channels, out_channels)
    if adds:
        hold_to_odd("kernel_size", kernel_size, BOTH_WAYS)
    out = x
    if not equal(hidden, x.channels):
        out = conv_unit(b, out, "expand", norm=norm, activation=activation, out_channels=hidden, kernel_size=1)
    out = conv_unit(
        b,
        out,
        "depthwise",
        norm=norm,
        activation=activation,
        out_channels=hidden,
        kernel_size=kernel_size,
        stride=stride,
        padding=same_padding(kernel_size, (1,) * len(kernel_size)),
        groups=hidden,
    )
    if squeeze_channels is not None:
        fields = {"squeeze_channels": squeeze_channels, "activation": squeeze_activation, "gate": gate}
        out = b.squeeze_excite(out, name="squeeze_excite", **fields)
    out = conv_unit(b, out, "project", norm=norm, out_channels=out_channels, kernel_size=1)
    return b.add(out, x, name="add") if adds else out


def expanded(channels: Size, ratio: Size) -> Size:
    """`channels ratio`, which must be whole.

    Raises:
        FieldError: it is not.
    """
    hidden = channels * ratio
    whole = hidden if is_symbolic(hidden) else as_whole(hidden)
    if whole is None:
        raise FieldError(
            f"expand_ratio (={show(ratio)}) times the channels (={channels}) must be whole", "expand_ratio"
        )
    return whole
