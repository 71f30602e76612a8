"""A validation as a table: layer, quantity, what the analysis says, what the run says, the difference."""

from __future__ import annotations

from typing import Any, Protocol

from convcost.report.table import Cell, Column, Table, number

__all__ = ["flat_table", "validation_table"]


class Compared(Protocol):
    """One comparison."""

    layer: str
    quantity: str
    symbolic: Any
    executed: Any
    limit: str | None

    @property
    def disagrees(self) -> bool: ...


COLUMNS = (
    Column(key="layer", title="layer", right=False),
    Column(key="quantity", title="quantity", right=False),
    Column(key="symbolic", title="symbolic"),
    Column(key="executed", title="executed"),
    Column(key="difference", title="difference"),
)
TARGET = Column(key="target", title="target", right=False)


def validation_table(result: Any, show_all: bool) -> Table:
    """The comparisons that disagree, or all of them, with what was compared below."""
    shown = result.comparisons if show_all else result.differences
    return Table(
        columns=COLUMNS if shown else (),
        rows=tuple(_row(comparison) for comparison in shown),
        head=(_verdict(result),),
        notes=tuple(_notes(result)),
    )


def flat_table(results: list[tuple[str, Any]], show_all: bool) -> Table:
    """The comparisons of several targets as one table, for CSV."""
    return Table(
        columns=(TARGET, *COLUMNS),
        rows=tuple(
            (Cell(value=target, text=target), *_row(comparison))
            for target, result in results
            for comparison in (result.comparisons if show_all else result.differences)
        ),
    )


def _row(comparison: Compared) -> tuple[Cell, ...]:
    both = isinstance(comparison.executed, int) and isinstance(comparison.symbolic, int)
    difference = comparison.executed - comparison.symbolic if both else None
    if comparison.disagrees:
        said = f"{difference:+,}" if both else "differs"
    else:
        said = "same" if comparison.limit is None else "known limit"
    return (
        Cell(value=comparison.layer, text=comparison.layer),
        Cell(value=comparison.quantity, text=comparison.quantity),
        Cell(value=comparison.symbolic, text=_shown(comparison.symbolic)),
        Cell(value=comparison.executed, text=_shown(comparison.executed)),
        Cell(value=difference, text=said),
    )


def _shown(value: Any) -> str:
    return number(value) if isinstance(value, int) else str(value)


def _verdict(result: Any) -> str:
    layers = len(result.graph.layers)
    name = result.graph.name or "network"
    count = len(result.differences)
    said = "0 differences" if not count else f"{count} difference{'s' if count > 1 else ''}"
    where = f"{result.device}, batch {result.batch}"
    return f"{name}: {said} in {len(result.comparisons):,} comparisons of {layers:,} layers ({where})"


def _notes(result: Any) -> list[str]:
    notes = [f"Not compared: {omitted}." for omitted in result.omitted]
    limits: dict[str, list[str]] = {}
    for comparison in result.limited:
        limits.setdefault(comparison.limit, []).append(comparison.layer)
    for limit, layers in limits.items():
        names = ", ".join(layers[:5]) + (f" and {len(layers) - 5} more" if len(layers) > 5 else "")
        notes.append(f"Known limit of a counter: {limit}: {names}. It says what the limit predicts.")
    if result.memory is not None and result.memory.highest_at:
        memory = result.memory
        workspace = memory.highest - memory.peak
        notes.append(
            f"Peak activation memory {number(memory.peak)} B; with what operators allocate while they run"
            f" {number(memory.highest)} B ({workspace:+,}), in {memory.highest_at}."
        )
    return notes
