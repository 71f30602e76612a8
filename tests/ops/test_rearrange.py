"""Operators that copy data to other places: worked examples and refusals. That they move the right elements is seen in
tests/pytorch/test_modules.py."""

from typing import Any

import numpy
import pytest

from convcost.analysis.cost import analyze
from convcost.formulas.symbolic import size_symbol
from convcost.graph import Builder
from convcost.ops import OPERATORS
from telling import refusal, told

Shape = tuple[int, ...]


@pytest.mark.parametrize(
    ("leading", "shape", "dims", "out"),
    [
        (0, (256, 7, 9), [1, 2, 0], (7, 9, 256)),  # channels last
        (0, (49, 12, 64), [1, 0, 2], (12, 49, 64)),  # a sequence of heads to heads of sequences
        (0, (2, 3, 4, 5), [3, 1, 0, 2], (5, 3, 2, 4)),
        (0, (7,), [0], (7,)),
        (1, (10, 2, 3), [1, 0], (10, 3, 2)),  # the leading axis stays, and is not counted
    ],
)
def test_permute(leading: int, shape: Shape, dims: list[int], out: Shape) -> None:
    describe = " ".join(map(str, dims))
    assert told("permute", shape, leading=leading, dims=dims) == {"shape": out, "describe": describe}


@pytest.mark.parametrize("shape", [(240,), (240, 28), (240, 28, 28), (240, 3, 4, 5)])
def test_channel_shuffle(shape: Shape) -> None:
    assert told("channel_shuffle", shape, groups=3) == {"shape": shape, "describe": "3 groups"}
    assert told("channel_shuffle", shape, groups=3, inverse=True) == {"shape": shape, "describe": "3 groups inverse"}


@pytest.mark.parametrize(
    ("leading", "shape", "fields", "describe"),
    [
        (0, (16, 32, 32), {}, "3x3"),
        (0, (16, 9), {"kernel_size": 2}, "2"),
        (0, (16, 5, 6, 7), {"kernel_size": [1, 3, 5]}, "1x3x5"),
        (1, (10, 16, 8, 9), {"dilation": 2}, "3x3 dilation 2x2"),
        (0, (16, 8, 9), {"dilation": [1, 4]}, "3x3 dilation 1x4"),
    ],
)
def test_shift(leading: int, shape: Shape, fields: dict[str, Any], describe: str) -> None:
    assert told("shift", shape, leading=leading, **fields) == {"shape": shape, "describe": describe}


@pytest.mark.parametrize(
    ("channels", "kernel_size", "moved"),
    [
        (9, 3, 9),
        (8, 3, 0),  # floor(8 / 9) = 0
        (64, 3, 63),  # floor(64 / 9) x 9
        (64, [3, 5], 60),  # floor(64 / 15) x 15
        (64, [1, 1], 64),
        (7, 2, 4),  # floor(7 / 4) x 4
    ],
)
def test_channels_behind_the_last_whole_set_of_offsets_stay(channels: int, kernel_size: Any, moved: int) -> None:
    op = OPERATORS["shift"].bind({"kernel_size": kernel_size}, ((channels, 8, 8),))
    assert op.moved_channels == moved


@pytest.mark.parametrize(
    ("leading", "shape", "fields", "out", "describe"),
    [
        # 1 + 7 + 2 = 10, 1 + 9 + 2 = 12
        (0, (3, 7, 9), {"before": 1, "after": 2}, (3, 10, 12), "1x1 before, 2x2 after"),
        # 0 + 7 + 3 = 10, 2 + 9 + 0 = 11
        (0, (3, 7, 9), {"before": [0, 2], "after": [3, 0]}, (3, 10, 11), "0x2 before, 3x0 after"),
        # shortcut A of a residual network, 16 channels to 32: 8 + 16 + 8
        (
            0,
            (16, 8, 8),
            {"channels_before": 8, "channels_after": 8},
            (32, 8, 8),
            "0x0 before, 0x0 after, channels 8 before, 8 after",
        ),
        # 2 + 3 + 0 channels, 1 + 5 elements
        (
            1,
            (10, 3, 5),
            {"before": 1, "channels_before": 2},
            (10, 5, 6),
            "1 before, 0 after, channels 2 before, 0 after",
        ),
        # 4 before and behind 5 elements is the most that can be mirrored, 5 the most that can go around
        (0, (3, 5), {"before": 4, "after": 4, "mode": "reflect"}, (3, 13), "4 before, 4 after reflect"),
        (0, (3, 5), {"before": 5, "after": 5, "mode": "circular"}, (3, 15), "5 before, 5 after circular"),
        (0, (3, 5), {"after": 90, "mode": "replicate"}, (3, 95), "0 before, 90 after replicate"),
        (0, (3, 1, 2, 3), {}, (3, 1, 2, 3), "0x0x0 before, 0x0x0 after"),
    ],
)
def test_pad(leading: int, shape: Shape, fields: dict[str, Any], out: Shape, describe: str) -> None:
    assert told("pad", shape, leading=leading, **fields) == {"shape": out, "describe": describe}


