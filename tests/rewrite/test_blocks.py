"""Blocks as what is replaced; what is left alone, and why; rewriting twice."""

from __future__ import annotations

from pathlib import Path

import pytest

import convcost.blocks  # noqa: F401 - registers the blocks
from convcost.analysis.cost import analyze
from convcost.errors import ConvcostError
from convcost.formulas.symbolic import size_symbol
from convcost.frontends.load import load_spec
from convcost.graph import Builder
from convcost.rewrite import Skipped, replace
from stacks import conv, kept, names, refusal, replaced, stack, step

SPECS = sorted(path.stem for path in (Path(__file__).parents[2] / "specs").glob("*.yaml"))


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


def test_blocks_of_the_spec_itself() -> None:
    """U-Net's double_conv is no block of the catalogue; unpadded, it loses 4 pixels, which dsconv does with 5x5."""
    graph = load_spec("unet").graph
    rewriting = replace(graph, "double_conv=dsconv(kernel_size=5, padding=0)")
    assert len(rewriting.replaced) == 9
    assert rewriting.graph.outputs[0].shape == graph.outputs[0].shape
    assert refusal(graph, "duble_conv=dsconv").endswith('did you mean "double_conv"?')


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
