"""Tiles against execution: a network with random weights, run on tiles and on the whole image."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

import convcost.blocks  # noqa: F401 - registers the blocks
from convcost.analysis.receptive_field import receptive_fields
from convcost.analysis.tiling import AxisTiling, Tiling, tiling
from convcost.errors import GraphError
from convcost.frontends.load import load
from convcost.graph import Builder, Graph
from stacks import conv, stack, step
from strategies.draw import LARGEST_CHANNELS, Draw, Shape
from strategies.plan import Joined, Layer, Plan, Step, build, shape_after
from strategies.tables import TABLES

torch = pytest.importorskip("torch")

from convcost.pytorch.build import build as network_of  # noqa: E402

Tensor = Any
EXAMPLES = 400 if os.environ.get("CI") else 60
TOLERANCE = 1e-12
"""Of the largest result: a convolution of another size may add in another order."""


class Run:
    """The results on a whole random image, and on any tile of it."""

    def __init__(self, found: Tiling) -> None:
        torch.manual_seed(7)
        self.tiling = found
        whole = network_of(found.whole).double()
        for tensor in whole.parameters():
            torch.nn.init.normal_(tensor)
        for name, tensor in whole.named_buffers():
            if "running" in name:
                torch.nn.init.uniform_(tensor, 0.5, 1.5)
        self.network = network_of(found.network).double()
        self.network.load_state_dict(whole.state_dict())
        (source,) = found.whole.inputs
        self.image = torch.randn(1, *source.shape, dtype=torch.float64)
        self.front = len(source.shape) - len(found.axes) + 1
        with torch.no_grad():
            self.expected = whole(self.image.clone())  # what works in place writes over it

    def on_tile(self, starts: tuple[int, ...]) -> Tensor:
        part = self.image
        for number, (axis, start) in enumerate(zip(self.tiling.axes, starts, strict=True), self.front):
            part = part.narrow(number, start, axis.tile)
        with torch.no_grad():
            return self.network(part.clone())

    def assembled(self) -> Tensor:
        """The results of all tiles put together; what no tile gives is no number."""
        result = torch.full_like(self.expected, float("nan"))
        axes = [axis.axis + 1 for axis in self.tiling.axes]
        for pieces in product(*(axis.pieces() for axis in self.tiling.axes)):
            found = self.on_tile(tuple(piece.start for piece in pieces))
            there = result
            for axis, piece in zip(axes, pieces, strict=True):
                count = min(piece.stop, found.shape[axis]) - piece.first
                found = found.narrow(axis, piece.first, count)
                there = there.narrow(axis, piece.place, count)
            there.copy_(found)
        return result

    def is_same(self, result: Tensor) -> bool:
        return bool(((result - self.expected).abs() <= TOLERANCE * self.expected.abs().max()).all())

    def right_along(self, number: int) -> tuple[bool, ...]:
        """Which outputs of an inner tile are right along an axis, where they are trusted along the others."""
        axes = self.tiling.axes
        starts = tuple(inner_start(axis) for axis in axes)
        found, expected = self.on_tile(starts), self.expected
        for axis, start in zip(axes, starts, strict=True):
            dim = axis.axis + 1
            if axis.stride is not None:
                expected = expected.narrow(dim, int(start / axis.stride), axis.tile_output)
            if axis is not axes[number]:
                count = axis.tile_output - axis.front - axis.back
                found, expected = (tensor.narrow(dim, axis.front, count) for tensor in (found, expected))
        right = (found - expected).abs() <= TOLERANCE * self.expected.abs().max()
        others = [dim for dim in range(right.dim()) if dim != axes[number].axis + 1]
        return tuple(right.permute(axes[number].axis + 1, *others).flatten(1).all(1).tolist())


def inner_start(axis: AxisTiling) -> int:
    """Where a tile that is cut at both ends can start."""
    return (axis.image - axis.tile) // axis.alignment // 2 * axis.alignment


def with_less_overlap(found: Tiling, number: int) -> Tiling:
    """The same, of which tiles along an axis share one alignment less."""
    axes = list(found.axes)
    axes[number] = axes[number].replace(step=axes[number].step + axes[number].alignment)
    return found.replace(axes=tuple(axes))


def vgg_like() -> Graph:
    return stack(
        conv("a", out_channels=4),
        step("relu", "ra"),
        conv("b", out_channels=4),
        step("max_pool", "pa", kernel_size=2),
        conv("c", out_channels=6),
        step("batch_norm", "norm"),
        step("relu", "rc"),
        step("max_pool", "pb", kernel_size=2),
        conv("d", out_channels=4),
        shape=(3, 64, 72),
    )


def resnet_stages() -> Graph:
    return stack(
        conv("stem", out_channels=4, kernel_size=7, stride=2, padding=3),
        step("max_pool", "pool", kernel_size=3, stride=2, padding=1),
        step("basic_block", "one", out_channels=4),
        step("bottleneck_block", "two", out_channels=8, stride=2),
        shape=(3, 168, 173),
    )


def dilated_stack() -> Graph:
    return stack(
        *(conv(f"d{rate}", out_channels=3, dilation=rate, padding=rate) for rate in (1, 2, 4)), shape=(2, 50, 41)
    )


def unet() -> Graph:
    """The bundled U-Net with 2 channels where it has 64 to 1024."""
    text = (Path(__file__).parents[2] / "specs" / "unet.yaml").read_text(encoding="utf-8")
    text = re.sub(r"channels: (64|128|256|512|1024)\b", "channels: 2", text).split("\nexpect:")[0]
    assert text.count("channels: 2") == 13
    return read(text, resolution=284)


def read(text: str, **variables: Any) -> Graph:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.yaml"
        path.write_text(text, encoding="utf-8")
        return load(str(path), **variables)


def same_tf() -> Graph:
    """TensorFlow's padding in front depends on the size: it is the same at every tile."""
    return stack(
        conv("a", out_channels=3, kernel_size=5, stride=2, padding="same_tf"),
        step("max_pool", "b", kernel_size=3, stride=2, padding="same_tf"),
        conv("c", out_channels=3, padding="same_tf"),
        shape=(2, 61, 70),
    )


