"""Convolutions along the channels."""

from __future__ import annotations

from math import prod
from typing import Any

from convcost.pytorch.forms.call import Call, form, settings


@form("scc")
def _sliding_channel_conv(op: Any) -> Call:
    kwargs = settings({"repeat": op.repeat, "bias": op.bias}, {"repeat": 1, "bias": False})
    kwargs = {"groups": op.groups, "step": op.step.as_integer_ratio(), **kwargs}
    return Call(function="SlidingChannelConv", args=(op.in_channels, op.out_channels), kwargs=kwargs)


@form("channelwise_conv")
def _channelwise_conv(op: Any) -> Call:
    if op.padding == "same":
        missing = max((-(-op.in_channels // op.stride) - 1) * op.stride + op.kernel_size - op.in_channels, 0)
        padding = missing // 2, missing - missing // 2
    else:
        padding = op.padding, op.padding
    kwargs = settings({"stride": op.stride, "bias": op.bias}, {"stride": 1, "bias": False})
    if padding != (0, 0):
        kwargs["padding"] = padding
    return Call(function="ChannelwiseConv", args=(op.kernel_size, op.filters), kwargs=kwargs)


@form("conv_classifier")
def _conv_classifier(op: Any) -> Call:
    kwargs = settings({"bias": op.bias}, {"bias": False})
    depth = op.in_channels - op.num_classes + 1
    return Call(function="ConvClassifier", args=(depth, prod(op.kernel_size)), kwargs=kwargs)
