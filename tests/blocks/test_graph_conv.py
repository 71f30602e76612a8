"""The multipath graph network, against its notebook's layers."""

from __future__ import annotations

from typing import Any

import pytest

import convcost.blocks  # noqa: F401 - registers the blocks
from convcost.errors import FieldError, GraphError
from convcost.formulas.symbolic import size_symbol
from telling import analysis_of, names_of, output_of

ARXIV = {"hidden_channels": 256, "out_channels": 40, "edges": 2_501_829}
LAYERS = ["first", "deep1", "deep2", "deep3", "down", "up"]


def test_the_network_for_ogbn_arxiv() -> None:
    """168 x 256 + 256 = 43,264; three of 256 x 256 + 256 = 65,792; 32,896 and 33,024; 256 x 40 + 40 = 10,280."""
    result = analysis_of("multipath_gcn", (168, 169_343), **ARXIV)
    by_name = {layer.node.name.removeprefix("x."): layer.cost for layer in result.layers}
    assert output_of(result) == (40, 169_343)
    found = [by_name[name].params for name in (*LAYERS, "head")]
    assert found == [43_264, 65_792, 65_792, 65_792, 32_896, 33_024, 10_280]
    assert result.totals.params == 316_840
    # each weight at 169,343 vertices; edges times 168, three times 256, and twice 128, the narrower side both ways
    assert result.totals.weights == 315_392
    assert result.totals.macs == 169_343 * 315_392 + 2_501_829 * (168 + 3 * 256 + 2 * 128) == 56_391_607_624


def test_order_of_the_layers() -> None:
    result = analysis_of("multipath_gcn", (5, 9), hidden_channels=4, out_channels=3, edges=20, depth=2, dropout=0.5)
    each = ["first", "deep1", "deep2", "down", "up"]
    expected = [f"{name}{end}" for name in each for end in ("", "_act", "_dropout")]
    assert names_of(result) == [*expected, "add", "head"]
    by_name = {node.name.removeprefix("x."): node for node in result.graph.nodes}
    sources = {name: [result.graph.nodes[source].name for source in node.inputs] for name, node in by_name.items()}
    assert sources["deep1"] == sources["down"] == ["x.first_dropout"]
    assert sources["add"] == ["x.deep2_dropout", "x.up_dropout"]


def test_without_activation_and_with_a_width_of_its_own() -> None:
    result = analysis_of(
        "multipath_gcn", (5, 9), hidden_channels=7, narrow_channels=2, out_channels=3, edges=20, activation="none"
    )
    assert names_of(result) == [*LAYERS, "add", "head"]
    # 5 x 7 + 7, three of 7 x 7 + 7, 7 x 2 + 2, 2 x 7 + 7, 7 x 3 + 3
    assert result.totals.params == 42 + 3 * 56 + 16 + 21 + 24


def test_symbolic_vertices() -> None:
    vertices = size_symbol("vertices")
    result = analysis_of("multipath_gcn", (168, vertices), **ARXIV)
    assert result.totals.macs == vertices * 315_392 + 2_501_829 * 1_192


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"hidden_channels": 7, "out_channels": 3, "edges": 20},
            'multipath_gcn "x": 2 does not divide hidden_channels (=7); give narrow_channels',
        ),
        (
            {"hidden_channels": 8, "out_channels": 3},
            'multipath_gcn "x": the required field edges is missing; it must be a whole number of at least 1',
        ),
        (
            {"hidden_channels": 8, "out_channels": 3, "edges": 20, "depth": 0},
            'multipath_gcn "x": depth is 0; it must be a whole number from 1 to 100',
        ),
    ],
)
def test_wrong_fields(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(FieldError) as caught:
        analysis_of("multipath_gcn", (5, 9), **fields)
    assert str(caught.value) == message


def test_an_input_that_is_no_graph() -> None:
    with pytest.raises(GraphError) as caught:
        analysis_of("multipath_gcn", (5, 9, 9), hidden_channels=8, out_channels=3, edges=20)
    expected = 'multipath_gcn "x": graph_conv "first": it needs an input of channels and vertices, not 5x9x9'
    assert str(caught.value) == expected
