"""Networks whose receptive fields are known: those that other tools miss, published ones, and graphs with branches."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

import convcost.blocks  # noqa: F401 - registers the blocks
from commands import ROOT
from convcost.analysis.receptive_field import AxisField, Field, receptive_fields
from convcost.analysis.touched import touched
from convcost.frontends.load import load_spec
from convcost.graph import Builder, Graph, Value
from stacks import conv, stack, step


def field_of(graph: Graph, name: str | None = None) -> Field:
    """The field of the node of that name, or of the last node."""
    place = len(graph.nodes) - 1 if name is None else [node.name for node in graph.nodes].index(name)
    found = receptive_fields(graph)[place]
    assert found is not None
    return found


def bundled(name: str) -> Graph:
    return load_spec(str(ROOT / "specs" / f"{name}.yaml")).graph


def told(axis: AxisField) -> tuple[Any, ...]:
    """Size, stride, effective padding: as other tools print it."""
    return axis.size, axis.stride, axis.padding


def both(field: Field, *expected: Any) -> bool:
    return [told(axis) for axis in field.axes] == [expected, expected]


# Seven networks, of which every tool that was measured misses some


def test_vgg16_up_to_its_last_pool() -> None:
    # 3x3 convolutions and pools of 2: (6, 16, 44, 100, 212), each padded by 1 x the step
    assert both(field_of(bundled("vgg16"), "max_pool5"), 212, 32, 90)


def test_dilation_moves_the_start() -> None:
    graph = stack(conv("first", dilation=2, padding=2), conv("second", stride=2))
    field = field_of(graph)
    # 5 + 2 x 1 = 7; the start is -2 - 1 = -3, so that the first output is centred on the first pixel
    assert both(field, 7, 2, 3)
    assert [axis.centre(0) for axis in field.axes] == [0, 0]
    assert [axis.centre(1) for axis in field.axes] == [2, 2]


def test_branches_do_not_add_up() -> None:
    b = Builder()
    x = b.input((3, 32, 32))
    small = b.conv(x, out_channels=4, kernel_size=3, padding=1)
    large = b.conv(x, out_channels=4, kernel_size=7, padding=3)
    b.conv(b.add(small, large), out_channels=4, kernel_size=3, padding=1)
    field = field_of(b.graph())
    assert both(field, 9, 1, 4)  # 7 + 2
    assert [(axis.shortest, axis.longest) for axis in field.axes] == [(5, 9)] * 2
    assert field.aligned


def test_behind_a_transposed_convolution() -> None:
    graph = stack(
        conv("down", stride=2),
        step("conv_transpose", "up", out_channels=4, kernel_size=4, stride=2, padding=1),
        conv("last"),
    )
    up, last = field_of(graph, "up"), field_of(graph)
    # of 4 taps an output meets 2: output 0 reads -1 and 0, which see -3..-1 and -1..1
    assert [up.axes[0].at(place) for place in range(3)] == [(-3, 1), (-1, 3), (-1, 3)]
    # 3 outputs in a row meet 3 of these: 3 + 2 x 2
    assert last.size == (7, 7)
    assert [last.axes[0].at(place) for place in range(4)] == [(-3, 3), (-3, 3), (-1, 5), (-1, 5)]
    assert [axis.stride for axis in last.axes] == [1, 1]


def test_kernels_need_not_be_square() -> None:
    field = field_of(stack(conv("row", kernel_size=[1, 7], padding=[0, 3])))
    assert [told(axis) for axis in field.axes] == [(1, 1, 0), (7, 1, 3)]


def test_a_classifier_sees_the_whole_image() -> None:
    graph = stack(conv("conv"), step("flatten", "flat"), step("linear", "classes", out_features=5), shape=(3, 12, 10))
    field = field_of(graph)
    assert field.size == (12, 10)
    assert field.is_global
    assert [(axis.whole, axis.local_size, axis.start, axis.stride) for axis in field.axes] == [(True, 3, 0, None)] * 2


def test_resnet18_up_to_its_second_stage() -> None:
    graph = bundled("resnet18")
    last = [node.name for node in graph.nodes if node.name.startswith("layer2.")][-1]
    # 7; the pool: 7 + 2 x 2 = 11; layer1: 11 + 4 x 8 = 43; layer2: 43 + 8 + 3 x 16 = 99
    assert both(field_of(graph, last), 99, 8, 49)


# Published networks


def test_resnet50_of_torchvision() -> None:
    graph = bundled("resnet50")
    last = [node.name for node in graph.nodes if node.name.startswith("layer4.")][-1]
    field = field_of(graph, last)
    assert [(axis.size, axis.stride) for axis in field.axes] == [(427, 32)] * 2
    assert field.aligned


def test_wavenet_by_default() -> None:
    field = field_of(bundled("wavenet"))
    assert field.size == (5117,)  # 1 + (2 - 1) + 5 x 1,023
    # a path through the 1x1 of the first layer alone meets the first convolution and one kernel of 2
    assert [axis.shortest for axis in field.axes] == [3]


@pytest.mark.parametrize(("blocks", "size"), [(1, 1024), (3, 3070)])
def test_blocks_of_wavenet(blocks: int, size: int) -> None:
    dilations = [2**power for power in range(10)]
    graph = stack(step("wavenet_stack", "stack", dilations=dilations, blocks=blocks), shape=(4, 4000))
    assert field_of(graph).size == (size,)  # 1 + blocks x 1,023


def test_the_context_module_layer_by_layer() -> None:
    graph = stack(step("dilated_context", "context"), shape=(4, 80, 80))
    fields = [field for field in receptive_fields(graph) if field and field.node.op.word == "conv"]
    assert [field.size for field in fields] == [(size, size) for size in (3, 5, 9, 17, 33, 65, 67, 67)]


# Gridding: what the interval hides


def dilated(*rates: int) -> Graph:
    size = 1 + 2 * sum(rates)
    return stack(
        *[conv(f"conv{number}", dilation=rate, padding=rate) for number, rate in enumerate(rates)],
        shape=(2, size, size),
    )


@pytest.mark.parametrize(
    ("rates", "size", "count"),
    [
        ((2, 2, 2), 13, 49),  # every second row and column: 7 x 7
        ((1, 1, 2, 4, 8, 16, 1), 67, 4489),
        ((1, 2, 4), 15, 225),
        ((1, 3, 9), 27, 729),
    ],
)
def test_dilations_that_share_a_factor_leave_gaps(rates: tuple[int, ...], size: int, count: int) -> None:
    graph = dilated(*rates)
    fields = receptive_fields(graph)
    last = len(graph.nodes) - 1
    field = fields[last]
    assert field is not None
    assert field.size == (size, size)
    middle = (size // 2, size // 2)
    found = touched(graph, fields, last, middle, bounded=False)
    assert (found.count, found.ends) == (count, ((0, size - 1), (0, size - 1)))
    assert not (field.dense and count < size**2)


# Joins: what agrees and what does not


def beside(size: int, **shortcut: Any) -> Graph:
    """A 3x3 convolution of stride 2 with TensorFlow's padding, beside a 1x1 shortcut of stride 2."""
    b = Builder()
    x = b.input((4, size, size))
    main = b.conv(x, name="main", out_channels=4, kernel_size=3, stride=2, padding="same_tf")
    b.add(main, b.conv(x, name="shortcut", out_channels=4, kernel_size=1, stride=2), name="join")
    return b.graph()


