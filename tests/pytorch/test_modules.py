"""The values that our modules compute, in float64, against loops in numpy that share nothing with them."""

from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convcost.frontends.yaml_spec import read_spec
from convcost.graph import Builder

torch = pytest.importorskip("torch")

from convcost.pytorch.build import construct  # noqa: E402
from convcost.pytorch.forms import form_of  # noqa: E402
from convcost.pytorch.validate import validate  # noqa: E402

Array = numpy.ndarray
Shape = tuple[int, ...]
GOOD = Path(__file__).parents[1] / "specs" / "good"


def module_of(word: str, *shapes: Shape, **fields: Any) -> Any:
    """The module of an operator on inputs of these shapes, without the batch."""
    b = Builder()
    b.apply(word, *(b.input(shape, name=f"input{number}") for number, shape in enumerate(shapes)), **fields)
    return construct(form_of(b.nodes[-1].op)).double()


def run(word: str, *arrays: Array, **fields: Any) -> Array:
    """What an operator's module makes of these arrays, the first axis the batch."""
    module = module_of(word, *(array.shape[1:] for array in arrays), **fields)
    with torch.no_grad():
        return module(*map(torch.from_numpy, arrays)).numpy()


def noise(*shape: int) -> Array:
    return numpy.random.default_rng(shape).normal(size=shape)


def maps(*largest: int) -> st.SearchStrategy[Shape]:
    """Shapes of 1 to 3 axes."""
    sizes = [st.integers(1, most) for most in largest]
    return st.integers(1, 3).flatmap(lambda rank: st.tuples(*sizes[:rank]))


batches = st.integers(1, 2)
often = settings(max_examples=60, deadline=None)


def same(found: Array, expected: Array) -> bool:
    """Whether the elements are the very same: data that is moved is not changed."""
    return found.dtype == expected.dtype and found.shape == expected.shape and bool((found == expected).all())


# ---- joins ----


def test_joins() -> None:
    x, y, z = noise(2, 3, 4, 5), noise(2, 3, 4, 5) + 1, noise(2, 3, 1, 1)
    for index in product(*map(range, x.shape)):
        gate = z[*index[:2], 0, 0]
        assert run("add", x, y)[index] == x[index] + y[index]
        assert run("multiply", x, z)[index] == x[index] * gate
    assert same(run("add", x, z, y), (x + z) + y)
    assert same(run("multiply", z, x, y), (z * x) * y)
    joined = run("concat", x, y[:, :2], x)
    assert joined.shape == (2, 8, 4, 5)
    for channel, source in enumerate([x[:, 0], x[:, 1], x[:, 2], y[:, 0], y[:, 1], x[:, 0], x[:, 1], x[:, 2]]):
        assert same(joined[:, channel], source)


@pytest.mark.parametrize(
    ("left", "right"),
    [((4, 6), (6, 5)), ((3, 4, 6), (3, 6, 5)), ((1, 4, 6), (3, 6, 5)), ((2, 1, 4, 6), (1, 3, 6, 5))],
)
def test_matmul_is_a_sum_over_the_inner_axis(left: Shape, right: Shape) -> None:
    a, b = noise(2, *left), noise(2, *right)
    total = sum(a[..., :, k, None] * b[..., None, k, :] for k in range(6))
    found = run("matmul", a, b)
    assert found.shape == total.shape
    assert numpy.allclose(found, total, rtol=0, atol=1e-12)


def attended(query: Array, key: Array, value: Array) -> Array:
    """Attention, one query of one head of one input after the other."""
    found = numpy.empty((*query.shape[:-1], value.shape[-1]))
    for place in product(*map(range, query.shape[:-1])):
        head = place[:-1]
        scores = [float((query[place] * row).sum()) / query.shape[-1] ** 0.5 for row in key[head]]
        weights = [numpy.exp(score - max(scores)) for score in scores]
        found[place] = sum(weight * row for weight, row in zip(weights, value[head], strict=True)) / sum(weights)
    return found


@pytest.mark.parametrize("heads", [(), (3,), (2, 3)])
@pytest.mark.parametrize("scale", [1, 30])
def test_attention_is_a_softmax_over_the_keys(heads: Shape, scale: int) -> None:
    query, key, value = scale * noise(2, *heads, 4, 8), noise(2, *heads, 6, 8), noise(2, *heads, 6, 5)
    found = run("scaled_dot_product_attention", query, key, value)
    assert found.shape == (2, *heads, 4, 5)
    assert numpy.allclose(found, attended(query, key, value), rtol=0, atol=1e-12)


