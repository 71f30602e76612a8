"""How the fields of each operator and block become symbols: what `operator_forms` cannot read from their kinds.

By default a count becomes a symbol, a field with one entry a spatial axis a symbol an axis, and a flag or a choice
keeps its default. A block's kernels are odd, since its padding keeps the size.
"""

from __future__ import annotations

from typing import Any

from convcost.record import Record

__all__ = ["PER_AXIS", "ROWS", "SYMBOL", "Case", "Row", "Same"]

SYMBOL = object()
"""The field is a symbol, although it has no value by default."""
PER_AXIS = object()
"""The field is a symbol an axis, although it has no value by default."""


class Same(Record):
    """The field has the value of this symbol."""

    name: str


class Case(Record):
    """A case of an operator or block that has its own formulas: fields that are set, and the shapes of its inputs."""

    title: str = ""
    set: dict[str, Any] = {}
    shapes: tuple[tuple[Any, ...], ...] = (("C", "H", "W"),)
    compared: bool = True
    """Whether it can have stride 1, and so be compared with a convolution."""
    multiples: dict[str, str] | None = None
    """Those of the row, unless given; all are written as multiples then."""


class Row(Record):
    """What is to be known of an operator or block.

    `multiples`: fields that must be a multiple of another; those in `split` are written as such, so that no floor is
    left. `inner`: names for floors and maxima inside the channels, and what is added to each. `beside`: the kernel of
    the standard convolution with which it is compared, `kernel_size` or a number; `linear` for a matrix. `field`:
    whether it has a receptive field.
    """

    cases: tuple[Case, ...] = (Case(),)
    odd: tuple[str, ...] = ()
    multiples: dict[str, str] = {}
    split: tuple[str, ...] = ()
    inner: tuple[tuple[str, int], ...] = ()
    beside: Any = None
    field: bool = True
    assumes: tuple[str, ...] = ()

    def in_case(self, case: Case) -> Row:
        """The row with what the case says of multiples."""
        if case.multiples is None:
            return self
        return self.replace(multiples=case.multiples, split=tuple(case.multiples))


def one(shapes: tuple[tuple[Any, ...], ...] = (("C", "H", "W"),), **fields: Any) -> tuple[Case, ...]:
    """A single case with these fields set."""
    return (Case(set=fields, shapes=shapes),)


KEEPING = Case(title="in_channels = out_channels, stride 1", set={"out_channels": Same(name="C"), "stride": 1})
CHANGING = Case(title="otherwise")
RESIDUAL = (KEEPING, CHANGING)
STRIDED = Case(title="any other stride", compared=False)
BOTH = {"in_channels": "groups", "out_channels": "groups"}
MOVED = ("at least prod(kernel_size) channels are shifted; of fewer none moves, and each sees 1",)
CHEAP = ("ratio is at least 2; with 1 there are no cheap maps",)
SEQUENCE = (("C", "T"),)
VERTICES = (("C", "V"),)
DEFAULT = Row()

