"""PyTorch as the oracle: what it accepts, the shapes it gives, the parameters it holds, the multiplications it counts.

Its modules are run on tensors of zeros; nothing here shares code with the formulas.
"""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from convcost.errors import ConvcostError
from convcost.graph import Builder

torch = pytest.importorskip("torch")
flop_counter = pytest.importorskip("torch.utils.flop_counter")
nn = torch.nn

Facts = dict[str, Any] | None
Module = Callable[..., Any]
BATCH = 2

few = st.integers(1, 4)
thoroughly = settings(max_examples=200, deadline=None)


def expected_facts(module: Module, shape: tuple[int, ...], *arguments: Any, **fields: Any) -> Facts:
    """What PyTorch says of the module on an input of this shape, or None where it refuses."""
    try:
        layer = module(*arguments, **fields).eval()
        with flop_counter.FlopCounterMode(display=False) as counter:
            output = layer(torch.zeros(shape))
    except (RuntimeError, ValueError):
        return None
    if 0 in output.shape:  # PyTorch goes on with empty maps; here every axis must be at least 1
        return None
    return {
        "shape": tuple(output.shape),
        "params": sum(parameter.numel() for parameter in layer.parameters()),
        "buffers": sum(buffer.numel() for buffer in layer.buffers()),
        "macs": counter.get_total_flops() // 2,
    }


def stated_facts(word: str, shape: tuple[int, ...], **fields: Any) -> Facts:
    """What the operator says of itself, or None where it is refused; the first axis is the batch."""
    builder = Builder(leading=1)
    try:
        output = builder.apply(word, builder.input(shape), **fields)
    except ConvcostError:
        return None
    op = builder.nodes[-1].op
    macs = op.macs((shape,), output.shape)
    return {"shape": output.shape, "params": op.params(), "buffers": op.buffers(), "macs": macs}


def per_axis(rank: int, low: int, high: int) -> st.SearchStrategy[Any]:
    """One number for all axes, or one an axis."""
    number = st.integers(low, high)
    return number | st.tuples(*[number] * rank)


@st.composite
def maps(draw: st.DrawFn, channels: st.SearchStrategy[int] = few) -> tuple[int, ...]:
    """The shape of a batch of feature maps, with 1 to 3 spatial axes."""
    rank = draw(st.integers(1, 3))
    sizes = draw(st.tuples(*[st.integers(1, 9 if rank < 3 else 6)] * rank))
    return (BATCH, draw(channels), *sizes)


@st.composite
def channels_of(draw: st.DrawFn, groups: int) -> int:
    """Channels that the groups mostly divide."""
    return groups * draw(st.integers(1, 3)) + draw(st.sampled_from([0, 0, 0, 1]))


@st.composite
def convolutions(draw: st.DrawFn, transposed: bool = False) -> tuple[tuple[int, ...], dict[str, Any]]:
    """A shape, and the fields of a convolution, which need not fit it."""
    groups = draw(st.integers(1, 3))
    shape = draw(maps(channels_of(groups)))
    rank = len(shape) - 2
    padding = per_axis(rank, 0, 3)
    fields = {
        "out_channels": draw(channels_of(groups)),
        "kernel_size": draw(per_axis(rank, 1, 4)),
        "stride": draw(per_axis(rank, 1, 3)),
        "padding": draw(padding if transposed else padding | st.sampled_from(["same", "valid"])),
        "dilation": draw(per_axis(rank, 1, 3)),
        "groups": groups,
        "bias": draw(st.booleans()),
    }
    if transposed:
        fields["output_padding"] = draw(per_axis(rank, 0, 3))
    return shape, fields


@st.composite
def pools(draw: st.DrawFn, dilated: bool = False) -> tuple[tuple[int, ...], dict[str, Any]]:
    """A shape, and the fields of a pool, which need not fit it."""
    shape = draw(maps())
    rank = len(shape) - 2
    fields = {"kernel_size": draw(per_axis(rank, 1, 4)), "padding": draw(per_axis(rank, 0, 2))}
    fields["ceil_mode"] = draw(st.booleans())
    if draw(st.booleans()):
        fields["stride"] = draw(per_axis(rank, 1, 4))
    if dilated:
        fields["dilation"] = draw(per_axis(rank, 1, 3))
    return shape, fields


def module_for(name: str, shape: tuple[int, ...]) -> Module:
    """`Conv2d` for `Conv` on a batch of maps with two spatial axes."""
    return getattr(nn, f"{name}{len(shape) - 2}d")


