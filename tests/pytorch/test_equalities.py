"""Convolutions in several steps are dense convolutions of a kernel that follows from theirs: built, run in float64 with
random weights, and compared with a sum over taps that uses no convolution of PyTorch's."""

from __future__ import annotations

from itertools import product

import pytest

import convcost.blocks  # noqa: F401 - registers the blocks
from convcost.graph import Builder

torch = pytest.importorskip("torch")

from convcost.pytorch.build import Network, build  # noqa: E402
from single import RANKS, Tensor, bias, built, built_on, weight  # noqa: E402


def without_bias(network: Network, *names: str) -> None:
    for name in names:
        bias(network, name).zero_()


def matrix(network: Network, name: str) -> Tensor:
    """The weights of a 1x1 convolution, out x in."""
    return weight(network, name).flatten(1)


def along_axes(network: Network, rank: int, prefix: str = "") -> Tensor:
    """The product of the depthwise steps' weights: channels x kernel."""
    steps = torch.ones((), dtype=torch.float64)
    for axis in range(rank):
        steps = steps * weight(network, f"{prefix}axis{axis + 1}")
    return steps.squeeze(1)


def spread(kernel: Tensor, dilation: int) -> Tensor:
    """The kernel with zeros between its taps."""
    sizes = [dilation * (taps - 1) + 1 for taps in kernel.shape[2:]]
    result = torch.zeros(*kernel.shape[:2], *sizes, dtype=kernel.dtype)
    result[(..., *(slice(None, None, dilation) for _ in sizes))] = kernel
    return result


def convolved(x: Tensor, kernel: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
    """The dense convolution, tap by tap: y[n, p] = sum over c and i of kernel[n, c, i] x[c, stride p + i - padding]."""
    taps = kernel.shape[2:]
    padded = torch.zeros(*x.shape[:2], *(size + 2 * padding for size in x.shape[2:]), dtype=x.dtype)
    padded[(..., *(slice(padding, padding + size) for size in x.shape[2:]))] = x
    out = [(size - tap) // stride + 1 for size, tap in zip(padded.shape[2:], taps, strict=True)]
    result = torch.zeros(x.shape[0], kernel.shape[0], *out, dtype=x.dtype)
    for tap in product(*map(range, taps)):
        window = tuple(slice(at, at + stride * (size - 1) + 1, stride) for at, size in zip(tap, out, strict=True))
        result += torch.einsum("nc,bc...->bn...", kernel[(..., *tap)], padded[(..., *window)])
    return result


def with_bias(values: Tensor, biases: Tensor) -> Tensor:
    return values + biases.reshape(-1, *(1,) * (values.dim() - 2))


def same(found: Tensor, expected: Tensor) -> bool:
    return found.shape == expected.shape and torch.allclose(found, expected, rtol=0, atol=1e-10)


# The measure itself


@RANKS
@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (2, 1), (3, 2)])
def test_the_sum_over_taps_is_the_convolution(rank: int, stride: int, padding: int) -> None:
    network, x = built("conv", 3, rank, out_channels=4, kernel_size=3, stride=stride, padding=padding)
    layer = network.get_submodule("x")
    assert same(network(x), with_bias(convolved(x, layer.weight, stride, padding), layer.bias))


@RANKS
def test_the_comparison_can_fail(rank: int) -> None:
    network, x = built("conv", 3, rank, out_channels=4, kernel_size=3, bias=False)
    kernel = network.get_submodule("x").weight.detach()
    changed = kernel.clone()
    changed.view(-1)[5] += 1e-6
    assert same(network(x), convolved(x, kernel))
    assert not same(network(x), convolved(x, changed))
    assert not same(network(x), convolved(x, kernel)[..., :-1])


@RANKS
@pytest.mark.parametrize("dilation", [1, 2, 3])
def test_a_dilated_convolution_has_zeros_between_its_taps(rank: int, dilation: int) -> None:
    network, x = built("dilated", 3, rank, out_channels=4, dilation=dilation, stride=2)
    expected = convolved(x, spread(weight(network, "conv"), dilation), stride=2, padding=dilation)
    assert same(network(x), with_bias(expected, bias(network, "conv")))


# Flattened