@pytest.mark.parametrize(
    ("leading", "shape", "factor", "out"),
    [
        (0, (27, 32, 32), 3, (3, 96, 96)),  # 27 / 3^2, 32 x 3: the end of a super-resolution network
        (0, (8, 5), 4, (2, 20)),  # 8 / 4, 5 x 4
        (0, (16, 2, 3, 4), 2, (2, 4, 6, 8)),  # 16 / 2^3
        (0, (5, 6, 7), 1, (5, 6, 7)),
        (1, (10, 12, 2, 3), 2, (10, 3, 4, 6)),  # 12 / 2^2
    ],
)
def test_pixel_shuffle_and_what_undoes_it(leading: int, shape: Shape, factor: int, out: Shape) -> None:
    told_of = told("pixel_shuffle", shape, leading=leading, upscale_factor=factor)
    assert told_of == {"shape": out, "describe": f"x {factor}"}
    told_of = told("pixel_unshuffle", out, leading=leading, downscale_factor=factor)
    assert told_of == {"shape": shape, "describe": f"/ {factor}"}


def test_the_elements_of_a_copy_are_read_and_written() -> None:
    b = Builder()
    b.permute(b.input((4, 5, 6)), dims=[2, 0, 1])
    (layer,) = analyze(b.graph()).layers
    # 4 x 5 x 6 = 120 elements of 4 bytes, read and written: 2 x 480
    assert (layer.cost.activations, layer.cost.bytes_moved, layer.cost.flops) == (120, 960, 0)


# ---- symbols and arrays ----


def test_symbolic_sizes() -> None:
    height, width, channels = size_symbol("height"), size_symbol("width"), size_symbol("channels")
    assert told("permute", (channels, height, width), dims=[2, 0, 1])["shape"] == (width, channels, height)
    assert told("pad", (channels, height, width), before=1, after=[0, 2], channels_after=channels)["shape"] == (
        2 * channels,
        height + 1,
        width + 3,
    )
    assert told("pixel_shuffle", (9 * channels, height, width), upscale_factor=3)["shape"] == (
        channels,
        3 * height,
        3 * width,
    )
    assert told("pixel_unshuffle", (channels, 2 * height, 4 * width), downscale_factor=2)["shape"] == (
        4 * channels,
        height,
        2 * width,
    )
    for word, fields in [("channel_shuffle", {"groups": 3}), ("shift", {})]:
        assert told(word, (channels, height, width), **fields)["shape"] == (channels, height, width)


def test_arrays_of_sizes() -> None:
    sizes = numpy.array([8, 12, 16], dtype=object)
    channels, height, width = told("pixel_unshuffle", (3, sizes, 4), downscale_factor=4)["shape"]
    assert (channels, height.tolist(), width) == (48, [2, 3, 4], 1)  # 3 x 4^2; a quarter; 4 / 4
    _, width, height = told("permute", (3, sizes, 5), dims=[0, 2, 1])["shape"]
    assert (width, height.tolist()) == (5, [8, 12, 16])


# ---- refusals ----

COUNT = "a whole number of at least 1"
MARGIN = "a whole number of at least 0"
AXES = f"{COUNT}, or a list with one a spatial axis"
MARGINS = f"{MARGIN}, or a list with one a spatial axis"
ORDER = "a list with each of the axes 0, 1, ... once, in their new order"
MODES = "constant, reflect, replicate or circular"
SPATIAL = "it needs an input of channels and 1 to 3 spatial axes, not"