def decoder() -> Graph:
    """Down and up again by several ways, joined with what was there."""
    b = Builder()
    x = b.conv(b.input((2, 56, 60)), out_channels=3, kernel_size=3, padding=1)
    low = b.conv(x, out_channels=4, kernel_size=3, stride=2, padding=1)
    ways = [
        b.conv_transpose(low, out_channels=2, kernel_size=3, stride=2, padding=1, output_padding=1),
        b.upsample(low, scale_factor=2, mode="bilinear"),
        b.upsample(low, size=(56, 60)),
        b.pixel_shuffle(low, upscale_factor=2),
    ]
    b.conv(b.concat(x, *ways), out_channels=2, kernel_size=3, padding=1)
    return b.graph()


def asymmetric() -> Graph:
    return stack(
        conv("a", kernel_size=(1, 7), padding=(0, 3), out_channels=3),
        conv("b", kernel_size=(5, 2), padding=0, stride=(3, 1), out_channels=3),
        shape=(2, 60, 30),
    )


def mirrored() -> Graph:
    """What stands at the border of the image is its own elements."""
    return stack(
        step("pad", "a", before=3, after=2, mode="reflect"),
        conv("b", out_channels=3, kernel_size=6, padding=0),
        step("pad", "c", before=1, after=1, mode="replicate"),
        conv("d", out_channels=3, padding=0),
        shape=(2, 40, 40),
    )


def ceiling() -> Graph:
    """Windows that hang over the border, and what does not count in their means."""
    return stack(
        step("avg_pool", "a", kernel_size=3, stride=2, padding=1, ceil_mode=True, count_include_pad=False),
        conv("b", out_channels=3),
        shape=(2, 43, 40),
    )


def wavenet() -> Graph:
    return stack(
        step("wavenet_stack", "stack", dilations=[1, 2, 4, 8], blocks=2, dilation_channels=3, skip_channels=4),
        step("relu", "last"),
        shape=(5, 120),
    )


def volume() -> Graph:
    return stack(
        conv("a", out_channels=2, stride=(2, 1, 1)), conv("b", out_channels=2, padding=0), shape=(1, 16, 13, 14)
    )


NETWORKS: dict[Callable[[], Graph], tuple[int, ...]] = {
    vgg_like: (32, 40),
    resnet_stages: (88, 77),
    dilated_stack: (20, 19),
    unet: (220,),
    same_tf: (33, 30),
    decoder: (18, 20),
    asymmetric: (20, 14),
    mirrored: (18,),
    ceiling: (15,),
    wavenet: (40,),
    volume: (9, 8, 7),
}


