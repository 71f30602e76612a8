"""Activations."""

from __future__ import annotations

from typing import Any

from convcost.pytorch.forms.call import Call, form

ACTIVATIONS = {
    "relu": "ReLU",
    "relu6": "ReLU6",
    "leaky_relu": "LeakyReLU",
    "elu": "ELU",
    "sigmoid": "Sigmoid",
    "hardsigmoid": "Hardsigmoid",
    "tanh": "Tanh",
    "silu": "SiLU",
    "hardswish": "Hardswish",
    "gelu": "GELU",
    "mish": "Mish",
    "softplus": "Softplus",
}


@form(*ACTIVATIONS)
def _activation(op: Any) -> Call:
    kwargs = {"inplace": True} if getattr(op, "inplace", False) else {}
    return Call(function=f"nn.{ACTIVATIONS[op.word]}", kwargs=kwargs)


@form("prelu")
def _prelu(op: Any) -> Call:
    return Call(function="nn.PReLU", args=() if op.num_parameters == 1 else (op.num_parameters,))


@form("softmax")
def _softmax(op: Any) -> Call:
    return Call(function="nn.Softmax", kwargs={"dim": 1})
