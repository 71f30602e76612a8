"""Networks of dilated convolutions: WaveNet's layers, and the context module of DilatedNet."""

from convcost.arith import Size, is_int
from convcost.blocks.parts import ActivationName, hold_to_odd, norm_act, same_padding
from convcost.errors import FieldError, GraphError
from convcost.graph import Builder, Value
from convcost.ops import block
from convcost.ops.base import show_shape
from convcost.ops.kinds import Count, Flag, PerAxis, Repeats, show
from convcost.ops.list_kinds import Counts


def check_sequence(x: Value, cut: Size) -> None:
    """The input must be a sequence, channels and one axis, time, of which something is left when `cut` is gone."""
    if len(x.shape) != 2:
        raise GraphError(f"it needs an input of channels and one axis, time, not {show_shape(x.shape)}")
    length = x.shape[1]
    if is_int(length) and is_int(cut) and length <= cut:
        rule = f"the length (={length}) must be at least the receptive field (={cut + 1})"
        raise GraphError(f"{rule}; use a longer input, smaller dilations, or a smaller kernel_size")


def gated_layer(
    b: Builder,
    x: Value,
    residual_channels: Count,
    dilation_channels: Count,
    kernel_size: Count,
    dilation: Count,
    bias: bool,
) -> tuple[Value, Value]:
    """The gated activations of a WaveNet layer, and its residual output."""
    window = {"kernel_size": kernel_size, "dilation": dilation, "bias": bias}
    signal = b.tanh(b.conv(x, name="filter", out_channels=dilation_channels, **window), name="filter_act")
    gate = b.sigmoid(b.conv(x, name="gate", out_channels=dilation_channels, **window), name="gate_act")
    gated = b.multiply(signal, gate, name="gated")
    dense = b.conv(gated, name="dense", out_channels=residual_channels, kernel_size=1, bias=bias)
    kept = b.slice(x, name="latest", axis=1, start=(kernel_size - 1) * dilation)
    return gated, b.add(kept, dense, name="add")


@block("wavenet_layer", family="dilated")
def wavenet_layer(
    b: Builder,
    x: Value,
    *,
    dilation: Count,
    dilation_channels: Count = 32,
    kernel_size: Count = 2,
    bias: Flag = True,
) -> Value:
    """WaveNet layer: a gated dilated convolution over the past, and a 1x1 back, added to the latest of the input.

    y = latest(x) + dense(tanh(filter(x)) sigmoid(gate(x))), without padding: nothing is read from before the input.

    Shapes: (channels, length) -> (channels, length - (kernel_size - 1) dilation).
    Fields: dilation_channels is what comes out of filter and gate. The way to the skip sum is in `wavenet_stack`.
    Parameters: channels dilation_channels (2 kernel_size + 1) weights, 2 dilation_channels + channels biases.
    MACs: as many as weights, an output position.
    Constraints: one spatial axis, time, not shorter than the receptive field, (kernel_size - 1) dilation + 1.
    Source: van den Oord et al. 2016 (WaveNet), arXiv:1609.03499, figure 4.
    """
    check_sequence(x, (kernel_size - 1) * dilation)
    _, result = gated_layer(b, x, x.channels, dilation_channels, kernel_size, dilation, bias)
    return result


@block("wavenet_stack", family="dilated")
def wavenet_stack(
    b: Builder,
    x: Value,
    *,
    dilations: Counts,
    blocks: Repeats = 1,
    dilation_channels: Count = 32,
    skip_channels: Count = 512,
    kernel_size: Count = 2,
    bias: Flag = True,
) -> Value:
    """WaveNet layers one behind the other, and the sum of what each gives to the skip connections.

    Shapes: (channels, length) -> (skip_channels, length - blocks (kernel_size - 1) sum(dilations)).
    Fields: dilations of one block, which stands `blocks` times. Each layer's gated activations, cut to the length of
        the output, go through a 1x1 of its own to the sum. The last layer's residual output is computed, and nothing
        reads it: it is an output of the network.
    Parameters: for each layer those of wavenet_layer, dilation_channels skip_channels weights and skip_channels biases.
    MACs: for each layer those of wavenet_layer, and dilation_channels skip_channels an output position of the stack.
    Constraints: one spatial axis, time, not shorter than the receptive field, blocks (kernel_size - 1) sum(dilations) +
        1.
    Source: van den Oord et al. 2016 (WaveNet), arXiv:1609.03499, figure 4.
    """
    cut = blocks * (kernel_size - 1) * sum(dilations)
    check_sequence(x, cut)
    channels = x.channels
    skips = []
    for number in range(blocks * len(dilations)):
        dilation = dilations[number % len(dilations)]
        with b.scope(f"layer{number}", "wavenet_layer", detail=f"{kernel_size} dilation {dilation}"):
            gated, x = gated_layer(b, x, channels, dilation_channels, kernel_size, dilation, bias)
            cut = cut - (kernel_size - 1) * dilation
            latest = b.slice(gated, name="skip_latest", axis=1, start=cut)
            skips.append(b.conv(latest, name="skip", out_channels=skip_channels, kernel_size=1, bias=bias))
    return skips[0] if len(skips) == 1 else b.add(*skips, name="skip_sum")


CONTEXT = (1, 1, 2, 4, 8, 16, 1)


@block("dilated_context", family="dilated")
def dilated_context(
    b: Builder,
    x: Value,
    *,
    multipliers: Counts = (1,),
    dilations: Counts = CONTEXT,
    kernel_size: PerAxis = 3,
    activation: ActivationName = "relu",
    bias: Flag = True,
) -> Value:
    """Context module of DilatedNet: convolutions of growing dilation that keep the size, and a 1x1.

    With the default dilations 1, 1, 2, 4, 8, 16, 1 the receptive fields are 3, 5, 9, 17, 33, 65, 67, and 67.

    Shapes: (channels, *size) -> the same.
    Fields: multipliers of the channels, one a convolution, or one for all (the paper's basic form has 1, the large one
        2, 2, 4, 8, 16, 32, 32).
    Parameters: prod(kernel_size) channels^2 m_(i-1) m_i weights a convolution, m_0 = 1, and channels^2 m_last for the
        1x1; biases.
    MACs: as many as weights, a position.
    Constraints: an odd kernel_size, so that the size stays.
    Source: Yu and Koltun 2016, arXiv:1511.07122, table 1; padded layer by layer as in its code (fyu/dilation). With the
        module's input padded once, by 33 on each side, the receptive field is the same, and the MACs are more.
    """
    hold_to_odd("kernel_size", kernel_size, "so that the size stays")
    if len(multipliers) not in (1, len(dilations)):
        rule = f"it must have 1 entry, or one for each of the {len(dilations)} dilations"
        raise FieldError(f"multipliers is {show(multipliers)}; {rule}", "multipliers")
    channels = x.channels
    widths = multipliers * len(dilations) if len(multipliers) == 1 else multipliers
    for number, (dilation, width) in enumerate(zip(dilations, widths, strict=True), 1):
        rates = (dilation,) * len(kernel_size)
        x = b.conv(
            x,
            name=f"conv{number}",
            out_channels=channels * width,
            kernel_size=kernel_size,
            dilation=rates,
            padding=same_padding(kernel_size, rates),
            bias=bias,
        )
        x = norm_act(b, x, f"conv{number}", "none", activation)
    return b.conv(x, name="final", out_channels=channels, kernel_size=1, bias=bias)
