"""What rules find in a network, what they put there, and what they leave alone, and why."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import convcost.blocks  # noqa: F401 - registers the blocks
from convcost.analysis.cost import analyze
from convcost.errors import ConvcostError
from convcost.formulas.symbolic import size_symbol
from convcost.frontends.load import load_spec
from convcost.graph import Builder, Graph, Origin
from convcost.rewrite import Replaced, Skipped, parse_rules, replace

SPECS = sorted(path.stem for path in (Path(__file__).parents[2] / "specs").glob("*.yaml"))


def stack(*steps: Callable[[Builder, Any], Any], shape: tuple[int, ...] = (16, 10, 10)) -> Graph:
    """A network of steps, one behind the other."""
    b = Builder()
    x = b.input(shape)
    for step in steps:
        x = step(b, x)
    return b.graph()


def conv(name: str, **fields: Any) -> Callable[[Builder, Any], Any]:
    fields = {"out_channels": 16, "kernel_size": 3, "padding": 1, **fields}
    return lambda b, x: b.conv(x, name=name, **fields)


def step(word: str, name: str, **fields: Any) -> Callable[[Builder, Any], Any]:
    return lambda b, x: b.apply(word, x, name=name, **fields)


def replaced(graph: Graph, rule: str) -> list[str]:
    return [one.name for one in replace(graph, rule).replaced]


def kept(graph: Graph, rule: str) -> list[tuple[str, str]]:
    return [(one.name, one.reason) for one in replace(graph, rule).skipped]


def names(graph: Graph) -> list[str]:
    return [node.name for node in graph.nodes]


def refusal(graph: Graph, rule: str) -> str:
    with pytest.raises(ConvcostError) as caught:
        replace(graph, rule)
    return str(caught.value)


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
        'rule "conv5x5=dsconv": "conv5x5" matches no layer; the network has conv3x3 (16), basic_block (8), conv1x1 (3),'
        " conv7x7 (1), linear (1)"
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


# Blocks


def test_a_block_is_replaced_as_a_whole() -> None:
    """basic_block 16 -> 32 with stride 2: what it reads, its channels, its stride, its norm and its activation stay."""
    graph = stack(conv("a"), step("basic_block", "b", out_channels=32, stride=2), step("relu", "c"), shape=(16, 11, 12))
    rewriting = replace(graph, "basic_block[stride=2]=dsconv")
    behind = ("", "_norm", "_act")
    inside = [f"b.{part}{end}" for part in ("depthwise", "pointwise") for end in behind]
    assert names(rewriting.graph) == ["input", "a", *inside, "c"]
    assert rewriting.graph.nodes[-2].shape == (32, 6, 6)
    assert not rewriting.graph.nodes[2].op.bias  # the block has none
    assert [node.op.word for node in rewriting.graph.nodes[3:5]] == ["batch_norm", "relu"]
    assert rewriting.replaced[0].before == tuple(name for name in names(graph) if name.startswith("b."))


def test_a_block_in_its_own_place_changes_nothing() -> None:
    graph = load_spec("resnet18").graph
    rewriting = replace(graph, "basic_block=basic_block")
    assert len(rewriting.replaced) == 8
    assert analyze(rewriting.graph).totals == analyze(graph).totals


def test_groups_stay_where_the_replacement_can_have_any() -> None:
    graph = stack(step("conv", "a", out_channels=16, kernel_size=3, padding=1, groups=4), shape=(16, 9, 9))
    for word in ("conv(dilation=2)", "dilated(dilation=2)"):
        assert analyze(replace(graph, f"conv3x3={word}").graph).totals.weights == 16 * 16 * 9 // 4


def test_a_dilation_that_would_be_lost_keeps_the_layer() -> None:
    graph = stack(step("conv", "a", out_channels=16, kernel_size=3, padding=2, dilation=2), shape=(16, 9, 9))
    (skipped,) = replace(graph, "conv3x3=ghost(kernel_size=3)").skipped
    assert skipped.reason == "ghost takes no dilation, and the layer has 2x2"


def test_a_rule_without_an_argument_that_no_layer_gives() -> None:
    assert refusal(stack(conv("a")), "conv3x3=prune") == (
        'rule "conv3x3=prune": prune needs keep, a number above 0 and at most 1; give it: prune(keep=...)'
    )


def test_what_is_no_graph_and_no_rule() -> None:
    with pytest.raises(ConvcostError, match=r"replace needs a graph, not .resnet18.; convcost.load\(...\) gives"):
        replace("resnet18", "conv3x3=dsconv")  # type: ignore[arg-type]
    with pytest.raises(ConvcostError, match="rules are 5; they must be text, such as conv3x3=dsconv"):
        replace(stack(conv("a")), 5)  # type: ignore[arg-type]
    several = replace(stack(conv("a")), ["conv3x3=dsconv"])
    assert len(several.replaced) == 1


def test_conditions_of_the_wrong_kind() -> None:
    assert refusal(stack(conv("a")), "conv3x3[in_channels>=abc]=dsconv") == (
        'pattern "conv3x3[in_channels>=abc]": in in_channels>=abc, abc must be a number'
    )
    assert refusal(stack(conv("a")), "conv3x3[bias=False]=dsconv") == (
        'pattern "conv3x3[bias=False]": in bias=False, False must be true or false'
    )


def test_a_block_goes_before_what_is_in_it() -> None:
    graph = stack(step("basic_block", "b", out_channels=16), conv("a"))
    assert replaced(graph, "conv3x3=dsconv; basic_block=flattened") == ["b", "a"]
    rules = "basic_block[stride=2]=flattened; conv3x3=dsconv"
    assert refusal(graph, rules).startswith(
        'rule "basic_block[stride=2]=flattened": "basic_block[stride=2]" matches no'
    )
    assert replaced(graph, "conv3x3=dsconv") == ["b.conv1", "b.conv2", "a"]


def test_blocks_in_blocks() -> None:
    """inverted_residual holds squeeze_excite: either is a pattern."""
    graph = load_spec("efficientnet_b0").graph
    inner = replace(graph, "squeeze_excite=identity")
    assert len(inner.replaced) == 16
    assert inner.replaced[0].name == "mbconv1.conv.squeeze_excite"
    assert inner.replaced[0].after == ("mbconv1.conv.squeeze_excite",)
    outer = replace(graph, "inverted_residual=dsconv")
    assert (len(outer.replaced), outer.skipped) == (16, ())
    assert not any("squeeze" in name for name in names(outer.graph))


def test_a_layer_in_a_block_of_the_replacements_own_kind_is_kept() -> None:
    graph = load_spec("mobilenet_v1").graph
    rewriting = replace(graph, "conv3x3=dsconv")
    assert [one.name for one in rewriting.replaced] == ["stem"]
    assert len(rewriting.skipped) == 13
    assert rewriting.skipped[0] == Skipped(
        name="separable1.conv.depthwise",
        rule="conv3x3=dsconv",
        reason='it is part of "separable1.conv", which is dsconv already',
    )
    assert kept(load_spec("squeezenet1_1").graph, "conv3x3=fire(ratio=8)")[1] == (
        "fire2.expand3x3",
        'it is part of "fire2", which is fire already',
    )


def test_a_block_in_place_of_another_of_its_kind() -> None:
    """The block itself is no part of one; its own replacement is left alone."""
    graph = stack(step("dsconv", "a", out_channels=16, multiplier=2))
    rewriting = replace(graph, "dsconv=dsconv")
    assert names(rewriting.graph) == ["input", "a.depthwise", "a.pointwise"]
    assert rewriting.graph.nodes[1].op.out_channels == 16
    assert replace(rewriting.graph, "dsconv=dsconv").graph == rewriting.graph


# What is kept, and why

REASONS = [
    ("conv3x3=group(groups=4)", 'grouped "a": conv "conv": groups (=4) must divide in_channels (=3)'),
    ("conv3x3=pointwise_group(groups=3)", 'pointwise "a": conv "conv": groups (=3) must divide out_channels (=16)'),
    ("conv3x3=pointwise_group(groups=1)", "it gives 16x5x5, and 16x4x4 is needed there"),
    ("conv3x3=bottleneck(reduction=5)", 'bottleneck "a": reduction (=5) must divide out_channels (=16)'),
    ("conv3x3=fire(ratio=3)", "ratio (=3) must divide out_channels (=16)"),
    ("conv3x3=fire(ratio=8)", "it takes no stride (=2x2): it gives 16x9x9, and 16x4x4 is needed there"),
    ("conv3x3=shuffle_v2_unit", "it gives 16x5x5, and 16x4x4 is needed there"),
    (
        "conv3x3=shuffle_unit(groups=3)",
        'shuffle_unit "a": groups (=3) must divide hidden_channels (=4), which is out_channels / 4 unless given',
    ),
    ("conv3x3=scc(groups=2, overlap=0.5)", 'scc "a": groups (=2) must divide in_channels (=3)'),
    ("conv3x3=channelwise", "it gives 3x5x5, and 16x4x4 is needed there"),
    (
        "conv3x3=p4m",
        'equivariant_conv "a": p4m has 8 elements, which must divide the channels of the input (=3)',
    ),
    ("conv3x3=tucker", 'tucker "a": give rank, the share of the channels that is kept, or both in_rank and out_rank'),
    (
        "conv3x3=wavenet_layer(dilation=2)",
        'wavenet_layer "a": it needs an input of channels and one axis, time, not 3x9x9',
    ),
    ("conv3x3=identity", "it takes no stride (=2x2): it gives 3x9x9, and 16x4x4 is needed there"),
    ("conv3x3=flatten", "it gives 243, and 16x4x4 is needed there"),
    ("conv3x3=bottleneck_block(hidden_channels=4, stride=1)", "it gives 16x9x9, and 16x4x4 is needed there"),
    ("conv3x3=linear", "linear needs out_features, which conv does not have"),
    ("conv3x3=matmul", 'matmul "a": it takes 2 inputs (the left factor, the right factor), not 1'),
]


@pytest.mark.parametrize(("rule", "reason"), REASONS)
def test_what_cannot_stand_there_is_kept_with_the_reason(rule: str, reason: str) -> None:
    """A stem: 3 channels, stride 2, no padding, (9 - 3) // 2 + 1 = 4."""
    graph = stack(conv("a", stride=2, padding=0), step("relu", "b"), shape=(3, 9, 9))
    rewriting = replace(graph, rule)
    assert rewriting.skipped == (Skipped(name="a", rule=rule, reason=reason),)
    assert rewriting.replaced == ()
    assert rewriting.graph == graph


