"""Closed forms of specs: exact at random sizes on every bundled network, and worked examples."""

import random
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import sympy

import convcost
from convcost.errors import ConvcostError, SpecError
from convcost.formulas.closed_form import METRICS
from convcost.formulas.notation import code_text, sum_text
from convcost.formulas.polynomial import polynomials
from convcost.formulas.resized import resized
from convcost.frontends.expression import FUNCTIONS
from convcost.frontends.formula import decimal_variables, formula, verified
from convcost.frontends.load import bundled_names
from convcost.graph import Builder
from networks import network_at

EVALUATED = 20


@pytest.mark.parametrize("name", bundled_names())
def test_closed_forms_are_exact_at_random_sizes(name: str) -> None:
    """Twenty random sizes with which the network stands; those at which it is refused, the formula refuses as well."""
    made = convcost.formula(name, metrics=METRICS)
    draw = random.Random(name)
    evaluated = 0
    while evaluated < EVALUATED:
        values = {variable: draw.randint(1, max(2 * size, 64)) for variable, size in made.defaults.items()}
        try:
            graph = network_at(name, values)
        except ConvcostError:
            with pytest.raises(ConvcostError):
                made.at(values)
            continue
        assert made.at(values) == convcost.analyze(graph).totals.as_dict(), values
        evaluated += 1


@pytest.mark.parametrize("name", bundled_names())
def test_polynomials_agree_with_the_closed_form(name: str) -> None:
    made = convcost.formula(name, metrics=METRICS)
    found, why = polynomials(made)
    assert why == ""
    for polynomial in found:
        for number in range(1, 40):
            values = {place.variable: place.stride * number + place.rest for place in polynomial.places}
            if made.problem(values):
                continue
            at = {place.symbol: number for place in polynomial.places}
            for form in polynomial.forms:
                assert max(piece.xreplace(at) for piece in form.alternatives) == made.value(form.metric, values), values


VARIABLES: list[tuple[str, list[str], list[dict[str, Any]]]] = [
    ("mobilenet_v1", ["width"], [{"width": Fraction(number, 16)} for number in range(1, 33)]),
    ("mobilenet_v1", ["width", "resolution", "classes"], [{"width": Fraction(1, 3), "resolution": 97, "classes": 7}]),
    ("mobilenet_v2", ["width"], [{"width": Fraction(number, 20)} for number in range(6, 41)]),
    ("ghostnet", ["width", "resolution"], [{"width": Fraction(n, 10), "resolution": 30 * n} for n in range(4, 20)]),
    ("alexnet", ["towers"], [{"towers": towers} for towers in (1, 2, 4, 8, 16, 32)]),
    ("resnext50_32x4d", ["cardinality", "base_width"], [{"cardinality": 8, "base_width": 4}]),
    ("shiftresnet20", ["expansion"], [{"expansion": expansion} for expansion in range(1, 10)]),
    ("p4m_resnet44", ["width1", "width2", "width3"], [{"width1": 5, "width2": 8, "width3": 13}]),
    ("mpgcn_arxiv", ["papers", "citations", "hidden"], [{"papers": 900, "citations": 5000, "hidden": 32}]),
    ("googlenet", ["large_kernel_size"], [{"large_kernel_size": size} for size in (1, 3, 5, 7)]),
]


@pytest.mark.parametrize(("name", "symbols", "points"), VARIABLES)
def test_other_variables_are_exact_as_well(name: str, symbols: list[str], points: list[dict[str, Any]]) -> None:
    made = convcost.formula(name, symbols, metrics=METRICS)
    for values in points:
        assert verified(made, name, values, {}) == convcost.analyze(convcost.load(name, **values)).totals.as_dict()


