"""Bundled networks at other sizes, as several tests need them."""

from __future__ import annotations

import convcost
from convcost.formulas.resized import resized
from convcost.graph import Graph


def network_at(name: str, values: dict[str, int]) -> Graph:
    """The bundled network at these values of its variables, or of its input's axes."""
    written = convcost.load(name)
    if all(variable in written.variables for variable in values):
        return convcost.load(name, **values)
    return resized(written, {node.name: (node.shape[0], *values.values()) for node in written.inputs})
