"""Activations, element by element. A function such as exp, tanh or erf counts as one FLOP."""

from collections.abc import Iterator
from typing import ClassVar

from convcost.arith import Shape, Size, is_int, prod
from convcost.ops.base import Inputs, Operator, operator
from convcost.ops.kinds import Count, Flag, InputChannels
from convcost.ops.reads import Reads, same, same_shape, whole

NO_PARAMETERS = "a fixed function"
NO_MACS = "a function of each element; nothing is weighted and summed"


class Activation(Operator):
    """What the activations share: the output has the input's shape."""

    free = {"params": NO_PARAMETERS, "macs": NO_MACS}
    per_element: ClassVar[int]
    """FLOPs an element."""

    def out_shape(self, inputs: Inputs) -> Shape:
        (shape,) = inputs
        return shape

    def elementwise(self, inputs: Inputs, output: Shape) -> Size:
        return self.per_element * prod(output)

    def reads(self, inputs: Inputs, output: Shape) -> Reads:
        return same_shape(inputs)


class InPlaceActivation(Activation):
    """Activations that can overwrite their input, as PyTorch's can."""

    inplace: Flag = False

    @property
    def in_place(self) -> bool:
        return self.inplace

    def describe(self) -> str:
        return "in place" if self.inplace else ""


@operator("relu", family="activation")
class ReLU(InPlaceActivation):
    """Rectified linear unit: max(x, 0).

    Shapes: any -> the same. Parameters: none. MACs: none. Elementwise: 1 an element (comparison).
    Source: Nair and Hinton 2010; as torch.nn.ReLU.
    """

    per_element = 1


@operator("relu6", family="activation")
class ReLU6(InPlaceActivation):
    """Clipped rectified linear unit: min(max(x, 0), 6).

    Shapes: any -> the same. Parameters: none. MACs: none. Elementwise: 2 an element (two comparisons).
    Source: Krizhevsky 2010; as torch.nn.ReLU6.
    """

    per_element = 2


@operator("leaky_relu", family="activation")
class LeakyReLU(InPlaceActivation):
    """Leaky rectified linear unit: x where x > 0, else slope x, the slope fixed.

    Shapes: any -> the same. Parameters: none. MACs: none.
    Elementwise: 2 an element (comparison, multiplication).
    Source: Maas et al. 2013; as torch.nn.LeakyReLU.
    """

    per_element = 2


@operator("elu", family="activation")
class ELU(InPlaceActivation):
    """Exponential linear unit: x where x > 0, else alpha (exp(x) - 1).

    Shapes: any -> the same. Parameters: none. MACs: none.
    Elementwise: 4 an element (comparison, exp, subtraction, multiplication).
    Source: Clevert et al. 2016, arXiv:1511.07289; as torch.nn.ELU.
    """

    per_element = 4


@operator("prelu", family="activation")
class PReLU(Activation):
    """Parametric rectified linear unit: x where x > 0, else slope x, the slope learned.

    Shapes: any -> the same. Parameters: num_parameters slopes. MACs: none.
    Elementwise: 2 an element (comparison, multiplication).
    Constraints: num_parameters is 1, or one a channel.
    Source: He et al. 2015, arXiv:1502.01852; as torch.nn.PReLU.
    """

    free = {"macs": NO_MACS}
    per_element = 2

    num_parameters: Count = 1
    channels: InputChannels

    def params(self) -> Size:
        return self.num_parameters

    def check(self, inputs: Inputs) -> Iterator[str]:
        if is_int(self.channels) and is_int(self.num_parameters) and self.num_parameters not in (1, self.channels):
            yield f"num_parameters (={self.num_parameters}) must be 1 or the input's channels (={self.channels})"

    def describe(self) -> str:
        return "one slope" if self.num_parameters == 1 else f"{self.num_parameters} slopes"


@operator("sigmoid", family="activation")
class Sigmoid(Activation):
    """Logistic sigmoid: 1 / (1 + exp(-x)).

    Shapes: any -> the same. Parameters: none. MACs: none.
    Elementwise: 4 an element (negation, exp, addition, division). As torch.nn.Sigmoid.
    """

    per_element = 4


@operator("hardsigmoid", family="activation")
class Hardsigmoid(InPlaceActivation):
    """Piecewise linear sigmoid: min(max(x + 3, 0), 6) / 6.

    Shapes: any -> the same. Parameters: none. MACs: none.
    Elementwise: 4 an element (addition, two comparisons, division).
    Source: Howard et al. 2019 (MobileNet v3), arXiv:1905.02244; as torch.nn.Hardsigmoid.
    """

    per_element = 4


@operator("tanh", family="activation")
class Tanh(Activation):
    """Hyperbolic tangent.

    Shapes: any -> the same. Parameters: none. MACs: none. Elementwise: 1 an element. As torch.nn.Tanh.
    """

    per_element = 1


@operator("silu", family="activation")
class SiLU(InPlaceActivation):
    """Sigmoid linear unit (swish): x sigmoid(x).

    Shapes: any -> the same. Parameters: none. MACs: none. Elementwise: 5 an element (sigmoid 4, multiplication).
    Source: Ramachandran et al. 2017, arXiv:1710.05941; as torch.nn.SiLU.
    """

    per_element = 5


@operator("hardswish", family="activation")
class Hardswish(InPlaceActivation):
    """Piecewise linear swish: x min(max(x + 3, 0), 6) / 6.

    Shapes: any -> the same. Parameters: none. MACs: none.
    Elementwise: 5 an element (hardsigmoid 4, multiplication).
    Source: Howard et al. 2019 (MobileNet v3), arXiv:1905.02244; as torch.nn.Hardswish.
    """

    per_element = 5


@operator("gelu", family="activation")
class GELU(Activation):
    """Gaussian error linear unit: x / 2 (1 + erf(x / sqrt 2)).

    Shapes: any -> the same. Parameters: none. MACs: none.
    Elementwise: 5 an element (three multiplications, erf, addition).
    Source: Hendrycks and Gimpel 2016, arXiv:1606.08415; as torch.nn.GELU.
    """

    per_element = 5


@operator("mish", family="activation")
class Mish(InPlaceActivation):
    """Mish: x tanh(log(1 + exp(x))).

    Shapes: any -> the same. Parameters: none. MACs: none.
    Elementwise: 5 an element (exp, addition, log, tanh, multiplication).
    Source: Misra 2019, arXiv:1908.08681; as torch.nn.Mish.
    """

    per_element = 5


@operator("softplus", family="activation")
class Softplus(Activation):
    """Softplus: log(1 + exp(x)).

    Shapes: any -> the same. Parameters: none. MACs: none. Elementwise: 3 an element (exp, addition, log).
    As torch.nn.Softplus.
    """

    per_element = 3


@operator("softmax", family="activation")
class Softmax(Activation):
    """Softmax over the channels: exp(x - max) / sum of exp(x - max).

    Shapes: (channels, *) -> the same. Parameters: none. MACs: none.
    Elementwise: 5 an element (comparison, subtraction, exp, addition, division). As torch.nn.Softmax(dim=1).
    """

    per_element = 5

    def reads(self, inputs: Inputs, output: Shape) -> Reads:
        return (((whole(), *map(same, range(1, len(output)))),),)
