"""Views: worked examples, refusals, and where a copy is needed, with torch's own tensors as the judge."""

from math import prod
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convcost.analysis.memory import sharing
from convcost.arith import dense_strides
from convcost.formulas.symbolic import size_symbol
from convcost.graph import Builder, Graph
from convcost.ops import OPERATORS
from telling import refusal, told

Shape = tuple[int, ...]
Step = tuple[str, dict[str, Any]]


@pytest.mark.parametrize(
    ("leading", "shape", "out"),
    [
        (0, (512, 7, 7), (25_088,)),  # 512 x 7 x 7
        (0, (5,), (5,)),
        (0, (2, 3, 4, 5), (120,)),
        (1, (10, 4, 3), (10, 12)),
        (2, (10, 6, 4, 3, 2), (10, 6, 24)),
    ],
)
def test_flatten(leading: int, shape: Shape, out: Shape) -> None:
    assert told("flatten", shape, leading=leading) == {"shape": out, "view": True}


@pytest.mark.parametrize(
    ("leading", "shape", "size", "out", "describe"),
    [
        (0, (64, 568, 568), 392, (64, 392, 392), "to 392x392"),  # the first bridge of U-Net
        (0, (3, 9), 9, (3, 9), "to 9"),
        (1, (10, 3, 9, 8, 7), [1, 8, 3], (10, 3, 1, 8, 3), "to 1x8x3"),
    ],
)
def test_crop(leading: int, shape: Shape, size: Any, out: Shape, describe: str) -> None:
    assert told("crop", shape, leading=leading, size=size) == {"shape": out, "view": True, "describe": describe}


@pytest.mark.parametrize(
    ("leading", "shape", "wanted", "out"),
    [
        (0, (256, 7, 7), [256, 49], (256, 49)),  # positions in a row
        (0, (49, 768), [49, 12, 64], (49, 12, 64)),  # 12 heads of 768 / 12 = 64
        (0, (6, 4), [-1], (24,)),
        (0, (6, 4), [-1, 3], (8, 3)),  # 24 / 3
        (0, (6, 4), [2, -1, 4, 1], (2, 3, 4, 1)),  # 24 / (2 x 4 x 1)
        (0, (6, 4), [24, -1], (24, 1)),
        (0, (5,), [5], (5,)),
        (1, (10, 6, 4), [3, -1], (10, 3, 8)),  # 24 / 3; the leading axis stays
        (2, (10, 7, 6, 4), [24], (10, 7, 24)),
    ],
)
def test_reshape(leading: int, shape: Shape, wanted: list[int], out: Shape) -> None:
    describe = "to " + "x".join(map(str, out[leading:]))
    assert told("reshape", shape, leading=leading, shape=wanted) == {"shape": out, "view": True, "describe": describe}


@pytest.mark.parametrize(
    ("leading", "shape", "fields", "out", "describe"),
    [
        (0, (64, 7, 7), {"stop": 16}, (16, 7, 7), "axis 0, 0 to 16"),
        (0, (64, 7, 7), {"start": 60}, (4, 7, 7), "axis 0, 60 to 64"),  # 64 - 60
        (0, (64, 7, 9), {"axis": 2, "start": 3, "stop": 8}, (64, 7, 5), "axis 2, 3 to 8"),  # 8 - 3
        (0, (64, 7, 9), {"axis": 1}, (64, 7, 9), "axis 1, 0 to 7"),  # all of it
        (0, (5,), {"start": 4}, (1,), "axis 0, 4 to 5"),
        (1, (10, 64, 7), {"axis": 1, "stop": 6}, (10, 64, 6), "axis 1, 0 to 6"),  # the leading axis is not counted
    ],
)
def test_slice(leading: int, shape: Shape, fields: dict[str, Any], out: Shape, describe: str) -> None:
    assert told("slice", shape, leading=leading, **fields) == {"shape": out, "view": True, "describe": describe}


