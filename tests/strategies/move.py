"""Operators that move data."""

from __future__ import annotations

from hypothesis import strategies as st

from convcost.ops.move import RANK_OF_MODE
from strategies.draw import Draw, Fields, Rows, Shape, draw_strides


def draw_upsample(draw: Draw, shape: Shape) -> Fields:
    rank = len(shape) - 1
    interpolation = next(mode for mode, axes in RANK_OF_MODE.items() if axes == rank)
    fields: Fields = {"mode": draw(st.sampled_from(["nearest", interpolation]))}
    if draw(st.booleans()):
        return {**fields, "scale_factor": draw_strides(draw, shape[1:])}
    return {**fields, "size": [draw(st.integers(1, 8)) for _ in shape[1:]]}


def draw_crop(draw: Draw, shape: Shape) -> Fields:
    return {"size": [draw(st.integers(1, size)) for size in shape[1:]]}


ROWS: Rows = {"crop": draw_crop, "upsample": draw_upsample}
