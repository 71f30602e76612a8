"""Squeeze-and-excite and the fire module, against the papers' counts."""

from __future__ import annotations

from typing import Any

import pytest

import convcost.blocks  # noqa: F401 - registers the blocks
from convcost.errors import FieldError, GraphError
from telling import analysis_of, names_of, output_of

# squeeze_excite


def test_squeeze_excite_works_at_one_position() -> None:
    result = analysis_of("squeeze_excite", (64, 56, 56))
    assert names_of(result) == ["pool", "squeeze", "squeeze_act", "excite", "excite_act", "scale"]
    assert output_of(result) == (64, 56, 56)
    assert result.totals.weights == 2 * 64 * (64 // 16) == 512  # 2 C^2 / r
    assert result.totals.params == 512 + 4 + 64
    assert result.totals.macs == 512


def test_squeeze_excite_reads_and_scales_every_element() -> None:
    """Elementwise: C H W additions and C divisions of the means, 4 biases and 4 comparisons, C biases and C sigmoids
    of 4 steps, C H W products."""
    result = analysis_of("squeeze_excite", (64, 10, 10))
    work = (6_400 + 64) + (4 + 4) + (64 + 4 * 64) + 6_400
    assert result.totals.flops == 2 * 512 + work == 2 * 512 + 13_192
    assert result.totals.activations == 64 + 4 + 4 + 64 + 64 + 6_400


def test_squeeze_channels_take_the_place_of_the_reduction() -> None:
    result = analysis_of("squeeze_excite", (60, 7, 7), squeeze_channels=10)
    assert result.totals.weights == 2 * 60 * 10
    assert result.totals.params == 1_200 + 10 + 60


@pytest.mark.parametrize("shape", [(32, 100), (32, 9, 11), (32, 4, 5, 6)])
def test_squeeze_excite_costs_the_same_on_one_to_three_axes(shape: tuple[int, ...]) -> None:
    result = analysis_of("squeeze_excite", shape, reduction=4, gate="hardsigmoid")
    assert output_of(result) == shape
    assert result.totals.params == 2 * 32 * 8 + 8 + 32 == 552
    assert result.totals.macs == 512
    assert result.layers[4].node.op.word == "hardsigmoid"


def test_squeeze_excite_without_activations() -> None:
    result = analysis_of("squeeze_excite", (32, 9, 9), activation="none", gate="none")
    assert names_of(result) == ["pool", "squeeze", "excite", "scale"]


# fire


def test_fire_of_128_channels() -> None:
    """2,064 + 1,088 + 9,280 = 12,432 parameters, 0.084 of the dense 3x3 convolution of 128 channels."""
    result = analysis_of("fire", (128, 55, 55), squeeze=16, expand1x1=64, expand3x3=64)
    by_name = {layer.node.name: layer.cost.params for layer in result.layers}
    assert output_of(result) == (128, 55, 55)
    assert by_name["x.squeeze"] == 16 * (128 + 1) == 2_064
    assert by_name["x.expand1x1"] == 64 * (16 + 1) == 1_088
    assert by_name["x.expand3x3"] == 64 * (9 * 16 + 1) == 9_280
    assert result.totals.params == 2_064 + 1_088 + 9_280 == 12_432
    dense = analysis_of("grouped", (128, 55, 55), out_channels=128, groups=1).totals.params
    assert dense == 128 * (9 * 128 + 1) == 147_584
    assert round(12_432 / 147_584, 4) == 0.0842


def test_fire_multiplies_at_every_position() -> None:
    """H W (C S + S E1 + 9 S E3)."""
    result = analysis_of("fire", (128, 55, 55), squeeze=16, expand1x1=64, expand3x3=64)
    assert result.totals.macs == 55 * 55 * (128 * 16 + 16 * 64 + 9 * 16 * 64) == 37_171_200


def test_fire_concatenates_its_activated_branches() -> None:
    result = analysis_of("fire", (8, 10, 10), squeeze=2, expand1x1=3, expand3x3=5)
    convolutions = ["squeeze", "squeeze_act", "expand1x1", "expand1x1_act", "expand3x3", "expand3x3_act"]
    assert names_of(result) == [*convolutions, "concat"]
    assert output_of(result) == (3 + 5, 10, 10)
    # a bias and a comparison an element of each of the three convolutions
    assert result.totals.flops - 2 * result.totals.macs == 2 * 100 * (2 + 3 + 5)
    assert result.totals.activations == 2 * 100 * (2 + 3 + 5) + 100 * 8  # the joined map is written once more


@pytest.mark.parametrize(("shape", "taps"), [((16, 50), 3), ((16, 7, 9), 9), ((16, 3, 4, 5), 27)])
def test_fire_on_one_to_three_axes(shape: tuple[int, ...], taps: int) -> None:
    result = analysis_of("fire", shape, squeeze=4, expand1x1=6, expand3x3=10, activation="none")
    assert output_of(result) == (16, *shape[1:])
    assert result.totals.weights == 16 * 4 + 4 * 6 + taps * 4 * 10
    assert result.totals.params == 4 * (16 + 1) + 6 * (4 + 1) + 10 * (taps * 4 + 1)


# Wrong fields and inputs

WHOLE = "a whole number of at least 1"


WRONG_FIELDS = [
    ("squeeze_excite", {}, 'squeeze_excite "x": reduction (=16) must divide the channels (=60)'),
    ("squeeze_excite", {"reduction": 0}, f'squeeze_excite "x": reduction is 0; it must be {WHOLE}'),
    (
        "squeeze_excite",
        {"squeeze": 4},
        'squeeze_excite "x": unknown field "squeeze"; squeeze_excite takes reduction, squeeze_channels, activation,'
        ' gate; did you mean "squeeze_channels"?',
    ),
    (
        "fire",
        {"squeeze": 4, "expand1x1": 4},
        f'fire "x": the required field expand3x3 is missing; it must be {WHOLE}',
    ),
    (
        "fire",
        {"squeeze": 4, "expand1x1": 4, "expand3x3": "many"},
        f'fire "x": expand3x3 is "many"; it must be {WHOLE}',
    ),
]


@pytest.mark.parametrize(("word", "fields", "message"), WRONG_FIELDS)
def test_wrong_fields(word: str, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(FieldError) as caught:
        analysis_of(word, (60, 8, 8), **fields)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("word", "fields", "message"),
    [
        (
            "squeeze_excite",
            {"squeeze_channels": 2},
            'squeeze_excite "x": global_avg_pool "pool": the input 60 has no spatial axis to pool',
        ),
        (
            "fire",
            {"squeeze": 4, "expand1x1": 4, "expand3x3": 4},
            'fire "x": conv "squeeze": it needs an input of channels and 1 to 3 spatial axes, not 60',
        ),
    ],
)
def test_an_input_without_spatial_axes(word: str, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(GraphError) as caught:
        analysis_of(word, (60,), **fields)
    assert str(caught.value) == message
