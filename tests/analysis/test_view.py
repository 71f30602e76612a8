"""Views of an analysis: folding, grouping, sorting and cutting, on one network with known rows."""

from __future__ import annotations

import json
from typing import Any

import pytest

import convcost.blocks  # noqa: F401 - registers the blocks
from convcost.analysis.cost import analyze
from convcost.analysis.result import Analysis
from convcost.analysis.view import View, view
from convcost.errors import ConvcostError
from convcost.graph import Builder


def result() -> Analysis:
    """A stem, a stage of two separable convolutions, and a head."""
    b = Builder()
    x = b.conv(b.input((2, 8, 8)), name="stem_conv", out_channels=4, kernel_size=3, padding=1, bias=False)
    x = b.relu(x, name="stem_act")
    with b.scope("stage", "sequence", role="sequence", detail="2 blocks"):
        x = b.dsconv(x, name="first", out_channels=6)
        x = b.dsconv(x, name="second", out_channels=8, stride=2)
    b.linear(b.flatten(b.global_avg_pool(x, name="pool"), name="flat"), name="head", out_features=3)
    return analyze(b.graph())


def column(rows: View, key: str) -> list[tuple[str, Any]]:
    return [(row.name, getattr(row.cost, key)) for row in rows.rows]


STEM = 9 * 2 * 4 * 64  # 4,608 MACs
FIRST = (9 * 4 * 64, 4 * 6 * 64)  # depthwise 2,304, pointwise 1,536
SECOND = (9 * 6 * 16, 6 * 8 * 16)  # depthwise 864, pointwise 768
HEAD = 8 * 3


# Folding


def test_every_layer_is_a_row() -> None:
    assert column(view(result()), "macs") == [
        ("stem_conv", STEM),
        ("stem_act", 0),
        ("stage.first.depthwise", 2_304),
        ("stage.first.pointwise", 1_536),
        ("stage.second.depthwise", 864),
        ("stage.second.pointwise", 768),
        ("pool", 0),
        ("flat", 0),
        ("head", HEAD),
    ]


def test_depth_one_folds_the_stage() -> None:
    rows = view(result(), depth=1)
    assert column(rows, "macs") == [
        ("stem_conv", STEM),
        ("stem_act", 0),
        ("stage", sum(FIRST) + sum(SECOND)),
        ("pool", 0),
        ("flat", 0),
        ("head", HEAD),
    ]
    stage = rows.rows[2]
    assert (stage.op, stage.what, stage.block, stage.output_shape, stage.layers) == (
        "sequence",
        "2 blocks",
        None,
        (8, 4, 4),
        4,
    )


def test_depth_two_folds_the_blocks() -> None:
    rows = view(result(), depth=2).rows
    first = next(row for row in rows if row.name == "stage.first")
    assert (first.op, first.what, first.block, first.layers) == ("dsconv", "3x3", "dsconv", 2)
    assert first.cost.macs == sum(FIRST)
    assert first.output_shape == (6, 8, 8)
    assert len(rows) == 7


def test_a_depth_beyond_the_names_changes_nothing() -> None:
    assert view(result(), depth=3).rows == view(result(), depth=99).rows == view(result()).rows


def test_a_row_of_one_layer_is_that_layer() -> None:
    row = view(result(), depth=1).rows[0]
    assert (row.op, row.what, row.block, row.output_shape, row.layers) == ("conv", "3x3", None, (4, 8, 8), 1)


def test_names_with_dots_fold_without_scopes() -> None:
    b = Builder()
    x = b.relu(b.input((2, 8)), name="features.0")
    b.relu(x, name="features.1")
    rows = view(analyze(b.graph()), depth=1).rows
    assert [(row.name, row.layers) for row in rows] == [("features", 2)]


# Grouping


def test_group_by_op() -> None:
    rows = view(result(), group_by="op")
    assert column(rows, "macs") == [
        ("conv", STEM + sum(FIRST) + sum(SECOND)),
        ("relu", 0),
        ("global_avg_pool", 0),
        ("flatten", 0),
        ("linear", HEAD),
    ]
    assert [row.layers for row in rows.rows] == [5, 1, 1, 1, 1]


def test_group_by_block() -> None:
    rows = view(result(), group_by="block")
    assert column(rows, "macs") == [("(outside blocks)", STEM + HEAD), ("dsconv", sum(FIRST) + sum(SECOND))]


def test_group_by_name_prefix() -> None:
    rows = view(result(), group_by="name-prefix")
    assert column(rows, "macs") == [
        ("stem_conv", STEM),
        ("stem_act", 0),
        ("stage", sum(FIRST) + sum(SECOND)),
        ("pool", 0),
        ("flat", 0),
        ("head", HEAD),
    ]
    assert [row.output_shape for row in rows.rows] == [None] * 6


def test_a_name_prefix_ends_at_a_dot_and_has_no_number() -> None:
    b = Builder()
    x = b.input((2, 8))
    for name in ("conv12", "local_response_norm1", "relu6_2", "layer1.0.act", "7"):
        x = b.relu(x, name=name)
    rows = view(analyze(b.graph()), group_by="name-prefix").rows
    assert [row.name for row in rows] == ["conv", "local_response_norm", "relu6", "layer", "7"]


