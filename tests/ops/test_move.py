"""Operators that move or pass on data: worked examples and refusals."""

from fractions import Fraction
from typing import Any

import pytest

from convcost.errors import ConvcostError
from convcost.graph import Builder
from convcost.ops import OPERATORS
from telling import refusal, told


@pytest.mark.parametrize("word", ["identity", "dropout"])
@pytest.mark.parametrize(("leading", "shape"), [(0, (7,)), (0, (3, 4, 5)), (1, (10, 3, 4, 5))])
def test_what_passes_its_input_on(word: str, leading: int, shape: tuple[int, ...]) -> None:
    assert told(word, shape, leading=leading) == {"shape": shape, "view": True}


@pytest.mark.parametrize("p", [0, 0.2, Fraction(1, 3), 1])
def test_the_rate_of_dropout_costs_nothing(p: float) -> None:
    assert told("dropout", (8,), p=p) == {"shape": (8,), "view": True}


@pytest.mark.parametrize(
    ("leading", "shape", "fields", "expected"),
    [
        (0, (8, 5, 6), {"scale_factor": 2}, {"shape": (8, 10, 12), "describe": "nearest x 2x2"}),
        (0, (8, 5, 6), {"scale_factor": (1, 3)}, {"shape": (8, 5, 18), "describe": "nearest x 1x3"}),
        (0, (8, 5, 6), {"size": (7, 4)}, {"shape": (8, 7, 4), "describe": "nearest to 7x4"}),
        (1, (3, 8, 5), {"size": 7}, {"shape": (3, 8, 7), "describe": "nearest to 7"}),
        # 8 x 10 = 80 elements, each of 2 neighbours: 2 products and 1 sum
        (
            0,
            (8, 5),
            {"scale_factor": 2, "mode": "linear"},
            {"shape": (8, 10), "elementwise": 240, "describe": "linear x 2"},
        ),
        # 8 x 10 x 12 = 960 elements, each of 4 neighbours: 4 products and 3 sums; align_corners changes no count
        (
            0,
            (8, 5, 6),
            {"scale_factor": 2, "mode": "bilinear", "align_corners": True},
            {"shape": (8, 10, 12), "elementwise": 6_720, "describe": "bilinear x 2x2"},
        ),
        # 3 x 2 x 4 x 4 x 4 = 384 elements, each of 8 neighbours: 8 products and 7 sums
        (
            1,
            (3, 2, 2, 2, 2),
            {"size": 4, "mode": "trilinear"},
            {"shape": (3, 2, 4, 4, 4), "elementwise": 5_760, "describe": "trilinear to 4x4x4"},
        ),
    ],
)
def test_upsample(leading: int, shape: tuple[int, ...], fields: dict[str, Any], expected: dict[str, Any]) -> None:
    assert told("upsample", shape, leading=leading, **fields) == expected


def test_opaque() -> None:
    assert told("opaque", (3, 8, 8), label="warp", output_shape=[5, 4]) == {"shape": (5, 4), "describe": "warp"}
    assert told("opaque", (2, 3, 8), leading=1, label="warp", output_shape=[2, 4])["shape"] == (2, 4)
    assert not OPERATORS["opaque"].supported


def test_input() -> None:
    builder = Builder()
    builder.input([3, 8, 8], name="image")
    (node,) = builder.graph().nodes
    assert (node.name, node.shape, node.op.word) == ("image", (3, 8, 8), "input")
    assert "input" not in OPERATORS


AXES = "a whole number of at least 1, or a list with one a spatial axis"
MODES = "nearest, linear, bilinear or trilinear"
SHAPE = "a list of 1 to 4 axis sizes of at least 1, without the batch"
TEXT = "1 to 80 printable characters"


