"""One convolution as several smaller ones: axis by axis (flattened, separable), by rank (CP, Tucker), decoupled."""

from typing import Any

from convcost.arith import Shape, is_int
from convcost.blocks.convolution import KeepRatio, kept
from convcost.blocks.parts import ActivationName, norm_act, same_padding
from convcost.errors import FieldError, GraphError
from convcost.graph import Builder, Value
from convcost.ops import block
from convcost.ops.base import show_shape
from convcost.ops.kinds import Count, Flag, NumericPadding, PerAxis, Repeats


def along(axis: int, values: Shape, other: int) -> Shape:
    """The value on one axis, and another on all others."""
    return tuple(value if number == axis else other for number, value in enumerate(values))


def axis_conv(b: Builder, x: Value, axis: int, window: dict[str, Shape], **fields: Any) -> Value:
    """A convolution along one axis, whose part of the window it takes; named `axis1`, `axis2`, ..."""
    return b.conv(
        x,
        name=f"axis{axis + 1}",
        kernel_size=along(axis, window["kernel_size"], 1),
        stride=along(axis, window["stride"], 1),
        padding=along(axis, window["padding"], 0),
        dilation=along(axis, window["dilation"], 1),
        **fields,
    )


def window_of(kernel_size: Shape, stride: Shape, padding: Shape | None, dilation: Shape) -> dict[str, Shape]:
    """The window of the whole convolution; padding keeps the size unless given."""
    return {
        "kernel_size": kernel_size,
        "stride": stride,
        "padding": same_padding(kernel_size, dilation) if padding is None else padding,
        "dilation": dilation,
    }


@block("flattened", family="factorised")
def flattened(
    b: Builder,
    x: Value,
    *,
    out_channels: Count,
    kernel_size: PerAxis = 3,
    stages: Repeats = 1,
    stride: PerAxis = 1,
    padding: NumericPadding = None,
    dilation: PerAxis = 1,
    bias: Flag = True,
) -> Value:
    """Flattened convolution: along the channels (1x1), then along each spatial axis, channel by channel.

    One stage is the convolution with the kernels u_n[c] v_n[i] w_n[j], of rank 1, where all biases but the last are 0;
    no activation stands between.

    Shapes: (in_channels, *size) -> (out_channels, *out);
        padding keeps the size (odd kernels, stride 1) unless given; it is that of each stage.
    Fields: stages, one behind the other, each of all steps (the paper has two; the relative cost is that of one); the
        last has the stride.
    Parameters: out_channels (channels of the stage's input + sum(kernel_size)) weights a stage, and out_channels biases
        a step.
    MACs: in 2-D and the first stage H W in_channels out_channels + H' W kernel_h out_channels + H' W' kernel_w
        out_channels: each step runs on what the steps before it have left of the map.
    Relative cost: 1 / kernel + kernel_sum / (in_channels * kernel)
    Source: Jin et al. 2015, arXiv:1412.5474.
    """
    for number in range(stages):
        last = number == stages - 1
        window = window_of(kernel_size, stride if last else (1,) * len(stride), padding, dilation)
        with b.scope(f"stage{number + 1}", "stage", "sequence"):
            x = b.conv(x, name="lateral", out_channels=out_channels, kernel_size=1, bias=bias)
            for axis in range(len(kernel_size)):
                x = axis_conv(b, x, axis, window, out_channels=out_channels, groups=out_channels, bias=bias)
    return x


@block("spatial_separable", family="factorised")
def spatial_separable(
    b: Builder,
    x: Value,
    *,
    out_channels: Count,
    hidden_channels: Count = None,
    kernel_size: PerAxis = 3,
    stride: PerAxis = 1,
    padding: NumericPadding = None,
    dilation: PerAxis = 1,
    depthwise: Flag = False,
    bias: Flag = True,
) -> Value:
    """Spatially separable convolution: Kx1, then 1xK; a step along each spatial axis.

    In 2-D the convolution with the kernels sum over m of h_n[m, j] v_m[c, i], where the biases of the first step are 0.

    Shapes: (in_channels, *size) -> (out_channels, *out);
        padding keeps the size (odd kernels, stride 1) unless given.
    Fields: hidden_channels between the steps, out_channels unless given; depthwise: true makes each step a depthwise
        convolution, for as many channels out as in.
    Parameters: in 2-D K_1 in_channels hidden_channels + K_2 hidden_channels out_channels weights, depthwise (K_1 + K_2)
        channels; hidden_channels + out_channels biases.
    MACs: in 2-D the first weights H' W times, the others H' W' times: each step runs on what the steps before it have
        left of the map.
    Constraints: depthwise needs out_channels and hidden_channels equal to in_channels.
    Source: Rigamonti et al. 2013, "Learning separable filters"; Szegedy et al. 2016 (Inception v3), arXiv:1512.00567.
    """
    if not kernel_size:
        raise GraphError(f"it needs an input of channels and 1 to 3 spatial axes, not {show_shape(x.shape)}")
    hidden = out_channels if hidden_channels is None else hidden_channels
    for name, channels in (("out_channels", out_channels), ("hidden_channels", hidden)):
        if depthwise and is_int(channels) and is_int(x.channels) and channels != x.channels:
            rule = f"with depthwise: true it must be the input's channels (={x.channels})"
            raise FieldError(f"{name} is {channels}; {rule}", name)
    window = window_of(kernel_size, stride, padding, dilation)
    last = len(kernel_size) - 1
    for axis in range(len(kernel_size)):
        channels = out_channels if axis == last else hidden
        groups = x.channels if depthwise else 1
        x = axis_conv(b, x, axis, window, out_channels=channels, groups=groups, bias=bias)
    return x


