"""Convolutions in several steps, shift blocks, and stacks of dilated convolutions."""

from __future__ import annotations

from hypothesis import strategies as st

from strategies.draw import Draw, Fields, Fits, Rows, Shape, draw_norm_name, draw_small, draw_strides, draw_window


def draw_window_fields(draw: Draw, shape: Shape) -> Fields:
    """A window that fits, with a stride an axis and padding or without."""
    kernel, dilation, extent = draw_window(draw, shape[1:])
    fields: Fields = {"kernel_size": kernel, "dilation": dilation, "stride": draw_strides(draw, shape[1:])}
    if draw(st.booleans()):
        fields["padding"] = [draw(st.integers(0, span // 2)) for span in extent]
    return {**fields, "bias": draw(st.booleans())}


def draw_flattened(draw: Draw, shape: Shape) -> Fields:
    """Two stages keep the size, so that the window fits into what the first leaves."""
    fields = {**draw_window_fields(draw, shape), "out_channels": draw_small(draw), "stages": draw(st.integers(1, 2))}
    if fields["stages"] == 2:
        fields.pop("padding", None)
        fields["kernel_size"] = [taps // 2 * 2 + 1 for taps in fields["kernel_size"]]
    return fields


def draw_separable(draw: Draw, shape: Shape) -> Fields:
    fields = draw_window_fields(draw, shape)
    if draw(st.booleans()):
        return {**fields, "depthwise": True, "out_channels": shape[0]}
    hidden = {"hidden_channels": draw_small(draw)} if draw(st.booleans()) else {}
    return {**fields, **hidden, "out_channels": draw_small(draw)}


def draw_cp(draw: Draw, shape: Shape) -> Fields:
    fields = {**draw_window_fields(draw, shape), "out_channels": draw_small(draw)}
    return {**fields, "rank": draw_small(draw), "scaled": draw(st.booleans())}


def draw_tucker(draw: Draw, shape: Shape) -> Fields:
    fields = {**draw_window_fields(draw, shape), "out_channels": draw_small(draw)}
    if draw(st.booleans()):
        return {**fields, "in_rank": draw_small(draw), "out_rank": draw_small(draw)}
    return {**fields, "rank": draw(st.sampled_from([0.1, 0.25, 0.5, 1]))}


def draw_decoupled(draw: Draw, shape: Shape) -> Fields:
    fields = {**draw_window_fields(draw, shape), "out_channels": draw_small(draw)}
    return {**fields, "multiplier": draw(st.integers(1, 3)), "activation": draw(st.sampled_from(["none", "relu"]))}


def draw_shift_block(draw: Draw, shape: Shape) -> Fields:
    """Odd kernels or even: a shift keeps the size all the same."""
    return {
        "out_channels": draw(st.sampled_from([shape[0], 8])),
        "expansion": draw(st.integers(1, 2)),
        "kernel_size": draw(st.integers(1, 3)),
        "stride": draw_strides(draw, shape[1:]),
        **draw_norm_name(draw),
    }


def draw_context(draw: Draw, shape: Shape) -> Fields:
    dilations = draw(st.lists(st.integers(1, 2), min_size=1, max_size=3))
    several = draw(st.booleans())
    return {"dilations": dilations, "multipliers": [draw(st.integers(1, 2)) for _ in dilations] if several else 1}


def draw_wavenet_layer(draw: Draw, shape: Shape) -> Fields:
    """Something must be left of the length."""
    kernel = draw(st.integers(1, min(3, shape[1])))
    return {
        "kernel_size": kernel,
        "dilation": draw(st.integers(1, max(1, (shape[1] - 1) // max(1, kernel - 1)))),
        "dilation_channels": draw_small(draw),
        "bias": draw(st.booleans()),
    }


def draw_wavenet_stack(draw: Draw, shape: Shape) -> Fields:
    """Dilations whose sum, twice if the block stands twice, leaves something of the length."""
    blocks = draw(st.integers(1, 2))
    dilations = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    while len(dilations) > 1 and blocks * sum(dilations) >= shape[1]:
        dilations.pop()
    fits = blocks * sum(dilations) < shape[1]
    return {
        "dilations": dilations if fits else 1,
        "blocks": blocks if fits else 1,
        "dilation_channels": draw_small(draw),
        "skip_channels": draw_small(draw),
        "bias": draw(st.booleans()),
    }


ROWS: Rows = {
    "flattened": draw_flattened,
    "spatial_separable": draw_separable,
    "cp": draw_cp,
    "tucker": draw_tucker,
    "decoupled": draw_decoupled,
    "shift_block": draw_shift_block,
    "dilated_context": draw_context,
    "wavenet_layer": draw_wavenet_layer,
    "wavenet_stack": draw_wavenet_stack,
}

FITS: Fits = {
    "wavenet_layer": lambda shape: len(shape) == 2 and shape[1] > 1,
    "wavenet_stack": lambda shape: len(shape) == 2 and shape[1] > 1,
}