def test_what_is_unknown_is_not_zero() -> None:
    b = Builder()
    x = b.conv(b.input((1, 4, 4)), out_channels=2, kernel_size=3, name="known")
    b.opaque(x, label="mystery", output_shape=(2, 2, 2), name="unknown")
    known, unknown = json.loads(view(analyze(b.graph())).to_json())["layers"]
    assert (known["complete"], known["macs"], known["kind"]) == (True, 72, "layer")  # 9 x 2 x 4
    assert (unknown["complete"], unknown["macs"], unknown["params"], unknown["activations"]) == (False, None, None, 8)
    (rest,) = view(analyze(b.graph()), group_by="block").rows
    assert (rest.complete, rest.kind, rest.cost.macs) == (False, "group", 72)


@pytest.mark.parametrize(("name", "layers"), [("conv", "5 layers"), ("relu", "1 layer")])
def test_a_group_says_how_many_layers_it_has(name: str, layers: str) -> None:
    row = next(row for row in view(result(), group_by="op").rows if row.name == name)
    assert row.what == layers


# Sorting and cutting


def test_sort_by_a_metric_is_largest_first_and_keeps_the_order_of_equals() -> None:
    assert column(view(result(), depth=1, sort="macs"), "macs") == [
        ("stage", 5_472),
        ("stem_conv", 4_608),
        ("head", 24),
        ("stem_act", 0),
        ("pool", 0),
        ("flat", 0),
    ]


def test_sort_by_intensity_puts_what_moves_nothing_last() -> None:
    rows = view(result(), sort="arithmetic_intensity").rows
    values = [row.cost.arithmetic_intensity for row in rows]
    assert (rows[-1].name, values[-1]) == ("flat", None)
    assert values[:-1] == sorted(values[:-1], reverse=True)  # type: ignore[type-var]


def test_sort_by_name_is_alphabetic() -> None:
    names = [row.name for row in view(result(), depth=1, sort="name").rows]
    assert names == ["flat", "head", "pool", "stage", "stem_act", "stem_conv"]


def test_top_adds_up_the_others() -> None:
    rows = view(result(), depth=1, sort="macs", top=2)
    assert column(rows, "macs") == [("stage", 5_472), ("stem_conv", 4_608), ("4 other rows", 24)]
    assert [row.layers for row in rows.rows] == [4, 1, 4]
    assert (rows.rows[-1].op, rows.rows[-1].output_shape) == ("", None)


@pytest.mark.parametrize(("top", "last"), [(5, "1 other row"), (6, "head"), (7, "head")])
def test_top_near_the_number_of_rows(top: int, last: str) -> None:
    assert view(result(), depth=1, top=top).rows[-1].name == last


def test_top_without_sorting_keeps_the_first() -> None:
    assert [row.name for row in view(result(), top=1).rows] == ["stem_conv", "8 other rows"]


# JSON


def test_json_of_a_view_has_its_rows_and_the_same_totals() -> None:
    whole, folded = json.loads(result().to_json()), json.loads(view(result(), depth=1).to_json())
    assert {key: folded[key] for key in folded if key != "layers"} == {
        key: whole[key] for key in whole if key != "layers"
    }
    stage = folded["layers"][2]
    assert {key: stage[key] for key in ("name", "op", "block", "what", "output_shape", "layers", "params", "macs")} == {
        "name": "stage",
        "op": "sequence",
        "block": None,
        "what": "2 blocks",
        "output_shape": [8, 4, 4],
        "layers": 4,
        "params": (4 * 10 + 6 * 5) + (6 * 10 + 8 * 7),
        "macs": 5_472,
    }
    assert json.loads(view(result(), group_by="op").to_json())["layers"][0]["output_shape"] is None


# Wrong options

SORTABLE = "params, weights, buffers, macs, flops, activations, bytes_moved, weight_bytes, arithmetic_intensity, name"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": 0}, "depth is 0; it must be at least 1"),
        ({"depth": -2}, "depth is -2; it must be at least 1"),
        ({"top": 0}, "top is 0; it must be at least 1"),
        ({"group_by": "ops"}, 'cannot group by "ops"; it must be op, block, name-prefix; did you mean "op"?'),
        ({"group_by": "kind"}, 'cannot group by "kind"; it must be op, block, name-prefix'),
        ({"group_by": ""}, 'cannot group by ""; it must be op, block, name-prefix'),
        ({"sort": "mac"}, f'cannot sort by "mac"; it must be {SORTABLE}; did you mean "macs"?'),
        ({"sort": "size"}, f'cannot sort by "size"; it must be {SORTABLE}'),
        ({"sort": ""}, f'cannot sort by ""; it must be {SORTABLE}'),
        (
            {"sort": "peak_activation_bytes"},
            f'cannot sort by "peak_activation_bytes"; it must be {SORTABLE}; did you mean "activations"?',
        ),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConvcostError) as caught:
        view(result(), **options)
    assert str(caught.value) == message
