"""Products of activations: worked examples, multi-head attention, backward passes and refusals."""

from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convcost.analysis.cost import analyze
from convcost.analysis.memory import sharing
from convcost.analysis.training import backward_macs
from convcost.formulas.symbolic import size_symbol
from convcost.graph import Builder, Graph
from telling import refusal, told

Shape = tuple[int, ...]
ATTENTION = "scaled_dot_product_attention"


@pytest.mark.parametrize(
    ("leading", "shapes", "out", "macs"),
    [
        (0, [(4, 6), (6, 5)], (4, 5), 120),  # 4 x 6 x 5
        (0, [(12, 49, 64), (12, 64, 49)], (12, 49, 49), 1_843_968),  # 12 x 49 x 64 x 49
        (0, [(2, 3, 4, 6), (2, 3, 6, 5)], (2, 3, 4, 5), 720),  # 2 x 3 x 120
        (0, [(1, 4, 6), (3, 6, 5)], (3, 4, 5), 360),  # one left factor for 3 right ones: 3 x 120
        (0, [(3, 4, 6), (1, 6, 5)], (3, 4, 5), 360),
        (0, [(1, 3, 4, 6), (2, 1, 6, 5)], (2, 3, 4, 5), 720),  # both stretch
        (1, [(10, 4, 6), (10, 6, 5)], (10, 4, 5), 1_200),
        (0, [(1, 6), (6, 1)], (1, 1), 6),  # a dot product
    ],
)
def test_matmul(leading: int, shapes: list[Shape], out: Shape, macs: int) -> None:
    assert told("matmul", *shapes, leading=leading) == {"shape": out, "macs": macs}


@pytest.mark.parametrize(
    ("leading", "shapes", "out", "macs", "elementwise"),
    [
        # ViT-B/16 on 224 x 224: 12 heads of 197 x 197 = 38,809 scores, 64 + 64 MACs and 6 FLOPs each
        (0, [(12, 197, 64)] * 3, (12, 197, 64), 59_610_624, 2_794_248),
        # 4 queries, 6 keys: 24 scores; 8 for the score and 5 for the mean: 24 x 13; 24 x 6
        (0, [(4, 8), (6, 8), (6, 5)], (4, 5), 312, 144),
        (0, [(2, 3, 4, 8), (2, 3, 6, 8), (2, 3, 6, 5)], (2, 3, 4, 5), 1_872, 864),  # 2 x 3 of these
        (1, [(10, 4, 8), (10, 6, 8), (10, 6, 5)], (10, 4, 5), 3_120, 1_440),  # 10 of these
        (0, [(1, 1), (1, 1), (1, 1)], (1, 1), 2, 6),
    ],
)
def test_attention(leading: int, shapes: list[Shape], out: Shape, macs: int, elementwise: int) -> None:
    assert told(ATTENTION, *shapes, leading=leading) == {"shape": out, "macs": macs, "elementwise": elementwise}


def test_attention_is_two_products_and_a_softmax() -> None:
    b = Builder()
    query, key, value = b.input((2, 4, 8), name="q"), b.input((2, 6, 8), name="k"), b.input((2, 6, 5), name="v")
    scores = b.matmul(query, b.permute(key, dims=[0, 2, 1]))
    weights = b.softmax(b.permute(scores, dims=[2, 0, 1]))  # softmax is over the first axis
    b.matmul(b.permute(weights, dims=[1, 2, 0]), value)
    apart = analyze(b.graph()).totals
    whole = told(ATTENTION, query.shape, key.shape, value.shape)
    assert (whole["shape"], whole["macs"]) == (b.nodes[-1].shape, apart.macs)
    # 2 x 4 x 6 = 48 scores; the scaling, 1 each, is within the operator alone
    assert whole["elementwise"] == apart.flops - 2 * apart.macs + 48


# ---- multi-head attention ----


def multi_head_attention(length: Any, width: Any, heads: Any, bias: bool = True) -> Graph:
    """Self-attention: one linear layer for queries, keys and values, heads side by side, and one behind them."""
    b = Builder()
    x = b.linear(b.input((length, width)), out_features=3 * width, bias=bias, name="qkv")
    x = b.reshape(x, shape=[length, 3, heads, -1], name="heads")
    x = b.permute(x, dims=[1, 2, 0, 3], name="heads_first")
    query, key, value = (b.split(x, sections=3, index=part, name="qkv"[part]) for part in range(3))
    x = b.scaled_dot_product_attention(query, key, value, name="attention")
    x = b.permute(x, dims=[2, 0, 1, 3], name="positions_first")
    b.linear(b.reshape(x, shape=[length, width], name="joined"), out_features=width, bias=bias, name="out")
    return b.graph()


