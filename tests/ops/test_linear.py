"""The fully connected layer: worked examples and refusals."""

from typing import Any

import pytest

from telling import refusal, told


def test_classifier_of_mobilenet() -> None:
    # weights 1,024 x 1,000 = 1,024,000, and 1,000 biases: 1,025,000; MACs one a weight; a bias added to 1,000 elements
    assert told("linear", (1024,), out_features=1000) == {
        "shape": (1000,),
        "params": 1_025_000,
        "weights": 1_024_000,
        "macs": 1_024_000,
        "elementwise": 1_000,
        "describe": "1024 -> 1000",
    }


def test_without_bias() -> None:
    # weights 12 x 5 = 60
    assert told("linear", (12,), out_features=5, bias=False) == {
        "shape": (5,),
        "params": 60,
        "weights": 60,
        "macs": 60,
        "describe": "12 -> 5",
    }


def test_on_every_vector_of_a_sequence() -> None:
    # 7 vectors: MACs 7 x (12 x 5) = 420; biases 7 x 5 = 35; parameters 60 + 5 once
    assert told("linear", (7, 12), out_features=5) == {
        "shape": (7, 5),
        "params": 65,
        "weights": 60,
        "macs": 420,
        "elementwise": 35,
        "describe": "12 -> 5",
    }


def test_on_the_last_axis_of_a_feature_map_where_that_is_stated() -> None:
    # 3 x 4 vectors: MACs 12 x (6 x 2) = 144; biases 12 x 2 = 24
    assert told("linear", (3, 4, 6), out_features=2, in_features=6) == {
        "shape": (3, 4, 2),
        "params": 14,
        "weights": 12,
        "macs": 144,
        "elementwise": 24,
        "describe": "6 -> 2",
    }


@pytest.mark.parametrize(
    ("leading", "shape", "vectors"), [(1, (10, 12), 10), (2, (10, 3, 12), 30), (1, (10, 7, 12), 70)]
)
def test_leading_axes_multiply_what_a_vector_costs(leading: int, shape: tuple[int, ...], vectors: int) -> None:
    # One vector: MACs 12 x 5 = 60; biases 5
    assert told("linear", shape, leading=leading, out_features=5) == {
        "shape": (*shape[:-1], 5),
        "params": 65,
        "weights": 60,
        "macs": 60 * vectors,
        "elementwise": 5 * vectors,
        "describe": "12 -> 5",
    }


@pytest.mark.parametrize(
    ("shape", "fields", "message"),
    [
        (
            (512, 7, 7),
            {"out_features": 10},
            "it acts on the last axis (=7) of the input 512x7x7;"
            " flatten it first, or state in_features: 7 if that is meant",
        ),
        ((8,), {"out_features": 10, "in_features": 9}, "in_features (=9) must be what the input 8 has, 8"),
        ((8,), {"out_features": 0}, "out_features is 0; it must be a whole number of at least 1"),
        ((8,), {"out_features": [10]}, "out_features is [10]; it must be a whole number of at least 1"),
        ((8,), {"out_features": 10, "bias": "yes"}, 'bias is "yes"; it must be true or false'),
        ((8,), {"out_features": 10, "in_features": -1}, "in_features is -1; it must be a whole number of at least 1"),
        ((8,), {}, "the required field out_features is missing; it must be a whole number of at least 1"),
        (
            (8,),
            {"features": 10},
            'unknown field "features"; linear takes out_features, bias, in_features; did you mean "in_features"?',
        ),
    ],
)
def test_refusals(shape: tuple[int, ...], fields: dict[str, Any], message: str) -> None:
    assert refusal("linear", shape, **fields) == f'linear "stem": {message}'


def test_a_leading_axis_alone_has_no_features() -> None:
    message = "it needs an input with a channel axis; the input is 8"
    assert refusal("linear", (8,), leading=1, out_features=3) == f'linear "stem": {message}'
