"""What an operator says of itself, and how it refuses: shared by the worked examples."""

from typing import Any

import pytest

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
