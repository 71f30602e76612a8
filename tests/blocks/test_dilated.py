"""WaveNet's layers and stacks, and the context module of DilatedNet: lengths, receptive fields, and costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest

import convcost.blocks  # noqa: F401 - registers the blocks
from convcost.analysis.cost import analyze
from convcost.analysis.result import Analysis
from convcost.analysis.view import view
from convcost.errors import ConvcostError, LimitError, SpecError
from convcost.formulas.symbolic import size_symbol
from convcost.frontends.yaml_spec import read_spec
from convcost.graph import Builder
from telling import analysis_of, names_of, output_of

SPECS = Path(__file__).parents[2] / "specs"
DOUBLING = [2**power for power in range(10)]
"""1 to 512: one block of WaveNet."""


def receptive_fields(result: Analysis) -> list[int]:
    """Behind each convolution of a chain, on the first axis: one more for each step between two taps."""
    field, found = 1, []
    for layer in result.layers:
        if layer.node.op.word == "conv":
            field += layer.node.op.dilation[0] * (layer.node.op.kernel_size[0] - 1)
            found.append(field)
    return found


def too_short(length: int, field: int) -> str:
    rule = f"the length (={length}) must be at least the receptive field (={field})"
    return f"{rule}; use a longer input, smaller dilations, or a smaller kernel_size"


# wavenet_layer


def test_wavenet_layer_by_hand() -> None:
    """32 channels throughout, kernels of 2, dilation 4: 100 samples become 96."""
    result = analysis_of("wavenet_layer", (32, 100), dilation=4)
    assert names_of(result) == ["filter", "filter_act", "gate", "gate_act", "gated", "dense", "latest", "add"]
    assert {layer.node.shape for layer in result.layers} == {(32, 96)}
    assert result.totals.weights == 2 * 32 * 32 + 2 * 32 * 32 + 32 * 32 == 5_120
    assert result.totals.params == 5_120 + 3 * 32 == 5_216
    assert result.totals.macs == 5_120 * 96 == 491_520
    # three biases, tanh, sigmoid (4), their product, and the sum: 3 + 1 + 4 + 1 + 1 an element
    assert result.totals.flops == 2 * 491_520 + 10 * 32 * 96
    (row,) = view(result, depth=1).rows
    assert (row.op, row.what, row.output_shape, row.layers) == ("wavenet_layer", "2 dilation 4", (32, 96), 8)


def test_a_wavenet_layer_adds_the_latest_of_its_input() -> None:
    result = analysis_of("wavenet_layer", (8, 20), dilation=3, kernel_size=3, dilation_channels=5)
    nodes = {layer.node.name.removeprefix("x."): layer.node for layer in result.layers}
    order = ["input", *names_of(result)]
    read = {name: [order[source] for source in node.inputs] for name, node in nodes.items()}
    assert read["filter"] == read["gate"] == read["latest"] == ["input"]
    assert read["gated"] == ["filter_act", "gate_act"]
    assert read["add"] == ["latest", "dense"]
    assert (nodes["latest"].op.start, nodes["latest"].op.stop) == (6, 20)
    assert nodes["latest"].op.view


@pytest.mark.parametrize("channels", [1, 24])
@pytest.mark.parametrize("inner", [1, 32])
@pytest.mark.parametrize(("kernel", "dilation"), [(2, 1), (2, 512), (3, 1), (3, 7), (1, 9)])
def test_wavenet_layer_follows_the_closed_form(channels: int, inner: int, kernel: int, dilation: int) -> None:
    """T' = T - (k - 1) d; k from residual to dilation channels twice, and back."""
    fields = {"dilation": dilation, "kernel_size": kernel, "dilation_channels": inner}
    result = analysis_of("wavenet_layer", (channels, 1_000), **fields)
    length = 1_000 - (kernel - 1) * dilation
    weights = 2 * kernel * channels * inner + inner * channels
    assert output_of(result) == (channels, length)
    assert result.totals.weights == weights
    assert result.totals.params == weights + 2 * inner + channels
    assert result.totals.macs == weights * length
    assert analysis_of("wavenet_layer", (channels, 1_000), bias=False, **fields).totals.params == weights


# wavenet_stack


