"""Activations: worked examples and refusals."""

from typing import Any

import pytest

from convcost.formulas.symbolic import size_symbol
from convcost.ops import OPERATORS
from telling import refusal, told

SHAPE = (16, 5, 4)  # 16 x 5 x 4 = 320 elements

FLOPS_OF_ONE_ELEMENT = {
    "relu": 1,  # comparison
    "relu6": 2,  # two comparisons
    "leaky_relu": 2,  # comparison, multiplication
    "elu": 4,  # comparison, exp, subtraction, multiplication
    "sigmoid": 4,  # negation, exp, addition, division
    "hardsigmoid": 4,  # addition, two comparisons, division
    "tanh": 1,  # tanh
    "silu": 5,  # sigmoid's four, multiplication
    "hardswish": 5,  # hardsigmoid's four, multiplication
    "gelu": 5,  # x / 2, its quotient by sqrt 2, erf, addition, product
    "mish": 5,  # exp, addition, log, tanh, multiplication
    "softplus": 3,  # exp, addition, log
    "softmax": 5,  # comparison, subtraction, exp, addition, division
}
IN_PLACE = ["relu", "relu6", "leaky_relu", "elu", "hardsigmoid", "silu", "hardswish", "mish"]


@pytest.mark.parametrize("word", FLOPS_OF_ONE_ELEMENT)
def test_activations_without_parameters(word: str) -> None:
    each = FLOPS_OF_ONE_ELEMENT[word]
    assert told(word, SHAPE) == {"shape": SHAPE, "elementwise": 320 * each}
    assert told(word, (3, *SHAPE), leading=1) == {"shape": (3, *SHAPE), "elementwise": 960 * each}
    assert told(word, (7,)) == {"shape": (7,), "elementwise": 7 * each}


@pytest.mark.parametrize("word", IN_PLACE)
def test_activations_in_place(word: str) -> None:
    assert told(word, SHAPE, inplace=True) == {
        "shape": SHAPE,
        "elementwise": 320 * FLOPS_OF_ONE_ELEMENT[word],
        "in_place": True,
        "describe": "in place",
    }
    assert "in_place" not in told(word, SHAPE, inplace=False)


def test_prelu() -> None:
    # one slope; 320 elements, a comparison and a multiplication each
    assert told("prelu", SHAPE) == {"shape": SHAPE, "params": 1, "elementwise": 640, "describe": "one slope"}
    # a slope a channel; 3 inputs
    assert told("prelu", (3, *SHAPE), leading=1, num_parameters=16) == {
        "shape": (3, *SHAPE),
        "params": 16,
        "elementwise": 1_920,
        "describe": "16 slopes",
    }


def test_every_activation_is_tested() -> None:
    activations = {word for word, cls in OPERATORS.items() if cls.family == "activation"}
    assert activations == {*FLOPS_OF_ONE_ELEMENT, "prelu"}
    assert {word for word in activations if "inplace" in OPERATORS[word].fields} == set(IN_PLACE)


@pytest.mark.parametrize("word", IN_PLACE)
@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"inplace": 1}, "inplace is 1; it must be true or false"),
        ({"in_place": True}, 'unknown field "in_place"; {word} takes inplace; did you mean "inplace"?'),
    ],
)
def test_refusals_in_place(word: str, fields: dict[str, Any], message: str) -> None:
    assert refusal(word, SHAPE, **fields) == f'{word} "stem": {message.format(word=word)}'


@pytest.mark.parametrize("word", sorted({*FLOPS_OF_ONE_ELEMENT} - {*IN_PLACE}))
def test_refusals_where_there_is_no_field(word: str) -> None:
    message = f'{word} "stem": unknown field "inplace"; {word} takes no fields'
    assert refusal(word, SHAPE, inplace=True) == message


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"num_parameters": 4}, "num_parameters (=4) must be 1 or the input's channels (=16)"),
        ({"num_parameters": 0}, "num_parameters is 0; it must be a whole number of at least 1"),
        ({"channels": 8}, "channels (=8) must be what the input 16x5x4 has, 16"),
        (
            {"parameters": 16},
            'unknown field "parameters"; prelu takes num_parameters, channels; did you mean "num_parameters"?',
        ),
    ],
)
def test_refusals_of_prelu(fields: dict[str, Any], message: str) -> None:
    assert refusal("prelu", SHAPE, **fields) == f'prelu "stem": {message}'


def test_symbolic_slopes_may_be_as_many_as_there_are_channels() -> None:
    slopes = size_symbol("slopes")
    assert told("prelu", SHAPE, num_parameters=slopes)["params"] == slopes
