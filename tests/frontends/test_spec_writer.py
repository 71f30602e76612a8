"""A graph written as a spec is read back as the same: operators, order, wiring, shapes, totals, and most names."""

import re
from fractions import Fraction
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from convcost.analysis.cost import analyze
from convcost.analysis.view import view
from convcost.errors import ConvcostError
from convcost.formulas.symbolic import size_symbol
from convcost.frontends import spec_writer
from convcost.frontends.load import bundled_names, load_spec
from convcost.frontends.spec_writer import to_spec
from convcost.graph import Builder, Graph, Value
from strategies import graphs
from written import names, same_again, written

law = partial(settings, deadline=None, print_blob=True, suppress_health_check=list(HealthCheck))


# Laws


@law(max_examples=300)
@given(graphs())
def test_random_networks_are_read_back(graph: Graph) -> None:
    same_again(graph)


PARTS = ["a", "b", "0", "1", "2", "_0", "_1", "conv1", "relu1", "relu2", "input", "on", "true", "a b", "", "x" * 70]


@st.composite
def wired(draw: Any) -> Graph:
    """A network that reads any earlier values, under names that lie in each other, recur, and are none for a spec."""
    b = Builder()
    values = [b.input((4, 5), name=draw(st.sampled_from(["input", "a", "_0", "an input"])))]
    if draw(st.booleans()):
        values.append(b.input((4, 5), name="second.input"))
    taken = {node.name for node in b.nodes}
    path: list[str] = []

    def value() -> Value:
        return values[-1] if draw(st.integers(0, 9)) < 7 else draw(st.sampled_from(values))

    for number in range(draw(st.integers(1, 25))):
        path = path[: draw(st.integers(max(0, len(path) - 2), len(path)))]
        if draw(st.booleans()):
            path.append(draw(st.sampled_from(PARTS)))
        name = ".".join([*path, draw(st.sampled_from(PARTS))]) or "a"
        while name in taken:
            name += f"{number}"
        taken.add(name)
        word = draw(st.sampled_from(["relu", "batch_norm", "conv", "add", "multiply"]))
        fields = {"out_channels": 4, "kernel_size": draw(st.sampled_from([1, 3])), "padding": "same"}
        reads = [value() for _ in range(draw(st.integers(2, 3)))] if word in ("add", "multiply") else [value()]
        values.append(b.apply(word, *reads, name=name, **(fields if word == "conv" else {})))
    return b.graph()


@law(max_examples=300)
@given(wired())
def test_any_wiring_under_any_names_is_read_back(graph: Graph) -> None:
    same_again(graph)


@law(max_examples=100)
@given(wired())
def test_what_was_read_is_written_the_same(graph: Graph) -> None:
    text, again = same_again(graph)
    assert to_spec(again) == text


# Bundled networks


ELSEWHERE = {
    "channelnet_v1": "separable1_2",  # inside joined2, where the separable1 before joined2 is read
    "wavenet": "layer0_",  # two values of each layer are read: the residual and the skip
}
"""Networks of which some names cannot stay, and what they become."""


@pytest.mark.parametrize("name", bundled_names())
def test_bundled_networks_are_read_back(name: str) -> None:
    spec = load_spec(name)
    _, again = same_again(spec.graph)
    assert (again.name, again.source) == (spec.graph.name, spec.graph.source)
    assert spec.unmet(analyze(again).totals.as_dict()) == []
    changed = [pair for pair in zip(names(spec.graph), names(again), strict=True) if pair[0] != pair[1]]
    if name in ELSEWHERE:
        assert any(ELSEWHERE[name] in new for _, new in changed)
    else:  # repetitions that differ from each other: no name starts with a digit
        assert [old for old, _ in changed] == [re.sub(r"\._(?=[0-9])", ".", new) for _, new in changed]


@pytest.mark.parametrize("name", bundled_names())
def test_folded_rows_are_the_same(name: str) -> None:
    graph = load_spec(name).graph
    _, again = same_again(graph)
    for batch, dtype in ((1, "float32"), (3, "int8")):
        rows, rows_again = (
            [
                (row.name, row.cost, row.layers, row.output_shape, row.complete)
                for row in view(analyze(found, batch=batch, dtype=dtype), depth=1).rows
            ]
            for found in (graph, again)
        )
        assert rows_again == rows


# Worked examples


