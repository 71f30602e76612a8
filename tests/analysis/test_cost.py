"""The analysis of small networks, worked by hand; batch, dtype, completeness and the JSON document."""

from __future__ import annotations

import json
from typing import Any

import pytest

from convcost.analysis.cost import analyze, bytes_of
from convcost.analysis.result import Cost
from convcost.errors import ConvcostError
from convcost.graph import Builder, Graph
from convcost.version import __version__


def classifier() -> Graph:
    """3x8x8: a 3x3 convolution to 4 channels, norm, in-place activation, 2x2 maximum, and 5 classes."""
    b = Builder()
    x = b.conv(b.input((3, 8, 8)), name="conv", out_channels=4, kernel_size=3, padding=1)
    x = b.relu(b.batch_norm(x, name="norm"), name="act", inplace=True)
    x = b.flatten(b.max_pool(x, name="pool", kernel_size=2), name="flat")
    b.linear(x, name="classes", out_features=5)
    return b.graph("classifier", source="by hand")


# map 4 x 8 x 8 = 256, pooled 4 x 4 x 4 = 64 elements, input 3 x 8 x 8 = 192
WORKED: dict[str, dict[str, int]] = {
    "conv": {
        "params": 9 * 3 * 4 + 4,
        "weights": 108,
        "macs": 108 * 64,
        "flops": 2 * 6_912 + 256,  # a bias an element
        "activations": 256,
        "bytes_moved": 4 * (192 + 112 + 256),
        "weight_bytes": 4 * 112,
    },
    "norm": {
        "params": 2 * 4,
        "buffers": 2 * 4 + 1,
        "flops": 2 * 256,
        "activations": 256,
        "bytes_moved": 4 * (256 + 8 + 256),
        "weight_bytes": 4 * 8,
    },
    "act": {"flops": 256, "bytes_moved": 4 * (256 + 256)},  # reads and overwrites, and needs no new memory
    "pool": {"flops": 3 * 64, "activations": 64, "bytes_moved": 4 * (256 + 64)},  # three comparisons of four elements
    "flat": {},
    "classes": {
        "params": 64 * 5 + 5,
        "weights": 320,
        "macs": 320,
        "flops": 2 * 320 + 5,
        "activations": 5,
        "bytes_moved": 4 * (64 + 325 + 5),
        "weight_bytes": 4 * 325,
    },
}


@pytest.mark.parametrize("name", WORKED)
def test_cost_of_each_layer(name: str) -> None:
    found = {layer.node.name: layer.cost for layer in analyze(classifier()).layers}
    assert found[name] == Cost(**WORKED[name])


def test_totals_of_a_network() -> None:
    totals = analyze(classifier()).totals
    assert totals.params == 112 + 8 + 325 == 445
    assert totals.weights == 108 + 320
    assert totals.buffers == 9
    assert totals.macs == 6_912 + 320 == 7_232
    assert totals.flops == 2 * 7_232 + 256 + 512 + 256 + 192 + 5 == 15_685
    assert totals.activations == 256 + 256 + 64 + 5
    assert totals.bytes_moved == 4 * (560 + 520 + 512 + 320 + 394)
    assert totals.weight_bytes == 4 * 445
    assert totals.peak_activation_bytes == 4 * (256 + 256)  # the norm, with its input


def test_intensity_is_flops_for_each_byte_moved() -> None:
    result = analyze(classifier())
    assert result.totals.arithmetic_intensity == 15_685 / (4 * 2_306)
    flat = next(layer for layer in result.layers if layer.node.name == "flat")
    assert flat.cost.arithmetic_intensity is None


def test_an_empty_network_costs_nothing() -> None:
    b = Builder()
    b.input((3, 8, 8))
    result = analyze(b.graph())
    assert result.layers == ()
    assert {key: value for key, value in result.totals.as_dict().items() if value} == {
        "peak_activation_bytes": 4 * 192,  # the input, which is also the output
    }


# Batch and dtype


def test_batch_multiplies_what_depends_on_the_sample() -> None:
    one, eight = analyze(classifier()).totals, analyze(classifier(), batch=8).totals
    assert (eight.params, eight.weights, eight.buffers, eight.weight_bytes) == (445, 428, 9, 1_780)
    assert (eight.macs, eight.flops, eight.activations) == (8 * one.macs, 8 * one.flops, 8 * one.activations)
    assert eight.peak_activation_bytes == 8 * 2_048
    # inputs and outputs eight times, parameters once: 4 (192 + 256 + 256 + 256 + 256 + 256 + 256 + 64 + 64 + 5) = 7,444
    assert one.bytes_moved == 7_444 + 1_780
    assert eight.bytes_moved == 8 * 7_444 + 1_780


@pytest.mark.parametrize("batch", [0, -3])
def test_a_batch_below_one(batch: int) -> None:
    with pytest.raises(ConvcostError) as caught:
        analyze(classifier(), batch=batch)
    assert str(caught.value) == f"batch is {batch}; it must be at least 1"


@pytest.mark.parametrize("batch", [1.5, True, "2", None])
def test_a_batch_is_a_whole_number(batch: Any) -> None:
    with pytest.raises(ConvcostError, match=r"^batch is "):
        analyze(classifier(), batch=batch)


@pytest.mark.parametrize(("dtype", "element"), [("float64", 8), ("float32", 4), ("bfloat16", 2), ("int8", 1)])
def test_bytes_follow_the_dtype(dtype: str, element: int) -> None:
    totals = analyze(classifier(), dtype=dtype).totals
    assert totals.weight_bytes == element * 445
    assert totals.bytes_moved == element * 2_306
    assert totals.peak_activation_bytes == element * 512
    assert totals.params == 445


