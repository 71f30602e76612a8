"""Every pattern with every replacement, on 200 random layers each: seams, rewriting twice, closed forms, biases."""

from __future__ import annotations

import random
from typing import Any, NamedTuple

import pytest
import sympy

import convcost.blocks  # noqa: F401 - registers the blocks
from convcost.analysis.compare import Change, compare
from convcost.arith import exact_div
from convcost.formulas.symbolic import size_symbol
from convcost.graph import Builder, Graph, Value
from convcost.rewrite import Rewriting, replace
from stacks import REPLACEMENTS

KERNELS: dict[str, tuple[tuple[int, ...], ...]] = {
    "conv3x3": ((3, 3),),
    "conv1x1": ((1, 1),),
    "conv5x5": ((5, 5),),
    "conv7x7": ((7, 7),),
    "conv": ((3,), (5,), (3, 3), (2, 2), (1, 7), (3, 3, 3)),
}
BLOCKS = ("dsconv", "ghost", "basic_block", "fire")
PATTERNS = (*KERNELS, "linear", *BLOCKS)
STANDS_ON_VECTORS = "bottleneck(reduction=4)"
LAYERS = 200
CHANNELS = (1, 2, 3, 4, 6, 8, 12, 16, 20, 24, 32, 40, 48, 64)
FIRST, SECOND = size_symbol("in_channels"), size_symbol("out_channels")
AXES = tuple(map(size_symbol, ("height", "width", "depth")))
COUNTED = ("params", "weights", "macs")


class Layer(NamedTuple):
    """A layer on an input of its own; `behind` says whether something stands between the two."""

    word: str
    in_channels: Any
    out_channels: Any
    sizes: tuple[Any, ...]
    fields: tuple[tuple[str, Any], ...]
    behind: bool