# ---- views ----


def test_reshape_keeps_the_order() -> None:
    x = noise(2, 3, 4, 5)
    for shape, whole in [([-1], (60,)), ([6, -1, 2], (6, 5, 2)), ([5, 4, 3], (5, 4, 3)), ([60, -1], (60, 1))]:
        found = run("reshape", x, shape=shape)
        assert found.shape == (2, *whole)
        assert found.ravel().tolist() == x.ravel().tolist()


@often
@given(st.data(), batches, st.lists(st.integers(1, 6), min_size=1, max_size=4))
def test_slices_and_parts(data: st.DataObject, batch: int, shape: list[int]) -> None:
    x = noise(batch, *shape)
    axis = data.draw(st.integers(0, len(shape) - 1))
    start = data.draw(st.integers(0, shape[axis] - 1))
    stop = data.draw(st.integers(start + 1, shape[axis]))
    found = run("slice", x, axis=axis, start=start, stop=stop)
    assert same(found, numpy.take(x, range(start, stop), axis + 1))
    assert same(run("slice", x, axis=axis, start=start), numpy.take(x, range(start, shape[axis]), axis + 1))
    sections = data.draw(st.sampled_from([parts for parts in range(1, 7) if shape[axis] % parts == 0]))
    parts = [run("split", x, sections=sections, index=index, axis=axis) for index in range(sections)]
    assert len({part.shape for part in parts}) == 1
    assert same(numpy.concatenate(parts, axis + 1), x)


def test_a_crop_is_central() -> None:
    x = noise(2, 3, 7, 8)
    # margins of 7 - 4 = 3, of which 1 is in front, and of 8 - 8 = 0
    assert same(run("crop", x, size=[4, 8]), x[:, :, 1:5, :])
    assert same(run("crop", x, size=[1, 2]), x[:, :, 3:4, 3:5])


# ---- copies ----


@often
@given(
    batches, st.lists(st.integers(1, 5), min_size=1, max_size=4).flatmap(lambda s: st.permutations(list(enumerate(s))))
)
def test_permute(batch: int, order: list[tuple[int, int]]) -> None:
    dims = [axis for axis, _ in order]
    x = noise(batch, *(size for _, size in sorted(order)))
    found = run("permute", x, dims=dims)
    assert found.flags.c_contiguous
    assert found.shape == (batch, *(size for _, size in order))
    for index in product(*map(range, found.shape)):
        source = dict(zip(dims, index[1:], strict=True))
        assert found[index] == x[index[0], *(source[axis] for axis in range(len(dims)))]


@often
@given(batches, st.integers(1, 5), st.integers(1, 5), maps(3, 3, 2))
def test_channel_shuffle(batch: int, groups: int, a_group: int, size: Shape) -> None:
    x = noise(batch, groups * a_group, *size)
    shuffled = run("channel_shuffle", x, groups=groups)
    for group, channel in product(range(groups), range(a_group)):
        assert same(shuffled[:, channel * groups + group], x[:, group * a_group + channel])
    assert same(run("channel_shuffle", shuffled, groups=groups, inverse=True), x)
    # the order of Megvii's code: reshape to (n, groups), transpose, flatten
    rows = x.reshape(batch, a_group, groups, *size)
    assert same(run("channel_shuffle", x, groups=groups, inverse=True), rows.swapaxes(1, 2).reshape(x.shape))
    if groups == a_group:
        assert same(run("channel_shuffle", x, groups=groups, inverse=True), shuffled)


def test_channel_shuffle_of_six_channels() -> None:
    x = numpy.arange(6.0).reshape(1, 6, 1)
    # groups 0 1 2 and 3 4 5: the first of each, the second of each, the third of each
    assert run("channel_shuffle", x, groups=2).ravel().tolist() == [0, 3, 1, 4, 2, 5]
    # rows of two, read down: 0 2 4 and 1 3 5
    assert run("channel_shuffle", x, groups=2, inverse=True).ravel().tolist() == [0, 2, 4, 1, 3, 5]