def test_wavenet_stack_by_hand() -> None:
    """Dilations 1, 2, 1, 2: of 100 samples 99, 97, 96 and 94 are left; the sum has 94."""
    result = analysis_of("wavenet_stack", (32, 100), dilations=[1, 2], blocks=2, skip_channels=7)
    layer = ["filter", "filter_act", "gate", "gate_act", "gated", "dense", "latest", "add", "skip_latest", "skip"]
    expected = [f"layer{number}.{name}" for number in range(4) for name in layer]
    assert names_of(result) == [*expected, "skip_sum"]
    rows = [(row.name, row.op, row.what, row.output_shape) for row in view(result, depth=2).rows]
    assert rows == [
        *(
            (f"x.layer{number}", "wavenet_layer", f"2 dilation {rate}", (7, 94))
            for number, rate in enumerate([1, 2] * 2)
        ),
        ("x.skip_sum", "add", "", (7, 94)),
    ]
    lengths = [layer.node.shape[1] for layer in result.layers if layer.node.name.endswith("gated")]
    assert lengths == [99, 97, 96, 94]
    assert result.totals.weights == 4 * (5_120 + 32 * 7) == 21_376
    assert result.totals.params == 21_376 + 4 * (3 * 32 + 7)
    assert result.totals.macs == 5_120 * (99 + 97 + 96 + 94) + 4 * 32 * 7 * 94 == 2_060_544


def test_every_layer_gives_its_latest_to_the_sum() -> None:
    result = analysis_of("wavenet_stack", (4, 50), dilations=[1, 2, 4], kernel_size=3)
    slices = {layer.node.name: layer.node.op for layer in result.layers if layer.node.op.word == "slice"}
    assert output_of(result) == (512, 50 - 2 * 7)
    # each cut to the last 36 samples: 48, 44 and 36 are there
    assert [slices[f"x.layer{number}.skip_latest"].start for number in range(3)] == [12, 8, 0]
    outputs = [node.name for node in result.graph.outputs]
    assert outputs == ["x.layer2.add", "x.skip_sum"]  # the last residual output is read by nothing


def test_one_wavenet_layer_in_a_stack_is_summed_with_nothing() -> None:
    result = analysis_of("wavenet_stack", (4, 50), dilations=3, skip_channels=6)
    assert names_of(result)[-1] == "layer0.skip"
    assert output_of(result) == (6, 47)
    layer = analysis_of("wavenet_layer", (4, 50), dilation=3)
    assert result.totals.macs == layer.totals.macs + 32 * 6 * 47


def stacked(length: Any, blocks: int) -> Analysis:
    """Blocks of 1 to 512 on a sequence, and the causal convolution in front of them."""
    b = Builder()
    x = b.conv(b.input((4, length)), out_channels=4, kernel_size=2)
    b.wavenet_stack(x, dilations=DOUBLING, blocks=blocks, dilation_channels=2, skip_channels=3, name="x")
    return analyze(b.graph())


@pytest.mark.parametrize(("blocks", "samples"), [(1, 1_024), (3, 3_070), (5, 5_116)])
def test_samples_that_a_stack_needs(blocks: int, samples: int) -> None:
    """1 + 1,023 a block; each gives one output from so many samples, and none from one less."""
    assert samples == 1 + blocks * sum(DOUBLING)
    fields = {"dilations": DOUBLING, "blocks": blocks, "dilation_channels": 2, "skip_channels": 3}
    assert output_of(analysis_of("wavenet_stack", (4, samples), **fields)) == (3, 1)
    with pytest.raises(ConvcostError) as refused:
        analysis_of("wavenet_stack", (4, samples - 1), **fields)
    assert str(refused.value) == f'wavenet_stack "x": {too_short(samples - 1, samples)}'


def test_the_causal_convolution_in_front_sees_one_more() -> None:
    """5,117 samples with the defaults: 5 x 1,023 + 1, and one more."""
    assert output_of(stacked(5_117, 5)) == (3, 1)
    with pytest.raises(ConvcostError) as refused:
        stacked(5_116, 5)
    assert str(refused.value) == f'wavenet_stack "x": {too_short(5_115, 5_116)}'


def test_wavenet_adds_up() -> None:
    """The spec beside its sum: 50 layers on what is left of the length, and what stands around them."""
    graph = read_spec(str(SPECS / "wavenet.yaml")).graph
    length, output = 16_000 - 1, 16_000 - 5_117 + 1
    macs = 2 * 256 * 32 * length
    for dilation in DOUBLING * 5:
        length -= dilation
        macs += (2 * 2 * 32 * 32 + 32 * 32) * length + 32 * 512 * output
    assert length == output == 10_884
    macs += (512 * 512 + 512 * 256) * output
    assert analyze(graph).totals.macs == macs == 16_977_909_760
    assert graph.nodes[-1].shape == (256, 10_884)
    assert read_spec(str(SPECS / "wavenet.yaml"), {"length": 5_117}).graph.nodes[-1].shape == (256, 1)
    with pytest.raises(SpecError) as refused:
        read_spec(str(SPECS / "wavenet.yaml"), {"length": 5_116})
    (problem,) = refused.value.problems
    assert problem.message == f'wavenet_stack "stack": {too_short(5_115, 5_116)}'


