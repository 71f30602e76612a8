"""Blocks that stand where a convolution stood are dense convolutions of a kernel that follows from theirs."""

from __future__ import annotations

from itertools import product

import pytest

import convcost.blocks  # noqa: F401 - registers the blocks

torch = pytest.importorskip("torch")

from single import RANKS, Tensor, bias, built, built_on, weight  # noqa: E402


def dense(x: Tensor, kernel: Tensor, biases: Tensor, stride: int = 1, padding: int = 0, dilation: int = 1) -> Tensor:
    """PyTorch's convolution without groups."""
    convolve = (torch.conv1d, torch.conv2d, torch.conv3d)[x.dim() - 3]
    return convolve(x, kernel, biases, stride=stride, padding=padding, dilation=dilation)


def same(found: Tensor, expected: Tensor) -> bool:
    return found.shape == expected.shape and torch.allclose(found, expected, rtol=0, atol=1e-10)


def test_the_comparison_can_fail() -> None:
    network, x = built("conv", 3, 2, out_channels=4, kernel_size=3)
    kernel, biases = (getattr(network.get_submodule("x"), name).detach().clone() for name in ("weight", "bias"))
    assert same(network(x), dense(x, kernel, biases))
    kernel.view(-1)[5] += 1e-6
    assert not same(network(x), dense(x, kernel, biases))


# Pruned


@RANKS
@pytest.mark.parametrize(("keep", "keep_in"), [(0.5, None), (0.7, 1), (1, 0.5), (0.3, 0.7), (1, 1)])
@pytest.mark.parametrize(("stride", "dilation", "kernel"), [(1, 1, 3), (2, 1, 3), (1, 2, 3), (2, 1, 1)])
def test_a_pruned_convolution_is_a_dense_one_whose_other_filters_are_zero(
    rank: int, keep: float, keep_in: float | None, stride: int, dilation: int, kernel: int
) -> None:
    given = {} if keep_in is None else {"keep_in": keep_in}
    window = {"stride": stride, "dilation": dilation}
    network, x = built("pruned_conv", 6, rank, out_channels=10, keep=keep, kernel_size=kernel, **given, **window)
    left = weight(network, "conv")
    filters, channels = left.shape[:2]
    assert filters == {0.5: 5, 0.7: 7, 0.3: 3, 1: 10}[keep]
    assert channels == {0.5: 3, 0.7: 4, 1: 6}[keep if keep_in is None else keep_in]
    whole = torch.zeros(10, 6, *(kernel,) * rank, dtype=torch.float64)
    whole[:filters, :channels] = left
    biases = torch.zeros(10, dtype=torch.float64)
    biases[:filters] = bias(network, "conv")
    assert same(network(x), dense(x, whole, biases, padding=dilation * (kernel - 1) // 2, **window))


# Shift


@RANKS
@pytest.mark.parametrize("channels", [2, 7, 10, 30])
@pytest.mark.parametrize(("kernel", "stride", "dilation"), [(3, 1, 1), (3, 2, 1), (1, 1, 1), (3, 1, 2)])
def test_a_shift_convolution_has_one_tap_a_channel(
    rank: int, channels: int, kernel: int, stride: int, dilation: int
) -> None:
    """The taps in turn, the last axis fastest; the middle one for the channels that are left over."""
    window = {"stride": stride, "dilation": dilation}
    network, x = built("shift_conv", channels, rank, out_channels=4, kernel_size=kernel, **window)
    taps = list(product(range(kernel), repeat=rank))
    moved = channels // len(taps) * len(taps)
    sparse = torch.zeros(4, channels, *(kernel,) * rank, dtype=torch.float64)
    for channel in range(channels):
        tap = taps[channel % len(taps)] if channel < moved else (kernel // 2,) * rank
        sparse[(slice(None), channel, *tap)] = weight(network, "pointwise").flatten(1)[:, channel]
    biases = bias(network, "pointwise")
    assert same(network(x), dense(x, sparse, biases, padding=dilation * (kernel // 2), **window))


# Equivariant


def turned(plane: Tensor, element: int) -> Tensor:
    """A plane under an element of the group: so many quarter turns, and from the fifth on mirrored before."""
    if element >= 4:
        plane = plane.flip(-1)
    return torch.rot90(plane, element % 4, (-2, -1))


def product_of(first: int, second: int, order: int) -> int:
    """The element that does what both do, the second before the first; told by what it does to a plane."""
    probe = torch.arange(9.0).reshape(3, 3)
    wanted = turned(turned(probe, second), first)
    return next(one for one in range(order) if torch.equal(turned(probe, one), wanted))


@pytest.mark.parametrize(("group", "order"), [("p4", 4), ("p4m", 8)])
@pytest.mark.parametrize(("kernel", "stride", "padding"), [(3, 1, None), (3, 2, 0), (1, 1, None), (2, 1, 1)])
def test_an_equivariant_convolution_is_its_planar_expansion(
    group: str, order: int, kernel: int, stride: int, padding: int | None
) -> None:
    """y[n, g] = sum over c, h of turned(w[n, c, g^-1 h], g) * x[c, h]: a dense kernel of (n g) x (c h) channels."""
    given = {} if padding is None else {"padding": padding}
    fields = {"group": group, "kernel_size": kernel, "stride": stride, **given}
    network, x = built_on("equivariant_conv", (2 * order, 9, 8), out_channels=3 * order, **fields)
    filters = weight(network, "conv").reshape(3, 2, order, kernel, kernel)
    whole = torch.zeros(3, order, 2, order, kernel, kernel, dtype=torch.float64)
    for g, h in product(range(order), repeat=2):
        inner = next(one for one in range(order) if product_of(g, one, order) == h)  # g^-1 h
        whole[:, g, :, h] = turned(filters[:, :, inner], g)
    biases = bias(network, "conv").repeat_interleave(order)
    pad = (kernel - 1) // 2 if padding is None else padding
    assert same(network(x), dense(x, whole.reshape(3 * order, 2 * order, kernel, kernel), biases, stride, pad))


# Bottlenecks


@RANKS
@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (1, 2)])
def test_a_bottleneck_is_a_dense_convolution_of_low_rank(rank: int, stride: int, dilation: int) -> None:
    """sum over r and s of a_n[s] core[s, r, i] b_c[r], where the biases before the last are 0."""
    window = {"stride": stride, "dilation": dilation}
    network, x = built("bottleneck", 6, rank, out_channels=8, reduction=4, **window)
    for name in ("reduce", "conv"):
        bias(network, name).zero_()
    outer, inner = weight(network, "expand").flatten(1), weight(network, "reduce").flatten(1)
    whole = torch.einsum("ns,sr...,rc->nc...", outer, weight(network, "conv"), inner)
    assert torch.linalg.matrix_rank(whole.flatten(1)) == 2
    assert same(network(x), dense(x, whole, bias(network, "expand"), padding=dilation, **window))


def test_a_linear_bottleneck_is_a_matrix_of_low_rank() -> None:
    network, x = built_on("linear_bottleneck", (12,), out_features=8, reduction=4)
    matrix = weight(network, "expand") @ weight(network, "reduce")
    constant = weight(network, "expand") @ bias(network, "reduce") + bias(network, "expand")
    assert torch.linalg.matrix_rank(matrix) == 2
    assert same(network(x), x @ matrix.T + constant)