def test_mobilenet_v1_is_the_polynomial_of_its_total_stride() -> None:
    """3,200 / 4 + 26,304 / 16 + ... of the formula are 11,586,048 for a square of 32: 3,200 16^2 + 26,304 8^2
    + 101,760 4^2 + 1,467,136 2^2 + 1,586,688 = 819,200 + 1,683,456 + 1,628,160 + 5,868,544 + 1,586,688 = 11,586,048,
    and 1,024 x 1,000 weights of the classifier are met once.
    """
    made = formula("mobilenet_v1", ["height", "width"])
    ((polynomial,), why) = polynomials(made)
    h, w = (sympy.Symbol(name, positive=True, integer=True) for name in "hw")
    assert why == ""
    assert [place.text for place in polynomial.places] == ["height = 32 h", "width = 32 w"]
    macs = next(form for form in polynomial.forms if form.metric == "macs")
    assert macs.alternatives == (11_586_048 * h * w + 1_024_000,)
    assert made.at(height=224, width=224)["macs"] == 49 * 11_586_048 + 1_024_000 == 568_740_352
    assert made.at(height=192, width=320)["macs"] == 60 * 11_586_048 + 1_024_000


def test_terms_are_grouped_by_feature_map() -> None:
    made = formula("mobilenet_v1", metrics=["macs"])
    (alternative,) = made.form("macs").alternatives
    assert [(str(term.factor), str(term.size)) for term in made.terms(alternative)] == [
        ("3200", "ceil(resolution/2)**2"),
        ("26304", "ceil(resolution/4)**2"),
        ("101760", "ceil(resolution/8)**2"),
        ("1467136", "ceil(resolution/16)**2"),
        ("1586688", "ceil(resolution/32)**2"),
        ("1024000", "1"),
    ]


def test_rests_of_the_spec_have_a_polynomial_of_their_own() -> None:
    """AlexNet's 227 is 7 x 32 + 3."""
    found, _ = polynomials(formula("alexnet", metrics=["macs"]))
    assert [[place.text for place in polynomial.places] for polynomial in found] == [
        ["resolution = 32 n"],
        ["resolution = 32 n + 3"],
    ]


def test_expressions_are_in_the_variables_and_in_the_language_of_specs() -> None:
    made = formula("mobilenet_v1", ["resolution", "width"], metrics=["macs"])
    assert {symbol.name for symbol in made.expression("macs").free_symbols} == {"resolution", "width"}
    (alternative,) = made.form("macs").alternatives
    names = {**FUNCTIONS, "resolution": 160, "width": Fraction(1, 2)}
    assert eval(code_text(alternative), {"__builtins__": {}}, names) == made.value(
        "macs", {"resolution": 160, "width": Fraction(1, 2)}
    )


def test_a_graph_has_its_axes_or_its_own_symbols() -> None:
    """3 x 3 x 3 x 8 = 216 weights and 8 biases; floor((n - 3) / 2) + 1 = floor((n - 1) / 2) positions an axis."""
    graph = convcost.load("mobilenet_v1")
    assert convcost.formula(graph).at(height=224, width=224)["macs"] == 568_740_352
    assert list(convcost.formula(graph, ["width"]).symbols) == ["width"]
    n = sympy.Symbol("n", positive=True, integer=True)
    b = Builder()
    b.conv(b.input((3, n, n)), out_channels=8, kernel_size=3, stride=2)
    made = convcost.formula(b.graph(), metrics=["params", "macs"])
    assert [sum_text([term.factor * term.size for term in made.terms(a)]) for (a,) in
            (form.alternatives for form in made.forms)] == ["224", "216 floor((n - 1)/2)^2"]  # fmt: skip
    assert made.at(n=9) == {"params": 224, "macs": 216 * 16}


def test_capitals_name_axes_where_a_variable_has_the_name() -> None:
    made = formula("mobilenet_v1", ["H", "W", "width"], metrics=["macs"])
    at = made.at(H=160, W=224, width=Fraction(1, 2))
    half = convcost.load("mobilenet_v1", width=0.5)
    assert at["macs"] == convcost.analyze(resized(half, {"input": (3, 160, 224)})).totals.macs


def test_the_peak_keeps_what_no_other_reaches() -> None:
    """AlexNet: the input beside the first map, then pairs of maps; every other moment is below one of these."""
    made = formula("alexnet", metrics=["peak_activation_bytes"])
    assert len(made.form("peak_activation_bytes").alternatives) == 4


