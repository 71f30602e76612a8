"""What rules find in a network, and what they put there."""

from __future__ import annotations

import pytest

import convcost.blocks  # noqa: F401 - registers the blocks
from convcost.analysis.cost import analyze
from convcost.frontends.load import load_spec
from convcost.graph import Builder, Origin
from convcost.rewrite import Replaced, Skipped, parse_rules, replace
from stacks import conv, kept, names, refusal, replaced, stack, step

# What a rule matches

MIXED = stack(
    conv("a"),
    conv("b", kernel_size=1, padding=0, bias=False),
    conv("c", kernel_size=5, padding=2, groups=16),
    conv("d", stride=2, out_channels=32),
    step("conv_transpose", "e", out_channels=8, kernel_size=2, stride=2),
    step("depthwise", "f"),
    step("flatten", "g"),
    step("linear", "h", out_features=4),
)


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("conv3x3", ["a", "d", "f.conv"]),
        ("conv1x1", ["b"]),
        ("conv5x5", ["c"]),
        ("conv", ["a", "c", "d", "f.conv"]),  # any kernel above 1
        ("conv_transpose", ["e"]),
        ("linear", ["h"]),
        ("depthwise", ["f"]),
        ("conv3x3[stride=1]", ["a", "f.conv"]),
        ("conv3x3[stride=1, groups=1]", ["a"]),
        ("conv[groups>1]", ["c", "f.conv"]),
        ("conv[stride>=2]", ["d"]),
        ("conv[kernel_size=5]", ["c"]),
        ("conv[out_channels>16, in_channels<=16]", ["d"]),
        ("conv3x3[bias=true]", ["a", "d", "f.conv"]),
        ("conv1x1[bias=false]", ["b"]),
        ("conv[name~[ad]]", ["a", "d"]),
        ("conv[name~f.*]", ["f.conv"]),
        ("conv[name=a]", ["a"]),
        ("conv[padding=2]", ["c"]),
        ("depthwise[in_channels=8, stride=1]", ["f"]),
        ("linear[in_features>100]", ["h"]),
    ],
)
def test_patterns_and_conditions(pattern: str, found: list[str]) -> None:
    rewriting = replace(MIXED, f"{pattern}=identity")
    assert {one.name for one in (*rewriting.replaced, *rewriting.skipped)} == set(found)


def test_the_first_rule_that_matches_wins() -> None:
    graph = stack(conv("a"), conv("b"), conv("c", kernel_size=1, padding=0))
    rewriting = replace(graph, "conv3x3[name=b]=flattened; conv3x3=dsconv; conv1x1=scc(groups=2, overlap=0.5)")
    assert [(one.name, one.rule) for one in rewriting.replaced] == [
        ("a", "conv3x3=dsconv"),
        ("b", "conv3x3[name=b]=flattened"),
        ("c", "conv1x1=scc(groups=2, overlap=0.5)"),
    ]
    assert rewriting.rule == "conv3x3[name=b]=flattened; conv3x3=dsconv; conv1x1=scc(groups=2, overlap=0.5)"


def test_rules_may_be_parsed_before() -> None:
    graph = stack(conv("a"))
    assert replace(graph, parse_rules("conv3x3=dsconv")) == replace(graph, "conv3x3=dsconv")


# Rules that match nothing, or ask for what a layer has not

NOTHING = [
    ("conv7x7=dsconv", '"conv7x7" matches no layer; the network has conv3x3 (2), linear (1)'),
    (
        "conv3x3[name=c, stride=1]=dsconv",
        '"conv3x3[name=c, stride=1]" matches no layer; 2 match without its conditions; the network has conv3x3 (2),'
        " linear (1)",
    ),
    ("fire=dsconv", '"fire" matches no layer; the network has conv3x3 (2), linear (1)'),
    ("conv3=dsconv", '"conv3" matches no layer; the network has conv3x3 (2), linear (1)'),
]


@pytest.mark.parametrize(("rule", "message"), NOTHING)
def test_a_rule_that_matches_nothing_says_what_would_match(rule: str, message: str) -> None:
    graph = stack(conv("a"), conv("b"), step("flatten", "f"), step("linear", "l", out_features=3))
    assert refusal(graph, rule) == f'rule "{rule}": {message}'
    assert refusal(graph, f"conv3x3=dsconv; {rule}") == f'rule "{rule}": {message}'


def test_blocks_and_layers_are_counted_in_what_would_match() -> None:
    assert refusal(load_spec("resnet18").graph, "conv5x5=dsconv") == (
        'rule "conv5x5=dsconv": "conv5x5" matches no layer; the network has conv3x3 (16), basic_block (8), stage (4),'
        " conv1x1 (3), conv7x7 (1), linear (1)"
    )
    assert refusal(stack(step("relu", "r")), "conv3x3=dsconv") == (
        'rule "conv3x3=dsconv": "conv3x3" matches no layer; the network has no convolution and no block'
    )


