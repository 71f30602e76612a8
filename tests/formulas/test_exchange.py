"""Replacements by themselves: the worked numbers of the source texts, closed forms, and what they take for granted."""

from __future__ import annotations

from typing import Any

import pytest
import sympy

import convcost.blocks  # noqa: F401 - registers the blocks
from convcost.analysis.compare import compare
from convcost.analysis.cost import analyze
from convcost.errors import ConvcostError
from convcost.formulas.exchange import CHANNELS, THREEFOLD, Exchange, exchange
from convcost.formulas.symbolic import size_symbol
from convcost.graph import Builder, Graph
from stacks import REPLACEMENTS

C, N, H, W = map(size_symbol, ("in_channels", "out_channels", "height", "width"))
THIRD, FEATURES_IN, FEATURES_OUT = map(size_symbol, ("depth", "in_features", "out_features"))
KEEPS = "a 3x3 convolution that keeps the size, without bias"


def forms(rule: str) -> dict[str, Any]:
    return {form.key: form for form in exchange(rule).forms}


def same(first: Any, second: Any) -> bool:
    return sympy.simplify(first - second) == 0


# Closed forms of the source texts


def test_a_depthwise_separable_convolution_is_1_over_n_plus_1_over_9() -> None:
    found = exchange("conv3x3=dsconv")
    assert (found.setting, found.assumed, found.rule) == (KEEPS, (), "conv3x3=dsconv")
    params, macs = found.forms
    assert (params.key, params.before, macs.key, macs.before) == ("params", 9 * C * N, "macs", 9 * C * H * N * W)
    assert same(params.after, C * (9 + N))
    assert same(macs.after, C * (9 + N) * H * W)
    assert params.ratio == macs.ratio == 1 / N + sympy.Rational(1, 9)
    assert params.divided is None


RATIOS = [
    ("conv3x3=dsconv", 1 / N + sympy.Rational(1, 9)),
    ("conv5x5=dsconv", 1 / N + sympy.Rational(1, 25)),
    ("conv7x7=dsconv", 1 / N + sympy.Rational(1, 49)),
    ("conv1x1=dsconv", 1 / N + 1),
    ("conv=dsconv", 1 / N + sympy.Rational(1, 9)),  # 3x3 where the pattern names no kernel
    ("conv3x3x3=dsconv", 1 / N + sympy.Rational(1, 27)),
    ("conv3=dsconv", 1 / N + sympy.Rational(1, 3)),
    ("conv3x3=group(groups=2)", sympy.Rational(1, 2)),  # 1 / M
    ("conv3x3=group(groups=4)", sympy.Rational(1, 4)),
    ("conv1x1=pointwise_group(groups=2)", sympy.Rational(1, 2)),
    ("conv3x3=pointwise_group(groups=2)", sympy.Rational(1, 18)),
    ("conv1x1=scc(groups=2, overlap=0.5)", sympy.Rational(1, 2)),
    ("conv3x3=shift", sympy.Rational(1, 9)),
    ("conv3x3=flattened", sympy.Rational(1, 9) + 6 / (9 * C)),
    ("conv3x3=flattened(stages=2)", sympy.Rational(1, 9) + N / (9 * C) + 12 / (9 * C)),
    ("conv3x3=spatial_separable", sympy.Rational(1, 3) + N / (3 * C)),
    ("conv3x3=dilated(kernel_size=3, dilation=2)", sympy.Integer(1)),
    ("conv5x5=dilated(kernel_size=3, dilation=2)", sympy.Rational(9, 25)),
    ("conv3x3=cp(rank=64)", 64 * (C + N + 6) / (9 * C * N)),
    ("conv3x3=decoupled(multiplier=2)", sympy.Rational(2, 9) + 2 / C),
    ("conv3x3=bottleneck(reduction=4)", (C * N / 4 + 9 * N * N / 16 + N * N / 4) / (9 * C * N)),
    ("conv3x3=fire(ratio=8)", (C * N / 8 + N * N / 16 + 9 * N * N / 16) / (9 * C * N)),
]