ROWS: dict[str, Row] = {
    "conv": Row(multiples=BOTH, beside="kernel_size"),
    "conv_transpose": Row(multiples=BOTH),
    "self_grouped_conv": Row(
        cases=one(groups=((Same(name="F_1"), Same(name="S_1")), (Same(name="F_2"), Same(name="S_2")))),
        beside="kernel_size",
    ),
    "depthwise": Row(beside="kernel_size"),
    "pointwise": Row(multiples=BOTH, beside=1),
    "grouped": Row(multiples=BOTH, beside="kernel_size"),
    "dilated": Row(beside="kernel_size"),
    "pruned": Row(inner=(("kept", 0),), beside="kernel_size"),
    "pruned_conv": Row(cases=one(keep_in=SYMBOL), inner=(("kept_in", 0), ("kept", 0)), beside="kernel_size"),
    "dsconv": Row(
        cases=(
            Case(title="depthwise_first", set={"order": "depthwise_first"}),
            Case(title="pointwise_first", set={"order": "pointwise_first"}),
        ),
        beside="kernel_size",
    ),
    "fire": Row(beside=3),
    "ghost": Row(multiples={"out_channels": "ratio"}, split=("out_channels",), beside="kernel_size", assumes=CHEAP),
    "inception": Row(odd=("large_kernel_size",)),
    "mlpconv": Row(beside="kernel_size"),
    "flattened": Row(beside="kernel_size"),
    "spatial_separable": Row(
        cases=(
            Case(set={"hidden_channels": SYMBOL}),
            Case(title="depthwise: true", set={"depthwise": True, "out_channels": Same(name="C")}),
        ),
        beside="kernel_size",
    ),
    "cp": Row(beside="kernel_size"),
    "tucker": Row(cases=one(in_rank=SYMBOL, out_rank=SYMBOL), beside="kernel_size"),
    "decoupled": Row(beside="kernel_size"),
    "bottleneck": Row(multiples={"out_channels": "reduction"}, beside="kernel_size"),
    "linear_bottleneck": Row(
        cases=one((("in_features",),)), multiples={"out_features": "reduction"}, beside="linear", field=False
    ),
    "shift_conv": Row(beside="kernel_size", assumes=MOVED),
    "equivariant_conv": Row(odd=("kernel_size",), beside="kernel_size"),
    "wavenet_layer": Row(cases=one(SEQUENCE)),
    "wavenet_stack": Row(cases=one(SEQUENCE, dilations=(Same(name="dilation_1"), Same(name="dilation_2")))),
    "scc": Row(cases=one(overlap=0), multiples={"in_channels": "groups"}, beside=1),
    "channelwise_conv": Row(inner=(("length", 1),), beside=1),
    "gcwconv": Row(
        cases=one(channel_kernel_size=SYMBOL), multiples={"in_channels": "groups"}, split=("in_channels",), beside=1
    ),
    "dwscwconv": Row(beside="kernel_size"),
    "group_equivariant_conv": Row(
        cases=(
            Case(title="p4m, lifting", set={"group": "p4m"}),
            Case(title="p4m, on maps over the group", set={"group": "p4m"}, shapes=(("C", 8, "H", "W"),)),
        ),
        beside="kernel_size",
    ),
    "graph_conv": Row(cases=one(VERTICES)),
    "multipath_gcn": Row(cases=one(VERTICES, narrow_channels=SYMBOL)),
    "linear": Row(cases=one((("in_features",),)), field=False),
    "basic_block": Row(cases=RESIDUAL, beside=3),
    "bottleneck_block": Row(
        cases=(
            Case(title=KEEPING.title, set={**KEEPING.set, "hidden_channels": SYMBOL}),
            Case(title="otherwise", set={"hidden_channels": SYMBOL}),
        ),
        multiples={"hidden_channels": "groups"},
        beside="kernel_size",
    ),
    "resnext_block": Row(cases=RESIDUAL, inner=(("width", 0),), beside="kernel_size"),
    "inverted_residual": Row(beside="kernel_size", assumes=("expand_ratio is not 1: the first 1x1 falls away then",)),
    "ghost_bottleneck": Row(
        cases=(
            KEEPING.replace(multiples={"in_channels": "ratio", "hidden_channels": "ratio"}),
            Case(title="stride 1, other channels", set={"stride": 1}),
            STRIDED,
        ),
        multiples={"out_channels": "ratio", "hidden_channels": "ratio"},
        split=("out_channels", "hidden_channels"),
        beside="kernel_size",
        assumes=CHEAP,
    ),
    "shift_block": Row(cases=RESIDUAL, beside="kernel_size", assumes=MOVED),
    "shuffle_unit": Row(
        cases=(
            Case(title="stride 1", set={**KEEPING.set, "hidden_channels": SYMBOL}),
            STRIDED.replace(set={"hidden_channels": SYMBOL}),
        ),
        multiples={"in_channels": "groups", "out_channels": "groups", "hidden_channels": "groups"},
        beside=3,
    ),
    "shuffle_v2_unit": Row(cases=(Case(title="stride 1", set=KEEPING.set), STRIDED), beside=3),
    "matmul": Row(cases=one((("rows", "inner"), ("inner", "columns"))), field=False),
    "scaled_dot_product_attention": Row(cases=one((("L", "E"), ("S", "E"), ("S", "V"))), field=False),
    "squeeze_excite": Row(multiples={"in_channels": "reduction"}),
    "max_pool": Row(cases=one(stride=PER_AXIS)),
    "avg_pool": Row(cases=one(stride=PER_AXIS)),
    "add": Row(cases=one((("C", "H", "W"), ("C", "H", "W")))),
    "multiply": Row(cases=one((("C", "H", "W"), ("C", "H", "W")))),
    "concat": Row(cases=one((("C_1", "H", "W"), ("C_2", "H", "W")))),
    "upsample": Row(
        cases=(
            Case(title="nearest, by a factor", set={"scale_factor": PER_AXIS}),
            Case(title="bilinear, by a factor", set={"scale_factor": PER_AXIS, "mode": "bilinear"}),
            Case(title="nearest, to a size", set={"size": PER_AXIS}),
        )
    ),
    "opaque": Row(cases=()),
    "permute": Row(cases=one(dims=(0, 2, 1))),
    "shift": Row(assumes=MOVED),
    "reshape": Row(cases=one(shape=(Same(name="M"), -1)), multiples={"size": "M"}, field=False),
    "slice": Row(cases=one(stop=SYMBOL)),
    "flatten": Row(field=False),
}
"""The rows; what is not here has no peculiarity."""