@block("cp", family="factorised")
def cp(
    b: Builder,
    x: Value,
    *,
    out_channels: Count,
    rank: Count,
    kernel_size: PerAxis = 3,
    stride: PerAxis = 1,
    padding: NumericPadding = None,
    dilation: PerAxis = 1,
    scaled: Flag = False,
    bias: Flag = True,
) -> Value:
    """CP-factorised convolution: 1x1 to `rank` channels, a depthwise step along each spatial axis, 1x1 back.

    The convolution with the kernels sum over r of a_n[r] b_c[r] u_r[i] v_r[j], on 1 to 3 spatial axes.

    Shapes: (in_channels, *size) -> (out_channels, *out);
        padding keeps the size (odd kernels, stride 1) unless given.
    Fields: scaled adds the factors' weights, one a rank, as a depthwise 1x1 before the last step.
    Parameters: rank (in_channels + out_channels + sum(kernel_size)) weights, rank more where scaled; out_channels
        biases.
    MACs: on the map as it shrinks: rank in_channels H W, rank K_1 H' W, rank K_2 H' W', rank out_channels H' W' in 2-D,
        and rank H' W' where scaled, which the relative cost leaves out.
    Relative cost: rank * (in_channels + out_channels + kernel_sum) / (in_channels * out_channels * kernel)
    Source: Lebedev et al. 2015, arXiv:1412.6553; Kossaifi et al. 2020 (higher-order), arXiv:1906.06196.
    """
    window = window_of(kernel_size, stride, padding, dilation)
    x = b.conv(x, name="reduce", out_channels=rank, kernel_size=1, bias=False)
    for axis in range(len(kernel_size)):
        x = axis_conv(b, x, axis, window, out_channels=rank, groups=rank, bias=False)
    if scaled:
        x = b.conv(x, name="scale", out_channels=rank, kernel_size=1, groups=rank, bias=False)
    return b.conv(x, name="expand", out_channels=out_channels, kernel_size=1, bias=bias)


@block("tucker", family="factorised")
def tucker(
    b: Builder,
    x: Value,
    *,
    out_channels: Count,
    rank: KeepRatio = None,
    in_rank: Count = None,
    out_rank: Count = None,
    kernel_size: PerAxis = 3,
    stride: PerAxis = 1,
    padding: NumericPadding = None,
    dilation: PerAxis = 1,
    bias: Flag = True,
) -> Value:
    """Tucker-factorised convolution: 1x1 to in_rank channels, a core convolution to out_rank, 1x1 back.

    The convolution with the kernels sum over r, s of a_n[s] core[s, r, i, j] b_c[r], on 1 to 3 spatial axes; a
    bottleneck without activations.

    Shapes: (in_channels, *size) -> (out_channels, *out); the core has kernel and stride;
        padding keeps the size (odd kernels, stride 1) unless given.
    Fields: rank, a share up to 1, gives in_rank = in_channels rank and out_rank = out_channels rank where they are not
        given, rounded half up and at least 1.
    Parameters: in_channels in_rank + prod(kernel_size) in_rank out_rank + out_rank out_channels weights; out_channels
        biases. Factors of the spatial axes, where a library stores the core by them, are contracted before it runs.
    MACs: in_channels in_rank a position of the input, the other weights an output position.
    Constraints: rank, or both in_rank and out_rank.
    Relative cost: in_rank * out_rank / (in_channels * out_channels) + in_rank / (out_channels * kernel)
        + out_rank / (in_channels * kernel)
    Source: Kim et al. 2016, arXiv:1511.06530; Kossaifi et al. 2020, arXiv:1906.06196.
    """
    if rank is None and (in_rank is None or out_rank is None):
        raise FieldError("give rank, the share of the channels that is kept, or both in_rank and out_rank")
    inner = kept(x.channels, rank) if in_rank is None else in_rank
    outer = kept(out_channels, rank) if out_rank is None else out_rank
    x = b.conv(x, name="reduce", out_channels=inner, kernel_size=1, bias=False)
    x = b.conv(x, name="core", out_channels=outer, bias=False, **window_of(kernel_size, stride, padding, dilation))
    return b.conv(x, name="expand", out_channels=out_channels, kernel_size=1, bias=bias)


@block("decoupled", family="factorised")
def decoupled(
    b: Builder,
    x: Value,
    *,
    out_channels: Count,
    multiplier: Count = 1,
    kernel_size: PerAxis = 3,
    stride: PerAxis = 1,
    padding: NumericPadding = None,
    dilation: PerAxis = 1,
    activation: ActivationName = "none",
    bias: Flag = True,
) -> Value:
    """Decoupled convolution (a reconstruction): a 1x1 convolution, then a learned gathering over the window.

    Every convolution is a 1x1 to prod(kernel_size) out_channels channels, and a fixed gathering of one tap from each.
    Here the gathering is learned, and each output channel has `multiplier` channels to gather from. This follows the
    paper's abstract, and not its body.

    Shapes: (in_channels, *size) -> (out_channels, *out);
        padding keeps the size (odd kernels, stride 1) unless given.
    Fields: multiplier intermediate channels an output channel; with 1, it is pointwise, then depthwise.
    Parameters: in_channels multiplier out_channels + out_channels multiplier prod(kernel_size) weights; out_channels
        biases.
    MACs: the first weights a position of the input, the others an output position.
    Relative cost: multiplier / kernel + multiplier / in_channels
    Source: Xie et al. 2018 (AAAI), "Decoupled convolutions for CNNs".
    """
    hidden = multiplier * out_channels
    x = b.conv(x, name="mix", out_channels=hidden, kernel_size=1, bias=False)
    x = norm_act(b, x, "mix", "none", activation)
    window = window_of(kernel_size, stride, padding, dilation)
    return b.conv(x, name="gather", out_channels=out_channels, groups=out_channels, bias=bias, **window)
