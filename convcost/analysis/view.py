"""Views of an analysis: its layers folded, grouped, sorted and cut. The rows of a view always add up to the totals."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from convcost.analysis.result import Analysis, Cost, LayerCost, cost_json, row_json
from convcost.arith import Shape
from convcost.errors import ConvcostError, nearest_hint
from convcost.graph import Node, Scope
from convcost.metrics import METRICS, metric
from convcost.record import Record

__all__ = ["GROUPINGS", "Row", "View", "folded", "view"]

SORTABLE = (*METRICS, "name")


class Row(Record):
    """One line of a view: a layer, or several together.

    `kind` says what it is: a `layer`, a `fold` of those below a name, a `group` of like ones, or the `rest` behind the
    top. `layers` says how many it holds, `complete` whether the cost of each is known, `last` which comes last, where
    they stand together.
    """

    name: str
    op: str
    cost: Cost
    layers: int
    kind: str = "layer"
    complete: bool = True
    what: str = ""
    block: str | None = None
    output_shape: Shape | None = None
    last: Node | None = None

    def as_json(self) -> dict[str, Any]:
        """The row as a JSON object."""
        row = row_json(self.name, self.op, self.block, self.what, self.output_shape)
        return {**row, **cost_json(self.cost, self.layers, self.complete, self.kind)}


class View(Record):
    """Rows of an analysis, in the order asked for."""

    analysis: Analysis
    rows: tuple[Row, ...]

    def to_json(self) -> str:
        """The analysis as JSON, with these rows as its layers."""
        return self.analysis.document([row.as_json() for row in self.rows], [row.last for row in self.rows])


def view(
    analysis: Analysis,
    *,
    depth: int | None = None,
    group_by: str | None = None,
    sort: str | None = None,
    top: int | None = None,
) -> View:
    """The analysis as rows.

    `depth` folds everything below that many levels of names into one row (None: every layer is a row); `group_by`
    adds up by `op`, `block` or `name-prefix` instead; `sort` orders by a metric, largest first, or by `name`; `top`
    keeps so many rows, and adds up the others in a last one.

    Raises:
        ConvcostError: a value is out of range or unknown.
    """
    if depth is not None and group_by is not None:
        raise ConvcostError("depth folds layers and group_by adds them up; give one of the two")
    if top is not None and top < 1:
        raise ConvcostError(f"top is {top}; it must be at least 1")
    rows = folded(analysis.layers, depth) if group_by is None else _grouped(analysis, group_by)
    if sort is not None:
        rows = _sorted(rows, sort)
    if top is not None and top < len(rows):
        rest = rows[top:]
        name = f"{len(rest)} other rows" if len(rest) > 1 else "1 other row"
        layers, complete = sum(row.layers for row in rest), all(row.complete for row in rest)
        rest_row = Row(name=name, op="", cost=_sum(rest), layers=layers, kind="rest", complete=complete)
        rows = [*rows[:top], rest_row]
    return View(analysis=analysis, rows=tuple(rows))


def _sum(rows: Iterable[Row]) -> Cost:
    return Cost.sum([row.cost for row in rows])


def _gathered(layers: Iterable[LayerCost], key: Callable[[Node], str]) -> dict[str, list[LayerCost]]:
    groups: dict[str, list[LayerCost]] = {}
    for layer in layers:
        groups.setdefault(key(layer.node), []).append(layer)
    return groups


def folded(layers: Iterable[LayerCost], depth: int | None) -> list[Row]:
    """A row for each layer, or for all below so many levels of names.

    Raises:
        ConvcostError: the depth is below 1.
    """
    if depth is not None and depth < 1:
        raise ConvcostError(f"depth is {depth}; it must be at least 1")

    def prefix(node: Node) -> str:
        return node.name if depth is None else ".".join(node.name.split(".", depth)[:depth])

    return [_row(name, several) for name, several in _gathered(layers, prefix).items()]


def _row(name: str, layers: list[LayerCost]) -> Row:
    """The row of a layer, or of the scope of that name."""
    last = layers[-1].node
    cost = layers[0].cost if len(layers) == 1 else Cost.sum([layer.cost for layer in layers])
    if len(layers) == 1 and last.name == name:
        return Row(
            name=name,
            op=last.op.word,
            what=last.op.describe(),
            block=last.block,
            output_shape=last.shape,
            cost=cost,
            layers=1,
            complete=last.op.supported,
            last=last,
        )
    scope = _scope_named(last, name)
    return Row(
        name=name,
        op=scope.kind if scope else "",
        what=scope.detail if scope else "",
        block=scope.kind if scope and scope.role == "block" else None,
        output_shape=last.shape,
        cost=cost,
        layers=len(layers),
        kind="fold",
        complete=_is_complete(layers),
        last=last,
    )


def _scope_named(node: Node, name: str) -> Scope | None:
    """The scope of that path around a node; None where the name has dots but no scopes."""
    scope = node.scope
    while scope is not None and scope.path != name:
        scope = scope.parent
    return scope


OUTSIDE = "(outside blocks)"


def _name_prefix(node: Node) -> str:
    """The name up to its first dot, without a number at its end: `layer` of layer1.0.conv, `conv` of conv12."""
    return re.sub(r"(?<=.)[_-]?[0-9]+$", "", node.name.split(".", 1)[0])


GROUPINGS: dict[str, Callable[[Node], str]] = {
    "op": lambda node: node.op.word,
    "block": lambda node: node.block or OUTSIDE,
    "name-prefix": _name_prefix,
}


def _grouped(analysis: Analysis, by: str) -> list[Row]:
    if by not in GROUPINGS:
        raise ConvcostError(f'cannot group by "{by}"; it must be {", ".join(GROUPINGS)}{nearest_hint(by, GROUPINGS)}')
    groups = _gathered(analysis.layers, GROUPINGS[by])
    return [_group(name, layers) for name, layers in groups.items()]


def _group(name: str, layers: list[LayerCost]) -> Row:
    return Row(
        name=name,
        op="",
        what=f"{len(layers)} layer{'s' if len(layers) > 1 else ''}",
        cost=Cost.sum([layer.cost for layer in layers]),
        layers=len(layers),
        kind="group",
        complete=_is_complete(layers),
    )


def _is_complete(layers: list[LayerCost]) -> bool:
    return all(layer.node.op.supported for layer in layers)


def _sorted(rows: list[Row], by: str) -> list[Row]:
    if by == "name":
        return sorted(rows, key=lambda row: row.name)
    if by not in METRICS or by == "peak_activation_bytes":
        known = [key for key in SORTABLE if key != "peak_activation_bytes"]
        raise ConvcostError(f'cannot sort by "{by}"; it must be {", ".join(known)}{nearest_hint(by, known)}')
    key = metric(by).key
    try:
        return sorted(rows, key=lambda row: getattr(row.cost, key) or 0, reverse=True)
    except TypeError:
        raise ConvcostError("symbolic costs have no order; give every variable a number to sort by") from None