@pytest.mark.parametrize(
    ("leading", "shape", "fields", "out", "describe"),
    [
        (0, (116, 28, 28), {"sections": 2}, (58, 28, 28), "axis 0, part 0 of 2"),  # a unit of ShuffleNet v2
        (0, (116, 28, 28), {"sections": 2, "index": 1}, (58, 28, 28), "axis 0, part 1 of 2"),
        (0, (49, 2304), {"sections": 3, "index": 2, "axis": 1}, (49, 768), "axis 1, part 2 of 3"),  # 2304 / 3
        (0, (7,), {"sections": 7, "index": 6}, (1,), "axis 0, part 6 of 7"),
        (0, (6, 5), {"sections": 1}, (6, 5), "axis 0, part 0 of 1"),
        (1, (10, 6, 4), {"sections": 3}, (10, 2, 4), "axis 0, part 0 of 3"),
    ],
)
def test_split(leading: int, shape: Shape, fields: dict[str, Any], out: Shape, describe: str) -> None:
    assert told("split", shape, leading=leading, **fields) == {"shape": out, "view": True, "describe": describe}


AXES = "a whole number of at least 1, or a list with one a spatial axis"
COUNT = "a whole number of at least 1"
START = "a whole number of at least 0"
NEW_SHAPE = "a list of 1 to 4 axis sizes of at least 1, of which one may be -1"


@pytest.mark.parametrize(
    ("word", "shape", "fields", "message"),
    [
        ("flatten", (3,), {"rank": 0}, 'unknown field "rank"; flatten takes no fields'),
        ("crop", (3, 9, 8), {"size": 9}, "size (=9x9) must be at most the input's (9x8)"),
        ("crop", (3, 9, 8), {}, f"the required field size is missing; it must be {AXES}"),
        ("crop", (3, 9, 8), {"size": 0}, f"size is 0; it must be {AXES}"),
        (
            "crop",
            (3, 9, 8),
            {"size": [1, 2, 3]},
            "size is [1, 2, 3], which has 3 entries; the input has 2 spatial axes",
        ),
        ("crop", (3, 9, 8), {"size": 1, "channels": 2}, "channels (=2) must be what the input 3x9x8 has, 3"),
        ("crop", (3,), {"size": 1}, "it needs an input of channels and 1 to 3 spatial axes, not 3"),
        ("crop", (3, 9), {"sizes": 1}, 'unknown field "sizes"; crop takes size, channels; did you mean "size"?'),
        ("reshape", (3, 8), {}, f"the required field shape is missing; it must be {NEW_SHAPE}"),
        ("reshape", (3, 8), {"shape": 24}, f"shape is 24; it must be {NEW_SHAPE}"),
        ("reshape", (3, 8), {"shape": []}, f"shape is []; it must be {NEW_SHAPE}"),
        ("reshape", (3, 8), {"shape": [1, 2, 3, 4, 1]}, f"shape is [1, 2, 3, 4, 1]; it must be {NEW_SHAPE}"),
        ("reshape", (3, 8), {"shape": [-1, -1]}, f"shape is [-1, -1]; it must be {NEW_SHAPE}"),
        ("reshape", (3, 8), {"shape": [0, -1]}, f"shape is 0; it must be {COUNT}"),
        ("reshape", (3, 8), {"shape": [-2, 12]}, f"shape is -2; it must be {COUNT}"),
        ("reshape", (3, 8), {"shape": [True, 24]}, f"shape is true; it must be {COUNT}"),
        (
            "reshape",
            (3, 8),
            {"shape": [5, 5]},
            "shape (=5x5, 25 elements) must have as many elements as the input (3x8, 24)",
        ),
        (
            "reshape",
            (3, 8),
            {"shape": [5, -1, 2]},
            "shape (=5x-1x2): 10 must divide the elements of the input (3x8, 24)",
        ),
        ("reshape", (3, 8), {"size": [24]}, 'unknown field "size"; reshape takes shape'),
        ("slice", (3, 8), {"axis": 2}, "axis (=2) must be at most 1: the input 3x8 has 2 axes, from 0"),
        ("slice", (3, 8), {"axis": -1}, f"axis is -1; it must be {START}"),
        ("slice", (3, 8), {"start": 3}, "start (=3) must be below stop (=3)"),
        ("slice", (3, 8), {"start": 2, "stop": 1}, "start (=2) must be below stop (=1)"),
        ("slice", (3, 8), {"start": -1}, f"start is -1; it must be {START}"),
        ("slice", (3, 8), {"stop": 0}, f"stop is 0; it must be {COUNT}"),
        ("slice", (3, 8), {"axis": 1, "stop": 9}, "stop (=9) must be at most the size of axis 1 (=8)"),
        ("slice", (3, 8), {"end": 2}, 'unknown field "end"; slice takes axis, start, stop'),
        ("split", (3, 8), {}, f"the required field sections is missing; it must be {COUNT}"),
        ("split", (3, 8), {"sections": 2}, "sections (=2) must divide the size of axis 0 (=3)"),
        ("split", (3, 8), {"sections": 16, "axis": 1}, "sections (=16) must divide the size of axis 1 (=8)"),
        (
            "split",
            (3, 8),
            {"sections": 3, "index": 3},
            "index (=3) must be below sections (=3); parts are counted from 0",
        ),
        ("split", (3, 8), {"sections": 2, "axis": 2}, "axis (=2) must be at most 1: the input 3x8 has 2 axes, from 0"),
        (
            "split",
            (3, 8),
            {"section": 2},
            'unknown field "section"; split takes sections, index, axis; did you mean "sections"?',
        ),
    ],
)
def test_refusals(word: str, shape: Shape, fields: dict[str, Any], message: str) -> None:
    assert refusal(word, shape, **fields) == f'{word} "stem": {message}'


