"""Normalisation."""

from __future__ import annotations

from typing import Any

from convcost.pytorch.forms.call import Call, form, settings


@form("batch_norm")
def _batch_norm(op: Any) -> Call:
    kwargs = settings({"affine": op.affine}, {"affine": True})
    return Call(function=f"nn.BatchNorm{max(op.rank, 1)}d", args=(op.num_features,), kwargs=kwargs)


@form("group_norm")
def _group_norm(op: Any) -> Call:
    kwargs = settings({"affine": op.affine}, {"affine": True})
    return Call(function="nn.GroupNorm", args=(op.num_groups, op.num_channels), kwargs=kwargs)


@form("layer_norm")
def _layer_norm(op: Any) -> Call:
    given = {"elementwise_affine": op.elementwise_affine, "bias": op.bias}
    kwargs = settings(given, {"elementwise_affine": True, "bias": True})
    return Call(function="nn.LayerNorm", args=(op.normalized_shape,), kwargs=kwargs)


@form("local_response_norm")
def _local_response_norm(op: Any) -> Call:
    return Call(function="nn.LocalResponseNorm", args=(op.size,))


@form("instance_norm")
def _instance_norm(op: Any) -> Call:
    kwargs = settings({"affine": op.affine}, {"affine": False})
    return Call(function=f"nn.InstanceNorm{op.rank}d", args=(op.num_features,), kwargs=kwargs)
