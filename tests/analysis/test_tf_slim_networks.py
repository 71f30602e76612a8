"""Five networks of TensorFlow-Slim, end point by end point, against the table that google-research/receptive_field
publishes (RECEPTIVE_FIELD_TABLE.md): tests/data/tf_slim_receptive_fields.csv, 159 rows.

Where the table has no resolution, the resolution is a symbol here; where it then has no effective padding either, that
depends on the resolution, which is how TensorFlow pads under `same`.
"""

from __future__ import annotations

import csv
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from pathlib import Path

import pytest
import sympy

from convcost.analysis.cost import analyze
from convcost.analysis.receptive_field import Field, receptive_fields
from convcost.arith import prod
from convcost.formulas.symbolic import size_symbol
from convcost.frontends.load import load_spec
from convcost.graph import Graph

TESTS = Path(__file__).parents[1]
RESOLUTION = size_symbol("resolution")

with (TESTS / "data" / "tf_slim_receptive_fields.csv").open(newline="") as file:
    ROWS = [tuple(row.values()) for row in csv.DictReader(file)]
MODELS = sorted({row[0] for row in ROWS})
Row = tuple[str, ...]
"""Model, resolution, end point, operations in billions, size, effective stride, effective padding."""


def of_rows(rows: list[Row]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("row", rows, ids=lambda row: f"{row[0]}:{row[2]}@{row[1] or 'any'}")


@cache
def network(model: str, resolution: str) -> tuple[Graph, list[Field | None]]:
    chosen = {"resolution": int(resolution) if resolution else RESOLUTION}
    graph = load_spec(str(TESTS / "specs" / "receptive_fields" / f"{model}.yaml"), chosen).graph
    return graph, receptive_fields(graph)


@cache
def floating_point_operations(model: str, resolution: str) -> list[int]:
    """Up to each node, as the source counts: 2 a MAC, 1 a bias added, and in pools 1 a tap of each output. Joins,
    activations and batch norm are not counted there."""
    graph, _ = network(model, resolution)
    total, found = 0, [0]
    for layer in analyze(graph).layers:
        op, elements = layer.node.op, prod(layer.node.shape)
        total += 2 * layer.cost.macs
        if op.word == "conv":
            total += elements if op.bias else 0
        elif op.word in ("max_pool", "avg_pool"):
            total += elements * prod(op.kernel_size)
        found.append(total)
    return found


def place_of(graph: Graph, model: str, end_point: str) -> int:
    """The last node of that name, or of the scope of that name."""
    name = end_point.removeprefix(f"{model}/").replace("/", ".")
    return max(place for place, node in enumerate(graph.nodes) if node.name == name or node.name.startswith(f"{name}."))


def test_the_table_is_whole() -> None:
    assert len(ROWS) == len(set(ROWS)) == 159
    assert MODELS == ["alexnet_v2", "inception_v2", "mobilenet_v1", "resnet_v1_50", "vgg_16"]
    assert {row[1] for row in ROWS} == {"", "224", "321"}


@of_rows(ROWS)
def test_an_end_point(row: Row) -> None:
    model, resolution, end_point, _, size, stride, padding = row
    graph, fields = network(model, resolution)
    field = fields[place_of(graph, model, end_point)]
    assert field is not None
    assert field.aligned
    assert not field.at_most
    for axis in field.axes:
        assert (axis.size, axis.stride) == (int(size), int(stride))
        if padding:
            assert axis.padding == int(padding)
        else:
            assert not resolution
            assert axis.padding.free_symbols == {RESOLUTION}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("resolution", ["224", "321"])
def test_the_padding_with_the_resolution_put_in_is_that_at_the_resolution(model: str, resolution: str) -> None:
    graph, symbolic = network(model, "")
    for row in [row for row in ROWS if row[:2] == (model, resolution)]:
        field = symbolic[place_of(graph, model, row[2])]
        assert field is not None
        for axis in field.axes:
            assert sympy.sympify(axis.padding).subs(RESOLUTION, int(resolution)) == int(row[6])


@of_rows([row for row in ROWS if row[3]])
def test_the_operations_up_to_an_end_point(row: Row) -> None:
    """The table's column is of floating point operations, which are more than the MACs twice (see above); it has three
    decimals of a billion."""
    model, resolution, end_point, billions = row[:4]
    graph, _ = network(model, resolution)
    found = Decimal(floating_point_operations(model, resolution)[place_of(graph, model, end_point)])
    assert str((found / 10**9).quantize(Decimal("0.001"), rounding=ROUND_HALF_UP)) == billions


def test_slim_has_the_stride_in_the_last_unit_and_torchvision_in_the_first() -> None:
    assert max(int(row[4]) for row in ROWS if row[0] == "resnet_v1_50") == 483
    graph = load_spec(str(TESTS.parent / "specs" / "resnet50.yaml")).graph
    fields = receptive_fields(graph)
    last = fields[max(place for place, node in enumerate(graph.nodes) if node.name.startswith("layer4."))]
    assert last is not None
    assert last.size == (427, 427)