@RANKS
@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation"), [(3, 1, 1, 1), (3, 2, 1, 1), (2, 3, 0, 1), (3, 1, 2, 2)]
)
def test_one_flattened_stage_is_a_convolution_of_rank_one(
    rank: int, kernel: int, stride: int, padding: int, dilation: int
) -> None:
    """u_n[c] v_n[i] w_n[j], and the last step's bias."""
    window = {"kernel_size": kernel, "stride": stride, "padding": padding, "dilation": dilation}
    network, x = built("flattened", 3, rank, out_channels=4, **window)
    without_bias(network, "stage1.lateral", *(f"stage1.axis{axis}" for axis in range(1, rank)))
    dense = torch.einsum("nc,n...->nc...", matrix(network, "stage1.lateral"), along_axes(network, rank, "stage1."))
    assert all(torch.linalg.matrix_rank(one.flatten(1)) == 1 for one in dense)
    expected = convolved(x, spread(dense, dilation), stride, padding)
    assert same(network(x), with_bias(expected, bias(network, f"stage1.axis{rank}")))


@RANKS
def test_two_flattened_stages_are_one_behind_the_other(rank: int) -> None:
    network, expected = built("flattened", 3, rank, out_channels=4, stages=2, stride=2)
    x = expected
    for stage, stride in (("stage1.", 1), ("stage2.", 2)):
        without_bias(network, f"{stage}lateral", *(f"{stage}axis{axis}" for axis in range(1, rank)))
        dense = torch.einsum("nc,n...->nc...", matrix(network, f"{stage}lateral"), along_axes(network, rank, stage))
        expected = with_bias(convolved(expected, dense, stride, 1), bias(network, f"{stage}axis{rank}"))
    assert same(network(x), expected)


def test_the_other_biases_only_add_up_without_padding() -> None:
    """((b_1 sum(v) + b_2) sum(w) + b_3) everywhere; with padding the borders, where zeros come in, get less."""
    for padding in (0, 1):
        network, x = built("flattened", 3, 2, out_channels=4, padding=padding)
        dense = torch.einsum("nc,n...->nc...", matrix(network, "stage1.lateral"), along_axes(network, 2, "stage1."))
        constant = bias(network, "stage1.lateral")
        for step in ("stage1.axis1", "stage1.axis2"):
            constant = constant * weight(network, step).flatten(1).sum(1) + bias(network, step)
        found, expected = network(x), with_bias(convolved(x, dense, padding=padding), constant)
        assert same(found, expected) == (padding == 0)
        assert same(found[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1])


# Spatially separable


@RANKS
@pytest.mark.parametrize("hidden", [1, 2, 5])
@pytest.mark.parametrize(("stride", "padding", "dilation"), [(1, 1, 1), (2, 1, 1), (2, 0, 2)])
def test_spatial_separable_is_a_convolution_of_the_hidden_rank(
    rank: int, hidden: int, stride: int, padding: int, dilation: int
) -> None:
    """sum over m of h_n[m, j] v_m[c, i]."""
    window = {"stride": stride, "padding": padding, "dilation": dilation}
    network, x = built("spatial_separable", 3, rank, out_channels=4, hidden_channels=hidden, **window)
    without_bias(network, *(f"axis{axis}" for axis in range(1, rank)))
    dense = weight(network, "axis1")
    for axis in range(1, rank):
        dense = torch.einsum("nm...,mc...->nc...", weight(network, f"axis{axis + 1}"), dense)
    if rank == 2:  # as a matrix over (n, j) and (c, i), it has the rank of what stands between
        assert torch.linalg.matrix_rank(dense.permute(0, 3, 1, 2).reshape(4 * 3, 3 * 3)) == min(hidden, 9)
    expected = convolved(x, spread(dense, dilation), stride, padding)
    assert same(network(x), with_bias(expected, bias(network, f"axis{rank}")))


@RANKS
@pytest.mark.parametrize("stride", [1, 2])
def test_separable_depthwise_is_depthwise_of_outer_products(rank: int, stride: int) -> None:
    network, x = built("spatial_separable", 4, rank, out_channels=4, depthwise=True, stride=stride, kernel_size=3)
    without_bias(network, *(f"axis{axis}" for axis in range(1, rank)))
    dense = torch.zeros(4, 4, *(3,) * rank, dtype=torch.float64)
    dense[range(4), range(4)] = along_axes(network, rank)
    assert same(network(x), with_bias(convolved(x, dense, stride, padding=1), bias(network, f"axis{rank}")))


# CP and Tucker


@RANKS
@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize(("stride", "padding", "dilation"), [(2, 1, 1), (1, 2, 2), (3, 0, 1)])
def test_cp_is_the_convolution_of_its_kernel(rank: int, scaled: bool, stride: int, padding: int, dilation: int) -> None:
    """sum over r of a_n[r] s[r] b_c[r] u_r[i] v_r[j]."""
    window = {"stride": stride, "padding": padding, "dilation": dilation}
    network, x = built("cp", 3, rank, out_channels=4, rank=5, scaled=scaled, **window)
    scale = weight(network, "scale").flatten() if scaled else torch.ones(5, dtype=torch.float64)
    factors = matrix(network, "expand"), scale, matrix(network, "reduce"), along_axes(network, rank)
    dense = torch.einsum("nr,r,rc,r...->nc...", *factors)
    expected = convolved(x, spread(dense, dilation), stride, padding)
    assert same(network(x), with_bias(expected, bias(network, "expand")))