def test_a_small_network_is_written_so() -> None:
    b = Builder()
    x = b.conv(b.input((3, 32, 32)), name="stem", out_channels=16, kernel_size=[3, 3], stride=2, padding=1, bias=False)
    x = b.relu(b.batch_norm(x))
    x = b.basic_block(x, name="block", out_channels=16)
    with b.scope("tail", "tail", "repeat"):
        for number in range(2):
            with b.scope(str(number), "unit"):
                x = b.relu(b.conv(x, out_channels=16, kernel_size=3, padding="same"))
    x = b.flatten(b.global_avg_pool(x))
    b.linear(x, name="head", out_features=10)
    text, again = same_again(b.graph("A small network", "made up: for a test, 2024", {"width": 0.5}))
    # parameters: 432; 32; 2 x (2304 + 32); 2 x (2304 + 16); 170. MACs: 432, 2 x 2304 and 2 x 2304 at 16 x 16; 160
    assert (
        text
        == """\
# yaml-language-server: $schema=convcost.schema.json
# made with width 0.5
name: A small network
source: "made up: for a test, 2024"
input: [3, 32, 32]

layers:
  - conv: {out_channels: 16, kernel_size: 3, stride: 2, bias: false, padding: 1}
    name: stem
  - batch_norm
  - relu:
    name: relu1
  - name: block
    sequence:
      - conv: {out_channels: 16, kernel_size: 3, bias: false, padding: 1}
      - batch_norm:
        name: conv1_norm
      - relu:
        name: conv1_act
      - conv: {out_channels: 16, kernel_size: 3, bias: false, padding: 1}
      - batch_norm:
        name: conv2_norm
      - add:
        name: add
        from: [conv2_norm, relu1]
      - relu:
        name: add_act
  - name: tail
    repeat: 2
    sequence:
      - conv: {out_channels: 16, kernel_size: 3, padding: same}
      - relu
  - global_avg_pool
  - flatten
  - linear: {out_features: 10}
    name: head

expect: {params: 9946, macs: 2470048}
"""
    )
    assert names(again) == names(b.graph())


IMAGE = (8, 6, 6)


@pytest.mark.parametrize(
    ("word", "shape", "fields", "line"),
    [
        ("conv", IMAGE, {"out_channels": 4, "kernel_size": 1}, "conv: {out_channels: 4, kernel_size: 1}"),
        ("conv", (8, 9), {"out_channels": 4, "kernel_size": [3]}, "conv: {out_channels: 4, kernel_size: 3}"),
        (
            "conv",
            IMAGE,
            {"out_channels": 8, "kernel_size": [1, 3], "padding": [0, 1], "groups": 8, "stride": [1, 1]},
            "conv: {out_channels: 8, kernel_size: [1, 3], groups: 8, padding: [0, 1]}",
        ),
        ("linear", (8,), {"out_features": 4, "in_features": 8}, "linear: {out_features: 4}"),
        ("linear", IMAGE, {"out_features": 4, "in_features": 6}, "linear: {out_features: 4, in_features: 6}"),
        ("prelu", IMAGE, {"num_parameters": 8}, "prelu: {num_parameters: 8}"),
        ("prelu", IMAGE, {}, "prelu"),
        ("relu", IMAGE, {"inplace": True}, "relu: {inplace: true}"),
        ("max_pool", IMAGE, {"kernel_size": 2, "stride": [2, 2]}, "max_pool: {kernel_size: 2}"),
        ("max_pool", IMAGE, {"kernel_size": 3, "stride": 2}, "max_pool: {kernel_size: 3, stride: 2}"),
        ("upsample", IMAGE, {"size": [12, 12], "mode": "bilinear"}, "upsample: {size: 12, mode: bilinear}"),
        ("layer_norm", IMAGE, {"normalized_shape": [8, 6, 6]}, "layer_norm"),
        ("layer_norm", IMAGE, {"normalized_shape": [6, 6]}, "layer_norm: {normalized_shape: [6, 6]}"),
        ("reshape", IMAGE, {"shape": [4, -1]}, "reshape: {shape: [4, 72]}"),
        ("slice", IMAGE, {"axis": 1, "start": 2}, "slice: {axis: 1, start: 2}"),
        ("slice", IMAGE, {"stop": 8}, "slice"),
        ("permute", IMAGE, {"dims": [0, 2, 1]}, "permute: {dims: [0, 2, 1]}"),
        ("dropout", IMAGE, {"p": 0.125}, "dropout: {p: 0.125}"),
        ("dropout", IMAGE, {"p": Fraction(1, 3)}, "dropout: {p: 1/3}"),
        ("dropout", IMAGE, {"p": 1}, "dropout: {p: 1}"),
        ("conv_classifier", IMAGE, {"num_classes": 3}, "conv_classifier: {num_classes: 3}"),
        (
            "self_grouped_conv",
            IMAGE,
            {"groups": [[2, 3], [1, 8]], "kernel_size": 3},
            "self_grouped_conv: {kernel_size: 3, groups: [[2, 3], [1, 8]]}",
        ),
        (
            "scc",
            IMAGE,
            {"out_channels": 4, "groups": 2, "overlap": Fraction(1, 3)},
            "scc: {out_channels: 4, groups: 2, overlap: 1/3}",
        ),
        (
            "group_equivariant_conv",
            (3, 4, 6, 6),
            {"out_channels": 4, "kernel_size": 3, "group": "p4", "in_channels": 3},
            "group_equivariant_conv: {out_channels: 4, kernel_size: 3, group: p4}",
        ),
        (
            "opaque",
            IMAGE,
            {"label": "deform_conv2d", "output_shape": [4, 4]},
            "opaque: {label: deform_conv2d, output_shape: [4, 4]}",
        ),
    ],
)
def test_only_what_must_be_said_is_written(word: str, shape: tuple[int, ...], fields: Any, line: str) -> None:
    assert written(word, shape, **fields) == f"  - {line}"