@pytest.mark.parametrize(("rule", "ratio"), RATIOS, ids=[rule for rule, _ in RATIOS])
def test_ratios(rule: str, ratio: Any) -> None:
    for form in exchange(rule).forms:
        assert same(form.ratio, ratio), form


def test_the_equivariant_convolution_saves_parameters_and_no_work() -> None:
    found = forms("conv3x3=p4m")
    assert (found["params"].ratio, found["macs"].ratio) == (sympy.Rational(1, 8), 1)


def test_the_channel_wise_convolution_keeps_the_channels() -> None:
    found = exchange("conv3x3=channelwise")
    assert found.setting == f"{KEEPS}, with as many channels out as in"
    params, macs = found.forms
    assert same(params.ratio, (9 * C + 64) / (9 * C * C))  # one kernel along the channels for all positions
    assert same(macs.ratio, sympy.Rational(73, 9) / C)


def test_the_linear_bottleneck_is_2_m_over_n() -> None:
    """N x N over M = N / r features: (N + N) N / r / N^2 = 2 / r; with r = 4, one half."""
    for reduction in (2, 4, 8):
        params, macs = exchange(f"linear=bottleneck(reduction={reduction})").forms
        assert params.before == FEATURES_IN * FEATURES_OUT
        for form in (params, macs):
            assert form.ratio.subs(FEATURES_IN, FEATURES_OUT) == sympy.Rational(2, reduction)
    found = exchange("linear=bottleneck(reduction=4)")
    assert found.setting == "a linear layer of in_features to out_features, without bias"
    assert found.assumed == ("4 divides out_features",)
    assert [one.ratio("params") for one in found.typical] == [0.5] * 5


def test_ghost_of_a_pointwise_convolution_gains_2c_over_c_plus_9() -> None:
    """k = 1, d = 3, s = 2: N / 2 maps of c weights and as many of 9, against N c."""
    for form in exchange("conv1x1=ghost(ratio=2, kernel_size=1)").forms:
        assert same(1 / form.divided, 2 * C / (C + 9))
        assert form.ratio == sympy.floor(N / 2 + sympy.Rational(1, 2)) / N * (1 + 9 / C) or same(
            form.ratio, sympy.floor(N / 2 + sympy.Rational(1, 2)) * (C + 9) / (C * N)
        )


@pytest.mark.parametrize(("keep", "share"), [("0.7", sympy.Rational(49, 100)), ("0.5", sympy.Rational(1, 4))])
def test_pruning_costs_the_square_of_what_is_kept_where_nothing_is_rounded(keep: str, share: Any) -> None:
    for form in exchange(f"conv3x3=prune(keep={keep})").forms:
        assert form.divided == share
        assert form.ratio.atoms(sympy.floor)


def test_tucker_rounds_its_ranks() -> None:
    """(c^2 / 2 + 9 c n / 4 + n^2 / 2) / 9 c n."""
    for form in exchange("conv3x3=tucker(rank=0.5)").forms:
        assert same(form.divided, sympy.Rational(1, 4) + C / (18 * N) + N / (18 * C))


# The worked numbers, with biases


def layer(word: str, channels: int, out_channels: int, size: int = 14, **fields: Any) -> Graph:
    b = Builder()
    x = b.identity(b.input((channels, size, size)))
    b.apply(word, x, name="layer", out_channels=out_channels, **fields)
    return b.graph()


def params(graph: Graph, rule: str) -> tuple[int, int]:
    first, second = compare(graph, [rule]).variants
    assert second.skipped == ()
    return first.analysis.totals.params, second.analysis.totals.params


DENSE = {"kernel_size": 3, "padding": 1}


def test_fire_of_128_channels() -> None:
    """16 (128 + 1) + 64 (16 + 1) + 64 (9 x 16 + 1) = 2,064 + 1,088 + 9,280."""
    before, after = params(layer("conv", 128, 128, **DENSE), "conv3x3=fire(ratio=8)")
    assert (before, after) == (128 * (9 * 128 + 1), 2_064 + 1_088 + 9_280) == (147_584, 12_432)
    assert round(after / before, 4) == 0.0842


