"""The largest value within a budget: exact where it is proved, and where every value is tried."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import convcost
from convcost.errors import ConvcostError
from convcost.formulas.growth import never_falls
from convcost.formulas.search import by_halving, from_above
from convcost.frontends.formula import formula
from convcost.frontends.solve import solve


def macs_at(resolution: int) -> int:
    total: int = convcost.analyze(convcost.load("mobilenet_v1", resolution=resolution)).totals.macs
    return total


def test_the_answer_is_within_and_the_next_is_not() -> None:
    """160 = 5 x 32: 25 x 11,586,048 + 1,024,000 = 290,675,200; 161 has one position more on every map."""
    found = solve("mobilenet_v1", "resolution", macs=300_000_000)
    assert (found.value, found.figure) == (160, 290_675_200)
    assert (found.next_value, found.next_figure) == (161, macs_at(161)) == (161, 345_756_608)
    assert found.proved


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 300))
def test_a_total_as_budget_gives_its_value_back(resolution: int) -> None:
    """The largest resolution with the MACs of this one: sizes that round to the same maps cost the same."""
    found = solve("mobilenet_v1", "resolution", macs=macs_at(resolution))
    assert found.value >= resolution
    assert found.figure == macs_at(resolution) < found.next_figure


def test_a_multiplier_is_found_to_its_step() -> None:
    found = solve("mobilenet_v1", "width", params=2_000_000)
    assert (found.value, found.next_value, found.step) == (Fraction(643, 1000), Fraction(644, 1000), Fraction(1, 1000))
    assert (found.figure, found.next_figure) == (1_998_118, 2_000_779)
    coarse = solve("mobilenet_v1", "width", params=2_000_000, step=0.25)
    assert (coarse.value, coarse.next_value) == (Fraction(1, 2), Fraction(3, 4))


def test_other_budgets() -> None:
    # 12 x 598^2 + 384 floor(591 / 4)^2 ... are below 768 floor(591 / 4)^2 = 768 x 147^2 = 16,595,712
    peak = solve("alexnet", "resolution", peak_activation_bytes=16 * 2**20)
    assert (peak.value, peak.figure, peak.next_figure) == (598, 16_595_712, 16_822_272)
    int8 = solve("mobilenet_v1", "classes", weight_bytes=14 * 2**20, dtype="int8")
    # 3,206,976 parameters before the classifier, 1,025 a class: floor((14,680,064 - 3,206,976) / 1,025) = 11,193
    assert int8.value == (14_680_064 - 3_206_976) // 1_025 == 11_193
    axis = solve("mobilenet_v1", "height", macs=300_000_000)
    assert (axis.value, axis.next_value) == (112, 113)


def test_a_variable_that_decides_the_structure_is_tried_value_by_value() -> None:
    """ResNet of depth 6 n + 2; between them no network stands."""
    found = solve("resnet20_cifar", "depth", params=1_000_000)
    assert (found.value, found.next_value, found.proved, found.up_to) == (62, 68, False, 80)
    assert found.reason == "depth decides what the network is made of, so there is no closed form"


def test_a_total_that_falls_is_tried_value_by_value() -> None:
    """More towers need fewer weights: the largest number that divides 96 and 256 is 32, beyond which none stands."""
    found = solve("alexnet", "towers", params=60_500_000)
    assert (found.value, found.proved, found.beyond, found.next_value) == (32, False, True, None)


def test_nothing_within_the_budget_tells_the_smallest() -> None:
    found = solve("alexnet", "resolution", macs=1_000)
    assert (found.value, found.figure, found.next_value, found.next_figure) == (None, None, 67, 62_731_296)
    with pytest.raises(ConvcostError):
        convcost.load("alexnet", resolution=66)


@pytest.mark.parametrize("name", ["mobilenet_v1", "unet", "alexnet", "dilatednet", "googlenet", "wavenet"])
def test_what_is_proved_never_to_fall_does_not(name: str) -> None:
    metrics = ("macs", "flops", "activations", "peak_activation_bytes")
    made = formula(name, metrics=metrics)
    (variable,) = made.symbols
    least = made.bounds.least.get(made.symbols[variable], 1)
    for metric in metrics:
        assert never_falls(made, metric, variable)
        figures = [made.value(metric, {variable: least + more}) for more in range(200)]
        assert figures == sorted(figures)


def test_a_difference_is_not_seen_to_grow() -> None:
    made = formula("alexnet", ["towers"], metrics=["params"])
    assert not never_falls(made, "params", "towers")


@given(st.lists(st.integers(0, 50), min_size=1, max_size=30), st.integers(-1, 60), st.sets(st.integers(1, 30)))
def test_both_searches_are_the_scan(rises: list[int], budget: int, missing: set[int]) -> None:
    totals = [sum(rises[: place + 1]) for place in range(len(rises))]

    def estimate(steps: int) -> int:
        return totals[steps - 1] if steps <= len(totals) else 10_000

    def figure(steps: int) -> int | None:
        return None if steps in missing else estimate(steps)

    standing = [steps for steps in range(1, len(totals) + 1) if steps not in missing]
    within = [steps for steps in standing if estimate(steps) <= budget]
    best = max(within, default=None)
    assert by_halving(estimate, figure, budget).steps == best
    if standing:
        assert from_above(figure, budget, len(totals)).steps == best


REFUSED: list[tuple[dict[str, Any], str]] = [
    (
        {"variable": "resolution"},
        "solve needs one budget, and none is given; known are params, weights, buffers, macs, flops, activations,"
        " bytes_moved, weight_bytes, peak_activation_bytes",
    ),
    (
        {"variable": "resolution", "macs": 1, "params": 2},
        "solve needs one budget, and macs and params; known are params, weights, buffers, macs, flops, activations,"
        " bytes_moved, weight_bytes, peak_activation_bytes",
    ),
    ({"variable": "resolution", "macs": -1}, "the budget of macs is -1; it must be a whole number of at least 0"),
    (
        {"variable": "resolution", "params": 9},
        "params does not depend on resolution: it is 4,231,976 at every value; choose another variable or budget",
    ),
    ({"variable": "resolution", "macs": 9, "step": 0.5}, "step is 0.5; resolution takes whole numbers only"),
    (
        {"variable": "width", "macs": 9, "up_to": 100},
        "100,000 values of width up to 100 would have to be tried one by one (as asked for), and at most 5,000 are;"
        " give a larger step, or less to try",
    ),
    (
        {"variable": "resolution", "macs": 9, "variables": {"resolution": 3}},
        "resolution is set to a number; solve looks for it, so leave it out of the settings",
    ),
    (
        {"variable": "depth", "macs": 9},
        'the spec has no variable "depth"; it has width, resolution, classes, and its input the axes height, width; did'
        ' you mean "width"?',
    ),
]


@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_questions_that_have_no_answer(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConvcostError) as refused:
        solve("mobilenet_v1", **options)
    assert str(refused.value) == message
