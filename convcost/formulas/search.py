"""The largest value within a budget: by halving where a figure is known never to fall, else value by value."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from convcost.errors import ConvcostError
from convcost.record import Record

__all__ = ["Answer", "by_halving", "from_above", "whole_or_fraction"]

FARTHEST = 10**9
"""Steps that a search may go up."""
LONGEST_WALK = 2_000
"""Neighbouring values without a network that are passed over."""

Figure = Callable[[int], Any]
"""The figure at so many steps; None where no network stands."""


class Answer(Record):
    """What a search found, in steps: the largest value within the budget and its figure (None: there is none), and the
    next larger value with a network. `beyond` says that the search ended before the budget was reached."""

    steps: int | None
    figure: Any
    next_steps: int | None
    next_figure: Any
    beyond: bool = False


def by_halving(estimate: Callable[[int], Any], figure: Figure, budget: int) -> Answer:
    """The search where `estimate` never falls, and is the figure wherever a network stands.

    Raises:
        ConvcostError: the budget is not reached, or networks stand so far apart that none is met.
    """
    above = 1
    while estimate(above) <= budget:
        if above >= FARTHEST:
            raise ConvcostError(f"the budget is not reached below {FARTHEST:,} steps; give a smaller one")
        above *= 2
    below = above // 2
    while above - below > 1:
        middle = (above + below) // 2
        below, above = (middle, above) if estimate(middle) <= budget else (below, middle)
    found = _walk(below, -1, lambda value: value >= 1, lambda value: _within(figure(value), budget))
    if found is None and below > LONGEST_WALK:
        raise ConvcostError(
            f"the budget lies at {below:,} steps, and at none of the {LONGEST_WALK:,} below it stands a network, so"
            " that the largest is not known; say up to which value to try (--up-to)"
        )
    larger = _walk(above, 1, lambda value: True, lambda value: figure(value) is not None)
    return Answer(
        steps=found,
        figure=None if found is None else figure(found),
        next_steps=larger,
        next_figure=None if larger is None else figure(larger),
    )


def _within(figure: Any, budget: int) -> bool:
    return figure is not None and figure <= budget


def _walk(start: int, step: int, goes_on: Callable[[int], bool], is_found: Callable[[int], bool]) -> int | None:
    """The first value found on a walk, or None."""
    value = start
    for _ in range(LONGEST_WALK):
        if not goes_on(value):
            return None
        if is_found(value):
            return value
        value += step
    return None


def from_above(figure: Figure, budget: int, most: int) -> Answer:
    """The search downwards from `most`, value by value, which assumes nothing of the figures."""
    larger: tuple[int | None, Any] = None, None
    for value in range(most, 0, -1):
        found = figure(value)
        if found is None:
            continue
        if found <= budget:
            return Answer(
                steps=value, figure=found, next_steps=larger[0], next_figure=larger[1], beyond=larger[0] is None
            )
        larger = value, found
    return Answer(steps=None, figure=None, next_steps=larger[0], next_figure=larger[1])


def whole_or_fraction(steps: int, step: Fraction | int) -> Any:
    """The value after so many steps."""
    value = Fraction(step) * steps
    return value.numerator if value.denominator == 1 else value
