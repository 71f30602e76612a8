"""Receptive fields in closed form: those of integers on every bundled network, and worked starts under `same`."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
import sympy

import convcost
from convcost.analysis.axis_map import least
from convcost.analysis.receptive_field import AxisField, receptive_fields
from convcost.errors import ConvcostError
from convcost.formulas.closed_form import Formula
from convcost.formulas.functions import value_of
from convcost.formulas.notation import code_text
from convcost.formulas.receptive_field import FieldForm, network_field_forms
from convcost.formulas.symbolic import size_symbol
from convcost.frontends.load import bundled_names
from convcost.graph import Builder
from networks import network_at
from stacks import conv, stack, step

SIZES = 20
BOUNDED = {"mpgcn_arxiv"}
"""Which vertices are seen depends on the graph."""


def values_of(made: Formula, values: dict[str, int]) -> Callable[[Any], Any]:
    """The value of an expression of the closed form where the variables have these values."""
    found = made.receptive_fields
    assert found is not None
    table: dict[Any, Any] = {made.symbols[name]: value for name, value in values.items()}
    for symbol, name in found.sizes.names.items():
        table[symbol] = value_of(name.expression, table)
    return lambda expression: None if expression is None else value_of(expression, table)


def hold(form: FieldForm, place: int, axis: AxisField, value: Callable[[Any], Any]) -> None:
    """The closed form along an axis, with numbers put in, is what the analysis finds on numbers; a bound is no less."""
    local_size = value(form.local_size[place])
    if form.at_most:
        assert value(form.size[place]) >= axis.size
        assert form.start[place] is None
        return
    assert local_size == axis.local_size
    if not form.whole[place]:
        told = (value(form.size[place]), value(form.stride[place]), value(form.start[place]))
        assert told == (axis.size, axis.stride, axis.start)
        assert not axis.whole
    elif axis.whole:
        assert value(form.size[place]) == min(axis.size, axis.input_size)
    else:  # of one position there is nothing else to read
        assert axis.size == local_size
    moving = [seen for seen in axis.local if seen.step != 0]
    if axis.axis is not None and moving and axis.whole == form.whole[place]:
        assert value(form.local_start[place]) == least([seen.lows[0] for seen in moving])
        assert len(moving) > 1 or value(form.local_stride[place]) == moving[0].stride


@pytest.mark.parametrize("name", bundled_names())
def test_fields_of_symbols_are_those_of_numbers(name: str) -> None:
    """Every layer's, at twenty random sizes with which the network stands."""
    made = convcost.formula(name, metrics=["params"])
    found = made.receptive_fields
    assert found is not None
    assert {name} <= BOUNDED or not any(form.at_most for form in found.of_nodes if form is not None)
    draw = random.Random(name)
    evaluated = 0
    while evaluated < SIZES:
        values = {variable: draw.randint(1, max(2 * size, 64)) for variable, size in made.defaults.items()}
        if made.problem(values):
            continue
        try:
            graph = network_at(name, values)
        except ConvcostError:
            continue
        value = values_of(made, values)
        known: set[tuple[int, int]] = set()
        for form, field in zip(found.of_nodes, receptive_fields(graph), strict=True):
            assert (form is None) == (field is None)
            if form is None or field is None or (id(form.size), id(field.axes)) in known:
                continue
            known.add((id(form.size), id(field.axes)))
            for place, axis in enumerate(field.axes):
                hold(form, place, axis, value)
        evaluated += 1


def test_a_start_that_is_off_is_found() -> None:
    made = convcost.formula("xception", metrics=["params"])
    found = made.receptive_fields
    assert found is not None
    assert found.last_local is not None
    form = found.last_local
    graph = network_at("xception", {"resolution": 131})
    axis = next(
        field.axes[0] for field in receptive_fields(graph) if field is not None and field.node.name == form.node.name
    )
    value = values_of(made, {"resolution": 131})
    hold(form, 0, axis, value)
    with pytest.raises(AssertionError):
        hold(form, 0, axis, values_of(made, {"resolution": 133}))


def start_of(*layers: Any) -> Any:
    """Where the field of the last of these layers starts, on an input of n elements."""
    found = network_field_forms(stack(*layers, shape=(1, size_symbol("n"))))
    assert found is not None
    assert found.last_local is not None
    names = {symbol: name.expression for symbol, name in found.sizes.names.items()}
    (start,) = found.last_local.local_start
    return sympy.sympify(start).xreplace(names)


def same(kernel: int, stride: int, name: str = "same") -> Any:
    return conv(name, out_channels=1, kernel_size=kernel, stride=stride, padding="same_tf")


