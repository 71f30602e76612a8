"""Random plans: steps, drawn so that they stand on the shape."""

from __future__ import annotations

from hypothesis import strategies as st

from convcost.graph import Graph
from convcost.ops import OPERATORS
from strategies.draw import LARGEST_CHANNELS, LARGEST_SIZE, Draw, Shape
from strategies.plan import Aside, FurtherInput, Joined, Layer, Plan, Scoped, Step, build, shape_after
from strategies.tables import JOINS, RESIZING, SAME_SHAPE, SPATIAL, fitting


def draw_layer(draw: Draw, shape: Shape, blocks: bool) -> Layer:
    table = draw(st.sampled_from([SPATIAL, SPATIAL, SAME_SHAPE, SAME_SHAPE, RESIZING]))
    word = draw(st.sampled_from([word for word in fitting(table, shape) if blocks or word in OPERATORS]))
    return Layer(word, table[word](draw, shape), draw(st.booleans()))


def draw_keeping(draw: Draw, shape: Shape) -> tuple[Step, ...]:
    """One or two layers that keep the shape."""
    word = draw(st.sampled_from(fitting(SAME_SHAPE, shape)))
    after = Layer(word, SAME_SHAPE[word](draw, shape))
    fields = {"out_channels": shape[0], "kernel_size": 3, "padding": draw(st.sampled_from(["same", 1]))}
    return (Layer("conv", fields), after) if draw(st.booleans()) else (after,)


def draw_gate(draw: Draw, shape: Shape) -> tuple[Step, ...]:
    """A weight a channel, which the product stretches over the map."""
    gate = draw(st.sampled_from(["sigmoid", "hardsigmoid"]))
    return (Layer("global_avg_pool"), Layer("conv", {"out_channels": shape[0], "kernel_size": 1}), Layer(gate))


def draw_reduction(draw: Draw, shape: Shape) -> tuple[tuple[Step, ...], ...]:
    """Branches side by side with the same window, as in Inception's reductions."""
    window = {"kernel_size": 3, "stride": draw(st.integers(1, 2)), "padding": 1}
    convs = draw(st.integers(1, 2))
    return (
        (Layer("max_pool", window),),
        *[(Layer("conv", {**window, "out_channels": draw(st.integers(1, 3))}),) for _ in range(convs)],
    )


def draw_join(draw: Draw, shape: Shape) -> Step:
    word = draw(st.sampled_from(JOINS))
    if word == "multiply":
        branches = [(), draw_gate(draw, shape)]
        return Joined(word, tuple(draw(st.permutations(branches))))
    if word == "matmul":
        axes = list(range(len(shape)))
        return Joined(word, ((), (Layer("permute", {"dims": [*axes[:-2], axes[-1], axes[-2]]}),)))
    if word == "scaled_dot_product_attention":
        return Joined(word, ((), *[draw_keeping(draw, shape) for _ in range(2)]))
    if word == "add":
        branches = [(), *[draw_keeping(draw, shape) for _ in range(draw(st.integers(1, 2)))]]
        return Joined(word, tuple(draw(st.permutations(branches))))
    return Joined(word, draw_reduction(draw, shape))


def draw_folded(draw: Draw) -> Step:
    """Space to depth behind a layer that makes every size a multiple of the factor."""
    factor = draw(st.integers(1, 2))
    steps = (Layer("upsample", {"scale_factor": factor}), Layer("pixel_unshuffle", {"downscale_factor": factor}))
    return Scoped("fold", "sequence", steps)


def draw_step(draw: Draw, shape: Shape, depth: int, blocks: bool) -> Step:
    form = draw(st.sampled_from(["layer", "layer", "layer", "layer", "join", "scope", "aside", "input", "fold"]))
    if form == "fold":
        return draw_folded(draw)
    if form == "join":
        return draw_join(draw, shape)
    if form == "input":
        return FurtherInput("add")
    if form == "layer" or depth == 0:
        return draw_layer(draw, shape, blocks)
    steps, _ = draw_steps(draw, shape, depth - 1, blocks, most=2)
    if form == "aside":
        return Aside((*steps, Layer("flatten")) if draw(st.booleans()) else steps)
    kind, role = draw(st.sampled_from([("stage", "sequence"), ("unit", "block"), ("stage2", "repeat")]))
    return Scoped(kind, role, steps)


def draw_steps(draw: Draw, shape: Shape, depth: int, blocks: bool, most: int) -> tuple[tuple[Step, ...], Shape]:
    steps: list[Step] = []
    for _ in range(draw(st.integers(1, most))):
        if shape[0] > LARGEST_CHANNELS or max(shape[1:]) > LARGEST_SIZE:
            break
        steps.append(draw_step(draw, shape, depth, blocks))
        shape = shape_after(steps[-1], shape)
    return tuple(steps), shape


def draw_tail(draw: Draw) -> tuple[Step, ...]:
    """The end of a classifier, or nothing."""
    if not draw(st.booleans()):
        return ()
    after = draw(st.sampled_from(["relu", "batch_norm", "dropout", "softmax"]))
    linear = [
        Layer("linear", {"out_features": draw(st.integers(1, 10)), "bias": draw(st.booleans())}) for _ in range(2)
    ]
    if draw(st.booleans()):
        reduction = draw(st.integers(1, 3))
        fields = {"out_features": 6 * draw(st.integers(1, 2)), "reduction": reduction, "bias": draw(st.booleans())}
        linear[0] = Layer("linear_bottleneck", fields)
    return (Layer("flatten"), linear[0], Layer(after), linear[1])


@st.composite
def plans(draw: Draw, blocks: bool = True) -> Plan:
    """A plan of a network with 1 to 3 spatial axes; without composite blocks if asked."""
    rank = draw(st.integers(1, 3))
    largest = {1: LARGEST_SIZE, 2: 12, 3: 6}[rank]
    sizes = tuple(draw(st.integers(1, largest)) for _ in range(rank))
    channels = draw(st.integers(1, LARGEST_CHANNELS))
    steps, _ = draw_steps(draw, (channels, *sizes), depth=2, blocks=blocks, most=5)
    return Plan(channels, sizes, (*steps, *draw_tail(draw)))


def graphs(blocks: bool = True) -> st.SearchStrategy[Graph]:
    """A random small valid network."""
    return plans(blocks).map(build)
