"""A graph as a PyTorch network: one submodule a node, named like the node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from convcost.errors import ConvcostError
from convcost.graph import Graph, Node
from convcost.ops.base import show_shape
from convcost.pytorch import modules
from convcost.pytorch.forms import Call, form_of

__all__ = ["ExecutionError", "Network", "build", "construct"]

Observer = Callable[[int, Node, torch.Tensor], torch.Tensor]


class ExecutionError(ConvcostError):
    """A layer failed while the network ran."""


def construct(call: Call) -> nn.Module:
    """The module that a form describes."""
    owner: Any = nn if call.function.startswith("nn.") else modules
    args = [construct(value) if isinstance(value, Call) else value for value in call.args]
    module: nn.Module = getattr(owner, call.function.removeprefix("nn."))(*args, **call.kwargs)
    return module


class Network(nn.Module):
    """Runs a graph in the order of its nodes; takes the graph's inputs with a batch in front.

    A tensor is let go after the last node that reads it, and returned where no node does.
    """

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self._graph = graph
        self._layers: dict[int, nn.Module] = {}
        self._paths: dict[str, str] = {}
        for position, node in enumerate(graph.nodes):
            if not node.is_input:
                self._layers[position] = construct(form_of(node.op))
                self._paths[node.name] = self._place(node.name, self._layers[position])
        last_reader = {source: position for position, node in enumerate(graph.nodes) for source in node.inputs}
        self._freed_after: dict[int, list[int]] = {}
        for source, position in last_reader.items():
            self._freed_after.setdefault(position, []).append(source)
        names = {node.name for node in graph.outputs}
        self._outputs = [position for position, node in enumerate(graph.nodes) if node.name in names]

    def _place(self, name: str, module: nn.Module) -> str:
        """Hang a module in at a node's dotted name, and return its path; words that are taken get underscores."""
        *scopes, last = name.split(".")
        parent: nn.Module = self
        path = []
        for scope in scopes:
            path.append(_free_word(parent, scope, for_scope=True))
            if path[-1] not in parent._modules:
                parent.add_module(path[-1], nn.Module())
            parent = parent.get_submodule(path[-1])
        path.append(_free_word(parent, last, for_scope=False))
        parent.add_module(path[-1], module)
        return ".".join(path)

    def path_of(self, node: Node) -> str:
        """The path of a node's submodule: its name, unless nn.Module has taken a word of it."""
        return self._paths[node.name]

    def module_of(self, node: Node) -> nn.Module:
        """The submodule of a node."""
        return self.get_submodule(self.path_of(node))

    def forward(self, *inputs: torch.Tensor) -> Any:
        """The outputs: one tensor, or a tuple where there are several."""
        return self.run(list(inputs))

    def run(self, inputs: list[torch.Tensor], observe: Observer | None = None) -> Any:
        """As `forward`, but empties the list, so that inputs can be freed. `observe` sees each output before the
        tensors that are needed no more are let go, and returns the tensor with which to go on.

        Raises:
            ExecutionError: a layer failed; the message names it and the shapes of its inputs.
        """
        values: dict[int, torch.Tensor] = {}
        for position, node in enumerate(self._graph.nodes):
            if node.is_input:
                values[position] = inputs.pop(0)
            else:
                values[position] = self._step(position, node, [values[source] for source in node.inputs])
                if observe is not None:
                    values[position] = observe(position, node, values[position])
            for source in self._freed_after.get(position, ()):
                del values[source]
        found = tuple(values[position] for position in self._outputs)
        return found[0] if len(found) == 1 else found

    def _step(self, position: int, node: Node, sources: list[torch.Tensor]) -> torch.Tensor:
        try:
            result: torch.Tensor = self._layers[position](*sources)
        except Exception as error:
            shapes = " and ".join(show_shape(tuple(source.shape)) for source in sources)
            message = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise ExecutionError(f'{node.op.word} "{node.name}" on {shapes} failed: {message}') from error
        return result


def _free_word(parent: nn.Module, word: str, for_scope: bool) -> str:
    """The word, with underscores behind until nothing of the parent has it; scopes share plain modules."""

    def is_taken() -> bool:
        if word in parent._modules:
            return not (for_scope and type(parent._modules[word]) is nn.Module)
        return hasattr(parent, word)

    while is_taken():
        word += "_"
    return word


def build(graph: Graph, device: str = "cpu") -> Network:
    """The network of a graph, for inference, with zeros for parameters: counts do not depend on values.

    Raises:
        ConvcostError: an operator has no PyTorch form, or the parameters do not fit into memory.
    """
    with torch.device("meta"):
        network = Network(graph).eval()
    if device != "meta":
        try:
            network.to_empty(device=device)
        except RuntimeError as error:
            raise ExecutionError(f"the parameters do not fit into the memory of {device}; use --device meta") from error
        with torch.no_grad():
            for tensor in (*network.parameters(), *network.buffers()):
                tensor.zero_()
    return network
