"""The language of specs, feature by feature: each file in tests/specs/good becomes exactly the nodes written here."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from convcost.analysis.cost import analyze
from convcost.errors import SpecError
from convcost.frontends.yaml_spec import Spec, read_spec
from convcost.graph import Graph

FOLDER = Path(__file__).parents[1] / "specs" / "good"

NODES: dict[str, list[str]] = {
    "default_from_input": [
        "input = input() 8x4x4",
        "squeeze1.conv1 = conv(input) 2x4x4",
        "squeeze2.conv1 = conv(squeeze1.conv1) 3x4x4",
    ],
    "inputs_in_branches": [
        "left = input() 3x8x8",
        "right = input() 3x8x8",
        "add1.conv1 = conv(left) 4x8x8",
        "add1.conv2 = conv(right) 4x8x8",
        "add1.add = add(add1.conv1, add1.conv2) 4x8x8",
    ],
    "expectations": [
        "input = input() 1x2x2",
        "conv1 = conv(input) 4x2x2",
        "dsconv1.depthwise = conv(conv1) 4x2x2",
        "dsconv1.depthwise_act = relu(dsconv1.depthwise) 4x2x2",
        "dsconv1.pointwise = conv(dsconv1.depthwise_act) 2x2x2",
        "dsconv1.pointwise_act = relu(dsconv1.pointwise) 2x2x2",
    ],
    "axes": [
        "signal = input() 2x16",
        "image = input() 2x16x16",
        "volume = input() 2x16x16x16",
        "vector = input() 5",
        "conv1 = conv(signal) 3x4",
        "conv2 = conv(image) 3x4x7",
        "conv3 = conv(volume) 3x4x4x4",
        "linear1 = linear(vector) 3",
    ],
    "expectation": [
        "input = input() 1x2x2",
        "relu1 = relu(input) 1x2x2",
    ],
    "identity": [
        "input = input() 3x8x8",
    ],
    "joins": [
        "input = input() 4x8x8",
        "first = relu(input) 4x8x8",
        "outer.relu1 = relu(first) 4x8x8",
        "outer.conv1 = conv(outer.relu1) 2x8x8",
        "outer.inner.sigmoid1 = sigmoid(first) 4x8x8",
        "outer.inner.add = add(first, outer.inner.sigmoid1) 4x8x8",
        "outer.tanh1 = tanh(outer.inner.add) 4x8x8",
        "outer.concat = concat(outer.conv1, outer.tanh1, first) 10x8x8",
        "multiply1.global_avg_pool1 = global_avg_pool(outer.concat) 10x1x1",
        "multiply1.sigmoid1 = sigmoid(multiply1.global_avg_pool1) 10x1x1",
        "multiply1.multiply = multiply(outer.concat, multiply1.sigmoid1) 10x8x8",
        "add1.add = add(multiply1.multiply, multiply1.multiply) 10x8x8",
        "add2.side = conv(first) 10x8x8",
        "add2.add = add(add2.side, outer.concat) 10x8x8",
    ],
    "names": [
        "input = input() 4x8x8",
        "relu1 = relu(input) 4x8x8",
        "relu2 = relu(relu1) 4x8x8",
        "relu3 = relu(relu2) 4x8x8",
        "relu6_1 = relu6(relu3) 4x8x8",
        "relu6_2 = relu6(relu6_1) 4x8x8",
        "Stem-1_a = conv(relu6_2) 4x8x8",
        "sequence1.relu1 = relu(Stem-1_a) 4x8x8",
        "sequence1.sequence1.relu1 = relu(sequence1.relu1) 4x8x8",
        "sequence1.sequence1.relu2 = relu(sequence1.sequence1.relu1) 4x8x8",
        "add1.relu1 = relu(sequence1.sequence1.relu2) 4x8x8",
        "add1.relu2 = relu(sequence1.sequence1.relu2) 4x8x8",
        "add1.add = add(add1.relu1, add1.relu2) 4x8x8",
        "sum.relu1 = relu(add1.add) 4x8x8",
        "sum.add = add(sum.relu1, add1.add) 4x8x8",
        "on = relu(sum.add) 4x8x8",
        "_private = relu(on) 4x8x8",
    ],
    "own_blocks": [
        "input = input() 3x9x9",
        "first.unit1.conv = conv(input) 8x5x5",
        "first.unit1.batch_norm1 = batch_norm(first.unit1.conv) 8x5x5",
        "first.unit2.0.conv = conv(first.unit1.batch_norm1) 8x5x5",
        "first.unit2.0.batch_norm1 = batch_norm(first.unit2.0.conv) 8x5x5",
        "residual1.add1.unit1.conv = conv(first.unit2.0.batch_norm1) 8x5x5",
        "residual1.add1.unit1.batch_norm1 = batch_norm(residual1.add1.unit1.conv) 8x5x5",
        "residual1.add1.add = add(residual1.add1.unit1.batch_norm1, first.unit2.0.batch_norm1) 8x5x5",
        "stage1.unit1.conv = conv(residual1.add1.add) 10x3x3",
        "stage1.unit1.batch_norm1 = batch_norm(stage1.unit1.conv) 10x3x3",
        "stage1.unit2.0.conv = conv(stage1.unit1.batch_norm1) 10x3x3",
        "stage1.unit2.0.batch_norm1 = batch_norm(stage1.unit2.0.conv) 10x3x3",
        "stage1.unit2.1.conv = conv(stage1.unit2.0.batch_norm1) 10x3x3",
        "stage1.unit2.1.batch_norm1 = batch_norm(stage1.unit2.1.conv) 10x3x3",
        "last.add1.unit1.conv = conv(stage1.unit2.1.batch_norm1) 10x3x3",
        "last.add1.unit1.batch_norm1 = batch_norm(last.add1.unit1.conv) 10x3x3",
        "last.add1.add = add(last.add1.unit1.batch_norm1, stage1.unit2.1.batch_norm1) 10x3x3",
    ],
    "repeat": [
        "input = input() 4x8x8",
        "relu1.0 = relu(input) 4x8x8",
        "relu1.1 = relu(relu1.0) 4x8x8",
        "separable.0.depthwise = conv(relu1.1) 4x8x8",
        "separable.0.pointwise = conv(separable.0.depthwise) 4x8x8",
        "separable.1.depthwise = conv(separable.0.pointwise) 4x8x8",
        "separable.1.pointwise = conv(separable.1.depthwise) 4x8x8",
        "halve1.0.max_pool1 = max_pool(separable.1.pointwise) 4x4x4",
        "halve1.1.max_pool1 = max_pool(halve1.0.max_pool1) 4x2x2",
        "stage.0.relu1 = relu(halve1.1.max_pool1) 4x2x2",
        "stage.0.mix = conv(stage.0.relu1) 4x2x2",
        "stage.1.relu1 = relu(stage.0.mix) 4x2x2",
        "stage.1.mix = conv(stage.1.relu1) 4x2x2",
        "residual.0.relu1 = relu(stage.1.mix) 4x2x2",
        "residual.0.add = add(stage.1.mix, residual.0.relu1) 4x2x2",
        "residual.1.relu1 = relu(residual.0.add) 4x2x2",
        "residual.1.add = add(residual.0.add, residual.1.relu1) 4x2x2",
        "relu6_1.0 = relu6(stage.1.mix) 4x2x2",
    ],
    "scopes_of_names": [
        "input = input() 4x8x8",
        "first = relu(input) 4x8x8",
        "join.deep.inner = relu6(first) 4x8x8",
        "join.deep.tanh1 = tanh(first) 4x8x8",
        "join.deep.add1 = add(join.deep.inner, first) 4x8x8",
        "join.add1 = add(join.deep.add1, first) 4x8x8",
        "join.first = relu(first) 4x8x8",
        "join.sigmoid1 = sigmoid(join.first) 4x8x8",
        "join.add = add(join.add1, join.sigmoid1) 4x8x8",
        "one.wide = conv(join.add) 6x8x8",
        "one.gate = sigmoid(one.wide) 6x8x8",
        "one.multiply1 = multiply(one.wide, one.gate) 6x8x8",
        "one.concat1 = concat(join.add, one.wide) 10x8x8",
        "skip1.wide = conv(first) 6x8x8",
        "skip1.gate = sigmoid(skip1.wide) 6x8x8",
        "skip1.multiply1 = multiply(skip1.wide, skip1.gate) 6x8x8",
        "skip1.concat1 = concat(first, skip1.wide) 10x8x8",
        "add1 = add(join.add, first) 4x8x8",
    ],
    "several_inputs": [
        "left = input() 3x8x8",
        "right = input() 2x8x8",
        "a = conv(left) 4x8x8",
        "b = conv(right) 4x8x8",
        "add1 = add(a, b) 4x8x8",
        "concat1 = concat(left, right) 5x8x8",
    ],
    "texts": [
        "input = input() 3x8x8",
        "relu1 = relu(input) 3x8x8",
        "relu2 = relu(relu1) 3x8x8",
        "relu3 = relu(relu2) 3x8x8",
        "opaque1 = opaque(relu3) 3x8x8",
        "conv1 = conv(opaque1) 16x8x8",
        "conv2 = conv(conv1) 16x8x8",
    ],
    "variables": [
        "input = input() 3x16x16",
        "conv1 = conv(input) 8x16x16",
        "conv2 = conv(conv1) 9x16x16",
        "conv3 = conv(conv2) 11x16x16",
        "conv4 = conv(conv3) 10x16x16",
        "conv5 = conv(conv4) 8x16x16",
        "linear1 = linear(conv5) 8x16x1",
    ],
    "attention": [
        "q = input() 6x8",
        "k = input() 5x8",
        "v = input() 5x2x3",
        "queries.reshape1 = reshape(q) 6x2x4",
        "queries.permute1 = permute(queries.reshape1) 2x6x4",
        "keys.reshape1 = reshape(k) 5x2x4",
        "keys.permute1 = permute(keys.reshape1) 2x5x4",
        "values = permute(v) 2x5x3",
        "attended = scaled_dot_product_attention(queries.permute1, keys.permute1, values) 2x6x3",
        "matmul1.permute1 = permute(attended) 2x3x6",
        "matmul1.matmul = matmul(attended, matmul1.permute1) 2x6x6",
        "scaled_dot_product_attention1.relu1 = relu(matmul1.matmul) 2x6x6",
        "scaled_dot_product_attention1.scaled_dot_product_attention = scaled_dot_product_attention(matmul1.matmul,"
        " scaled_dot_product_attention1.relu1, matmul1.matmul) 2x6x6",
        "permute1 = permute(scaled_dot_product_attention1.scaled_dot_product_attention) 6x2x6",
        "reshape1 = reshape(permute1) 6x12",
        "linear1 = linear(reshape1) 6x8",
    ],
    "rearranging": [
        "input = input() 6x8x9",
        "slice1 = slice(input) 6x8x8",
        "first = slice(slice1) 4x8x8",
        "channel_shuffle1 = channel_shuffle(first) 4x8x8",
        "shift1 = shift(channel_shuffle1) 4x8x8",
        "pixel_unshuffle1 = pixel_unshuffle(shift1) 16x4x4",
        "instance_norm1 = instance_norm(pixel_unshuffle1) 16x4x4",
        "folded = pixel_shuffle(instance_norm1) 4x8x8",
        "concat1.split1 = split(folded) 2x8x8",
        "concat1.split2 = split(folded) 2x8x8",
        "concat1.channel_shuffle1 = channel_shuffle(concat1.split2) 2x8x8",
        "concat1.concat = concat(concat1.split1, concat1.channel_shuffle1) 4x8x8",
        "pad1 = pad(concat1.concat) 5x11x10",
        "pad2 = pad(pad1) 5x12x11",
        "permute1 = permute(pad2) 11x5x12",
        "reshape1 = reshape(permute1) 11x30x2",
        "crop1 = crop(reshape1) 11x3x1",
        "reshape2 = reshape(crop1) 33",
    ],
    "wiring": [
        "input = input() 3x8x8",
        "left = conv(input) 4x8x8",
        "right = conv(input) 5x8x8",
        "both = concat(left, right, input) 12x8x8",
        "relu1 = relu(both) 12x8x8",
        "add1 = add(both, both) 12x8x8",
        "multiply1 = multiply(left, left) 4x8x8",
        "flatten1 = flatten(left) 256",
    ],
    "words": [
        "input = input() 4x8x8",
        "inner1.conv1 = conv(input) 4x6x6",
        "inner1.dsconv1.depthwise = conv(inner1.conv1) 4x6x6",
        "inner1.dsconv1.depthwise_norm = batch_norm(inner1.dsconv1.depthwise) 4x6x6",
        "inner1.dsconv1.depthwise_act = relu(inner1.dsconv1.depthwise_norm) 4x6x6",
        "inner1.dsconv1.pointwise = conv(inner1.dsconv1.depthwise_act) 4x6x6",
        "inner1.dsconv1.pointwise_norm = batch_norm(inner1.dsconv1.pointwise) 4x6x6",
        "inner1.dsconv1.pointwise_act = relu(inner1.dsconv1.pointwise_norm) 4x6x6",
        "outer1.inner1.conv1 = conv(inner1.dsconv1.pointwise_act) 4x6x6",
        "outer1.inner1.dsconv1.depthwise = conv(outer1.inner1.conv1) 4x6x6",
        "outer1.inner1.dsconv1.depthwise_norm = batch_norm(outer1.inner1.dsconv1.depthwise) 4x6x6",
        "outer1.inner1.dsconv1.depthwise_act = relu6(outer1.inner1.dsconv1.depthwise_norm) 4x6x6",
        "outer1.inner1.dsconv1.pointwise = conv(outer1.inner1.dsconv1.depthwise_act) 4x6x6",
        "outer1.inner1.dsconv1.pointwise_norm = batch_norm(outer1.inner1.dsconv1.pointwise) 4x6x6",
        "outer1.inner1.dsconv1.pointwise_act = relu6(outer1.inner1.dsconv1.pointwise_norm) 4x6x6",
        "outer2.inner1.conv1 = conv(outer1.inner1.dsconv1.pointwise_act) 4x4x4",
        "outer2.inner1.dsconv1.depthwise = conv(outer2.inner1.conv1) 4x4x4",
        "outer2.inner1.dsconv1.depthwise_norm = batch_norm(outer2.inner1.dsconv1.depthwise) 4x4x4",
        "outer2.inner1.dsconv1.pointwise = conv(outer2.inner1.dsconv1.depthwise_norm) 4x4x4",
        "outer2.inner1.dsconv1.pointwise_norm = batch_norm(outer2.inner1.dsconv1.pointwise) 4x4x4",
        "dsconv1.depthwise = conv(outer2.inner1.dsconv1.pointwise_norm) 4x4x4",
        "dsconv1.depthwise_act = relu6(dsconv1.depthwise) 4x4x4",
        "dsconv1.pointwise = conv(dsconv1.depthwise_act) 4x4x4",
        "dsconv1.pointwise_act = relu6(dsconv1.pointwise) 4x4x4",
    ],
}
"""Each node as `name = operator(names of what it reads) shape`, in the order of execution."""

TESTED_APART = {"automatic_names_yield"}


def load_file(name: str, **variables: Any) -> Spec:
    return read_spec(str(FOLDER / f"{name}.yaml"), variables)


def nodes(graph: Graph) -> list[str]:
    """Each node in one line."""
    lines = []
    for node in graph.nodes:
        sources = ", ".join(graph.nodes[position].name for position in node.inputs)
        lines.append(f"{node.name} = {node.op.word}({sources}) {'x'.join(map(str, node.shape))}")
    return lines


@pytest.fixture
def graph_of(tmp_path: Path) -> Callable[..., Graph]:
    """The graph of a spec given as text."""

    def read(text: str, **variables: Any) -> Graph:
        path = tmp_path / "net.yaml"
        path.write_text(text)
        return read_spec(str(path), variables).graph

    return read


@pytest.mark.parametrize("name", NODES)
def test_the_nodes_of_a_spec(name: str) -> None:
    assert nodes(load_file(name).graph) == NODES[name]


def test_every_good_file_is_tested() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} == {*NODES} | TESTED_APART


def test_given_names_come_before_those_that_joins_take() -> None:
    graph = load_file("automatic_names_yield").graph
    by_name = {node.name: node for node in graph.nodes}
    assert len(graph.nodes) == 5
    assert by_name["add1.add"].op.word == "relu"
    assert by_name["both.concat"].op.word == "relu"
    assert [node.shape for node in graph.outputs] == [(8, 8, 8)]


def test_scopes_say_what_made_them() -> None:
    scopes = {}
    for file in ("own_blocks", "repeat", "scopes_of_names"):
        for node in load_file(file).graph.nodes:
            scopes.update(
                {(file, s.path): (s.kind, s.role, s.detail) for s in (node.scope.lineage() if node.scope else ())}
            )
    assert scopes["own_blocks", "first"] == ("stage", "block", "channels 4")
    assert scopes["own_blocks", "stage1"] == ("stage", "block", "channels 5 depth 3")
    assert scopes["own_blocks", "stage1.unit2"] == ("unit", "repeat", "x 2")
    assert scopes["repeat", "relu1"] == ("relu", "repeat", "x 2")
    assert scopes["repeat", "stage.0"] == ("sequence", "sequence", "")
    assert scopes["scopes_of_names", "join"] == ("add", "join", "2 branches")


def test_name_and_source_are_one_line() -> None:
    graph = load_file("texts").graph
    assert graph.name == "A network in two lines"
    assert graph.source == 'Author et al. 2020, "A title: with a colon", table 1'


def test_fields_reach_the_operators() -> None:
    ops = {node.name: node.op for node in load_file("variables").graph.nodes}
    assert ops["conv1"].kernel_size == (3, 3)
    assert ops["conv1"].padding == (1, 1)
    assert ops["conv1"].groups == 1
    assert ops["conv2"].bias is False
    words = {node.name: node.op for node in load_file("words").graph.nodes}
    assert words["inner1.conv1"].bias is True
    assert words["outer1.inner1.conv1"].bias is False
    assert words["outer1.inner1.conv1"].padding == "same"
    assert load_file("texts").graph.nodes[-1].op.kernel_size == (1, 1)


# --- variables and their overrides


def test_variables_are_kept_with_the_graph() -> None:
    variables = load_file("variables").graph.variables
    assert variables == {
        "width": Fraction(1, 10),
        "base": 30,
        "channels": 3,
        "padded": 8,
        "large": False,
        "kernel": 3,
        "resolution": 32,
        "size": 16,
        "groups": 1,
    }


def test_a_set_variable_changes_those_that_use_it() -> None:
    variables = load_file("variables", width=0.7, resolution=64).graph.variables
    # 30 * 0.7 = 21; the multiple of 8 nearest to 21 is 24; 21 is odd
    assert variables["channels"] == 21
    assert variables["padded"] == 24
    assert variables["large"] is True
    assert variables["kernel"] == 5
    assert variables["size"] == 32


def test_a_variable_computed_from_others_can_be_set() -> None:
    graph = load_file("variables", channels=5).graph
    assert graph.inputs[0].shape == (5, 16, 16)
    assert graph.variables["padded"] == 8


@pytest.mark.parametrize("width", [0.1, 0.7, 1.1, Fraction(1, 3), "relu"])
def test_what_is_set_is_exact(graph_of: Callable[..., Graph], width: Any) -> None:
    graph = graph_of("variables: {width: 1}\ninput: [3]\nlayers: [relu]\n", width=width)
    assert graph.variables["width"] == (Fraction(repr(width)) if isinstance(width, float) else width)


def test_word_variables_can_be_set() -> None:
    words = [node.op.word for node in load_file("words", act="hardswish").graph.nodes]
    assert words.count("hardswish") == 4
    assert words.count("relu6") == 0


VARIABLES = "variables: {width: 1, resolution: 8}\ninput: [3]\nlayers: [relu]\n"
NOT_SET = {
    "wdth": (2, '1:12: the spec has no variable "wdth" to set; it has width, resolution; did you mean "width"?'),
    "width": ("widest", '1:12: the variable "width" is set to "widest"; it must be a number'),
    "resolution": (None, '1:12: the variable "resolution" is set to empty; it must be a number'),
}


@pytest.mark.parametrize("name", NOT_SET)
def test_what_cannot_be_set(graph_of: Callable[..., Graph], tmp_path: Path, name: str) -> None:
    value, message = NOT_SET[name]
    with pytest.raises(SpecError) as caught:
        graph_of(VARIABLES, **{name: value})
    assert str(caught.value) == f"{tmp_path / 'net.yaml'}:{message}"


@pytest.mark.parametrize(("value", "shown"), [(float("nan"), "nan"), (float("inf"), "inf"), (-float("inf"), "-inf")])
def test_a_variable_is_set_to_a_finite_number(
    graph_of: Callable[..., Graph], tmp_path: Path, value: float, shown: str
) -> None:
    with pytest.raises(SpecError) as caught:
        graph_of(VARIABLES, width=value)
    assert str(caught.value) == (
        f'{tmp_path / "net.yaml"}:1:12: the variable "width" is set to {shown}; it must be a number'
    )


def test_a_spec_without_variables_says_so(graph_of: Callable[..., Graph], tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        graph_of("input: [3]\nlayers: [relu]\n", width=2)
    assert str(caught.value) == f'{tmp_path / "net.yaml"}:1:1: the spec has no variable "width" to set; it has none'


# --- expectations


def test_expectations_keep_variables_and_totals() -> None:
    first, second, third = load_file("expectations").expectations
    assert first.variables == {}
    assert first.totals == {"params": 58, "macs": 192}
    assert second.variables == {"width": Fraction(1, 2), "act": "relu6"}
    assert second.totals == {"params": 30}
    assert (third.variables, third.totals) == ({}, {})
    assert [first.line, second.line, third.line] == [8, 9, 10]


def test_one_expectation_needs_no_list() -> None:
    spec = load_file("expectation")
    (found,) = spec.expectations
    totals = analyze(spec.graph).totals
    assert found.totals == {"params": 0, "flops": 4, "peak_activation_bytes": 32}
    assert {name: getattr(totals, name) for name in found.totals} == found.totals


# --- laws of the language


def shapes(graph: Graph) -> list[Any]:
    return [(node.op, node.shape) for node in graph.layers]


LAYER = "conv: {out_channels: 3, kernel_size: 3, padding: 1}"


def test_repeat_is_writing_it_often(graph_of: Callable[..., Graph]) -> None:
    repeated = graph_of(f"input: [3, 8, 8]\nlayers:\n  - {LAYER}\n    repeat: 4\n")
    written = graph_of("input: [3, 8, 8]\nlayers:\n" + f"  - {LAYER}\n" * 4)
    assert shapes(repeated) == shapes(written)
    assert [node.inputs for node in repeated.layers] == [node.inputs for node in written.layers]


def test_an_own_block_is_its_layers(graph_of: Callable[..., Graph]) -> None:
    own = graph_of(f"input: [3, 8, 8]\nblocks: {{unit: {{layers: [relu, {{{LAYER}}}]}}}}\nlayers: [unit, unit]\n")
    written = graph_of(f"input: [3, 8, 8]\nlayers: [relu, {{{LAYER}}}, relu, {{{LAYER}}}]\n")
    assert shapes(own) == shapes(written)
    assert [node.inputs for node in own.layers] == [node.inputs for node in written.layers]


def test_a_sequence_is_its_layers(graph_of: Callable[..., Graph]) -> None:
    grouped = graph_of(f"input: [3, 8, 8]\nlayers: [{{sequence: [relu, {{sequence: [{{{LAYER}}}]}}]}}]\n")
    written = graph_of(f"input: [3, 8, 8]\nlayers: [relu, {{{LAYER}}}]\n")
    assert shapes(grouped) == shapes(written)


def test_branches_are_explicit_wiring(graph_of: Callable[..., Graph]) -> None:
    branches = graph_of(f"input: [3, 8, 8]\nlayers: [relu, {{add: [[{{{LAYER}}}], []]}}]\n")
    wired = graph_of(
        f"input: [3, 8, 8]\nlayers:\n  - {{relu: , name: a}}\n  - {{{LAYER}, name: b}}\n  - {{add: , from: [b, a]}}\n"
    )
    assert shapes(branches) == shapes(wired)
    assert [node.inputs for node in branches.layers] == [node.inputs for node in wired.layers]


def test_arguments_hide_variables_and_own_values_win(graph_of: Callable[..., Graph]) -> None:
    text = (
        "variables: {width: 2}\ninput: [3, 8, 8]\nblocks:\n  unit:\n    arguments: {width: 7, twice: 2 * width}\n"
        "    layers: [{conv: {out_channels: width, kernel_size: 1}}, {conv: {out_channels: twice, kernel_size: 1}}]\n"
        "layers: [unit, {unit: {width: width + 1}}]\n"
    )
    assert [node.shape[0] for node in graph_of(text).layers] == [7, 14, 3, 6]
    assert [node.shape[0] for node in graph_of(text, width=4).layers] == [7, 14, 5, 10]


def test_two_branches_of_a_join_by_one_name_are_told_apart(graph_of: Callable[..., Graph]) -> None:
    graph = graph_of("input: [3, 8, 8]\nlayers: [{add: [[relu, relu], [relu]]}, {add: [[relu], []]}]\n")
    names = [node.name for node in graph.layers]
    assert names == ["add1.relu1", "add1.relu2", "add1.relu3", "add1.add", "add2.relu1", "add2.add"]


def test_windows_line_ends_and_a_byte_order_mark_change_nothing(tmp_path: Path) -> None:
    source = (FOLDER / "own_blocks.yaml").read_bytes()
    path = tmp_path / "net.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + source.replace(b"\n", b"\r\n"))
    assert nodes(read_spec(str(path)).graph) == NODES["own_blocks"]
