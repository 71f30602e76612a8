"""Convolution in groups of unequal size: worked examples, refusals, and the masked convolution that it is."""

from fractions import Fraction
from typing import Any

import pytest

from convcost.formulas.symbolic import size_symbol
from convcost.graph import Builder
from telling import refusal, told

WORD = "self_grouped_conv"


def test_two_groups_of_unequal_size() -> None:
    # out_channels 32 + 16 = 48; size 14 + 2 - 3 + 1 = 14; weights (32 x 10 + 16 x 22) x 3 x 3 = 672 x 9 = 6,048, and
    # 48 biases: 6,096; MACs 6,048 x 14 x 14 = 1,185,408; biases 48 x 14 x 14 = 9,408
    assert told(WORD, (32, 14, 14), groups=[[32, 10], [16, 22]], kernel_size=3, padding=1) == {
        "shape": (48, 14, 14),
        "params": 6_096,
        "weights": 6_048,
        "macs": 1_185_408,
        "elementwise": 9_408,
        "describe": "3x3 in 2 groups",
    }


def test_channels_may_be_in_several_groups_or_in_none() -> None:
    # 4 x 8 + 2 x 8 = 48 pairs on the same 8 channels, and 3 x 1 = 3 pairs that leave 7 channels out
    assert told(WORD, (8, 5), groups=[[4, 8], [2, 8]], kernel_size=1, bias=False)["macs"] == 48 * 5
    assert told(WORD, (8, 5), groups=[[3, 1]], kernel_size=1, bias=False)["macs"] == 3 * 5


def op_on(shape: tuple[int, ...], **fields: Any) -> Any:
    b = Builder()
    b.apply(WORD, b.input(shape), **fields)
    return b.nodes[-1]


@pytest.mark.parametrize(
    ("groups", "share"),
    [([[32, 10], [16, 22]], Fraction(672, 32 * 48)), ([[48, 32]], Fraction(1)), ([[16, 8]] * 3, Fraction(1, 4))],
)
def test_share_of_what_the_published_code_executes(groups: list[list[int]], share: Fraction) -> None:
    """sum f c / (C N): the masked convolution multiplies C N pairs a tap and position all the same."""
    node = op_on((32, 9, 9), groups=groups, kernel_size=3)
    dense = told("conv", (32, 9, 9), out_channels=48, kernel_size=3)["macs"]
    assert node.op.dense_macs(node.shape) == dense == 32 * 48 * 9 * 7 * 7
    assert Fraction(node.op.macs(((32, 9, 9),), node.shape), dense) == share


