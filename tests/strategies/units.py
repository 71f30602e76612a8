"""Inception's module, mlpconv, and ShuffleNet's units."""

from __future__ import annotations

from math import gcd

from hypothesis import strategies as st

from strategies.draw import (
    LARGEST_CHANNELS,
    Draw,
    Fields,
    Rows,
    Shape,
    divisors,
    draw_norm_name,
    draw_strides,
    draw_window,
    one_or_list,
)

BRANCHES = ("branch1x1", "reduce3x3", "branch3x3", "reduce5x5", "branch5x5", "pool_proj")


def draw_inception(draw: Draw, shape: Shape) -> Fields:
    channels = {name: draw(st.integers(1, LARGEST_CHANNELS // 4)) for name in BRANCHES}
    return {**channels, "large_kernel_size": draw(st.sampled_from([1, 3, 5])), **draw_norm_name(draw)}


def draw_mlpconv(draw: Draw, shape: Shape) -> Fields:
    kernel, _, _ = draw_window(draw, shape[1:])
    fields: Fields = {name: draw(st.integers(1, 8)) for name in ("conv_channels", "mlp_channels", "out_channels")}
    if draw(st.booleans()):
        fields["padding"] = [draw(st.integers(0, taps // 2)) for taps in kernel]
    return {
        **fields,
        "kernel_size": one_or_list(draw, kernel),
        "stride": draw_strides(draw, shape[1:]),
        "activation": draw(st.sampled_from(["none", "relu"])),
    }


def draw_reducing_strides(draw: Draw, shape: Shape) -> list[int]:
    """Strides of which at least one is 2."""
    strides = [draw(st.integers(1, 2)) for _ in shape[1:]]
    strides[draw(st.integers(0, len(strides) - 1))] = 2
    return strides


def draw_shuffle_unit(draw: Draw, shape: Shape) -> Fields:
    """Groups that divide what each of the two 1x1 convolutions reads and gives."""
    channels, *sizes = shape
    pools = len(sizes) < 3 or min(sizes) >= 3  # PyTorch has no 3-D average over a window that is larger than the map
    adds = not pools or draw(st.booleans())
    groups = draw(st.sampled_from(divisors(channels) if adds else [1, 2, 3, 4]))
    out_channels = channels if adds else channels + groups * draw(st.integers(1, max(1, 12 // groups)))
    fields: Fields = {"out_channels": out_channels, "groups": groups, **draw_norm_name(draw)}
    hidden = groups * draw(st.integers(1, max(1, 8 // groups)))
    if out_channels % (4 * groups) == 0 and draw(st.booleans()):
        hidden = out_channels // 4
    else:
        fields["hidden_channels"] = hidden
    if channels % groups or draw(st.booleans()):
        fields["first_groups"] = draw(st.sampled_from(divisors(gcd(channels, hidden))))
    if not adds:
        fields["stride"] = draw_reducing_strides(draw, shape)
    return fields


def draw_shuffle_v2_unit(draw: Draw, shape: Shape) -> Fields:
    if shape[0] % 2 == 0 and draw(st.booleans()):
        return {"out_channels": shape[0], **draw_norm_name(draw)}
    half = draw(st.integers(1, LARGEST_CHANNELS // 2))
    return {"out_channels": 2 * half, "stride": draw_reducing_strides(draw, shape), **draw_norm_name(draw)}


ROWS: Rows = {
    "inception": draw_inception,
    "mlpconv": draw_mlpconv,
    "shuffle_unit": draw_shuffle_unit,
    "shuffle_v2_unit": draw_shuffle_v2_unit,
}