@pytest.mark.parametrize(
    ("word", "fields"), [("flatten", {}), ("reshape", {"shape": [8]}), ("slice", {}), ("split", {"sections": 2})]
)
def test_a_leading_axis_alone_has_no_channels(word: str, fields: dict[str, Any]) -> None:
    message = "it needs an input with a channel axis; the input is 8"
    assert refusal(word, (8,), leading=1, **fields) == f'{word} "stem": {message}'


# ---- strides: what lies in the input's memory, and what is copied ----


def strides_after(shape: Shape, *steps: Step) -> list[Any]:
    """The strides behind each step, from a tensor whose elements lie side by side; None where it copied them."""
    builder = Builder()
    x, strides, found = builder.input(shape), dense_strides(shape), []
    for word, fields in steps:
        before = x.shape
        x = builder.apply(word, x, **fields)
        found.append(builder.nodes[-1].op.view_strides(before, strides))
        strides = found[-1] or dense_strides(x.shape)
    return found


def test_flatten_of_what_lies_side_by_side() -> None:
    assert strides_after((2, 3, 4), ("flatten", {})) == [(1,)]
    assert strides_after((7,), ("flatten", {})) == [(1,)]


def test_a_crop_keeps_the_strides_of_the_whole() -> None:
    # 6 columns, 5 x 6 elements a channel
    crop = ("crop", {"size": [3, 2]})
    assert strides_after((4, 5, 6), crop) == [(30, 6, 1)]
    assert strides_after((4, 5, 6), crop, ("flatten", {})) == [(30, 6, 1), None]
    # whole rows: the rows lie side by side, 3 x 6 of each channel's 5 x 6
    rows = ("crop", {"size": [3, 6]})
    assert strides_after((4, 5, 6), rows, ("reshape", {"shape": [4, 18]})) == [(30, 6, 1), (30, 1)]
    assert strides_after((4, 5, 6), rows, ("flatten", {})) == [(30, 6, 1), None]
    # one channel, so that nothing lies between the rows
    assert strides_after((1, 5, 6), rows, ("flatten", {})) == [(30, 6, 1), (1,)]


def test_the_first_channels_lie_side_by_side_and_the_first_columns_do_not() -> None:
    first = ("slice", {"stop": 2})
    assert strides_after((4, 5, 6), first, ("reshape", {"shape": [10, 6]})) == [(30, 6, 1), (6, 1)]
    columns = ("slice", {"axis": 2, "stop": 3})
    # 3 of 6 columns: rows and columns do not join, channels and rows do (30 = 5 x 6)
    assert strides_after((4, 5, 6), columns, ("reshape", {"shape": [20, 3]})) == [(30, 6, 1), (6, 1)]
    assert strides_after((4, 5, 6), columns, ("reshape", {"shape": [4, 15]})) == [(30, 6, 1), None]
    # one column: every element is 6 behind the one before
    column = ("slice", {"axis": 2, "start": 3, "stop": 4})
    assert strides_after((4, 5, 6), column, ("flatten", {})) == [(30, 6, 1), (6,)]


