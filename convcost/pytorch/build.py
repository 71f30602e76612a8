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

__all__ = ["ExecutionError", "Network", "attribute_path", "build", "construct"]

Observer = Callable[[int, Node, torch.Tensor], torch.Tensor]


class ExecutionError(ConvcostError):
    """A layer failed while the network ran."""


def construct(call: Call) -> nn.Module:
    """The module that a form describes."""
    owner: Any = nn if call.function.startswith("nn.") else modules
    args = [construct(value) if isinstance(value, Call) else value for value in call.args]
    module: nn.Module = getattr(owner, call.function.removeprefix("nn."))(*args, **call.kwargs)
    return module


def attribute_path(name: str) -> str:
    """A node's name as a path of submodules; words that a module has taken get an underscore behind."""
    taken = (f"{part}_" if hasattr(Network, part) or part.startswith("_") else part for part in name.split("."))
    return ".".join(taken)


class Network(nn.Module):
    """Runs a graph in the order of its nodes; takes the graph's inputs with a batch in front.

    A tensor is let go after the last node that reads it, and returned where no node does.
    """

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self._graph = graph
        self._layers: dict[int, nn.Module] = {}
        for position, node in enumerate(graph.nodes):
            if not node.is_input:
                self._layers[position] = self._place(attribute_path(node.name), construct(form_of(node.op)))
        last_reader = {source: position for position, node in enumerate(graph.nodes) for source in node.inputs}
        self._freed_after: dict[int, list[int]] = {}
        for source, position in last_reader.items():
            self._freed_after.setdefault(position, []).append(source)
        self._outputs = [position for position in range(len(graph.nodes)) if position not in last_reader]

    def _place(self, path: str, module: nn.Module) -> nn.Module:
        """Hang a module in at a dotted path."""
        *scopes, name = path.split(".")
        parent: nn.Module = self
        for scope in scopes:
            if scope not in parent._modules:
                parent.add_module(scope, nn.Module())
            parent = parent.get_submodule(scope)
        parent.add_module(name, module)
        return module

    def module_of(self, node: Node) -> nn.Module:
        """The submodule of a node."""
        return self.get_submodule(attribute_path(node.name))

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


def build(graph: Graph, device: str = "cpu") -> Network:
    """The network of a graph, for inference, with zeros for parameters: counts do not depend on values.

    Raises:
        ConvcostError: an operator has no PyTorch form.
    """
    with torch.device("meta"):
        network = Network(graph).eval()
    if device != "meta":
        network.to_empty(device=device)
        with torch.no_grad():
            for tensor in (*network.parameters(), *network.buffers()):
                tensor.zero_()
    return network
