"""The closed form of every operator and block, at random numbers, is what the built graph counts."""

from __future__ import annotations

import random
from collections.abc import Iterator
from fractions import Fraction
from math import prod
from typing import Any

import pytest
import sympy

import convcost.blocks  # noqa: F401 - registers the blocks
from convcost.analysis.receptive_field import receptive_fields
from convcost.errors import ConvcostError, GraphError
from convcost.formulas.form_table import DEFAULT, ROWS, Case, Row, Same
from convcost.formulas.operator_forms import OperatorForms, all_forms, forms_of
from convcost.frontends.expression import evaluate
from convcost.graph import Builder
from convcost.ops import BLOCKS, OPERATORS
from convcost.report.entry import entries
from convcost.report.operator_forms import latex_forms

SETTINGS = 20
WORDS = [word for word in (*OPERATORS, *BLOCKS) if ROWS.get(word, DEFAULT).cases]
EACH_CASE = [(word, number) for word in WORDS for number in range(len(ROWS.get(word, DEFAULT).cases))]
FRACTIONS = (Fraction(1, 4), Fraction(1, 2), Fraction(5, 8), Fraction(1))
"""Shares that pruning leaves."""


class Numbers:
    """Random values of the symbols of a form, by field, with what the row of the table says of them."""

    def __init__(self, form: OperatorForms, row: Row, case: Case, seed: int) -> None:
        self.random = random.Random(seed)
        self.form, self.row, self.case = form, row, case
        self.values: dict[str, Any] = {}
        fields = dict.fromkeys(symbol.field for symbol in form.symbols)
        divisors = [field for field in fields if field in row.multiples.values()]
        for field in (*divisors, *(field for field in fields if field not in divisors)):
            axes = [symbol.axis for symbol in form.symbols if symbol.field == field]
            several = [self.draw(field) for _ in axes]
            self.values[field] = tuple(several) if axes[0] is not None else several[0]

    def draw(self, field: str) -> Any:
        if field in ("input_size", "in_features", "stop"):
            return self.random.randint(24, 40)
        if field == "base_width":
            return self.random.randint(16, 64)
        if field in ("keep", "keep_in"):
            return self.random.choice(FRACTIONS)
        if field.endswith("channel_kernel_size"):
            return self.values.get("groups", 1) + 2 * self.random.randint(0, 3)
        if field.endswith("kernel_size"):
            is_odd = any(f"{field} is odd" in text for text in self.form.assumptions)
            return self.random.choice((1, 3, 5) if is_odd else (1, 2, 3, 4))
        if field in self.row.multiples:
            return self.values[self.row.multiples[field]] * self.random.randint(1, 4)
        if field in ("upscale_factor", "downscale_factor", "multiplier", "sections"):
            return self.random.choice((1, 2))
        if "channels" in field or field in ("C_1", "C_2"):
            return 8 * self.random.randint(1, 4)
        if field == "edges":
            return self.random.randint(40, 500)
        if field == "output_size":
            return self.random.randint(2, 5)  # 1 is global pooling, without a stride
        if field in ("ratio", "expand_ratio"):
            return self.random.randint(2, 4)
        low = 2 if field == "stride" and self.has_cases else 0 if "padding" in field else 1
        return self.random.randint(low, 4)

    @property
    def has_cases(self) -> bool:
        return len(self.row.cases) > 1 or self.form.word == "inverted_residual"

    def contradict_the_case(self) -> bool:
        """Whether blocks would build another case on these numbers, or too few channels are shifted."""
        channels = self.values.get("in_channels", 0)
        few = any("shifted" in text for text in self.form.assumptions)
        moved = self.values.get("hidden_channels", channels * self.values.get("expansion", 1))
        return (self.has_cases and channels == self.values.get("out_channels")) or (
            few and moved < prod(self.values["kernel_size"])
        )

    def number(self, name: Any) -> Any:
        """An entry of an input's shape, or the value of a field that has another's symbol."""
        if not isinstance(name, str):
            return name
        found = next(symbol for symbol in self.form.symbols if symbol.name == name)
        value = self.values[found.field]
        return value[found.axis] if found.axis is not None else value

    def set_value(self, setting: Any) -> Any:
        if isinstance(setting, Same):
            return self.number(setting.name)
        return tuple(map(self.set_value, setting)) if isinstance(setting, tuple) else setting

    def fields(self) -> dict[str, Any]:
        """The fields with which the graph is built."""
        word = self.form.word
        known = OPERATORS[word].field_annotations if word in OPERATORS else BLOCKS[word].arguments
        drawn = {field: value for field, value in self.values.items() if field in known and field != "in_channels"}
        drawn.pop("in_features", None)
        settings = {field: self.set_value(value) for field, value in self.case.set.items() if type(value) is not object}
        return {**drawn, **settings}


