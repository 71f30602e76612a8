"""The modules that torch.nn lacks, one file a family. Exported networks carry the source of those that they use, so
each class stands by itself, on torch, nn and torch.nn.functional as F."""

from convcost.pytorch.modules.channel import ChannelwiseConv, ConvClassifier, SlidingChannelConv
from convcost.pytorch.modules.join import Add, Attention, Concat, MatMul, Multiply
from convcost.pytorch.modules.move import (
    ChannelShuffle,
    Chunk,
    Crop,
    Narrow,
    Pad,
    Permute,
    PixelRearrange,
    Reshape,
    SamePadding,
    Shift,
)
from convcost.pytorch.modules.special import GraphConv, GroupEquivariantConv, SelfGroupedConv

__all__ = [
    "Add",
    "Attention",
    "ChannelShuffle",
    "ChannelwiseConv",
    "Chunk",
    "Concat",
    "ConvClassifier",
    "Crop",
    "GraphConv",
    "GroupEquivariantConv",
    "MatMul",
    "Multiply",
    "Narrow",
    "Pad",
    "Permute",
    "PixelRearrange",
    "Reshape",
    "SamePadding",
    "SelfGroupedConv",
    "Shift",
    "SlidingChannelConv",
]
