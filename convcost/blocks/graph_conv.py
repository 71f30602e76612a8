"""Blocks of graph convolutions."""

from convcost.blocks.parts import ActivationName, whole_part
from convcost.graph import Builder, Value
from convcost.ops import block
from convcost.ops.kinds import Count, Probability, Repeats


@block("multipath_gcn", family="graph")
def multipath_gcn(
    b: Builder,
    x: Value,
    *,
    hidden_channels: Count,
    out_channels: Count,
    edges: Count,
    depth: Repeats = 3,
    narrow_channels: Count = None,
    activation: ActivationName = "relu",
    dropout: Probability = 0,
) -> Value:
    """Multipath graph network: a deep and a shallow path of graph convolutions, summed, under a linear classifier.

    A first graph convolution feeds both paths: `deep` has depth graph convolutions, `shallow` one down to
    narrow_channels and one back up.

    Shapes: (in_channels, vertices) -> (out_channels, vertices).
    Fields: narrow_channels is hidden_channels / 2 unless given; dropout stands behind every activation.
    Parameters: in_channels hidden + depth hidden^2 + 2 hidden narrow + hidden out_channels weights, and
        2 hidden + depth hidden + narrow + out_channels biases.
    MACs: those weights a vertex, and edges times the narrower side of each graph convolution.
    Source: Das et al. 2021, "Multipath graph convolutional neural networks", arXiv:2105.01510; as its notebook
        OGBN/ogbn-arxiv/mpGCN.ipynb.
    """
    narrow = narrow_channels
    if narrow is None:
        rule = f"2 does not divide hidden_channels (={hidden_channels}); give narrow_channels"
        narrow = whole_part(hidden_channels, 2, "hidden_channels", rule)

    def layer(value: Value, name: str, channels: Count) -> Value:
        value = b.graph_conv(value, name=name, out_channels=channels, edges=edges)
        if activation != "none":
            value = b.apply(activation, value, name=f"{name}_act")
        return value if dropout == 0 else b.dropout(value, name=f"{name}_dropout", p=dropout)

    x = layer(x, "first", hidden_channels)
    deep = x
    for number in range(depth):
        deep = layer(deep, f"deep{number + 1}", hidden_channels)
    shallow = layer(layer(x, "down", narrow), "up", hidden_channels)
    x = b.add(deep, shallow, name="add")
    return b.conv(x, name="head", out_channels=out_channels, kernel_size=1)
