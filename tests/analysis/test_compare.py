"""Networks beside one another: ratios, changes, fields of view, and what the JSON says."""

from __future__ import annotations

import json
from typing import Any

import pytest

import convcost
import convcost.blocks
from convcost.analysis.compare import COMPARED, Change, Comparison, compare, field_text, ratio
from convcost.analysis.cost import analyze
from convcost.analysis.receptive_field import AxisField, receptive_fields
from convcost.analysis.result import Cost
from convcost.errors import ConvcostError
from convcost.formulas.symbolic import size_symbol
from convcost.frontends.load import load_spec
from convcost.graph import Builder, Graph

ADDITIVE = ("params", "weights", "buffers", "macs", "flops", "weight_bytes")


def net(channels: int = 64, size: int = 14, **fields: Any) -> Graph:
    """One convolution behind another layer, so that it does not read the network's input."""
    b = Builder()
    fields = {"out_channels": channels, "kernel_size": 3, "padding": 1, "bias": False, **fields}
    b.conv(b.identity(b.input((channels, *(size,) * 2)), name="before"), name="layer", **fields)
    return b.graph(name="net")


def change_of(graph: Graph, rule: str) -> Change:
    (change,) = compare(graph, [rule]).variants[1].changes
    return change


def fields_of(change: Change) -> tuple[str, str]:
    return tuple("x".join(map(field_text, axes)) for axes in (change.field_before, change.field_after))  # type: ignore


# Ratios


@pytest.mark.parametrize(
    ("after", "before", "found"),
    [(1, 4, 0.25), (0, 4, 0.0), (4, 0, None), (0, 0, None), (size_symbol("h"), 4, None), (4, size_symbol("h"), None)],
)
def test_ratio(after: Any, before: Any, found: float | None) -> None:
    assert ratio(after, before) == found


def test_a_depthwise_separable_layer() -> None:
    """1/N + 1/9: 64 (9 + 64) = 4,672 of 36,864 weights; bytes 4 (3 maps more than 2 of 64 x 196 elements)."""
    change = change_of(net(), "conv3x3=dsconv")
    assert (change.name, change.was, change.is_now) == ("layer", "conv 3x3", "dsconv 3x3")
    assert (change.before.weights, change.after.weights) == (36_864, 4_672)
    assert (change.before.macs, change.after.macs) == (36_864 * 196, 4_672 * 196)
    assert change.ratio("macs") == change.ratio("params") == 4_672 / 36_864 == pytest.approx(1 / 64 + 1 / 9)
    maps = 64 * 196
    assert change.before.bytes_moved == 4 * (2 * maps + 36_864) == 247_808
    assert change.after.bytes_moved == 4 * (4 * maps + 4_672) == 219_392
    assert not change.moves_more


@pytest.mark.parametrize(("size", "more"), [(14, False), (28, True)])
def test_fewer_macs_and_no_fewer_bytes_are_marked(size: int, more: bool) -> None:
    """Two maps more, 2 x 64 size^2 elements, against 36,864 - 4,672 = 32,192 weights less: 25,088, and 100,352."""
    change = change_of(net(size=size), "conv3x3=dsconv")
    assert (2 * 64 * size**2 > 32_192) is more
    assert change.moves_more is more


def test_more_macs_are_not_marked() -> None:
    change = change_of(net(kernel_size=1, padding=0), "conv1x1=dilated(kernel_size=3, dilation=2)")
    assert change.after.macs == 9 * change.before.macs
    assert change.after.bytes_moved > change.before.bytes_moved
    assert not change.moves_more


def test_as_many_bytes_are_no_fewer() -> None:
    change = change_of(net(), "conv3x3=dsconv").replace(before=Cost(macs=2, bytes_moved=7))
    assert change.replace(after=Cost(macs=1, bytes_moved=7)).moves_more
    assert not change.replace(after=Cost(macs=1, bytes_moved=6)).moves_more
    assert not change.replace(after=Cost(macs=2, bytes_moved=7)).moves_more
    assert not change.replace(after=Cost(macs=size_symbol("h"), bytes_moved=7)).moves_more


# Fields of view


@pytest.mark.parametrize(
    ("graph", "rule", "before", "after"),
    [
        (net(kernel_size=5, padding=2), "conv5x5=dilated(kernel_size=3, dilation=2)", "5x5", "5x5"),
        (net(), "conv3x3=dilated(kernel_size=3, dilation=2)", "3x3", "5x5"),
        (net(), "conv3x3=dsconv", "3x3", "3x3"),
        (net(), "conv3x3=dsconv(kernel_size=3x5)", "3x3", "3x5"),
        (net(), "conv3x3=flattened(stages=2)", "3x3", "5x5"),
        (net(), "conv3x3=pointwise_group(groups=2)", "3x3", "1x1"),
        (net(kernel_size=1, padding=0), "conv1x1=ghost(ratio=2, kernel_size=3)", "1x1", "5x5"),  # cheap 3x3 behind it
        (net(), "conv3x3=shift", "3x3", "3x3"),
        (net(channels=9), "conv3x3=shift", "3x3", "3x3"),
        (net(channels=8), "conv3x3=shift", "3x3", "1x1"),  # fewer channels than offsets: nothing moves
        (net(), "conv3x3=fire", "3x3", "3x3"),
        (net(), "conv3x3=p4m", "3x3", "3x3"),
        (net(), "conv3x3=identity", "3x3", "1x1"),
        (net(), "conv3x3=squeeze_excite", "3x3", "wholexwhole"),
        (net(stride=2), "conv3x3=dsconv", "3x3", "3x3"),
    ],
)
def test_what_an_output_sees(graph: Graph, rule: str, before: str, after: str) -> None:
    assert fields_of(change_of(graph, rule)) == (before, after)