@RANKS
@pytest.mark.parametrize(("stride", "padding", "dilation"), [(2, 1, 1), (1, 2, 2), (3, 0, 1)])
def test_tucker_is_the_convolution_of_its_kernel(rank: int, stride: int, padding: int, dilation: int) -> None:
    """sum over r and s of a_n[s] core[s, r, i, j] b_c[r]."""
    window = {"stride": stride, "padding": padding, "dilation": dilation}
    network, x = built("tucker", 3, rank, out_channels=6, in_rank=2, out_rank=4, **window)
    factors = matrix(network, "expand"), weight(network, "core"), matrix(network, "reduce")
    dense = torch.einsum("ns,sr...,rc->nc...", *factors)
    expected = convolved(x, spread(dense, dilation), stride, padding)
    assert same(network(x), with_bias(expected, bias(network, "expand")))


# Decoupled


@RANKS
@pytest.mark.parametrize("multiplier", [1, 2, 3])
@pytest.mark.parametrize(("stride", "padding"), [(1, 1), (2, 0)])
def test_decoupled_is_a_convolution_of_rank_multiplier(rank: int, multiplier: int, stride: int, padding: int) -> None:
    """Pointwise, then depthwise with multiplier 1: g_n[i, j] m_n[c]; a sum of so many in general."""
    network, x = built("decoupled", 3, rank, out_channels=4, multiplier=multiplier, stride=stride, padding=padding)
    mix = matrix(network, "mix").reshape(4, multiplier, 3)
    dense = torch.einsum("nm...,nmc->nc...", weight(network, "gather"), mix)
    assert all(torch.linalg.matrix_rank(one.flatten(1)) == min(multiplier, 3) for one in dense)
    assert same(network(x), with_bias(convolved(x, dense, stride, padding), bias(network, "gather")))


@RANKS
@pytest.mark.parametrize(("kernel", "stride", "padding"), [(3, 1, 1), (3, 2, 0), (2, 1, 1)])
def test_every_convolution_is_a_pointwise_one_and_a_fixed_gathering(
    rank: int, kernel: int, stride: int, padding: int
) -> None:
    """As many intermediate channels an output as taps, and of each channel one tap: one-hot weights."""
    taps = kernel**rank
    window = {"kernel_size": kernel, "stride": stride, "padding": padding}
    network, x = built("decoupled", 3, rank, out_channels=4, multiplier=taps, **window)
    dense = torch.randn(4, 3, *(kernel,) * rank, dtype=torch.float64)
    weight(network, "mix").view(4, taps, 3).copy_(dense.flatten(2).transpose(1, 2))
    weight(network, "gather").view(4, taps, taps).copy_(torch.eye(taps).expand(4, taps, taps))
    assert same(network(x), with_bias(convolved(x, dense, stride, padding), bias(network, "gather")))


# Shift


