"""Which bundled networks use an operator or block."""

from __future__ import annotations

from convcost.frontends.load import bundled_names, load
from convcost.graph import Graph
from convcost.ops import BLOCKS

__all__ = ["used_by", "words_of"]


def words_of(graph: Graph) -> set[str]:
    """The operators of a network, and the registered blocks that it is made of."""
    operators = {node.op.word for node in graph.layers}
    scopes = {node.scope for node in graph.layers if node.scope is not None}
    return operators | {around.kind for scope in scopes for around in scope.lineage() if around.kind in BLOCKS}


def used_by() -> dict[str, list[str]]:
    """For each operator and block that some bundled network uses, with its variables as they are: the networks."""
    users: dict[str, list[str]] = {}
    for name in bundled_names():
        for word in sorted(words_of(load(name))):
            users.setdefault(word, []).append(name)
    return users
