"""Convolution over a group of rotations and reflections."""

from collections.abc import Iterator
from typing import Annotated

from convcost.arith import Shape, Size, is_int, prod
from convcost.ops.base import Inputs, Operator, operator, show_shape
from convcost.ops.conv import check_window, show_window
from convcost.ops.kinds import ChoiceKind, Count, Flag, InputChannels, SpatialRank, Whole
from convcost.ops.reads import Reads, same, whole, window
from convcost.ops.window import positions, slid, spatial, with_spatial

ORDERS = {"p4": 4, "p4m": 8}
"""How many elements each group has, without translations."""

SymmetryGroup = Annotated[str, ChoiceKind(*ORDERS)]
Border = Annotated[Size, Whole(0)]


@operator("group_equivariant_conv", family="equivariant")
class GroupEquivariantConv(Operator):
    """Group-equivariant convolution: a filter in every rotation (p4), or rotation and reflection (p4m), of the square.

    y[n, g, p] = b[n] + sum over c, h, k of w[n, c, g^-1 h, g^-1 k] x[c, h, stride p + k - padding], g and h elements of
    the group; on an image there is no h (lifting). A group transforms such maps by moving the pixels and permuting g.

    Shapes: (in_channels, *size) -> (out_channels, order, *out), lifting, or
        (in_channels, order, *size) -> (out_channels, order, *out), 2 spatial axes, order 4 for p4 and 8 for p4m,
        out = floor((size + 2 padding - kernel_size) / stride) + 1. The group axis lies behind the channels like a
        spatial one, so that batch norm has one pair of parameters a group map, and global pooling pools over both.
    Fields: kernel_size, stride and padding are one number for both axes, since rotations exchange them.
    Parameters: out_channels in_channels kernel_size^2 weights (lifting), order times as many otherwise, and
        out_channels biases.
    MACs: order a weight and output position. As against a convolution of as many channels, without the group: weights
        the same and MACs times order (lifting); weights times order and MACs times order^2 otherwise. Transforming the
        filters copies.
    Elementwise: one addition an output element where there is a bias.
    Constraints: square kernels; the group axis of the input has the order of the group. Rotations of the input are
        rotations of the output only where stride divides size + 2 padding - kernel_size.
    Source: Cohen and Welling 2016, "Group equivariant convolutional networks", arXiv:1602.07576.
    Remark: slides print 8 times the feature maps without more parameters. This holds for p4m's first layer alone, at 8
        times the MACs; every further layer has 8 times the parameters and 64 times the MACs.
    """

    out_channels: Count
    kernel_size: Count
    group: SymmetryGroup
    stride: Count = 1
    padding: Border = 0
    bias: Flag = True
    in_channels: InputChannels
    rank: SpatialRank

    @property
    def is_lifting(self) -> bool:
        """Whether the input is an image, without a group axis."""
        return self.rank == 2

    @property
    def order(self) -> int:
        """The number of elements of the group."""
        return ORDERS[self.group]

    def out_shape(self, inputs: Inputs) -> Shape:
        (shape,) = inputs
        sizes = tuple(slid(size, self.kernel_size, self.stride, self.padding, 1) for size in spatial(shape, 2))
        return with_spatial(shape, self.rank, self.out_channels, (self.order, *sizes))

    def weights(self) -> Size:
        taps = prod((self.kernel_size, self.kernel_size))
        return self.out_channels * self.in_channels * taps * (1 if self.is_lifting else self.order)

    def params(self) -> Size:
        return self.weights() + (self.out_channels if self.bias else 0)

    def macs(self, inputs: Inputs, output: Shape) -> Size:
        return self.weights() * positions(output, 3)

    def reads(self, inputs: Inputs, output: Shape) -> Reads:
        """A window of every channel and every element of the group: the square is its own rotation."""
        at = len(output) - 4
        slid_windows = [window(at + 2 + axis, self.kernel_size, self.stride, self.padding, 1) for axis in range(2)]
        mixed = [whole()] if self.is_lifting else [whole(), whole()]
        return (((*map(same, range(at)), *mixed, *slid_windows),),)

    def elementwise(self, inputs: Inputs, output: Shape) -> Size:
        return prod(output) if self.bias else 0

    def check(self, inputs: Inputs) -> Iterator[str]:
        (shape,) = inputs
        if self.rank not in (2, 3):
            yield (
                "it needs an input of channels, height and width, or of channels, group, height and width,"
                f" not {show_shape(shape)}"
            )
            return
        order = shape[-3]
        if not self.is_lifting and is_int(order) and order != self.order:
            yield (
                f"group {self.group} has {self.order} elements, and the group axis of the input {show_shape(shape)} has"
                f" {order}; take the group with which the input was lifted"
            )
        square = (self.kernel_size, self.kernel_size)
        yield from check_window(spatial(shape, 2), square, (self.padding, self.padding), (1, 1))

    def describe(self) -> str:
        window = show_window((self.kernel_size, self.kernel_size), (self.stride, self.stride), (1, 1))
        return f"{self.group} lifting {window}" if self.is_lifting else f"{self.group} {window}"
