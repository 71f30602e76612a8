"""Blocks that stand where a convolution stood."""

from __future__ import annotations

from hypothesis import strategies as st

from strategies.draw import LARGEST_CHANNELS, Draw, Fields, Fits, Rows, Shape, draw_small
from strategies.factorised import draw_window_fields


def draw_bottleneck(draw: Draw, shape: Shape) -> Fields:
    reduction = draw(st.integers(1, 4))
    out = reduction * draw(st.integers(1, LARGEST_CHANNELS // reduction))
    return {**draw_window_fields(draw, shape), "out_channels": out, "reduction": reduction}


def draw_shift_conv(draw: Draw, shape: Shape) -> Fields:
    fields = draw_window_fields(draw, shape)
    fields.pop("padding", None)
    return {**fields, "out_channels": draw_small(draw)}


def draw_equivariant(draw: Draw, shape: Shape) -> Fields:
    group = draw(st.sampled_from(["p4", "p4m"] if shape[0] % 8 == 0 else ["p4"]))
    kernel = draw(st.sampled_from([size for size in (1, 3) if size <= min(shape[1:]) + 2]))
    return {"group": group, "out_channels": 8, "kernel_size": kernel, "stride": draw(st.integers(1, 2))}


def draw_pruned_conv(draw: Draw, shape: Shape) -> Fields:
    shares = st.sampled_from([0.1, 0.5, 0.7, 1])
    fields = {**draw_window_fields(draw, shape), "out_channels": draw_small(draw), "keep": draw(shares)}
    return {**fields, "keep_in": draw(shares)} if draw(st.booleans()) else fields


ROWS: Rows = {
    "bottleneck": draw_bottleneck,
    "shift_conv": draw_shift_conv,
    "equivariant_conv": draw_equivariant,
    "pruned_conv": draw_pruned_conv,
}

FITS: Fits = {"equivariant_conv": lambda shape: len(shape) == 3 and shape[0] % 4 == 0}
