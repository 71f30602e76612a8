"""The builder's names, checks and messages; the graph's checks and what it says of itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import convcost.blocks  # noqa: F401 - registers the blocks
from convcost.errors import FieldError, GraphError, LimitError
from convcost.graph import Builder, Graph, Node, Scope
from convcost.ops.activation import ReLU
from convcost.ops.conv import Conv
from convcost.ops.join import Add
from convcost.ops.move import Input

ROOT = Path(__file__).parents[1]


def names(b: Builder) -> list[str]:
    return [node.name for node in b.nodes]


# Names


def test_unnamed_layers_are_numbered_by_word() -> None:
    b = Builder()
    x = b.conv(b.input((3, 8, 8)), out_channels=4, kernel_size=3)
    b.relu(b.conv(b.relu(x), out_channels=4, kernel_size=3))
    assert names(b) == ["input", "conv1", "relu1", "conv2", "relu2"]


def test_numbers_stand_apart_from_a_word_that_ends_in_one() -> None:
    b = Builder()
    x = b.relu6(b.input((3, 8, 8)))
    b.relu6(x)
    assert names(b) == ["input", "relu6_1", "relu6_2"]


def test_numbering_starts_anew_in_each_scope() -> None:
    b = Builder()
    x = b.relu(b.input((3, 8, 8)))
    with b.scope("body", "stage"):
        x = b.relu(x)
        with b.scope(None, "unit"):
            x = b.relu(x)
        with b.scope(None, "unit"):
            x = b.relu(b.relu(x))
    b.relu(x)
    unit = ["body.unit1.relu1", "body.unit2.relu1", "body.unit2.relu2"]
    assert names(b) == ["input", "relu1", "body.relu1", *unit, "relu2"]


def test_automatic_names_pass_over_names_that_are_taken_or_reserved() -> None:
    b = Builder()
    b.reserve({"relu2"})
    x = b.relu(b.input((3, 8, 8)), name="relu1")
    x = b.relu(x)
    assert names(b)[-1] == "relu3"
    b.relu(x, name="relu2")  # reserved for this
    b.relu(x)
    assert names(b) == ["input", "relu1", "relu3", "relu2", "relu4"]


def test_names_are_reserved_in_the_current_scope_only() -> None:
    b = Builder()
    x = b.input((3, 8, 8))
    with b.scope("body", "stage"):
        b.reserve({"relu1"})
        b.relu(x)
    b.relu(x)
    assert names(b) == ["input", "body.relu2", "relu1"]


def test_a_scope_ends_when_its_body_fails() -> None:
    b = Builder()
    x = b.input((3, 8, 8))
    with pytest.raises(RuntimeError), b.scope("body", "stage"):
        raise RuntimeError
    b.relu(x)
    assert names(b) == ["input", "relu1"]


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ("relu", "relu", 'relu "same": the name "same" is taken; names must differ'),
        ("squeeze_excite", "relu", 'relu "same": the name "same" is taken; names must differ'),
        ("relu", "squeeze_excite", 'squeeze_excite "same": the name "same" is taken; names must differ'),
    ],
)
def test_a_name_is_given_once(first: str, second: str, message: str) -> None:
    b = Builder()
    x = b.apply(first, b.input((16, 8, 8)), name="same")
    with pytest.raises(GraphError) as caught:
        b.apply(second, x, name="same")
    assert str(caught.value) == message


def test_an_input_cannot_take_a_name_again() -> None:
    b = Builder()
    b.input((3, 8, 8))
    with pytest.raises(GraphError) as caught:
        b.input((3, 8, 8))
    assert str(caught.value) == 'the name "input" is taken; names must differ'


# Scopes and blocks


def test_a_block_is_a_scope_of_its_nodes() -> None:
    b = Builder()
    with b.scope("stage1", "sequence", role="sequence"):
        b.dsconv(b.input((8, 16, 16)), out_channels=4, stride=2, norm="batch_norm")
    node = b.nodes[-1]
    assert node.name == "stage1.dsconv1.pointwise_norm"
    assert node.block == "dsconv"
    assert node.scope is not None
    assert [(scope.path, scope.kind, scope.role) for scope in node.scope.lineage()] == [
        ("stage1", "sequence", "sequence"),
        ("stage1.dsconv1", "dsconv", "block"),
    ]
    assert node.scope.detail == "3x3 stride 2"
    assert b.nodes[0].block is None


def test_the_block_of_a_node_is_the_innermost_scope_that_is_one() -> None:
    b = Builder()
    with b.scope("outer", "unit"), b.scope("inner", "sequence", role="sequence"):
        b.relu(b.input((3, 8, 8)))
    assert b.nodes[-1].block == "unit"


@pytest.mark.parametrize(
    ("word", "fields", "detail"),
    [
        ("dsconv", {"out_channels": 8}, "3x3"),
        ("dsconv", {"out_channels": 8, "kernel_size": [1, 5], "dilation": 2}, "1x5 dilation 2"),
        ("dsconv", {"out_channels": 8, "multiplier": 2}, "3x3 multiplier 2"),
        ("basic_block", {"out_channels": 16, "stride": 2}, "stride 2"),
        ("basic_block", {"out_channels": 16}, ""),
        ("fire", {"squeeze": 2, "expand1x1": 4, "expand3x3": 6}, "squeeze 2 expand1x1 4 expand3x3 6"),
        ("squeeze_excite", {"gate": "hardsigmoid"}, "gate hardsigmoid"),
    ],
)
def test_scopes_say_what_differs_from_the_defaults(word: str, fields: dict[str, Any], detail: str) -> None:
    b = Builder()
    b.apply(word, b.input((16, 8, 8)), name="x", **fields)
    scope = b.nodes[-1].scope
    assert scope == Scope(path="x", kind=word, detail=detail)


def test_blocks_are_known_to_whoever_imports_the_package() -> None:
    program = (
        "import convcost; b = convcost.Builder();"
        "b.fire(b.input((3, 8, 8)), squeeze=1, expand1x1=2, expand3x3=2); print(len(b.graph().layers))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (result.stdout, result.stderr) == ("7\n", "")


# Building


def test_values_carry_their_shape() -> None:
    b = Builder()
    x = b.input((3, 32, 30))
    y = b.conv(x, out_channels=8, kernel_size=3, stride=2, padding=1)
    assert (x.shape, x.channels, y.shape, y.channels) == ((3, 32, 30), 3, (8, 16, 15), 8)


def test_equal_layers_share_one_operator() -> None:
    b = Builder()
    x = b.input((4, 8, 8))
    for kernel in (3, 3, 1):
        x = b.conv(x, out_channels=4, kernel_size=kernel, padding="same")
    first, second, third = (node.op for node in b.nodes[1:])
    assert first is second
    assert first != third


def test_an_equal_value_of_another_kind_is_checked_all_the_same() -> None:
    b = Builder()
    x = b.input((4, 8, 8))
    b.conv(x, out_channels=4, kernel_size=(1, 1))
    with pytest.raises(FieldError):  # True == 1, and is no kernel size
        b.conv(x, out_channels=4, kernel_size=(True, True))


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((3, 0, 8), 'an axis of input "input" is 0; it must be a whole number of at least 1'),
        ((-1, 8), 'an axis of input "input" is -1; it must be a whole number of at least 1'),
    ],
)
def test_an_input_without_elements(shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(FieldError) as caught:
        Builder().input(shape)
    assert str(caught.value) == message


@pytest.mark.parametrize("shape", [(), (3, 2.5), (3, True), (3, "8")])
def test_an_input_has_whole_sizes(shape: tuple[Any, ...]) -> None:
    with pytest.raises((FieldError, GraphError)):
        Builder().input(shape)


@pytest.mark.parametrize("count", [0, 2])
@pytest.mark.parametrize(
    ("word", "fields"), [("relu", {}), ("conv", {"out_channels": 2, "kernel_size": 1}), ("flatten", {})]
)
def test_operators_take_one_input(word: str, fields: dict[str, Any], count: int) -> None:
    b = Builder()
    x = b.input((3, 8, 8))
    with pytest.raises(GraphError) as caught:
        b.apply(word, *[x] * count, name="x", **fields)
    assert str(caught.value) == f'{word} "x": {word} takes one input, not {count}'


@pytest.mark.parametrize("word", ["add", "multiply", "concat"])
def test_joins_take_at_least_one_input(word: str) -> None:
    b = Builder()
    b.input((3, 8, 8))
    with pytest.raises(GraphError, match=rf"^{word}: "):
        b.apply(word)


def test_field_errors_name_their_field() -> None:
    b = Builder()
    with pytest.raises(FieldError) as caught:
        b.conv(b.input((3, 8, 8)), name="stem", out_channels=0, kernel_size=3)
    assert str(caught.value) == 'conv "stem": out_channels is 0; it must be a whole number of at least 1'
    assert caught.value.field == "out_channels"


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("convv", 'unknown operator "convv"; did you mean "conv"?'),
        ("dsconvolution", 'unknown operator "dsconvolution"; did you mean "dsconv"?'),
        ("zzz", 'unknown operator "zzz"'),
    ],
)
def test_unknown_operators(word: str, message: str) -> None:
    b = Builder()
    with pytest.raises(AttributeError) as as_method:
        getattr(b, word)
    with pytest.raises(GraphError) as by_name:
        b.apply(word, b.input((3, 8, 8)))
    assert str(as_method.value) == str(by_name.value) == message


def test_private_names_are_no_operators() -> None:
    b = Builder()
    assert not hasattr(b, "_missing")
    assert hasattr(b, "conv")


def test_a_builder_stops_at_its_limit() -> None:
    b = Builder(limit=1_000)
    x = b.input((3, 8, 8))
    for _ in range(999):
        x = b.relu(x)
    with pytest.raises(LimitError) as caught:
        b.relu(x)
    assert str(caught.value) == "the network has more than 1,000 layers, which is the limit of a spec"
    with pytest.raises(LimitError, match=r"^the network has more than 1,000 layers"):
        b.squeeze_excite(x, reduction=1)
    assert len(b.nodes) == 1_000


def test_an_operator_that_is_made_already() -> None:
    b = Builder()
    x = b.input((3, 8, 8))
    conv = Conv.bind({"out_channels": 4, "kernel_size": 3}, (x.shape,))
    assert b.add_operator(conv, x).shape == (4, 6, 6)
    with pytest.raises(GraphError) as caught:
        b.add_operator(Add(), x, b.input((3, 8, 9), name="other"))
    assert str(caught.value) == "the operands are 3x8x8 and 3x8x9; they must be equal, or 1, on every axis"


# Graphs


def node(name: str, *inputs: int) -> Node:
    op = ReLU() if inputs else Input(shape=(2, 3))
    return Node(name=name, op=op, inputs=inputs, shape=(2, 3))


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ((node("x"), node("a", 0), node("a", 1)), 'two nodes are named "a"; names must differ'),
        ((node("x"), node("a", 1)), 'node "a" reads a node that does not stand before it'),
        ((node("x"), node("a", 2), node("b", 0)), 'node "a" reads a node that does not stand before it'),
        ((node("x"), node("a", -1)), 'node "a" reads a node that does not stand before it'),
    ],
)
def test_a_graph_is_checked_when_made(nodes: tuple[Node, ...], message: str) -> None:
    with pytest.raises(GraphError) as caught:
        Graph(nodes=nodes)
    assert str(caught.value) == message


def test_a_graph_says_its_inputs_layers_and_outputs() -> None:
    b = Builder()
    x, y = b.input((2, 8), name="left"), b.input((2, 8), name="right")
    total = b.add(x, y, name="sum")
    b.relu(total, name="first")
    b.gelu(total, name="second")
    graph = b.graph("both", source="by hand", variables={"width": 1})
    assert [n.name for n in graph.inputs] == ["left", "right"]
    assert [n.name for n in graph.layers] == ["sum", "first", "second"]
    assert [n.name for n in graph.outputs] == ["first", "second"]
    assert graph.input_shapes(graph.layers[0]) == ((2, 8), (2, 8))
    assert (graph.name, graph.source, graph.variables) == ("both", "by hand", {"width": 1})


def test_an_empty_graph() -> None:
    graph = Graph(nodes=())
    assert graph.inputs == graph.layers == graph.outputs == ()


def test_graphs_are_frozen_and_compare_by_value() -> None:
    first, second = (Graph(nodes=(node("x"), node("a", 0)), name="n") for _ in range(2))
    assert first == second != first.replace(name="m")
    with pytest.raises(AttributeError) as caught:
        first.name = "m"  # type: ignore[misc]
    assert str(caught.value) == "Graph is frozen: 'name' cannot be assigned"


def test_graphs_do_not_share_their_variables() -> None:
    first = Graph(nodes=())
    first.variables["width"] = 2
    try:
        assert Graph(nodes=()).variables == {}
    finally:
        first.variables.clear()


def test_values_of_another_builder_are_refused() -> None:
    b, other = Builder(), Builder()
    b.conv(b.input((3, 8, 8)), out_channels=8, kernel_size=3)
    foreign = other.relu(other.input((5, 5, 5)))
    with pytest.raises(GraphError) as caught:
        b.relu(foreign, name="act")
    assert str(caught.value).startswith('relu "act": it reads Value(')
    assert str(caught.value).endswith(", which is no value of this builder")
    with pytest.raises(GraphError, match="it reads 3, which is no value of this builder"):
        b.relu(3)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["", 3, "a\x1bb"])
def test_names_are_printable_text(name: object) -> None:
    b = Builder()
    x = b.input((3, 8))
    with pytest.raises(GraphError, match="it must be printable text"):
        b.relu(x, name=name)  # type: ignore[arg-type]


def test_inputs_that_nothing_reads_are_no_outputs() -> None:
    b = Builder()
    x = b.input((3, 8))
    b.input((2, 4), name="unused")
    b.relu(x, name="act")
    assert [node.name for node in b.graph().outputs] == ["act"]