@pytest.mark.parametrize(
    ("word", "fields"),
    [("wavenet_layer", {"dilation": 4, "kernel_size": 3}), ("wavenet_stack", {"dilations": [1, 2, 4], "blocks": 2})],
)
def test_lengths_may_be_symbols_and_arrays(word: str, fields: dict[str, Any]) -> None:
    length = size_symbol("T")
    lengths = [15, 16, 40]
    symbolic = analysis_of(word, (6, length), **fields)
    together = analysis_of(word, (6, numpy.array(lengths, dtype=object)), **fields)
    for number, size in enumerate(lengths):
        alone = analysis_of(word, (6, size), **fields)
        assert symbolic.totals.macs.subs({length: size}) == together.totals.macs[number] == alone.totals.macs
        assert output_of(symbolic)[1].subs({length: size}) == output_of(alone)[1]
    kernel, dilation = size_symbol("k"), size_symbol("d")
    layer = analysis_of("wavenet_layer", (6, length), kernel_size=kernel, dilation=dilation, dilation_channels=5)
    assert layer.totals.macs.equals(6 * 5 * (2 * kernel + 1) * (length - (kernel - 1) * dilation))


def test_a_stack_without_end_is_stopped_by_the_limit() -> None:
    b = Builder(limit=100)
    with pytest.raises(LimitError) as refused:
        b.wavenet_stack(b.input((4, 9)), dilations=[1, 2], blocks=100, kernel_size=1)
    assert str(refused.value) == "the network has more than 100 layers, which is the limit of a spec"


# dilated_context


def test_context_module_of_pascal_voc() -> None:
    """21 channels at 16x16: seven 3x3 and a 1x1, biases, an activation behind each but the last."""
    result = analysis_of("dilated_context", (21, 16, 16))
    expected = [name for number in range(1, 8) for name in (f"conv{number}", f"conv{number}_act")]
    assert names_of(result) == [*expected, "final"]
    assert {layer.node.shape for layer in result.layers} == {(21, 16, 16)}
    assert [layer.node.op.dilation for layer in result.layers if layer.node.op.word == "conv"] == [
        (rate, rate) for rate in (1, 1, 2, 4, 8, 16, 1, 1)
    ]
    assert result.totals.weights == 7 * 9 * 21**2 + 21**2 == 28_224
    assert result.totals.params == 28_224 + 8 * 21 == 28_392
    assert result.totals.macs == 28_224 * 256 == 7_225_344


def test_receptive_fields_of_the_context_module() -> None:
    assert receptive_fields(analysis_of("dilated_context", (2, 9, 9))) == [3, 5, 9, 17, 33, 65, 67, 67]
    longer = analysis_of("dilated_context", (2, 9, 9), dilations=[1, 1, 2, 4, 8, 16, 32, 64, 1])
    assert receptive_fields(longer) == [3, 5, 9, 17, 33, 65, 129, 257, 259, 259]


@pytest.mark.parametrize("channels", [1, 2, 11, 19, 21])
def test_both_forms_of_the_context_module(channels: int) -> None:
    """Basic: 7 x 9 C^2 + C^2. Large: 9 (1x2 + 2x2 + 2x4 + 4x8 + 8x16 + 16x32 + 32x32) C^2 + 32 C^2 = 15,422 C^2."""
    basic = analysis_of("dilated_context", (channels, 12, 12)).totals
    assert basic.weights == 7 * 9 * channels**2 + channels**2 == 64 * channels**2
    assert basic.params == basic.weights + 8 * channels
    large = analysis_of("dilated_context", (channels, 12, 12), multipliers=[2, 2, 4, 8, 16, 32, 32])
    assert output_of(large) == (channels, 12, 12)
    assert 9 * (2 + 4 + 8 + 32 + 128 + 512 + 1_024) + 32 == 15_422
    assert large.totals.weights == 15_422 * channels**2
    assert large.totals.params == 15_422 * channels**2 + (2 + 2 + 4 + 8 + 16 + 32 + 32 + 1) * channels
    assert large.totals.macs == large.totals.weights * 144


