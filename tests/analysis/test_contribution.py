"""Contributions: worked numbers, and path counts held against an enumeration, against gradients, and against what is
touched."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import product
from math import comb, prod, sqrt
from time import process_time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convcost import load
from convcost.analysis.axis_map import positions_read
from convcost.analysis.cells import landing
from convcost.analysis.contribution import Contribution, contribution
from convcost.analysis.receptive_field import receptive_fields
from convcost.analysis.touched import touched
from convcost.graph import Builder, Graph
from convcost.ops.reads import AxisRead
from stacks import conv, stack, step
from strategies import graphs


def seen(graph: Graph, *unit: int, name: str = "") -> Contribution:
    """The contributions to a unit of a layer, or of the last."""
    places = [number for number, node in enumerate(graph.nodes) if node.name == name or not name]
    return contribution(graph, receptive_fields(graph), places[-1], unit)


def line(*kernels: int, dilations: tuple[int, ...] = (), size: int = 64) -> Graph:
    """Convolutions of one axis, one behind the other, without padding."""
    rates = dilations or (1,) * len(kernels)
    convs = [
        conv(f"c{number}", kernel_size=kernel, dilation=rate, padding=0, out_channels=1)
        for number, (kernel, rate) in enumerate(zip(kernels, rates, strict=True))
    ]
    return stack(*convs, shape=(1, size))


def test_two_windows_of_three() -> None:
    # 1 1 1 convolved with 1 1 1; mean 2 of the places 0..4: variance (4 + 2 + 0 + 2 + 4) / 9 = 12/9
    found = seen(line(3, 3), 7)
    assert (found.starts, found.sizes, found.profile(0)) == ((7,), (5,), [1, 2, 3, 2, 1])
    assert found.plane() == [found.row()] == [[1, 2, 3, 2, 1]]
    assert (found.total, found.largest, found.smallest, found.is_equal) == (9, 3, 1, False)
    assert found.deviation(0) == sqrt(12 / 9)
    # the middle half lies from 1.25 to 3.75: 3/4 of 2, all of 3, 3/4 of 2
    assert found.middle_half(0) == Fraction(6, 9)


@pytest.mark.parametrize("depth", [1, 4, 9, 60])
def test_windows_of_two_are_binomial(depth: int) -> None:
    found = seen(line(*[2] * depth), 0)
    assert found.profile(0) == [comb(depth, place) for place in range(depth + 1)]
    # a binomial of n halves has the variance n/4
    assert found.deviation(0) == pytest.approx(sqrt(depth) / 2, rel=1e-15)


def test_numbers_beyond_a_machine_word_are_exact() -> None:
    found = seen(line(*[3] * 200, size=500), 10)
    assert found.total == 3**200
    assert found.smallest == 1
    assert found.largest == sum(comb(200, k) * comb(200 - k, k) for k in range(101))  # the middle trinomial coefficient


def test_two_axes_are_the_product_of_their_profiles() -> None:
    graph = stack(*(conv(f"c{number}", kernel_size=(3, 2), padding=0) for number in range(2)))
    found = seen(graph, 1, 2)
    assert found.starts == (1, 2)
    assert found.plane() == [[a * b for b in (1, 2, 1)] for a in (1, 2, 3, 2, 1)]
    assert found.row(3) == [3, 6, 3]  # row 3 is the third
    assert found.profile(0) == [4 * a for a in (1, 2, 3, 2, 1)]
    assert found.profile(1) == [9 * b for b in (1, 2, 1)]


def test_three_axes_are_summed_over_the_first_for_a_plane() -> None:
    found = seen(stack(conv("c", kernel_size=(2, 3, 1), padding=0), shape=(1, 5, 5, 5)), 1, 1, 1)
    assert (found.starts, found.sizes) == ((1, 1, 1), (2, 3, 1))
    assert found.plane() == [[2], [2], [2]]
    assert found.row(2, 3) == [1]


def test_a_stride_behind_leaves_the_paths_of_each_tap() -> None:
    # taps of the second at places 0, 1, 2, each reading 0..2 behind twice its place: 0 1 2, 2 3 4, 4 5 6
    graph = stack(conv("a", kernel_size=3, stride=2, padding=0), conv("b", kernel_size=3, padding=0), shape=(1, 20))
    found = seen(graph, 1)
    assert (found.starts, found.profile(0)) == ((2,), [1, 1, 2, 1, 2, 1, 1])


def test_a_transposed_convolution_by_phase() -> None:
    # output q reads i where q - 2 i is a tap of 0..2: even ones q/2 - 1 and q/2, odd ones (q - 1)/2 alone
    graph = stack(
        step("conv_transpose", "up", out_channels=1, kernel_size=3, stride=2),
        conv("c", kernel_size=2, padding=0),
        shape=(1, 9),
    )
    assert seen(graph, 6, name="up").profile(0) == [1, 1]
    assert seen(graph, 7, name="up").profile(0) == [1]
    # outputs 6 and 7 read 2, 3 and 3
    assert (seen(graph, 6).starts, seen(graph, 6).profile(0)) == ((2,), [1, 2])


def test_branches_add_up() -> None:
    b = Builder()
    x = b.input((4, 12))
    wide = b.conv(x, out_channels=4, kernel_size=5, padding=2)
    b.add(x, wide, b.conv(x, out_channels=4, kernel_size=1))
    found = seen(b.graph(), 6)
    assert (found.starts, found.profile(0)) == ((4,), [1, 1, 3, 1, 1])


def test_a_gate_is_a_path_from_every_cell() -> None:
    b = Builder()
    x = b.input((4, 6, 6))
    gate = b.conv(b.global_avg_pool(x), out_channels=4, kernel_size=1)
    b.conv(b.multiply(x, gate), out_channels=2, kernel_size=3, padding=1)
    found = seen(b.graph(), 2, 2)
    # each of the 9 taps reads its own cell, and all cells through the gate
    assert found.plane() == [[10 if 1 <= i <= 3 and 1 <= j <= 3 else 9 for j in range(6)] for i in range(6)]
    assert found.total == 9 * 36 + 9


def test_behind_an_operator_that_reads_all_of_a_map_it_ends_at_its_borders() -> None:
    graph = stack(conv("c", kernel_size=3, padding=1), step("global_avg_pool", "pool"), shape=(1, 4))
    # windows at 0..3 read -1..1, 0..2, 1..3, 2..4, of which -1 and 4 are padding
    found = seen(graph)
    assert (found.starts, found.profile(0)) == ((0,), [2, 3, 3, 2])


def test_axes_that_change_places_are_followed() -> None:
    turned = stack(conv("c", kernel_size=(1, 3), padding=0), step("permute", "turn", dims=(0, 2, 1)), shape=(1, 5, 7))
    found = seen(turned, 4, 2)  # column 4, row 2
    assert (found.starts, found.plane()) == ((2, 4), [[1, 1, 1]])


def test_an_axis_that_leads_to_the_input_through_one_branch_alone_is_cut_as_well() -> None:
    # of the 2 x 2 products of rows the first is kept: row 0, times row 0
    b = Builder()
    x = b.input((1, 2, 1))
    b.crop(b.matmul(x, b.permute(x, dims=(0, 2, 1))), size=(1, 1))
    assert list(seen(b.graph(), 0).counts.cells()) == [((0, 0), 2)]


def test_the_channels_of_a_shift_are_not_told_apart() -> None:
    found = seen(stack(step("shift", "s", kernel_size=3), shape=(9, 8, 8)), 4, 4)
    assert (found.starts, found.plane()) == ((3, 3), [[1, 1, 1]] * 3)


def test_the_input_contributes_to_itself_and_to_nothing_beside_it() -> None:
    b = Builder()
    x, other = b.input((1, 5)), b.input((1, 5), name="other")
    b.relu(other)
    graph = b.graph()
    fields = receptive_fields(graph)
    assert contribution(graph, fields, 0, (3,)).profile(0) == [1]
    nothing = contribution(graph, fields, len(graph.nodes) - 1, ())
    assert (nothing.total, nothing.sizes, nothing.profile(0), nothing.plane()) == (0, (0,), [], [[]])
    assert (nothing.deviation(0), nothing.middle_half(0), nothing.largest) == (0, 0, 0)
    assert x.position == 0


@pytest.mark.parametrize(("kernel", "depth"), [(2, 4), (2, 9), (3, 3), (4, 3), (5, 2)])
def test_dilations_of_powers_of_the_kernel_contribute_equally(kernel: int, depth: int) -> None:
    # a place below k^n is written in one way with n digits in base k, which are the taps
    dilations = tuple(kernel**level for level in range(depth))
    found = seen(line(*[kernel] * depth, dilations=dilations, size=700), 3)
    assert found.profile(0) == [1] * kernel**depth
    assert found.is_equal
    assert found.middle_half(0) == Fraction(1, 2)
    # the places 0..m - 1, alike, have the variance (m^2 - 1) / 12
    assert found.deviation(0) == pytest.approx(sqrt((kernel ** (2 * depth) - 1) / 12), rel=1e-15)


def test_other_dilations_do_not() -> None:
    # taps -1, 0, 1 of dilation 1 and 2: 1 1 2 1 2 1 1 (places -3..3); with -4, 0, 4 added, three copies 4 apart:
    # 1 1 2 1 2 1 1
    #         1 1 2 1 2 1 1
    #                 1 1 2 1 2 1 1
    found = seen(line(3, 3, 3, dilations=(1, 2, 4)), 3)
    assert found.profile(0) == [1, 1, 2, 1, 3, 2, 3, 1, 3, 2, 3, 1, 2, 1, 1]
    assert not found.is_equal


def test_equal_taps_with_holes_contribute_equally() -> None:
    # 2 2: places 0, 2, 4 of each: 0 2 4 6 8 in 1 2 3 2 1 ways; 1 3 alike, without a hole; 2 6: 1 way each, with holes
    assert seen(line(3, 3, dilations=(2, 2)), 0).profile(0) == [1, 0, 2, 0, 3, 0, 2, 0, 1]
    holes = seen(line(3, 3, dilations=(2, 6)), 0)
    assert holes.profile(0) == [1, 0] * 8 + [1]
    assert holes.is_equal


def test_the_stack_of_dilatednet_counts_its_middle_most() -> None:
    dilations = (1, 1, 2, 4, 8, 16, 1)
    found = seen(line(*[3] * 7, dilations=dilations, size=80), 3)
    assert (found.sizes, found.total, found.smallest) == ((67,), 3**7, 1)
    assert not found.is_equal
    ways: Counter[int] = Counter()
    for taps in product((0, 1, 2), repeat=7):
        ways[sum(tap * rate for tap, rate in zip(taps, dilations, strict=True))] += 1
    assert found.profile(0) == [ways[place] for place in range(67)]


def test_the_context_module_itself() -> None:
    graph = stack(step("dilated_context", "context"), shape=(1, 80, 80))
    profile = seen(line(*[3] * 7, dilations=(1, 1, 2, 4, 8, 16, 1), size=80), 3).profile(0)
    assert seen(graph, 40, 40).plane() == [[a * b for b in profile] for a in profile]


def test_resnet_50_takes_no_time() -> None:
    graph = load("resnet50")
    fields = receptive_fields(graph)
    names = [node.name for node in graph.nodes]
    last = names.index("layer4.bottleneck_block2.1.add_act")
    started = process_time()
    found = contribution(graph, fields, last, (3, 3))
    assert process_time() - started < 2
    assert found.sizes == (427, 427)
    # 49 taps and 9 of the pool; each of the 16 blocks a window of 9 or its shortcut
    assert found.total == 49 * 9 * 10**16
    assert found.plane() == [list(row) for row in zip(*found.plane(), strict=True)]


class Enumeration:
    """The paths from each cell to an element, counted from the element back along the axes that lead to the input."""

    def __init__(self, graph: Graph, fields: Any) -> None:
        self.graph, self.known = graph, {}
        self.axes = [sorted(axis.axis for axis in field.axes if axis.axis is not None) for field in fields]

    def __call__(self, number: int, place: tuple[int, ...], bounded: bool = False) -> Counter[tuple[int, ...]]:
        if number == 0:
            return Counter({place: 1})
        key = number, place, bounded
        if key not in self.known:
            node, at = self.graph.nodes[number], dict(zip(self.axes[number], place, strict=True))
            self.known[key] = Counter()
            reads = node.op.reads(self.graph.input_shapes(node), node.shape)
            for before, products in zip(node.inputs, reads, strict=True):
                for one in products:
                    sizes = self.graph.nodes[before].shape
                    whole = (one[axis].axis is None and sizes[axis] != 1 for axis in self.axes[before])
                    ends = bounded or any(whole)
                    for cell in product(*(cells(one[axis], sizes[axis], at, ends) for axis in self.axes[before])):
                        self.known[key] += self(before, cell, ends)
        return self.known[key]


def cells(read: AxisRead, size: int, at: dict[int, int], bounded: bool) -> list[int]:
    """The positions of an axis that an element at these places reads."""
    if read.axis is None:
        return list(range(size))
    reached = positions_read(read, at[read.axis])
    return [to for to in (landing(to, size, read.border) for to in reached) if to >= 0] if bounded else list(reached)


LAYERS = (
    (
        "conv",
        st.fixed_dictionaries(
            {
                "kernel_size": st.integers(1, 3),
                "stride": st.integers(1, 2),
                "padding": st.just(1),
                "dilation": st.integers(1, 2),
                "out_channels": st.just(2),
            }
        ),
    ),
    (
        "conv_transpose",
        st.fixed_dictionaries(
            {"kernel_size": st.integers(1, 3), "stride": st.integers(1, 3), "out_channels": st.just(2)}
        ),
    ),
    (
        "max_pool",
        st.fixed_dictionaries({"kernel_size": st.integers(2, 3), "stride": st.integers(1, 2), "padding": st.just(1)}),
    ),
    ("upsample", st.fixed_dictionaries({"scale_factor": st.integers(1, 2)})),
    (
        "pad",
        st.fixed_dictionaries(
            {
                "before": st.just(1),
                "after": st.just(1),
                "mode": st.sampled_from(["constant", "reflect", "replicate", "circular"]),
            }
        ),
    ),
    ("pixel_shuffle", st.just({"upscale_factor": 1})),
)


@st.composite
def local_graphs(draw: st.DrawFn) -> Graph:
    """A few layers on one or two axes, some beside a shortcut, some with a gate, some with a global end."""
    rank = draw(st.integers(1, 2))
    b = Builder()
    x = b.input((2, *(draw(st.integers(4, 7)) for _ in range(rank))))
    for _ in range(draw(st.integers(1, 3))):
        word, fields = draw(st.sampled_from(LAYERS))
        given_fields = draw(fields)
        if min(x.shape[1:]) < 4:
            break
        x = b.apply(word, x, **given_fields)
        if draw(st.booleans()):
            x = b.add(x, b.conv(x, out_channels=2, kernel_size=3, padding=1))
        if draw(st.integers(0, 3)) == 0:
            x = b.multiply(x, b.sigmoid(b.global_avg_pool(x)))
    if draw(st.integers(0, 3)) == 0:
        b.global_avg_pool(x)
    return b.graph()


@settings(max_examples=60, deadline=None)
@given(local_graphs(), st.data())
def test_counts_are_those_of_an_enumeration(graph: Graph, data: st.DataObject) -> None:
    fields = receptive_fields(graph)
    last = len(graph.nodes) - 1
    axes = sorted(axis.axis for axis in fields[last].axes if axis.axis is not None)
    unit = [data.draw(st.integers(0, graph.nodes[last].shape[axis] - 1)) for axis in axes]
    found = contribution(graph, fields, last, unit)
    assert dict(found.counts.cells()) == Enumeration(graph, fields)(last, tuple(unit))
    assert found.total == sum(map(sum, found.plane())) == sum(found.profile(0))


@settings(max_examples=150, deadline=None)
@given(graphs(), st.data())
def test_a_cell_has_a_path_exactly_if_it_is_touched(graph: Graph, data: st.DataObject) -> None:
    fields = receptive_fields(graph)
    number = data.draw(st.integers(0, len(graph.nodes) - 1))
    field = fields[number]
    if field is None:
        return
    axes = sorted(axis.axis for axis in field.axes if axis.axis is not None)
    unit = [data.draw(st.integers(0, graph.nodes[number].shape[axis] - 1)) for axis in axes]
    found = contribution(graph, fields, number, unit)
    cells = touched(graph, fields, number, unit, bounded=False)
    counted = {place for place, _ in found.counts.cells()}
    for box in cells.cells:
        assert set(product(*box)) <= counted
    if not takes_channels_apart(graph):
        assert len(counted) == cells.count
        assert found.at_most == cells.at_most


def takes_channels_apart(graph: Graph) -> bool:
    """Whether some of a map's channels may be read without the others."""
    reads = [node.op.reads(graph.input_shapes(node), node.shape) for node in graph.layers]
    several = any(len(products) > 1 for of_node in reads for products in of_node)
    partial = any(read.partial for of_node in reads for products in of_node for one in products for read in one)
    return several or partial or any(node.op.word in ("slice", "split") for node in graph.layers)


