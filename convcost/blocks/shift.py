"""The block around the shift operator."""

from convcost.blocks.parts import ActivationName, NormName, conv_unit
from convcost.blocks.residual import shortcut
from convcost.errors import FieldError
from convcost.graph import Builder, Value
from convcost.ops import block
from convcost.ops.kinds import Count, PerAxis, PositiveNumber, as_whole, is_symbolic, show


@block("shift_block", family="residual")
def shift_block(
    b: Builder,
    x: Value,
    *,
    out_channels: Count,
    expansion: PositiveNumber = 1,
    kernel_size: PerAxis = 3,
    stride: PerAxis = 1,
    dilation: PerAxis = 1,
    norm: NormName = "batch_norm",
    activation: ActivationName = "relu",
) -> Value:
    """Shift block: 1x1 up to out_channels expansion, shift, 1x1 down with the stride, beside a shortcut.

    y = x' + act(conv2(shift(act(conv1(x))))), x' the input, or a strided 1x1 convolution of it where the shape changes.

    Shapes: (in_channels, *size) -> (out_channels, *out), out = floor((size - 1) / stride) + 1.
    Fields: kernel_size and dilation are the shift's.
    Parameters: hidden (in_channels + out_channels) weights, hidden = out_channels expansion; in_channels out_channels
        more for the shortcut's convolution; norms, or biases where there is no norm. The shift has none.
    MACs: hidden in_channels a position of the input, hidden out_channels one of the output. A basic block of as many
        channels and stride 1 has as many in 2-D where expansion is 9. The relative cost leaves out the
        shortcut's convolution.
    Constraints: out_channels expansion is whole. With hidden below prod(kernel_size) nothing is shifted.
    Relative cost: expansion / kernel + expansion * out_channels / (in_channels * kernel)
    Source: Wu et al. 2018 (ShiftNet), arXiv:1711.08141; as its ShiftResNet.
    Remark: the FLOPs of ShiftResNet-20 and ResNet-20 in its README are 147,456 too many, since the counter multiplies
        the first layer by the channels of the last one.
    """
    hidden = out_channels * expansion
    if not is_symbolic(hidden):
        whole = as_whole(hidden)
        if whole is None:
            rule = f"times out_channels (={out_channels}) must be whole"
            raise FieldError(f"expansion (={show(expansion)}) {rule}", "expansion")
        hidden = whole
    out = conv_unit(b, x, "expand", norm=norm, activation=activation, out_channels=hidden, kernel_size=1)
    out = b.shift(out, name="shift", kernel_size=kernel_size, dilation=dilation)
    out = conv_unit(
        b, out, "project", norm=norm, activation=activation, out_channels=out_channels, kernel_size=1, stride=stride
    )
    return b.add(out, shortcut(b, x, out_channels, stride, norm), name="add")
