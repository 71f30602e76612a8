"""Joins, and operators that move data."""

from __future__ import annotations

from typing import Any

from convcost.pytorch.forms.call import Call, form, settings


@form("add", "multiply", "concat")
def _join(op: Any) -> Call:
    return Call(function=op.word.capitalize())


@form("matmul")
def _matmul(op: Any) -> Call:
    return Call(function="MatMul")


@form("scaled_dot_product_attention")
def _attention(op: Any) -> Call:
    return Call(function="Attention")


@form("identity")
def _identity(op: Any) -> Call:
    return Call(function="nn.Identity")


@form("dropout")
def _dropout(op: Any) -> Call:
    kwargs = settings({"p": float(op.p)}, {"p": 0.5})
    return Call(function="nn.Dropout", kwargs=kwargs)


@form("flatten")
def _flatten(op: Any) -> Call:
    return Call(function="nn.Flatten")


@form("crop")
def _crop(op: Any) -> Call:
    return Call(function="Crop", args=op.size)


@form("upsample")
def _upsample(op: Any) -> Call:
    given = {"size": op.size, "scale_factor": op.scale_factor, "mode": op.mode, "align_corners": op.align_corners}
    if op.mode == "nearest":
        given.pop("align_corners")
    defaults = {"size": None, "scale_factor": None, "mode": "nearest", "align_corners": False}
    return Call(function="nn.Upsample", kwargs=settings(given, defaults))


@form("reshape")
def _reshape(op: Any) -> Call:
    return Call(function="Reshape", args=op.shape)


@form("slice")
def _slice(op: Any) -> Call:
    return Call(function="Narrow", args=(op.axis + 1, op.start, op.stop))


@form("split")
def _split(op: Any) -> Call:
    return Call(function="Chunk", args=(op.sections, op.index, op.axis + 1))


@form("permute")
def _permute(op: Any) -> Call:
    return Call(function="Permute", args=tuple(axis + 1 for axis in op.dims))


@form("channel_shuffle")
def _channel_shuffle(op: Any) -> Call:
    rows = op.channels // op.groups if op.inverse else op.groups
    return Call(function="ChannelShuffle", args=(rows,))


@form("shift")
def _shift(op: Any) -> Call:
    return Call(function="Shift", args=(op.kernel_size, op.dilation))


@form("pad")
def _pad(op: Any) -> Call:
    margins = [margin for axis in reversed(list(zip(op.before, op.after, strict=True))) for margin in axis]
    if op.channels_before or op.channels_after:
        margins += [op.channels_before, op.channels_after]
    return Call(function="Pad", args=(tuple(margins),), kwargs=settings({"mode": op.mode}, {"mode": "constant"}))


@form("pixel_shuffle", "pixel_unshuffle")
def _pixel_shuffle(op: Any) -> Call:
    back = op.word == "pixel_unshuffle"
    factor = op.downscale_factor if back else op.upscale_factor
    if op.rank == 2:
        return Call(function="nn.PixelUnshuffle" if back else "nn.PixelShuffle", args=(factor,))
    return Call(function="PixelRearrange", args=(factor,), kwargs=settings({"back": back}, {"back": False}))
