"""fvcore as a second counter, under its own documented rules: what it should say of each operator, and what it says."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from typing import Any

from convcost.arith import Shape, prod
from convcost.errors import ConvcostError
from convcost.graph import Graph, Node
from convcost.pytorch.build import Network
from convcost.pytorch.execute import inputs_of

__all__ = ["LIMITS", "fvcore_counts", "fvcore_rule"]

Rule = Callable[[Any, tuple[Shape, ...], Shape], int]


def _multiplies(op: Any, inputs: tuple[Shape, ...], output: Shape) -> int:
    return op.macs(inputs, output)


def _product(op: Any, inputs: tuple[Shape, ...], output: Shape) -> int:
    """An axis on which the left factor is stretched is counted once."""
    return prod(inputs[0]) * inputs[1][-1]


def _norm(op: Any, inputs: tuple[Shape, ...], output: Shape) -> int:
    affine = op.elementwise_affine if op.word == "layer_norm" else op.affine
    return (5 if affine else 4) * prod(output)


def _batch_norm(op: Any, inputs: tuple[Shape, ...], output: Shape) -> int:
    return (2 if op.affine else 1) * prod(output)


def _adaptive_average(op: Any, inputs: tuple[Shape, ...], output: Shape) -> int:
    return prod(inputs[0]) if op.rank == 2 else 0


def _upsample(op: Any, inputs: tuple[Shape, ...], output: Shape) -> int:
    return {"nearest": 1, "bilinear": 4}.get(op.mode, 0) * prod(output) if op.rank == 2 else 0


RULES: dict[str, Rule] = {
    "conv": _multiplies,
    "conv_transpose": _multiplies,
    "linear": _multiplies,
    "group_equivariant_conv": _multiplies,
    "self_grouped_conv": _multiplies,
    "graph_conv": _multiplies,
    "batch_norm": _batch_norm,
    "group_norm": _norm,
    "layer_norm": _norm,
    "instance_norm": _norm,
    "matmul": _product,
    "scc": _multiplies,
    "channelwise_conv": _multiplies,
    "conv_classifier": _multiplies,
    "adaptive_avg_pool": _adaptive_average,
    "global_avg_pool": _adaptive_average,
    "upsample": _upsample,
}
"""fvcore 0.1.5, docs/flop_count.md and fvcore/nn/flop_count.py: a multiply-add is one; norms 5 an element with affine
parameters and 4 without, batch norm at inference 2 and 1; adaptive average pooling (2-D alone) 1 an input element;
upsampling (2-D alone) 1 an output element, bilinear 4; everything else nothing."""


def _same_padding(op: Any) -> str | None:
    uncounted = "fvcore counts 0 for padding='same' (no rule for aten::_convolution_mode)"
    return uncounted if op.padding == "same" else None


LIMITS: dict[str, Callable[[Any], str | None]] = {"conv": _same_padding, "self_grouped_conv": _same_padding}
"""What fvcore is known to get wrong, by operator: a sentence where it bites, else None."""


def limit_of(node: Node) -> str | None:
    """Why fvcore's figure for this node is known to be wrong, or None."""
    limit = LIMITS.get(node.op.word)
    return limit(node.op) if limit else None


def fvcore_rule(graph: Graph, node: Node, batch: int) -> int:
    """What fvcore's documented rules give for a node."""
    rule = RULES.get(node.op.word)
    return 0 if rule is None else batch * rule(node.op, graph.input_shapes(node), node.shape)


def fvcore_counts(graph: Graph, network: Network, batch: int) -> dict[str, int]:
    """What fvcore counts on a trace of the network, a node.

    Raises:
        ConvcostError: fvcore is not installed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch.jit, by which fvcore traces
        try:
            from fvcore.nn import FlopCountAnalysis
        except ImportError:
            raise ConvcostError("the second counter needs fvcore: pip install 'convcost[torch]'") from None
        logging.getLogger("fvcore").setLevel(logging.ERROR)
        analysis = FlopCountAnalysis(network, tuple(inputs_of(graph, "cpu", batch)))
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).tracer_warnings("none")
        by_module = analysis.by_module()
    return {node.name: int(by_module[network.path_of(node)]) for node in graph.layers}
