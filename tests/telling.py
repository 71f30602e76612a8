"""What an operator says of itself, what a block costs, and how both refuse: shared by the worked examples."""

from typing import Any

import pytest

import convcost.blocks  # noqa: F401 - registers the blocks
from convcost.analysis.cost import analyze
from convcost.analysis.result import Analysis
from convcost.errors import ConvcostError
from convcost.graph import Builder


def told(word: str, *shapes: tuple[int, ...], leading: int = 0, **fields: Any) -> dict[str, Any]:
    """What an operator says of itself on inputs of these shapes; what is 0, false or empty is left out."""
    builder = Builder(leading=leading)
    inputs = [builder.input(shape, name=f"input{number}") for number, shape in enumerate(shapes)]
    output = builder.apply(word, *inputs, name="stem", **fields)
    op = builder.nodes[-1].op
    everything = {
        "shape": output.shape,
        "params": op.params(),
        "weights": op.weights(),
        "buffers": op.buffers(),
        "macs": op.macs(shapes, output.shape),
        "elementwise": op.elementwise(shapes, output.shape),
        "view": op.view,
        "in_place": op.in_place,
        "describe": op.describe(),
    }
    return {name: value for name, value in everything.items() if value}


def refusal(word: str, *shapes: tuple[int, ...], leading: int = 0, **fields: Any) -> str:
    """The message with which an operator is refused."""
    with pytest.raises(ConvcostError) as refused:
        told(word, *shapes, leading=leading, **fields)
    return str(refused.value)


def analysis_of(word: str, shape: tuple[int, ...], **fields: Any) -> Analysis:
    """The analysis of one block on an input of that shape."""
    b = Builder()
    b.apply(word, b.input(shape), name="x", **fields)
    return analyze(b.graph())


def output_of(result: Analysis) -> tuple[int, ...]:
    return result.layers[-1].node.shape


def names_of(result: Analysis) -> list[str]:
    return [layer.node.name.removeprefix("x.") for layer in result.layers]
