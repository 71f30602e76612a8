"""What blocks are put together from: fields that they share, and a convolution with what follows it."""

from typing import Annotated, Any

from convcost.arith import Shape, Size, exact_div, floor_div, is_int
from convcost.errors import FieldError
from convcost.graph import Builder, Value
from convcost.ops import OPERATORS
from convcost.ops.base import show_shape
from convcost.ops.kinds import ChoiceKind

ACTIVATIONS = tuple(word for word, cls in OPERATORS.items() if cls.family == "activation")

NormName = Annotated[str, ChoiceKind("none", "batch_norm")]
ActivationName = Annotated[str, ChoiceKind("none", *ACTIVATIONS)]


def same_padding(kernel_size: Shape, dilation: Shape) -> Shape:
    """The padding on both sides that keeps the size under stride 1 for odd kernels: `dilation (kernel - 1) / 2`."""
    return tuple(floor_div(rate * (taps - 1), 2) for taps, rate in zip(kernel_size, dilation, strict=True))


def hold_to_odd(name: str, kernel_size: Shape, reason: str) -> None:
    """The rule of a kernel that must keep the size under padding.

    Raises:
        FieldError: it is even on some axis.
    """
    if any(is_int(taps) and taps % 2 == 0 for taps in kernel_size):
        raise FieldError(f"{name} (={show_shape(kernel_size)}) must be odd on every axis, {reason}", name)


def whole_part(total: Size, divisor: Size, field: str, message: str) -> Size:
    """`total / divisor`, which must be whole.

    Raises:
        FieldError: it is not; with the message, and the field that it speaks of.
    """
    if is_int(total) and is_int(divisor) and total % divisor:
        raise FieldError(message, field)
    return exact_div(total, divisor)


def conv_unit(
    b: Builder,
    x: Value,
    name: str,
    *,
    norm: str = "none",
    activation: str = "none",
    bias: bool | None = None,
    **fields: Any,
) -> Value:
    """A convolution, its norm and its activation; a bias where no norm follows, unless said otherwise."""
    x = b.conv(x, name=name, bias=norm == "none" if bias is None else bias, **fields)
    return norm_act(b, x, name, norm, activation)


def norm_act(b: Builder, x: Value, name: str, norm: str, activation: str) -> Value:
    """The norm and the activation that follow the layer `name`."""
    if norm != "none":
        x = b.apply(norm, x, name=f"{name}_norm")
    if activation != "none":
        x = b.apply(activation, x, name=f"{name}_act")
    return x
