"""What every family draws from: bounds, windows, strides, groups."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

LARGEST_CHANNELS = 16
LARGEST_SIZE = 24

Draw = Callable[[st.SearchStrategy[Any]], Any]
Shape = tuple[int, ...]
Fields = dict[str, Any]
Rows = dict[str, Callable[[Draw, Shape], Fields]]
"""For each operator or block, how to draw fields with which it stands on a shape."""
Fits = dict[str, Callable[[Shape], bool]]
"""On which shapes an operator or block can stand at all; those that are not here stand on any."""


def divisors(number: int) -> list[int]:
    return [candidate for candidate in range(1, number + 1) if number % candidate == 0]


def one_or_list(draw: Draw, values: list[int]) -> int | list[int]:
    """The values an axis, or the number itself where they agree."""
    return values[0] if len(set(values)) == 1 and draw(st.booleans()) else values


def draw_window(draw: Draw, sizes: Shape) -> tuple[list[int], list[int], list[int]]:
    """Kernel, dilation and extent an axis; the extent fits into the size."""
    kernel = [draw(st.integers(1, min(3, size))) for size in sizes]
    dilation = [
        draw(st.integers(1, 2 if 2 * (taps - 1) < size else 1)) for taps, size in zip(kernel, sizes, strict=True)
    ]
    extent = [rate * (taps - 1) + 1 for taps, rate in zip(kernel, dilation, strict=True)]
    return kernel, dilation, extent


def draw_strides(draw: Draw, sizes: Shape) -> int | list[int]:
    return one_or_list(draw, [draw(st.integers(1, 2)) for _ in sizes])


def draw_groups(draw: Draw, channels: int) -> Fields:
    groups = draw(st.sampled_from(divisors(channels)))
    return {"groups": groups, "out_channels": groups * draw(st.integers(1, LARGEST_CHANNELS // groups))}


def draw_small(draw: Draw) -> int:
    return draw(st.integers(1, 8))


def draw_norm_name(draw: Draw) -> Fields:
    return {
        "norm": draw(st.sampled_from(["none", "batch_norm"])),
        "activation": draw(st.sampled_from(["none", "relu"])),
    }
