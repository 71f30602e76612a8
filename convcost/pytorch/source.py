"""A graph as readable PyTorch source, which runs without convcost."""

from __future__ import annotations

import inspect
import keyword
import re

from torch import nn

from convcost.analysis.cost import analyze
from convcost.arith import is_int
from convcost.errors import ConvcostError
from convcost.graph import Graph
from convcost.pytorch import modules
from convcost.pytorch.forms import form_of

__all__ = ["to_source"]

RESERVED = {"self", "torch", "nn", "F", "x"}


def to_source(graph: Graph) -> str:
    """The source of one nn.Module: a line a layer in `__init__`, and a line a layer in `forward`.

    Raises:
        ConvcostError: an operator has no PyTorch form, or a size is symbolic.
    """
    if any(not is_int(size) for node in graph.nodes for size in node.shape):
        raise ConvcostError("a network with symbolic sizes cannot be written as PyTorch; give its variables numbers")
    names = _identifiers([node.name for node in graph.nodes], RESERVED | set(dir(nn.Module())))
    calls = {position: form_of(node.op) for position, node in enumerate(graph.nodes) if not node.is_input}
    used = set().union(*(call.functions() for call in calls.values()))
    helpers = [inspect.getsource(getattr(modules, name)) for name in modules.__all__ if name in used]
    class_name = _class_name(graph.name)
    lines = [*_heading(graph), ""]
    lines += [
        "import torch",
        *(["import torch.nn.functional as F"] if any("F." in helper for helper in helpers) else []),
    ]
    lines += ["from torch import nn", "", ""]
    for helper in helpers:
        lines += [*helper.rstrip().splitlines(), "", ""]
    lines += [f"class {class_name}(nn.Module):", "    def __init__(self) -> None:", "        super().__init__()"]
    lines += _constructions(graph, names, {position: call.source() for position, call in calls.items()})
    lines += ["", *_forward(graph, names), "", "", *_main(graph, class_name)]
    return "\n".join(lines)


def _heading(graph: Graph) -> list[str]:
    totals = analyze(graph).totals
    title = graph.name or "A network"
    lines = [f'"""{_quoted(title)}, as PyTorch.', ""]
    if graph.source:
        lines += [f"Source: {_quoted(graph.source)}", ""]
    return [*lines, f"{totals.params:,} parameters, {totals.macs:,} MACs a sample.", '"""']


def _quoted(text: str) -> str:
    """Text that can stand in a docstring."""
    return text.replace("\\", "\\\\").replace('"', "'")


def _constructions(graph: Graph, names: list[str], sources: dict[int, str]) -> list[str]:
    lines = []
    scope = None
    for position, node in enumerate(graph.nodes):
        if node.is_input:
            continue
        outermost = node.scope.lineage()[0] if node.scope else None
        if outermost is not None and outermost is not scope:
            what = f"{outermost.kind} {outermost.detail}".strip()
            lines.append(f"        # {outermost.path}: {what}")
        scope = outermost
        lines.append(f"        self.{names[position]} = {sources[position]}")
    return lines


def _forward(graph: Graph, names: list[str]) -> list[str]:
    """One assignment a layer. What only the next layer reads is called x; everything else has its layer's name."""
    readers: dict[int, list[int]] = {position: [] for position in range(len(graph.nodes))}
    for position, node in enumerate(graph.nodes):
        for source in node.inputs:
            readers[source].append(position)
    held = [
        "x" if set(readers[position]) == {position + 1} and not node.is_input else names[position]
        for position, node in enumerate(graph.nodes)
    ]
    unread = {node.name for node in graph.outputs}
    outputs = [position for position, node in enumerate(graph.nodes) if node.name in unread]
    if not graph.nodes[outputs[-1]].is_input:
        held[outputs[-1]] = "x"
    inputs = [name for node, name in zip(graph.nodes, held, strict=True) if node.is_input]
    returns = "torch.Tensor" if len(outputs) == 1 else "tuple[torch.Tensor, ...]"
    lines = [f"    def forward(self, {', '.join(f'{name}: torch.Tensor' for name in inputs)}) -> {returns}:"]
    for position, node in enumerate(graph.nodes):
        if not node.is_input:
            sources = ", ".join(held[source] for source in node.inputs)
            lines.append(f"        {held[position]} = self.{names[position]}({sources})")
    return [*lines, f"        return {', '.join(held[position] for position in outputs)}"]


def _main(graph: Graph, class_name: str) -> list[str]:
    zeros = ", ".join(f"torch.zeros(1, {', '.join(map(str, node.shape))})" for node in graph.inputs)
    return [
        'if __name__ == "__main__":',
        f"    network = {class_name}().eval()",
        '    print(sum(parameter.numel() for parameter in network.parameters()), "parameters")',
        "    with torch.inference_mode():",
        f"        outputs = network({zeros})",
        "    for output in outputs if isinstance(outputs, tuple) else (outputs,):",
        "        print(tuple(output.shape))",
        "",
    ]


def _identifiers(names: list[str], taken: set[str]) -> list[str]:
    """Node names as different Python identifiers."""
    found: list[str] = []
    seen = set(taken)
    for name in names:
        base = re.sub(r"\W", "_", name)
        word = f"_{base}" if base[:1].isdigit() else base
        while word in seen or keyword.iskeyword(word):
            word += "_"
        seen.add(word)
        found.append(word)
    return found


def _class_name(name: str) -> str:
    words = re.findall(r"[A-Za-z0-9]+", name)
    found = "".join(word[:1].upper() + word[1:] for word in words)
    taken = keyword.iskeyword(found) or found in {*modules.__all__, *RESERVED}
    return found if found[:1].isalpha() and not taken else f"Network{found}"
