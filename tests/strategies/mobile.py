"""Blocks of mobile networks: ghost modules, gated inverted residuals, ResNeXt's paths, pruned convolutions."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import strategies as st

from strategies.draw import Draw, Fields, Rows, Shape, draw_norm_name, draw_small, draw_strides, one_or_list

KEEPS = (1, 0.5, 0.25, Fraction(1, 3), Fraction(9, 10), Fraction(1, 100))


def draw_keep(draw: Draw) -> Fields:
    """The share of channels that pruning leaves, or none given."""
    return {"keep": draw(st.sampled_from(KEEPS))} if draw(st.booleans()) else {}


def draw_gate_fields(draw: Draw) -> Fields:
    """A squeeze-and-excite gate inside a block, or none."""
    if not draw(st.booleans()):
        return {}
    return {
        "squeeze_channels": draw(st.integers(1, 4)),
        "squeeze_activation": draw(st.sampled_from(["relu", "silu", "none"])),
        "gate": draw(st.sampled_from(["sigmoid", "hardsigmoid"])),
    }


def draw_ghost(draw: Draw, shape: Shape) -> Fields:
    sizes = shape[1:]
    return {
        "out_channels": draw_small(draw),
        "ratio": draw(st.integers(1, 4)),
        "kernel_size": one_or_list(draw, [draw(st.sampled_from([1, 3])) for _ in sizes]),
        "cheap_kernel_size": one_or_list(draw, [draw(st.sampled_from([1, 3, 5])) for _ in sizes]),
        "stride": draw_strides(draw, sizes),
        **draw_norm_name(draw),
    }


def draw_ghost_bottleneck(draw: Draw, shape: Shape) -> Fields:
    return {
        "out_channels": draw(st.sampled_from([shape[0], 5, 8])),
        "hidden_channels": draw(st.integers(1, 12)),
        "kernel_size": draw(st.sampled_from([1, 3, 5])),
        "stride": draw_strides(draw, shape[1:]),
        "ratio": draw(st.integers(1, 3)),
        **draw_gate_fields(draw),
        **draw_norm_name(draw),
    }


def draw_resnext(draw: Draw, shape: Shape) -> Fields:
    """One or two channels a path: base_width 256 / 8 or more for 8 channels and more."""
    out_channels = draw(st.sampled_from([max(8, shape[0]), 8]))
    return {
        "out_channels": out_channels,
        "cardinality": draw(st.integers(1, 4)),
        "base_width": draw(st.sampled_from([32, 40, 64])),
        "kernel_size": draw(st.sampled_from([1, 3])),
        "stride": draw_strides(draw, shape[1:]),
        "dilation": draw(st.integers(1, 2)),
        **draw_norm_name(draw),
    }


def draw_pruned(draw: Draw, shape: Shape) -> Fields:
    return {
        "out_channels": draw_small(draw),
        "keep": draw(st.sampled_from(KEEPS)),
        "stride": draw_strides(draw, shape[1:]),
        "dilation": draw(st.integers(1, 2)),
        "bias": draw(st.booleans()),
    }


ROWS: Rows = {
    "ghost": draw_ghost,
    "ghost_bottleneck": draw_ghost_bottleneck,
    "resnext_block": draw_resnext,
    "pruned": draw_pruned,
}
