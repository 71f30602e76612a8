"""What a convolutional architecture costs: parameters, multiply-accumulates, memory.

>>> import convcost
>>> graph = convcost.load("mobilenet_v1", width=0.5)
>>> convcost.analyze(graph).totals.macs
149497088
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from convcost.version import __version__

__all__ = [
    "Analysis",
    "Builder",
    "ConvcostError",
    "Graph",
    "SpecError",
    "__version__",
    "analyze",
    "compare",
    "formula",
    "load",
    "replace",
    "solve",
]

if TYPE_CHECKING:
    from convcost.analysis.compare import compare
    from convcost.analysis.cost import analyze
    from convcost.analysis.result import Analysis
    from convcost.errors import ConvcostError, SpecError
    from convcost.frontends.formula import formula
    from convcost.frontends.load import load
    from convcost.frontends.solve import solve
    from convcost.graph import Builder, Graph
    from convcost.rewrite import replace

_HOMES = {
    "Analysis": "convcost.analysis.result",
    "Builder": "convcost.graph",
    "ConvcostError": "convcost.errors",
    "Graph": "convcost.graph",
    "SpecError": "convcost.errors",
    "analyze": "convcost.analysis.cost",
    "compare": "convcost.analysis.compare",
    "formula": "convcost.frontends.formula",
    "load": "convcost.frontends.load",
    "replace": "convcost.rewrite",
    "solve": "convcost.frontends.solve",
}


def __getattr__(name: str) -> Any:
    """Public names are imported when they are first used, so that `import convcost` costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'convcost' has no attribute {name!r}")
    from importlib import import_module

    if name == "Builder":
        import_module("convcost.blocks")  # fills the registry, whose entries are the builder's methods
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
