"""Primitive operators, one file a family. Importing this package fills the registry."""

from convcost.ops import (
    activation,
    attention,
    channel,
    conv,
    equivariant,
    graph_conv,
    join,
    linear,
    move,
    norm,
    pool,
    rearrange,
    self_grouped,
    view,
)
from convcost.ops.base import BLOCKS, OPERATORS, Block, Operator, block, catalogue_entry, operator

__all__ = [
    "BLOCKS",
    "OPERATORS",
    "Block",
    "Operator",
    "activation",
    "attention",
    "block",
    "catalogue_entry",
    "channel",
    "conv",
    "equivariant",
    "graph_conv",
    "join",
    "linear",
    "move",
    "norm",
    "operator",
    "pool",
    "rearrange",
    "self_grouped",
    "view",
]