def test_fields_are_those_of_the_layer_and_not_of_what_stands_before() -> None:
    b = Builder()
    x = b.conv(b.input((16, 20, 20)), name="first", out_channels=16, kernel_size=7, padding=3, stride=2)
    b.conv(x, name="second", out_channels=16, kernel_size=3, padding=1)
    first, second = compare(b.graph(), ["conv=dsconv"]).variants[1].changes
    assert (fields_of(first), fields_of(second)) == (("7x7", "7x7"), ("3x3", "3x3"))


def test_words_of_fields() -> None:
    b = Builder()
    x = b.input((4, 14, 14))

    def text(word: str, **fields: Any) -> str:
        node = b.apply(word, x, **fields)
        field = receptive_fields(b.graph())[node.position]
        assert field is not None
        return field_text(field.axes[0])

    assert text("conv", out_channels=4, kernel_size=5) == "5"
    assert text("global_avg_pool") == "whole"
    assert text("opaque", label="deform", output_shape=[4, 14, 14]) == "<= whole"
    local: AxisField = receptive_fields(b.graph())[1].axes[0]  # type: ignore[union-attr]
    assert field_text(local.replace(at_most=True)) == "<= 5"
    assert field_text(local.replace(at_most=True, size=1)) == "1"


def test_a_block_is_compared_as_a_whole() -> None:
    """Two 3x3 convolutions see 5x5; 2 x 9 x 16^2 + 4 x 16 = 4,672 parameters. Its norm follows both new ones."""
    b = Builder()
    b.basic_block(b.input((16, 10, 10)), name="block", out_channels=16)
    change = change_of(b.graph(), "basic_block=dsconv(kernel_size=5)")
    assert (change.was, change.is_now) == ("basic_block", "dsconv 5x5")
    assert fields_of(change) == ("5x5", "5x5")
    assert change.before.params == 2 * 9 * 16 * 16 + 4 * 16 == 4_672
    assert change.after.params == 16 * (25 + 16) + 4 * 16


# Sums

RULES = ["conv3x3=dsconv", "conv3x3[stride=1]=ghost(ratio=2)", "conv=flattened; conv1x1=scc(groups=2, overlap=0.5)"]


@pytest.mark.parametrize("spec", ["resnet18", "squeezenet1_1", "mobilenet_v1", "googlenet"])
def test_the_sum_of_changes_is_the_difference_of_the_totals(spec: str) -> None:
    """Bytes and activations too: what stands around a layer is what it was."""
    graph = load_spec(spec).graph
    comparison = compare(graph, RULES)
    totals = analyze(graph).totals
    assert comparison.variants[0].analysis.totals == totals
    for variant, rule in zip(comparison.variants[1:], RULES, strict=True):
        assert variant.changes
        assert variant.label == rule
        for key in (*ADDITIVE, "activations", "bytes_moved"):
            difference = sum(getattr(one.after, key) - getattr(one.before, key) for one in variant.changes)
            assert getattr(variant.analysis.totals, key) == getattr(totals, key) + difference, key


def test_ratios_of_totals_are_to_the_first_network() -> None:
    comparison = compare(load_spec("resnet18").graph, ["conv3x3=dsconv"])
    first, second = comparison.variants
    for key in COMPARED:
        assert comparison.ratio(first, key) == 1
        before, after = (getattr(variant.analysis.totals, key) for variant in comparison.variants)
        assert comparison.ratio(second, key) == after / before


def test_batch_and_dtype() -> None:
    one = compare(net(), ["conv3x3=dsconv"])
    many = compare(net(), ["conv3x3=dsconv"], batch=4, dtype="float16")
    for variant, other in zip(one.variants, many.variants, strict=True):
        assert other.analysis.totals.macs == 4 * variant.analysis.totals.macs
        assert other.analysis.totals.weight_bytes * 2 == variant.analysis.totals.weight_bytes
    assert many.variants[1].changes[0].before.macs == 4 * one.variants[1].changes[0].before.macs


# Several networks


