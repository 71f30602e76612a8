"""The PyTorch form of every operator: which module, with which arguments.

A form reads the operator's fields and never its formulas, so that a run of the module is a second opinion. One form
serves both the built network and the exported source.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from convcost.errors import ConvcostError
from convcost.ops import Operator
from convcost.record import Record

__all__ = ["FORMS", "Call", "form_of"]


class Call(Record):
    """The construction of a module: `nn.Conv2d(3, 32, 3, stride=2)`, or of one of `pytorch.modules`."""

    function: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}

    def source(self) -> str:
        """The construction as Python."""
        arguments = [_literal(value) for value in self.args]
        arguments += [f"{name}={_literal(value)}" for name, value in self.kwargs.items()]
        return f"{self.function}({', '.join(arguments)})"

    def functions(self) -> set[str]:
        """Every module that the construction names."""
        inner = [value for value in (*self.args, *self.kwargs.values()) if isinstance(value, Call)]
        return {self.function}.union(*(call.functions() for call in inner))


def _literal(value: Any) -> str:
    if isinstance(value, Call):
        return value.source()
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return f'float("{value}")'
    return f'"{value}"' if isinstance(value, str) else repr(value)


Form = Callable[[Any], Call]
FORMS: dict[str, Form] = {}


def form(*words: str) -> Callable[[Form], Form]:
    def register(function: Form) -> Form:
        FORMS.update(dict.fromkeys(words, function))
        return function

    return register


def form_of(op: Operator) -> Call:
    """The construction of an operator's module.

    Raises:
        ConvcostError: PyTorch cannot run the operator.
    """
    if op.word not in FORMS:
        raise ConvcostError(f"{op.word} has no PyTorch form: it says what a layer's shape is, not what it computes")
    return FORMS[op.word](op)


def _short(sizes: tuple[int, ...]) -> Any:
    """One number where all axes agree, as people write it."""
    return sizes[0] if len(set(sizes)) == 1 else sizes


def _settings(values: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """The settings that differ from torch's defaults."""
    short = {name: _short(value) if isinstance(value, tuple) else value for name, value in values.items()}
    return {name: value for name, value in short.items() if name not in defaults or value != defaults[name]}


def _same(layer: Call, op: Any, dilation: tuple[int, ...], value: float) -> Call:
    spans = tuple(rate * (taps - 1) + 1 for taps, rate in zip(op.kernel_size, dilation, strict=True))
    kwargs = {} if value == 0 else {"value": value}
    return Call(function="SamePadding", args=(layer, spans, op.stride), kwargs=kwargs)


CONV_DEFAULTS = {"stride": 1, "padding": 0, "output_padding": 0, "dilation": 1, "groups": 1, "bias": True}


@form("conv")
def _conv(op: Any) -> Call:
    same_tf = op.padding == "same_tf"
    settings = {
        "stride": op.stride,
        "padding": 0 if same_tf else op.padding,
        "dilation": op.dilation,
        "groups": op.groups,
        "bias": op.bias,
    }
    layer = Call(
        function=f"nn.Conv{len(op.kernel_size)}d",
        args=(op.in_channels, op.out_channels, _short(op.kernel_size)),
        kwargs=_settings(settings, CONV_DEFAULTS),
    )
    return _same(layer, op, op.dilation, 0.0) if same_tf else layer


@form("conv_transpose")
def _conv_transpose(op: Any) -> Call:
    settings = {
        "stride": op.stride,
        "padding": op.padding,
        "output_padding": op.output_padding,
        "groups": op.groups,
        "bias": op.bias,
        "dilation": op.dilation,
    }
    return Call(
        function=f"nn.ConvTranspose{len(op.kernel_size)}d",
        args=(op.in_channels, op.out_channels, _short(op.kernel_size)),
        kwargs=_settings(settings, CONV_DEFAULTS),
    )


@form("linear")
def _linear(op: Any) -> Call:
    kwargs = _settings({"bias": op.bias}, {"bias": True})
    return Call(function="nn.Linear", args=(op.in_features, op.out_features), kwargs=kwargs)


