"""Normalisation and activation: layers that keep the shape."""

from __future__ import annotations

from math import prod

from hypothesis import strategies as st

from convcost.ops import OPERATORS
from strategies.draw import Draw, Fields, Fits, Rows, Shape, divisors


def draw_group_norm(draw: Draw, shape: Shape) -> Fields:
    """Groups of more than one element."""
    groups = [groups for groups in divisors(shape[0]) if groups < prod(shape)]
    return {"num_groups": draw(st.sampled_from(groups)), "affine": draw(st.booleans())}


def draw_activation(draw: Draw, word: str, channels: int) -> Fields:
    if word == "prelu":
        return {"num_parameters": draw(st.sampled_from([1, channels]))}
    can_overwrite = "inplace" in OPERATORS[word].field_annotations
    return {"inplace": draw(st.booleans())} if can_overwrite else {}


ROWS: Rows = {
    "batch_norm": lambda draw, shape: {"affine": draw(st.booleans())},
    "group_norm": draw_group_norm,
    "layer_norm": lambda draw, shape: {"elementwise_affine": draw(st.booleans()), "bias": draw(st.booleans())},
    "local_response_norm": lambda draw, shape: {"size": draw(st.integers(1, 5))},
    "instance_norm": lambda draw, shape: {"affine": draw(st.booleans())},
    "dropout": lambda draw, shape: {},
    "identity": lambda draw, shape: {},
    **{
        word: lambda draw, shape, word=word: draw_activation(draw, word, shape[0])
        for word, operator in OPERATORS.items()
        if operator.family == "activation"
    },
}

FITS: Fits = {"group_norm": lambda shape: prod(shape) > 1, "instance_norm": lambda shape: prod(shape[1:]) > 1}