@thoroughly
@given(convolutions())
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
def test_convolution(case: tuple[tuple[int, ...], dict[str, Any]]) -> None:
    shape, fields = case
    expected = expected_facts(module_for("Conv", shape), shape, in_channels=shape[1], **fields)
    assert stated_facts("conv", shape, **fields) == expected


@thoroughly
@given(convolutions(transposed=True))
def test_transposed_convolution(case: tuple[tuple[int, ...], dict[str, Any]]) -> None:
    shape, fields = case
    expected = expected_facts(module_for("ConvTranspose", shape), shape, in_channels=shape[1], **fields)
    assert stated_facts("conv_transpose", shape, **fields) == expected


@thoroughly
@given(pools(dilated=True))
def test_maximum_pooling(case: tuple[tuple[int, ...], dict[str, Any]]) -> None:
    shape, fields = case
    assert stated_facts("max_pool", shape, **fields) == expected_facts(module_for("MaxPool", shape), shape, **fields)


def kernel_exceeds_size(shape: tuple[int, ...], kernel: Any) -> bool:
    """Whether on some axis the kernel is larger than the input without its padding."""
    sizes = shape[2:]
    kernels = kernel if isinstance(kernel, tuple) else (kernel,) * len(sizes)
    return any(taps > size for taps, size in zip(kernels, sizes, strict=True))


@thoroughly
@given(pools(), st.booleans())
def test_average_pooling(case: tuple[tuple[int, ...], dict[str, Any]], count_include_pad: bool) -> None:
    shape, fields = case
    # a rule of its own of AvgPool3d, which has a test of its own below
    assume(len(shape) < 5 or not kernel_exceeds_size(shape, fields["kernel_size"]))
    fields = {**fields, "count_include_pad": count_include_pad}
    assert stated_facts("avg_pool", shape, **fields) == expected_facts(module_for("AvgPool", shape), shape, **fields)


def test_average_pooling_over_three_axes_wants_a_kernel_within_the_unpadded_input() -> None:
    shape, fields = (BATCH, 1, 5, 3, 3), {"kernel_size": (3, 4, 3), "padding": 1}
    assert expected_facts(nn.MaxPool3d, shape, **fields) is not None
    assert expected_facts(nn.AvgPool3d, shape, **fields) is None
    assert stated_facts("avg_pool", shape, **fields) is None


@thoroughly
@given(maps(), st.sampled_from(["max", "avg"]), st.data())
def test_adaptive_pooling(shape: tuple[int, ...], kind: str, data: st.DataObject) -> None:
    size = data.draw(per_axis(len(shape) - 2, 1, 11))
    expected = expected_facts(module_for(f"Adaptive{kind.capitalize()}Pool", shape), shape, size)
    assert expected is not None
    assert stated_facts(f"adaptive_{kind}_pool", shape, output_size=size) == expected


@thoroughly
@given(maps(), st.sampled_from(["max", "avg"]))
def test_global_pooling(shape: tuple[int, ...], kind: str) -> None:
    expected = expected_facts(module_for(f"Adaptive{kind.capitalize()}Pool", shape), shape, 1)
    assert expected is not None
    assert stated_facts(f"global_{kind}_pool", shape) == expected


@thoroughly
@given(maps(), st.sampled_from(["nearest", "linear", "bilinear", "trilinear"]), st.booleans(), st.data())
def test_upsampling(shape: tuple[int, ...], mode: str, align_corners: bool, data: st.DataObject) -> None:
    rank = len(shape) - 2
    fields: dict[str, Any] = {"mode": mode}
    if data.draw(st.booleans(), "to a size"):
        fields["size"] = data.draw(per_axis(rank, 1, 9))
    if data.draw(st.booleans(), "by a factor"):
        fields["scale_factor"] = data.draw(per_axis(rank, 1, 3))
    given_corners = None if mode == "nearest" and not align_corners else align_corners
    expected = expected_facts(nn.Upsample, shape, align_corners=given_corners, **fields)
    assert stated_facts("upsample", shape, align_corners=align_corners, **fields) == expected


@thoroughly
@given(st.lists(st.integers(1, 4), max_size=2), st.integers(1, 9), st.integers(1, 9), st.booleans())
def test_linear(middle: list[int], in_features: int, out_features: int, bias: bool) -> None:
    shape = (BATCH, *middle, in_features)
    expected = expected_facts(nn.Linear, shape, in_features, out_features, bias=bias)
    stated = stated_facts("linear", shape, in_features=in_features, out_features=out_features, bias=bias)
    assert expected is not None
    assert stated == expected