@pytest.mark.parametrize(
    ("word", "shape", "fields", "message"),
    [
        ("permute", (3, 8), {}, f"the required field dims is missing; it must be {ORDER}"),
        ("permute", (3, 8), {"dims": 1}, f"dims is 1; it must be {ORDER}"),
        ("permute", (3, 8), {"dims": []}, f"dims is []; it must be {ORDER}"),
        ("permute", (3, 8), {"dims": [0, 0]}, f"dims is [0, 0]; it must be {ORDER}"),
        ("permute", (3, 8), {"dims": [1, 2]}, f"dims is [1, 2]; it must be {ORDER}"),
        ("permute", (3, 8), {"dims": [-1, 0]}, f"dims is [-1, 0]; it must be {ORDER}"),
        ("permute", (3, 8), {"dims": [0, 1.5]}, f"dims is [0, 1.5]; it must be {ORDER}"),
        ("permute", (3, 8), {"dims": [0, True]}, f"dims is [0, true]; it must be {ORDER}"),
        ("permute", (3, 8), {"dims": [0]}, "dims (=[0]) must hold each axis of the input 3x8 once: 0, 1"),
        ("permute", (3, 8), {"dims": [0, 2, 1]}, "dims (=[0, 2, 1]) must hold each axis of the input 3x8 once: 0, 1"),
        ("permute", (3, 8), {"dim": [1, 0]}, 'unknown field "dim"; permute takes dims; did you mean "dims"?'),
        ("channel_shuffle", (3, 8), {}, f"the required field groups is missing; it must be {COUNT}"),
        ("channel_shuffle", (3, 8), {"groups": 0}, f"groups is 0; it must be {COUNT}"),
        ("channel_shuffle", (3, 8), {"groups": 2}, "groups (=2) must divide the channels (=3)"),
        ("channel_shuffle", (3, 8), {"groups": 6}, "groups (=6) must divide the channels (=3)"),
        ("channel_shuffle", (3, 8), {"groups": 3, "inverse": 1}, "inverse is 1; it must be true or false"),
        ("channel_shuffle", (3, 8), {"groups": 3, "channels": 4}, "channels (=4) must be what the input 3x8 has, 3"),
        (
            "channel_shuffle",
            (3, 8),
            {"group": 3},
            'unknown field "group"; channel_shuffle takes groups, inverse, channels; did you mean "groups"?',
        ),
        ("shift", (3, 8), {"kernel_size": 0}, f"kernel_size is 0; it must be {AXES}"),
        (
            "shift",
            (3, 8),
            {"kernel_size": [3, 3]},
            "kernel_size is [3, 3], which has 2 entries; the input has 1 spatial axis",
        ),
        ("shift", (3, 8), {"dilation": 0.5}, f"dilation is 0.5; it must be {AXES}"),
        ("shift", (3, 8), {"stride": 2}, 'unknown field "stride"; shift takes kernel_size, dilation, channels'),
        ("shift", (3,), {}, f"{SPATIAL} 3"),
        ("pad", (3, 8), {"before": -1}, f"before is -1; it must be {MARGINS}"),
        ("pad", (3, 8), {"after": "same"}, f'after is "same"; it must be {MARGINS}'),
        ("pad", (3, 8), {"channels_after": -1}, f"channels_after is -1; it must be {MARGIN}"),
        ("pad", (3, 8), {"mode": "zeros"}, f'mode is "zeros"; it must be {MODES}'),
        ("pad", (3, 8), {"mode": "reflct"}, f'mode is "reflct"; it must be {MODES}; did you mean "reflect"?'),
        (
            "pad",
            (3, 8),
            {"before": 8, "mode": "reflect"},
            "before (=8) must be below the size (=8) in mode reflect",
        ),
        (
            "pad",
            (3, 8, 9),
            {"after": [7, 9], "mode": "reflect"},
            "after (=9) must be below the size (=9) in mode reflect",
        ),
        (
            "pad",
            (3, 8),
            {"after": 9, "mode": "circular"},
            "after (=9) must be at most the size (=8) in mode circular",
        ),
        (
            "pad",
            (3, 8),
            {"channels_before": 2, "mode": "replicate"},
            "channels_before (=2) must be 0 in mode replicate: channels are padded with zeros alone",
        ),
        (
            "pad",
            (3, 8),
            {"channels_after": 1, "mode": "circular"},
            "channels_after (=1) must be 0 in mode circular: channels are padded with zeros alone",
        ),
        ("pad", (3,), {"channels_after": 1}, f"{SPATIAL} 3"),
        (
            "pad",
            (3, 8),
            {"padding": 1},
            'unknown field "padding"; pad takes before, after, channels_before, channels_after, mode, channels',
        ),
        ("pixel_shuffle", (8, 4), {}, f"the required field upscale_factor is missing; it must be {COUNT}"),
        ("pixel_shuffle", (8, 4), {"upscale_factor": 0}, f"upscale_factor is 0; it must be {COUNT}"),
        (
            "pixel_shuffle",
            (8, 4),
            {"upscale_factor": 3},
            "upscale_factor (=3): 3^1 = 3 must divide the channels (=8)",
        ),
        (
            "pixel_shuffle",
            (2, 4, 4),
            {"upscale_factor": 2},
            "upscale_factor (=2): 2^2 = 4 must divide the channels (=2)",
        ),
        (
            "pixel_shuffle",
            (12, 4, 4, 4),
            {"upscale_factor": 2},
            "upscale_factor (=2): 2^3 = 8 must divide the channels (=12)",
        ),
        ("pixel_shuffle", (8,), {"upscale_factor": 2}, f"{SPATIAL} 8"),
        (
            "pixel_unshuffle",
            (8, 4, 6),
            {"downscale_factor": 4},
            "downscale_factor (=4) must divide the sizes; one is 6",
        ),
        ("pixel_unshuffle", (8,), {"downscale_factor": 2}, f"{SPATIAL} 8"),
        (
            "pixel_unshuffle",
            (8, 4),
            {"upscale_factor": 2},
            'unknown field "upscale_factor"; pixel_unshuffle takes downscale_factor, channels;'
            ' did you mean "downscale_factor"?',
        ),
    ],
)
def test_refusals(word: str, shape: Shape, fields: dict[str, Any], message: str) -> None:
    assert refusal(word, shape, **fields) == f'{word} "stem": {message}'


def test_four_spatial_axes_are_too_many() -> None:
    assert refusal("pixel_shuffle", (32, 1, 2, 3, 4), upscale_factor=2) == f'pixel_shuffle "stem": {SPATIAL} 32x1x2x3x4'