def test_same_padding_at_an_even_size_moves_a_branch_by_a_pixel() -> None:
    # 16 positions: (8 - 1) 2 + 3 - 16 = 1 is lacking, all of it behind: the window starts at 0, centred on 1
    found = field_of(beside(16)).disagreement
    assert found is not None
    assert (found.node, found.first, found.second) == ("join", "main", "shortcut")
    assert found.offset == (-1, -1)
    assert found.strides == ((2, 2), (2, 2))
    assert [told(axis) for axis in field_of(beside(16)).axes] == [(3, 2, 0)] * 2  # the union is given all the same


def test_same_padding_at_an_odd_size_agrees() -> None:
    # 17 positions: (9 - 1) 2 + 3 - 17 = 2 is lacking, 1 on each side
    assert both(field_of(beside(17)), 3, 2, 1)
    assert field_of(beside(17)).aligned


def test_causal_layers_lie_half_a_dilation_before_their_shortcut() -> None:
    found = field_of(bundled("wavenet")).disagreement
    assert found is not None
    assert (found.node, found.first, found.second) == ("stack.layer0.add", "stack.layer0.latest", "stack.layer0.dense")
    assert found.offset == (Fraction(-1, 2),)  # the shortcut sees sample t, the kernel of 2 samples t - 1 and t