def test_mobilenets_block_of_128_channels() -> None:
    """128 (9 + 1) + 128 (128 + 1) = 1,280 + 16,512; without biases 17,536 / 147,456."""
    before, after = params(layer("conv", 128, 128, **DENSE), "conv3x3=dsconv")
    assert (before, after) == (147_584, 1_280 + 16_512) == (147_584, 17_792)
    assert round(after / before, 4) == 0.1206
    before, after = params(layer("conv", 128, 128, **DENSE, bias=False), "conv3x3=dsconv")
    assert (before, after) == (147_456, 17_536)
    assert round(after / before, 5) == 0.11892


def test_shufflenets_unit_of_240_channels() -> None:
    """80 inner channels: (120 x 80 + 80) + 80 (9 + 1) + (40 x 240 + 240) = 9,680 + 800 + 9,840; the slides' 20,160
    halves the biases of the grouped convolutions. 240 / 4 = 60: 7,260 + 600 + 7,440."""
    graph = layer("conv", 240, 240, **DENSE)
    before, after = params(graph, "conv3x3=shuffle_unit(groups=2, hidden_channels=80)")
    assert (before, after) == (240 * (9 * 240 + 1), 9_680 + 800 + 9_840) == (518_640, 20_320)
    assert round(after / before, 5) == 0.03918
    before, after = params(graph, "conv3x3=shuffle_unit(groups=2)")
    assert after == 7_260 + 600 + 7_440 == 15_300
    assert round(after / before, 5) == 0.0295
    before, after = params(layer("conv", 240, 240, **DENSE, bias=False), "conv3x3=shuffle_unit(groups=2)")
    assert (before, after) == (518_400, 14_940)


def test_the_dense_bottleneck_with_biases() -> None:
    """1,024 x 1,024 over 256: 1,024 (256) + 256 (1,024) weights, one half."""
    b = Builder()
    b.linear(b.input((1_024,)), name="layer", out_features=1_024, bias=False)
    before, after = params(b.graph(), "linear=bottleneck(reduction=4)")
    assert (before, after) == (1_048_576, 524_288)
    b = Builder()
    b.linear(b.input((1_024,)), name="layer", out_features=1_024)
    assert params(b.graph(), "linear=bottleneck(reduction=4)") == (1_049_600, 524_288 + 256 + 1_024)


# What is taken for granted


@pytest.mark.parametrize(
    ("rule", "assumed"),
    [
        ("conv3x3=dsconv", ()),
        ("conv3x3=group(groups=4)", ("4 divides in_channels", "4 divides out_channels")),
        ("conv3x3=pointwise_group(groups=2)", ("2 divides in_channels", "2 divides out_channels")),
        ("conv3x3=bottleneck(reduction=4)", ("4 divides out_channels",)),
        ("conv3x3=fire(ratio=8)", ("8 divides out_channels",)),  # and with it 2
        ("conv3x3=fire(ratio=3)", ("6 divides out_channels",)),
        ("conv3x3=scc(groups=2, overlap=0.5)", ("2 divides in_channels",)),
        ("conv3x3=p4m", ("8 divides in_channels", "8 divides out_channels")),
        ("conv3x3=p4", ("4 divides in_channels", "4 divides out_channels")),
        ("conv3x3=shuffle_unit(groups=3)", ("12 divides in_channels",)),  # 4, and 3 the quarter
        ("conv3x3=shuffle_unit(groups=2, hidden_channels=80)", ("2 divides in_channels",)),
        ("conv3x3[groups=4]=dsconv", ("4 divides in_channels", "4 divides out_channels")),
        ("conv3x3[in_channels=64]=group(groups=4)", ("4 divides out_channels",)),
        ("conv3x3=prune(keep=0.7)", ()),
    ],
)
def test_assumptions(rule: str, assumed: tuple[str, ...]) -> None:
    assert exchange(rule).assumed == assumed


# The layer


