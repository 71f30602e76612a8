"""What holds of every network, on random small ones."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any

import numpy
import sympy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from convcost.analysis.cost import analyze
from convcost.analysis.memory import live_sizes, peak_activations, sharing
from convcost.analysis.result import Analysis, Cost
from convcost.analysis.view import GROUPINGS, View, view
from convcost.arith import Shape
from convcost.formulas.symbolic import size_symbol
from convcost.graph import Builder, Graph, Node
from convcost.metrics import BITS, METRICS
from convcost.ops import BLOCKS, OPERATORS
from strategies import DRAWN, Plan, build, graphs, plans

ADDITIVE = [key for key, metric in METRICS.items() if metric.additive]
SORT_KEYS = [*ADDITIVE, "arithmetic_intensity", "name"]
WHOLE_BYTES = [name for name, bits in BITS.items() if bits % 8 == 0]

law = partial(settings, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
quick, slow = law(max_examples=300), law(max_examples=100)
dtypes = st.sampled_from(list(BITS))


def bytes_at_four(shape: Shape) -> int:
    """float32 elements, multiplied by hand."""
    total = 4
    for size in shape:
        total *= size
    return total


def shapes(graph: Graph) -> list[Shape]:
    return [node.shape for node in graph.nodes]


def additive(cost: Cost) -> dict[str, Any]:
    return {key: getattr(cost, key) for key in ADDITIVE}


def summed(rows: View) -> dict[str, Any]:
    return {key: sum(getattr(row.cost, key) for row in rows.rows) for key in ADDITIVE}


def test_every_operator_and_block_is_drawn() -> None:
    unknown_cost = {word for word, operator in OPERATORS.items() if not operator.supported}
    assert {*OPERATORS, *BLOCKS} - unknown_cost == DRAWN


# Integers, symbols and arrays

OF_COPIES = {"activations", "bytes_moved", "peak_activation_bytes"}
"""What a copy by flatten adds to. Whether it copies a cropped map can hang on one size (a map that the crop leaves
whole, or one element wide), which a symbol does not say, nor an array with one voice."""


def at(expression: Any, sizes: dict[Any, int]) -> int:
    """A symbolic quantity with the sizes put in."""
    value = sympy.sympify(expression).subs(sizes)
    assert value.is_Integer, value
    return int(value)


@slow
@given(plans(), st.lists(st.integers(0, 9), min_size=3, max_size=3), st.integers(1, 3), dtypes)
def test_symbols_give_the_integers_for_every_size(plan: Plan, extra: list[int], batch: int, dtype: str) -> None:
    names = [size_symbol(f"size{axis}") for axis in range(len(plan.sizes))]
    sizes = {name: size + more for name, size, more in zip(names, plan.sizes, extra, strict=False)}
    symbolic = analyze(build(plan, names), batch=batch, dtype=dtype)
    whole = analyze(build(plan, list(sizes.values())), batch=batch, dtype=dtype)
    found = [tuple(at(size, sizes) for size in shape) for shape in shapes(symbolic.graph)]
    assert found == shapes(whole.graph)
    for key, value in whole.totals.as_dict().items():
        if key not in OF_COPIES or sharing(symbolic.graph) == sharing(whole.graph):
            assert at(getattr(symbolic.totals, key), sizes) == value, key


@quick
@given(plans(), st.lists(st.integers(0, 9), min_size=3, max_size=3), st.integers(1, 3), dtypes)
def test_arrays_give_the_integers_element_by_element(plan: Plan, extra: list[int], batch: int, dtype: str) -> None:
    several = [[size + more for size in plan.sizes] for more in extra]
    arrays = [numpy.array(axis, dtype=object) for axis in zip(*several, strict=True)]
    together = analyze(build(plan, arrays), batch=batch, dtype=dtype)
    for position, sizes in enumerate(several):
        alone = analyze(build(plan, sizes), batch=batch, dtype=dtype)
        for key, value in alone.totals.as_dict().items():
            if key not in OF_COPIES or sharing(together.graph) == sharing(alone.graph):
                assert numpy.broadcast_to(getattr(together.totals, key), 3)[position] == value, key
        for shape, expected in zip(shapes(together.graph), shapes(alone.graph), strict=True):
            assert tuple(numpy.broadcast_to(size, 3)[position] for size in shape) == expected


# Views


@quick
@given(graphs(), dtypes)
def test_layers_add_up_to_the_totals(graph: Graph, dtype: str) -> None:
    result = analyze(graph, dtype=dtype)
    assert [layer.node for layer in result.layers] == [node for node in graph.nodes if node.op.word != "input"]
    for key in ADDITIVE:
        assert sum(getattr(layer.cost, key) for layer in result.layers) == getattr(result.totals, key), key


def all_views(result: Analysis, **options: Any) -> list[View]:
    """The analysis folded to every depth and grouped by everything."""
    folded = [view(result, depth=depth, **options) for depth in (None, 1, 2, 3, 4, 5)]
    return folded + [view(result, group_by=group, **options) for group in GROUPINGS]


@quick
@given(graphs(), st.sampled_from([None, *SORT_KEYS]), st.none() | st.integers(1, 8))
def test_no_view_changes_the_sums(graph: Graph, sort: str | None, top: int | None) -> None:
    result = analyze(graph)
    for rows in all_views(result, sort=sort, top=top):
        assert summed(rows) == additive(result.totals)
        assert sum(row.layers for row in rows.rows) == len(graph.layers)


@quick
@given(graphs(), st.sampled_from([*ADDITIVE, "arithmetic_intensity"]), st.integers(1, 8))
def test_sorted_rows_descend_and_top_keeps_the_first(graph: Graph, sort: str, top: int) -> None:
    result = analyze(graph)
    for rows, ordered, cut in zip(
        all_views(result), all_views(result, sort=sort), all_views(result, sort=sort, top=top), strict=True
    ):
        values = [getattr(row.cost, sort) or 0 for row in ordered.rows]
        assert values == sorted(values, reverse=True)
        assert sorted(row.name for row in rows.rows) == sorted(row.name for row in ordered.rows)
        assert cut.rows[:top] == ordered.rows[:top]
        assert len(cut.rows) == min(len(ordered.rows), top + 1)


@quick
@given(graphs())
def test_rows_of_a_depth_add_up_to_those_of_the_depth_above(graph: Graph) -> None:
    result = analyze(graph)
    for depth in range(1, 5):
        refined: dict[str, Cost] = {}
        for row in view(result, depth=depth + 1).rows:
            above = ".".join(row.name.split(".")[:depth])
            refined[above] = refined.get(above, Cost()) + row.cost
        assert refined == {row.name: row.cost for row in view(result, depth=depth).rows}


@quick
@given(graphs())
def test_groups_have_the_layers_of_their_operator(graph: Graph) -> None:
    rows = view(analyze(graph), group_by="op").rows
    assert {row.name: row.layers for row in rows} == Counter(node.op.word for node in graph.layers)


# Batch and dtype


@quick
@given(graphs(), st.integers(2, 7), st.sampled_from(WHOLE_BYTES))
def test_batch_multiplies_activations_and_leaves_parameters(graph: Graph, batch: int, dtype: str) -> None:
    one, many = analyze(graph, dtype=dtype).totals, analyze(graph, batch=batch, dtype=dtype).totals
    for key in ("macs", "flops", "activations", "peak_activation_bytes"):
        assert getattr(many, key) == batch * getattr(one, key), key
    for key in ("params", "weights", "buffers", "weight_bytes"):
        assert getattr(many, key) == getattr(one, key), key
    assert many.bytes_moved - many.weight_bytes == batch * (one.bytes_moved - one.weight_bytes)


@quick
@given(plans(blocks=False), st.lists(st.integers(1, 3), min_size=1, max_size=2))
def test_leading_axes_multiply_as_the_batch_does(plan: Plan, leading: list[int]) -> None:
    batch = leading[0] * (leading[1] if len(leading) > 1 else 1)
    assert analyze(build(plan, leading=leading)).totals == analyze(build(plan), batch=batch).totals


@quick
@given(graphs(), st.integers(1, 3))
def test_half_the_bits_are_half_the_bytes(graph: Graph, batch: int) -> None:
    single, half = (analyze(graph, batch=batch, dtype=dtype).totals for dtype in ("float32", "float16"))
    for key, value in single.as_dict().items():
        halved = key in ("weight_bytes", "bytes_moved", "peak_activation_bytes")
        assert value == getattr(half, key) * (2 if halved else 1), key


# Peak memory, against a simulation that counts references


def homes(graph: Graph) -> list[int]:
    """For each node, the node in whose memory its output lies. Real arrays say where a reshape has to copy."""
    home: list[int] = []
    arrays: list[numpy.ndarray] = []
    for position, node in enumerate(graph.nodes):
        word = node.op.word
        if word in VIEWS or getattr(node.op, "inplace", False):
            (source,) = node.inputs
            arrays.append(VIEWS.get(word, same)(arrays[source], node))
            home.append(home[source] if numpy.may_share_memory(arrays[source], arrays[-1]) else position)
        else:
            arrays.append(numpy.empty(node.shape, dtype=numpy.int8))
            home.append(position)
    return home


def same(array: numpy.ndarray, node: Node) -> numpy.ndarray:
    return array


def centre(array: numpy.ndarray, node: Node) -> numpy.ndarray:
    starts = [(have - want) // 2 for have, want in zip(array.shape, node.shape, strict=True)]
    return array[tuple(slice(start, start + want) for start, want in zip(starts, node.shape, strict=True))]


def reshaped(array: numpy.ndarray, node: Node) -> numpy.ndarray:
    return numpy.reshape(array, node.shape)


def taken(array: numpy.ndarray, node: Node) -> numpy.ndarray:
    return numpy.moveaxis(numpy.moveaxis(array, node.op.axis, 0)[node.op.start : node.op.stop], 0, node.op.axis)


def part(array: numpy.ndarray, node: Node) -> numpy.ndarray:
    return numpy.split(array, node.op.sections, node.op.axis)[node.op.index]


VIEWS = {
    "identity": same,
    "dropout": same,
    "crop": centre,
    "flatten": reshaped,
    "reshape": reshaped,
    "slice": taken,
    "split": part,
}


class Memory:
    """Storages with the number of values that live in each; a storage is freed with its last value."""

    def __init__(self) -> None:
        self.values: Counter[int] = Counter()
        self.size: dict[int, int] = {}

    def hold(self, storage: int, size: int) -> None:
        self.values[storage] += 1
        self.size.setdefault(storage, size)

    def release(self, storage: int) -> None:
        self.values[storage] -= 1
        if not self.values[storage]:
            del self.size[storage]


def simulated(graph: Graph) -> list[int]:
    """The bytes alive while each node runs, when every value is dropped as soon as nobody will read it."""
    memory, home = Memory(), homes(graph)
    readers = Counter(source for node in graph.nodes for source in set(node.inputs))
    for position, node in enumerate(graph.nodes):
        readers.setdefault(position, 1)  # who called the network reads what no node reads
        if node.op.word == "input":
            memory.hold(position, bytes_at_four(node.shape))
    used = []
    for position, node in enumerate(graph.nodes):
        if node.op.word != "input":
            memory.hold(home[position], bytes_at_four(node.shape))
        used.append(sum(memory.size.values()))
        for source in set(node.inputs):
            readers[source] -= 1
            if not readers[source]:
                memory.release(home[source])
    return used


@quick
@given(graphs())
def test_peak_is_that_of_a_simulation(graph: Graph) -> None:
    expected = simulated(graph)
    result = analyze(graph)
    assert live_sizes(graph, lambda node: bytes_at_four(node.shape)) == expected
    assert result.totals.peak_activation_bytes == result.peak.size == max(expected)
    assert result.peak.node == graph.nodes[expected.index(max(expected))]


@quick
@given(graphs())
def test_peak_lies_between_the_largest_layer_and_all_tensors(graph: Graph) -> None:
    peak = peak_activations(graph, bytes_at_four).size
    sizes = [bytes_at_four(shape) for shape in shapes(graph)]
    home = homes(graph)
    assert peak <= sum(sizes)
    for position, node in enumerate(graph.nodes):
        together = {home[source] for source in (*node.inputs, position)}
        assert peak >= sum(sizes[storage] for storage in together), node.name


def test_the_simulation_on_a_network_worked_by_hand() -> None:
    b = Builder()
    x = b.input((2, 10))
    y = b.relu(x)
    z = b.crop(b.gelu(y), size=2)
    b.flatten(z)  # a copy, which is an output
    b.add(y, b.dropout(y))
    # input 20; relu 20 + 20; gelu, the input freed, 20 + 20; crop, a view; flatten 20 + 20 + 4; gelu freed:
    # dropout 20 + 4, a view; add 20 + 20 + 4
    expected = [4 * elements for elements in (20, 40, 40, 40, 44, 24, 44)]
    assert simulated(b.graph()) == expected
    kept_input = [4 * elements for elements in (20, 40, 60, 60, 64, 44, 64)]
    assert simulated(b.graph()) != kept_input
