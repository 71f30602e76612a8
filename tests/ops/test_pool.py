"""Pooling: worked examples and refusals."""

from typing import Any

import pytest

from telling import refusal, told

# ---- maximum and average over windows ----


def test_max_pool_of_a_residual_network() -> None:
    # size floor((112 + 2 x 1 - 3) / 2) + 1 = floor(55.5) + 1 = 56; 64 x 56 x 56 = 200,704 elements,
    # each the largest of 9: 8 comparisons, 1,605,632 in all
    assert told("max_pool", (64, 112, 112), kernel_size=3, stride=2, padding=1) == {
        "shape": (64, 56, 56),
        "elementwise": 1_605_632,
        "describe": "3x3 stride 2",
    }


def test_max_pool_with_one_spatial_axis_and_dilation() -> None:
    # The window spans 3 x (2 - 1) + 1 = 4; size 10 - 4 + 1 = 7; 5 x 7 elements, 1 comparison each
    assert told("max_pool", (5, 10), kernel_size=2, stride=1, dilation=3) == {
        "shape": (5, 7),
        "elementwise": 35,
        "describe": "2 dilation 3",
    }


def test_max_pool_with_three_spatial_axes_in_ceil_mode() -> None:
    # sizes ceil((5 - 2) / 2) + 1 = 3, ceil((6 - 2) / 2) + 1 = 3, ceil((7 - 3) / 3) + 1 = 3;
    # 2 x 27 = 54 elements, 2 x 2 x 3 - 1 = 11 comparisons each: 594; stride is the kernel where it is not given
    assert told("max_pool", (2, 5, 6, 7), kernel_size=(2, 2, 3), ceil_mode=True) == {
        "shape": (2, 3, 3, 3),
        "elementwise": 594,
        "describe": "2x2x3 stride 2x2x3 ceil",
    }


def test_avg_pool_before_a_shortcut() -> None:
    # size floor((28 + 2 - 3) / 2) + 1 = 14; 240 x 14 x 14 = 47,040 elements; 8 additions and a division each: 423,360
    assert told("avg_pool", (240, 28, 28), kernel_size=3, stride=2, padding=1) == {
        "shape": (240, 14, 14),
        "elementwise": 423_360,
        "describe": "3x3 stride 2",
    }


@pytest.mark.parametrize("count_include_pad", [True, False])
def test_counting_the_padding_in_the_mean_costs_nothing(count_include_pad: bool) -> None:
    # size floor((9 + 2 - 2) / 2) + 1 = 5; 3 x 5 elements, 2 each
    assert told("avg_pool", (3, 9), kernel_size=2, padding=1, count_include_pad=count_include_pad) == {
        "shape": (3, 5),
        "elementwise": 30,
        "describe": "2 stride 2",
    }


def test_avg_pool_with_three_spatial_axes() -> None:
    # sizes 4 / 2 = 2, 6 / 3 = 2, 5 - 1 + 1 = 5; 2 x 2 x 2 x 5 = 40 elements, 2 x 3 x 1 = 6 each
    assert told("avg_pool", (2, 4, 6, 5), kernel_size=(2, 3, 1)) == {
        "shape": (2, 2, 2, 5),
        "elementwise": 240,
        "describe": "2x3x1 stride 2x3x1",
    }


@pytest.mark.parametrize(
    ("word", "per_output"), [("max_pool", 3), ("avg_pool", 4)]
)  # a window of 2x2: 3 comparisons, or 3 additions and a division
@pytest.mark.parametrize(("leading", "shape", "factor"), [(1, (10, 3, 8, 8), 10), (2, (2, 5, 3, 8, 8), 10)])
def test_leading_axes_multiply(word: str, per_output: int, leading: int, shape: tuple[int, ...], factor: int) -> None:
    # 3 x 4 x 4 = 48 elements an input
    assert told(word, shape, leading=leading, kernel_size=2) == {
        "shape": (*shape[:-2], 4, 4),
        "elementwise": 48 * per_output * factor,
        "describe": "2x2 stride 2",
    }


