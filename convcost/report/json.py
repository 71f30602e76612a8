"""Results as JSON, for machines: numbers unrounded, symbols as strings."""

from __future__ import annotations

import json
from typing import Any

from convcost import __version__
from convcost.analysis.cost import Analysis
from convcost.analysis.view import Row, View, view

__all__ = ["analysis_to_json", "view_to_json"]

SCHEMA = "convcost.analysis/1"


def analysis_to_json(analysis: Analysis) -> str:
    """An analysis with every layer."""
    return view_to_json(view(analysis))


def view_to_json(shown: View) -> str:
    """An analysis with the rows of a view as its layers."""
    analysis = shown.analysis
    graph = analysis.graph
    document = {
        "schema": SCHEMA,
        "tool": {"name": "convcost", "version": __version__},
        "model": {
            "name": graph.name,
            "source": graph.source,
            "variables": {name: _plain(value) for name, value in graph.variables.items()},
            "inputs": {node.name: _plain(node.shape) for node in graph.inputs},
            "outputs": {node.name: _plain(node.shape) for node in graph.outputs},
        },
        "convention": analysis.convention,
        "complete": analysis.complete,
        "unsupported": [{"name": node.name, "what": node.op.describe()} for node in analysis.unsupported],
        "totals": {
            **_plain(analysis.totals.as_dict()),
            "peak_activation_at": analysis.peak.node.name if analysis.peak.node else None,
        },
        "layers": [_row(row) for row in shown.rows],
    }
    return json.dumps(document, indent=1, ensure_ascii=False)


def _row(row: Row) -> dict[str, Any]:
    return {
        "name": row.name,
        "op": row.op,
        "block": row.block,
        "what": row.what,
        "output_shape": _plain(row.output_shape),
        "layers": row.layers,
        **_plain(row.cost.as_dict()),
    }


def _plain(value: Any) -> Any:
    """A value as JSON has it; fractions as numbers, symbols as text."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return float(value) if hasattr(value, "denominator") and hasattr(value, "limit_denominator") else str(value)