def test_heads_are_cut_from_a_third_of_a_row() -> None:
    # a row of queries, keys and values, 3 x 8 elements; the keys of two heads of 4
    part = ("split", {"sections": 3, "index": 1, "axis": 1})
    assert strides_after((5, 24), part, ("reshape", {"shape": [5, 2, 4]})) == [(24, 1), (24, 4, 1)]
    assert strides_after((5, 24), part, ("reshape", {"shape": [40]})) == [(24, 1), None]
    # behind the copy elements lie side by side again
    steps = (part, ("reshape", {"shape": [40]}), ("reshape", {"shape": [8, 5]}))
    assert strides_after((5, 24), *steps) == [(24, 1), None, (5, 1)]


@pytest.mark.parametrize(("shape", "strides"), [((2, 1, 3), (3, 99, 1)), ((2, 3, 1), (3, 1, 99))])
def test_the_stride_of_an_axis_of_one_element_says_nothing(shape: Shape, strides: Shape) -> None:
    torch = pytest.importorskip("torch")
    for word, fields in [("flatten", {}), ("reshape", {"shape": [6]})]:
        op = OPERATORS[word].bind(fields, (shape,))
        assert op.view_strides(shape, strides) == torch.empty_strided(shape, strides).view(6).stride() == (1,)


def test_among_symbols_a_dense_tensor_is_known_to_be_one_chunk() -> None:
    height, width = size_symbol("height"), size_symbol("width")
    b = Builder()
    x = b.input((8, height, width))
    b.reshape(b.split(x, sections=2), shape=[4, -1])  # the first channels: 4 x height width
    b.flatten(b.split(x, sections=2, index=1))
    b.reshape(b.crop(x, size=3), shape=[8, 9])  # not known, so a copy is counted
    assert [node.shape for node in b.nodes[1:]] == [
        (4, height, width),
        (4, height * width),
        (4, height, width),
        (4 * height * width,),
        (8, 3, 3),
        (8, 9),
    ]
    assert sharing(b.graph()) == [False, True, True, True, True, True, False]


def test_a_copy_is_written_and_a_view_is_not() -> None:
    b = Builder()
    x = b.crop(b.input((4, 5, 6)), size=[3, 2])
    b.relu(b.flatten(x))
    # input no; crop shares; flatten copies; relu writes
    assert sharing(b.graph()) == [False, True, False, False]


# ---- against torch ----


@st.composite
def new_shapes(draw: st.DrawFn, elements: int) -> list[int]:
    """A shape of so many elements; one entry may be left to be found."""
    rest, sizes = elements, []
    for _ in range(draw(st.integers(0, 3))):
        sizes.append(draw(st.sampled_from([size for size in range(1, rest + 1) if rest % size == 0])))
        rest //= sizes[-1]
    sizes = draw(st.permutations([*sizes, rest]))
    if draw(st.booleans()):
        sizes[draw(st.integers(0, len(sizes) - 1))] = -1
    return sizes


@st.composite
def steps_on(draw: st.DrawFn, shape: Shape) -> Step:
    """A view that stands on the shape."""
    word = draw(st.sampled_from(["reshape", "reshape", "slice", "split", "crop", "flatten"]))
    axis = draw(st.integers(0, len(shape) - 1))
    size = shape[axis]
    if word == "reshape":
        return word, {"shape": draw(new_shapes(prod(shape)))}
    if word == "slice":
        start = draw(st.integers(0, size - 1))
        return word, {"axis": axis, "start": start, "stop": draw(st.integers(start + 1, size))}
    if word == "split":
        sections = draw(st.sampled_from([parts for parts in range(1, size + 1) if size % parts == 0]))
        return word, {"axis": axis, "sections": sections, "index": draw(st.integers(0, sections - 1))}
    if word == "crop" and len(shape) > 1:
        return word, {"size": [draw(st.integers(1, whole)) for whole in shape[1:]]}
    return "flatten", {}


