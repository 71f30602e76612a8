"""Parts of a graph as graphs, and what a builder does for rewriting: copies, scopes of another graph, taking back."""

from __future__ import annotations

import pytest

import convcost.blocks  # noqa: F401 - registers the blocks
from convcost.analysis.cost import analyze
from convcost.errors import GraphError
from convcost.frontends.load import load_spec
from convcost.graph import Builder, Graph, Node, Origin


def small() -> Graph:
    b = Builder()
    x = b.conv(b.input((8, 10, 10)), name="a", out_channels=8, kernel_size=3, padding=1)
    y = b.basic_block(x, name="block", out_channels=8)
    b.add(b.relu(y, name="r"), x, name="sum")
    return b.graph("net", "source", {"width": 2})


def places(graph: Graph) -> dict[str, int]:
    return {node.name: position for position, node in enumerate(graph.nodes)}


# Parts


def test_a_part_is_a_network_of_its_own() -> None:
    """Its input has the shape of the one value that it reads, and its layers cost what they cost in the whole."""
    graph = small()
    where = places(graph)
    part = graph.part(where["block.conv1"], where["block.add_act"])
    assert part.nodes[0].is_input
    assert part.nodes[0].shape == (8, 10, 10)
    assert [node.name for node in part.layers] == [name for name in where if name.startswith("block.")]
    assert [part.nodes[source].name for source in part.nodes[places(part)["block.add"]].inputs] == [
        "block.conv2_norm",
        "input",
    ]
    whole = {layer.node.name: layer.cost for layer in analyze(graph).layers}
    assert all(layer.cost.macs == whole[layer.node.name].macs for layer in analyze(part).layers)


def test_a_part_of_one_layer() -> None:
    part = small().part(1, 1)
    assert [(node.name, node.inputs, node.shape) for node in part.nodes] == [
        ("input", (), (8, 10, 10)),
        ("a", (0,), (8, 10, 10)),
    ]


def test_a_part_that_reads_two_values_is_none() -> None:
    graph = small()
    with pytest.raises(ValueError, match="too many values to unpack"):
        graph.part(places(graph)["r"] + 1, places(graph)["sum"])


# Copies


def copied(graph: Graph) -> Graph:
    b = Builder()
    values = []
    for node in graph.nodes:
        values.append(b.copy(node, tuple(values[source] for source in node.inputs)))
    return b.graph(graph.name, graph.source, graph.variables)


@pytest.mark.parametrize("spec", ["resnet18", "googlenet", "wavenet", "p4m_resnet44"])
def test_a_copy_of_every_node_is_the_graph(spec: str) -> None:
    graph = load_spec(spec).graph
    assert copied(graph) == graph


def test_names_of_copies_are_taken() -> None:
    b = Builder()
    source = small()
    value = b.copy(source.nodes[0], ())
    b.copy(source.nodes[1], (value,))
    assert not b.is_free("a")
    with pytest.raises(GraphError) as caught:
        b.relu(value, name="a")
    assert str(caught.value) == 'relu "a": the name "a" is taken; names must differ'


def test_within_a_scope_of_another_graph() -> None:
    graph = small()
    scope = graph.nodes[places(graph)["block.conv1"]].scope
    b = Builder()
    x = b.input((8, 10, 10))
    with b.within(scope):
        assert b.path_of("conv") == "block.conv"
        x = b.relu(x, name="inside")
        with b.within(None):
            x = b.relu(x, name="outside")
        x = b.relu(x, name="again")
    b.relu(x, name="behind")
    assert [node.name for node in b.nodes[1:]] == ["block.inside", "outside", "block.again", "behind"]
    assert b.nodes[1].scope is scope
    assert [node.block for node in b.nodes[1:]] == ["basic_block", None, "basic_block", None]


def test_the_scope_is_left_when_something_fails_inside() -> None:
    b = Builder()
    x = b.input((8, 10, 10))
    with pytest.raises(GraphError), b.within(small().nodes[3].scope):
        b.conv(x, name="a", out_channels=8, kernel_size=30)
    assert b.path_of("a") == "a"


# Taking back


def test_what_is_taken_back_leaves_nothing_behind() -> None:
    b = Builder()
    x = b.relu(b.input((8, 10, 10)), name="first")
    before = b.graph()
    mark = b.mark()
    b.ghost(b.relu(x, name="second"), name="third", out_channels=8)
    assert len(b.nodes) > len(before.nodes)
    b.take_back(mark)
    assert b.graph() == before
    assert b.is_free("second")
    assert not b.is_free("first")
    assert b.relu(x, name="second").position == 2


def test_taking_back_inside_of_what_failed() -> None:
    """The names of a block that broke off in its middle are free again."""
    b = Builder()
    x = b.input((8, 10, 10))
    mark = b.mark()
    with pytest.raises(GraphError):
        b.dsconv(x, name="a", out_channels=8, kernel_size=30, padding=0)
    b.take_back(mark)
    assert [node.name for node in b.nodes] == ["input"]
    b.dsconv(x, name="a", out_channels=8)
    assert [node.name for node in b.nodes] == ["input", "a.depthwise", "a.pointwise"]


def test_origins_are_set_since_a_mark() -> None:
    b = Builder()
    x = b.relu(b.input((8, 10, 10)), name="first")
    mark = b.mark()
    b.ghost(x, name="second", out_channels=8, norm="none", activation="none")
    origin = Origin(layer="old", rule="a=b", rules="a=b; c=d")
    b.set_origin(mark, origin)
    assert [node.origin for node in b.nodes] == [None, None, origin, origin, origin]
    assert isinstance(b.nodes[-1], Node)


def test_where_a_node_comes_from_is_part_of_what_it_is() -> None:
    graph = small()
    node = graph.nodes[1]
    assert node.origin is None
    assert node.replace(origin=Origin(layer="x", rule="r", rules="r")) != node
