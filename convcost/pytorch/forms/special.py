"""Convolutions over groups of symmetries, in groups of unequal size, and on graphs."""

from __future__ import annotations

from typing import Any

from convcost.pytorch.forms.call import Call, form, settings, short
from convcost.pytorch.forms.window import CONV_DEFAULTS, _same


@form("group_equivariant_conv")
def _group_equivariant_conv(op: Any) -> Call:
    given = {"stride": op.stride, "padding": op.padding, "bias": op.bias, "lifting": op.rank == 2}
    return Call(
        function="GroupEquivariantConv",
        args=(op.in_channels, op.out_channels, op.kernel_size, op.group),
        kwargs=settings(given, {"stride": 1, "padding": 0, "bias": True, "lifting": False}),
    )


@form("self_grouped_conv")
def _self_grouped_conv(op: Any) -> Call:
    same_tf = op.padding == "same_tf"
    given = {
        "stride": op.stride,
        "padding": 0 if same_tf else op.padding,
        "dilation": op.dilation,
        "bias": op.bias,
    }
    kwargs = settings(given, CONV_DEFAULTS)
    name = f"nn.Conv{len(op.kernel_size)}d"
    groups = tuple(
        Call(function=name, args=(channels, filters, short(op.kernel_size)), kwargs=kwargs)
        for filters, channels in op.groups
    )
    layer = Call(function="SelfGroupedConv", args=groups)
    return _same(layer, op, op.dilation, 0.0) if same_tf else layer


@form("graph_conv")
def _graph_conv(op: Any) -> Call:
    kwargs = settings({"bias": op.bias}, {"bias": True})
    return Call(function="GraphConv", args=(op.in_channels, op.out_channels, op.edges), kwargs=kwargs)