@pytest.mark.parametrize(
    ("pattern", "setting"),
    [
        ("conv3x3", KEEPS),
        ("conv3x3[kernel_size=3]", KEEPS),
        ("conv5x5[bias=true]", "a 5x5 convolution that keeps the size, with bias"),
        ("conv5x5[bias=false]", "a 5x5 convolution that keeps the size, without bias"),
        ("conv3x3[stride=2]", "a 3x3 convolution, stride 2, without bias"),
        ("conv3x3[padding=same]", 'a 3x3 convolution, padding "same", without bias'),
        ("conv3x3[in_channels=64]", "a 3x3 convolution that keeps the size, in_channels 64, without bias"),
        ("conv3", "a 3 convolution that keeps the size, without bias"),
        ("conv1x7", "a 1x7 convolution that keeps the size, without bias"),
    ],
)
def test_conditions_of_equality_are_fields_of_the_layer(pattern: str, setting: str) -> None:
    assert exchange(f"{pattern}=dsconv").setting == setting


def test_a_stride_stays_exact_for_every_size() -> None:
    """floor((h + 1) / 2) rows: 14 of 28, and 15 of 29."""
    found = {form.key: form for form in exchange("conv3x3[stride=2]=dsconv").forms}
    for size, rows in ((28, 14), (29, 15)):
        numbers = {C: 8, N: 16, H: size, W: size}
        assert found["macs"].before.subs(numbers) == 9 * 8 * 16 * rows**2
        assert found["macs"].after.subs(numbers) == 8 * (9 + 16) * rows**2
    assert same(found["macs"].ratio, 1 / N + sympy.Rational(1, 9))


def test_each_axis_has_a_name_of_its_own() -> None:
    assert exchange("conv3=dsconv").forms[1].before == 3 * C * N * size_symbol("length")
    assert exchange("conv3x3x3=dsconv").forms[1].before == 27 * C * N * THIRD * H * W


def test_biases_count() -> None:
    params = exchange("conv3x3[bias=true]=dsconv").forms[0]
    assert same(params.before, 9 * C * N + N)
    assert same(params.after, C * (9 + N) + C + N)


# Typical layers


def test_typical_layers_against_arithmetic_by_hand() -> None:
    """28 x 28 maps: 9 c^2 weights and 784 positions; 4 bytes for each weight and each element of the maps."""
    found = exchange("conv3x3=dsconv")
    assert [one.channels for one in found.typical] == list(CHANNELS) == [32, 64, 128, 256, 512]
    assert found.where == "maps of 28x28"
    for one in found.typical:
        c = one.channels
        assert one.after is not None
        assert (one.before.params, one.after.params) == (9 * c * c, c * (9 + c))
        assert (one.before.macs, one.after.macs) == (784 * 9 * c * c, 784 * c * (9 + c))
        assert one.before.bytes_moved == 4 * (2 * 784 * c + 9 * c * c)
        assert one.after.bytes_moved == 4 * (4 * 784 * c + c * (9 + c))
        assert one.ratio("macs") == (9 + c) / (9 * c)
        assert one.reason == ""


def test_the_forms_give_the_typical_numbers() -> None:
    for rule in ("conv3x3=fire(ratio=8)", "conv3x3=tucker(rank=0.5)", "conv5x5=p4m", "conv1x1=ghost(ratio=2)"):
        found = exchange(rule)
        for one in found.typical:
            numbers = {C: one.channels, N: one.channels, H: 28, W: 28}
            for form in found.forms:
                assert form.before.subs(numbers) == getattr(one.before, form.key)
                assert form.after.subs(numbers) == getattr(one.after, form.key)


def test_channels_that_three_divides_where_no_other_will_do() -> None:
    found = exchange("conv3x3=shuffle_unit(groups=3)")
    assert [one.channels for one in found.typical] == list(THREEFOLD)
    assert not any(one.reason for one in found.typical)
    assert found.typical[0].after.params == 48 * (2 * 48 + 27) // 12 == 492  # type: ignore[union-attr]


def test_a_layer_that_cannot_be_replaced_has_a_reason() -> None:
    found = exchange("conv3x3=group(groups=64)")
    reasons = [one.reason for one in found.typical]
    assert reasons == ['grouped "layer": conv "conv": groups (=64) must divide in_channels (=32)', "", "", "", ""]
    assert found.typical[0].after is None
    assert found.typical[0].ratio("macs") is None