def test_networks_without_rules_are_compared_with_the_first() -> None:
    graphs = [load_spec(name).graph for name in ("resnet18", "resnet50", "mobilenet_v1")]
    comparison = compare(graphs, labels=["a", "b", "c"])
    assert [variant.label for variant in comparison.variants] == ["a", "b", "c"]
    assert comparison.ratio(comparison.variants[1], "params") == 25_557_032 / 11_689_512
    assert comparison.ratio(comparison.variants[2], "macs") == 568_740_352 / 1_814_073_344
    assert all(variant.changes == variant.skipped == () for variant in comparison.variants)


def test_several_networks_and_rules() -> None:
    graphs = [load_spec(name).graph for name in ("resnet18", "resnet50")]
    comparison = compare(graphs, ["conv3x3=dsconv", "conv=dsconv"])
    assert [variant.label for variant in comparison.variants] == [
        "ResNet-18",
        "ResNet-18: conv3x3=dsconv",
        "ResNet-18: conv=dsconv",
        "ResNet-50",
        "ResNet-50: conv3x3=dsconv",
        "ResNet-50: conv=dsconv",
    ]


def test_networks_without_a_name_are_numbered() -> None:
    graphs = [graph.replace(name="") for graph in (net(), net())]
    assert [variant.label for variant in compare(graphs).variants] == ["network 1", "network 2"]


@pytest.mark.parametrize("graphs", [net(), [net()]])
def test_one_network_alone_is_no_comparison(graphs: Any) -> None:
    with pytest.raises(ConvcostError) as caught:
        compare(graphs)
    assert str(caught.value) == (
        "there is one network and no rule; give a second network, or a rule such as conv3x3=dsconv"
    )
    with pytest.raises(ConvcostError) as caught:
        compare([], ["conv3x3=dsconv"])
    assert str(caught.value) == "there is no network; give two, or one and a rule such as conv3x3=dsconv"


def test_a_rule_that_matches_nothing_in_one_of_several_networks() -> None:
    with pytest.raises(ConvcostError) as caught:
        compare([net(), net(kernel_size=1, padding=0)], ["conv3x3=dsconv"])
    assert str(caught.value) == ('rule "conv3x3=dsconv": "conv3x3" matches no layer; the network has conv1x1 (1)')


def test_the_package_has_both() -> None:
    assert isinstance(convcost.compare(net(), ["conv3x3=dsconv"]), Comparison)
    assert [one.name for one in convcost.replace(net(), "conv3x3=dsconv").replaced] == ["layer"]


# JSON


def test_json_has_the_promised_keys() -> None:
    graph = load_spec("mobilenet_v1").graph
    comparison = compare(graph, ["conv3x3=dsconv"])
    document = json.loads(json.dumps(comparison.as_json()))
    first, second = document["variants"]
    assert {"label", "totals", "ratios", "replaced", "skipped"} <= set(first)
    assert (first["label"], first["replaced"], first["skipped"]) == ("MobileNet v1", [], [])
    assert first["totals"]["macs"] == 568_740_352
    assert set(first["ratios"]) == set(COMPARED)
    assert set(first["ratios"].values()) == {1.0}
    assert second["label"] == "conv3x3=dsconv"
    (stem,) = second["replaced"]
    assert {"name", "before", "after", "ratio"} <= set(stem)
    assert (stem["name"], stem["was"], stem["is"]) == ("stem", "conv 3x3 stride 2", "dsconv 3x3 stride 2")
    assert (stem["before"]["params"], stem["after"]["params"]) == (864, 123)  # 27 x 32, and 27 + 96
    assert stem["ratio"] == {"params": 123 / 864, "macs": 123 / 864, "bytes_moved": 2_509_292 / 2_211_200}
    assert (stem["field_before"], stem["field_after"], stem["moves_more"]) == (["3", "3"], ["3", "3"], True)
    assert len(second["skipped"]) == 13
    assert second["skipped"][0] == {
        "name": "separable1.conv.depthwise",
        "rule": "conv3x3=dsconv",
        "reason": 'it is part of "separable1.conv", which is dsconv already',
    }


def test_json_of_symbolic_sizes_is_text() -> None:
    graph = load_spec("resnet18", {"resolution": size_symbol("resolution")}).graph
    document = json.loads(json.dumps(compare(graph, ["conv3x3=dsconv"]).as_json()))
    assert "resolution" in document["variants"][0]["totals"]["macs"]
    assert document["variants"][1]["ratios"]["macs"] is None
    exact = compare(load_spec("resnet18").graph, ["conv3x3=dsconv"]).as_json()
    assert document["variants"][1]["ratios"]["params"] == exact["variants"][1]["ratios"]["params"]


def test_an_unknown_cost_is_said() -> None:
    b = Builder()
    x = b.conv(b.input((4, 8, 8)), name="a", out_channels=4, kernel_size=3, padding=1)
    b.opaque(x, label="mystery", output_shape=(4, 8, 8))
    document = compare(b.graph(), ["conv3x3=dsconv"]).as_json()
    assert [variant["complete"] for variant in document["variants"]] == [False, False]
