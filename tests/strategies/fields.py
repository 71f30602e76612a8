"""Small networks in which receptive fields are hard: branches of other strides and centres, gaps, phases, borders."""

from __future__ import annotations

from hypothesis import strategies as st

from convcost.graph import Graph
from convcost.ops.move import RANK_OF_MODE
from strategies.draw import Draw, Fields, Rows, Shape, divisors
from strategies.move import draw_channel_shuffle, draw_pad, draw_pixel_shuffle, draw_shift, draw_slice, draw_unshuffle
from strategies.plan import FurtherInput, Joined, Layer, Plan, Step, build, shape_after
from strategies.pointwise import FITS as POINTWISE_FITS
from strategies.pointwise import ROWS as POINTWISE
from strategies.windows import draw_adaptive

MOST_CHANNELS = 4
SMALLEST, LARGEST = 5, {1: 20, 2: 10, 3: 6}
MOST_ELEMENTS = 2_000


def draw_each(draw: Draw, sizes: Shape, low: int, high: int) -> list[int]:
    return [draw(st.integers(low, high)) for _ in sizes]


def draw_channels(draw: Draw, channels: int) -> Fields:
    groups = draw(st.sampled_from(divisors(channels)))
    return {"groups": groups, "out_channels": groups * draw(st.integers(1, max(1, MOST_CHANNELS // groups)))}


def draw_gapped(draw: Draw, sizes: Shape) -> tuple[list[int], list[int], list[int]]:
    """Kernels of their own an axis, dilation, and padding with which the window fits."""
    kernel, dilation = draw_each(draw, sizes, 1, 4), draw_each(draw, sizes, 1, 3)
    spans = [rate * (taps - 1) + 1 for taps, rate in zip(kernel, dilation, strict=True)]
    least = [max(0, -(-(span - size) // 2)) for span, size in zip(spans, sizes, strict=True)]
    padding = [draw(st.integers(low, max(low, span // 2 + 1))) for low, span in zip(least, spans, strict=True)]
    return kernel, dilation, padding


def draw_conv(draw: Draw, shape: Shape) -> Fields:
    kernel, dilation, padding = draw_gapped(draw, shape[1:])
    mode = draw(st.sampled_from(["numbers", "numbers", "same", "same_tf"]))
    return {
        **draw_channels(draw, shape[0]),
        "kernel_size": kernel,
        "dilation": dilation,
        "stride": 1 if mode == "same" else draw_each(draw, shape[1:], 1, 3),
        "padding": padding if mode == "numbers" else mode,
    }


def draw_transposed(draw: Draw, shape: Shape) -> Fields:
    """Strides longer than the kernel, and such as share a factor with the dilation: positions that see nothing."""
    sizes = shape[1:]
    kernel, dilation, stride = (draw_each(draw, sizes, 1, most) for most in (4, 3, 4))
    axes = list(zip(sizes, kernel, dilation, stride, strict=True))
    full = [(size - 1) * step + rate * (taps - 1) + 1 for size, taps, rate, step in axes]
    return {
        **draw_channels(draw, shape[0]),
        "kernel_size": kernel,
        "dilation": dilation,
        "stride": stride,
        "padding": [draw(st.integers(0, min(3, (size - 1) // 2))) for size in full],
        "output_padding": [draw(st.integers(0, max(rate, step) - 1)) for _, _, rate, step in axes],
    }


def draw_pool(draw: Draw, shape: Shape) -> Fields:
    kernel = [draw(st.integers(1, min(4, size))) for size in shape[1:]]
    fields: Fields = {"kernel_size": kernel, "stride": draw_each(draw, shape[1:], 1, 3)}
    if draw(st.integers(0, 3)) == 0:
        return {**fields, "padding": "same_tf"}
    padding = [draw(st.integers(0, taps // 2)) for taps in kernel]
    return {**fields, "padding": padding, "ceil_mode": draw(st.booleans())}


def draw_max_pool(draw: Draw, shape: Shape) -> Fields:
    fields = draw_pool(draw, shape)
    wide = all(2 * (taps - 1) < size for taps, size in zip(fields["kernel_size"], shape[1:], strict=True))
    return {**fields, "dilation": 2} if wide and draw(st.booleans()) else fields


def draw_upsample(draw: Draw, shape: Shape) -> Fields:
    interpolation = next(mode for mode, axes in RANK_OF_MODE.items() if axes == len(shape) - 1)
    fields: Fields = {"mode": draw(st.sampled_from(["nearest", interpolation]))}
    if fields["mode"] != "nearest":
        fields["align_corners"] = draw(st.booleans())
    if draw(st.booleans()):
        return {**fields, "scale_factor": draw_each(draw, shape[1:], 1, 3)}
    return {**fields, "size": [draw(st.integers(1, 2 * size)) for size in shape[1:]]}


WINDOWS: Rows = {
    "conv": draw_conv,
    "conv_transpose": draw_transposed,
    "max_pool": draw_max_pool,
    "avg_pool": draw_pool,
    "adaptive_avg_pool": draw_adaptive,
    "adaptive_max_pool": draw_adaptive,
}
MOVES: Rows = {
    "upsample": draw_upsample,
    "pad": draw_pad,
    "slice": draw_slice,
    "shift": draw_shift,
    "channel_shuffle": draw_channel_shuffle,
    "pixel_shuffle": draw_pixel_shuffle,
    "pixel_unshuffle": draw_unshuffle,
    "permute": lambda draw, shape: {"dims": draw(st.permutations(range(len(shape))))},
    "reshape": lambda draw, shape: {"shape": [shape[0], -1]},
    "global_avg_pool": lambda draw, shape: {},
}
POINTS = [word for word in POINTWISE if word not in ("linear", "linear_bottleneck")]


def elements(shape: Shape) -> int:
    count = 1
    for size in shape:
        count *= size
    return count


def draw_layer(draw: Draw, shape: Shape) -> Layer:
    """A window more often than not; data that is moved; or a norm, an activation, a softmax."""
    kind = draw(st.sampled_from(["window", "window", "window", "move", "move", "point"]))
    if kind == "point":
        words = [word for word in POINTS if POINTWISE_FITS.get(word, lambda shape: True)(shape)]
        word = draw(st.sampled_from(words))
        return Layer(word, POINTWISE[word](draw, shape))
    table = WINDOWS if kind == "window" else MOVES
    word = draw(st.sampled_from(list(table)))
    return Layer(word, table[word](draw, shape))


def fitted(draw: Draw, shape: Shape, wanted: Shape) -> tuple[Step, ...]:
    """Steps that bring a map to a shape: a pointwise convolution, and what lacks or is too much in front or behind."""
    steps: list[Step] = []
    if shape[0] != wanted[0]:
        steps.append(Layer("conv", {"out_channels": wanted[0], "kernel_size": 1}))
    for axis, (have, want) in enumerate(zip(shape[1:], wanted[1:], strict=True), 1):
        if have > want:
            start = draw(st.integers(0, have - want))
            steps.append(Layer("slice", {"axis": axis, "start": start, "stop": start + want}))
    lacking = [max(0, want - have) for have, want in zip(shape[1:], wanted[1:], strict=True)]
    if any(lacking):
        before = [draw(st.integers(0, count)) for count in lacking]
        after = [count - front for count, front in zip(lacking, before, strict=True)]
        steps.append(Layer("pad", {"before": before, "after": after}))
    return tuple(steps)


def draw_branch(draw: Draw, shape: Shape, wanted: Shape | None) -> tuple[Step, ...]:
    steps, shape = draw_chain(draw, shape, most=2, joins=False)
    return steps if wanted is None or len(shape) != len(wanted) else (*steps, *fitted(draw, shape, wanted))


def draw_join(draw: Draw, shape: Shape) -> Step:
    """Branches, brought to the shape of the value that they start from."""
    word = draw(st.sampled_from(["add", "add", "concat", "multiply"]))
    branches: list[tuple[Step, ...]] = [() for _ in range(draw(st.integers(0, 1)))]
    while len(branches) < 2:
        branch = draw_branch(draw, shape, shape)
        ending = shape
        for step in branch:
            ending = shape_after(step, ending)
        branches.append(branch if ending == shape else ())
    return Joined(word, tuple(draw(st.permutations(branches))))


def draw_chain(draw: Draw, shape: Shape, most: int, joins: bool) -> tuple[tuple[Step, ...], Shape]:
    """Steps one behind the other, while the map stays small."""
    steps: list[Step] = []
    for _ in range(draw(st.integers(most // 2, most))):
        if len(shape) < 2:
            break
        form = draw(st.sampled_from(["layer", "layer", "layer", "join", "join", "input"])) if joins else "layer"
        step: Step = FurtherInput("add") if form == "input" else draw_layer(draw, shape)
        if form == "join":
            step = draw_join(draw, shape)
        after = shape_after(step, shape)
        if elements(after) > MOST_ELEMENTS or after[0] > 4 * MOST_CHANNELS:
            break
        steps.append(step)
        shape = after
    return tuple(steps), shape


@st.composite
def field_plans(draw: Draw) -> Plan:
    rank = draw(st.sampled_from([1, 1, 2, 2, 2, 3]))
    sizes = tuple(draw(st.integers(SMALLEST, LARGEST[rank])) for _ in range(rank))
    channels = draw(st.integers(1, MOST_CHANNELS))
    steps, _ = draw_chain(draw, (channels, *sizes), most=6, joins=True)
    return Plan(channels, sizes, (*steps, Layer("flatten")) if draw(st.integers(0, 9)) == 0 else steps)


def field_graphs() -> st.SearchStrategy[Graph]:
    """A random network for receptive fields."""
    return field_plans().map(build)