@form("max_pool", "avg_pool")
def _pool(op: Any) -> Call:
    name = "Max" if op.word == "max_pool" else "Avg"
    same_tf = op.padding == "same_tf"
    settings = {"stride": op.stride, "padding": 0 if same_tf else op.padding, "ceil_mode": op.ceil_mode}
    dilation = (1,) * len(op.kernel_size)
    if op.word == "max_pool":
        dilation = settings["dilation"] = op.dilation
    else:
        settings["count_include_pad"] = op.count_include_pad
    kernel = _short(op.kernel_size)
    defaults = {"stride": kernel, "padding": 0, "ceil_mode": False, "dilation": 1, "count_include_pad": True}
    kwargs = _settings(settings, defaults)
    layer = Call(function=f"nn.{name}Pool{len(op.kernel_size)}d", args=(kernel,), kwargs=kwargs)
    return _same(layer, op, dilation, float("-inf") if name == "Max" else 0.0) if same_tf else layer


@form("adaptive_max_pool", "adaptive_avg_pool")
def _adaptive_pool(op: Any) -> Call:
    name = "Max" if op.word == "adaptive_max_pool" else "Avg"
    return Call(function=f"nn.Adaptive{name}Pool{len(op.output_size)}d", args=(_short(op.output_size),))


@form("global_max_pool", "global_avg_pool")
def _global_pool(op: Any) -> Call:
    return Call(function=f"nn.Adaptive{'Max' if op.word == 'global_max_pool' else 'Avg'}Pool{op.rank}d", args=(1,))


@form("batch_norm")
def _batch_norm(op: Any) -> Call:
    kwargs = _settings({"affine": op.affine}, {"affine": True})
    return Call(function=f"nn.BatchNorm{max(op.rank, 1)}d", args=(op.num_features,), kwargs=kwargs)


@form("group_norm")
def _group_norm(op: Any) -> Call:
    kwargs = _settings({"affine": op.affine}, {"affine": True})
    return Call(function="nn.GroupNorm", args=(op.num_groups, op.num_channels), kwargs=kwargs)


@form("layer_norm")
def _layer_norm(op: Any) -> Call:
    settings = {"elementwise_affine": op.elementwise_affine, "bias": op.bias}
    kwargs = _settings(settings, {"elementwise_affine": True, "bias": True})
    return Call(function="nn.LayerNorm", args=(op.normalized_shape,), kwargs=kwargs)


@form("local_response_norm")
def _local_response_norm(op: Any) -> Call:
    return Call(function="nn.LocalResponseNorm", args=(op.size,))


ACTIVATIONS = {
    "relu": "ReLU",
    "relu6": "ReLU6",
    "leaky_relu": "LeakyReLU",
    "elu": "ELU",
    "sigmoid": "Sigmoid",
    "hardsigmoid": "Hardsigmoid",
    "tanh": "Tanh",
    "silu": "SiLU",
    "hardswish": "Hardswish",
    "gelu": "GELU",
    "mish": "Mish",
    "softplus": "Softplus",
}


@form(*ACTIVATIONS)
def _activation(op: Any) -> Call:
    kwargs = {"inplace": True} if getattr(op, "inplace", False) else {}
    return Call(function=f"nn.{ACTIVATIONS[op.word]}", kwargs=kwargs)


@form("prelu")
def _prelu(op: Any) -> Call:
    return Call(function="nn.PReLU", args=() if op.num_parameters == 1 else (op.num_parameters,))


@form("softmax")
def _softmax(op: Any) -> Call:
    return Call(function="nn.Softmax", kwargs={"dim": 1})


@form("add", "multiply", "concat")
def _join(op: Any) -> Call:
    return Call(function=op.word.capitalize())


@form("identity")
def _identity(op: Any) -> Call:
    return Call(function="nn.Identity")


@form("dropout")
def _dropout(op: Any) -> Call:
    kwargs = _settings({"p": float(op.p)}, {"p": 0.5})
    return Call(function="nn.Dropout", kwargs=kwargs)


@form("flatten")
def _flatten(op: Any) -> Call:
    return Call(function="nn.Flatten")


@form("crop")
def _crop(op: Any) -> Call:
    return Call(function="Crop", args=op.size)


@form("upsample")
def _upsample(op: Any) -> Call:
    settings = {"size": op.size, "scale_factor": op.scale_factor, "mode": op.mode, "align_corners": op.align_corners}
    if op.mode == "nearest":
        settings.pop("align_corners")
    defaults = {"size": None, "scale_factor": None, "mode": "nearest", "align_corners": False}
    return Call(function="nn.Upsample", kwargs=_settings(settings, defaults))
