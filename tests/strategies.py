"""Hypothesis strategies for random small networks.

A plan is a list of layer settings with the shape of its input. `build(plan, sizes)` replays it on any spatial sizes:
the integers for which it was drawn, larger ones, symbols or object arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

from hypothesis import strategies as st

import convcost.blocks  # noqa: F401 - registers the blocks
from convcost.graph import Builder, Graph, Value
from convcost.ops import OPERATORS
from convcost.ops.move import RANK_OF_MODE

LARGEST_CHANNELS = 16
LARGEST_SIZE = 24

Draw = Callable[[st.SearchStrategy[Any]], Any]
Shape = tuple[int, ...]
Fields = dict[str, Any]


# Steps: what a plan is made of. Each takes the value before it and gives the next.


@dataclass(frozen=True)
class Layer:
    """An operator or a block; with a name of its own, or an automatic one."""

    word: str
    fields: Fields = field(default_factory=dict)
    named: bool = False

    def build(self, b: Builder, value: Value) -> Value:
        name = f"part{len(b.nodes)}_{self.word}" if self.named else None
        return b.apply(self.word, value, name=name, **self.fields)


@dataclass(frozen=True)
class Scoped:
    """Steps in a scope of their own."""

    kind: str
    role: str
    steps: tuple[Step, ...]

    def build(self, b: Builder, value: Value) -> Value:
        with b.scope(None, self.kind, self.role):
            return run(self.steps, b, value)


@dataclass(frozen=True)
class Joined:
    """Branches that start from one value and meet in a join; an empty branch is the value itself."""

    word: str
    branches: tuple[tuple[Step, ...], ...]

    def build(self, b: Builder, value: Value) -> Value:
        return b.apply(self.word, *[run(steps, b, value) for steps in self.branches])


@dataclass(frozen=True)
class Aside:
    """Steps whose result nothing reads: one more output of the network."""

    steps: tuple[Step, ...]

    def build(self, b: Builder, value: Value) -> Value:
        run(self.steps, b, value)
        return value


@dataclass(frozen=True)
class FurtherInput:
    """One more input of the network, of the shape of the value that it joins."""

    word: str

    def build(self, b: Builder, value: Value) -> Value:
        return b.apply(self.word, value, b.input(value.shape, name=f"further{len(b.nodes)}"))


Step = Layer | Scoped | Joined | Aside | FurtherInput


@dataclass(frozen=True)
class Plan:
    """A network that can be built again: channels and spatial sizes of its input, and its steps."""

    channels: int
    sizes: tuple[int, ...]
    steps: tuple[Step, ...]


def run(steps: Sequence[Step], b: Builder, value: Value) -> Value:
    """The value behind the steps."""
    for step in steps:
        value = step.build(b, value)
    return value


def build(plan: Plan, sizes: Sequence[Any] | None = None, leading: Sequence[Any] = ()) -> Graph:
    """The network of a plan, on its own spatial sizes or on others, with leading axes before the channels if any.

    Sizes must be at least the plan's: every layer of a plan stands on larger sizes as well.
    """
    b = Builder(leading=len(leading))
    run(plan.steps, b, b.input((*leading, plan.channels, *(plan.sizes if sizes is None else sizes))))
    return b.graph("plan")


def shape_after(step: Step, shape: Shape) -> Shape:
    b = Builder()
    return step.build(b, b.input(shape)).shape


# Fields of the layers, drawn so that the layer stands on the shape.


def divisors(number: int) -> list[int]:
    return [candidate for candidate in range(1, number + 1) if number % candidate == 0]


def one_or_list(draw: Draw, values: list[int]) -> int | list[int]:
    """The values an axis, or the number itself where they agree."""
    return values[0] if len(set(values)) == 1 and draw(st.booleans()) else values


def draw_window(draw: Draw, sizes: Shape) -> tuple[list[int], list[int], list[int]]:
    """Kernel, dilation and extent an axis; the extent fits into the size."""
    kernel = [draw(st.integers(1, min(3, size))) for size in sizes]
    dilation = [
        draw(st.integers(1, 2 if 2 * (taps - 1) < size else 1)) for taps, size in zip(kernel, sizes, strict=True)
    ]
    extent = [rate * (taps - 1) + 1 for taps, rate in zip(kernel, dilation, strict=True)]
    return kernel, dilation, extent


def draw_strides(draw: Draw, sizes: Shape) -> int | list[int]:
    return one_or_list(draw, [draw(st.integers(1, 2)) for _ in sizes])


def draw_groups(draw: Draw, channels: int) -> Fields:
    groups = draw(st.sampled_from(divisors(channels)))
    return {"groups": groups, "out_channels": groups * draw(st.integers(1, LARGEST_CHANNELS // groups))}


def draw_conv(draw: Draw, shape: Shape) -> Fields:
    channels, *sizes = shape
    kernel, dilation, extent = draw_window(draw, tuple(sizes))
    padding = draw(st.sampled_from(["numbers", "same", "valid", "same_tf"]))
    return {
        **draw_groups(draw, channels),
        "kernel_size": one_or_list(draw, kernel),
        "dilation": one_or_list(draw, dilation),
        "stride": 1 if padding == "same" else draw_strides(draw, tuple(sizes)),
        "padding": [draw(st.integers(0, span // 2)) for span in extent] if padding == "numbers" else padding,
        "bias": draw(st.booleans()),
    }


def draw_conv_transpose(draw: Draw, shape: Shape) -> Fields:
    channels, *sizes = shape
    kernel, dilation, extent = draw_window(draw, tuple(sizes))
    stride = [draw(st.integers(1, 2)) for _ in sizes]
    limits = [max(axis) - 1 for axis in zip(stride, dilation, strict=True)]
    return {
        **draw_groups(draw, channels),
        "kernel_size": one_or_list(draw, kernel),
        "dilation": one_or_list(draw, dilation),
        "stride": one_or_list(draw, stride),
        "padding": [draw(st.integers(0, (span - 1) // 2)) for span in extent],
        "output_padding": [draw(st.integers(0, limit)) for limit in limits],
        "bias": draw(st.booleans()),
    }


def draw_pool(draw: Draw, shape: Shape) -> Fields:
    sizes = shape[1:]
    kernel = [draw(st.integers(1, min(3, size))) for size in sizes]
    fields: Fields = {"kernel_size": one_or_list(draw, kernel)}
    if draw(st.booleans()):
        fields["stride"] = draw_strides(draw, sizes)
    if draw(st.integers(0, 3)) == 0:
        return {**fields, "padding": "same_tf"}
    return {
        **fields,
        "padding": [draw(st.integers(0, taps // 2)) for taps in kernel],
        "ceil_mode": draw(st.booleans()),
    }


def draw_max_pool(draw: Draw, shape: Shape) -> Fields:
    fields = draw_pool(draw, shape)
    if min(shape[1:]) >= 5 and draw(st.booleans()):
        fields["dilation"] = 2
    return fields


def draw_adaptive(draw: Draw, shape: Shape) -> Fields:
    return {"output_size": one_or_list(draw, [draw(st.integers(1, 4)) for _ in shape[1:]])}


def draw_upsample(draw: Draw, shape: Shape) -> Fields:
    rank = len(shape) - 1
    interpolation = next(mode for mode, axes in RANK_OF_MODE.items() if axes == rank)
    fields: Fields = {"mode": draw(st.sampled_from(["nearest", interpolation]))}
    if draw(st.booleans()):
        return {**fields, "scale_factor": draw_strides(draw, shape[1:])}
    return {**fields, "size": [draw(st.integers(1, 8)) for _ in shape[1:]]}


def draw_crop(draw: Draw, shape: Shape) -> Fields:
    return {"size": [draw(st.integers(1, size)) for size in shape[1:]]}


def draw_group_norm(draw: Draw, shape: Shape) -> Fields:
    """Groups of more than one element."""
    groups = [groups for groups in divisors(shape[0]) if groups < prod(shape)]
    return {"num_groups": draw(st.sampled_from(groups)), "affine": draw(st.booleans())}


def draw_activation(draw: Draw, word: str, channels: int) -> Fields:
    if word == "prelu":
        return {"num_parameters": draw(st.sampled_from([1, channels]))}
    can_overwrite = "inplace" in OPERATORS[word].field_annotations
    return {"inplace": draw(st.booleans())} if can_overwrite else {}


def draw_depthwise(draw: Draw, shape: Shape) -> Fields:
    multiplier = draw(st.integers(1, LARGEST_CHANNELS // shape[0]))
    return {"multiplier": multiplier, "stride": draw_strides(draw, shape[1:]), "dilation": draw(st.integers(1, 2))}


def draw_norm_name(draw: Draw) -> Fields:
    return {
        "norm": draw(st.sampled_from(["none", "batch_norm"])),
        "activation": draw(st.sampled_from(["none", "relu"])),
    }


def draw_residual(draw: Draw, shape: Shape) -> Fields:
    out_channels = draw(st.sampled_from([shape[0], 8]))
    return {"out_channels": out_channels, "stride": draw_strides(draw, shape[1:]), **draw_norm_name(draw)}


def draw_inverted(draw: Draw, shape: Shape) -> Fields:
    possible = {1: True, 2: shape[0] <= LARGEST_CHANNELS // 2, 0.5: shape[0] % 2 == 0}
    ratios = [ratio for ratio, fits in possible.items() if fits]
    return {**draw_residual(draw, shape), "expand_ratio": draw(st.sampled_from(ratios))}


def draw_fire(draw: Draw, shape: Shape) -> Fields:
    return {word: draw(st.integers(1, 8)) for word in ("squeeze", "expand1x1", "expand3x3")}


def draw_small(draw: Draw) -> int:
    return draw(st.integers(1, 8))


SPATIAL: dict[str, Callable[[Draw, Shape], Fields]] = {
    "conv": draw_conv,
    "max_pool": draw_max_pool,
    "avg_pool": draw_pool,
    "adaptive_max_pool": draw_adaptive,
    "adaptive_avg_pool": draw_adaptive,
    "global_max_pool": lambda draw, shape: {},
    "global_avg_pool": lambda draw, shape: {},
    "depthwise": draw_depthwise,
    "pointwise": lambda draw, shape: draw_groups(draw, shape[0]),
    "grouped": lambda draw, shape: {**draw_groups(draw, shape[0]), "stride": draw_strides(draw, shape[1:])},
    "dilated": lambda draw, shape: {"out_channels": draw_small(draw), "dilation": draw(st.integers(1, 3))},
    "dsconv": lambda draw, shape: {
        **draw_depthwise(draw, shape),
        **draw_norm_name(draw),
        "out_channels": draw_small(draw),
    },
    "basic_block": draw_residual,
    "bottleneck_block": lambda draw, shape: {**draw_residual(draw, shape), "hidden_channels": draw_small(draw)},
    "inverted_residual": draw_inverted,
    "squeeze_excite": lambda draw, shape: {"reduction": draw(st.sampled_from(divisors(shape[0])))},
    "fire": draw_fire,
}
"""Layers on one to three spatial axes."""

RESIZING: dict[str, Callable[[Draw, Shape], Fields]] = {
    "crop": draw_crop,
    "conv_transpose": draw_conv_transpose,
    "upsample": draw_upsample,
}
"""Layers that cut the map, or make it larger."""

SAME_SHAPE: dict[str, Callable[[Draw, Shape], Fields]] = {
    "batch_norm": lambda draw, shape: {
        "affine": draw(st.booleans()),
    },
    "group_norm": draw_group_norm,
    "layer_norm": lambda draw, shape: {"elementwise_affine": draw(st.booleans()), "bias": draw(st.booleans())},
    "local_response_norm": lambda draw, shape: {"size": draw(st.integers(1, 5))},
    "dropout": lambda draw, shape: {},
    "identity": lambda draw, shape: {},
    **{
        word: lambda draw, shape, word=word: draw_activation(draw, word, shape[0])
        for word, operator in OPERATORS.items()
        if operator.family == "activation"
    },
}
"""Layers that keep the shape, with any number of spatial axes."""

JOINS = ("add", "multiply", "concat")
TAIL = ("flatten", "linear")
DRAWN = {*SPATIAL, *RESIZING, *SAME_SHAPE, *JOINS, *TAIL}
"""Every operator and block that a plan can hold."""


# Steps, drawn so that they stand on the shape.


def fitting(table: dict[str, Callable[[Draw, Shape], Fields]], shape: Shape) -> list[str]:
    """The words of a table that can stand on the shape and leave it small."""
    unfit = set()
    if prod(shape) == 1:
        unfit.add("group_norm")
    if max(shape[1:]) > LARGEST_SIZE // 2 - 2:
        unfit |= {"conv_transpose", "upsample"}
    return [word for word in table if word not in unfit]


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
    if word == "add":
        branches = [(), *[draw_keeping(draw, shape) for _ in range(draw(st.integers(1, 2)))]]
        return Joined(word, tuple(draw(st.permutations(branches))))
    return Joined(word, draw_reduction(draw, shape))


def draw_step(draw: Draw, shape: Shape, depth: int, blocks: bool) -> Step:
    form = draw(st.sampled_from(["layer", "layer", "layer", "join", "scope", "aside", "input"]))
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
