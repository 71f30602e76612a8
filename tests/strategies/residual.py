"""Residual blocks and gates."""

from __future__ import annotations

from hypothesis import strategies as st

from strategies.draw import (
    LARGEST_CHANNELS,
    Draw,
    Fields,
    Rows,
    Shape,
    divisors,
    draw_norm_name,
    draw_small,
    draw_strides,
)
from strategies.mobile import draw_gate_fields, draw_keep


def draw_residual(draw: Draw, shape: Shape) -> Fields:
    out_channels = draw(st.sampled_from([shape[0], 8]))
    return {"out_channels": out_channels, "stride": draw_strides(draw, shape[1:]), **draw_norm_name(draw)}


def draw_inverted(draw: Draw, shape: Shape) -> Fields:
    possible = {1: True, 2: shape[0] <= LARGEST_CHANNELS // 2, 0.5: shape[0] % 2 == 0}
    ratios = [ratio for ratio, fits in possible.items() if fits]
    widths: list[Fields] = [{"expand_ratio": draw(st.sampled_from(ratios))}, {"hidden_channels": draw_small(draw)}]
    return {**draw_residual(draw, shape), **draw(st.sampled_from(widths)), **draw_gate_fields(draw)}


def draw_bottleneck(draw: Draw, shape: Shape) -> Fields:
    return {**draw_residual(draw, shape), "hidden_channels": draw_small(draw), **draw_keep(draw)}


def draw_fire(draw: Draw, shape: Shape) -> Fields:
    return {word: draw(st.integers(1, 8)) for word in ("squeeze", "expand1x1", "expand3x3")}


ROWS: Rows = {
    "basic_block": lambda draw, shape: {**draw_residual(draw, shape), **draw_keep(draw)},
    "bottleneck_block": draw_bottleneck,
    "inverted_residual": draw_inverted,
    "squeeze_excite": lambda draw, shape: {"reduction": draw(st.sampled_from(divisors(shape[0])))},
    "fire": draw_fire,
}
