"""How receptive fields are written: cells, sentences, and the JSON of a layer."""

import json
from fractions import Fraction

import pytest

from convcost.analysis.field_result import NetworkFields, network_fields
from convcost.analysis.field_share import shares
from convcost.analysis.result import Cost, LayerCost
from convcost.analysis.view import folded
from convcost.graph import Builder, Graph
from convcost.report.field_text import axis_number, field_and_local_cell, field_cell, per_axis, place_text, start_cell
from convcost.report.receptive_field import fields_json, fields_table, layer_lines, part_text
from stacks import conv, stack, step


def seen(graph: Graph) -> NetworkFields:
    return network_fields(graph)


def sentences(graph: Graph, name: str) -> str:
    network = seen(graph)
    position = network.position(name)
    return "\n".join(layer_lines(network, position, shares(network, [position]).get(position)))


def upsampled() -> Graph:
    """Nearest neighbours, twice as many, then a 3x3 window."""
    return stack(step("upsample", "up", scale_factor=2), conv("window"))


def misaligned_strides() -> Graph:
    """A convolution of stride 2 and its input's first half, added: 5 positions each."""
    b = Builder()
    x = b.input((16, 10))
    strided = b.conv(x, out_channels=16, kernel_size=1, stride=2, name="strided")
    half = b.slice(x, axis=1, start=0, stop=5, name="half")
    b.add(strided, half, name="sum")
    return b.graph()


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([7, 7], "7"),
        ([1, 7], "1x7"),
        ([5117], "5,117"),
        ([Fraction(1, 2), 1], "1/2x1"),
        ([None, None], "-"),
        ([None, 2], "-x2"),
    ],
)
def test_an_entry_an_axis(values: list[object], text: str) -> None:
    assert per_axis(values) == text


def test_places_have_a_point_and_strides_are_fractions() -> None:
    assert (axis_number(Fraction(1, 2)), place_text(Fraction(1, 2)), place_text(Fraction(1, 3))) == (
        "1/2",
        "0.5",
        "1/3",
    )
    assert place_text(Fraction(-4211, 2)) == "-2,105.5"


@pytest.mark.parametrize(
    ("cells", "of", "text"),
    [(49, 169, "29.0%"), (169, 169, "100%"), (99999, 100000, ">99.9%"), (1, 10**6, "<0.1%"), (0, 9, "0%")],
)
def test_shares_are_not_rounded_to_all_or_nothing(cells: int, of: int, text: str) -> None:
    assert part_text(cells, of) == text


def test_asymmetric_and_global_sizes() -> None:
    network = seen(stack(conv("row", kernel_size=[1, 7], padding=0), step("global_avg_pool", "pool")))
    row, pool = network.of_nodes[1:]
    assert (field_cell(row).text, field_cell(row).value, start_cell(row).text) == ("1x7", [1, 7], "0")
    assert (field_cell(pool).text, field_and_local_cell(pool).text) == ("10*", "10* (1x7)")
    assert field_and_local_cell(row).text == "1x7"


def test_a_gate_keeps_the_stride_of_what_it_gates() -> None:
    # Behind the gate a unit sees all 10, and its own window of 3 at stride 2 moves on; the gate's path stands still.
    graph = stack(conv("conv", stride=2), step("squeeze_excite", "gate", reduction=4))
    network = seen(graph)
    (layer,) = [line for line in json.loads(as_json(network))["layers"] if line["name"] == graph.layers[-1].name]
    field = layer["receptive_field"]
    assert (field["global"], field["size"], field["local_size"]) == (True, [10, 10], [3, 3])
    assert (field["stride"], field["start"], field["centre"]) == ([2, 2], [0, 0], [4.5, 4.5])


def as_json(network: NetworkFields) -> str:
    rows = folded([LayerCost(node=node, cost=Cost()) for node in network.graph.layers], None)
    return fields_json(network, rows, shares(network, range(len(network.of_nodes))), {})


def test_fractions_behind_upsampling() -> None:
    # Positions 2i and 2i + 1 show input i: of three neighbours the outer two may lie in other cells, so 2 are seen.
    told = sentences(upsampled(), "window")
    assert "Field: 2 x 2 pixels" in told
    assert "Stride: 1/2 x 1/2" in told
    (layer,) = [line for line in json.loads(as_json(seen(upsampled())))["layers"] if line["name"] == "window"]
    assert layer["receptive_field"]["stride"] == [0.5, 0.5]


def test_other_strides_are_told() -> None:
    told = sentences(misaligned_strides(), "sum")
    assert "sum joins strided and half, which look at other places: strides 2 and 1 along the length" in told


def test_folded_rows_tell_of_their_last_layer() -> None:
    network = seen(stack(conv("stage.first"), conv("stage.last"), conv("head", kernel_size=1, padding=0)))
    rows = folded([LayerCost(node=node, cost=Cost()) for node in network.graph.layers], 1)
    table = fields_table(network, rows, {}, False, "")
    keys = [column.key for column in table.columns]
    # two 3x3: 5; nothing differs from the size, so that neither local nor the paths are shown
    assert [line[keys.index("size")].text for line in table.rows] == ["5", "5"]
    assert keys == ["name", "op", "output", "size", "stride", "start", "padding", "aligned", "touched"]
    assert "shortest" in [column.key for column in fields_table(network, rows, {}, True, "").columns]


def test_a_layer_that_sees_nothing_is_null() -> None:
    b = Builder()
    image, other = b.input((3, 8, 8), name="image"), b.input((3, 8, 8), name="other")
    b.relu(image, name="sees")
    b.relu(other, name="blind")
    network = seen(b.graph())
    fields = {line["name"]: line["receptive_field"] for line in json.loads(as_json(network))["layers"]}
    assert fields["blind"] is None
    assert fields["sees"]["size"] == [1, 1]
