"""The modules that torch.nn lacks, one file a family. Exported networks carry the source of those that they use, so
each class stands by itself, on torch, nn and torch.nn.functional as F."""

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

__all__ = [
    "Add",
    "Attention",
    "ChannelShuffle",
    "Chunk",
    "Concat",
    "Crop",
    "MatMul",
    "Multiply",
    "Narrow",
    "Pad",
    "Permute",
    "PixelRearrange",
    "Reshape",
    "SamePadding",
    "Shift",
]
