"""The units of ShuffleNet v1 and v2, against the papers' closed forms."""

from __future__ import annotations

from typing import Any

import pytest

import convcost.blocks  # noqa: F401 - registers the blocks
from convcost.analysis.cost import analyze
from convcost.errors import FieldError, GraphError
from convcost.graph import Builder
from telling import analysis_of, names_of, output_of

# shuffle_unit


def test_shuffle_unit_with_stride_one() -> None:
    """240 channels, 60 hidden, 3 groups at 28x28: h w (2 c m / g + 9 m) = 784 x 10,140."""
    result = analysis_of("shuffle_unit", (240, 28, 28), out_channels=240)
    convolutions = ["reduce", "reduce_norm", "reduce_act", "shuffle", "depthwise", "depthwise_norm"]
    assert names_of(result) == [*convolutions, "expand", "expand_norm", "add", "add_act"]
    assert output_of(result) == (240, 28, 28)
    assert result.totals.weights == 2 * 240 * 60 // 3 + 9 * 60 == 10_140
    assert result.totals.params == 10_140 + 2 * (60 + 60 + 240) == 10_860  # three norms
    assert result.totals.macs == 784 * 10_140 == 7_949_760


@pytest.mark.parametrize(("channels", "groups"), [(144, 1), (200, 2), (240, 3), (272, 4), (384, 8), (768, 8)])
@pytest.mark.parametrize("size", [7, 28])
def test_shuffle_unit_closed_form(channels: int, groups: int, size: int) -> None:
    """h w (2 c m / g + 9 m), m = c / 4, where ResNet's unit has h w (2 c m + 9 m^2)."""
    result = analysis_of("shuffle_unit", (channels, size, size), out_channels=channels, groups=groups)
    hidden = channels // 4
    assert result.totals.macs == size * size * (2 * channels * hidden // groups + 9 * hidden)
    dense = analysis_of("bottleneck_block", (channels, size, size), out_channels=channels)
    assert dense.totals.macs == size * size * (2 * channels * hidden + 9 * hidden**2)


STRIDED = [
    ((24, 56, 56), {"out_channels": 240, "first_groups": 1}, 1),  # stage 2 of ShuffleNet 1x
    ((240, 28, 28), {"out_channels": 480}, 3),
    ((384, 28, 28), {"out_channels": 768, "groups": 8}, 8),
    ((10, 7, 9), {"out_channels": 40, "groups": 2}, 2),  # odd sizes: 4x5 positions go out
]


@pytest.mark.parametrize(("shape", "fields", "first"), STRIDED)
def test_shuffle_unit_with_stride_two(shape: tuple[int, ...], fields: dict[str, Any], first: int) -> None:
    """h w c m / g + h' w' (9 m + m (out - c) / g): the convolutions give what the pooled input lacks."""
    result = analysis_of("shuffle_unit", shape, stride=2, **fields)
    channels, height, width = shape
    out, groups = fields["out_channels"], fields.get("groups", 3)
    hidden, small = out // 4, ((height + 1) // 2) * ((width + 1) // 2)
    assert output_of(result) == (out, (height + 1) // 2, (width + 1) // 2)
    assert names_of(result)[-5:] == ["expand", "expand_norm", "pool", "concat", "concat_act"]
    expand = hidden * (out - channels) // groups
    assert result.totals.macs == height * width * channels * hidden // first + small * (9 * hidden + expand)
    assert result.totals.weights == channels * hidden // first + 9 * hidden + expand


def test_first_shuffle_unit_of_the_network() -> None:
    """24 to 240 channels, 3 groups, but for the first 1x1: 24 x 60 + 9 x 60 + 60 x 216 / 3 = 6,300 weights."""
    result = analysis_of("shuffle_unit", (24, 56, 56), out_channels=240, stride=2, first_groups=1)
    by_name = {layer.node.name: layer.cost for layer in result.layers}
    assert by_name["x.reduce"].weights == 24 * 60 == 1_440
    assert by_name["x.expand"].weights == 60 * (240 - 24) // 3 == 4_320
    assert result.totals.weights == 1_440 + 540 + 4_320 == 6_300
    assert result.totals.params == 6_300 + 2 * (60 + 60 + 216) == 6_972
    assert result.totals.macs == 3_136 * 1_440 + 784 * (540 + 4_320) == 8_326_080


def test_the_pooled_input_stands_first() -> None:
    result = analysis_of("shuffle_unit", (6, 8, 8), out_channels=24, stride=2, norm="none", activation="none")
    nodes = [layer.node for layer in result.layers]
    pool, concat = nodes[-2:]
    assert (pool.op.word, concat.op.word) == ("avg_pool", "concat")
    assert (pool.op.kernel_size, pool.op.stride, pool.op.padding) == ((3, 3), (2, 2), (1, 1))
    assert [nodes[source - 1].name for source in concat.inputs] == ["x.pool", "x.expand"]
    assert [pool.shape[0], nodes[-3].shape[0]] == [6, 18]


def test_shuffle_unit_of_the_slides() -> None:
    """Slides on efficient convolutions, 240 channels and 2 groups, with biases. They take 240 / 4 for 80 and print
    (240 + 1) x 80 / 2 + (9 + 1) x 80 + (80 + 1) x 240 / 2 = 9,640 + 800 + 9,720 = 20,160, which divides the biases by
    the groups as well. A quarter of 240 is 60: 7,260 + 600 + 7,440 = 15,300, or 14,940 without biases."""
    fields: dict[str, Any] = {"out_channels": 240, "groups": 2, "norm": "none"}
    result = analysis_of("shuffle_unit", (240, 28, 28), **fields)
    by_name = {layer.node.name: layer.cost.params for layer in result.layers}
    assert by_name["x.reduce"] == 240 * 60 // 2 + 60 == 7_260
    assert by_name["x.depthwise"] == (9 + 1) * 60 == 600
    assert by_name["x.expand"] == 60 * 240 // 2 + 240 == 7_440
    assert result.totals.params == 7_260 + 600 + 7_440 == 15_300
    assert result.totals.weights == 7_200 + 540 + 7_200 == 14_940
    wide = analysis_of("shuffle_unit", (240, 28, 28), hidden_channels=80, **fields).totals.params
    assert wide == 9_680 + 800 + 9_840 == 20_320  # and not 20,160
    dense = analysis_of("grouped", (240, 28, 28), out_channels=240, groups=1).totals
    assert dense.params == (9 * 240 + 1) * 240 == 518_640
    assert [round(count / 518_640, 4) for count in (20_160, wide, 15_300)] == [0.0389, 0.0392, 0.0295]
    assert round(14_940 / dense.weights, 4) == 0.0288


def test_one_group_is_not_shuffled() -> None:
    result = analysis_of("shuffle_unit", (16, 8, 8), out_channels=16, groups=1)
    assert "shuffle" not in names_of(result)
    assert result.totals.weights == 16 * 4 + 9 * 4 + 4 * 16


def test_the_groups_that_are_shuffled_are_those_of_the_last_convolution() -> None:
    result = analysis_of("shuffle_unit", (6, 8, 8), out_channels=24, stride=2, first_groups=2, groups=3)
    groups = {layer.node.name: getattr(layer.node.op, "groups", None) for layer in result.layers}
    assert [groups[f"x.{name}"] for name in ("reduce", "shuffle", "depthwise", "expand")] == [2, 3, 6, 3]


@pytest.mark.parametrize(
    ("shape", "stride", "output"),
    [
        ((12, 10), 1, (12, 10)),
        ((12, 9), 2, (24, 5)),
        ((12, 6, 9), [1, 2], (24, 6, 5)),
        ((12, 4, 5, 6), 2, (24, 2, 3, 3)),
    ],
)
def test_shuffle_unit_on_one_to_three_axes(shape: tuple[int, ...], stride: Any, output: tuple[int, ...]) -> None:
    channels, rank = output[0], len(shape) - 1
    result = analysis_of("shuffle_unit", shape, out_channels=channels, stride=stride)
    hidden = channels // 4
    given = channels if channels == 12 else channels - 12
    assert output_of(result) == output
    assert result.totals.weights == 12 * hidden // 3 + 3**rank * hidden + hidden * given // 3


# shuffle_v2_unit


def test_shuffle_v2_unit_with_stride_one() -> None:
    """116 channels at 28x28: 58 pass through, 58 x (58 + 9 + 58) = 7,250 weights on the others."""
    result = analysis_of("shuffle_v2_unit", (116, 28, 28), out_channels=116)
    first = ["left", "right", "reduce", "reduce_norm", "reduce_act", "depthwise", "depthwise_norm"]
    assert names_of(result) == [*first, "expand", "expand_norm", "expand_act", "concat", "shuffle"]
    assert output_of(result) == (116, 28, 28)
    assert result.totals.weights == 58 * (58 + 9 + 58) == 7_250
    assert result.totals.params == 7_250 + 3 * 2 * 58 == 7_598
    assert result.totals.macs == 7_250 * 784 == 5_684_000


def test_shuffle_v2_unit_with_stride_two() -> None:
    """24 to 116 channels from 56x56: left 24 x (9 + 58) = 1,608 weights, right 58 x (24 + 9 + 58) = 5,278."""
    result = analysis_of("shuffle_v2_unit", (24, 56, 56), out_channels=116, stride=2)
    left = ["left_depthwise", "left_depthwise_norm", "left_expand", "left_expand_norm", "left_expand_act"]
    right = [
        "reduce",
        "reduce_norm",
        "reduce_act",
        "depthwise",
        "depthwise_norm",
        "expand",
        "expand_norm",
        "expand_act",
    ]
    assert names_of(result) == [*left, *right, "concat", "shuffle"]
    assert output_of(result) == (116, 28, 28)
    assert result.totals.weights == 1_608 + 5_278 == 24 * (9 + 58) + 58 * (24 + 9 + 58) == 6_886
    assert result.totals.params == 6_886 + 2 * (24 + 58 + 58 + 58 + 58)
    # all at the output's 28x28, but the first 1x1 on the right
    assert result.totals.macs == 3_136 * 24 * 58 + 784 * (6_886 - 24 * 58) == 8_672_608


def test_shuffle_v2_passes_the_first_half_and_convolves_the_second() -> None:
    result = analysis_of("shuffle_v2_unit", (8, 6, 6), out_channels=8, norm="none", activation="none")
    nodes = {layer.node.name: layer.node for layer in result.layers}
    order = [layer.node.name for layer in result.layers]
    read = {name: [order[source - 1] if source else "input" for source in node.inputs] for name, node in nodes.items()}
    assert (nodes["x.left"].op.index, nodes["x.right"].op.index) == (0, 1)
    assert read["x.left"] == read["x.right"] == ["input"]
    assert read["x.reduce"] == ["x.right"]
    assert read["x.concat"] == ["x.left", "x.expand"]
    assert nodes["x.shuffle"].op.groups == 2


@pytest.mark.parametrize(
    ("shape", "stride", "output"),
    [((8, 10), 1, (8, 10)), ((5, 9), 2, (8, 5)), ((8, 6, 9), [2, 1], (8, 3, 9)), ((3, 4, 5, 6), 2, (8, 2, 3, 3))],
)
def test_shuffle_v2_unit_on_one_to_three_axes(shape: tuple[int, ...], stride: Any, output: tuple[int, ...]) -> None:
    result = analysis_of("shuffle_v2_unit", shape, out_channels=8, stride=stride)
    taps = 3 ** (len(shape) - 1)
    left = 0 if stride == 1 else shape[0] * (taps + 4)
    read = 4 if stride == 1 else shape[0]
    assert output_of(result) == output
    assert result.totals.weights == left + 4 * (read + taps + 4)


def test_shuffle_v2_unit_without_norm_has_biases() -> None:
    result = analysis_of("shuffle_v2_unit", (24, 8, 8), out_channels=32, stride=2, norm="none")
    assert result.totals.params == result.totals.weights + 24 + 4 * 16


@pytest.mark.parametrize("word", ["shuffle_unit", "shuffle_v2_unit"])
def test_units_in_a_row_cost_the_same(word: str) -> None:
    b = Builder()
    x = b.input((24, 8, 8))
    for _ in range(3):
        x = b.apply(word, x, out_channels=24)
    totals = analyze(b.graph()).totals
    assert totals.macs == 3 * analysis_of(word, (24, 8, 8), out_channels=24).totals.macs


# Wrong fields and inputs


WRONG_FIELDS = [
    (
        "shuffle_unit",
        {"out_channels": 26, "stride": 2},
        'shuffle_unit "x": 4 does not divide out_channels (=26); give hidden_channels',
    ),
    (
        "shuffle_unit",
        {"out_channels": 48},
        'shuffle_unit "x": out_channels (=48) must be the channels of the input (=24) where the stride is 1: the input'
        " is added; set stride to change the channels",
    ),
    (
        "shuffle_unit",
        {"out_channels": 24, "stride": 2},
        'shuffle_unit "x": out_channels (=24) must be above the channels of the input (=24), which is pooled and stands'
        " first in the output",
    ),
    (
        "shuffle_unit",
        {"out_channels": 40, "hidden_channels": 9, "stride": 2},
        'shuffle_unit "x": groups (=3) must divide out_channels - in_channels (=40 - 24 = 16), which the last 1x1'
        " convolution gives",
    ),
    (
        "shuffle_unit",
        {"out_channels": 24, "groups": 4},
        'shuffle_unit "x": groups (=4) must divide hidden_channels (=6), which is out_channels / 4 unless given',
    ),
    (
        "shuffle_unit",
        {"out_channels": 24, "first_groups": 0},
        'shuffle_unit "x": first_groups is 0; it must be a whole number of at least 1',
    ),
    (
        "shuffle_v2_unit",
        {"out_channels": 25, "stride": 2},
        'shuffle_v2_unit "x": 2 must divide out_channels (=25), of which each branch gives one half',
    ),
    (
        "shuffle_v2_unit",
        {"out_channels": 48},
        'shuffle_v2_unit "x": out_channels (=48) must be the channels of the input (=24) where the stride is 1: half of'
        " the input passes through; set stride to change the channels",
    ),
    (
        "shuffle_v2_unit",
        {"out_channels": 24, "groups": 2},
        'shuffle_v2_unit "x": unknown field "groups"; shuffle_v2_unit takes out_channels, stride, norm, activation',
    ),
]


@pytest.mark.parametrize(("word", "fields", "message"), WRONG_FIELDS)
def test_wrong_fields(word: str, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(FieldError) as caught:
        analysis_of(word, (24, 8, 8), **fields)
    assert str(caught.value) == message


WRONG_INPUTS = [
    (
        (24, 8, 8),
        {"out_channels": 24, "groups": 5, "hidden_channels": 10},
        'shuffle_unit "x": conv "reduce": groups (=5) must divide in_channels (=24)',
    ),
    (
        (24, 8, 8),
        {"out_channels": 24, "first_groups": 4},
        'shuffle_unit "x": conv "reduce": groups (=4) must divide out_channels (=6)',
    ),
    (
        (24, 8, 8),
        {"out_channels": 24, "groups": 5, "hidden_channels": 10, "first_groups": 1},
        'shuffle_unit "x": conv "expand": groups (=5) must divide out_channels (=24)',
    ),
    (
        (24,),
        {"out_channels": 24},
        'shuffle_unit "x": conv "reduce": it needs an input of channels and 1 to 3 spatial axes, not 24',
    ),
]


@pytest.mark.parametrize(("shape", "fields", "message"), WRONG_INPUTS)
def test_wrong_inputs(shape: tuple[int, ...], fields: dict[str, Any], message: str) -> None:
    with pytest.raises(GraphError) as caught:
        analysis_of("shuffle_unit", shape, **fields)
    assert str(caught.value) == message