def draw(rng: random.Random, pattern: str) -> Layer:
    """A random layer that the pattern names."""
    first = rng.choice(CHANNELS)
    second = first if rng.random() < 0.5 else rng.choice(CHANNELS)
    behind, bias = rng.random() < 0.5, rng.random() < 0.5
    if pattern == "linear":
        return Layer("linear", first, second, (), (("bias", bias),), behind)
    stride = rng.choice((1, 1, 1, 2, 3))
    if pattern not in KERNELS:
        sizes = rng.randint(4, 30), rng.randint(4, 30)
        if pattern == "fire":
            second *= 2  # half of them from each convolution
            return Layer(pattern, first, second, sizes, (("bias", bias),), behind)
        fields = (("norm", "none"), ("bias", bias)) if pattern == "dsconv" else (("norm", "none"),)
        return Layer(pattern, first, second, sizes, (*fields, ("stride", stride)), behind)
    kernel = rng.choice(KERNELS[pattern])
    dilation = rng.choice((1, 1, 1, 2))
    padding: Any = tuple(dilation * (taps - 1) // 2 for taps in kernel)
    other = rng.random()
    if other < 0.1:
        padding = 0
    elif other < 0.2:
        padding = "same" if stride == 1 and rng.random() < 0.5 else "same_tf"
    sizes = tuple(rng.randint(dilation * (taps - 1) + 1, 30) for taps in kernel)
    fields = (("kernel_size", kernel), ("stride", stride), ("padding", padding), ("dilation", dilation), ("bias", bias))
    return Layer("conv", first, second, sizes, fields, behind)


def apply(b: Builder, layer: Layer, name: str) -> Value:
    x = b.input((layer.in_channels, *layer.sizes), name=f"input_{name}")
    if layer.behind:
        x = b.identity(x, name=f"before_{name}")
    fields = dict(layer.fields)
    if layer.word == "fire":
        half = exact_div(layer.out_channels, 2)
        fields |= {"squeeze": 3, "expand1x1": half, "expand3x3": half}
    else:
        fields["out_features" if layer.word == "linear" else "out_channels"] = layer.out_channels
    return b.relu(b.apply(layer.word, x, name=name, **fields), name=f"behind_{name}")


def network(layers: list[Layer]) -> Graph:
    b = Builder()
    for number, layer in enumerate(layers):
        apply(b, layer, f"layer{number}")
    return b.graph()


CASES = [
    pytest.param(pattern, replacement, id=f"{pattern}={replacement}")
    for pattern in PATTERNS
    for replacement in REPLACEMENTS
]


def biases(graph: Graph, names: tuple[str, ...]) -> int:
    return sum(bool(getattr(node.op, "bias", False)) for node in graph.nodes if node.name in set(names))


def check_seams(graph: Graph, rewriting: Rewriting) -> None:
    """Each layer is replaced or kept with a reason; what follows reads the shape that it read."""
    everything = {*(one.name for one in rewriting.replaced), *(one.name for one in rewriting.skipped)}
    assert everything == {f"layer{number}" for number in range(LAYERS)}
    assert len(rewriting.replaced) + len(rewriting.skipped) == LAYERS
    assert all(one.reason for one in rewriting.skipped)
    shapes = {node.name: node.shape for node in graph.nodes}
    new = {node.name: node for node in rewriting.graph.nodes}
    for number in range(LAYERS):
        reader = new[f"behind_layer{number}"]
        assert rewriting.graph.input_shapes(reader) == (shapes[reader.name],)  # relu keeps the shape that it reads
        assert reader.shape == shapes[reader.name]
    assert all(new[name].origin is not None for one in rewriting.replaced for name in one.after)
    kept = {name for one in rewriting.replaced for name in one.before}
    for node in graph.nodes:
        if node.name not in kept:
            assert (new[node.name].op, new[node.name].shape, new[node.name].origin) == (node.op, node.shape, None)


def check_twice(rewriting: Rewriting, rule: str) -> None:
    """Rewriting twice is rewriting once: the same graph, nothing more replaced, the same layers kept."""
    again = replace(rewriting.graph, rule)
    assert again.graph == rewriting.graph
    assert again.replaced == ()
    assert again.skipped == rewriting.skipped


def check_biases(graph: Graph, rewriting: Rewriting) -> None:
    """A layer without bias gets none, one with bias has one at least."""
    for one in rewriting.replaced:
        assert bool(biases(graph, one.before)) == bool(biases(rewriting.graph, one.after)), one


class ClosedForms:
    """The costs of one layer before and after on symbols, kept for layers that differ in their numbers alone.

    The closed form is that of channels and sizes. Where the seam holds for some sizes alone (other padding than that
    which keeps the size), or the stride is read off the sizes (blocks), they stay numbers.
    """

    def __init__(self, rule: str) -> None:
        self.rule = rule
        self.known: dict[Any, tuple[dict[str, Any], dict[str, Any]] | None] = {}
        self.on_sizes = 0

    def check(self, layer: Layer, change: Change) -> None:
        same = layer.in_channels == layer.out_channels
        second = FIRST if same else SECOND
        symbolic = layer._replace(in_channels=FIRST, out_channels=second, sizes=AXES[: len(layer.sizes)])
        forms = self.forms(symbolic)
        self.on_sizes += forms is not None
        if forms is None:
            forms = self.forms(symbolic._replace(sizes=layer.sizes))
        assert forms is not None, layer
        numbers = dict(zip((FIRST, second, *AXES), (layer.in_channels, layer.out_channels, *layer.sizes), strict=False))
        numbers = {symbol: sympy.Integer(number) for symbol, number in numbers.items()}
        for form, cost in zip(forms, (change.before, change.after), strict=True):
            for key in COUNTED:
                found = form[key].xreplace(numbers) if isinstance(form[key], sympy.Basic) else form[key]
                assert found == getattr(cost, key), (key, layer, form[key])

    def forms(self, layer: Layer) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """The closed forms, or None where the replacement cannot be seen to fit."""
        if layer not in self.known:
            b = Builder()
            apply(b, layer, "layer")
            before = b.graph()
            rewriting = replace(before, self.rule)
            self.known[layer] = None
            if rewriting.replaced:
                names = rewriting.replaced[0].before, rewriting.replaced[0].after
                costs = (counted(graph, part) for graph, part in zip((before, rewriting.graph), names, strict=True))
                self.known[layer] = tuple(costs)  # type: ignore[assignment]
        return self.known[layer]


def counted(graph: Graph, names: tuple[str, ...]) -> dict[str, Any]:
    """The sums of the formulas of these nodes."""
    nodes = [node for node in graph.nodes if node.name in set(names)]
    return {
        "params": sum(node.op.params() for node in nodes),
        "weights": sum(node.op.weights() for node in nodes),
        "macs": sum(node.op.macs(graph.input_shapes(node), node.shape) for node in nodes),
    }


@pytest.mark.parametrize(("pattern", "replacement"), CASES)
def test_pair(pattern: str, replacement: str) -> None:
    rng = random.Random(f"{pattern}={replacement}")
    layers = [draw(rng, pattern) for _ in range(LAYERS)]
    graph, rule = network(layers), f"{pattern}={replacement}"
    rewriting = replace(graph, rule)
    check_seams(graph, rewriting)
    check_twice(rewriting, rule)
    check_biases(graph, rewriting)
    if pattern == "linear" and replacement != STANDS_ON_VECTORS:
        assert not rewriting.replaced
        return
    variant = compare(graph, [rule]).variants[1]
    forms = ClosedForms(rule)
    for change in variant.changes:
        forms.check(layers[int(change.name.removeprefix("layer"))], change)
    assert len(variant.changes) == len(rewriting.replaced) > 0
    assert forms.on_sizes > 0


def test_the_comparison_can_fail() -> None:
    """A closed form off by one, a bias that comes from nowhere, and a graph rewritten by another rule are seen."""
    layer = Layer("conv", 4, 6, (9, 9), (("kernel_size", (3, 3)), ("padding", (1, 1)), ("bias", False)), False)
    graph = network([layer])
    change = compare(graph, ["conv3x3=dsconv"]).variants[1].changes[0]
    ClosedForms("conv3x3=dsconv").check(layer, change)
    wrong = change.replace(after=change.after.replace(macs=change.after.macs + 1))
    with pytest.raises(AssertionError):
        ClosedForms("conv3x3=dsconv").check(layer, wrong)
    with pytest.raises(AssertionError):
        check_biases(graph, replace(graph, "conv3x3=dsconv(bias=true)"))
    with pytest.raises(AssertionError):
        check_twice(replace(graph, "conv3x3=flattened"), "conv=flattened")