def test_a_rule_to_which_nothing_is_left() -> None:
    graph = stack(conv("a"), conv("b"))
    assert refusal(graph, "conv=dsconv; conv3x3=flattened") == (
        'rule "conv3x3=flattened": all that "conv3x3" matches (2) is taken by a rule before it, as it is or as a part'
        " of a block; put the narrower rule first"
    )
    assert replaced(graph, "conv3x3[name=a]=flattened; conv=dsconv") == ["a", "b"]
    assert refusal(load_spec("resnet18").graph, "basic_block=dsconv; conv3x3=flattened") == (
        'rule "conv3x3=flattened": all that "conv3x3" matches (16) is taken by a rule before it, as it is or as a part'
        " of a block; put the narrower rule first"
    )


def test_a_condition_on_a_field_that_is_not_there() -> None:
    assert refusal(stack(conv("a")), "conv3x3[ratio=1]=dsconv") == (
        'pattern "conv3x3[ratio=1]": conv has no "ratio"; known are name, out_channels, kernel_size, stride, dilation,'
        " groups, bias, in_channels, padding"
    )
    assert refusal(load_spec("resnet18").graph, "basic_block[keep=1]=dsconv") == (
        'pattern "basic_block[keep=1]": basic_block has no "keep"; known are name, in_channels, out_channels, norm,'
        " activation, bias, stride"
    )


# What stands there afterwards


def test_the_replacement_takes_over_the_fields_of_the_layer() -> None:
    """5x5, stride 2, dilation 2, padding 4: 9 taps wide, (11 + 8 - 9) // 2 + 1 = 6; and no bias."""
    window = {"kernel_size": 5, "stride": 2, "dilation": 2, "padding": 4, "bias": False}
    graph = stack(conv("a", out_channels=24, **window), shape=(16, 11, 11))
    first, second = replace(graph, "conv=dsconv").graph.layers
    assert first.op == first.op.replace(out_channels=16, groups=16, kernel_size=(5, 5), stride=(2, 2), padding=(4, 4))
    assert (first.op.dilation, first.op.bias, first.shape) == ((2, 2), False, (16, 6, 6))
    assert (second.op.out_channels, second.op.kernel_size, second.op.bias) == (24, (1, 1), False)


def test_what_the_rule_gives_goes_before_what_the_layer_has() -> None:
    graph = stack(conv("a", bias=False))
    (one,) = replace(graph, "conv3x3=conv(kernel_size=5, bias=true)").graph.layers
    assert (one.op.kernel_size, one.op.bias, one.op.out_channels) == ((5, 5), True, 16)
    for rule in ("conv3x3=dilated(dilation=2)", "conv3x3=conv(dilation=2)", "conv3x3=conv(dilation=[2, 2])"):
        (one,) = replace(graph, rule).graph.layers
        assert (one.op.kernel_size, one.op.dilation, one.op.padding) == ((3, 3), (2, 2), (2, 2))
    assert kept(graph, "conv3x3=conv(kernel_size=[3, 3, 3])") == [
        ("a", 'conv "a": kernel_size is [3, 3, 3], which has 3 entries; the input has 2 spatial axes')
    ]


def test_another_kernel_or_dilation_pads_so_that_the_size_stays() -> None:
    """Without padding, 10 -> 8, and the 5x5 that keeps the size does not fit there; padding=1 gives 10 + 2 - 4 = 8."""
    graph = stack(conv("a", padding=0))
    assert kept(graph, "conv3x3=dsconv(kernel_size=5)") == [("a", "it gives 16x10x10, and 16x8x8 is needed there")]
    assert replaced(graph, "conv3x3=dsconv(kernel_size=5, padding=1)") == ["a"]


def test_one_number_for_all_axes_and_padding_in_words() -> None:
    graph = stack(
        conv("a", padding="same"), conv("b", padding="same_tf"), conv("c", kernel_size=[3, 1], padding=[1, 0])
    )
    rewriting = replace(graph, "conv=p4m")
    assert [one.name for one in rewriting.replaced] == ["a"]
    assert [(one.name, one.reason) for one in rewriting.skipped] == [
        ("b", "padding is same_tf, which it does not know"),
        ("c", "kernel_size is (3, 1), and it takes one number for all axes"),
    ]
    even = stack(conv("a", kernel_size=2, padding="same"))
    assert kept(even, "conv=flattened") == [("a", "padding is same, which it does not know")]
    assert replaced(even, "conv=dsconv") == ["a"]  # which knows it


def test_blocks_bring_neither_norm_nor_activation_unless_told() -> None:
    graph = stack(conv("a"))
    assert names(replace(graph, "conv3x3=ghost").graph) == ["input", "a.primary", "a.cheap", "a.concat"]
    told = replace(graph, "conv3x3=ghost(norm=batch_norm)").graph
    assert names(told) == ["input", "a.primary", "a.primary_norm", "a.cheap", "a.cheap_norm", "a.concat"]