@pytest.mark.parametrize(
    ("rule", "where"),
    [("conv3=dsconv", "maps of 28"), ("conv3x3x3=dsconv", "maps of 28x28x28"), ("linear=bottleneck", "one vector")],
)
def test_where_the_numbers_are(rule: str, where: str) -> None:
    assert exchange(rule).where == where


# Every pair of the list

CONVOLUTIONS = ("conv3x3", "conv1x1", "conv5x5", "conv7x7", "conv")
NEEDS = "which linear does not have"
ON_VECTORS = {
    "dsconv": f"dsconv needs out_channels, {NEEDS}",
    "group(groups=4)": f"grouped needs out_channels, {NEEDS}",
    "pointwise_group(groups=2)": f"pointwise needs out_channels, {NEEDS}",
    "ghost(ratio=2, kernel_size=3)": f"ghost needs out_channels, {NEEDS}",
    "fire(ratio=8)": f"fire needs out_channels, {NEEDS}",
    "flattened": f"flattened needs out_channels, {NEEDS}",
    "flattened(stages=2)": f"flattened needs out_channels, {NEEDS}",
    "spatial_separable": f"spatial_separable needs out_channels, {NEEDS}",
    "dilated(kernel_size=3, dilation=2)": f"dilated needs out_channels, {NEEDS}",
    "scc(groups=2, overlap=0.5)": f"scc needs out_channels, {NEEDS}",
    "shift": f"shift_conv needs out_channels, {NEEDS}",
    "shuffle_unit(groups=3)": f"shuffle_unit needs out_channels, {NEEDS}",
    "cp(rank=64)": f"cp needs out_channels, {NEEDS}",
    "tucker(rank=0.5)": f"tucker needs out_channels, {NEEDS}",
    "decoupled(multiplier=2)": f"decoupled needs out_channels, {NEEDS}",
    "channelwise": (
        'dwscwconv "layer": conv "depthwise": it needs an input of channels and 1 to 3 spatial axes, not in_features'
    ),
    "p4m": f"equivariant_conv needs out_channels, {NEEDS}",
    "prune(keep=0.7)": f"pruned_conv needs out_channels, {NEEDS}",
}
"""All but the bottleneck: they are convolutions."""


def numbers(found: Exchange, channels: int) -> dict[Any, int]:
    symbols = {symbol for form in found.forms for symbol in sympy.sympify(form.after + form.before).free_symbols}
    return {symbol: 28 if symbol in (H, W) else channels for symbol in symbols}


@pytest.mark.parametrize("pattern", CONVOLUTIONS)
@pytest.mark.parametrize("replacement", REPLACEMENTS)
def test_every_pair_gives_closed_forms_and_numbers(pattern: str, replacement: str) -> None:
    found = exchange(f"{pattern}={replacement}")
    assert [form.key for form in found.forms] == ["params", "macs"]
    assert len(found.typical) == 5
    for one in found.typical:
        assert one.after is not None, one.reason
        for form in found.forms:
            values = numbers(found, one.channels)
            assert sympy.sympify(form.before).subs(values) == getattr(one.before, form.key)
            assert sympy.sympify(form.after).subs(values) == getattr(one.after, form.key)
            assert sympy.sympify(form.ratio).subs(values) == sympy.Rational(
                getattr(one.after, form.key), getattr(one.before, form.key)
            )


@pytest.mark.parametrize("replacement", REPLACEMENTS)
def test_linear_layers(replacement: str) -> None:
    if replacement == "bottleneck(reduction=4)":
        assert exchange(f"linear={replacement}").forms
        return
    rule = f"linear={replacement}"
    with pytest.raises(ConvcostError) as caught:
        exchange(rule)
    assert str(caught.value) == f'rule "{rule}": on a layer of its own it cannot stand: {ON_VECTORS[replacement]}'


# Blocks


