"""Receptive fields against the gradients of real networks: random graphs, every operator, and by hand."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, given, seed, settings

from convcost.analysis import touched as touched_cells
from convcost.analysis.receptive_field import Field, receptive_fields
from convcost.analysis.touched import touched
from convcost.graph import Builder, Graph
from convcost.ops import OPERATORS
from strategies.fields import field_graphs

torch = pytest.importorskip("torch")

from convcost.pytorch import field_agreement, surrogate  # noqa: E402
from convcost.pytorch.field import Unit, supports  # noqa: E402
from convcost.pytorch.field_agreement import compare_fields, few_units, is_constant, mixed  # noqa: E402

PARTS = 10
EXAMPLES = 2_000 if os.environ.get("CI") else 200
Shape = tuple[int, ...]


def some_units(sizes: Sequence[int]) -> list[Shape]:
    """Every unit of a small map, and of others the corners, the middle, and some between."""
    every = list(product(*map(range, sizes)))
    return every if len(every) <= 8 else list(dict.fromkeys([*few_units(sizes), *every[:: len(every) // 4]]))


def all_units(sizes: Sequence[int]) -> list[Shape]:
    return list(product(*map(range, sizes)))


def differences(graph: Graph, units: Any = all_units, whole: bool = False) -> list[dict[str, Any]]:
    return [comparison.as_dict() for comparison in compare_fields(graph, units, whole) if comparison.disagrees]


def uneven_intervals(graph: Graph) -> list[tuple[str, Shape, Any, Any]]:
    """Where an interval is not from the first to the last cell that is touched on maps without borders."""
    found = []
    for source, node in enumerate(graph.nodes):
        fields: list[Field | None] = receptive_fields(graph, source) if node.is_input and len(node.shape) > 1 else []
        loose = mixed(graph, fields) if fields else set()
        for position, field in enumerate(fields):
            if field is None or field.at_most or is_constant(field) or position in loose:
                continue
            axes = field_agreement.spatial_axes(field)
            for unit in some_units([graph.nodes[position].shape[axis] for axis in axes]):
                at = dict(zip(axes, unit, strict=True))
                interval = tuple(axis.at(at[axis.axis] if axis.axis is not None else 0) for axis in field.axes)
                cells = touched(graph, fields, position, unit, False, source)
                if not cells.at_most and cells.ends != (() if None in interval else interval):
                    found.append((graph.nodes[position].name, unit, interval, cells.ends))
    return found


@pytest.mark.parametrize("part", range(PARTS))
def test_random_graphs_agree(part: int) -> None:
    @seed(part)
    @settings(max_examples=EXAMPLES // PARTS, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(field_graphs())
    def check(graph: Graph) -> None:
        assert differences(graph, some_units) == []
        assert uneven_intervals(graph) == []

    check()


@seed(0)
@settings(max_examples=EXAMPLES // 20, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(field_graphs())
def test_one_channel_stands_for_all_that_are_alike(graph: Graph) -> None:
    units = [Unit(position=position) for position in range(len(graph.nodes))]
    units += [Unit(position=p, places=((1, 0),)) for p, node in enumerate(graph.nodes) if len(node.shape) > 1]
    for short, full in zip(supports(graph, units), supports(graph, units, whole=True), strict=True):
        assert {source: there.tolist() for source, there in short.items()} == {
            source: there.tolist() for source, there in full.items()
        }


# ---- every operator, alone ----

Case = tuple[list[Shape], dict[str, Any]]
POINTWISE: list[Case] = [([(4, 5)], {}), ([(2, 3, 4)], {})]
WINDOWS: list[Case] = [
    ([(3, 9)], {"kernel_size": 3, "stride": 2, "padding": 1}),
    ([(2, 7, 6)], {"kernel_size": [1, 3], "stride": [2, 1]}),
    ([(1, 5, 6, 4)], {"kernel_size": [3, 2, 1], "padding": "same_tf", "stride": [3, 2, 1]}),
]
POOLS: list[Case] = [*WINDOWS, ([(2, 8, 7)], {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True})]
CONVOLUTIONS: list[Case] = [
    *(([shape], {**fields, "out_channels": 4}) for (shape,), fields in WINDOWS),
    ([(6, 11)], {"kernel_size": 4, "dilation": 2, "padding": "same", "groups": 3, "out_channels": 3}),
]
TRANSPOSED: list[Case] = [
    ([(4, 5)], {"kernel_size": 3, "stride": 2, "padding": 1, "output_padding": 1, "out_channels": 2, "groups": 2}),
    ([(3, 4)], {"kernel_size": 2, "stride": 3, "out_channels": 1}),
    ([(2, 4, 3)], {"kernel_size": [3, 1], "stride": [4, 1], "dilation": [2, 1], "padding": [1, 0], "out_channels": 2}),
]
ADAPTIVE: list[Case] = [([(3, 7)], {"output_size": 3}), ([(2, 5, 6)], {"output_size": [8, 4]})]
GLOBAL: list[Case] = [([(3, 7)], {}), ([(2, 5, 6)], {})]
BORDERS: list[Case] = [
    ([(3, 6)], {"before": 2, "after": 3, "mode": mode}) for mode in ("constant", "reflect", "replicate", "circular")
]
CASES: dict[str, list[Case]] = {
    **{word: POINTWISE for word, entry in OPERATORS.items() if entry.family == "activation"},
    **dict.fromkeys(("batch_norm", "layer_norm", "instance_norm", "identity", "dropout"), POINTWISE),
    "group_norm": [([(4, 5)], {"num_groups": 2})],
    "local_response_norm": [([(7, 5)], {"size": 3}), ([(7, 5)], {"size": 4})],
    "add": [([(3, 5), (3, 5)], {}), ([(3, 4, 5), (3, 1, 1)], {}), ([(3, 4), (1, 4)], {})],
    "multiply": [([(3, 5), (3, 5)], {}), ([(3, 4, 5), (3, 1, 1)], {})],
    "concat": [([(3, 5), (4, 5), (1, 5)], {})],
    "matmul": [([(3, 5), (5, 4)], {}), ([(1, 3, 5), (2, 5, 4)], {})],
    "scaled_dot_product_attention": [([(3, 5), (4, 5), (4, 2)], {}), ([(2, 3, 5), (2, 4, 5), (2, 4, 2)], {})],
    "conv": CONVOLUTIONS,
    "conv_transpose": TRANSPOSED,
    "scc": [
        ([(6, 7)], {"groups": 2, "overlap": 0.5, "out_channels": 7}),
        ([(6, 7)], {"groups": 2, "overlap": 0.34, "out_channels": 6, "windowing": "pytorch"}),
    ],
    "channelwise_conv": [
        ([(7, 7)], {"kernel_size": 3, "stride": 2, "padding": "same", "filters": 2}),
        ([(7, 7)], {"kernel_size": 4, "padding": 2}),
    ],
    "conv_classifier": [([(7, 5)], {"num_classes": 3})],
    "group_equivariant_conv": [
        ([(2, 7, 6)], {"out_channels": 2, "kernel_size": 3, "stride": 2, "padding": 1, "group": "p4"}),
        ([(2, 8, 5, 6)], {"out_channels": 1, "kernel_size": 2, "group": "p4m"}),
    ],
    "self_grouped_conv": [([(5, 9)], {"groups": [[2, 3], [1, 4]], "kernel_size": 3, "stride": 2, "padding": 1})],
    "graph_conv": [([(3, 6)], {"out_channels": 2, "edges": 15})],
    "linear": [([(3, 5)], {"out_features": 2})],
    "upsample": [
        ([(3, 5)], {"scale_factor": 3}),
        ([(3, 5)], {"size": 7}),
        ([(3, 5)], {"size": 8, "mode": "linear"}),
        ([(3, 5)], {"size": 9, "mode": "linear", "align_corners": True}),
        ([(1, 4, 6)], {"size": [6, 3], "mode": "bilinear"}),
    ],
    "max_pool": [*POOLS, ([(2, 9, 8)], {"kernel_size": 3, "dilation": 2, "ceil_mode": True, "padding": 1})],
    "avg_pool": POOLS,
    "adaptive_max_pool": ADAPTIVE,
    "adaptive_avg_pool": ADAPTIVE,
    "global_max_pool": GLOBAL,
    "global_avg_pool": GLOBAL,
    "permute": [([(2, 3, 4)], {"dims": [2, 0, 1]}), ([(3, 4)], {"dims": [1, 0]})],
    "channel_shuffle": [([(6, 7)], {"groups": 2}), ([(6, 7)], {"groups": 2, "inverse": True})],
    "shift": [([(7, 6)], {"kernel_size": 3, "dilation": 2}), ([(10, 4, 5)], {"kernel_size": [3, 2]})],
    "pad": [*BORDERS, ([(3, 5)], {"before": 1, "channels_before": 2, "channels_after": 1})],
    "pixel_shuffle": [([(6, 7)], {"upscale_factor": 3}), ([(8, 3, 4)], {"upscale_factor": 2})],
    "pixel_unshuffle": [([(3, 6)], {"downscale_factor": 3}), ([(3, 4, 6)], {"downscale_factor": 2})],
    "flatten": [([(3, 5)], {})],
    "reshape": [([(3, 4, 5)], {"shape": [3, -1]}), ([(6, 5)], {"shape": [2, 3, 5]})],
    "crop": [([(3, 8)], {"size": 5})],
    "slice": [([(3, 8)], {"axis": 1, "start": 2, "stop": 7}), ([(5, 6)], {"axis": 0, "start": 1, "stop": 3})],
    "split": [([(6, 5)], {"sections": 3, "index": 1}), ([(2, 6)], {"sections": 2, "index": 1, "axis": 1})],
}
NOT_EXECUTED = {"input", "opaque"}
BOUNDED = {"graph_conv", "self_grouped_conv", "flatten", "reshape"}
"""The data say what they read, or which element goes where is not followed."""
WORDS = [pytest.param(word, *case, id=f"{word}-{number}") for word in CASES for number, case in enumerate(CASES[word])]


def alone(word: str, shapes: Sequence[Shape], fields: dict[str, Any], apart: bool) -> Graph:
    """A network of one operator. `apart`: channels come from different places of the input, by a shift before it, and
    each channel behind it is an output of its own, so that it shows which channels are read."""
    b = Builder()
    values = []
    for number, shape in enumerate(shapes):
        value = b.input(shape, name=f"input{number}")
        if apart and len(shape) > 1:
            odd = shape[0] - 1 + shape[0] % 2
            value = b.apply("shift", value, kernel_size=[odd, *[1] * (len(shape) - 2)]) if odd > 0 else value
        values.append(value)
    found = b.apply(word, *values, name="x", **fields)
    for channel in range(found.shape[0] if apart and len(found.shape) > 1 else 0):
        b.apply("slice", found, start=channel, stop=channel + 1)
    return b.graph()


def test_every_operator_has_a_case() -> None:
    assert set(CASES) | NOT_EXECUTED >= set(OPERATORS)
    assert not set(CASES) & NOT_EXECUTED
    assert all(CASES.values())


@pytest.mark.parametrize(("word", "shapes", "fields"), WORDS)
@pytest.mark.parametrize("apart", [False, True])
def test_an_operator_alone_agrees(word: str, shapes: list[Shape], fields: dict[str, Any], apart: bool) -> None:
    graph = alone(word, shapes, fields, apart)
    assert differences(graph) == []
    assert differences(graph, whole=True) == []
    assert uneven_intervals(graph) == []


@pytest.mark.parametrize(("word", "shapes", "fields"), WORDS)
def test_what_an_operator_reads_is_exact(word: str, shapes: list[Shape], fields: dict[str, Any]) -> None:
    comparisons = list(compare_fields(alone(word, shapes, fields, apart=False), all_units))
    assert comparisons
    if word not in BOUNDED:
        assert [one.as_dict() for one in comparisons if "at most" in one.symbolic] == []


# ---- the oracle by itself ----


def chain(*steps: tuple[str, dict[str, Any]], shape: Shape) -> Graph:
    b = Builder()
    value = b.input(shape)
    for word, fields in steps:
        value = b.apply(word, value, **fields)
    return b.graph()


def cells_of(graph: Graph, *place: int) -> list[list[int]]:
    """The cells with a gradient of a unit of the last node."""
    unit = Unit(position=len(graph.nodes) - 1, places=tuple(enumerate(place, 1)))
    return supports(graph, [unit])[0][0].nonzero().tolist()


def test_gridding_touches_49_of_169_cells() -> None:
    # taps of three 3x3 at dilation 2 fall on the even offsets from -6 to 6 alone: 7 an axis, 7^2 = 49
    conv = ("conv", {"out_channels": 2, "kernel_size": 3, "dilation": 2, "padding": 2})
    found = cells_of(chain(conv, conv, conv, shape=(2, 21, 21)), 10, 10)
    assert found == [[row, column] for row in range(4, 17, 2) for column in range(4, 17, 2)]


def test_positions_between_the_taps_of_a_transposed_convolution_see_nothing() -> None:
    # stride 3, kernel 2: positions 3 q and 3 q + 1 see element q, positions 3 q + 2 none
    graph = chain(("conv_transpose", {"out_channels": 1, "kernel_size": 2, "stride": 3}), shape=(1, 4))
    assert [cells_of(graph, place) for place in range(6)] == [[[0]], [[0]], [], [[1]], [[1]], []]


def test_interpolation_reads_no_tap_of_weight_0() -> None:
    # place i of 6 is (i + 1/2) 10/6 - 1/2 = 1/3, 2, 11/3, 16/3, 7, 26/3: on an element at i = 1 and 4
    graph = chain(("upsample", {"size": 6, "mode": "linear"}), shape=(1, 10))
    assert [cells_of(graph, place) for place in range(6)] == [
        [[0], [1]],
        [[2]],
        [[3], [4]],
        [[5], [6]],
        [[7]],
        [[8], [9]],
    ]


def test_a_gate_that_stands_in_padding_hides_no_path() -> None:
    # position 0 of the product is x 0 times a gate that reads the padding alone: the path through x counts
    b = Builder()
    x = b.input((1, 3))
    gate = b.slice(b.pad(x, before=3, after=0), axis=1, start=0, stop=3)
    b.multiply(x, gate)
    assert [cells_of(b.graph(), place) for place in range(3)] == [[[0]], [[1]], [[2]]]


@pytest.mark.parametrize(("word", "shapes", "fields"), [case for case in WORDS if case.values[0] == "max_pool"])
def test_windows_of_a_maximum_are_those_of_the_pooling(word: str, shapes: list[Shape], fields: dict[str, Any]) -> None:
    # the maximum of an image with a single 1 is above 0 where the window holds that place
    ((channels, *sizes),) = shapes
    graph = chain((word, fields), shape=(1, *sizes))
    call = surrogate.form_of(graph.nodes[-1].op)
    real, ours = surrogate.construct(call).double(), surrogate.surrogate(call)
    images = torch.eye(torch.tensor(sizes).prod(), dtype=torch.float64).reshape(-1, 1, *sizes)
    assert torch.equal(real(images) > 0, ours(images) > 0)
    assert channels > 0


# ---- planted errors ----


def test_a_wrong_window_is_found_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = chain(
        ("conv", {"out_channels": 2, "kernel_size": 3, "padding": 1, "name": "first"}),
        ("max_pool", {"kernel_size": 2, "name": "pool"}),
        shape=(1, 8, 8),
    )
    monkeypatch.setattr(touched_cells, "reads_of", lambda op, inputs, output: op.reads(inputs, output))  # no cache
    assert differences(graph, few_units) == []
    right = OPERATORS["max_pool"].reads

    def wrong(self: Any, inputs: Any, output: Any) -> Any:
        ((product,),) = right(self, inputs, output)
        moved = product[-1].taps[0].replace(last=2)
        return (((*product[:-1], product[-1].replace(taps=(moved,))),),)

    monkeypatch.setattr(OPERATORS["max_pool"], "reads", wrong)
    found = differences(graph, few_units)
    assert {one["layer"] for one in found} == {"pool"}
    # unit (2, 2) reads rows and columns 4 and 5 of the map, and so 3..6 of the input; the error adds column 7
    assert found[1] == {
        "layer": "pool",
        "quantity": "touched cells, unit (2, 2)",
        "symbolic": "20 in 3..6 x 3..7",
        "executed": "16 in 3..6 x 3..6, without (3, 7)",
        "limit": None,
        "limited_to": None,
    }


def test_an_operator_that_leaves_its_reads_to_the_base_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        OPERATORS["crop"],
        "reads",
        next(base for base in OPERATORS["crop"].__mro__ if base.__name__ == "Operator").reads,
    )
    with pytest.raises(AssertionError):
        test_what_an_operator_reads_is_exact("crop", *CASES["crop"][0])
