"""A validation as a table: layer, quantity, what the analysis says, what the run says, the difference."""

from __future__ import annotations

from typing import Any, Protocol

from convcost.report.table import Cell, Column, Table, number

__all__ = ["validation_table"]


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


def validation_table(result: Any, show_all: bool) -> Table:
    """The comparisons that disagree, or all of them, with what was compared below."""
    shown = result.comparisons if show_all else result.differences
    return Table(
        columns=COLUMNS if shown else (),
        rows=tuple(_row(comparison) for comparison in shown),
        head=(_verdict(result),),
        notes=tuple(_notes(result)),
    )


def _row(comparison: Compared) -> tuple[Cell, ...]:
    difference = "same"
    if comparison.disagrees:
        both = isinstance(comparison.executed, int) and isinstance(comparison.symbolic, int)
        difference = f"{comparison.executed - comparison.symbolic:+,}" if both else "differs"
    elif comparison.limit is not None:
        difference = "known limit"
    texts = (
        comparison.layer,
        comparison.quantity,
        _shown(comparison.symbolic),
        _shown(comparison.executed),
        difference,
    )
    return tuple(Cell(value=text, text=text) for text in texts)


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
    if result.memory is not None:
        memory = result.memory
        workspace = memory.highest - memory.peak
        notes.append(
            f"Peak activation memory {number(memory.peak)} B; with what operators allocate while they run"
            f" {number(memory.highest)} B ({workspace:+,}), in {memory.highest_at}."
        )
    return notes