def test_multipliers_are_told_from_counts() -> None:
    assert decimal_variables("mobilenet_v1") == {"width"}
    assert decimal_variables("alexnet") == set()
    assert "overlap" in decimal_variables("dsxplore_mobilenet_cifar")


def test_assumptions_are_stated_in_names_of_sizes_and_held_at_points() -> None:
    made = formula("googlenet", ["large_kernel_size"], metrics=["macs"])
    assert [assumption.text for assumption in made.assumptions] == [
        "large_kernel_size + 1 = 2*ceil(large_kernel_size/2)"
    ]
    with pytest.raises(ConvcostError) as refused:
        made.at(large_kernel_size=4)
    assert str(refused.value) == (
        "the closed form does not hold at large_kernel_size=4: it assumes that large_kernel_size + 1 ="
        " 2*ceil(large_kernel_size/2)"
    )


REFUSED: list[tuple[str, list[str], dict[str, Any], str]] = [
    (
        "mobilenet_v1",
        ["widht"],
        {},
        'the spec has no variable "widht"; it has width, resolution, classes, and its input the axes height, width; did'
        ' you mean "width"?',
    ),
    ("mobilenet_v1", ["width"], {"width": 1}, "width is set to a number and cannot be a symbol as well"),
    ("dsxplore_mobilenet_cifar", ["windowing"], {}, "windowing is cuda, and no number; it cannot be a symbol"),
]


@pytest.mark.parametrize(("target", "symbols", "variables", "message"), REFUSED)
def test_symbols_that_cannot_be(target: str, symbols: list[str], variables: dict[str, Any], message: str) -> None:
    with pytest.raises(ConvcostError) as refused:
        formula(target, symbols, variables=variables)
    assert str(refused.value) == message


def test_what_decides_the_structure_is_refused_with_its_place() -> None:
    with pytest.raises(SpecError) as refused:
        formula("resnet20_cifar", ["depth"])
    (problem,) = refused.value.problems
    assert (problem.line, problem.message) == (
        20,
        "basic_block: repeat is depth/6 - 4/3; it decides what is built, and must be a whole number from 0 to 250,000"
        " (block stage, used on line 27)",
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "the symbol resolution has no value; give one, such as resolution=227"),
        ({"resolution": 3.5}, "resolution is 3.5; it must be a whole number"),
        ({"resolution": 0}, "resolution is 0; it must be above 0"),
        ({"resolution": "a"}, 'resolution is "a"; it must be a number'),
        ({"width": 2}, '"width" is no symbol of this formula; its symbols are resolution'),
        (
            {"resolution": 20},
            "no such network can stand at resolution=20: the output of max_pool2 would be 256x0x0; every axis must be a"
            " whole number of at least 1",
        ),
    ],
)
def test_points_that_cannot_be(values: dict[str, Any], message: str) -> None:
    made = formula("alexnet", metrics=["macs"])
    with pytest.raises(ConvcostError) as refused:
        made.at(values)
    assert str(refused.value) == message


def test_inputs_of_different_sizes_have_no_common_axis(tmp_path: Path) -> None:
    spec = tmp_path / "two.yaml"
    spec.write_text(
        "variables: {groups: 2}\ninput: {a: [8, 32, 32], b: [8, 16, 16]}\nlayers:\n"
        "  - conv: {out_channels: 8, kernel_size: 3, padding: 1, stride: 2, groups: 'groups if groups > 1 else 1'}\n"
        "    name: x\n    from: a\n  - add:\n    from: [x, b]\n"
    )
    with pytest.raises(ConvcostError) as refused:
        formula(str(spec))
    assert str(refused.value) == (
        "the inputs differ in height; only inputs of one size can have it as a symbol. Name a variable of the spec"
    )
    made = formula(str(spec), ["groups"], metrics=["params"])
    # 8 x 8 x 3 x 3 / 4 = 144 weights and 8 biases
    assert made.at(groups=4) == {"params": 152}
    with pytest.raises(ConvcostError, match="divides 8"):
        made.at(groups=3)
