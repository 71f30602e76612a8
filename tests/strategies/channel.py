"""Convolutions along the channels."""

from __future__ import annotations

from fractions import Fraction
from math import gcd

from hypothesis import strategies as st

from strategies.draw import LARGEST_CHANNELS, Draw, Fields, Rows, Shape, divisors, draw_strides


def draw_scc(draw: Draw, shape: Shape) -> Fields:
    channels = shape[0]
    groups = draw(st.sampled_from(divisors(channels)))
    overlap = draw(st.sampled_from([Fraction(hundredths, 100) for hundredths in (0, 25, 33, 50, 67, 75, 90)]))
    windowing = draw(st.sampled_from(["cuda", "pytorch"]))
    wanted = range(1, LARGEST_CHANNELS + 1)
    if windowing == "pytorch":
        width = channels // groups
        windows = channels // gcd(width - int(overlap * width), channels)
        wanted = [n for n in wanted if n % groups == 0 and n % min(n, windows) == 0]
    return {
        "groups": groups,
        "overlap": overlap,
        "windowing": windowing,
        "out_channels": draw(st.sampled_from(wanted)),
        "bias": draw(st.booleans()),
    }


def draw_channelwise_conv(draw: Draw, shape: Shape) -> Fields:
    """A kernel that may be longer than the channels, where they are padded."""
    channels = shape[0]
    padding = draw(st.sampled_from(["same", 0, 1, 2, 3]))
    stride = draw(st.integers(1, 4))
    longest = channels + 3 if padding == "same" else channels + 2 * padding
    taps = draw(st.integers(1, longest))
    length = -(-channels // stride) if padding == "same" else (longest - taps) // stride + 1
    return {
        "kernel_size": taps,
        "stride": stride,
        "padding": padding,
        "filters": draw(st.integers(1, max(LARGEST_CHANNELS // length, 1))),
        "bias": draw(st.booleans()),
    }


def draw_gcwconv(draw: Draw, shape: Shape) -> Fields:
    groups = draw(st.sampled_from(divisors(shape[0])))
    fields: Fields = {"groups": groups, "bias": draw(st.booleans())}
    if groups % 2 == 0 and draw(st.booleans()):
        return fields
    return {**fields, "channel_kernel_size": groups + 2 * draw(st.integers(0, 4))}


def draw_dwscwconv(draw: Draw, shape: Shape) -> Fields:
    fields = {"channel_kernel_size": draw(st.integers(1, 9)), "stride": draw_strides(draw, shape[1:])}
    return {**fields, "kernel_size": draw(st.sampled_from([1, 3])), "bias": draw(st.booleans())}


ROWS: Rows = {
    "scc": draw_scc,
    "channelwise_conv": draw_channelwise_conv,
    "gcwconv": draw_gcwconv,
    "dwscwconv": draw_dwscwconv,
}

ENDING: Rows = {
    "conv_classifier": lambda draw, shape: {
        "num_classes": draw(st.integers(1, shape[0])),
        "bias": draw(st.booleans()),
    },
}
