"""Every metric once, and the bits of every dtype."""

from __future__ import annotations

import pytest

from convcost.analysis.result import Cost, Totals
from convcost.errors import ConvcostError
from convcost.metrics import BITS, CONVENTION, METRICS, dtype_bits, metric


def test_the_additive_metrics_are_the_fields_of_a_cost() -> None:
    assert [key for key, entry in METRICS.items() if entry.additive] == list(Cost.fields)


def test_the_others_are_the_peak_and_the_intensity() -> None:
    assert [key for key, entry in METRICS.items() if not entry.additive] == [
        "peak_activation_bytes",
        "arithmetic_intensity",
    ]
    assert Totals.fields == (*Cost.fields, "peak_activation_bytes")


@pytest.mark.parametrize("key", METRICS)
def test_a_metric_states_its_title_and_definition(key: str) -> None:
    entry = metric(key)
    assert entry.key == key
    assert entry.title
    assert entry.definition.endswith(".")
    assert entry.unit == (
        "B" if "bytes" in key else {"activations": "elements", "arithmetic_intensity": "FLOP/B"}.get(key, "")
    )


def test_an_unknown_metric() -> None:
    with pytest.raises(ConvcostError) as caught:
        metric("mac")
    known = (
        "params, weights, buffers, macs, flops, activations, bytes_moved, weight_bytes, peak_activation_bytes,"
        " arithmetic_intensity"
    )
    assert str(caught.value) == f'unknown metric "mac"; known are {known}; did you mean "macs"?'


@pytest.mark.parametrize(
    ("dtype", "bits"),
    [("float64", 64), ("float32", 32), ("float16", 16), ("bfloat16", 16), ("float8", 8), ("int8", 8), ("int4", 4)],
)
def test_bits_of_a_dtype(dtype: str, bits: int) -> None:
    assert dtype_bits(dtype) == BITS[dtype] == bits


@pytest.mark.parametrize(
    ("dtype", "hint"), [("flot16", '; did you mean "float16"?'), ("Float32", '; did you mean "float32"?'), ("half", "")]
)
def test_an_unknown_dtype(dtype: str, hint: str) -> None:
    with pytest.raises(ConvcostError) as caught:
        dtype_bits(dtype)
    known = "float64, float32, float16, bfloat16, float8, int8, int4"
    assert str(caught.value) == f'unknown dtype "{dtype}"; it must be one of {known}{hint}'


def test_the_convention_says_what_a_mac_and_a_flop_is() -> None:
    assert list(CONVENTION) == ["macs", "flops", "params", "mode"]
    assert CONVENTION["flops"] == "2 x MACs + elementwise work"
    assert "taps on padding included" in CONVENTION["macs"]
    assert CONVENTION["mode"] == "inference"