def viewed_by_torch(tensor: Any, word: str, fields: dict[str, Any], shape: Shape) -> Any:
    """The same step on a tensor with a batch in front, as a view; None where torch refuses one."""
    if word == "slice":
        start = fields.get("start", 0)
        return tensor.narrow(fields["axis"] + 1, start, fields["stop"] - start)
    if word == "split":
        return tensor.chunk(fields["sections"], fields["axis"] + 1)[fields.get("index", 0)]
    if word == "crop":
        for axis, (have, want) in enumerate(zip(tensor.shape[2:], shape[1:], strict=True), 2):
            tensor = tensor.narrow(axis, (have - want) // 2, want)
        return tensor
    try:
        return tensor.view(tensor.shape[0], *fields.get("shape", shape))
    except RuntimeError as error:
        if "view size is not compatible" not in str(error):
            raise
        return None


def of_long_axes(shape: Shape, strides: Shape) -> list[int]:
    """The strides on which addresses depend: those of axes with more than one element."""
    return [stride for size, stride in zip(shape, strides, strict=True) if size > 1]


def sharing_in_torch(batch: int, shape: Shape, steps: list[Step]) -> list[bool]:
    """Whether torch sees each step as a view. Shapes and strides are compared on the way."""
    torch = pytest.importorskip("torch")
    tensor, strides, shared = torch.zeros(batch, *shape), dense_strides(shape), []
    for word, fields in steps:
        op = OPERATORS[word].bind(fields, (shape,))
        wanted = op.out_shape((shape,))
        viewed, stated = viewed_by_torch(tensor, word, fields, wanted), op.view_strides(shape, strides)
        assert (stated is None) == (viewed is None), (word, fields, shape, strides)
        if viewed is None:
            tensor, strides = tensor.reshape(batch, *wanted), dense_strides(wanted)
        else:
            assert of_long_axes(wanted, stated) == of_long_axes(viewed.shape[1:], viewed.stride()[1:])
            tensor, strides = viewed, stated
        assert tuple(tensor.shape) == (batch, *wanted)
        shared.append(viewed is not None)
        shape = wanted
    return shared


def graph_of(shape: Shape, steps: list[Step]) -> Graph:
    builder = Builder()
    x = builder.input(shape)
    for word, fields in steps:
        x = builder.apply(word, x, **fields)
    return builder.graph()


@settings(max_examples=500, deadline=None)
@given(st.data(), st.integers(1, 2), st.lists(st.integers(1, 6), min_size=1, max_size=4).map(tuple))
def test_views_are_those_of_torch(data: st.DataObject, batch: int, shape: Shape) -> None:
    steps: list[Step] = []
    for _ in range(data.draw(st.integers(1, 5), "number of steps")):
        before = graph_of(shape, steps).nodes[-1].shape
        steps.append(data.draw(steps_on(before)))
    assert sharing(graph_of(shape, steps))[1:] == sharing_in_torch(batch, shape, steps)


@pytest.mark.parametrize(
    ("shape", "steps", "shared"),
    [
        ((4, 5, 6), [("crop", {"size": [3, 2]}), ("flatten", {})], [True, False]),
        ((4, 5, 6), [("crop", {"size": [3, 6]}), ("reshape", {"shape": [4, -1]})], [True, True]),
        ((4, 5, 6), [("slice", {"axis": 1, "stop": 2}), ("reshape", {"shape": [8, 2, 3]})], [True, False]),
        ((4, 5, 6), [("slice", {"axis": 1, "stop": 2}), ("reshape", {"shape": [4, 4, 3]})], [True, True]),
        ((5, 24), [("split", {"sections": 3, "axis": 1}), ("reshape", {"shape": [5, 2, 4]})], [True, True]),
        ((5, 24), [("split", {"sections": 3, "axis": 1}), ("reshape", {"shape": [2, 5, 4]})], [True, False]),
        ((6, 1, 4), [("slice", {"axis": 2, "stop": 1}), ("reshape", {"shape": [1, 3, 1, 2]})], [True, True]),
    ],
)
def test_chosen_chains_are_seen_by_torch_as_written_here(shape: Shape, steps: list[Step], shared: list[bool]) -> None:
    assert sharing(graph_of(shape, steps))[1:] == shared
    assert sharing_in_torch(2, shape, steps) == shared
