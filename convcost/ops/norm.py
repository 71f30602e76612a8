"""Normalisation: batch, group, layer and instance norm, and AlexNet's response normalisation."""

from collections.abc import Iterator
from typing import Any

from convcost.arith import Shape, Size, floor_div, is_int, note_divides, prod
from convcost.ops.base import Inputs, Operator, operator, show_shape
from convcost.ops.kinds import Count, Flag, InputChannels, SpatialRank
from convcost.ops.list_kinds import FullShape
from convcost.ops.reads import AxisRead, Reads, Taps, grouped, same, same_shape, whole

NO_MACS = "normalisation scales each element; no weight is shared over a window"


class Norm(Operator):
    """What the normalisations share: the output has the input's shape."""

    free = {"macs": NO_MACS}

    def out_shape(self, inputs: Inputs) -> Shape:
        (shape,) = inputs
        return shape


@operator("batch_norm", family="normalisation")
class BatchNorm(Norm):
    """Batch normalisation, at inference: each channel is scaled and shifted by stored statistics.

    y = (x - mean) / sqrt(var + eps) gamma + beta, which folds into one multiplication and one addition.

    Shapes: (channels, *) -> the same, with 0 to 3 spatial axes.
    Parameters: 2 channels (gamma, beta) where affine.
    Buffers: running mean and variance, 2 channels, and the counter of batches, 1.
    MACs: none (a multiplication by a stored scale; often folded into the convolution before it).
    Elementwise: 2 an element.
    Source: Ioffe and Szegedy 2015, arXiv:1502.03167; as torch.nn.BatchNorm2d.
    """

    affine: Flag = True
    num_features: InputChannels
    rank: SpatialRank

    def params(self) -> Size:
        return 2 * self.num_features if self.affine else 0

    def buffers(self) -> Size:
        return 2 * self.num_features + 1

    def elementwise(self, inputs: Inputs, output: Shape) -> Size:
        return 2 * prod(output)

    def reads(self, inputs: Inputs, output: Shape) -> Reads:
        return same_shape(inputs)


@operator("group_norm", family="normalisation")
class GroupNorm(Norm):
    """Group normalisation: channels are normalised in groups, by the statistics of the sample.

    Shapes: (channels, *) -> the same.
    Parameters: 2 channels (gamma, beta) where affine.
    MACs: none.
    Elementwise: 5 an element (sum; subtract, square, sum; scale), and 2 more where affine.
    Constraints: num_groups divides the channels; a group has more than one element.
    Source: Wu and He 2018, arXiv:1803.08494; as torch.nn.GroupNorm.
    """

    num_groups: Count
    affine: Flag = True
    num_channels: InputChannels

    def params(self) -> Size:
        return 2 * self.num_channels if self.affine else 0

    def elementwise(self, inputs: Inputs, output: Shape) -> Size:
        return (7 if self.affine else 5) * prod(output)

    def reads(self, inputs: Inputs, output: Shape) -> Reads:
        """The channels of its group, everywhere."""
        channels = grouped(0, self.num_channels, self.num_channels, self.num_groups)
        return (((channels, *(whole() for _ in output[1:])),),)

    def check(self, inputs: Inputs) -> Iterator[str]:
        note_divides(self.num_groups, self.num_channels)
        if is_int(self.num_channels) and is_int(self.num_groups) and self.num_channels % self.num_groups:
            yield f"num_groups (={self.num_groups}) must divide the input's channels (={self.num_channels})"
        elif all(map(is_int, inputs[0])) and is_int(self.num_groups) and prod(inputs[0]) == self.num_groups:
            yield f"num_groups (={self.num_groups}) leaves groups of one element, which any norm makes 0"

    def describe(self) -> str:
        return f"{self.num_groups} groups"