def test_layers_of_other_axes_or_none() -> None:
    line = stack(conv("a", padding=1), shape=(16, 10))
    assert kept(line, "conv3=p4m") == [
        ("a", 'equivariant_conv "a": it needs an input of channels and 2 spatial axes, not 16x10')
    ]
    assert replaced(line, "conv3=dsconv") == ["a"]
    vector = stack(step("linear", "a", out_features=16), shape=(16,))
    assert kept(vector, "linear=dsconv") == [("a", "dsconv needs out_channels, which linear does not have")]
    assert kept(vector, "linear=fire") == [("a", "fire needs out_channels, which linear does not have")]
    assert kept(vector, "linear=squeeze_excite") == [
        ("a", 'squeeze_excite "a": global_avg_pool "pool": the input 16 has no spatial axis to pool')
    ]


def test_what_reads_several_values_or_is_read_inside_is_kept() -> None:
    b = Builder()
    x = b.conv(b.input((16, 10, 10)), name="a", out_channels=16, kernel_size=3, padding=1)
    b.add(x, b.relu(x, name="r"), name="sum")
    assert kept(b.graph(), "add=identity") == [("sum", "it reads 2 values, and a replacement reads one")]
    graph = load_spec("wavenet").graph
    stacked = kept(graph, "wavenet_layer=identity")
    assert len(stacked) == 50
    assert stacked[0] == (
        "stack.layer0",
        "more than its last layer is read outside of it (stack.layer0.add, stack.layer0.skip)",
    )
    assert kept(graph, "wavenet_stack=identity") == [
        ("stack", "more than its last layer is read outside of it (stack.layer49.add, stack.skip_sum)")
    ]


