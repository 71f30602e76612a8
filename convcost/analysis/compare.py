"""Networks beside one another: variants of one by rules, or several, each with its ratio to the first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from convcost.analysis.cost import analyze
from convcost.analysis.receptive_field import AxisField, receptive_fields
from convcost.analysis.result import Analysis, Cost, plain
from convcost.arith import is_int
from convcost.errors import ConvcostError
from convcost.graph import Graph
from convcost.ops.kinds import show
from convcost.record import Record
from convcost.rewrite import Rewriting, Skipped, replace

__all__ = ["COMPARED", "Change", "Comparison", "Variant", "compare", "field_text", "ratio"]

COMPARED = ("params", "weights", "macs", "flops", "activations", "bytes_moved", "weight_bytes", "peak_activation_bytes")
"""The totals of which ratios are given."""
OF_LAYERS = ("params", "macs", "bytes_moved")


class Change(Record):
    """A layer that was replaced: what it cost and what stands there costs, each with its operator or block."""

    name: str
    rule: str
    was: str
    is_now: str
    before: Cost
    after: Cost
    field_before: tuple[AxisField, ...]
    field_after: tuple[AxisField, ...]

    def ratio(self, key: str) -> float | None:
        """After as a part of before."""
        return ratio(getattr(self.after, key), getattr(self.before, key))

    @property
    def moves_more(self) -> bool:
        """Whether MACs fall and the bytes moved do not: a saving on paper that memory may not pay out."""
        after, before = self.after, self.before
        concrete = all(map(is_int, (after.macs, before.macs, after.bytes_moved, before.bytes_moved)))
        return concrete and after.macs < before.macs and after.bytes_moved >= before.bytes_moved


class Variant(Record):
    """One network of a comparison: `changes` and `skipped` where rules made it from another."""

    label: str
    analysis: Analysis
    changes: tuple[Change, ...] = ()
    skipped: tuple[Skipped, ...] = ()


class Comparison(Record):
    """Networks beside one another; the first is what the others are compared with."""

    variants: tuple[Variant, ...]

    def ratio(self, variant: Variant, key: str) -> float | None:
        """A total as a part of the first network's."""
        return ratio(getattr(variant.analysis.totals, key), getattr(self.variants[0].analysis.totals, key))

    def as_json(self) -> dict[str, Any]:
        """The comparison as a JSON object."""
        return {"variants": [self._variant_json(variant) for variant in self.variants]}

    def _variant_json(self, variant: Variant) -> dict[str, Any]:
        totals = variant.analysis.totals
        return {
            "label": variant.label,
            "model": variant.analysis.graph.name,
            "complete": variant.analysis.complete,
            "totals": plain(totals.as_dict()),
            "ratios": {key: self.ratio(variant, key) for key in COMPARED},
            "replaced": [
                {
                    "name": change.name,
                    "rule": change.rule,
                    "was": change.was,
                    "is": change.is_now,
                    "before": plain(change.before.as_dict()),
                    "after": plain(change.after.as_dict()),
                    "ratio": {key: change.ratio(key) for key in OF_LAYERS},
                    "field_before": [field_text(axis) for axis in change.field_before],
                    "field_after": [field_text(axis) for axis in change.field_after],
                    "moves_more": change.moves_more,
                }
                for change in variant.changes
            ],
            "skipped": [skipped.as_dict() for skipped in variant.skipped],
        }


def ratio(after: Any, before: Any) -> float | None:
    """After as a part of before; None where before is 0 or either is a symbol."""
    if not is_int(after) or not is_int(before) or before == 0:
        return None
    return float(after / before)


def compare(
    graphs: Graph | Sequence[Graph],
    rules: str | Sequence[str] = (),
    *,
    batch: int = 1,
    dtype: str = "float32",
    labels: Sequence[str] = (),
) -> Comparison:
    """Each network, and behind it each of its variants by a rule; rules joined by `;` apply together.

    Raises:
        ConvcostError: a rule cannot be read or matches nothing, or there is nothing to compare.
    """
    several = [graphs] if isinstance(graphs, (Graph, str)) else list(graphs)
    for graph in several:
        if not isinstance(graph, Graph):
            raise ConvcostError(
                f"compare needs graphs, not {show(graph)}; convcost.load(...) gives the graph of a spec"
            )
    rules = [rules] if isinstance(rules, str) else list(rules)
    if labels and len(labels) != len(several):
        raise ConvcostError(f"there are {len(several)} networks and {len(labels)} labels; give one for each")
    if not several:
        raise ConvcostError("there is no network; give two, or one and a rule such as conv3x3=dsconv")
    if len(several) * (1 + len(rules)) < 2:
        raise ConvcostError("there is one network and no rule; give a second network, or a rule such as conv3x3=dsconv")
    names = list(labels) or [graph.name or f"network {number}" for number, graph in enumerate(several, 1)]
    variants = []
    for graph, name in zip(several, names, strict=True):
        first = analyze(graph, batch=batch, dtype=dtype)
        variants.append(Variant(label=name, analysis=first))
        for rule in rules:
            rewriting = replace(graph, rule)
            label = rewriting.rule if len(several) == 1 else f"{name}: {rewriting.rule}"
            second = analyze(rewriting.graph, batch=batch, dtype=dtype)
            variants.append(_variant(label, first, second, rewriting))
    return Comparison(variants=tuple(variants))


def _variant(label: str, first: Analysis, second: Analysis, rewriting: Rewriting) -> Variant:
    old = {layer.node.name: layer for layer in first.layers}
    new = {layer.node.name: layer for layer in second.layers}
    places_before, places_after = _places(first.graph), _places(second.graph)
    changes = []
    for replaced in rewriting.replaced:
        before = sum((old[name].cost for name in replaced.before), Cost())
        after = sum((new[name].cost for name in replaced.after), Cost())
        was, is_now = old[replaced.before[0]].node, new[replaced.after[0]].node
        changes.append(
            Change(
                name=replaced.name,
                rule=replaced.rule,
                was=_what(was, replaced.name),
                is_now=_what(is_now, replaced.name),
                before=before,
                after=after,
                field_before=_field(first.graph, places_before, replaced.before),
                field_after=_field(second.graph, places_after, replaced.after),
            )
        )
    return Variant(label=label, analysis=second, changes=tuple(changes), skipped=rewriting.skipped)


def _places(graph: Graph) -> dict[str, int]:
    return {node.name: position for position, node in enumerate(graph.nodes)}


def _field(graph: Graph, places: dict[str, int], names: tuple[str, ...]) -> tuple[AxisField, ...]:
    """What an output element of these nodes sees of their input, an axis."""
    field = receptive_fields(graph.part(places[names[0]], places[names[-1]]))[-1]
    return () if field is None else field.axes


def field_text(axis: AxisField) -> str:
    """The size along an axis; `whole` where an operator reads all of it, and `<=` where it is a bound."""
    size = "whole" if axis.whole else str(axis.size)
    return f"<= {size}" if axis.is_bound else size


def _what(node: Any, name: str) -> str:
    """What stands at a name: the block whose scope it is, or the operator, in a few words."""
    for scope in node.scope.lineage() if node.scope else ():
        if scope.path == name:
            return f"{scope.kind} {scope.detail}".strip()
    return f"{node.op.word} {node.op.describe()}".strip()
