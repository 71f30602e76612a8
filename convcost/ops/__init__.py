"""Primitive operators, one file a family. Importing this package fills the registry."""

from convcost.ops import activation, conv, join, linear, move, norm, pool
from convcost.ops.base import BLOCKS, OPERATORS, Block, Operator, block, catalogue_entry, operator

__all__ = [
    "BLOCKS",
    "OPERATORS",
    "Block",
    "Operator",
    "activation",
    "block",
    "catalogue_entry",
    "conv",
    "join",
    "linear",
    "move",
    "norm",
    "operator",
    "pool",
]