@thoroughly
@given(maps(), st.booleans())
def test_batch_norm(shape: tuple[int, ...], affine: bool) -> None:
    expected = expected_facts(module_for("BatchNorm", shape), shape, shape[1], affine=affine)
    assert expected is not None
    assert stated_facts("batch_norm", shape, affine=affine) == expected


@thoroughly
@given(maps(st.integers(1, 12)), st.integers(1, 2), st.integers(1, 6), st.booleans())
def test_group_norm(shape: tuple[int, ...], batch: int, num_groups: int, affine: bool) -> None:
    shape = (batch, *shape[1:])  # PyTorch refuses groups of one element in a batch of one
    expected = expected_facts(nn.GroupNorm, shape, num_groups, shape[1], affine=affine)
    assert stated_facts("group_norm", shape, num_groups=num_groups, affine=affine) == expected


@thoroughly
@given(maps(), st.booleans(), st.booleans(), st.data())
def test_layer_norm(shape: tuple[int, ...], elementwise_affine: bool, bias: bool, data: st.DataObject) -> None:
    normalized = data.draw(st.just(shape[1:]) | st.just(shape[-1:]) | st.tuples(st.integers(1, 9)), "normalized_shape")
    fields = {"normalized_shape": normalized, "elementwise_affine": elementwise_affine, "bias": bias}
    assert stated_facts("layer_norm", shape, **fields) == expected_facts(nn.LayerNorm, shape, **fields)


@thoroughly
@given(maps(), st.integers(1, 5))
def test_prelu(shape: tuple[int, ...], num_parameters: int) -> None:
    expected = expected_facts(nn.PReLU, shape, num_parameters)
    assert stated_facts("prelu", shape, num_parameters=num_parameters) == expected


@pytest.mark.parametrize(
    ("word", "module"),
    [
        ("relu", nn.ReLU),
        ("relu6", nn.ReLU6),
        ("leaky_relu", nn.LeakyReLU),
        ("elu", nn.ELU),
        ("sigmoid", nn.Sigmoid),
        ("hardsigmoid", nn.Hardsigmoid),
        ("tanh", nn.Tanh),
        ("silu", nn.SiLU),
        ("hardswish", nn.Hardswish),
        ("gelu", nn.GELU),
        ("mish", nn.Mish),
        ("softplus", nn.Softplus),
        ("identity", nn.Identity),
        ("dropout", nn.Dropout),
        ("flatten", nn.Flatten),
    ],
)
@pytest.mark.parametrize("shape", [(BATCH, 3), (BATCH, 3, 4), (BATCH, 3, 4, 5, 2)])
def test_modules_without_fields(word: str, module: Module, shape: tuple[int, ...]) -> None:
    expected = expected_facts(module, shape)
    assert expected is not None
    assert stated_facts(word, shape) == expected


@pytest.mark.parametrize("shape", [(BATCH, 3, 4), (BATCH, 3, 4, 5, 2)])
def test_softmax_and_local_response_norm(shape: tuple[int, ...]) -> None:
    assert stated_facts("softmax", shape) == expected_facts(nn.Softmax, shape, dim=1)
    assert stated_facts("local_response_norm", shape, size=2) == expected_facts(nn.LocalResponseNorm, shape, size=2)


@pytest.mark.parametrize(
    ("word", "fields", "module", "expected_fields"),
    [
        ("conv", {"padding": 1}, nn.Conv2d, {}),  # another shape
        ("conv", {"bias": False}, nn.Conv2d, {}),  # other parameters
        ("conv", {"stride": 4}, nn.ConvTranspose2d, {"stride": 4}),  # other multiplications
        ("conv", {"groups": 3}, nn.Conv2d, {}),  # refused on one side
        ("conv", {}, nn.Conv2d, {"groups": 3}),  # refused on the other
    ],
)
def test_the_comparison_can_fail(
    word: str, fields: dict[str, Any], module: Module, expected_fields: dict[str, Any]
) -> None:
    shape = (BATCH, 4, 3, 3)
    expected = expected_facts(module, shape, 4, 4, 3, **expected_fields)
    stated = stated_facts(word, shape, out_channels=4, kernel_size=3, **fields)
    assert (expected is None) == ("groups" in expected_fields)
    assert (stated is None) == ("groups" in fields)
    assert stated != expected
