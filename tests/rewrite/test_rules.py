"""The language of rules: patterns, conditions, replacements, and every way to get them wrong."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

import convcost.blocks  # noqa: F401 - registers the blocks
from convcost.errors import ConvcostError
from convcost.rewrite import Rule, parse_rules
from convcost.rewrite.rules import Condition


def only(text: str) -> Rule:
    (rule,) = parse_rules(text)
    return rule


def refusal(text: str) -> str:
    with pytest.raises(ConvcostError) as caught:
        parse_rules(text)
    return str(caught.value)


# Patterns


@pytest.mark.parametrize(
    ("text", "word", "kernel"),
    [
        ("conv", "conv", None),
        ("conv3", "conv", (3,)),
        ("conv3x3", "conv", (3, 3)),
        ("conv1x7", "conv", (1, 7)),
        ("conv3x3x3", "conv", (3, 3, 3)),
        ("conv11x11", "conv", (11, 11)),
        ("linear", "linear", None),
        ("conv_transpose", "conv_transpose", None),
        ("shift", "shift", None),  # the operator; as a replacement it is shift_conv
        ("basic_block", "basic_block", None),
        ("fire", "fire", None),
    ],
)
def test_patterns(text: str, word: str, kernel: tuple[int, ...] | None) -> None:
    pattern = only(f"{text}=dsconv").pattern
    assert (pattern.word, pattern.kernel, pattern.conditions, pattern.text) == (word, kernel, (), text)


@pytest.mark.parametrize(
    ("text", "field", "sign", "value"),
    [
        ("stride=1", "stride", "=", 1),
        ("in_channels>=64", "in_channels", ">=", 64),
        ("in_channels <= 64", "in_channels", "<=", 64),
        ("out_channels>64", "out_channels", ">", 64),
        ("out_channels<64", "out_channels", "<", 64),
        ("groups!=1", "groups", "!=", 1),
        ("bias=true", "bias", "=", True),
        ("bias=false", "bias", "=", False),
        ("padding=same", "padding", "=", "same"),
        ("stride=2x1", "stride", "=", (2, 1)),
        ("stride=[2, 1]", "stride", "=", (2, 1)),
        ("keep>=0.5", "keep", ">=", Fraction(1, 2)),
        ("keep>=1/3", "keep", ">=", Fraction(1, 3)),
        ("keep>=.5", "keep", ">=", Fraction(1, 2)),
        ("keep=2.0", "keep", "=", 2),
        ("before=-1", "before", "=", -1),
        ("name~stage2.*", "name", "~", "stage2.*"),
        ("name ~ stage[12].(a|b)", "name", "~", "stage[12].(a|b)"),
        ("name=stage2.conv1", "name", "=", "stage2.conv1"),
        ("groups=1e9", "groups", "=", "1e9"),  # no number of this language
    ],
)
def test_conditions(text: str, field: str, sign: str, value: Any) -> None:
    (condition,) = only(f"conv[{text}]=dsconv").pattern.conditions
    assert (condition.field, condition.sign, condition.value) == (field, sign, value)
    assert type(condition.value) is type(value)


def test_several_conditions() -> None:
    pattern = only("conv3x3[stride=1, in_channels>=64,groups=1 , name~stage2.*]=ghost(ratio=2)").pattern
    assert [condition.field for condition in pattern.conditions] == ["stride", "in_channels", "groups", "name"]
    assert only("conv3x3[]=dsconv").pattern.conditions == ()


@pytest.mark.parametrize(
    ("sign", "value", "found", "holds"),
    [
        ("=", 1, 1, True),
        ("=", 1, 2, False),
        ("!=", 1, 2, True),
        (">=", 64, 64, True),
        (">", 64, 64, False),
        ("<=", 64, 64, True),
        ("<", 64, 63, True),
        ("=", 1, (1, 1), True),  # of values an axis, all must
        ("=", 1, (1, 2), False),
        (">=", 1, (1, 2), True),
        ("!=", 1, (1, 2), False),
        ("!=", 1, (2, 2), True),
        ("=", (2, 1), (2, 1), True),
        ("=", (2, 1), (1, 2), False),
        ("=", (2, 1), 2, False),
        ("=", Fraction(1, 2), Fraction(1, 2), True),
        (">", Fraction(1, 2), 1, True),
        ("=", True, True, True),
        ("=", 1, True, False),  # a flag is no number
        ("=", "same", (1, 1), False),
        ("!=", "same", (1, 1), True),
        ("=", "same", "same", True),
        (">=", 3, "same", False),  # no order between a number and a word
        (">=", 3, None, False),
        ("!=", 3, None, True),
        ("~", "stage2.*", "stage2.conv1", True),
        ("~", "stage2", "stage2.conv1", False),  # the whole name
        ("~", "1|2", 2, True),
    ],
)
def test_a_condition_holds(sign: str, value: Any, found: Any, holds: bool) -> None:
    assert Condition(field="x", sign=sign, value=value).holds(found) is holds


# Replacements


@pytest.mark.parametrize(
    ("text", "word", "given"),
    [
        ("dsconv", "dsconv", {}),
        ("dsconv()", "dsconv", {}),
        ("group(groups=4)", "group", {"groups": 4}),
        ("ghost(ratio=2, kernel_size=3)", "ghost", {"ratio": 2, "kernel_size": 3}),
        ("ghost( ratio = 2 ,kernel_size=3, )", "ghost", {"ratio": 2, "kernel_size": 3}),
        ("fire(ratio=8)", "fire", {"ratio": 8}),
        ("fire(squeeze=4)", "fire", {"squeeze": 4}),
        ("scc(groups=2, overlap=0.5)", "scc", {"groups": 2, "overlap": Fraction(1, 2)}),
        ("scc(groups=2, overlap=1/3)", "scc", {"groups": 2, "overlap": Fraction(1, 3)}),
        ("tucker(rank=0.5)", "tucker", {"rank": Fraction(1, 2)}),
        ("dsconv(kernel_size=3x5)", "dsconv", {"kernel_size": (3, 5)}),
        ("dsconv(kernel_size=[3, 5])", "dsconv", {"kernel_size": (3, 5)}),
        ("dsconv(bias=false, norm=batch_norm)", "dsconv", {"bias": False, "norm": "batch_norm"}),
        ("bottleneck(kernel_size=3)", "bottleneck", {"kernel_size": 3}),  # of the block for maps
        ("self_grouped_conv(groups=[[8, 4], [8, 2]])", "self_grouped_conv", {"groups": ((8, 4), (8, 2))}),
        ("scc(groups=2)", "scc", {"groups": 2}),
        ("identity", "identity", {}),
        ("p4m", "p4m", {}),
        ("p4", "p4", {}),
    ],
)
def test_replacements(text: str, word: str, given: dict[str, Any]) -> None:
    rule = only(f"conv3x3={text}")
    assert (rule.word, rule.given, rule.text) == (word, given, f"conv3x3={text}")


# Several rules


def test_rules_joined_by_semicolons_are_in_order() -> None:
    rules = parse_rules(" conv3x3[name~a;b]=dsconv(kernel_size=[3,3]) ;\n conv1x1 = scc(groups=2, overlap=0.5);; ")
    assert [rule.text for rule in rules] == [
        "conv3x3[name~a;b]=dsconv(kernel_size=[3,3])",
        "conv1x1 = scc(groups=2, overlap=0.5)",
    ]
    assert [rule.pattern.word for rule in rules] == ["conv", "conv"]
    assert rules[0].pattern.conditions[0].value == "a;b"


# What is no rule

MUST = "it must be PATTERN=REPLACEMENT, such as conv3x3=dsconv"


@pytest.mark.parametrize("text", ["", "  ", ";", " ; ;"])
def test_nothing_is_no_rule(text: str) -> None:
    assert refusal(text) == f"a rule is empty; {MUST}"


@pytest.mark.parametrize("text", ["conv3x3", "conv3x3=", "=dsconv", "=", "conv3x3[stride=1=dsconv", "conv3x3 dsconv"])
def test_no_pattern_or_no_replacement(text: str) -> None:
    assert refusal(text) == f'rule "{text}": {MUST}'


COMPARISON = "it must be FIELD, one of = != >= <= > < ~, and a value, such as in_channels>=64"
WRONG = [
    (
        "conv3x4x5x6=dsconv",
        'unknown pattern "conv3x4x5x6"; it must be conv, conv3x3, an operator or a block; did you mean "conv3x3"?',
    ),
    ("qqqq=dsconv", 'unknown pattern "qqqq"; it must be conv, conv3x3, an operator or a block'),
    (
        "basicblock=dsconv",
        'unknown pattern "basicblock"; it must be conv, conv3x3, an operator or a block; did you mean "basic_block"?',
    ),
    (
        "p4m=dsconv",  # a name of replacements alone
        'unknown pattern "p4m"; it must be conv, conv3x3, an operator or a block',
    ),
    ("3x3=dsconv", '"3x3" must start with the name of an operator or block'),
    ("conv3x3=3", '"3" must start with the name of an operator or block'),
    ("conv3x3(stride=1)=dsconv", 'behind "conv3x3" stands "(stride=1)"; it must be [...] or nothing'),
    ("conv3x3=dsconv[bias=true]", 'behind "dsconv" stands "[bias=true]"; it must be (...) or nothing'),
    ("conv3x3=dsconv(bias=true", 'behind "dsconv" stands "(bias=true"; it must be (...) or nothing'),
    ("conv3x3=dsconv=dsconv", 'behind "dsconv" stands "=dsconv"; it must be (...) or nothing'),
    ("conv3x3 x=dsconv", 'behind "conv3x3" stands "x"; it must be [...] or nothing'),
    ("conv3x3[stride]=dsconv", f'the condition "stride" cannot be read; {COMPARISON}'),
    ("conv3x3[stride=]=dsconv", f'the condition "stride=" cannot be read; {COMPARISON}'),
    ("conv3x3[1=stride]=dsconv", f'the condition "1=stride" cannot be read; {COMPARISON}'),
    (
        "conv3x3[name~stage(]=dsconv",
        MUST,  # the bracket stays open
    ),
    ("conv3x3[name~*a]=dsconv", '"*a" is no regular expression: nothing to repeat at position 0'),
    (
        "conv3x3=dsconf",
        'unknown replacement "dsconf"; `convcost ops` lists operators and blocks; did you mean "dsconv"?',
    ),
    ("conv3x3=zzzz", 'unknown replacement "zzzz"; `convcost ops` lists operators and blocks'),
    ("conv3x3=group(4)", '"4" is no argument; it must be FIELD=VALUE, such as groups=4'),
    ("conv3x3=group(groups=)", '"groups=" is no argument; it must be FIELD=VALUE, such as groups=4'),
    ("conv3x3=group(a b=1)", '"a b=1" is no argument; it must be FIELD=VALUE, such as groups=4'),
    ("conv3x3=group(groups=4, groups=2)", "the argument groups is given twice"),
    ("conv3x3=group(groups=0)", "groups is 0; it must be a whole number of at least 1"),
    (
        "conv3x3=group(groups=1.5)",
        "groups is 1.5; it must be a whole number of at least 1; round it: floor(...), round(...) or"
        " make_divisible(..., 8)",
    ),
    ("conv3x3=group(groups=1e9)", 'groups is "1e9"; it must be a whole number of at least 1'),
    ("conv3x3=group(groups=1/0)", 'groups is "1/0"; it must be a whole number of at least 1'),
    (
        "conv3x3=group(group=4)",
        'unknown field "group"; group takes out_channels, groups, kernel_size, stride, padding, dilation, bias; did you'
        ' mean "groups"?',
    ),
    (
        "conv3x3=dsconv(name=a)",
        'unknown field "name"; dsconv takes out_channels, kernel_size, stride, padding, dilation, multiplier, order,'
        " between, bias, norm, activation",
    ),
    ("conv3x3=relu(a=1)", 'unknown field "a"; relu takes inplace'),
    ("conv3x3=fire(ratio=half)", 'ratio is "half"; it must be a whole number of at least 1'),
    (
        "conv3x3=fire(rate=8)",
        'unknown field "rate"; fire takes squeeze, expand1x1, expand3x3, activation, bias, ratio; did you mean'
        ' "ratio"?',
    ),
    ("conv3x3=dsconv(bias=maybe)", 'bias is "maybe"; it must be true or false'),
    ("conv3x3=prune(keep=0)", "keep is 0; it must be a number above 0 and at most 1"),
]


@pytest.mark.parametrize(("text", "message"), WRONG, ids=[text for text, _ in WRONG])
def test_what_is_wrong_is_said(text: str, message: str) -> None:
    assert refusal(text) == f'rule "{text}": {message}'


def test_the_wrong_rule_among_several_is_named() -> None:
    assert refusal("conv3x3=dsconv; conv1x1=group(groups=0)") == (
        'rule "conv1x1=group(groups=0)": groups is 0; it must be a whole number of at least 1'
    )