@pytest.mark.parametrize("word", ["max_pool", "avg_pool"])
@pytest.mark.parametrize(
    ("sizes", "fields", "out"),
    [
        ((112,), {"kernel_size": 3, "stride": 2}, (55,)),  # floor(109 / 2) + 1
        ((112,), {"kernel_size": 3, "stride": 2, "ceil_mode": True}, (56,)),  # ceil(109 / 2) + 1
        ((113,), {"kernel_size": 3, "stride": 2, "ceil_mode": True}, (56,)),  # 110 / 2 + 1
        ((7,), {"kernel_size": 1, "stride": 4, "ceil_mode": True}, (2,)),
        # ceil(6 / 4) + 1 = 3, but the third window would start at 8, behind the input
        ((5,), {"kernel_size": 2, "stride": 3, "padding": 1, "ceil_mode": True}, (2,)),
        # ceil((5 + 2 - 2) / 3) + 1 = 3, but the third would start at 6 = 1 + 5, behind padding and input
        ((6,), {"kernel_size": 2, "stride": 3, "padding": 1, "ceil_mode": True}, (3,)),  # ceil(6 / 3) + 1
        ((9,), {"kernel_size": 4, "padding": "valid"}, (2,)),  # floor(5 / 4) + 1
        ((9, 8), {"kernel_size": 5, "stride": 2, "padding": (2, 0)}, (5, 2)),  # floor(8/2) + 1, floor(3/2) + 1
        ((9, 8), {"kernel_size": 5, "stride": 2, "padding": "same_tf"}, (5, 4)),  # ceil(9 / 2), ceil(8 / 2)
        ((3, 2, 1), {"kernel_size": 5, "stride": (2, 1, 3), "padding": "same_tf"}, (2, 2, 1)),
        ((2,), {"kernel_size": 3, "stride": 2, "ceil_mode": True}, (1,)),  # ceil(-1 / 2) + 1: one window, hanging over
    ],
)
def test_sizes(word: str, sizes: tuple[int, ...], fields: dict[str, Any], out: tuple[int, ...]) -> None:
    assert told(word, (4, *sizes), **fields)["shape"] == (4, *out)


# ---- adaptive and global ----


def test_adaptive_avg_pool_of_vgg() -> None:
    # 512 x 7 x 7 = 25,088 elements in, one addition each; as many out, one division each: 50,176
    assert told("adaptive_avg_pool", (512, 7, 7), output_size=7) == {
        "shape": (512, 7, 7),
        "elementwise": 50_176,
        "describe": "to 7x7",
    }


def test_adaptive_avg_pool_with_one_and_three_spatial_axes() -> None:
    # 4 x 10 = 40 additions and 4 x 3 = 12 divisions
    assert told("adaptive_avg_pool", (4, 10), output_size=3) == {
        "shape": (4, 3),
        "elementwise": 52,
        "describe": "to 3",
    }
    # 5 inputs: 5 x 2 x 4 x 6 x 8 = 1,920 additions and 5 x 2 x 1 x 2 x 3 = 60 divisions
    assert told("adaptive_avg_pool", (5, 2, 4, 6, 8), leading=1, output_size=[1, 2, 3]) == {
        "shape": (5, 2, 1, 2, 3),
        "elementwise": 1_980,
        "describe": "to 1x2x3",
    }


def test_adaptive_max_pool() -> None:
    # 256 x 13 x 13 = 43,264 elements in, one comparison each
    assert told("adaptive_max_pool", (256, 13, 13), output_size=6) == {
        "shape": (256, 6, 6),
        "elementwise": 43_264,
        "describe": "to 6x6",
    }
    # 3 inputs of 2 x 5 elements; the output may be larger than the input
    assert told("adaptive_max_pool", (3, 2, 5), leading=1, output_size=9) == {
        "shape": (3, 2, 9),
        "elementwise": 30,
        "describe": "to 9",
    }


def test_global_avg_pool() -> None:
    # 1,024 x 7 x 7 = 50,176 additions and 1,024 divisions
    assert told("global_avg_pool", (1024, 7, 7)) == {"shape": (1024, 1, 1), "elementwise": 51_200}
    # 3 inputs: 3 x 4 x 10 = 120 additions and 3 x 4 = 12 divisions
    assert told("global_avg_pool", (3, 4, 10), leading=1) == {"shape": (3, 4, 1), "elementwise": 132}


def test_global_max_pool() -> None:
    # 8 x 2 x 3 x 4 = 192 comparisons
    assert told("global_max_pool", (8, 2, 3, 4)) == {"shape": (8, 1, 1, 1), "elementwise": 192}
    # 5 inputs of 8 x 6 = 48
    assert told("global_max_pool", (5, 8, 6), leading=1) == {"shape": (5, 8, 1), "elementwise": 240}


# ---- refusals ----

AXES = "a whole number of at least 1, or a list with one a spatial axis"
PADDING = "a whole number of at least 0, a list with one a spatial axis, or valid or same_tf"
LARGER = "use a smaller kernel, more padding, or fewer strides before it"


