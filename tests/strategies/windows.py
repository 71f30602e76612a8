"""Convolution and pooling."""

from __future__ import annotations

from hypothesis import strategies as st

from strategies.draw import (
    LARGEST_CHANNELS,
    Draw,
    Fields,
    Rows,
    Shape,
    draw_groups,
    draw_norm_name,
    draw_small,
    draw_strides,
    draw_window,
    one_or_list,
)


def draw_conv(draw: Draw, shape: Shape) -> Fields:
    channels, *sizes = shape
    kernel, dilation, extent = draw_window(draw, tuple(sizes))
    padding = draw(st.sampled_from(["numbers", "same", "valid", "same_tf"]))
    return {
        **draw_groups(draw, channels),
        "kernel_size": one_or_list(draw, kernel),
        "dilation": one_or_list(draw, dilation),
        "stride": 1 if padding == "same" else draw_strides(draw, tuple(sizes)),
        "padding": [draw(st.integers(0, span // 2)) for span in extent] if padding == "numbers" else padding,
        "bias": draw(st.booleans()),
    }


def draw_conv_transpose(draw: Draw, shape: Shape) -> Fields:
    channels, *sizes = shape
    kernel, dilation, extent = draw_window(draw, tuple(sizes))
    stride = [draw(st.integers(1, 2)) for _ in sizes]
    limits = [max(axis) - 1 for axis in zip(stride, dilation, strict=True)]
    return {
        **draw_groups(draw, channels),
        "kernel_size": one_or_list(draw, kernel),
        "dilation": one_or_list(draw, dilation),
        "stride": one_or_list(draw, stride),
        "padding": [draw(st.integers(0, (span - 1) // 2)) for span in extent],
        "output_padding": [draw(st.integers(0, limit)) for limit in limits],
        "bias": draw(st.booleans()),
    }


def draw_pool(draw: Draw, shape: Shape) -> Fields:
    sizes = shape[1:]
    kernel = [draw(st.integers(1, min(3, size))) for size in sizes]
    fields: Fields = {"kernel_size": one_or_list(draw, kernel)}
    if draw(st.booleans()):
        fields["stride"] = draw_strides(draw, sizes)
    if draw(st.integers(0, 3)) == 0:
        return {**fields, "padding": "same_tf"}
    return {
        **fields,
        "padding": [draw(st.integers(0, taps // 2)) for taps in kernel],
        "ceil_mode": draw(st.booleans()),
    }


def draw_max_pool(draw: Draw, shape: Shape) -> Fields:
    fields = draw_pool(draw, shape)
    if min(shape[1:]) >= 5 and draw(st.booleans()):
        fields["dilation"] = 2
    return fields


def draw_adaptive(draw: Draw, shape: Shape) -> Fields:
    return {"output_size": one_or_list(draw, [draw(st.integers(1, 4)) for _ in shape[1:]])}


def draw_depthwise(draw: Draw, shape: Shape) -> Fields:
    multiplier = draw(st.integers(1, LARGEST_CHANNELS // shape[0]))
    return {"multiplier": multiplier, "stride": draw_strides(draw, shape[1:]), "dilation": draw(st.integers(1, 2))}


def draw_dsconv(draw: Draw, shape: Shape) -> Fields:
    fields = {**draw_depthwise(draw, shape), **draw_norm_name(draw), "between": draw(st.booleans())}
    if draw(st.booleans()):
        fields["bias"] = draw(st.booleans())
    if draw(st.booleans()):
        return {**fields, "out_channels": draw_small(draw)}
    mixed = draw(st.integers(1, LARGEST_CHANNELS // fields["multiplier"]))
    return {**fields, "order": "pointwise_first", "out_channels": mixed * fields["multiplier"]}


ROWS: Rows = {
    "conv": draw_conv,
    "max_pool": draw_max_pool,
    "avg_pool": draw_pool,
    "adaptive_max_pool": draw_adaptive,
    "adaptive_avg_pool": draw_adaptive,
    "global_max_pool": lambda draw, shape: {},
    "global_avg_pool": lambda draw, shape: {},
    "depthwise": draw_depthwise,
    "pointwise": lambda draw, shape: draw_groups(draw, shape[0]),
    "grouped": lambda draw, shape: {**draw_groups(draw, shape[0]), "stride": draw_strides(draw, shape[1:])},
    "dilated": lambda draw, shape: {"out_channels": draw_small(draw), "dilation": draw(st.integers(1, 3))},
    "dsconv": draw_dsconv,
}

LARGER: Rows = {"conv_transpose": draw_conv_transpose}
