"""Joins: operators over several inputs."""

from collections.abc import Iterator

from convcost.arith import Shape, Size, is_int, joint_size, looks_equal, note_equal, prod
from convcost.ops.base import Inputs, Operator, operator, show_shape
from convcost.ops.kinds import SpatialRank
from convcost.ops.reads import Reads, one, same, stretched

NO_PARAMETERS = "joins its inputs, learns nothing"


def show_shapes(shapes: Inputs) -> str:
    """`64x56x56 and 256x56x56`."""
    shown = " and ".join(show_shape(shape) for shape in shapes[:8])
    return shown if len(shapes) <= 8 else f"{shown} and {len(shapes) - 8} more"


class Pointwise(Operator):
    """What add and multiply share: operands of equal shape, an axis of size 1 stretching to the others'."""

    many_inputs = True

    def out_shape(self, inputs: Inputs) -> Shape:
        joined, *others = inputs
        for other in others:
            joined = tuple(joint_size(first, second) for first, second in zip(joined, other, strict=True))
        return joined

    def elementwise(self, inputs: Inputs, output: Shape) -> Size:
        return (len(inputs) - 1) * prod(output)

    def reads(self, inputs: Inputs, output: Shape) -> Reads:
        return tuple(
            (
                tuple(
                    stretched(axis) if looks_equal(size, 1) and not looks_equal(out, 1) else same(axis)
                    for axis, (size, out) in enumerate(zip(shape, output, strict=True))
                ),
            )
            for shape in inputs
        )

    def check(self, inputs: Inputs) -> Iterator[str]:
        if len(inputs) < 2:
            yield "it joins at least two values, not 1"
            return
        if len({len(shape) for shape in inputs}) > 1:
            yield f"the operands are {show_shapes(inputs)}; they must have equally many axes"
            return
        for axis in zip(*inputs, strict=True):
            if len({size for size in axis if is_int(size) and size != 1}) > 1:
                yield f"the operands are {show_shapes(inputs)}; they must be equal, or 1, on every axis"
                return


@operator("add", family="join")
class Add(Pointwise):
    """Sum of the inputs, element by element (residual connections).

    Shapes: equal shapes -> the same; an axis of size 1 is stretched.
    Parameters: none. MACs: none. Elementwise: one addition an output element for each input behind the first.
    """

    free = {"params": NO_PARAMETERS, "macs": "additions; nothing is multiplied"}


@operator("multiply", family="join")
class Multiply(Pointwise):
    """Product of the inputs, element by element (gates, as in squeeze-and-excite).

    Shapes: equal shapes -> the same; an axis of size 1 is stretched.
    Parameters: none. MACs: none (products are not accumulated).
    Elementwise: one multiplication an output element for each input behind the first.
    """

    free = {"params": NO_PARAMETERS, "macs": "products of activations, which are not accumulated"}


@operator("concat", family="join")
class Concat(Operator):
    """The inputs one behind the other along the channel axis.

    Shapes: (channels_1, *size), (channels_2, *size), ... -> (channels_1 + channels_2 + ..., *size).
    Parameters: none. MACs: none. Elementwise: none, but every element is read and written.
    """

    free = {
        "params": NO_PARAMETERS,
        "macs": "copies",
        "elementwise": "copies",
    }
    many_inputs = True

    rank: SpatialRank

    @property
    def axis(self) -> int:
        """The channel axis, counted from the end."""
        return -self.rank - 1

    def out_shape(self, inputs: Inputs) -> Shape:
        first = inputs[0]
        cut = len(first) + self.axis
        channels: Size = 0
        for shape in inputs:
            channels = channels + shape[self.axis]
        return (*first[:cut], channels, *first[cut + 1 :])

    def reads(self, inputs: Inputs, output: Shape) -> Reads:
        """Each input where its channels stand."""
        cut = len(output) + self.axis
        found, behind = [], 0
        for shape in inputs:
            axes = [same(axis) for axis in range(len(output))]
            axes[cut] = one(cut, -behind, partial=len(inputs) > 1)
            found.append((tuple(axes),))
            behind = behind + shape[cut]
        return tuple(found)

    def check(self, inputs: Inputs) -> Iterator[str]:
        if len({len(shape) for shape in inputs}) > 1:
            yield f"the inputs are {show_shapes(inputs)}; they must have equally many axes"
            return
        for index, axis in enumerate(zip(*inputs, strict=True)):
            if index - len(inputs[0]) != self.axis:
                for size in axis[1:]:
                    note_equal(axis[0], size)
            if index - len(inputs[0]) != self.axis and len({size for size in axis if is_int(size)}) > 1:
                yield f"the inputs are {show_shapes(inputs)}; only the channels may differ"
                return
