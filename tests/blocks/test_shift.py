"""Shift blocks: against the basic block, against the published networks, and where nothing is shifted."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy
import pytest

import convcost.blocks  # noqa: F401 - registers the blocks
from convcost.analysis.cost import analyze
from convcost.analysis.result import Totals
from convcost.analysis.view import view
from convcost.errors import ConvcostError
from convcost.formulas.symbolic import size_symbol
from convcost.frontends.yaml_spec import read_spec
from telling import analysis_of, names_of, output_of

SPECS = Path(__file__).parents[2] / "specs"


def totals(spec: str, **variables: Any) -> Totals:
    return analyze(read_spec(str(SPECS / f"{spec}.yaml"), variables).graph).totals


def test_shift_block_of_equal_shapes_adds_its_input() -> None:
    """16 channels at 32x32, expansion 3: 16 x 48 up, 48 x 16 down."""
    result = analysis_of("shift_block", (16, 32, 32), out_channels=16, expansion=3)
    first = ["expand", "expand_norm", "expand_act", "shift"]
    assert names_of(result) == [*first, "project", "project_norm", "project_act", "add"]
    assert [layer.node.shape[0] for layer in result.layers] == [48] * 4 + [16] * 4
    assert result.totals.weights == 2 * 3 * 16 * 16 == 1_536
    assert result.totals.params == 1_536 + 2 * (48 + 16) == 1_664  # the norms' scales and shifts
    assert result.totals.macs == 1_536 * 1_024 == 1_572_864
    by_name = {layer.node.name.removeprefix("x."): layer for layer in result.layers}
    assert (by_name["shift"].cost.params, by_name["shift"].cost.macs, by_name["shift"].cost.flops) == (0, 0, 0)
    assert by_name["add"].node.inputs == (7, 0)  # the activated projection, and the input


def test_shift_block_with_stride_has_a_convolution_around() -> None:
    """8 to 16 channels, 9x9 to 5x5, expansion 2: 32 hidden channels, which run at the input's size."""
    result = analysis_of("shift_block", (8, 9, 9), out_channels=16, stride=2, expansion=2)
    assert names_of(result)[-3:] == ["shortcut", "shortcut_norm", "add"]
    assert output_of(result) == (16, 5, 5)
    assert result.totals.weights == 8 * 32 + 32 * 16 + 8 * 16 == 896
    assert result.totals.params == 896 + 2 * (32 + 16 + 16) == 1_024
    assert [layer.cost.macs for layer in result.layers if layer.node.op.word == "conv"] == [
        256 * 81,
        512 * 25,
        128 * 25,
    ]
    (row,) = view(result, depth=1).rows
    assert (row.op, row.what, row.layers) == ("shift_block", "3x3 stride 2 expansion 2", 10)


def test_shift_block_without_norm_has_biases() -> None:
    fields = {"norm": "none", "activation": "none", "stride": 2}
    result = analysis_of("shift_block", (8, 9, 9), out_channels=16, **fields)
    assert names_of(result) == ["expand", "shift", "project", "shortcut", "add"]
    assert result.totals.params == 8 * 16 + 16 * 16 + 8 * 16 + 3 * 16


@pytest.mark.parametrize("channels", [4, 16, 32, 64])
@pytest.mark.parametrize("expansion", [1, 3, 6, 9, Fraction(1, 2), 4.5])
def test_shift_block_beside_the_basic_block(channels: int, expansion: Any) -> None:
    """2 E C^2 and 18 C^2 weights: E / 9, and the same with expansion 9."""
    shift = analysis_of("shift_block", (channels, 12, 12), out_channels=channels, expansion=expansion).totals
    basic = analysis_of("basic_block", (channels, 12, 12), out_channels=channels).totals
    assert basic.weights == 18 * channels**2
    assert shift.weights == 2 * Fraction(expansion) * channels**2
    assert Fraction(shift.weights, basic.weights) == Fraction(shift.macs, basic.macs) == Fraction(expansion) / 9
    assert (shift.weights == basic.weights) == (expansion == 9)


@pytest.mark.parametrize(
    ("hidden", "kernel", "moved"),
    [(8, 3, 0), (9, 3, 9), (17, 3, 9), (18, 3, 18), (24, 5, 0), (25, 5, 25), (3, 1, 3), (7, [2, 4], 0), (8, [2, 4], 8)],
)
def test_fewer_channels_than_taps_are_not_shifted(hidden: int, kernel: Any, moved: int) -> None:
    """floor(C / K^2) K^2 channels move; it costs the same all the same."""
    result = analysis_of("shift_block", (6, 9, 9), out_channels=hidden, kernel_size=kernel)
    (shift,) = (layer.node for layer in result.layers if layer.node.op.word == "shift")
    assert shift.op.moved_channels == moved
    assert shift.shape == (hidden, 9, 9)
    assert result.totals.macs == (6 * hidden + hidden * hidden + 6 * hidden) * 81


