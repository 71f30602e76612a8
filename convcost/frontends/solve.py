"""The largest value of a variable with which a network stays within a budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from convcost.analysis.cost import analyze
from convcost.errors import ConvcostError, nearest_hint
from convcost.formulas.resized import resized
from convcost.formulas.search import Answer, by_halving, from_above, whole_or_fraction
from convcost.frontends.formula import axes_of, decimal_variables, formula
from convcost.frontends.load import load_spec
from convcost.graph import Graph
from convcost.metrics import METRICS
from convcost.ops.kinds import as_whole, is_symbolic, show
from convcost.record import Record

__all__ = ["BUDGETS", "Solution", "solve"]

BUDGETS = tuple(key for key, metric in METRICS.items() if key != "arithmetic_intensity")
"""The totals that can have a budget."""
MOST_TRIED = 5_000
REACH = 4
"""Where every value is tried, they go up to so many times the value of the spec."""
LEAST_REACH = 64
DECIMAL_STEP = Fraction(1, 1000)


class Solution(Record):
    """The largest value of `variable` among multiples of `step` whose total is within the budget (None: there is none),
    and the next larger value with which a network stands.

    `proved` says that the total is seen never to fall as the variable grows; else every value up to `up_to` was tried.
    `reason` says why it is not, `assumptions` under what the closed form holds.
    """

    target: str
    variable: str
    metric: str
    budget: int
    value: Any
    figure: Any
    next_value: Any
    next_figure: Any
    step: Any
    proved: bool
    up_to: Any = None
    beyond: bool = False
    reason: str = ""
    assumptions: tuple[str, ...] = ()


def solve(
    target: str,
    variable: str,
    *,
    variables: Mapping[str, Any] | None = None,
    step: Any = None,
    up_to: Any = None,
    batch: int = 1,
    dtype: str = "float32",
    **budget: Any,
) -> Solution:
    """The largest value of a variable, or of `height`, `width`, `length` or `depth` of the input, within a budget:
    `solve("mobilenet_v1", "resolution", macs=300_000_000)`.

    Raises:
        ConvcostError: there is not one budget, the variable is unknown, or the total does not depend on it.
        SpecError: the spec has mistakes, all of which are listed.
    """
    metric, limit = _one_budget(budget)
    network = _Network(target, variable, dict(variables or {}), metric, batch, dtype)
    width = network.step if step is None else _above_zero("step", step)
    if network.step == 1 and as_whole(width) is None:
        raise ConvcostError(f"step is {show(width)}; {variable} takes whole numbers only")
    if network.made is not None and up_to is None:
        return _proved(network, metric, limit, width)
    return _tried(network, limit, width, up_to)


def _one_budget(budget: dict[str, Any]) -> tuple[str, int]:
    for name in budget:
        if name not in BUDGETS:
            raise ConvcostError(
                f'"{name}" can have no budget; known are {", ".join(BUDGETS)}{nearest_hint(name, BUDGETS)}'
            )
    if len(budget) != 1:
        found = " and ".join(budget) if budget else "none is given"
        raise ConvcostError(f"solve needs one budget, and {found}; known are {', '.join(BUDGETS)}")
    ((metric, limit),) = budget.items()
    whole = as_whole(limit)
    if whole is None or whole < 0:
        raise ConvcostError(f"the budget of {metric} is {show(limit)}; it must be a whole number of at least 0")
    return metric, whole


def _above_zero(name: str, value: Any) -> Any:
    exact = Fraction(repr(value)) if isinstance(value, float) else value
    if isinstance(exact, bool) or not isinstance(exact, (int, Fraction)) or exact <= 0:
        raise ConvcostError(f"{name} is {show(value)}; it must be a number above 0")
    return exact


class _Network:
    """A network at any value of the variable: its exact figure, and its closed form where it has one."""

    def __init__(
        self, target: str, variable: str, variables: dict[str, Any], metric: str, batch: int, dtype: str
    ) -> None:
        self.target, self.variable, self.variables, self.metric = target, variable, variables, metric
        self.batch, self.dtype = batch, dtype
        if variable in variables:
            raise ConvcostError(f"{variable} is set to a number; solve looks for it, so leave it out of the settings")
        self.written = load_spec(target, variables).graph
        analyze(self.written, batch=batch, dtype=dtype)  # a wrong batch or dtype is no property of a value
        self.is_variable = variable in self.written.variables
        self.axis = -1 if self.is_variable else self._axis()
        self.default = self.written.variables[variable] if self.is_variable else self.written.inputs[0].shape[self.axis]
        if isinstance(self.default, (bool, str)) or is_symbolic(self.default):
            raise ConvcostError(f"{variable} is {show(self.default)}, and no number; solve looks for numbers")
        decimal = isinstance(self.default, Fraction) or (self.is_variable and variable in decimal_variables(target))
        self.step: Any = DECIMAL_STEP if decimal else 1
        self.known: dict[Any, Any] = {}
        self.made, self.reason = self._closed_form()

    def _axis(self) -> int:
        axes = axes_of(self.written)
        for place, pair in enumerate(axes, 1):
            if self.variable in pair:
                return place
        words = [*self.written.variables, *(word for word, _ in axes)]
        has = f"it has {', '.join(self.written.variables)}" if self.written.variables else "it has none"
        spatial = f", and its input the axes {', '.join(word for word, _ in axes)}" if axes else ""
        hint = nearest_hint(self.variable, words)
        raise ConvcostError(f'the spec has no variable "{self.variable}"; {has}{spatial}{hint}')

    def _closed_form(self) -> tuple[Any, str]:
        """The closed form, if its total is seen never to fall; and else why not."""
        from convcost.formulas.growth import depends_on, never_falls

        try:
            made = formula(
                self.target,
                [self.variable],
                variables=self.variables,
                metrics=[self.metric],
                batch=self.batch,
                dtype=self.dtype,
            )
        except ConvcostError:
            return None, f"{self.variable} decides what the network is made of, so there is no closed form"
        if not made.assumptions and not depends_on(made, self.metric, self.variable):
            figure = self.figure(self.default)
            raise ConvcostError(
                f"{self.metric} does not depend on {self.variable}: it is {figure:,} at every value; choose another"
                " variable or budget"
            )
        if never_falls(made, self.metric, self.variable):
            return made, ""
        return (
            None,
            f"the closed form does not show that {METRICS[self.metric].title} never fall as {self.variable} grows",
        )

    def graph(self, value: Any) -> Graph:
        if self.is_variable:
            return load_spec(self.target, {**self.variables, self.variable: value}).graph
        shapes = {
            node.name: (*node.shape[: self.axis], value, *node.shape[self.axis + 1 :]) for node in self.written.inputs
        }
        return resized(self.written, shapes)

    def figure(self, value: Any) -> Any:
        """The exact total at a value; None where no network stands."""
        if value not in self.known:
            try:
                graph = self.graph(value)
            except ConvcostError:
                self.known[value] = None
            else:
                totals = analyze(graph, batch=self.batch, dtype=self.dtype).totals
                self.known[value] = getattr(totals, self.metric)
        return self.known[value]


def _solution(network: _Network, limit: int, step: Any, answer: Answer, **more: Any) -> Solution:
    def at(steps: int | None) -> Any:
        return None if steps is None else whole_or_fraction(steps, step)

    return Solution(
        target=network.target,
        variable=network.variable,
        metric=network.metric,
        budget=limit,
        value=at(answer.steps),
        figure=answer.figure,
        next_value=at(answer.next_steps),
        next_figure=answer.next_figure,
        step=step,
        beyond=answer.beyond,
        **more,
    )


def _proved(network: _Network, metric: str, limit: int, step: Any) -> Solution:
    made = network.made
    least = made.bounds.least.get(made.symbols[network.variable], 0)

    def estimate(steps: int) -> Any:
        value = whole_or_fraction(steps, step)
        return -1 if value < least else made.value(metric, {network.variable: value})

    def figure(steps: int) -> Any:
        value = whole_or_fraction(steps, step)
        return None if value < least else network.figure(value)

    answer = by_halving(estimate, figure, limit)
    assumed = tuple(assumption.text for assumption in made.assumptions)
    return _solution(network, limit, step, answer, proved=True, assumptions=assumed)


def _tried(network: _Network, limit: int, step: Any, up_to: Any) -> Solution:
    reach = max(REACH * network.default, LEAST_REACH * step) if up_to is None else _above_zero("up_to", up_to)
    most = int(Fraction(reach) / Fraction(step))
    if most > MOST_TRIED:
        raise ConvcostError(
            f"{most:,} values of {network.variable} up to {show(reach)} would have to be tried one by one"
            f" ({network.reason or 'as asked for'}), and at most {MOST_TRIED:,} are; give a larger step, or less to try"
        )
    if most < 1:
        raise ConvcostError(f"no multiple of {show(step)} lies up to {show(reach)}; give a smaller step")
    answer = from_above(_of_steps(network.figure, step), limit, most)
    if answer.steps is None and answer.next_steps is None:
        raise ConvcostError(f"no network stands at any value of {network.variable} up to {show(reach)}; try more")
    highest = whole_or_fraction(most, step)
    return _solution(network, limit, step, answer, proved=False, up_to=highest, reason=network.reason)


def _of_steps(figure: Callable[[Any], Any], step: Any) -> Callable[[int], Any]:
    return lambda steps: figure(whole_or_fraction(steps, step))