@pytest.mark.parametrize(("shape", "taps"), [((3, 40), 3), ((3, 9, 5), 9), ((3, 4, 5, 6), 27)])
def test_context_module_on_one_to_three_axes(shape: tuple[int, ...], taps: int) -> None:
    result = analysis_of("dilated_context", shape, multipliers=2, dilations=[1, 5], activation="none", bias=False)
    assert names_of(result) == ["conv1", "conv2", "final"]
    assert output_of(result) == shape
    assert result.totals.params == taps * (3 * 6 + 6 * 6) + 6 * 3


def test_context_module_with_a_kernel_an_axis() -> None:
    result = analysis_of("dilated_context", (4, 7, 9), kernel_size=[1, 5], dilations=3, bias=False)
    assert output_of(result) == (4, 7, 9)
    assert result.totals.weights == 5 * 16 + 16


def test_context_module_on_symbols() -> None:
    channels, high, wide = map(size_symbol, "CHW")
    result = analysis_of("dilated_context", (channels, high, wide), bias=False)
    assert output_of(result) == (channels, high, wide)
    assert result.totals.macs.equals(64 * channels**2 * high * wide)


@pytest.mark.parametrize(("resolution", "output"), [(500, 16), (900, 66)])
def test_dilatednet_loses_a_margin_of_186(resolution: int, output: int) -> None:
    """The front end looks 186 beyond what it labels on each side: (900 - 372) / 8 = 66, (500 - 372) / 8 = 16."""
    assert (resolution - 2 * 186) // 8 == output
    graph = read_spec(str(SPECS / "dilatednet.yaml"), {"resolution": resolution}).graph
    assert graph.nodes[-1].shape == (21, output, output)


# Refusals

LIST = "it must be a list of 1 to 100 whole numbers of at least 1"
REFUSED: list[tuple[str, tuple[int, ...], dict[str, Any], str]] = [
    (
        "wavenet_layer",
        (4, 30),
        {"dilation": 15, "kernel_size": 3},
        too_short(30, 31),
    ),
    (
        "wavenet_layer",
        (4, 30, 30),
        {"dilation": 1},
        "it needs an input of channels and one axis, time, not 4x30x30",
    ),
    ("wavenet_layer", (4,), {"dilation": 1}, "it needs an input of channels and one axis, time, not 4"),
    ("wavenet_layer", (4, 30), {}, "the required field dilation is missing; it must be a whole number of at least 1"),
    (
        "wavenet_layer",
        (4, 30),
        {"dilation": [1, 2]},
        "dilation is [1, 2]; it must be a whole number of at least 1",
    ),
    ("wavenet_stack", (4, 3, 3), {"dilations": 1}, "it needs an input of channels and one axis, time, not 4x3x3"),
    ("wavenet_stack", (4, 30), {"dilations": []}, f"dilations is []; {LIST}"),
    ("wavenet_stack", (4, 30), {"dilations": [1] * 1_001}, f"dilations is [{'1, ' * 8}...]; {LIST}"),
    ("wavenet_stack", (4, 30), {"dilations": [1, 0]}, f"dilations is [1, 0]; {LIST}"),
    ("wavenet_stack", (4, 30), {"dilations": [2, 2.5]}, f"dilations is [2, 2.5]; {LIST}"),
    ("wavenet_stack", (4, 30), {"dilations": True}, f"dilations is true; {LIST}"),
    ("wavenet_stack", (4, 30), {"dilations": [[1], 2]}, f"dilations is [[1], 2]; {LIST}"),
    ("wavenet_stack", (4, 30), {"dilations": [1, 10**16]}, "dilations is 1.0e+16; no size may exceed 1e+15"),
    (
        "wavenet_stack",
        (4, 30),
        {"dilations": [1, 2], "blocks": 100},
        too_short(30, 301),
    ),
    (
        "dilated_context",
        (4, 9, 9),
        {"multipliers": [1, 2]},
        "multipliers is [1, 2]; it must have 1 entry, or one for each of the 7 dilations",
    ),
    ("dilated_context", (4, 9, 9), {"multipliers": 0}, f"multipliers is 0; {LIST}"),
    (
        "dilated_context",
        (4, 9, 9),
        {"kernel_size": [3, 2]},
        "kernel_size (=3x2) must be odd on every axis, so that the size stays",
    ),
    (
        "dilated_context",
        (4,),
        {},
        'conv "conv1": it needs an input of channels and 1 to 3 spatial axes, not 4',
    ),
]


@pytest.mark.parametrize(("word", "shape", "fields", "message"), REFUSED)
def test_refusals(word: str, shape: tuple[int, ...], fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConvcostError) as refused:
        analysis_of(word, shape, **fields)
    assert str(refused.value) == f'{word} "x": {message}'