def test_an_unknown_dtype() -> None:
    with pytest.raises(ConvcostError) as caught:
        analyze(classifier(), dtype="float31")
    known = "float64, float32, float16, bfloat16, float8, int8, int4"
    assert str(caught.value) == f'unknown dtype "float31"; it must be one of {known}; did you mean "float32"?'


@pytest.mark.parametrize(("elements", "size"), [(0, 0), (1, 1), (2, 1), (3, 2), (8, 4), (9, 5)])
def test_half_bytes_are_rounded_up(elements: int, size: int) -> None:
    assert bytes_of(elements, 4) == size


def test_int4_rounds_each_tensor_up() -> None:
    b = Builder()
    b.linear(b.input((3,)), out_features=3)  # 9 weights and 3 biases
    (layer,) = analyze(b.graph(), dtype="int4").layers
    assert layer.cost.weight_bytes == 6
    assert layer.cost.bytes_moved == 2 + 6 + 2  # 3 elements are a byte and a half
    assert analyze(b.graph(), dtype="int4", batch=2).layers[0].cost.bytes_moved == 3 + 6 + 3
    assert analyze(b.graph(), dtype="int4").totals.peak_activation_bytes == 2 + 2


# Views and in-place operators


@pytest.mark.parametrize(
    ("word", "fields"), [("identity", {}), ("dropout", {"p": 0.2}), ("flatten", {}), ("crop", {"size": 4})]
)
def test_views_write_and_move_nothing(word: str, fields: dict[str, Any]) -> None:
    b = Builder()
    b.apply(word, b.input((3, 8, 8)), **fields)
    (layer,) = analyze(b.graph()).layers
    assert layer.cost == Cost()


def test_in_place_operators_move_and_do_not_write_anew() -> None:
    b = Builder()
    b.relu(b.relu(b.input((2, 10))), inplace=True)
    plain, in_place = (layer.cost for layer in analyze(b.graph()).layers)
    assert (plain.activations, in_place.activations) == (20, 0)
    assert plain.bytes_moved == in_place.bytes_moved == 4 * 40
    assert plain.flops == in_place.flops == 20


def test_flatten_copies_what_a_crop_has_cut() -> None:
    b = Builder()
    x = b.crop(b.input((2, 4, 4)), size=2)
    b.flatten(b.dropout(x), name="flat")
    cost = analyze(b.graph()).layers[-1].cost
    assert cost.activations == 2 * 2 * 2
    assert cost.bytes_moved == 4 * (8 + 8)
    assert cost.flops == 0


# Unsupported operators


def test_an_opaque_operator_makes_the_analysis_incomplete() -> None:
    b = Builder()
    x = b.conv(b.input((3, 8, 8)), out_channels=4, kernel_size=1, bias=False)
    x = b.opaque(x, name="fft", label="torch.fft.rfft2", output_shape=[4, 8, 5])
    b.relu(x)
    result = analyze(b.graph())
    assert not result.complete
    assert [node.name for node in result.unsupported] == ["fft"]
    assert result.totals.macs == 3 * 4 * 64  # what is known is counted
    assert result.layers[-1].node.shape == (4, 8, 5)  # and shapes go on behind it
    assert json.loads(result.to_json())["unsupported"] == [{"name": "fft", "what": "torch.fft.rfft2"}]


def test_a_network_of_known_operators_is_complete() -> None:
    result = analyze(classifier())
    assert result.complete
    assert result.unsupported == ()


# The JSON document


def test_json_document() -> None:
    result = analyze(classifier(), batch=2, dtype="float16")
    document = json.loads(result.to_json())
    assert list(document) == ["schema", "tool", "model", "convention", "complete", "unsupported", "totals", "layers"]
    assert document["schema"] == "convcost.analysis/1"
    assert document["tool"] == {"name": "convcost", "version": __version__}
    assert document["model"] == {
        "name": "classifier",
        "source": "by hand",
        "variables": {},
        "inputs": {"input": [3, 8, 8]},
        "outputs": {"classes": [5]},
    }
    assert (document["convention"]["batch"], document["convention"]["dtype"]) == (2, "float16")
    assert (document["complete"], document["unsupported"]) == (True, [])


def test_json_totals_are_the_totals() -> None:
    result = analyze(classifier(), batch=2)
    totals = json.loads(result.to_json())["totals"]
    assert totals.pop("peak_activation_at") == "norm"
    assert totals == result.totals.as_dict()
    promised = {"params", "weights", "macs", "flops", "activations", "weight_bytes", "peak_activation_bytes"}
    assert promised <= totals.keys()


def test_json_has_every_layer() -> None:
    layers = json.loads(analyze(classifier()).to_json())["layers"]
    assert [layer["name"] for layer in layers] == list(WORKED)
    field = layers[0].pop("receptive_field")
    assert (field["size"], field["global"], layers[-1]["receptive_field"]["global"]) == ([3, 3], False, True)
    assert layers[0] == {
        "name": "conv",
        "op": "conv",
        "block": None,
        "what": "3x3",
        "output_shape": [4, 8, 8],
        "kind": "layer",
        "layers": 1,
        "complete": True,
        **Cost(**WORKED["conv"]).as_dict(),
        "arithmetic_intensity": Cost(**WORKED["conv"]).arithmetic_intensity,
    }


def test_json_of_a_network_without_layers() -> None:
    assert json.loads(analyze(Graph(nodes=())).to_json())["layers"] == []
