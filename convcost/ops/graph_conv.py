"""Convolution on a graph."""

from collections.abc import Iterator

from convcost.arith import Shape, Size, is_int, prod, smallest
from convcost.ops.base import Inputs, Operator, operator, show_shape
from convcost.ops.kinds import Count, Flag, InputChannels, SpatialRank
from convcost.ops.reads import Reads, at_most_whole, same, whole
from convcost.ops.window import positions, with_spatial


@operator("graph_conv", family="graph")
class GraphConv(Operator):
    """Graph convolution: each vertex sums its neighbours, weighted by degrees, before or behind a linear map.

    X' = D^-1/2 (A + I) D^-1/2 X W + b, X a row a vertex, A the adjacency and D the degrees of A + I. A vertex sees its
    neighbours, and behind n such layers those within n hops; how many these are, up to all, the graph decides.

    Shapes: (in_channels, vertices) -> (out_channels, vertices).
    Fields: edges is the number of entries of A + I that are summed: both directions of each edge, and self-loops.
    Parameters: in_channels out_channels weights, and out_channels biases. The graph is data.
    MACs: vertices in_channels out_channels for the linear map, and edges min(in_channels, out_channels) for the sum,
        which is taken on the narrower side, before or behind the linear map.
    Elementwise: one addition an output element where there is a bias.
    Constraints: vertices <= edges <= vertices^2.
    Source: Kipf and Welling 2017, "Semi-supervised classification with graph convolutional networks",
        arXiv:1609.02907; the order of the two products as in DGL's GraphConv.
    """

    out_channels: Count
    edges: Count
    bias: Flag = True
    in_channels: InputChannels
    rank: SpatialRank

    @property
    def aggregates_first(self) -> bool:
        """Whether neighbours are summed before the linear map: in_channels are not more than out_channels."""
        concrete = is_int(self.in_channels) and is_int(self.out_channels)
        return not concrete or self.in_channels <= self.out_channels

    @property
    def summed_channels(self) -> Size:
        """The channels of the sum over neighbours: those of the narrower side."""
        return smallest([self.in_channels, self.out_channels])

    def out_shape(self, inputs: Inputs) -> Shape:
        (shape,) = inputs
        return with_spatial(shape, 1, self.out_channels, shape[len(shape) - 1 :])

    def weights(self) -> Size:
        return self.in_channels * self.out_channels

    def params(self) -> Size:
        return self.weights() + (self.out_channels if self.bias else 0)

    def linear_macs(self, output: Shape) -> Size:
        """Multiply-accumulates of the linear map."""
        return self.weights() * positions(output, 1)

    def sum_macs(self, output: Shape) -> Size:
        """Multiply-accumulates of the sum over neighbours."""
        return prod(output[: len(output) - 2]) * self.edges * self.summed_channels

    def macs(self, inputs: Inputs, output: Shape) -> Size:
        return self.linear_macs(output) + self.sum_macs(output)

    def backward_macs(self, inputs: Inputs, output: Shape, needed: tuple[bool, ...]) -> Size:
        """The linear map as any other; through the sum goes what lies before it: the input, or the linear map."""
        through_sum = sum(needed) if self.aggregates_first else 1
        return (1 + sum(needed)) * self.linear_macs(output) + through_sum * self.sum_macs(output)

    def reads(self, inputs: Inputs, output: Shape) -> Reads:
        """Its neighbours: which these are, the data says."""
        return (((*map(same, range(len(output) - 2)), whole(), at_most_whole()),),)

    def elementwise(self, inputs: Inputs, output: Shape) -> Size:
        return prod(output) if self.bias else 0

    def check(self, inputs: Inputs) -> Iterator[str]:
        (shape,) = inputs
        if self.rank != 1:
            yield f"it needs an input of channels and vertices, not {show_shape(shape)}"
            return
        vertices = shape[-1]
        if is_int(vertices) and is_int(self.edges):
            if self.edges < vertices:
                yield f"edges (={self.edges}) must be at least the vertices (={vertices}): self-loops count as edges"
            if self.edges > vertices * vertices:
                pairs = f"{vertices}^2 = {vertices * vertices}"
                yield f"edges (={self.edges}) must be at most {pairs}, one a pair of vertices"

    def describe(self) -> str:
        return f"{self.edges} edges"
