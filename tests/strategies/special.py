"""Convolutions over groups of symmetries, in groups of unequal size, and on graphs."""

from __future__ import annotations

from hypothesis import strategies as st

from strategies.draw import LARGEST_CHANNELS, Draw, Fields, Fits, Rows, Shape, draw_small
from strategies.windows import draw_conv

ORDERS = {4: "p4", 8: "p4m"}


def is_map(shape: Shape) -> bool:
    """Whether it is an image, or a map over a group."""
    return len(shape) == 3 or (len(shape) == 4 and shape[1] in ORDERS)


def draw_equivariant(draw: Draw, shape: Shape) -> Fields:
    group = ORDERS[shape[1]] if len(shape) == 4 else draw(st.sampled_from(["p4", "p4m"]))
    kernel = draw(st.integers(1, min(3, *shape[-2:])))
    return {
        "out_channels": draw(st.integers(1, 4)),
        "kernel_size": kernel,
        "group": group,
        "stride": draw(st.integers(1, 2)),
        "padding": draw(st.integers(0, kernel // 2)),
        "bias": draw(st.booleans()),
    }


def draw_self_grouped(draw: Draw, shape: Shape) -> Fields:
    window = draw_conv(draw, shape)
    groups = draw(st.integers(1, 3))
    pairs = [[draw(st.integers(1, LARGEST_CHANNELS // groups)), draw(st.integers(1, shape[0]))] for _ in range(groups)]
    return {**{name: value for name, value in window.items() if name != "out_channels"}, "groups": pairs}


def draw_edges(draw: Draw, shape: Shape) -> int:
    """Self-loops at least, every pair of vertices at most."""
    return draw(st.integers(shape[1], shape[1] ** 2))


def draw_graph_conv(draw: Draw, shape: Shape) -> Fields:
    return {"out_channels": draw_small(draw), "edges": draw_edges(draw, shape), "bias": draw(st.booleans())}


def draw_multipath(draw: Draw, shape: Shape) -> Fields:
    return {
        "hidden_channels": draw_small(draw),
        "narrow_channels": draw_small(draw),
        "out_channels": draw_small(draw),
        "edges": draw_edges(draw, shape),
        "depth": draw(st.integers(1, 3)),
        "activation": draw(st.sampled_from(["none", "relu"])),
        "dropout": draw(st.sampled_from([0, 0.5])),
    }


ROWS: Rows = {"self_grouped_conv": draw_self_grouped}

FIXED: Rows = {
    "group_equivariant_conv": draw_equivariant,
    "graph_conv": draw_graph_conv,
    "multipath_gcn": draw_multipath,
}
"""The size of an axis is that of the group, and a graph has so many vertices."""

FITS: Fits = {
    "group_equivariant_conv": is_map,
    "graph_conv": lambda shape: len(shape) == 2,
    "multipath_gcn": lambda shape: len(shape) == 2,
}