def test_what_is_kept_is_as_it_was() -> None:
    """A failed replacement leaves neither layers nor names behind: the next one is named as if nothing had been."""
    graph = stack(conv("a", out_channels=12), conv("b"), shape=(12, 10, 10))
    rewriting = replace(graph, "conv3x3=dsconv(order=pointwise_first, multiplier=16)")
    assert [one.name for one in rewriting.skipped] == ["a"]
    assert names(rewriting.graph) == ["input", "a", "b.pointwise", "b.depthwise"]
    assert rewriting.graph.nodes[1] == graph.nodes[1]


# Twice is once

RULES = [
    "conv3x3=dsconv",
    "conv3x3=dilated(dilation=2)",  # what it puts there is matched again
    "conv3x3=ghost(ratio=2, kernel_size=3)",
    "conv3x3=flattened(stages=2)",
    "conv1x1=bottleneck(kernel_size=1)",
    "conv=bottleneck; conv1x1=scc(groups=2, overlap=0.5)",  # the one puts there what the other matches
    "conv3x3=fire(ratio=8); conv1x1=ghost(ratio=2, kernel_size=3)",
    "conv3x3[stride=1]=flattened; conv=dsconv",
    "conv3x3=prune(keep=0.7)",
    "conv=cp(rank=4); linear=bottleneck",
]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("spec", ["resnet18", "googlenet", "mobilenet_v1"])
def test_twice_is_once(spec: str, rule: str) -> None:
    once = replace(load_spec(spec).graph, rule)
    twice = replace(once.graph, rule)
    assert len(once.replaced) > 0
    assert twice.graph == once.graph
    assert twice.replaced == ()
    assert twice.skipped == once.skipped