@pytest.mark.parametrize(("depth", "weights"), [(20, 270_896), (56, 851_504), (110, 1_722_416)])
def test_expansion_nine_has_the_weights_of_the_residual_network(depth: int, weights: int) -> None:
    """The whole network: what stands around the blocks is the same. The shift blocks' norms are wider."""
    shift, residual = totals("shiftresnet20", depth=depth, expansion=9), totals("resnet20_cifar", depth=depth)
    assert shift.weights == residual.weights == weights
    # 16, 32 and 64 channels: a shift block has norms of 9 and 1 times, a basic block of twice as many channels
    blocks = (depth - 2) // 6
    assert shift.params - residual.params == blocks * 2 * (10 - 2) * (16 + 32 + 64)


def test_shift_networks_run_the_hidden_channels_at_the_size_of_the_input() -> None:
    """Depth 20, expansion 9: the stages' first blocks have 16 x 288 weights at 32x32, and 32 x 576 at 16x16."""
    shift, residual = totals("shiftresnet20", expansion=9), totals("resnet20_cifar")
    # 768 of 1,024 positions more, and 192 of 256; the basic blocks have as many weights at the output's size
    more = (16 * 288) * 768 + (32 * 576) * 192
    assert shift.macs - residual.macs == more == 7_077_888
    assert (shift.macs, residual.macs) == (47_891_072, 40_813_184)


def test_published_multiply_accumulates_are_too_many() -> None:
    """The README counts 9 x 64 weights of the stem at 1,024 positions, and not 27 x 16: 144 x 1,024 too many."""
    assert (9 * 64 - 27 * 16) * 1_024 == 147_456
    assert totals("shiftresnet20").macs == 16_581_248 - 147_456 == 16_433_792
    assert totals("resnet20_cifar").macs == 40_960_640 - 147_456 == 40_813_184
    assert totals("shiftresnet20").params == 95_642


@pytest.mark.parametrize(
    ("shape", "fields", "output"),
    [
        ((6, 33), {"stride": 2}, (6, 17)),
        ((6, 7, 8), {"stride": [1, 3]}, (6, 7, 3)),
        ((6, 7, 8), {"kernel_size": [2, 3], "dilation": [1, 4]}, (6, 7, 8)),
        ((6, 4, 5, 6), {"stride": 2}, (6, 2, 3, 3)),
    ],
)
def test_shift_block_on_one_to_three_axes(
    shape: tuple[int, ...], fields: dict[str, Any], output: tuple[int, ...]
) -> None:
    """The shift keeps the size, whatever its kernel; both ways have floor((size - 1) / stride) + 1."""
    result = analysis_of("shift_block", shape, out_channels=6, expansion=2, **fields)
    assert output_of(result) == output
    around = 6 * 6 if "stride" in fields else 0
    assert result.totals.weights == 2 * 12 * 6 + around


def test_shift_block_on_symbols_and_arrays() -> None:
    channels, expansion, size = map(size_symbol, "CES")
    result = analysis_of("shift_block", (channels, size, size), out_channels=channels, expansion=expansion)
    assert result.totals.weights.equals(2 * expansion * channels**2)
    assert result.totals.macs.equals(2 * expansion * channels**2 * size**2)
    fields = {"out_channels": 8, "expansion": 2, "stride": 2}
    sizes = [7, 8, 9]
    symbolic = analysis_of("shift_block", (4, size, 5), **fields)
    together = analysis_of("shift_block", (4, numpy.array(sizes, dtype=object), 5), **fields)
    for number, value in enumerate(sizes):
        alone = analysis_of("shift_block", (4, value, 5), **fields)
        assert symbolic.totals.macs.subs({size: value}) == together.totals.macs[number] == alone.totals.macs


REFUSED: list[tuple[tuple[int, ...], dict[str, Any], str]] = [
    ((8, 9, 9), {"expansion": 0.3}, "expansion (=0.3) times out_channels (=8) must be whole"),
    ((8, 9, 9), {"expansion": Fraction(1, 16)}, "expansion (=0.0625) times out_channels (=8) must be whole"),
    ((8, 9, 9), {"expansion": 0}, "expansion is 0; it must be a number above 0"),
    ((8, 9, 9), {"norm": "layer"}, 'norm is "layer"; it must be none or batch_norm'),
    (
        (8, 9, 9),
        {"padding": 1},
        'unknown field "padding"; shift_block takes out_channels, expansion, kernel_size, stride, dilation, norm,'
        " activation",
    ),
    ((8,), {}, 'conv "expand": it needs an input of channels and 1 to 3 spatial axes, not 8'),
]


@pytest.mark.parametrize(("shape", "fields", "message"), REFUSED)
def test_refusals(shape: tuple[int, ...], fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConvcostError) as refused:
        analysis_of("shift_block", shape, **{"out_channels": 8, **fields})
    assert str(refused.value) == f'shift_block "x": {message}'