def test_what_follows_keeps_the_first_disagreement() -> None:
    b = Builder()
    x = b.input((4, 16, 16))
    main = b.conv(x, name="main", out_channels=4, kernel_size=3, stride=2, padding="same_tf")
    first = b.add(main, b.conv(x, name="shortcut", out_channels=4, kernel_size=1, stride=2), name="first")
    again = b.conv(first, name="again", out_channels=4, kernel_size=3, stride=2, padding="same_tf")
    b.add(again, b.conv(first, out_channels=4, kernel_size=1, stride=2), name="second")
    field = field_of(b.graph(), "again"), field_of(b.graph())
    assert [one.disagreement.node for one in field if one.disagreement] == ["first", "first"]


def test_branches_of_other_strides() -> None:
    b = Builder()
    x = b.input((4, 16))
    fine = b.conv(x, name="fine", out_channels=4, kernel_size=9)
    coarse = b.conv(x, name="coarse", out_channels=4, kernel_size=2, stride=2)
    b.add(fine, coarse, name="join")
    field = field_of(b.graph())
    assert field.disagreement is not None
    assert (field.disagreement.offset, field.disagreement.strides) == ((None,), ((1,), (2,)))
    (axis,) = field.axes
    assert axis.stride is None
    # positions 0 and 7: 0..8 with 0..1, and 7..15 with 14..15
    assert (axis.at(0), axis.at(7)) == ((0, 8), (7, 15))


# Graphs with branches, as google-research/receptive_field tests


def front_padded(b: Builder, x: Value) -> Value:
    """A 3x3 convolution of stride 2, padded in front alone."""
    padded = b.pad(x, before=1, after=0)
    return b.conv(padded, out_channels=1, kernel_size=3, stride=2)


def unpadded(b: Builder, x: Value) -> Value:
    return b.conv(x, out_channels=1, kernel_size=3, stride=2)


def first_join(right: Callable[[Builder, Value], Value]) -> tuple[Builder, Value]:
    """A 1x1 of stride 4 beside a 3x3 of stride 2 and a 1x1 of stride 2."""
    b = Builder()
    x = b.input((1, 32, 32))
    left = b.conv(x, name="left", out_channels=1, kernel_size=1, stride=4)
    return b, b.add(left, b.conv(right(b, x), name="right", out_channels=1, kernel_size=1, stride=2))


def test_an_aligned_join() -> None:
    b, _ = first_join(front_padded)
    field = field_of(b.graph())
    assert both(field, 3, 4, 1)
    assert field.aligned


def test_an_unaligned_join() -> None:
    b, _ = first_join(unpadded)
    found = field_of(b.graph()).disagreement
    assert found is not None
    assert found.offset == (1, 1)
    assert (found.first, found.second) == ("left", "right")


def test_an_add_behind_an_add() -> None:
    b, x = first_join(front_padded)
    b.add(b.conv(x, out_channels=1, kernel_size=1, stride=2), front_padded(b, x))
    field = field_of(b.graph())
    assert both(field, 11, 8, 5)  # 3 + 2 x 4 = 11; 1 + 1 x 4 = 5
    assert field.aligned


def test_kernels_of_two_sizes() -> None:
    field = field_of(stack(conv("a", kernel_size=[3, 5], padding=[1, 2]), conv("b")))
    assert [told(axis) for axis in field.axes] == [(5, 1, 2), (7, 1, 3)]


def test_the_field_in_a_value_within_the_network() -> None:
    graph = stack(conv("a", stride=2), conv("b", stride=2), conv("c"))
    assert both(field_of(graph), 15, 4, 7)
    part = graph.part(2, 3)
    assert both(field_of(part), 7, 2, 3)  # in the values of "a": 3 + 2 x 2
