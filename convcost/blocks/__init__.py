"""Composite blocks, one file a family: functions that call the builder, without any cost formula of their own."""

from convcost.blocks import (
    channelnet,
    convolution,
    dilated,
    factorised,
    gate,
    ghost,
    graph_conv,
    inception,
    inplace,
    residual,
    shift,
    shuffle,
)

__all__ = [
    "channelnet",
    "convolution",
    "dilated",
    "factorised",
    "gate",
    "ghost",
    "graph_conv",
    "inception",
    "inplace",
    "residual",
    "shift",
    "shuffle",
]
