"""Graph convolution: worked examples, refusals, and the product of matrices that it is."""

from typing import Any

import numpy
import pytest

from convcost.analysis.cost import analyze
from convcost.analysis.training import backward_macs
from convcost.formulas.symbolic import size_symbol
from convcost.graph import Builder, Graph
from telling import refusal, told


def test_neighbours_are_summed_on_the_narrower_input() -> None:
    # Cora: 2,708 vertices, 2 x 5,278 edges and 2,708 self-loops = 13,264; weights 128 x 256 = 32,768, and 256 biases;
    # MACs 2,708 x 32,768 = 88,735,744 and 13,264 x 128 = 1,697,792, together 90,433,536; biases 256 x 2,708 = 693,248
    assert told("graph_conv", (128, 2_708), out_channels=256, edges=13_264) == {
        "shape": (256, 2_708),
        "params": 33_024,
        "weights": 32_768,
        "macs": 90_433_536,
        "elementwise": 693_248,
        "describe": "13264 edges",
    }


def test_neighbours_are_summed_on_the_narrower_output() -> None:
    # weights 1,433 x 7 = 10,031; MACs 2,708 x 10,031 = 27,163,948 and 13,264 x 7 = 92,848, together 27,256,796
    assert told("graph_conv", (1_433, 2_708), out_channels=7, edges=13_264, bias=False) == {
        "shape": (7, 2_708),
        "params": 10_031,
        "weights": 10_031,
        "macs": 27_256_796,
        "describe": "13264 edges",
    }


def test_leading_axes_multiply_what_an_input_costs() -> None:
    # One graph: 10 x 3 x 2 = 60 for the linear map, 28 x 2 = 56 for the sum; ten graphs: 1,160; biases 10 x 2 x 10
    found = told("graph_conv", (2, 5, 3, 10), leading=2, out_channels=2, edges=28)
    assert (found["shape"], found["macs"], found["elementwise"]) == ((2, 5, 2, 10), 1_160, 200)


@pytest.mark.parametrize("edges", [10, 37, 100])
def test_without_a_linear_map_to_speak_of_only_edges_count(edges: int) -> None:
    assert told("graph_conv", (1, 10), out_channels=1, edges=edges, bias=False)["macs"] == 10 + edges


def test_gcn_on_cora_has_the_published_parameters() -> None:
    """1433-128-128-128 and a linear layer of 7: 183,552 + 2 x 16,512 + 903 = 217,479."""
    b = Builder()
    x = b.input((1_433, 2_708))
    for _ in range(3):
        x = b.relu(b.graph_conv(x, out_channels=128, edges=13_264))
    b.conv(x, out_channels=7, kernel_size=1)
    totals = analyze(b.graph()).totals
    assert totals.params == 183_552 + 2 * 16_512 + 903 == 217_479
    # (183,424 + 2 x 16,384 + 896) weights a vertex, 3 x 128 an edge
    assert totals.macs == 2_708 * 217_088 + 13_264 * 384 == 592_967_680


def test_symbols() -> None:
    vertices, edges, channels = size_symbol("V"), size_symbol("E"), size_symbol("C")
    assert (
        told("graph_conv", (8, vertices), out_channels=4, edges=edges, bias=False)["macs"] == 32 * vertices + 4 * edges
    )
    # the narrower side stays open where it is not known
    found = told("graph_conv", (channels, vertices), out_channels=4, edges=edges, bias=False)["macs"]
    assert found.subs({channels: 3, vertices: 10, edges: 20}) == 12 * 10 + 3 * 20
    assert found.subs({channels: 9, vertices: 10, edges: 20}) == 36 * 10 + 4 * 20


def test_arrays_take_the_narrower_side_one_by_one() -> None:
    # (8, 4) sums over 4 channels, (3, 4) over 3
    channels = numpy.array([8, 3], dtype=object)
    b = Builder()
    b.graph_conv(b.input((channels, 9)), out_channels=4, edges=12, bias=False)
    found = analyze(b.graph()).totals.macs
    assert list(found) == [8 * 4 * 9 + 12 * 4, 3 * 4 * 9 + 12 * 3]


