"""Operators that move data."""

from __future__ import annotations

from hypothesis import strategies as st

from convcost.ops.move import RANK_OF_MODE
from strategies.draw import LARGEST_CHANNELS, Draw, Fields, Rows, Shape, divisors, draw_strides


def draw_upsample(draw: Draw, shape: Shape) -> Fields:
    rank = len(shape) - 1
    interpolation = next(mode for mode, axes in RANK_OF_MODE.items() if axes == rank)
    fields: Fields = {"mode": draw(st.sampled_from(["nearest", interpolation]))}
    if draw(st.booleans()):
        return {**fields, "scale_factor": draw_strides(draw, shape[1:])}
    return {**fields, "size": [draw(st.integers(1, 8)) for _ in shape[1:]]}


def draw_crop(draw: Draw, shape: Shape) -> Fields:
    return {"size": [draw(st.integers(1, size)) for size in shape[1:]]}


def draw_reshape(draw: Draw, shape: Shape) -> Fields:
    """Channels cut in two or left, and all that is behind them as one axis."""
    part = draw(st.sampled_from(divisors(shape[0])))
    return {"shape": draw(st.sampled_from([[part, -1], [part, shape[0] // part, -1]]))}


def draw_slice(draw: Draw, shape: Shape) -> Fields:
    axis = draw(st.integers(0, len(shape) - 1))
    start = draw(st.integers(0, shape[axis] - 1))
    stop = draw(st.integers(start + 1, shape[axis]))
    return {"axis": axis, "start": start, "stop": stop}


def draw_split(draw: Draw, shape: Shape) -> Fields:
    sections = draw(st.sampled_from(divisors(shape[0])))
    return {"sections": sections, "index": draw(st.integers(0, sections - 1))}


def draw_permute(draw: Draw, shape: Shape) -> Fields:
    """Spatial axes alone change places, so that the channels stay what they are on inputs of any size."""
    return {"dims": [0, *draw(st.permutations(range(1, len(shape))))]}


def draw_pad(draw: Draw, shape: Shape) -> Fields:
    mode = draw(st.sampled_from(["constant", "reflect", "replicate", "circular"]))
    most = {"reflect": [min(2, size - 1) for size in shape[1:]], "circular": [min(2, size) for size in shape[1:]]}
    limits = most.get(mode, [2] * len(shape[1:]))
    fields: Fields = {name: [draw(st.integers(0, limit)) for limit in limits] for name in ("before", "after")}
    if mode == "constant" and draw(st.booleans()):
        return {**fields, "channels_before": draw(st.integers(0, 2)), "channels_after": draw(st.integers(0, 2))}
    return {**fields, "mode": mode}


def draw_shift(draw: Draw, shape: Shape) -> Fields:
    return {"kernel_size": [draw(st.integers(1, 3)) for _ in shape[1:]], "dilation": draw(st.integers(1, 2))}


def draw_unshuffle(draw: Draw, shape: Shape) -> Fields:
    common = [factor for factor in (1, 2, 3) if all(size % factor == 0 for size in shape[1:])]
    small = [factor for factor in common if shape[0] * factor ** (len(shape) - 1) <= LARGEST_CHANNELS]
    return {"downscale_factor": draw(st.sampled_from(small or [1]))}


def draw_pixel_shuffle(draw: Draw, shape: Shape) -> Fields:
    factors = [factor for factor in (1, 2, 3) if shape[0] % factor ** (len(shape) - 1) == 0]
    return {"upscale_factor": draw(st.sampled_from(factors))}


def draw_channel_shuffle(draw: Draw, shape: Shape) -> Fields:
    return {"groups": draw(st.sampled_from(divisors(shape[0]))), "inverse": draw(st.booleans())}


ROWS: Rows = {
    "crop": draw_crop,
    "upsample": draw_upsample,
    "reshape": draw_reshape,
    "slice": draw_slice,
    "split": draw_split,
    "permute": draw_permute,
    "pad": draw_pad,
    "pixel_shuffle": draw_pixel_shuffle,
}
"""These change the shape."""

FIXED: Rows = {"pixel_unshuffle": draw_unshuffle}
"""These stand on the sizes for which they are drawn, and not on all larger ones."""

KEEPING: Rows = {"shift": draw_shift, "channel_shuffle": draw_channel_shuffle}