def test_twice_is_once_where_a_rule_changes_what_a_block_says_of_itself() -> None:
    """The block has no bias until its second convolution gets one; it is not matched for that."""
    graph = stack(step("basic_block", "b", out_channels=16), step("basic_block", "c", out_channels=16), conv("d"))
    rules = "conv3x3[name=b.conv2]=conv(bias=true); basic_block[bias=true]=dsconv"
    assert refusal(graph, rules).startswith('rule "basic_block[bias=true]=dsconv": "basic_block[bias=true]" matches no')
    b = Builder()
    x = b.basic_block(b.input((16, 10, 10)), name="b", out_channels=16)
    b.basic_block(x, name="c", out_channels=16, norm="none")
    once = replace(b.graph(), rules)
    assert [one.name for one in once.replaced] == ["b.conv2", "c"]
    assert replace(once.graph, rules).graph == once.graph


def test_another_rule_goes_on_where_the_first_has_been() -> None:
    once = replace(stack(conv("a")), "conv3x3=dilated(dilation=2)").graph
    assert replaced(once, "conv3x3=flattened") == ["a.conv"]


# Every spec


@pytest.mark.parametrize("spec", SPECS)
def test_every_convolution_of_every_spec_is_replaced_or_kept_with_a_reason(spec: str) -> None:
    graph = load_spec(spec).graph
    found = [node for node in graph.layers if node.op.word == "conv" and set(node.op.kernel_size) != {1}]
    if not found:
        assert refusal(graph, "conv=flattened").startswith('rule "conv=flattened": "conv" matches no layer')
        return
    rewriting = replace(graph, "conv=flattened")
    assert len(rewriting.replaced) + len(rewriting.skipped) == len(found)
    assert all(one.reason for one in rewriting.skipped)
    assert [node.shape for node in rewriting.graph.outputs] == [node.shape for node in graph.outputs]
    assert replace(rewriting.graph, "conv=flattened").graph == rewriting.graph


def test_a_network_of_symbolic_sizes() -> None:
    graph = load_spec("resnet18", {"resolution": size_symbol("resolution")}).graph
    rewriting = replace(graph, "conv3x3=dsconv")
    assert (len(rewriting.replaced), rewriting.skipped) == (16, ())
    numbers = {size_symbol("resolution"): 224}
    exact = analyze(replace(load_spec("resnet18").graph, "conv3x3=dsconv").graph).totals.macs
    assert analyze(rewriting.graph).totals.macs.subs(numbers) == exact