@pytest.mark.parametrize(
    ("shape", "fields", "message"),
    [
        ((8,), {}, "it needs an input of channels and vertices, not 8"),
        ((8, 5, 5), {}, "it needs an input of channels and vertices, not 8x5x5"),
        ((8, 21), {}, "edges (=20) must be at least the vertices (=21): self-loops count as edges"),
        ((8, 4), {}, "edges (=20) must be at most 4^2 = 16, one a pair of vertices"),
        ((8, 5), {"edges": 0}, "edges is 0; it must be a whole number of at least 1"),
        ((8, 5), {"in_channels": 9}, "in_channels (=9) must be what the input 8x5 has, 8"),
    ],
)
def test_refusals(shape: tuple[int, ...], fields: dict[str, Any], message: str) -> None:
    assert refusal("graph_conv", shape, **{"out_channels": 4, "edges": 20, **fields}) == f'graph_conv "stem": {message}'


# ---- training ----


def two_layers(channels: tuple[int, int, int], edges: int) -> Graph:
    b = Builder()
    x = b.graph_conv(b.input((channels[0], 10)), name="first", out_channels=channels[1], edges=edges)
    b.graph_conv(x, name="second", out_channels=channels[2], edges=edges)
    return b.graph()


def test_backward_macs() -> None:
    """Through the sum goes a gradient where it stands behind the linear map, or where the input wants one."""
    # narrowing: 10 x 8 x 4 = 320 and 30 x 4 = 120; the weights' gradient 320, the sum's 120
    # widening: 10 x 4 x 6 = 240 and 30 x 4 = 120; the gradients of weights and input 480, the sum's 120
    assert backward_macs(two_layers((8, 4, 6), 30)) == {"first": 2 * (320 + 120), "second": 3 * 240 + 2 * 120}
    # widening, first layer: the input wants no gradient, so that none goes through the sum
    assert backward_macs(two_layers((4, 8, 2), 30))["first"] == 2 * (10 * 4 * 8) + 30 * 4


@pytest.mark.parametrize("edges", [10, 11, 29, 30, 99, 100])
@pytest.mark.parametrize("channels", [(8, 4, 6), (4, 8, 2), (3, 3, 3)])
def test_execution_agrees(channels: tuple[int, int, int], edges: int) -> None:
    pytest.importorskip("torch")
    from convcost.pytorch.validate import validate

    result = validate(two_layers(channels, edges), batch=3, backward=True)
    assert result.differences == ()
    assert {comparison.quantity for comparison in result.comparisons} >= {"MACs", "forward and backward MACs"}


@pytest.mark.parametrize("edges", [6, 7, 17, 18, 35, 36])
@pytest.mark.parametrize("channels", [(5, 2), (2, 5), (3, 3)])
def test_equal_to_the_product_of_matrices(channels: tuple[int, int], edges: int) -> None:
    """D^-1/2 (A + I) D^-1/2 X W + b, A + I with the edges of which the module tells."""
    torch = pytest.importorskip("torch")
    from convcost.pytorch.modules import GraphConv

    torch.manual_seed(3)
    layer = GraphConv(*channels, edges).double()
    torch.nn.init.normal_(layer.bias)
    adjacency = torch.zeros(6, 6, dtype=torch.float64)
    for edge in range(edges):
        adjacency[edge % 6, (edge + edge // 6) % 6] += 1
    assert adjacency.max() == 1
    assert adjacency.sum() == edges
    assert adjacency.diagonal().min() == 1
    into, out_of = adjacency.sum(1), adjacency.sum(0)
    normalised = into.rsqrt().diag() @ adjacency @ out_of.rsqrt().diag()
    x = torch.randn(2, channels[0], 6, dtype=torch.float64)
    expected = normalised @ x.transpose(1, 2) @ layer.linear.weight.T + layer.bias
    torch.testing.assert_close(layer(x), expected.transpose(1, 2), rtol=0, atol=1e-12)
