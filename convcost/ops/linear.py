"""Linear: the fully connected layer."""

from typing import Any, Self

from convcost.arith import Shape, Size, prod
from convcost.errors import GraphError
from convcost.ops.base import Inputs, Operator, operator, show_shape
from convcost.ops.kinds import Count, Flag, InputFeatures
from convcost.ops.reads import Reads, same, whole


@operator("linear", family="linear")
class Linear(Operator):
    """Linear (fully connected) layer on the last axis.

    y[n] = b[n] + sum over c of w[n, c] x[c]

    Shapes: (*, in_features) -> (*, out_features).
    Parameters: in_features out_features weights, and out_features biases.
    MACs: one a weight for each vector of the input.
    Elementwise: one addition an output element where there is a bias.
    Constraints: a feature map must be flattened first; to act on its last axis all the same, state in_features.
    Source: Rosenblatt 1958; as torch.nn.Linear.
    """

    out_features: Count
    bias: Flag = True
    in_features: InputFeatures

    @classmethod
    def bind(cls, fields: dict[str, Any], inputs: Inputs, leading: int = 0) -> Self:
        shape = inputs[0]
        if len(shape) - leading > 2 and "in_features" not in fields:
            raise GraphError(
                f"it acts on the last axis (={shape[-1]}) of the input {show_shape(shape)};"
                f" flatten it first, or state in_features: {shape[-1]} if that is meant"
            )
        return super().bind(fields, inputs, leading)

    def out_shape(self, inputs: Inputs) -> Shape:
        (shape,) = inputs
        return (*shape[:-1], self.out_features)

    def weights(self) -> Size:
        return self.in_features * self.out_features

    def params(self) -> Size:
        return self.weights() + (self.out_features if self.bias else 0)

    def macs(self, inputs: Inputs, output: Shape) -> Size:
        return self.weights() * prod(inputs[0][:-1])

    def reads(self, inputs: Inputs, output: Shape) -> Reads:
        return (((*map(same, range(len(output) - 1)), whole()),),)

    def elementwise(self, inputs: Inputs, output: Shape) -> Size:
        return prod(output) if self.bias else 0

    def describe(self) -> str:
        return f"{self.in_features} -> {self.out_features}"
