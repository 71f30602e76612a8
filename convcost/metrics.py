"""Every metric once: its name, unit and definition; and the convention that every report states."""

from __future__ import annotations

from convcost.errors import ConvcostError, nearest_hint
from convcost.record import Record

__all__ = ["BITS", "CONVENTION", "METRICS", "Metric", "dtype_bits", "metric"]


class Metric(Record):
    """A quantity that the analysis reports. `additive`: the whole network's value is the sum of its layers'."""

    key: str
    title: str
    unit: str
    definition: str
    additive: bool = True


METRICS: dict[str, Metric] = {
    key: Metric(key=key, title=title, unit=unit, definition=definition, additive=additive)
    for key, title, unit, additive, definition in (
        ("params", "parameters", "", True, "Learned numbers: weights, biases and affine norm parameters, each once."),
        ("weights", "weights", "", True, "The parameters that multiply activations: convolution and linear weights."),
        ("buffers", "buffers", "", True, "Stored numbers that are not learned: running statistics of batch norm."),
        (
            "macs",
            "MACs",
            "",
            True,
            "Multiply-accumulates: one a weight tap and output position of convolution and linear, taps on padding"
            " included; of transposed convolution one a weight and input position; of matrix products and attention"
            " one a term of each sum.",
        ),
        (
            "flops",
            "FLOPs",
            "",
            True,
            "2 x MACs, and the elementwise work of everything else: one for each addition, multiplication, comparison"
            " or function of an element (biases, norms, activations, pooling, sums).",
        ),
        (
            "activations",
            "activations",
            "elements",
            True,
            "Elements written by operators; views and in-place operators write none.",
        ),
        (
            "bytes_moved",
            "bytes moved",
            "B",
            True,
            "Inputs and parameters read and outputs written, each once an operator, at the dtype; views move none.",
        ),
        ("weight_bytes", "weight bytes", "B", True, "All parameters at the dtype."),
        (
            "peak_activation_bytes",
            "peak activation bytes",
            "B",
            False,
            "The most memory that live activations need at once, in the order of execution, at inference: an operator's"
            " output stands beside its inputs, and a tensor is freed after the last operator that reads it.",
        ),
        (
            "arithmetic_intensity",
            "FLOPs/B",
            "FLOP/B",
            False,
            "FLOPs for each byte moved; low values are bound by memory.",
        ),
    )
}


def metric(key: str) -> Metric:
    """The metric of that name.

    Raises:
        ConvcostError: there is none.
    """
    if key not in METRICS:
        raise ConvcostError(f'unknown metric "{key}"; known are {", ".join(METRICS)}{nearest_hint(key, METRICS)}')
    return METRICS[key]


CONVENTION = {
    "macs": "one a weight tap and output position of convolution and linear (transposed convolution: input position),"
    " taps on padding included, and one a term of the sums in matmul and attention; nothing else has any",
    "flops": "2 x MACs + elementwise work",
    "params": "weights, biases and affine norm parameters, each once; buffers apart",
    "mode": "inference",
}
"""What the numbers mean, in the words that reports print."""

BITS = {"float64": 64, "float32": 32, "float16": 16, "bfloat16": 16, "float8": 8, "int8": 8, "int4": 4}
"""Bits an element of each dtype that reports can be made for."""


def dtype_bits(dtype: str) -> int:
    """Bits an element.

    Raises:
        ConvcostError: the dtype is unknown.
    """
    if not isinstance(dtype, str):
        raise ConvcostError(f"dtype is {dtype}; it must be one of {', '.join(BITS)}")
    if dtype not in BITS:
        raise ConvcostError(f'unknown dtype "{dtype}"; it must be one of {", ".join(BITS)}{nearest_hint(dtype, BITS)}')
    return BITS[dtype]