def test_a_block_by_itself() -> None:
    """Two 3x3 and a 1x1 shortcut, against a shift block's two 1x1 and the shortcut: (10 C + 9 N) N and (2 C + N) N."""
    found = exchange("basic_block=shift_block")
    macs = {form.key: form for form in found.forms}["macs"]
    sizes = {"in_channels": 32, "out_channels": 48, "height": 7, "width": 5}
    values = {symbol: sizes[symbol.name] for symbol in macs.before.free_symbols}
    assert macs.before.subs(values) == 35 * (10 * 32 + 9 * 48) * 48
    assert macs.after.subs(values) == 35 * (2 * 32 + 48) * 48
    assert found.setting == "a basic_block, without norm and without activation"


def test_fields_of_a_block_are_conditions() -> None:
    found = exchange("fire[squeeze=16, expand1x1=64, expand3x3=64, in_channels=128]=conv(kernel_size=3)")
    weights = {form.key: form for form in found.forms}["params"]
    assert (weights.before, weights.after) == (16 * 128 + 16 * 64 + 9 * 16 * 64, 9 * 128 * 128)


# What it refuses

NO_FIELD = "without a network a condition gives a field of the layer, such as stride=2, and"
REFUSED = [
    *(
        (
            f"conv3x3[{condition}]=dsconv",
            f'rule "conv3x3[{condition}]=dsconv": {NO_FIELD} {condition} gives none; leave it out, or give a network',
        )
        for condition in ("name~stem", "name=stem", "in_channels>=64")
    ),
    (
        "fire=dsconv",
        'rule "fire=dsconv": there is no such block: fire "layer": the required field squeeze is missing; it must be a'
        " whole number of at least 1; fields of the block are given as conditions, fire[field=value]",
    ),
    (
        "conv_transpose=dsconv",
        'rule "conv_transpose=dsconv": without a network the pattern must be a convolution, linear or a block,'
        " not conv_transpose; give a network, or conv3x3",
    ),
    (
        "conv=dsconv; linear=bottleneck",
        '"conv=dsconv; linear=bottleneck" holds 2 rules; without a network give one a --replace',
    ),
    (
        "conv3=p4m",
        'rule "conv3=p4m": on a layer of its own it cannot stand: equivariant_conv "layer": it needs an input of'
        " channels and 2 spatial axes, not in_channelsxlength",
    ),
    (
        "conv3x3[foo=1]=dsconv",
        'rule "conv3x3[foo=1]=dsconv": there is no such layer: conv "layer": unknown field "foo"; conv takes'
        " out_channels, kernel_size, stride, dilation, groups, bias, in_channels, padding",
    ),
    (
        "conv3x3[stride=0]=dsconv",
        'rule "conv3x3[stride=0]=dsconv": there is no such layer: conv "layer": stride is 0; it must be a whole number'
        " of at least 1, or a list with one a spatial axis",
    ),
    (
        "conv3x3[in_channels=3]=group(groups=4)",
        'rule "conv3x3[in_channels=3]=group(groups=4)": on a layer of its own it cannot stand: grouped "layer": conv'
        ' "conv": groups (=4) must divide in_channels (=3)',
    ),
    (
        "conv3x3[stride=2]=fire",
        'rule "conv3x3[stride=2]=fire": on a layer of its own it cannot stand: it takes no stride (=2x2): it gives'
        " in_channelsxheightxwidth, and in_channelsxfloor(height/2 - 1/2) + 1xfloor(width/2 - 1/2) + 1 is needed"
        " there",
    ),
]


@pytest.mark.parametrize(("rule", "message"), REFUSED, ids=[rule for rule, _ in REFUSED])
def test_what_has_no_closed_form_is_refused(rule: str, message: str) -> None:
    with pytest.raises(ConvcostError) as caught:
        exchange(rule)
    assert str(caught.value) == message


def test_even_kernels_keep_no_size_and_the_forms_say_so() -> None:
    """A 2x2 kernel without padding gives one row less: 27 x 27 of 28 x 28."""
    found = exchange("conv2x2=dsconv")
    assert found.setting == "a 2x2 convolution, without bias"
    assert same(found.forms[1].before, 4 * C * N * (H - 1) * (W - 1))
    assert analyze(layer("conv", 32, 32, 28, kernel_size=2, bias=False)).totals.macs == found.typical[0].before.macs