@pytest.mark.parametrize("word", ["max_pool", "avg_pool"])
@pytest.mark.parametrize(
    ("shape", "fields", "message"),
    [
        (
            (4, 8),
            {"kernel_size": 2, "padding": "same_tf", "ceil_mode": True},
            "ceil_mode has no meaning with padding same_tf; drop one of the two",
        ),
        ((4, 8), {"kernel_size": 3, "padding": 2}, "padding (=2) must be at most half of kernel_size (=3)"),
        (
            (4, 8, 8),
            {"kernel_size": (4, 1), "padding": (2, 1)},
            "padding (=1) must be at most half of kernel_size (=1)",
        ),
        (
            (4, 8, 2),
            {"kernel_size": 3},
            f"kernel_size (=3) is larger than the padded input (2 + 2 x 0 = 2) on spatial axis 2; {LARGER}",
        ),
        ((4,), {"kernel_size": 3}, "it needs an input of channels and 1 to 3 spatial axes, not 4"),
        ((4, 8), {}, f"the required field kernel_size is missing; it must be {AXES}"),
        ((4, 8), {"kernel_size": 0}, f"kernel_size is 0; it must be {AXES}"),
        ((4, 8), {"kernel_size": 2, "stride": "two"}, f'stride is "two"; it must be {AXES}'),
        (
            (4, 8),
            {"kernel_size": 2, "padding": "same"},
            f'padding is "same"; it must be {PADDING}; did you mean "same_tf"?',
        ),
        ((4, 8), {"kernel_size": 2, "padding": -1}, f"padding is -1; it must be {PADDING}"),
        ((4, 8), {"kernel_size": 2, "ceil_mode": 1}, "ceil_mode is 1; it must be true or false"),
        (
            (4, 8),
            {"kernel_size": (2, 2)},
            "kernel_size is [2, 2], which has 2 entries; the input has 1 spatial axis",
        ),
    ],
)
def test_refusals_of_both(word: str, shape: tuple[int, ...], fields: dict[str, Any], message: str) -> None:
    assert refusal(word, shape, **fields) == f'{word} "stem": {message.format(word=word)}'


@pytest.mark.parametrize(
    ("word", "shape", "fields", "message"),
    [
        (
            "max_pool",
            (4, 4),
            {"kernel_size": 3, "dilation": 2},
            "kernel_size (=3), 5 with dilation 2, is larger than the padded input (4 + 2 x 0 = 4) on spatial axis 1;"
            f" {LARGER}",
        ),
        ("max_pool", (4, 8), {"kernel_size": 2, "dilation": 0}, f"dilation is 0; it must be {AXES}"),
        (
            "max_pool",
            (4, 8),
            {"kernel_size": 2, "count_include_pad": False},
            'unknown field "count_include_pad"; max_pool takes kernel_size, stride, padding, ceil_mode, dilation',
        ),
        (
            "avg_pool",
            (4, 8),
            {"kernel_size": 2, "dilation": 2},
            'unknown field "dilation"; avg_pool takes kernel_size, stride, padding, ceil_mode, count_include_pad',
        ),
        (
            "avg_pool",
            (4, 8),
            {"kernel_size": 2, "count_include_pad": 0},
            "count_include_pad is 0; it must be true or false",
        ),
    ],
)
def test_refusals_of_one(word: str, shape: tuple[int, ...], fields: dict[str, Any], message: str) -> None:
    assert refusal(word, shape, **fields) == f'{word} "stem": {message}'


@pytest.mark.parametrize("word", ["adaptive_max_pool", "adaptive_avg_pool"])
@pytest.mark.parametrize(
    ("shape", "fields", "message"),
    [
        ((4, 8), {}, f"the required field output_size is missing; it must be {AXES}"),
        ((4, 8), {"output_size": 0}, f"output_size is 0; it must be {AXES}"),
        (
            (4, 8, 8),
            {"output_size": [7]},
            "output_size is [7], which has 1 entries; the input has 2 spatial axes",
        ),
        ((4,), {"output_size": 1}, "it needs an input of channels and 1 to 3 spatial axes, not 4"),
        ((4, 8), {"out_size": 1}, 'unknown field "out_size"; {word} takes output_size; did you mean "output_size"?'),
    ],
)
def test_refusals_of_adaptive_pools(word: str, shape: tuple[int, ...], fields: dict[str, Any], message: str) -> None:
    assert refusal(word, shape, **fields) == f'{word} "stem": {message.format(word=word)}'


@pytest.mark.parametrize("word", ["global_max_pool", "global_avg_pool"])
@pytest.mark.parametrize(
    ("shape", "fields", "message"),
    [
        ((4,), {}, "the input 4 has no spatial axis to pool"),
        ((4, 8), {"channels": 5}, "channels (=5) must be what the input 4x8 has, 4"),
        ((4, 8), {"rank": 1}, 'unknown field "rank"; {word} takes channels'),
        ((4, 8), {"channels": 0}, "channels is 0; it must be a whole number of at least 1"),
    ],
)
def test_refusals_of_global_pools(word: str, shape: tuple[int, ...], fields: dict[str, Any], message: str) -> None:
    assert refusal(word, shape, **fields) == f'{word} "stem": {message.format(word=word)}'