@pytest.mark.parametrize(
    ("kernel", "stride", "expected"),
    [
        (3, 1, [-1, -1, -1, -1]),
        # ceil(n / 2) windows of 3 at steps of 2 span 2 ceil(n / 2) + 1: 1 lacks where n is even, 2 where it is odd; the
        # smaller half stands in front
        (3, 2, [0, -1, 0, -1]),
        (2, 2, [0, 0, 0, 0]),  # 0 or 1 lacks
        (7, 2, [-2, -3, -2, -3]),  # 5 or 6
        (1, 2, [0, 0, 0, 0]),  # nothing lacks: a 1x1 window never hangs over
        # ceil(n / 4) windows of 5 at steps of 4 span 4 ceil(n / 4) + 1: of n = 20, 21, 22, 23: 1, 4, 3, 2
        (5, 4, [0, -2, -1, -1]),
    ],
)
def test_same_padding_by_the_rest_of_the_size(kernel: int, stride: int, expected: list[int]) -> None:
    start = start_of(same(kernel, stride))
    assert [int(start.subs(size_symbol("n"), size)) for size in (20, 21, 22, 23)] == expected


def test_same_padding_is_a_sum_of_floors_without_maxima() -> None:
    start = start_of(*(same(3, 2, f"same{number}") for number in range(4)))
    assert not start.has(sympy.Max, sympy.Min)
    # 2^4 divides 32: at each level an even size, and nothing in front; of 31, 16, 8, 4 the first is odd
    assert [int(start.subs(size_symbol("n"), size)) for size in (32, 31)] == [0, -1]


def test_branches_whose_starts_differ_by_a_constant_leave_no_minimum() -> None:
    # 3 and 7 at stride 2 lack 1 and 5, or 2 and 6: the starts are 2 apart at every size
    b = Builder()
    x = b.input((1, size_symbol("n")))
    fields = {"out_channels": 1, "stride": 2, "padding": "same_tf"}
    b.add(b.conv(x, kernel_size=3, **fields), b.conv(x, kernel_size=7, **fields))
    found = network_field_forms(b.graph())
    assert found is not None
    assert found.last_local is not None
    (start,) = found.last_local.start
    assert found.last_local.size == (7,)
    assert not start.has(sympy.Min, sympy.Max)
    assert found.last_local.aligned


def test_the_last_local_layer_and_the_first_global_one() -> None:
    made = convcost.formula("mobilenet_v3_large", ["height", "width"], metrics=["params"])
    found = made.receptive_fields
    assert found is not None
    last, behind = found.last_local, found.first_global
    assert last is not None
    assert behind is not None
    # behind gates it is global, and 595 (see tests/analysis/test_receptive_field.py) through local operators alone
    assert (last.node.op.word, last.is_global, last.local_size) == ("hardswish", True, (595, 595))
    assert [code_text(size) for size in last.size] == ["height", "width"]
    assert (last.local_stride, last.local_start) == ((32, 32), (-297, -297))
    assert (behind.node.op.word, behind.at_most) == ("global_avg_pool", False)


def test_what_stops_short_of_the_end_is_a_bound_where_it_is_global() -> None:
    """Windows of 2 at steps of 3 leave up to 2 elements: whether the pool behind them sees all, the size decides."""
    n = size_symbol("n")

    def pooled(**fields: Any) -> FieldForm:
        layers = conv("conv", out_channels=1, kernel_size=2, **fields), step("global_avg_pool", "pool")
        found = network_field_forms(stack(*layers, shape=(1, n)))
        assert found is not None
        assert found.first_global is not None
        assert found.first_global.node.name == "pool"
        return found.first_global

    assert pooled(stride=3, padding=1).at_most
    reaching = pooled(stride=2, padding=1)
    assert (reaching.at_most, reaching.size) == (False, (n,))


def test_a_symbol_that_breaks_the_network_gives_bounds_and_no_endless_work() -> None:
    """U-Net's crops have the sizes of its resolution; with another height, what they cut off depends on the height."""
    made = convcost.formula("unet", ["height"], metrics=["params"])
    assert made.assumptions
    found = made.receptive_fields
    assert found is not None
    last = found.of_nodes[-1]
    assert last is not None
    assert (last.at_most, [code_text(size) for size in last.size[:1]]) == (True, ["height"])


def test_an_input_without_axes_has_no_field() -> None:
    made = convcost.formula(stack(step("linear", "linear", out_features=3), shape=(size_symbol("n"),)))
    assert made.receptive_fields is None