def shifted(x: Array, kernel: Shape, dilation: Shape) -> Array:
    """Every element fetched from where its channel's offset says; zero from outside."""
    taps = list(product(*map(range, kernel)))
    moved = x.shape[1] // len(taps) * len(taps)
    out = x.copy()
    for channel in range(moved):
        tap = taps[channel % len(taps)]
        offsets = [rate * (place - size // 2) for rate, place, size in zip(dilation, tap, kernel, strict=True)]
        for place in product(*map(range, x.shape[2:])):
            source = tuple(position + offset for position, offset in zip(place, offsets, strict=True))
            inside = all(0 <= position < size for position, size in zip(source, x.shape[2:], strict=True))
            out[:, channel, *place] = x[:, channel, *source] if inside else 0
    return out


@often
@given(st.data(), maps(9, 5, 3), st.integers(1, 3), st.integers(0, 5))
def test_shift(data: st.DataObject, size: Shape, sets: int, more: int) -> None:
    kernel = data.draw(st.tuples(*[st.integers(1, 3 if len(size) < 3 else 2)] * len(size)))
    dilation = data.draw(st.tuples(*[st.integers(1, 3)] * len(size)))
    x = noise(1, sets * prod(kernel) + more, *size)
    assert same(run("shift", x, kernel_size=kernel, dilation=dilation), shifted(x, kernel, dilation))


def test_shift_of_three_channels() -> None:
    x = numpy.arange(1.0, 13.0).reshape(1, 3, 4)
    # channel 0 reads from before, 1 from its own place, 2 from behind
    assert run("shift", x).tolist() == [[[0, 1, 2, 3], [5, 6, 7, 8], [10, 11, 12, 0]]]
    # an even kernel has the offsets -1 and 0, and the third channel is left over
    assert run("shift", x, kernel_size=2).tolist() == [[[0, 1, 2, 3], [5, 6, 7, 8], [9, 10, 11, 12]]]
    assert run("shift", x, dilation=3).tolist() == [[[0, 0, 0, 1], [5, 6, 7, 8], [12, 0, 0, 0]]]
    assert run("shift", x, dilation=9).tolist() == [[[0, 0, 0, 0], [5, 6, 7, 8], [0, 0, 0, 0]]]


@pytest.mark.parametrize(("channels", "size"), [(8, (5, 5)), (2, (7,)), (26, (3, 3, 3)), (1, (4,))])
def test_fewer_channels_than_offsets_stay(channels: int, size: Shape) -> None:
    x = noise(2, channels, *size)
    assert same(run("shift", x), x)
    assert not numpy.shares_memory(run("shift", x), x)


IN_NUMPY = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


@often
@given(st.data(), st.sampled_from(list(IN_NUMPY)), batches, maps(5, 4, 3))
def test_pad(data: st.DataObject, mode: str, batch: int, size: Shape) -> None:
    most = [{"reflect": whole - 1, "circular": whole}.get(mode, 4) for whole in size]
    before, after = ([data.draw(st.integers(0, limit)) for limit in most] for _ in range(2))
    channels = {name: data.draw(st.integers(0, 2)) for name in ("channels_before", "channels_after")}
    fields = {"before": before, "after": after, "mode": mode, **(channels if mode == "constant" else {})}
    x = noise(batch, 2, *size)
    found = run("pad", x, **fields)
    margins = [(0, 0), (0, 0), *zip(before, after, strict=True)]
    if mode == "constant":
        margins[1] = (channels["channels_before"], channels["channels_after"])
    assert same(found, numpy.pad(x, margins, mode=IN_NUMPY[mode]))
    backwards = [margin for axis in reversed(margins[1 if mode == "constant" else 2 :]) for margin in axis]
    assert same(found, torch.nn.functional.pad(torch.from_numpy(x), backwards, mode=mode).numpy())


def test_pad_of_four_elements() -> None:
    x = numpy.arange(1.0, 5.0).reshape(1, 1, 4)
    found = {mode: run("pad", x, before=2, after=1, mode=mode).ravel().tolist() for mode in IN_NUMPY}
    assert found == {
        "constant": [0, 0, 1, 2, 3, 4, 0],
        "reflect": [3, 2, 1, 2, 3, 4, 3],
        "replicate": [1, 1, 1, 2, 3, 4, 4],
        "circular": [3, 4, 1, 2, 3, 4, 1],
    }
    channels = run("pad", x, channels_before=1, channels_after=2)
    assert channels.tolist() == [[[0, 0, 0, 0], [1, 2, 3, 4], [0, 0, 0, 0], [0, 0, 0, 0]]]


@often
@given(st.integers(1, 3), st.integers(1, 3), batches, maps(4, 3, 2))
def test_pixel_shuffle(factor: int, channels: int, batch: int, size: Shape) -> None:
    places = list(product(range(factor), repeat=len(size)))
    x = noise(batch, channels * len(places), *size)
    found = run("pixel_shuffle", x, upscale_factor=factor)
    assert found.shape == (batch, channels, *(whole * factor for whole in size))
    for channel, position in product(range(channels), product(*map(range, found.shape[2:]))):
        cell = tuple(place // factor for place in position)
        number = places.index(tuple(place % factor for place in position))
        assert same(found[:, channel, *position], x[:, channel * len(places) + number, *cell])
    assert same(run("pixel_unshuffle", found, downscale_factor=factor), x)
    if len(size) == 2:
        assert same(found, torch.nn.functional.pixel_shuffle(torch.from_numpy(x), factor).numpy())


def test_pixel_shuffle_of_two_positions() -> None:
    x = numpy.arange(1.0, 13.0).reshape(1, 6, 2)  # channels 1 2, 3 4, ..., 11 12
    # channels 0, 1 and 2 take turns, then 3, 4 and 5
    shuffled = [[[1, 3, 5, 2, 4, 6], [7, 9, 11, 8, 10, 12]]]
    assert run("pixel_shuffle", x, upscale_factor=3).tolist() == shuffled
    assert run("pixel_unshuffle", numpy.array(shuffled, dtype=float), downscale_factor=3).tolist() == x.tolist()


# ---- padding that depends on the size, and norms ----


@pytest.mark.parametrize("size", range(1, 12))
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (2, 2), (4, 3), (1, 2)])
def test_tensorflows_padding(size: int, kernel: int, stride: int) -> None:
    x = noise(1, 1, size) - 5  # a zero of the padding would be the maximum
    outputs = -(-size // stride)
    front = max((outputs - 1) * stride + kernel - size, 0) // 2
    windows = [
        [x[0, 0, place] for place in range(first - front, first - front + kernel) if 0 <= place < size]
        for first in range(0, outputs * stride, stride)
    ]
    found = run("max_pool", x, kernel_size=kernel, stride=stride, padding="same_tf")
    assert found.ravel().tolist() == [max(window) for window in windows]


def test_instance_norm_is_group_norm_with_groups_of_one_channel() -> None:
    x = 3 * noise(2, 4, 5, 6) + 1
    found = run("instance_norm", x)
    for image, channel in product(range(2), range(4)):
        values = x[image, channel]
        assert numpy.allclose(
            found[image, channel], (values - values.mean()) / (values.var() + 1e-5) ** 0.5, rtol=0, atol=1e-12
        )
    assert numpy.allclose(found, run("group_norm", x, num_groups=4, affine=False), rtol=0, atol=1e-12)


# ---- what is a view, and whole networks ----

VIEWS = [
    ("reshape", {"shape": [6, -1]}),
    ("slice", {"axis": 2, "start": 1}),
    ("split", {"sections": 3, "index": 2}),
    ("crop", {"size": 2}),
    ("flatten", {}),
]
COPIES = [
    ("permute", {"dims": [0, 1, 2]}),  # even where nothing moves
    ("channel_shuffle", {"groups": 1}),
    ("shift", {"kernel_size": 1}),
    ("pad", {}),
    ("pad", {"mode": "reflect"}),
    ("pad", {"mode": "replicate"}),
    ("pad", {"mode": "circular"}),
    ("pixel_shuffle", {"upscale_factor": 1}),
    ("pixel_unshuffle", {"downscale_factor": 1}),
]


@pytest.mark.parametrize(
    ("word", "fields", "shares"), [*((*case, True) for case in VIEWS), *((*case, False) for case in COPIES)]
)
def test_views_lie_in_the_input_and_copies_do_not(word: str, fields: dict[str, Any], shares: bool) -> None:
    x = noise(2, 3, 4, 5)
    found = run(word, x, **fields)
    assert numpy.shares_memory(found, x) == shares
    assert shares or found.flags.c_contiguous


def test_copies_by_our_modules_lie_in_order_whatever_the_order_of_the_input() -> None:
    x = torch.from_numpy(noise(2, 4, 6, 5)).permute(0, 3, 1, 2)  # the channels last in memory
    for word, fields in COPIES[:3]:
        found = module_of(word, (5, 4, 6), **fields)(x)
        assert found.is_contiguous(), word
        assert torch.equal(found, x)


@pytest.mark.parametrize("name", ["attention", "rearranging"])
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_networks_of_them_agree(name: str, device: str) -> None:
    graph = read_spec(str(GOOD / f"{name}.yaml")).graph
    result = validate(graph, device=device, batch=2, backward=True)
    assert [difference.as_dict() for difference in result.differences] == []
    assert len(result.comparisons) > 4 * len(graph.layers)