def built(numbers: Numbers) -> dict[str, Any]:
    """What the graph of integers counts."""
    b = Builder()
    inputs = [
        b.input(tuple(map(numbers.number, shape)), name=f"input{number}")
        for number, shape in enumerate(numbers.case.shapes)
    ]
    output = b.apply(numbers.form.word, *inputs, name="x", **numbers.fields())
    graph = b.graph()
    field = receptive_fields(graph)[output.position] if numbers.row.field else None
    axes = () if field is None else field.axes
    layers = [(node.op, graph.input_shapes(node), node.shape) for node in graph.layers]
    return {
        "weights": sum(op.weights() for op, _, _ in layers),
        "params": sum(op.params() for op, _, _ in layers),
        "macs": sum(op.macs(*shapes) for op, *shapes in layers),
        "elementwise": sum(op.elementwise(*shapes) for op, *shapes in layers),
        "output": output.shape,
        **{part: tuple(getattr(axis, part) for axis in axes) for part in ("size", "stride", "start")},
    }


def settings(word: str, case: int) -> Iterator[tuple[Numbers, dict[str, Any]]]:
    """Twenty settings on which the operator can stand, and its counts there."""
    row = ROWS.get(word, DEFAULT)
    chosen = row.cases[case]
    form = forms_of(word, case=case)
    found = 0
    for seed in range(2000):
        numbers = Numbers(form, row.in_case(chosen), chosen, seed)
        if numbers.contradict_the_case():
            continue
        try:
            counts = built(numbers)
        except ConvcostError:
            continue
        found += 1
        yield numbers, counts
        if found == SETTINGS:
            return
    raise AssertionError(f"{word} stood on {found} settings only")


@pytest.mark.parametrize(("word", "case"), EACH_CASE, ids=lambda value: str(value))
def test_the_closed_form_at_numbers_is_what_the_graph_counts(word: str, case: int) -> None:
    for numbers, counts in settings(word, case):
        told = numbers.form.at(numbers.values)
        axes = numbers.form.receptive_field
        for place, axis in enumerate(axes):
            size, start = told["size"][place], told["start"][place]
            assert size >= counts["size"][place] if axis.is_bound else size == counts["size"][place]
            assert start in (None, counts["start"][place])
        assert [axis.start is None for axis in axes] == [axis.at_most for axis in axes]
        assert {**told, "size": (), "start": ()} == {**counts, "size": (), "start": ()}


BOUNDS = {"conv_transpose", "upsample", "adaptive_max_pool", "adaptive_avg_pool", "graph_conv", "multipath_gcn"}
"""What an element sees depends on its position, or on the graph."""


def test_fields_are_exact_but_for_those_that_depend_on_the_position() -> None:
    bounds = {word for word in WORDS for form in all_forms(word) for axis in form.receptive_field if axis.is_bound}
    assert bounds == BOUNDS


def test_the_random_numbers_can_fail() -> None:
    numbers, counts = next(settings("dsconv", 0))
    wrong = {**numbers.values, "multiplier": numbers.values["multiplier"] + 1}
    assert numbers.form.at(wrong)["macs"] != counts["macs"]


def test_every_word_has_a_form_or_a_reason_for_none() -> None:
    assert {word for word in (*OPERATORS, *BLOCKS) if not all_forms(word)} == {"opaque"}
    free = {"identity", "dropout", "channel_shuffle"}
    assert {word for word in WORDS if all(form.is_trivial for form in all_forms(word))} == free
    assert set(ROWS) <= {*OPERATORS, *BLOCKS}


