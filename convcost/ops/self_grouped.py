"""Convolution in groups of unequal size, as self-grouping networks learn them."""

from collections.abc import Iterator
from typing import Any

from convcost.arith import Shape, Size, is_int, prod
from convcost.ops.base import Inputs, operator
from convcost.ops.conv import Conv, show_window
from convcost.ops.kinds import Count
from convcost.ops.list_kinds import UnequalGroups
from convcost.ops.reads import Reads, at_most_whole
from convcost.ops.window import positions


@operator("self_grouped_conv", family="convolution")
class SelfGroupedConv(Conv):
    """Self-grouped convolution: groups of any number of filters, each on any number of the input channels.

    y[n, p] = b[n] + sum over c in S(group of n), k of w[n, c, k] x[c, stride p + dilation k - padding]. A channel may
    be in several sets S or in none; which channels a set has, training decides, and the cost does not depend on it.

    Shapes: (in_channels, *size) -> (out_channels, *out), 1 to 3 spatial axes, sizes and padding as in conv.
    Fields: groups is a list of pairs [filters, channels], one a group; out_channels is the sum of the filters.
    Parameters: sum of filters channels over the groups, times prod(kernel_size), weights, and out_channels biases.
    MACs: one a weight and output position, the share (sum of filters channels) / (in_channels out_channels) of the
        convolution without groups. The published code multiplies all channels of each filter, by weights of which
        the mask leaves zeros: it executes the MACs of the convolution without groups, and gains no time.
    Elementwise: one addition an output element where there is a bias.
    Constraints: no group has more channels than the input; the dilated kernel fits into the padded input.
    Source: Guo et al. 2020, "Self-grouping convolutional neural networks", arXiv:2009.13803.
    """

    groups: UnequalGroups
    out_channels: Count = None

    @classmethod
    def complete(cls, fields: dict[str, Any], shape: Shape, rank: int) -> None:
        if fields["out_channels"] is None:
            fields["out_channels"] = sum(filters for filters, _ in fields["groups"])

    def weights(self) -> Size:
        pairs: Size = 0
        for filters, channels in self.groups:
            pairs = pairs + filters * channels
        return pairs * prod(self.kernel_size)

    def dense_macs(self, output: Shape) -> Size:
        """The multiply-accumulates that a masked convolution executes, zeros included."""
        return self.in_channels * self.out_channels * prod(self.kernel_size) * positions(output, self.rank)

    def reads(self, inputs: Inputs, output: Shape) -> Reads:
        """As without groups: which channels a group reads is learned."""
        ((product,),) = super().reads(inputs, output)
        at = len(product) - self.rank - 1
        return (((*product[:at], at_most_whole(), *product[at + 1 :]),),)

    def check(self, inputs: Inputs) -> Iterator[str]:
        for filters, channels in self.groups:
            if is_int(channels) and is_int(self.in_channels) and channels > self.in_channels:
                yield (
                    f"groups holds [{filters}, {channels}], a group of {channels} channels, and the input has"
                    f" {self.in_channels}; each pair is [filters, channels], with no more channels than the input has"
                )
        total = sum(filters for filters, _ in self.groups)
        if is_int(total) and is_int(self.out_channels) and total != self.out_channels:
            yield f"out_channels (={self.out_channels}) must be the sum of the groups' filters, {total}"
        yield from super().check(inputs)

    def describe(self) -> str:
        words = show_window(self.kernel_size, self.stride, self.dilation)
        return f"{words} in {len(self.groups)} groups"
