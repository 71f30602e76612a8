"""Normalisation: worked examples and refusals."""

from typing import Any

import pytest

from convcost.formulas.symbolic import size_symbol
from telling import refusal, told


@pytest.mark.parametrize(
    ("shape", "leading", "elements"),
    [((32, 112, 112), 0, 401_408), ((32,), 0, 32), ((32, 5), 0, 160), ((2, 32, 3, 4, 5), 1, 3_840)],
)
def test_batch_norm(shape: tuple[int, ...], leading: int, elements: int) -> None:
    # 32 scales and 32 shifts: 64 parameters; 32 means, 32 variances and the counter: 65 stored;
    # a multiplication and an addition an element, as on 32 x 112 x 112 = 401,408
    assert told("batch_norm", shape, leading=leading) == {
        "shape": shape,
        "params": 64,
        "buffers": 65,
        "elementwise": 2 * elements,
    }


@pytest.mark.parametrize("fields", [{"affine": False}, {"affine": False, "num_features": 8}])
def test_batch_norm_that_learns_nothing(fields: dict[str, Any]) -> None:
    # 8 means, 8 variances and the counter are stored all the same; 8 x 3 x 3 = 72 elements, 2 each
    assert told("batch_norm", (8, 3, 3), **fields) == {"shape": (8, 3, 3), "buffers": 17, "elementwise": 144}


def test_group_norm() -> None:
    # 64 scales and 64 shifts; 64 x 7 x 7 = 3,136 elements, 7 each: 21,952
    assert told("group_norm", (64, 7, 7), num_groups=8) == {
        "shape": (64, 7, 7),
        "params": 128,
        "elementwise": 21_952,
        "describe": "8 groups",
    }
    # 3 inputs of 6 x 5 = 30 elements, 5 each: 450
    assert told("group_norm", (3, 6, 5), leading=1, num_groups=6, affine=False) == {
        "shape": (3, 6, 5),
        "elementwise": 450,
        "describe": "6 groups",
    }


@pytest.mark.parametrize(
    ("shape", "fields", "expected"),
    [
        # scales and shifts of 96 x 7 x 7 = 4,704 elements: 9,408; 7 an element: 32,928
        ((96, 7, 7), {}, {"params": 9_408, "elementwise": 32_928, "describe": "over 96x7x7"}),
        # 8 scales, 8 shifts; 10 x 8 elements, 7 each
        ((10, 8), {"normalized_shape": [8]}, {"params": 16, "elementwise": 560, "describe": "over 8"}),
        # 8 scales; 10 x 8 elements, 6 each
        ((10, 8), {"normalized_shape": (8,), "bias": False}, {"params": 8, "elementwise": 480, "describe": "over 8"}),
        # nothing learned; 4 x 3 x 2 elements, 5 each
        (
            (4, 3, 2),
            {"normalized_shape": [3, 2], "elementwise_affine": False},
            {"elementwise": 120, "describe": "over 3x2"},
        ),
    ],
)
def test_layer_norm(shape: tuple[int, ...], fields: dict[str, Any], expected: dict[str, Any]) -> None:
    assert told("layer_norm", shape, **fields) == {"shape": shape, **expected}


def test_layer_norm_is_over_the_sample_and_not_over_leading_axes() -> None:
    # 5 x 4 scales and as many shifts; 3 inputs of 20 elements, 7 each: 420
    assert told("layer_norm", (3, 5, 4), leading=1) == {
        "shape": (3, 5, 4),
        "params": 40,
        "elementwise": 420,
        "describe": "over 5x4",
    }


@pytest.mark.parametrize(
    ("leading", "shape", "elements"),
    [(0, (64, 32, 32), 65_536), (0, (64, 5), 320), (0, (64, 2, 3, 4), 1_536), (1, (10, 64, 3), 1_920)],
)
def test_instance_norm(leading: int, shape: tuple[int, ...], elements: int) -> None:
    # 5 an element, as on 64 x 32 x 32 = 65,536; nothing learned, nothing stored
    assert told("instance_norm", shape, leading=leading) == {"shape": shape, "elementwise": 5 * elements}
    # 64 scales and 64 shifts: 128 parameters; 7 an element
    affine = told("instance_norm", shape, leading=leading, affine=True)
    assert affine == {"shape": shape, "params": 128, "elementwise": 7 * elements}
    # as group norm with groups of one channel
    groups = told("group_norm", shape, leading=leading, num_groups=64)
    assert {**affine, "describe": "64 groups"} == groups


def test_instance_norm_of_symbolic_channels() -> None:
    channels, size = size_symbol("channels"), size_symbol("size")
    assert told("instance_norm", (channels, size), affine=True) == {
        "shape": (channels, size),
        "params": 2 * channels,
        "elementwise": 7 * channels * size,
    }


