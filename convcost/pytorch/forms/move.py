"""Joins, and operators that move data."""

from __future__ import annotations

from typing import Any

from convcost.pytorch.forms.call import Call, form, settings


@form("add", "multiply", "concat")
def _join(op: Any) -> Call:
    return Call(function=op.word.capitalize())


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