@pytest.mark.parametrize(
    ("word", "shape", "fields", "message"),
    [
        ("identity", (3,), {"x": 1}, 'unknown field "x"; identity takes no fields'),
        ("dropout", (3,), {"p": 1.5}, "p is 1.5; it must be a number of at least 0 and at most 1"),
        ("dropout", (3,), {"p": -1}, "p is -1; it must be a number of at least 0 and at most 1"),
        ("dropout", (3,), {"p": True}, "p is true; it must be a number of at least 0 and at most 1"),
        ("dropout", (3,), {"p": float("nan")}, "p is nan; it must be a number of at least 0 and at most 1"),
        ("dropout", (3,), {"rate": 0.5}, 'unknown field "rate"; dropout takes p'),
        ("opaque", (3,), {"output_shape": [3]}, f"the required field label is missing; it must be {TEXT}"),
        ("opaque", (3,), {"label": "warp"}, f"the required field output_shape is missing; it must be {SHAPE}"),
        ("opaque", (3,), {"label": "", "output_shape": [3]}, f'label is ""; it must be {TEXT}'),
        ("opaque", (3,), {"label": "a\nb", "output_shape": [3]}, f'label is "a\nb"; it must be {TEXT}'),
        ("opaque", (3,), {"label": "warp", "output_shape": 3}, f"output_shape is 3; it must be {SHAPE}"),
        (
            "opaque",
            (3,),
            {"label": "warp", "output_shape": [3, 0]},
            "output_shape is 0; it must be a whole number of at least 1",
        ),
        (
            "opaque",
            (3,),
            {"labels": "warp"},
            'unknown field "labels"; opaque takes label, output_shape; did you mean "label"?',
        ),
    ],
)
def test_refusals(word: str, shape: tuple[int, ...], fields: dict[str, Any], message: str) -> None:
    assert refusal(word, shape, **fields) == f'{word} "stem": {message}'


@pytest.mark.parametrize(
    ("shape", "fields", "message"),
    [
        ((3, 8, 8), {}, "give just one of scale_factor and size"),
        ((3, 8, 8), {"scale_factor": 2, "size": 16}, "give just one of scale_factor and size"),
        (
            (3, 8, 8),
            {"scale_factor": 2, "mode": "linear"},
            "mode linear is for 1 spatial axes, and the input 3x8x8 has 2",
        ),
        (
            (3, 8),
            {"scale_factor": 2, "mode": "bilinear"},
            "mode bilinear is for 2 spatial axes, and the input 3x8 has 1",
        ),
        (
            (3, 8),
            {"scale_factor": 2, "mode": "trilinear"},
            "mode trilinear is for 3 spatial axes, and the input 3x8 has 1",
        ),
        (
            (3, 8),
            {"scale_factor": 2, "align_corners": True},
            "align_corners has no meaning with mode nearest; drop one of the two",
        ),
        ((3, 8), {"scale_factor": 2, "align_corners": 1}, "align_corners is 1; it must be true or false"),
        ((3, 8), {"scale_factor": 2, "mode": "bicubic"}, f'mode is "bicubic"; it must be {MODES}'),
        (
            (3, 8),
            {"scale_factor": 2, "mode": "bilinea"},
            f'mode is "bilinea"; it must be {MODES}; did you mean "bilinear"?',
        ),
        ((3, 8), {"scale_factor": 2, "mode": 2}, f"mode is 2; it must be {MODES}"),
        ((3, 8), {"scale_factor": 0.5}, f"scale_factor is 0.5; it must be {AXES}"),
        ((3, 8), {"size": 0}, f"size is 0; it must be {AXES}"),
        ((3,), {"size": 4}, "it needs an input of channels and 1 to 3 spatial axes, not 3"),
        ((3, 8), {"size": 4, "channels": 2}, "channels (=2) must be what the input 3x8 has, 3"),
        (
            (3, 8),
            {"scale_facto": 2},
            'unknown field "scale_facto"; upsample takes scale_factor, size, mode, align_corners, channels;'
            ' did you mean "scale_factor"?',
        ),
    ],
)
def test_refusals_of_upsample(shape: tuple[int, ...], fields: dict[str, Any], message: str) -> None:
    assert refusal("upsample", shape, **fields) == f'upsample "stem": {message}'


def test_an_input_has_sizes_of_at_least_1() -> None:
    with pytest.raises(ConvcostError) as refused:
        Builder().input((3, 0, 8))
    assert str(refused.value) == 'an axis of input "input" is 0; it must be a whole number of at least 1'