@pytest.fixture(params=NETWORKS, ids=lambda network: network.__name__, scope="module")
def run(request: pytest.FixtureRequest) -> Run:
    graph = request.param()
    end = graph.nodes.index(graph.outputs[-1])
    found = tiling(graph, receptive_fields(graph), end, NETWORKS[request.param])
    assert all(axis.count > 1 for axis in found.axes)
    return Run(found)


def test_tiles_give_the_whole(run: Run) -> None:
    assert run.is_same(run.assembled())


def test_an_alignment_less_of_overlap_does_not(run: Run) -> None:
    found = run.tiling
    for number, axis in enumerate(found.axes):
        assert axis.image - axis.tile > axis.step
        run.tiling = with_less_overlap(found, number)
        assert not run.is_same(run.assembled())
        run.tiling = found


def test_an_inner_tile_is_right_where_it_is_trusted_and_wrong_beside(run: Run) -> None:
    for number, axis in enumerate(run.tiling.axes):
        assert 0 < inner_start(axis) < axis.image - axis.tile
        right = run.right_along(number)
        last = axis.tile_output - axis.back
        assert all(right[axis.front : last])
        assert not axis.front or not right[axis.front - 1]
        assert not axis.back or not right[last]


LOCAL = (
    *("conv", "conv_transpose", "max_pool", "avg_pool", "depthwise", "dilated", "upsample", "pixel_shuffle", "pad"),
    *("shift", "crop", "slice", "batch_norm", "prelu", "flattened", "inception"),
)


@st.composite
def local_plans(draw: Draw) -> Plan:
    """Layers that see a part of the map, with branches around some of them."""
    rank = draw(st.integers(1, 2))
    sizes = tuple(draw(st.integers(6, 10)) for _ in range(rank))
    shape: Shape = (draw(st.integers(1, 4)), *sizes)
    channels, steps = shape[0], []
    for _ in range(draw(st.integers(1, 5))):
        if max(shape[1:]) > 20 or shape[0] > LARGEST_CHANNELS:
            break
        steps.append(draw_local(draw, shape))
        shape = shape_after(steps[-1], shape)
    return Plan(channels, sizes, tuple(steps))


def draw_local(draw: Draw, shape: Shape) -> Step:
    if draw(st.integers(0, 3)) == 0:
        rate = draw(st.integers(1, 2))
        window = {"out_channels": shape[0], "kernel_size": 3, "padding": rate, "dilation": rate}
        branches: list[tuple[Step, ...]] = [(), (Layer("conv", window),)]
        return Joined(draw(st.sampled_from(["add", "concat", "multiply"])), tuple(draw(st.permutations(branches))))
    word = draw(st.sampled_from(LOCAL))
    return Layer(word, TABLES[word](draw, shape))


def tilings(plan: Plan) -> Tiling | None:
    """The tiles of the last layer that can be tiled, of an image that leaves room for several."""
    sizes = tuple(size + 60 - 20 * len(plan.sizes) for size in plan.sizes)
    graph = build(plan, sizes)
    fields = receptive_fields(graph)
    for position in reversed(range(1, len(graph.nodes))):
        try:
            return tiling(graph, fields, position, [size * 2 // 3 for size in sizes])
        except GraphError:
            continue
    return None


def test_random_networks() -> None:
    seen = {"tilings": 0, "layers": 0, "cuts": 0}

    @seed(1)
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(local_plans())
    def check(plan: Plan) -> None:
        found = tilings(plan)
        if found is None:
            return
        run = Run(found)
        assert run.is_same(run.assembled())
        for number, axis in enumerate(found.axes):
            assert all(run.right_along(number)[axis.front : axis.tile_output - axis.back])
        seen["tilings"] += 1
        seen["layers"] += len(found.whole.layers)
        seen["cuts"] += any(axis.front or axis.back for axis in found.axes)

    check()
    # Most plans can be tiled, have more than one layer, and margins to get wrong.
    assert seen["tilings"] > EXAMPLES * 0.7
    assert seen["layers"] > 2 * seen["tilings"]
    assert seen["cuts"] > seen["tilings"] // 2
