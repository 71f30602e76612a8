"""Operators that pass data on: the input, identity, dropout, upsample, and what is not in the catalogue."""

from collections.abc import Iterator
from typing import Annotated

from convcost.arith import Shape, Size, prod
from convcost.errors import FieldError
from convcost.ops.base import Inputs, Operator, operator, show_shape
from convcost.ops.kinds import ChoiceKind, Flag, InputChannels, PerAxis, Probability, SpatialRank, Text
from convcost.ops.list_kinds import FullShape
from convcost.ops.reads import Reads, copied, interpolated, same, same_shape
from convcost.ops.window import spatial, with_spatial

UpsampleMode = Annotated[str, ChoiceKind("nearest", "linear", "bilinear", "trilinear")]
RANK_OF_MODE = {"linear": 1, "bilinear": 2, "trilinear": 3}


class Input(Operator):
    """An input of the network. It is no layer: it costs nothing and appears in no table."""

    word = "input"
    family = "input"

    shape: FullShape

    def out_shape(self, inputs: Inputs) -> Shape:
        return self.shape


@operator("identity", family="movement")
class Identity(Operator):
    """Passes its input on.

    Shapes: any -> the same. Parameters: none. MACs: none. Elementwise: none. As torch.nn.Identity.
    """

    free = {"params": "passes its input on", "macs": "passes its input on", "elementwise": "passes its input on"}
    view = True

    def out_shape(self, inputs: Inputs) -> Shape:
        (shape,) = inputs
        return shape

    def reads(self, inputs: Inputs, output: Shape) -> Reads:
        return same_shape(inputs)


@operator("dropout", family="movement")
class Dropout(Identity):
    """Dropout: zeroes elements at random in training; at inference, which is what is counted, it passes its input on.

    Shapes: any -> the same. Parameters: none. MACs: none. Elementwise: none at inference.
    Source: Srivastava et al. 2014; as torch.nn.Dropout.
    """

    p: Probability = 0.5


@operator("upsample", family="movement")
class Upsample(Operator):
    """Upsampling to a multiple of the size, or to a size.

    Shapes: (channels, *in) -> (channels, *out), out = in scale_factor or out = size.
    Parameters: none. MACs: none.
    Elementwise: nearest none (copies); linear, bilinear and trilinear 2 x 2^axes - 1 an output element (a
        multiplication for each of 2^axes neighbours, and their sum).
    Constraints: just one of scale_factor and size; linear, bilinear and trilinear are for 1, 2 and 3 spatial axes.
    Source: as torch.nn.Upsample.
    """

    free = {"params": "interpolates by fixed weights", "macs": "its weights are fixed; counted as elementwise work"}

    scale_factor: PerAxis = None
    size: PerAxis = None
    mode: UpsampleMode = "nearest"
    align_corners: Flag = False
    channels: InputChannels
    rank: SpatialRank

    @property
    def to_size(self) -> bool:
        """Whether the output size is given, and not the factor."""
        return self.size is not None

    @property
    def copies(self) -> bool:
        """Whether it copies and does not interpolate."""
        return self.mode == "nearest"

    def out_shape(self, inputs: Inputs) -> Shape:
        (shape,) = inputs
        sizes = spatial(shape, self.rank)
        out = self.size if self.to_size else tuple(n * k for n, k in zip(sizes, self.scale_factor, strict=True))
        return with_spatial(shape, self.rank, self.channels, out)

    def elementwise(self, inputs: Inputs, output: Shape) -> Size:
        return 0 if self.copies else (2 * prod((2,) * self.rank) - 1) * prod(output)

    def reads(self, inputs: Inputs, output: Shape) -> Reads:
        (shape,) = inputs
        at = len(shape) - self.rank
        factors = (None,) * self.rank if self.to_size else self.scale_factor
        axes = enumerate(zip(shape[at:], output[at:], factors, strict=True), at)
        found = [
            copied(axis, size, out, factor)
            if self.copies
            else interpolated(axis, size, out, self.align_corners, factor)
            for axis, (size, out, factor) in axes
        ]
        return (((*map(same, range(at)), *found),),)

    def check(self, inputs: Inputs) -> Iterator[str]:
        wanted = RANK_OF_MODE.get(self.mode, self.rank)
        if wanted != self.rank:
            found = f"the input {show_shape(inputs[0])} has {self.rank}"
            yield f"mode {self.mode} is for {wanted} spatial axes, and {found}"
        if self.align_corners and self.copies:
            yield "align_corners has no meaning with mode nearest; drop one of the two"

    @classmethod
    def complete(cls, fields: dict[str, object], shape: Shape, rank: int) -> None:
        if (fields["scale_factor"] is None) == (fields["size"] is None):
            raise FieldError("give just one of scale_factor and size")

    def describe(self) -> str:
        target = f"to {show_shape(self.size)}" if self.to_size else f"x {show_shape(self.scale_factor)}"
        return f"{self.mode} {target}"


@operator("opaque", family="movement")
class Opaque(Operator):
    """An operator outside the catalogue, of which only the output shape is known.

    It keeps a network analysable: shapes go on behind it, its cost is reported as unsupported, and every total over it
    is marked as a lower bound.

    Shapes: any -> output_shape. Parameters: unknown. MACs: unknown. Elementwise: unknown.
    """

    supported = False

    label: Text
    output_shape: FullShape

    def out_shape(self, inputs: Inputs) -> Shape:
        return self.output_shape

    def describe(self) -> str:
        return self.label