def test_on_vectors_the_bottleneck_is_the_linear_one() -> None:
    graph = stack(step("linear", "a", out_features=32, bias=False), shape=(16,))
    first, second = replace(graph, "linear=bottleneck(reduction=8)").graph.layers
    assert [first.name, second.name] == ["a.reduce", "a.expand"]
    assert (first.op.out_features, second.op.out_features, first.op.bias) == (4, 32, False)
    assert first.block == "linear_bottleneck"


def test_behind_the_input_all_channels_are_read() -> None:
    """The first layer reads 16 channels; the second half of 16, as many as the first leaves."""
    graph = stack(conv("a", bias=False), conv("b", bias=False))
    rewriting = replace(graph, "conv3x3=prune(keep=0.5)")
    weights = {layer.node.name: layer.cost.weights for layer in analyze(rewriting.graph).layers}
    assert rewriting.replaced[0].after == ("a.conv", "a.zeros")
    assert rewriting.replaced[1].after == ("b.kept", "b.conv", "b.zeros")
    assert (weights["a.conv"], weights["b.conv"]) == (9 * 16 * 8, 9 * 8 * 8)


# Names, and what later layers read


def test_names_stay_and_what_follows_reads_the_replacement() -> None:
    b = Builder()
    x = b.input((16, 10, 10), name="image")
    with b.scope("stage", "stage", "sequence"):
        y = b.conv(x, name="a", out_channels=16, kernel_size=3, padding=1)
        z = b.relu(y, name="act")
    b.add(y, z, x, name="sum")
    rewriting = replace(b.graph("net", "somewhere", {"width": 1}), "conv3x3=dsconv")
    graph = rewriting.graph
    assert names(graph) == ["image", "stage.a.depthwise", "stage.a.pointwise", "stage.act", "sum"]
    assert [node.inputs for node in graph.nodes] == [(), (0,), (1,), (2,), (2, 3, 0)]
    assert [scope.path for scope in graph.nodes[1].scope.lineage()] == ["stage", "stage.a"]  # type: ignore[union-attr]
    assert (graph.name, graph.source, graph.variables) == ("net", "somewhere", {"width": 1})
    assert rewriting.replaced == (
        Replaced(
            name="stage.a",
            rule="conv3x3=dsconv",
            before=("stage.a",),
            after=("stage.a.depthwise", "stage.a.pointwise"),
        ),
    )


def test_an_operator_in_place_of_a_layer_has_its_name() -> None:
    graph = stack(conv("a"), step("fire", "b", squeeze=4, expand1x1=8, expand3x3=8))
    rewriting = replace(graph, "conv3x3[name=a]=scc(groups=2, overlap=0.5); fire=scc(groups=4, overlap=0.5)")
    assert names(rewriting.graph) == ["input", "a", "b"]
    assert rewriting.replaced[1].before[0] == "b.squeeze"
    assert rewriting.replaced[1].after == ("b",)


def test_provenance_is_on_every_node_that_a_rule_put_there() -> None:
    rules = "conv3x3=dsconv; conv1x1=scc(groups=2, overlap=0.5)"
    graph = replace(stack(conv("a"), conv("b", kernel_size=1, padding=0), step("relu", "c")), rules).graph
    origins = {node.name: node.origin for node in graph.nodes}
    first = Origin(layer="a", rule="conv3x3=dsconv", rules=rules)
    assert origins == {
        "input": None,
        "a.depthwise": first,
        "a.pointwise": first,
        "b": Origin(layer="b", rule="conv1x1=scc(groups=2, overlap=0.5)", rules=rules),
        "c": None,
    }


def test_provenance_speaks_of_the_last_rule() -> None:
    once = replace(stack(conv("a")), "conv3x3=dsconv").graph
    twice = replace(once, "conv1x1=scc(groups=2, overlap=0.5)").graph
    assert [node.origin for node in twice.layers] == [
        Origin(layer="a", rule="conv3x3=dsconv", rules="conv3x3=dsconv"),
        Origin(
            layer="a.pointwise", rule="conv1x1=scc(groups=2, overlap=0.5)", rules="conv1x1=scc(groups=2, overlap=0.5)"
        ),
    ]


def test_a_name_that_a_later_layer_has_is_not_taken() -> None:
    graph = stack(conv("a"), step("relu", "a.pointwise"), conv("b"))
    rewriting = replace(graph, "conv3x3=dsconv")
    assert [one.name for one in rewriting.replaced] == ["b"]
    assert rewriting.skipped == (
        Skipped(name="a", rule="conv3x3=dsconv", reason='a layer of it would be named "a.pointwise", as another is'),
    )
    before = stack(step("relu", "a.pointwise"), conv("a"))
    assert kept(before, "conv3x3=dsconv") == [
        ("a", 'dsconv "a": conv "pointwise": the name "a.pointwise" is taken; names must differ')
    ]
