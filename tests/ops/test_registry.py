"""The registry of operators and blocks: what it refuses, and what every entry tells."""

from typing import Any

import pytest

import convcost.blocks  # noqa: F401 - registers the blocks
from convcost.arith import Shape, Size
from convcost.errors import GraphError
from convcost.graph import Builder
from convcost.ops import BLOCKS, OPERATORS, Block, Operator, base, block, catalogue_entry, operator
from convcost.ops.base import Inputs
from convcost.ops.kinds import Count, PerAxis


@pytest.fixture(autouse=True)
def _registry_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is gone behind it."""
    monkeypatch.setattr(base, "OPERATORS", dict(OPERATORS))
    monkeypatch.setattr(base, "BLOCKS", dict(BLOCKS))


class Doubling(Operator):
    """Twice the input. MACs: one an element."""

    free = {"params": "learns nothing"}

    def out_shape(self, inputs: Inputs) -> Shape:
        return inputs[0]

    def macs(self, inputs: Inputs, output: Shape) -> Size:
        return 2

    def elementwise(self, inputs: Inputs, output: Shape) -> Size:
        return 3


def double_twice(b: Builder, x: Any, *, times: Count = 2, kernel_size: PerAxis, plain: int = 1) -> Any:
    """Twice twice the input."""
    return b.doubling(x)


# ---- registering ----


def test_an_operator_is_registered_under_its_word() -> None:
    assert operator("doubling", family="test")(Doubling) is Doubling
    assert catalogue_entry("doubling") is Doubling
    assert (Doubling.word, Doubling.family) == ("doubling", "test")
    assert "doubling" not in OPERATORS


def test_a_block_is_registered_with_its_annotated_arguments() -> None:
    assert block("double_twice", family="test")(double_twice) is double_twice
    entry = catalogue_entry("double_twice")
    assert isinstance(entry, Block)
    assert entry.build is double_twice
    assert (entry.word, entry.family, entry.doc) == ("double_twice", "test", "Twice twice the input.")
    assert entry.arguments == {"times": Count, "kernel_size": PerAxis}
    assert entry.bind({"kernel_size": 3}, (4, 5, 5), 2) == {"times": 2, "kernel_size": (3, 3)}


@pytest.mark.parametrize("word", ["conv", "dsconv"])
def test_a_word_is_registered_once(word: str) -> None:
    with pytest.raises(TypeError) as refused:
        operator(word, family="test")(Doubling)
    assert str(refused.value) == f"{word} is registered already"
    with pytest.raises(TypeError) as refused:
        block(word, family="test")(double_twice)
    assert str(refused.value) == f"{word} is registered already"


@pytest.mark.parametrize(
    ("free", "quantity"),
    [
        ({}, "params"),  # neither a formula nor a reason
        ({"params": "learns nothing", "macs": "none"}, "macs"),  # both
        ({"params": "learns nothing", "elementwise": "none"}, "elementwise"),
    ],
)
def test_a_quantity_has_either_a_formula_or_a_reason(free: dict[str, str], quantity: str) -> None:
    wrong = type("Wrong", (Doubling,), {"free": free})
    with pytest.raises(TypeError) as refused:
        operator("wrong", family="test")(wrong)
    assert str(refused.value) == f"wrong: {quantity} needs either a formula or a reason in `free`"
    with pytest.raises(GraphError):
        catalogue_entry("wrong")


def test_an_unsupported_operator_needs_neither() -> None:
    unknown = type("Unknown", (Operator,), {"supported": False})
    assert operator("unknown", family="test")(unknown) is unknown


def test_an_unknown_word_is_refused_with_the_nearest() -> None:
    with pytest.raises(GraphError) as refused:
        catalogue_entry("covn")
    assert str(refused.value) == 'unknown operator "covn"; did you mean "conv"?'
    with pytest.raises(GraphError) as refused:
        catalogue_entry("xyzzy")
    assert str(refused.value) == 'unknown operator "xyzzy"'


# ---- what every entry tells ----


@pytest.mark.parametrize("word", OPERATORS)
def test_every_operator_is_documented(word: str) -> None:
    cls = OPERATORS[word]
    assert "__doc__" in vars(cls)
    definition, *rest = (cls.__doc__ or "").splitlines()
    assert definition.endswith((".", ":"))
    assert len(definition) <= 116
    for heading in ("Shapes:", "Parameters", "MACs"):
        assert heading in "\n".join(rest)


@pytest.mark.parametrize("word", OPERATORS)
def test_every_operator_counts_or_says_why_not(word: str) -> None:
    cls = OPERATORS[word]
    assert (cls.word, cls.supported) == (word, word != "opaque")
    assert cls.family
    assert set(cls.free) <= set(Operator.COUNTED)
    assert all(isinstance(reason, str) and reason.strip() for reason in cls.free.values())


def test_fields_an_axis_need_spatial_axes() -> None:
    """Two vectors of channels, and no axis behind them, are refused by all of these, and by no other operator."""
    needing = {word for word, cls in OPERATORS.items() if cls.needs_spatial_axes()}
    windows = {"conv", "self_grouped_conv", "conv_transpose", "max_pool", "avg_pool", "shift", "pad"}
    sizes = {"adaptive_max_pool", "adaptive_avg_pool", "crop", "upsample", "pixel_shuffle", "pixel_unshuffle"}
    assert needing >= windows | sizes | {"instance_norm"}
    for word in needing:
        with pytest.raises(GraphError, match="it needs an input of channels and 1 to 3 spatial axes, not 4"):
            OPERATORS[word].bind(FIELDS.get(word, {}), ((4,),))


def test_no_word_is_both_an_operator_and_a_block() -> None:
    assert not OPERATORS.keys() & BLOCKS.keys()
    assert all(catalogue_entry(word) is cls for word, cls in OPERATORS.items())


# ---- how many inputs ----

FIELDS: dict[str, dict[str, Any]] = {
    "conv": {"out_channels": 3, "kernel_size": 1},
    "conv_transpose": {"out_channels": 3, "kernel_size": 1},
    "linear": {"out_features": 3, "in_features": 4},
    "group_norm": {"num_groups": 1},
    "local_response_norm": {"size": 1},
    "max_pool": {"kernel_size": 1},
    "avg_pool": {"kernel_size": 1},
    "adaptive_max_pool": {"output_size": 1},
    "adaptive_avg_pool": {"output_size": 1},
    "crop": {"size": 1},
    "upsample": {"size": 1},
    "pixel_shuffle": {"upscale_factor": 1},
    "pixel_unshuffle": {"downscale_factor": 1},
}


@pytest.mark.parametrize("word", [word for word, cls in OPERATORS.items() if cls.supported])
@pytest.mark.parametrize("number", [0, 2])
def test_the_number_of_inputs_is_held_to(word: str, number: int) -> None:
    builder = Builder()
    inputs = [builder.input((4, 4), name=f"input{position}") for position in range(number)]
    if OPERATORS[word].many_inputs and number:
        further = [builder.input((4, 4), name="third")] if word == "scaled_dot_product_attention" else []
        assert builder.apply(word, *inputs, *further).position == number + len(further)
        return
    rule = "at least one input" if OPERATORS[word].many_inputs else "one input"
    with pytest.raises(GraphError) as refused:
        builder.apply(word, *inputs, name="stem", **FIELDS.get(word, {}))
    assert str(refused.value) == f'{word} "stem": {word} takes {rule}, not {number}'
