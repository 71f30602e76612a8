"""Every operator and block of the registry, held against execution with random settings."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from convcost.errors import ConvcostError
from convcost.graph import Builder, Graph
from convcost.ops import BLOCKS, OPERATORS
from strategies import JOINS, TABLES, draw_join, fitting

pytest.importorskip("torch")

from convcost.pytorch.validate import validate

ON_VECTORS = ("flatten", "linear", "linear_bottleneck")
WITHOUT_FORM = {"opaque"}
ORACLES = {*TABLES, *JOINS, *ON_VECTORS}


def draw_shape(draw: st.DrawFn) -> tuple[int, ...]:
    return (draw(st.integers(1, 8)), *draw(st.lists(st.integers(1, 9), min_size=1, max_size=3)))


@st.composite
def networks_of(draw: st.DrawFn, word: str) -> Graph:
    """A network of one operator or block, on a random input."""
    b = Builder()
    shape = draw_shape(draw)
    if word in JOINS:
        joined = draw_join(draw, shape)
        while joined.word != word:
            joined = draw_join(draw, shape)
        joined.build(b, b.input(shape))
    elif word == "flatten":
        b.flatten(b.input(shape))
    elif word == "linear_bottleneck":
        reduction = draw(st.integers(1, 4))
        features = reduction * draw(st.integers(1, 4))
        vector = b.input(shape[:1])
        b.linear_bottleneck(vector, out_features=features, reduction=reduction, bias=draw(st.booleans()))
    elif word == "linear":
        vector = b.input(draw(st.sampled_from([shape[:1], shape[:2]])))
        b.linear(vector, out_features=draw(st.integers(1, 9)), bias=draw(st.booleans()))
    else:
        while word not in fitting({word: TABLES[word]}, shape):
            shape = draw_shape(draw)
        b.apply(word, b.input(shape), **TABLES[word](draw, shape))
    return b.graph()


def test_every_entry_of_the_registry_has_an_oracle() -> None:
    assert {*OPERATORS, *BLOCKS} - WITHOUT_FORM == ORACLES


@pytest.mark.parametrize("word", sorted(ORACLES))
def test_execution_agrees(word: str) -> None:
    @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(networks_of(word), st.integers(1, 2))
    def check(graph: Graph, batch: int) -> None:
        result = validate(graph, batch=batch, backward=True)
        assert [difference.as_dict() for difference in result.differences] == []
        assert len(result.comparisons) >= 6 * len(graph.layers)

    check()


@pytest.mark.parametrize("word", sorted(WITHOUT_FORM))
def test_what_cannot_run_says_so(word: str) -> None:
    b = Builder()
    b.opaque(b.input((3, 4, 4)), label="deform_conv2d", output_shape=(8, 4, 4))
    with pytest.raises(ConvcostError, match="opaque has no PyTorch form: it says what a layer's shape is"):
        validate(b.graph())