def test_counts_are_the_gradients_of_ones() -> None:
    torch = pytest.importorskip("torch")
    from convcost.pytorch.build import build

    b = Builder()
    x = b.conv(b.input((1, 40, 40)), out_channels=1, kernel_size=(3, 2), stride=2, bias=False)
    x = b.add(x, b.conv(x, out_channels=1, kernel_size=(3, 1), padding=(1, 0), bias=False))
    x = b.conv_transpose(x, out_channels=1, kernel_size=4, stride=(3, 2), bias=False)
    b.conv(x, out_channels=1, kernel_size=3, dilation=(2, 3), padding=2, bias=False)
    graph = b.graph()
    network = build(graph).double()
    for parameter in network.parameters():
        torch.nn.init.ones_(parameter)
    image = torch.ones(1, 1, 40, 40, dtype=torch.float64, requires_grad=True)
    result = network(image)
    for unit in [(20, 15), (21, 16), (22, 14)]:
        (gradient,) = torch.autograd.grad(result[(0, 0, *unit)], image, retain_graph=True)
        found = seen(graph, *unit)
        (top, left), (rows, columns) = found.starts, found.sizes
        assert gradient[0, 0, top : top + rows, left : left + columns].tolist() == found.plane()
        assert gradient.sum() == found.total
    assert prod(found.sizes) > 30