def test_local_response_norm_of_alexnet() -> None:
    # 96 x 55 x 55 = 290,400 elements, 5 + 5 each: a square, 4 additions, scale, add, power, divide, and the mean's
    assert told("local_response_norm", (96, 55, 55), size=5) == {
        "shape": (96, 55, 55),
        "elementwise": 2_904_000,
        "describe": "5 channels",
    }
    # 2 inputs of 4 x 3 = 12 elements, 3 + 5 each
    assert told("local_response_norm", (2, 4, 3), leading=1, size=3) == {
        "shape": (2, 4, 3),
        "elementwise": 192,
        "describe": "3 channels",
    }


COUNT = "a whole number of at least 1"
SHAPE = "a list of 1 to 4 axis sizes of at least 1, without the batch"


@pytest.mark.parametrize(
    ("word", "shape", "fields", "message"),
    [
        ("batch_norm", (8, 3), {"num_features": 4}, "num_features (=4) must be what the input 8x3 has, 8"),
        ("batch_norm", (8, 3), {"affine": "no"}, 'affine is "no"; it must be true or false'),
        (
            "batch_norm",
            (8, 3),
            {"affin": True},
            'unknown field "affin"; batch_norm takes affine, num_features; did you mean "affine"?',
        ),
        ("group_norm", (8, 3), {"num_groups": 3}, "num_groups (=3) must divide the input's channels (=8)"),
        (
            "group_norm",
            (8, 1),
            {"num_groups": 8},
            "num_groups (=8) leaves groups of one element, which any norm makes 0",
        ),
        ("group_norm", (8, 3), {}, f"the required field num_groups is missing; it must be {COUNT}"),
        ("group_norm", (8, 3), {"num_groups": 0}, f"num_groups is 0; it must be {COUNT}"),
        ("group_norm", (8, 3), {"num_groups": 2, "affine": 1}, "affine is 1; it must be true or false"),
        (
            "group_norm",
            (8, 3),
            {"num_groups": 2, "num_channels": 6},
            "num_channels (=6) must be what the input 8x3 has, 8",
        ),
        (
            "group_norm",
            (8, 3),
            {"groups": 2},
            'unknown field "groups"; group_norm takes num_groups, affine, num_channels; did you mean "num_groups"?',
        ),
        (
            "layer_norm",
            (8, 3, 4),
            {"normalized_shape": [8, 3]},
            "normalized_shape (=8x3) must be the end of the input's shape (8x3x4)",
        ),
        (
            "layer_norm",
            (4,),
            {"normalized_shape": [3, 4]},
            "normalized_shape (=3x4) must be the end of the input's shape (4)",
        ),
        ("layer_norm", (8, 3), {"normalized_shape": 3}, f"normalized_shape is 3; it must be {SHAPE}"),
        ("layer_norm", (8, 3), {"normalized_shape": []}, f"normalized_shape is []; it must be {SHAPE}"),
        ("layer_norm", (8, 3), {"normalized_shape": [0]}, f"normalized_shape is 0; it must be {COUNT}"),
        ("layer_norm", (8, 3), {"elementwise_affine": 2}, "elementwise_affine is 2; it must be true or false"),
        ("layer_norm", (8, 3), {"bias": 0}, "bias is 0; it must be true or false"),
        (
            "layer_norm",
            (8, 3),
            {"eps": 1},
            'unknown field "eps"; layer_norm takes normalized_shape, elementwise_affine, bias',
        ),
        ("instance_norm", (8, 3), {"affine": 1}, "affine is 1; it must be true or false"),
        ("instance_norm", (8, 3), {"num_features": 3}, "num_features (=3) must be what the input 8x3 has, 8"),
        ("instance_norm", (8,), {}, "it needs an input of channels and 1 to 3 spatial axes, not 8"),
        ("instance_norm", (8, 1, 1), {}, "the input 8x1x1 leaves one element a channel, which any norm makes 0"),
        (
            "instance_norm",
            (8, 3),
            {"num_groups": 8},
            'unknown field "num_groups"; instance_norm takes affine, num_features',
        ),
        ("local_response_norm", (8, 3), {}, f"the required field size is missing; it must be {COUNT}"),
        ("local_response_norm", (8, 3), {"size": 2.5}, f"size is 2.5; it must be {COUNT}"),
        (
            "local_response_norm",
            (8, 3),
            {"sise": 5},
            'unknown field "sise"; local_response_norm takes size; did you mean "size"?',
        ),
    ],
)
def test_refusals(word: str, shape: tuple[int, ...], fields: dict[str, Any], message: str) -> None:
    assert refusal(word, shape, **fields) == f'{word} "stem": {message}'


@pytest.mark.parametrize(
    ("word", "fields"), [("batch_norm", {}), ("group_norm", {"num_groups": 2}), ("layer_norm", {})]
)
def test_a_leading_axis_alone_has_no_channels(word: str, fields: dict[str, Any]) -> None:
    message = "it needs an input with a channel axis; the input is 8"
    assert refusal(word, (8,), leading=1, **fields) == f'{word} "stem": {message}'


def test_a_leading_axis_does_not_make_up_for_the_elements_of_a_channel() -> None:
    message = "the input 10x8x1 leaves one element a channel, which any norm makes 0"
    assert refusal("instance_norm", (10, 8, 1), leading=1) == f'instance_norm "stem": {message}'
