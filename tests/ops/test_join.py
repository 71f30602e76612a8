"""Joins: worked examples and refusals."""

import pytest

from convcost.formulas.symbolic import assumptions, size_symbol
from telling import refusal, told


@pytest.mark.parametrize("word", ["add", "multiply"])
@pytest.mark.parametrize(
    ("leading", "shapes", "out", "flops"),
    [
        (0, [(64, 7, 7), (64, 7, 7)], (64, 7, 7), 3_136),  # 64 x 7 x 7, once
        (0, [(4, 3), (4, 3), (4, 3)], (4, 3), 24),  # 12 elements, twice
        (0, [(64, 7, 7), (64, 1, 1)], (64, 7, 7), 3_136),  # a gate a channel
        (0, [(1, 7, 7), (64, 1, 1)], (64, 7, 7), 3_136),  # a gate a position, and both stretch
        (0, [(5,), (5,)], (5,), 5),
        (1, [(10, 4, 3), (10, 4, 3)], (10, 4, 3), 120),  # 10 x 4 x 3, once
        (1, [(10, 4, 3), (1, 4, 1)], (10, 4, 3), 120),
    ],
)
def test_add_and_multiply(
    word: str, leading: int, shapes: list[tuple[int, ...]], out: tuple[int, ...], flops: int
) -> None:
    assert told(word, *shapes, leading=leading) == {"shape": out, "elementwise": flops}


@pytest.mark.parametrize("word", ["add", "multiply"])
def test_one_value_is_nothing_to_join(word: str) -> None:
    assert refusal(word, (4, 3)) == f'{word} "stem": it joins at least two values, not 1'


@pytest.mark.parametrize(
    ("leading", "shapes", "out"),
    [
        (0, [(64, 55, 55), (64, 55, 55)], (128, 55, 55)),  # a fire module: 64 + 64
        (0, [(24, 9), (216, 9), (8, 9)], (248, 9)),  # 24 + 216 + 8
        (0, [(3,), (4,)], (7,)),
        (0, [(2, 3, 4, 5), (1, 3, 4, 5)], (3, 3, 4, 5)),
        (1, [(10, 3, 5), (10, 4, 5)], (10, 7, 5)),  # the leading axis stays
        (2, [(10, 6, 3), (10, 6, 4)], (10, 6, 7)),
        (0, [(3, 5)], (3, 5)),
    ],
)
def test_concat(leading: int, shapes: list[tuple[int, ...]], out: tuple[int, ...]) -> None:
    assert told("concat", *shapes, leading=leading) == {"shape": out}


@pytest.mark.parametrize("word", ["add", "multiply"])
@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (
            [(64, 56, 56), (256, 56, 56)],
            "the operands are 64x56x56 and 256x56x56; they must be equal, or 1, on every axis",
        ),
        (
            [(64, 5), (64, 5), (64, 4)],
            "the operands are 64x5 and 64x5 and 64x4; they must be equal, or 1, on every axis",
        ),
        ([(64, 5), (64,)], "the operands are 64x5 and 64; they must have equally many axes"),
    ],
)
def test_refusals_of_add_and_multiply(word: str, shapes: list[tuple[int, ...]], message: str) -> None:
    assert refusal(word, *shapes) == f'{word} "stem": {message}'


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ([(64, 7, 7), (32, 7, 6)], "the inputs are 64x7x7 and 32x7x6; only the channels may differ"),
        ([(64, 7, 7), (64, 1, 1)], "the inputs are 64x7x7 and 64x1x1; only the channels may differ"),
        ([(64, 7), (64,)], "the inputs are 64x7 and 64; they must have equally many axes"),
    ],
)
def test_refusals_of_concat(shapes: list[tuple[int, ...]], message: str) -> None:
    assert refusal("concat", *shapes) == f'concat "stem": {message}'


def test_concat_holds_leading_axes_equal() -> None:
    message = "the inputs are 2x3x5 and 4x3x5; only the channels may differ"
    assert refusal("concat", (2, 3, 5), (4, 3, 5), leading=1) == f'concat "stem": {message}'


@pytest.mark.parametrize("word", ["add", "multiply", "concat"])
def test_joins_take_no_fields(word: str) -> None:
    message = f'{word} "stem": unknown field "dim"; {word} takes no fields'
    assert refusal(word, (4, 3), (4, 3), dim=1) == message


@pytest.mark.parametrize("word", ["add", "multiply"])
def test_a_symbolic_axis_may_equal_a_number(word: str) -> None:
    """It is taken to be that number, and what is taken for granted is recorded."""
    channels = size_symbol("channels")
    with assumptions() as found:
        assert told(word, (channels, 1), (8, 5))["shape"] == (8, 5)
    assert [assumption.text for assumption in found] == ["channels = 8"]
    assert told(word, (1, 5), (channels, 5))["elementwise"] == 5 * channels


def test_symbolic_channels_add_up() -> None:
    first, second = size_symbol("first"), size_symbol("second")
    assert told("concat", (first, 5), (second, 5), (3, 5))["shape"] == (first + second + 3, 5)