@pytest.mark.parametrize("groups", [1, 2, 4, 8])
def test_equal_groups_that_share_the_channels_out_are_grouped_convolution(groups: int) -> None:
    window = {"kernel_size": (3, 5), "stride": 2, "padding": (1, 2), "dilation": (2, 1)}
    grouped = told("conv", (16, 20, 20), out_channels=24, groups=groups, **window)
    found = told(WORD, (16, 20, 20), groups=[[24 // groups, 16 // groups]] * groups, **window)
    assert {**found, "describe": ""} == {**grouped, "describe": ""}


def test_lenet_before_it_is_grouped() -> None:
    """The network whose groups the authors learn: 431 K parameters, 2,293,000 MACs (they print 2294 K)."""
    b = Builder()
    x = b.self_grouped_conv(b.input((1, 28, 28)), groups=[[20, 1]], kernel_size=5)  # 500 weights at 24 x 24
    x = b.max_pool(x, kernel_size=2)
    x = b.self_grouped_conv(x, groups=[[50, 20]], kernel_size=5)  # 25,000 weights at 8 x 8
    x = b.flatten(b.max_pool(x, kernel_size=2))
    b.linear(b.linear(x, out_features=500), out_features=10)  # 800 x 500 and 500 x 10
    nodes = b.graph().layers
    shapes = [b.graph().input_shapes(node) for node in nodes]
    assert sum(node.op.params() for node in nodes) == 430_500 + 580 == 431_080
    macs = sum(node.op.macs(inputs, node.shape) for node, inputs in zip(nodes, shapes, strict=True))
    assert macs == 500 * 576 + 25_000 * 64 + 405_000 == 2_293_000


@pytest.mark.parametrize(
    ("shape", "output", "taps"),
    [((6, 9), (5, 4), 3), ((6, 9, 8), (5, 4, 3), 9), ((6, 9, 8, 7), (5, 4, 3, 3), 27)],
)
def test_one_to_three_axes(shape: tuple[int, ...], output: tuple[int, ...], taps: int) -> None:
    # floor((9 - 3) / 2) + 1 = 4, floor((8 - 3) / 2) + 1 = 3, floor((7 - 3) / 2) + 1 = 3; 3 x 4 + 2 x 6 = 24 pairs
    found = told(WORD, shape, groups=[[3, 4], [2, 6]], kernel_size=3, stride=2)
    assert (found["shape"], found["weights"], found["params"]) == (output, 24 * taps, 24 * taps + 5)
    leading = told(WORD, (7, *shape), leading=1, groups=[[3, 4], [2, 6]], kernel_size=3, stride=2)
    assert (leading["weights"], leading["macs"]) == (24 * taps, 7 * found["macs"])


def test_padding_in_words_and_symbolic_sizes() -> None:
    side = size_symbol("side")
    found = told(WORD, (6, side, side), groups=[[3, 4], [2, 6]], kernel_size=3, padding="same")
    assert found["shape"] == (5, side, side)
    assert found["macs"] == 216 * side**2
    assert told(WORD, (6, 7), groups=[[1, 1]], kernel_size=3, stride=2, padding="same_tf")["shape"] == (1, 4)


PAIRS = "a list of pairs [filters, channels], whole numbers of at least 1"


@pytest.mark.parametrize(
    ("shape", "fields", "message"),
    [
        ((8, 9), {"groups": 2}, f"groups is 2; it must be {PAIRS}"),
        ((8, 9), {"groups": []}, f"groups is []; it must be {PAIRS}"),
        ((8, 9), {"groups": [4, 4]}, f"groups holds 4; it must be {PAIRS}"),
        ((8, 9), {"groups": [[4, 4, 4]]}, f"groups holds [4, 4, 4]; it must be {PAIRS}"),
        ((8, 9), {"groups": [[0, 4]]}, "groups: filters is 0; it must be a whole number of at least 1"),
        ((8, 9), {"groups": [[4, "all"]]}, 'groups: channels is "all"; it must be a whole number of at least 1'),
        ((8, 9), {}, f"the required field groups is missing; it must be {PAIRS}"),
        (
            (8, 9),
            {"groups": [[4, 8], [4, 9]]},
            "groups holds [4, 9], a group of 9 channels, and the input has 8; each pair is [filters, channels], with no"
            " more channels than the input has",
        ),
        (
            (8, 9),
            {"groups": [[4, 8], [3, 8]], "out_channels": 8},
            "out_channels (=8) must be the sum of the groups' filters, 7",
        ),
        (
            (8, 9),
            {"groups": [[4, 8]], "padding": "same", "stride": 2},
            "padding same needs stride 1 (as in PyTorch), and the stride is 2; use same_tf, or padding as numbers",
        ),
        ((8,), {"groups": [[4, 8]]}, "it needs an input of channels and 1 to 3 spatial axes, not 8"),
    ],
)
def test_refusals(shape: tuple[int, ...], fields: dict[str, Any], message: str) -> None:
    assert refusal(WORD, shape, kernel_size=3, **fields) == f'{WORD} "stem": {message}'


def test_out_channels_may_be_stated() -> None:
    assert told(WORD, (8, 9), groups=[[4, 8], [3, 8]], out_channels=7, kernel_size=1)["shape"] == (7, 9)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("groups", [[[3, 4], [2, 6], [4, 1]], [[2, 5], [2, 5], [1, 5]], [[4, 6]]])
def test_equal_to_a_masked_convolution(rank: int, groups: list[list[int]]) -> None:
    """Consecutive channels, from where the group before ends, around the end to the first."""
    torch = pytest.importorskip("torch")
    from convcost.pytorch.build import construct
    from convcost.pytorch.forms import form_of

    node = op_on((6, *[7] * rank), groups=groups, kernel_size=3, stride=2, padding=1, dilation=2)
    layer = construct(form_of(node.op)).double()
    dense = getattr(torch.nn, f"Conv{rank}d")(6, node.shape[0], 3, stride=2, padding=1, dilation=2).double()
    torch.nn.init.zeros_(dense.weight)
    row = start = 0
    with torch.no_grad():
        for (filters, channels), conv in zip(groups, layer.groups, strict=True):
            for channel in range(channels):
                dense.weight[row : row + filters, (start + channel) % 6] = conv.weight[:, channel]
            dense.bias[row : row + filters] = conv.bias
            row, start = row + filters, start + channels
    assert int((dense.weight != 0).sum()) == node.op.weights()
    x = torch.randn(2, 6, *[7] * rank, dtype=torch.float64)
    torch.testing.assert_close(layer(x), dense(x), rtol=0, atol=1e-12)