@RANKS
@pytest.mark.parametrize("expansion", [1, 3, 7])
@pytest.mark.parametrize(("kernel", "stride", "dilation"), [(3, 1, 1), (3, 2, 1), (1, 1, 1), (3, 1, 2), (2, 2, 1)])
def test_shift_and_pointwise_are_a_sparse_convolution(
    rank: int, expansion: int, kernel: int, stride: int, dilation: int
) -> None:
    """One tap a hidden channel, all in turn; the middle one for those that stay."""
    window = {"kernel_size": kernel, "stride": stride, "dilation": dilation}
    plain = {"norm": "none", "activation": "none"}
    network, x = built("shift_block", 4, rank, out_channels=4, expansion=expansion, **window, **plain)
    without_bias(network, "expand")
    hidden, taps, middle = 4 * expansion, kernel**rank, (kernel // 2,) * rank
    every = list(product(range(kernel), repeat=rank))
    sparse = torch.zeros(4, hidden, *(kernel,) * rank, dtype=torch.float64)
    for channel in range(hidden):
        stays = channel >= hidden // taps * taps
        tap = middle if stays else every[channel % taps]
        sparse[(slice(None), channel, *tap)] = matrix(network, "project")[:, channel]
    assert int((sparse != 0).sum()) == 4 * hidden
    dense = spread(torch.einsum("nh...,hc->nc...", sparse, matrix(network, "expand")), dilation)
    expected = convolved(x, dense, stride, padding=dilation * (kernel // 2))
    around = x
    if stride > 1:
        shortcut = convolved(x, weight(network, "shortcut"), stride)
        around = with_bias(shortcut, bias(network, "shortcut"))
    expected = expected[(..., *(slice(size) for size in around.shape[2:]))]  # even kernels: padded in front alone
    assert same(network(x), with_bias(expected, bias(network, "project")) + around)


# Stacks of dilated convolutions


@pytest.mark.parametrize(("kernel", "dilation"), [(2, 1), (2, 4), (3, 2), (1, 5)])
def test_a_wavenet_layer_by_dense_convolutions(kernel: int, dilation: int) -> None:
    network, x = built_on("wavenet_layer", (3, 14), dilation=dilation, kernel_size=kernel, dilation_channels=5)

    def step(name: str, values: Tensor) -> Tensor:
        return with_bias(convolved(values, spread(weight(network, name), dilation)), bias(network, name))

    gated = torch.tanh(step("filter", x)) * torch.sigmoid(step("gate", x))
    assert same(network(x), x[..., (kernel - 1) * dilation :] + step("dense", gated))


def test_a_wavenet_stack_by_its_layers() -> None:
    fields = {"dilations": [1, 2], "blocks": 2, "dilation_channels": 5, "skip_channels": 6}
    network, x = built_on("wavenet_stack", (3, 15), **fields)
    expected, residual = torch.zeros(2, 6, 9, dtype=torch.float64), x
    for number, dilation in enumerate([1, 2, 1, 2]):
        parts = {}
        for name in ("filter", "gate", "dense", "skip"):
            path = f"layer{number}.{name}"
            source = (
                residual if name in ("filter", "gate") else torch.tanh(parts["filter"]) * torch.sigmoid(parts["gate"])
            )
            parts[name] = with_bias(convolved(source, spread(weight(network, path), dilation)), bias(network, path))
        expected = expected + parts["skip"][..., -9:]
        residual = residual[..., dilation:] + parts["dense"]
    last, total = network(x)
    assert same(last, residual)
    assert same(total, expected)


def reached(network: Network, size: int, rank: int) -> Tensor:
    """By how many paths each element of the input reaches the middle of the output, all weights being 1."""
    for parameter in network.parameters():
        parameter.data.fill_(1.0)
    x = torch.zeros(1, 1, *(size,) * rank, dtype=torch.float64, requires_grad=True)
    out = network(x)
    out[(0, 0, *(extent // 2 for extent in out.shape[2:]))].backward()
    return x.grad[0, 0]


def test_dilations_that_double_reach_each_sample_by_one_path() -> None:
    """Kernels of 2 and dilations 1, 2, 4, 8: 16 samples, each once. Kernels of 3 meet again."""
    for taps, count in ((2, 16), (3, 31)):
        b = Builder()
        x = b.input((1, count))
        for dilation in (1, 2, 4, 8):
            x = b.dilated(x, out_channels=1, kernel_size=taps, dilation=dilation, padding=0, bias=False)
        paths = reached(build(b.graph()).double(), count, 1)
        assert paths.shape == (count,)
        assert (paths.min(), paths.sum()) == (1, taps**4)
        assert bool((paths == 1).all()) == (taps == 2)


def test_the_context_module_touches_all_that_it_sees() -> None:
    """67 x 67 = 4,489 elements; three dilations of 2 see 13 x 13, of which they touch each second: 49."""
    network, _ = built_on("dilated_context", (1, 71, 71), activation="none")
    paths = reached(network, 71, 2)
    assert bool((paths[2:-2, 2:-2] > 0).all())
    assert int((paths > 0).sum()) == 67 * 67 == 4_489
    gaps, _ = built_on("dilated_context", (1, 15, 15), activation="none", dilations=[2, 2, 2])
    paths = reached(gaps, 15, 2)
    assert bool((paths[1:-1:2, 1:-1:2] > 0).all())
    assert int((paths > 0).sum()) == 49


@RANKS
def test_the_context_module_by_dense_convolutions(rank: int) -> None:
    network, x = built("dilated_context", 2, rank, dilations=[1, 3], multipliers=[2, 4])
    expected = x
    for name, dilation in (("conv1", 1), ("conv2", 3)):
        expected = convolved(expected, spread(weight(network, name), dilation), padding=dilation)
        expected = with_bias(expected, bias(network, name)).clamp(min=0)
    assert same(network(x), with_bias(convolved(expected, weight(network, "final")), bias(network, "final")))