# Refusals


def refusal(graph: Graph) -> str:
    with pytest.raises(ConvcostError) as refused:
        to_spec(graph)
    return str(refused.value)


def test_symbols_are_refused() -> None:
    b = Builder()
    b.relu(b.input((3, size_symbol("resolution"))))
    assert refusal(b.graph()) == (
        'input "input": shape is 3xresolution, which is no number; a network with symbolic sizes cannot be written as a'
        " spec; give its variables numbers"
    )
    b = Builder()
    b.conv(b.input((3, 8)), name="stem", out_channels=size_symbol("width"), kernel_size=1)
    assert refusal(b.graph()) == (
        'conv "stem": out_channels is width, which is no number; a network with symbolic sizes cannot be written as a'
        " spec; give its variables numbers"
    )


def test_what_the_language_cannot_say_is_refused() -> None:
    b = Builder()
    x = b.input((3, 8, 8))
    b.concat(x, name="alone")
    assert refusal(b.graph()) == (
        'concat "alone": joins one value alone; a join of a spec has at least two: leave it out'
    )
    b = Builder()
    x = b.input((3, 8, 8))
    b.opaque(x, x, name="roi", label="roi_align", output_shape=(3,))
    assert refusal(b.graph()) == ('opaque "roi": reads 2 values; in a spec it reads one: join them in front of it')
    b = Builder()
    b.relu(b.input((2, 10**9 + 1)))
    assert refusal(b.graph()) == ('input "input" is 2x1000000001; an input of a spec has 1 to 4 axes of at most 10^9')
    assert refusal(Graph(nodes=())) == "the network has no input; a spec has at least one"


def test_axes_before_the_channels_are_refused() -> None:
    b = Builder(leading=1)
    b.conv(b.input((2, 3, 8, 8)), name="stem", out_channels=4, kernel_size=3)
    assert refusal(b.graph()) == (
        'conv "stem": on 2x3x8x8 a spec cannot say this: kernel_size is [3, 3], which has 2 entries; the input has'
        " 3 spatial axes"
    )
    b = Builder(leading=1)
    b.flatten(b.input((2, 3, 8, 8)), name="flat")
    assert refusal(b.graph()) == (
        'flatten "flat": on 2x3x8x8 a spec cannot say this: it would be read as another, since the shapes of a spec'
        " have no axis before the channels"
    )


def test_a_fraction_that_is_too_fine_is_refused() -> None:
    b = Builder()
    b.dropout(b.input((3,)), name="drop", p=Fraction(1, 3**200))
    assert refusal(b.graph()) == (
        'dropout "drop": on 3 a spec cannot say this: a fraction of 317 bits is too fine for a spec, which holds'
        " numbers below 2^256"
    )


def test_networks_too_large_for_a_file_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    b = Builder()
    b.relu(b.relu(b.input((3,))))
    text = to_spec(b.graph())
    # values: the file 1; input 1 + 2; layers 1 + 1 + 2; expect 1 + 1 + 4
    monkeypatch.setattr(spec_writer, "LARGEST_TREE", 14)
    assert to_spec(b.graph()) == text
    monkeypatch.setattr(spec_writer, "LARGEST_TREE", 13)
    assert refusal(b.graph()) == (
        "the network is too large for a spec: written out it has 14 values, and a spec may have 13; export it to torch"
    )
    monkeypatch.setattr(spec_writer, "LARGEST_TREE", 14)
    monkeypatch.setattr(spec_writer, "LARGEST_FILE", len(text) - 1)
    assert refusal(b.graph()) == (
        f"the network is too large for a spec: written out it has {len(text)} bytes, and a spec may have"
        f" {len(text) - 1}; export it to torch"
    )