def test_multi_head_attention_of_vit_b() -> None:
    graph = multi_head_attention(197, 768, 12)
    assert [node.shape for node in graph.nodes] == [
        (197, 768),
        (197, 2304),
        (197, 3, 12, 64),
        (3, 12, 197, 64),
        *[(1, 12, 197, 64)] * 3,
        (1, 12, 197, 64),
        (197, 1, 12, 64),
        (197, 768),
        (197, 768),
    ]
    layers = {layer.node.name: layer.cost for layer in analyze(graph).layers}
    assert layers["qkv"].macs == 197 * 768 * 2304 == 348_585_984
    assert layers["attention"].macs == 12 * 197 * 197 * (64 + 64) == 59_610_624
    assert layers["out"].macs == 197 * 768 * 768 == 116_195_328
    totals = analyze(graph).totals
    assert totals.macs == 4 * 197 * 768**2 + 2 * 197**2 * 768 == 524_391_936
    assert totals.params == 4 * 768**2 + 4 * 768 == 2_362_368
    # a bias for each of 197 x (2304 + 768) elements, 6 a score
    assert totals.flops == 2 * totals.macs + 197 * 3_072 + 6 * 12 * 197 * 197


def test_what_multi_head_attention_copies() -> None:
    graph = multi_head_attention(197, 768, 12)
    views = [node.name for node, shares in zip(graph.nodes, sharing(graph), strict=True) if shares]
    assert views == ["heads", "q", "k", "v", "joined"]


@given(st.integers(1, 50), st.integers(1, 16), st.integers(1, 8), st.booleans())
def test_the_closed_form_of_multi_head_attention(length: int, depth: int, heads: int, bias: bool) -> None:
    width = heads * depth
    totals = analyze(multi_head_attention(length, width, heads, bias)).totals
    assert totals.macs == 4 * length * width**2 + 2 * length**2 * width
    assert totals.params == 4 * width**2 + (4 * width if bias else 0)
    assert totals.weights == 4 * width**2


def test_the_closed_form_in_symbols() -> None:
    length, depth, heads = size_symbol("length"), size_symbol("depth"), size_symbol("heads")
    width = heads * depth
    totals = analyze(multi_head_attention(length, width, heads)).totals
    assert (totals.macs - (4 * length * width**2 + 2 * length**2 * width)).expand() == 0
    assert (totals.params - (4 * width**2 + 4 * width)).expand() == 0


def test_the_closed_form_on_arrays() -> None:
    lengths = numpy.array([1, 49, 197], dtype=object)
    macs = analyze(multi_head_attention(lengths, 8, 2)).totals.macs
    assert macs.tolist() == [4 * length * 64 + 2 * length**2 * 8 for length in (1, 49, 197)]


# ---- backward ----


def attention_where(query: bool, key: bool, value: bool) -> Graph:
    """Attention of 4 queries and 6 keys of 8, values of 5, on 2 heads; a linear layer before what wants a gradient."""
    b = Builder()
    inputs = [b.input(shape, name=name) for shape, name in (((2, 4, 8), "q"), ((2, 6, 8), "k"), ((2, 6, 5), "v"))]
    learned = [
        b.linear(x, in_features=x.shape[-1], out_features=x.shape[-1], name=f"linear_{name}") if wanted else x
        for x, name, wanted in zip(inputs, "qkv", (query, key, value), strict=True)
    ]
    b.scaled_dot_product_attention(*learned, name="attention")
    return b.graph()


# 2 x 4 x 6 = 48 scores; forward 48 x (8 + 5) = 624. Backward, the scores' gradient takes 48 x 5 = 240, where query or
# key wants one; query and key take 48 x 8 = 384 each, and the values 48 x 5 = 240
BACKWARD = [
    (False, False, False, 0),
    (True, False, False, 240 + 384),
    (False, True, False, 240 + 384),
    (False, False, True, 240),
    (True, True, False, 240 + 2 * 384),
    (True, False, True, 240 + 384 + 240),
    (False, True, True, 240 + 384 + 240),
    (True, True, True, 240 + 2 * 384 + 240),  # twice the forward pass
]


@pytest.mark.parametrize(("query", "key", "value", "behind"), BACKWARD)
def test_attention_multiplies_backward_for_those_that_want_a_gradient(
    query: bool, key: bool, value: bool, behind: int
) -> None:
    graph = attention_where(query, key, value)
    assert backward_macs(graph)["attention"] == 624 + behind
    assert backward_macs(graph, batch=3)["attention"] == 3 * (624 + behind)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize(("query", "key", "value"), [case[:3] for case in BACKWARD])
def test_execution_agrees_on_attention_backward(query: bool, key: bool, value: bool, batch: int) -> None:
    pytest.importorskip("torch")
    from convcost.pytorch.validate import validate

    result = validate(attention_where(query, key, value), batch=batch, backward=True)
    assert [difference.as_dict() for difference in result.differences] == []
    assert "forward and backward MACs" in {comparison.quantity for comparison in result.comparisons}


def product_where(left: bool, right: bool, stretched: bool) -> Graph:
    """A product of 3 matrices of 4 x 6 with 3 of 6 x 5, or one for all; a linear layer before what wants a gradient."""
    b = Builder()
    first, second = b.input((1 if stretched else 3, 4, 6), name="a"), b.input((3, 6, 5), name="b")
    first = b.linear(first, in_features=6, out_features=6, name="linear_a") if left else first
    second = b.linear(second, in_features=5, out_features=5, name="linear_b") if right else second
    b.matmul(first, second, name="product")
    return b.graph()


