"""However large its numbers, the fields of a network take no long time: what is too long to spell out is bounded."""

from time import process_time

import pytest

from convcost.analysis.receptive_field import Field, receptive_fields
from convcost.graph import Graph
from stacks import conv, stack, step

BILLION = 10**9


def field_of(graph: Graph) -> Field:
    start = process_time()
    found = receptive_fields(graph)[-1]
    assert process_time() - start < 2
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("graph", "size", "at_most"),
    [
        # of a window as wide as its stride an output reads one input
        (stack(step("conv_transpose", "x", out_channels=1, kernel_size=10**5, stride=10**5)), (1, 1), True),
        (stack(step("upsample", "x", size=[BILLION - 1, BILLION + 7])), (1, 1), True),
        (stack(step("adaptive_avg_pool", "x", output_size=[BILLION - 1, 3]), shape=(1, BILLION, 8)), (3, 4), True),
        (stack(step("pixel_shuffle", "x", upscale_factor=1000), shape=(10**6, 8, 8)), (1, 1), False),
        (stack(step("pixel_unshuffle", "x", downscale_factor=10**4), shape=(1, 10**8, 10**8)), (10**4, 10**4), False),
        (stack(step("channel_shuffle", "x", groups=BILLION // 2), shape=(BILLION, 8, 8)), (1, 1), False),
        (stack(step("channelwise_conv", "x", kernel_size=3), shape=(BILLION, 8, 8)), (1, 1), False),
        (stack(step("shift", "x", kernel_size=3), shape=(BILLION, 8, 8)), (3, 3), True),
        (stack(conv("x", kernel_size=BILLION // 2, padding=0), shape=(1, BILLION)), (BILLION // 2,), False),
    ],
)
def test_large_numbers_are_bounded(graph: Graph, size: tuple[int, ...], at_most: bool) -> None:
    found = field_of(graph)
    assert (found.size, found.at_most) == (size, at_most)


def test_a_join_of_very_many_channels() -> None:
    graph = stack(
        lambda b, x: b.concat(
            b.conv(x, out_channels=BILLION, kernel_size=1, name="one"),
            b.conv(x, out_channels=BILLION, kernel_size=3, padding=1, name="three"),
            name="both",
        )
    )
    found = field_of(graph)
    assert (found.size, found.at_most) == ((3, 3), False)


def test_very_long_periods_end_in_a_pool() -> None:
    graph = stack(
        step("upsample", "up", scale_factor=10**8),
        conv("wide", kernel_size=5 * 10**7, stride=7, padding=0),
        step("global_avg_pool", "pool"),
        shape=(1, 8, 8),
    )
    start = process_time()
    up, wide, pool = (found for found in receptive_fields(graph)[1:] if found is not None)
    assert process_time() - start < 2
    # a window shorter than a copy meets two copies at most
    assert (up.size, wide.size, wide.at_most) == ((1, 1), (2, 2), True)
    assert pool.is_global
