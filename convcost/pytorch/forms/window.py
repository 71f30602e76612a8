"""Convolution, transposed convolution, linear and pooling."""

from __future__ import annotations

from typing import Any

from convcost.pytorch.forms.call import Call, form, settings, short


def _same(layer: Call, op: Any, dilation: tuple[int, ...], value: float) -> Call:
    spans = tuple(rate * (taps - 1) + 1 for taps, rate in zip(op.kernel_size, dilation, strict=True))
    kwargs = {} if value == 0 else {"value": value}
    return Call(function="SamePadding", args=(layer, spans, op.stride), kwargs=kwargs)


CONV_DEFAULTS = {"stride": 1, "padding": 0, "output_padding": 0, "dilation": 1, "groups": 1, "bias": True}


@form("conv")
def _conv(op: Any) -> Call:
    same_tf = op.padding == "same_tf"
    given = {
        "stride": op.stride,
        "padding": 0 if same_tf else op.padding,
        "dilation": op.dilation,
        "groups": op.groups,
        "bias": op.bias,
    }
    layer = Call(
        function=f"nn.Conv{len(op.kernel_size)}d",
        args=(op.in_channels, op.out_channels, short(op.kernel_size)),
        kwargs=settings(given, CONV_DEFAULTS),
    )
    return _same(layer, op, op.dilation, 0.0) if same_tf else layer


@form("conv_transpose")
def _conv_transpose(op: Any) -> Call:
    given = {
        "stride": op.stride,
        "padding": op.padding,
        "output_padding": op.output_padding,
        "groups": op.groups,
        "bias": op.bias,
        "dilation": op.dilation,
    }
    return Call(
        function=f"nn.ConvTranspose{len(op.kernel_size)}d",
        args=(op.in_channels, op.out_channels, short(op.kernel_size)),
        kwargs=settings(given, CONV_DEFAULTS),
    )


@form("linear")
def _linear(op: Any) -> Call:
    kwargs = settings({"bias": op.bias}, {"bias": True})
    return Call(function="nn.Linear", args=(op.in_features, op.out_features), kwargs=kwargs)


@form("max_pool", "avg_pool")
def _pool(op: Any) -> Call:
    name = "Max" if op.word == "max_pool" else "Avg"
    same_tf = op.padding == "same_tf"
    given = {"stride": op.stride, "padding": 0 if same_tf else op.padding, "ceil_mode": op.ceil_mode}
    dilation = (1,) * len(op.kernel_size)
    if op.word == "max_pool":
        dilation = given["dilation"] = op.dilation
    else:
        given["count_include_pad"] = op.count_include_pad
    kernel = short(op.kernel_size)
    defaults = {"stride": kernel, "padding": 0, "ceil_mode": False, "dilation": 1, "count_include_pad": True}
    kwargs = settings(given, defaults)
    layer = Call(function=f"nn.{name}Pool{len(op.kernel_size)}d", args=(kernel,), kwargs=kwargs)
    return _same(layer, op, dilation, float("-inf") if name == "Max" else 0.0) if same_tf else layer


@form("adaptive_max_pool", "adaptive_avg_pool")
def _adaptive_pool(op: Any) -> Call:
    name = "Max" if op.word == "adaptive_max_pool" else "Avg"
    return Call(function=f"nn.Adaptive{name}Pool{len(op.output_size)}d", args=(short(op.output_size),))


@form("global_max_pool", "global_avg_pool")
def _global_pool(op: Any) -> Call:
    return Call(function=f"nn.Adaptive{'Max' if op.word == 'global_max_pool' else 'Avg'}Pool{op.rank}d", args=(1,))