@operator("layer_norm", family="normalisation")
class LayerNorm(Norm):
    """Layer normalisation over the last axes, by the statistics of the sample.

    Shapes: (*, *normalized_shape) -> the same; normalized_shape is the whole sample where it is not given.
    Parameters: prod(normalized_shape) scales, and as many shifts where bias, if elementwise_affine.
    MACs: none.
    Elementwise: 5 an element (sum; subtract, square, sum; scale), 1 more for the scale and 1 for the shift.
    Constraints: normalized_shape is the end of the input's shape.
    Source: Ba et al. 2016, arXiv:1607.06450; as torch.nn.LayerNorm.
    """

    normalized_shape: FullShape = None
    elementwise_affine: Flag = True
    bias: Flag = True

    @classmethod
    def complete(cls, fields: dict[str, Any], shape: Shape, rank: int) -> None:
        if fields["normalized_shape"] is None:
            fields["normalized_shape"] = shape[len(shape) - rank - 1 :]

    @property
    def shifts(self) -> bool:
        """Whether there are shifts beside the scales."""
        return self.elementwise_affine and self.bias

    def params(self) -> Size:
        scales = prod(self.normalized_shape) if self.elementwise_affine else 0
        return scales + (prod(self.normalized_shape) if self.shifts else 0)

    def elementwise(self, inputs: Inputs, output: Shape) -> Size:
        return (5 + (1 if self.elementwise_affine else 0) + (1 if self.shifts else 0)) * prod(output)

    def reads(self, inputs: Inputs, output: Shape) -> Reads:
        kept = len(output) - len(self.normalized_shape)
        return (((*map(same, range(kept)), *(whole() for _ in self.normalized_shape)),),)

    def check(self, inputs: Inputs) -> Iterator[str]:
        ending = inputs[0][max(0, len(inputs[0]) - len(self.normalized_shape)) :]
        if all(map(is_int, (*ending, *self.normalized_shape))) and ending != self.normalized_shape:
            yield (
                f"normalized_shape (={show_shape(self.normalized_shape)}) must be the end of the input's shape"
                f" ({show_shape(inputs[0])})"
            )

    def describe(self) -> str:
        return f"over {show_shape(self.normalized_shape)}"


@operator("instance_norm", family="normalisation")
class InstanceNorm(Norm):
    """Instance normalisation: each channel of the sample by its own statistics; group norm with groups of one channel.

    Shapes: (channels, *size) -> the same, with 1 to 3 spatial axes.
    Parameters: 2 channels (gamma, beta) where affine.
    MACs: none.
    Elementwise: 5 an element (sum; subtract, square, sum; scale), and 2 more where affine.
    Constraints: a channel has more than one element.
    Source: Ulyanov et al. 2016, arXiv:1607.08022; as torch.nn.InstanceNorm2d, which is not affine unless told.
    """

    affine: Flag = False
    num_features: InputChannels
    rank: SpatialRank

    @classmethod
    def needs_spatial_axes(cls) -> bool:
        return True

    def params(self) -> Size:
        return 2 * self.num_features if self.affine else 0

    def elementwise(self, inputs: Inputs, output: Shape) -> Size:
        return (7 if self.affine else 5) * prod(output)

    def reads(self, inputs: Inputs, output: Shape) -> Reads:
        at = len(output) - self.rank
        return (((*map(same, range(at)), *(whole() for _ in range(self.rank))),),)

    def check(self, inputs: Inputs) -> Iterator[str]:
        sizes = inputs[0][len(inputs[0]) - self.rank :]
        if all(map(is_int, sizes)) and prod(sizes) == 1:
            yield f"the input {show_shape(inputs[0])} leaves one element a channel, which any norm makes 0"


@operator("local_response_norm", family="normalisation")
class LocalResponseNorm(Norm):
    """Local response normalisation: each element is divided by the energy of `size` neighbouring channels.

    y[c] = x[c] / (k + alpha / size sum over neighbours of x[c']^2)^beta

    Shapes: (channels, *) -> the same.
    Parameters: none. MACs: none.
    Elementwise: size + 5 an element (square; size - 1 additions; scale, add, power, divide; the mean's division).
    Source: Krizhevsky et al. 2012 (AlexNet), section 3.3; as torch.nn.LocalResponseNorm.
    """

    free = {"params": "its constants are fixed", "macs": NO_MACS}

    size: Count

    def elementwise(self, inputs: Inputs, output: Shape) -> Size:
        return (self.size + 5) * prod(output)

    def reads(self, inputs: Inputs, output: Shape) -> Reads:
        """Of an even number of neighbouring channels, one more in front."""
        front = floor_div(self.size, 2)
        channels = AxisRead(axis=0, taps=(Taps(first=-front, last=self.size - 1 - front),))
        return (((channels, *map(same, range(1, len(output)))),),)

    def check(self, inputs: Inputs) -> Iterator[str]:
        if len(inputs[0]) < 2:
            yield f"the input {show_shape(inputs[0])} has no axis beside the channels"

    def describe(self) -> str:
        return f"{self.size} channels"