@pytest.mark.parametrize("stretched", [False, True])
@pytest.mark.parametrize(
    ("left", "right", "passes"), [(False, False, 1), (True, False, 2), (False, True, 2), (True, True, 3)]
)
def test_a_product_multiplies_once_more_for_each_gradient(
    left: bool, right: bool, passes: int, stretched: bool
) -> None:
    graph = product_where(left, right, stretched)
    assert backward_macs(graph)["product"] == passes * 360  # 3 x 4 x 6 x 5
    pytest.importorskip("torch")
    from convcost.pytorch.validate import validate

    for batch in (1, 2):
        assert validate(graph, batch=batch, backward=True).differences == ()


@pytest.mark.parametrize("bias", [False, True])
def test_execution_agrees_on_multi_head_attention(bias: bool) -> None:
    pytest.importorskip("torch")
    from convcost.pytorch.validate import validate

    for device in ("cpu", "meta"):
        graph = multi_head_attention(7, 12, 3, bias)
        assert validate(graph, device=device, batch=2, backward=True).differences == ()
    # all but the input wants a gradient: 3 passes, and 2 where the input is read
    found = backward_macs(multi_head_attention(7, 12, 3, bias))
    assert (found["qkv"], found["attention"], found["out"]) == (2 * 3 * 7 * 144, 3 * 2 * 49 * 12, 3 * 7 * 144)


# ---- refusals ----


@pytest.mark.parametrize(
    ("word", "shapes", "message"),
    [
        ("matmul", [(4, 4)], "it takes 2 inputs (the left factor, the right factor), not 1"),
        ("matmul", [(4, 4)] * 3, "it takes 2 inputs (the left factor, the right factor), not 3"),
        ("matmul", [(4,), (4,)], "the operands are 4 and 4; they must have equally many axes, at least 2"),
        ("matmul", [(4, 6), (2, 6, 5)], "the operands are 4x6 and 2x6x5; they must have equally many axes, at least 2"),
        (
            "matmul",
            [(4, 6), (5, 6)],
            "the operands are 4x6 and 5x6; the last axis of the first (=6) must be the last but one of the second (=5);"
            " permute one of them",
        ),
        (
            "matmul",
            [(4, 1), (5, 6)],  # the inner axis does not stretch
            "the operands are 4x1 and 5x6; the last axis of the first (=1) must be the last but one of the second (=5);"
            " permute one of them",
        ),
        (
            "matmul",
            [(2, 4, 6), (3, 6, 5)],
            "the operands are 2x4x6 and 3x6x5; they must be equal, or 1, on every axis before the last two",
        ),
        (ATTENTION, [(4, 8)], "it takes 3 inputs (query, key, value), not 1"),
        (ATTENTION, [(4, 8)] * 2, "it takes 3 inputs (query, key, value), not 2"),
        (ATTENTION, [(4, 8)] * 4, "it takes 3 inputs (query, key, value), not 4"),
        (ATTENTION, [(4,)] * 3, "the operands are 4 and 4 and 4; they must have equally many axes, at least 2"),
        (
            ATTENTION,
            [(1, 4, 8), (4, 8), (4, 8)],
            "the operands are 1x4x8 and 4x8 and 4x8; they must have equally many axes, at least 2",
        ),
        (ATTENTION, [(4, 8), (6, 7), (6, 5)], "query and key must have equal last axes, and have 8 and 7"),
        (ATTENTION, [(4, 8), (6, 8), (4, 5)], "key and value must have equally many rows, and have 6 and 4"),
        (
            ATTENTION,
            [(2, 4, 8), (1, 6, 8), (1, 6, 5)],  # heads do not stretch
            "the operands are 2x4x8 and 1x6x8 and 1x6x5; the axes before the last two must be equal",
        ),
        (
            ATTENTION,
            [(2, 4, 8), (2, 6, 8), (3, 6, 5)],
            "the operands are 2x4x8 and 2x6x8 and 3x6x5; the axes before the last two must be equal",
        ),
    ],
)
def test_refusals(word: str, shapes: list[Shape], message: str) -> None:
    assert refusal(word, *shapes) == f'{word} "stem": {message}'


@pytest.mark.parametrize("word", ["matmul", ATTENTION])
def test_products_take_no_fields(word: str) -> None:
    message = f'{word} "stem": unknown field "scale"; {word} takes no fields'
    assert refusal(word, (4, 4), (4, 4), scale=1) == message


def test_a_symbolic_axis_may_equal_a_number() -> None:
    size = size_symbol("size")
    assert told("matmul", (3, 4, size), (size, 8, 5))["shape"] == (3, 4, 5)
    assert told("matmul", (1, 4, size), (size, 8, 5))["macs"] == 4 * 5 * size * size
    assert told(ATTENTION, (size, 8), (6, size), (size, 5))["macs"] == size * 6 * (8 + 5)
