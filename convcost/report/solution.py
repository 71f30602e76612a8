"""The answer of `solve` as a table and as JSON."""

from __future__ import annotations

import json
from typing import Any

from convcost.analysis.result import plain
from convcost.frontends.solve import Solution
from convcost.metrics import METRICS
from convcost.ops.kinds import show
from convcost.report.table import Cell, Column, Table
from convcost.version import __version__

__all__ = ["solution_json", "solution_table"]

SCHEMA = "convcost.solution/1"


def solution_table(solution: Solution) -> Table:
    """The answer and the next larger value, with their totals."""
    metric = METRICS[solution.metric]
    lines = [(solution.value, solution.figure, "yes"), (solution.next_value, solution.next_figure, "no")]
    return Table(
        columns=(
            Column(key=solution.variable, title=solution.variable),
            Column(key=solution.metric, title=metric.title),
            Column(key="share", title="of the budget"),
            Column(key="within", title="within", right=False),
        ),
        rows=tuple(_row(value, figure, word, solution.budget) for value, figure, word in lines if value is not None),
        head=(_title(solution),),
        notes=_notes(solution),
    )


def _row(value: Any, figure: int, word: str, budget: int) -> tuple[Cell, ...]:
    share = figure / budget if budget else None
    return (
        Cell(value=plain(value), text=show(value)),
        Cell(value=figure, text=f"{figure:,}"),
        Cell(value=None if share is None else round(share, 6), text="-" if share is None else f"{100 * share:.2f}%"),
        Cell(value=word == "yes", text=word),
    )


def _title(solution: Solution) -> str:
    metric = METRICS[solution.metric]
    budget = f"at most {solution.budget:,} {metric.title}"
    if solution.value is None:
        return f"{solution.target}: no {solution.variable} has {budget}"
    return f"{solution.target}: {solution.variable} = {show(solution.value)} is the largest with {budget}"


def _notes(solution: Solution) -> tuple[str, ...]:
    name = solution.variable
    notes = []
    if solution.value is None:
        notes.append(f"The row is the smallest {name} with which the network stands.")
    if solution.proved:
        notes.append(
            f"Exact: {METRICS[solution.metric].title} never fall as {name} grows, which the closed form shows."
        )
    else:
        tried = f"every value up to {show(solution.up_to)} was tried"
        notes.append(f"{tried[0].upper()}{tried[1:]}" + (f": {solution.reason}." if solution.reason else "."))
    if solution.beyond:
        notes.append(f"No larger {name} that was tried has a network; --up-to tries more.")
    if solution.step != 1:
        notes.append(f"{name} is a multiple of {show(solution.step)}; --step sets another.")
    notes += [f"Assumed: {text}" for text in solution.assumptions]
    return tuple(notes)


def solution_json(solution: Solution) -> str:
    """The answer as JSON."""
    document = {
        "schema": SCHEMA,
        "tool": {"name": "convcost", "version": __version__},
        **{name: plain(value) for name, value in solution.as_dict().items()},
    }
    return json.dumps(document, indent=1)