@pytest.mark.parametrize("entry", [entry for entry in entries() if entry.relative_cost], ids=lambda entry: entry.word)
def test_the_relative_cost_of_the_docstring_is_the_ratio_computed(entry: Any) -> None:
    form = all_forms(entry.word)[0]
    symbols = {symbol.name: symbol.symbol for symbol in form.symbols}
    sides = [symbol.symbol for symbol in form.symbols if symbol.field == "kernel_size"]
    taps = sides if len(sides) != 1 else sides * 2
    named = {symbol.field: symbol.symbol for symbol in form.symbols if symbol.axis is None}
    named |= {"in_channels": symbols["C"], "out_channels": symbols.get("N", form.output[0])}
    told = evaluate(entry.relative_cost, {**named, "kernel": prod(taps), "kernel_sum": sum(taps)})
    assert sympy.simplify(told - form.ratio) == 0


def ratio_of(word: str, **fields: Any) -> str:
    return str(forms_of(word, fields).ratio)


def test_ratios_of_the_source_texts() -> None:
    assert ratio_of("dsconv", kernel_size=3, multiplier=1) == "1/9 + 1/N"
    assert ratio_of("conv", groups=4) == "1/4"
    # GhostNet: kernels of 1 and 3, ratio 2; the convolution costs 2 C / (C + 9) times as much
    ghost = forms_of("ghost", {"kernel_size": 1, "cheap_kernel_size": 3, "ratio": 2})
    channels = next(symbol.symbol for symbol in ghost.symbols if symbol.name == "C")
    assert sympy.simplify(1 / ghost.ratio - 2 * channels / (channels + 9)) == 0
    assert ghost.assumptions == ("2 divides out_channels",)
    # the matrix N x N as N x M and M x N: 2 M / N, where M = N / reduction
    bottleneck = forms_of(
        "linear_bottleneck", {"in_features": sympy.Symbol("out_features", integer=True, positive=True)}
    )
    assert str(bottleneck.ratio) == "2/reduction"


def test_parameters_of_the_source_texts() -> None:
    # 16 (128 + 1) + 64 (16 + 1) + 64 (9 16 + 1) = 2,064 + 1,088 + 9,280
    fire = forms_of("fire", {"in_channels": 128, "squeeze": 16, "expand1x1": 64, "expand3x3": 64})
    assert fire.params == 12432
    # 128 (9 + 1) + 128 (128 + 1) = 1,280 + 16,512
    separable = forms_of("dsconv", {"in_channels": 128, "out_channels": 128, "kernel_size": 3, "multiplier": 1})
    assert separable.params == 17792
    # (240 / 2 + 1) ... each output has one bias: 9,680 + 800 + 9,840
    fields = {"in_channels": 240, "out_channels": 240, "hidden_channels": 80, "groups": 2, "norm": "none", "stride": 1}
    assert forms_of("shuffle_unit", fields).params == 20320
    assert forms_of("shuffle_unit", {**fields, "hidden_channels": 60}).params == 15300
    assert forms_of("conv", {"in_channels": 240, "out_channels": 240, "kernel_size": 3, "groups": 1}).params == 518640


def test_fixed_fields_leave_no_symbol() -> None:
    fields = {
        "in_channels": 3,
        "out_channels": 8,
        "kernel_size": 3,
        "stride": 2,
        "padding": 1,
        "dilation": 1,
        "groups": 1,
    }
    form = forms_of("conv", {**fields, "input_size": (7, 9)})
    assert form.symbols == ()
    assert form.output == (8, 4, 5)  # floor((7 + 2 - 3) / 2) + 1 and floor((9 + 2 - 3) / 2) + 1
    assert form.macs == 27 * 8 * 20
    assert [(axis.size, axis.stride, axis.start) for axis in form.receptive_field] == [(3, 2, -1)] * 2


def test_a_word_without_a_form_is_refused() -> None:
    with pytest.raises(GraphError) as refused:
        forms_of("opaque")
    assert str(refused.value) == "opaque has no closed form number 0; it has 0"
    with pytest.raises(GraphError) as unknown:
        forms_of("dscnv")
    assert str(unknown.value) == 'unknown operator "dscnv"; did you mean "dsconv"?'


@pytest.mark.parametrize("word", WORDS)
def test_latex_has_balanced_braces_and_brackets(word: str) -> None:
    text = latex_forms(word)
    for opening, closing in (("{", "}"), (r"\left", r"\right"), (r"\begin", r"\end")):
        assert text.count(opening) == text.count(closing)
    depth = 0
    for character in text:
        depth += (character == "{") - (character == "}")
        assert depth >= 0
