"""Convolution and transposed convolution: worked examples and refusals."""

from fractions import Fraction
from typing import Any

import pytest

from convcost.errors import ConvcostError
from convcost.formulas.symbolic import size_symbol
from convcost.graph import Builder
from telling import refusal, told

# ---- convolution ----


def test_the_example_of_an_introduction_to_convolutions() -> None:
    # size 7 - 3 + 1 = 5 on each axis; weights 128 x 3 x 3 x 3 = 3,456; MACs 3,456 x 5 x 5 = 86,400
    assert told("conv", (3, 7, 7), out_channels=128, kernel_size=3, bias=False) == {
        "shape": (128, 5, 5),
        "params": 3_456,
        "weights": 3_456,
        "macs": 86_400,
        "describe": "3x3",
    }


def test_first_layer_of_alexnet() -> None:
    # size (227 - 11) / 4 + 1 = 55; weights 96 x 3 x 11 x 11 = 34,848, and 96 biases: 34,944 parameters;
    # MACs 34,848 x 55 x 55 = 105,415,200; a bias added to 96 x 55 x 55 = 290,400 elements
    assert told("conv", (3, 227, 227), out_channels=96, kernel_size=11, stride=4) == {
        "shape": (96, 55, 55),
        "params": 34_944,
        "weights": 34_848,
        "macs": 105_415_200,
        "elementwise": 290_400,
        "describe": "11x11 stride 4",
    }


def test_groups() -> None:
    # The second layer of AlexNet, in two halves: size 27 + 2 x 2 - 5 + 1 = 27;
    # weights 256 x (96 / 2) x 5 x 5 = 307,200, and 256 biases: 307,456 parameters;
    # MACs 307,200 x 27 x 27 = 223,948,800; biases 256 x 27 x 27 = 186,624
    assert told("conv", (96, 27, 27), out_channels=256, kernel_size=5, padding=2, groups=2) == {
        "shape": (256, 27, 27),
        "params": 307_456,
        "weights": 307_200,
        "macs": 223_948_800,
        "elementwise": 186_624,
        "describe": "5x5 groups 2",
    }


def test_depthwise_with_two_filters_a_channel() -> None:
    # size 6 + 2 - 3 + 1 = 6; weights 16 x (8 / 8) x 3 x 3 = 144; MACs 144 x 6 x 6 = 5,184
    assert told("conv", (8, 6, 6), out_channels=16, kernel_size=3, padding=1, groups=8, bias=False) == {
        "shape": (16, 6, 6),
        "params": 144,
        "weights": 144,
        "macs": 5_184,
        "describe": "3x3 depthwise",
    }


def test_pointwise_of_a_fire_module() -> None:
    # weights 128 x 16 = 2,048, and 16 biases: 2,064 parameters; MACs 2,048 x 55 x 55 = 6,195,200;
    # biases 16 x 55 x 55 = 48,400
    assert told("conv", (128, 55, 55), out_channels=16, kernel_size=1) == {
        "shape": (16, 55, 55),
        "params": 2_064,
        "weights": 2_048,
        "macs": 6_195_200,
        "elementwise": 48_400,
        "describe": "1x1",
    }


def test_one_spatial_axis_with_stride_and_dilation() -> None:
    # The kernel spans 4 x (3 - 1) + 1 = 9; size floor((100 + 2 x 1 - 9) / 2) + 1 = 46 + 1 = 47;
    # weights 16 x 32 x 3 = 1,536; MACs 1,536 x 47 = 72,192
    fields = {"out_channels": 16, "kernel_size": 3, "stride": 2, "padding": 1, "dilation": 4, "bias": False}
    assert told("conv", (32, 100), **fields) == {
        "shape": (16, 47),
        "params": 1_536,
        "weights": 1_536,
        "macs": 72_192,
        "describe": "3 stride 2 dilation 4",
    }


def test_three_spatial_axes_with_a_stride_an_axis() -> None:
    # sizes 8 + 2 - 3 + 1 = 8 and floor((8 + 2 - 3) / 2) + 1 = 4; weights 6 x 4 x 3 x 3 x 3 = 648, and 6 biases: 654;
    # positions 8 x 4 x 4 = 128; MACs 648 x 128 = 82,944; biases 6 x 128 = 768
    assert told("conv", (4, 8, 8, 8), out_channels=6, kernel_size=3, stride=[1, 2, 2], padding=1) == {
        "shape": (6, 8, 4, 4),
        "params": 654,
        "weights": 648,
        "macs": 82_944,
        "elementwise": 768,
        "describe": "3x3x3 stride 1x2x2",
    }


def test_everything_an_axis() -> None:
    # spans 1 and 2 x (3 - 1) + 1 = 5; sizes floor((5 + 0 - 1) / 1) + 1 = 5 and floor((9 + 2 x 1 - 5) / 2) + 1 = 4;
    # weights 3 x 2 x 1 x 3 = 18, MACs 18 x 5 x 4 = 360
    fields = {"kernel_size": (1, 3), "stride": (1, 2), "padding": (0, 1), "dilation": (1, 2)}
    assert told("conv", (2, 5, 9), out_channels=3, bias=False, **fields) == {
        "shape": (3, 5, 4),
        "params": 18,
        "weights": 18,
        "macs": 360,
        "describe": "1x3 stride 1x2 dilation 1x2",
    }


@pytest.mark.parametrize(
    ("shape", "fields", "size"),
    [
        ((2, 9), {"kernel_size": 4, "padding": 0}, (6,)),  # 9 - 4 + 1
        ((2, 9), {"kernel_size": 4, "padding": "valid"}, (6,)),  # the same
        ((2, 9), {"kernel_size": 4, "padding": "valid", "stride": 2}, (3,)),  # floor((9 - 4) / 2) + 1
        ((2, 9), {"kernel_size": 4, "padding": "same"}, (9,)),
        ((2, 9, 8), {"kernel_size": (4, 3), "padding": "same", "dilation": 5}, (9, 8)),
        ((2, 9), {"kernel_size": 4, "padding": "same_tf", "stride": 2}, (5,)),  # ceil(9 / 2)
        ((2, 8, 9), {"kernel_size": 11, "padding": "same_tf", "stride": (3, 4)}, (3, 3)),  # ceil(8 / 3), ceil(9 / 4)
        ((2, 9, 8, 7), {"kernel_size": 2, "padding": "same_tf", "stride": 1}, (9, 8, 7)),
        ((2, 9), {"kernel_size": 4, "padding": 2}, (10,)),  # 9 + 2 x 2 - 4 + 1
        ((2, 9, 8), {"kernel_size": 4, "padding": (0, 2)}, (6, 9)),  # 9 - 4 + 1, 8 + 2 x 2 - 4 + 1
        ((2, 1), {"kernel_size": 9, "padding": 4}, (1,)),  # the kernel just fits: 1 + 2 x 4 - 9 + 1
    ],
)
def test_padding(shape: tuple[int, ...], fields: dict[str, Any], size: tuple[int, ...]) -> None:
    assert told("conv", shape, out_channels=3, **fields)["shape"] == (3, *size)


def test_padding_in_words_counts_every_tap() -> None:
    # same_tf, stride 2 on 5x6: 3x3 positions; weights 4 x 3 x 3 x 3 = 108, MACs 108 x 9 = 972
    told_of = told("conv", (3, 5, 6), out_channels=4, kernel_size=3, stride=2, padding="same_tf", bias=False)
    assert (told_of["shape"], told_of["macs"]) == ((4, 3, 3), 972)


@pytest.mark.parametrize(
    ("leading", "shape", "factor"), [(0, (3, 7, 7), 1), (1, (10, 3, 7, 7), 10), (2, (10, 4, 3, 7, 7), 40)]
)
def test_leading_axes_multiply_what_an_input_costs(leading: int, shape: tuple[int, ...], factor: int) -> None:
    # One input: weights 2 x 3 x 3 x 3 = 54 and 2 biases; MACs 54 x 5 x 5 = 1,350; biases 2 x 5 x 5 = 50
    assert told("conv", shape, leading=leading, out_channels=2, kernel_size=3) == {
        "shape": (*shape[:leading], 2, 5, 5),
        "params": 56,
        "weights": 54,
        "macs": 1_350 * factor,
        "elementwise": 50 * factor,
        "describe": "3x3",
    }


# ---- transposed convolution ----


def test_transposed_convolution_costs_by_its_input() -> None:
    # size (10 - 1) x 2 - 2 x 1 + 4 = 20; weights 8 x 16 x 4 x 4 = 2,048, and 16 biases: 2,064;
    # MACs 2,048 x 10 x 10 = 204,800, by the input; biases 16 x 20 x 20 = 6,400
    assert told("conv_transpose", (8, 10, 10), out_channels=16, kernel_size=4, stride=2, padding=1) == {
        "shape": (16, 20, 20),
        "params": 2_064,
        "weights": 2_048,
        "macs": 204_800,
        "elementwise": 6_400,
        "describe": "4x4 stride 2",
    }


def test_transposed_convolution_in_groups() -> None:
    # size (5 - 1) x 2 - 2 x 1 + 4 = 10; weights 4 x 6 / 2 x 4 x 4 = 192, and 6 biases: 198;
    # MACs 192 x 5 x 5 = 4,800; biases 6 x 10 x 10 = 600
    assert told("conv_transpose", (4, 5, 5), out_channels=6, kernel_size=4, stride=2, padding=1, groups=2) == {
        "shape": (6, 10, 10),
        "params": 198,
        "weights": 192,
        "macs": 4_800,
        "elementwise": 600,
        "describe": "4x4 stride 2 groups 2",
    }


def test_transposed_convolution_with_one_spatial_axis_and_output_padding() -> None:
    # The kernel spans 2 x (3 - 1) + 1 = 5; size (5 - 1) x 3 + 5 + 2 = 19; weights 2 x 3 x 3 = 18; MACs 18 x 5 = 90
    fields = {"kernel_size": 3, "stride": 3, "dilation": 2, "output_padding": 2, "bias": False}
    assert told("conv_transpose", (2, 5), out_channels=3, **fields) == {
        "shape": (3, 19),
        "params": 18,
        "weights": 18,
        "macs": 90,
        "describe": "3 stride 3 dilation 2",
    }


def test_transposed_convolution_with_three_spatial_axes_and_a_leading_one() -> None:
    # sizes (2 - 1) x 2 + 2 = 4, (3 - 1) x 2 + 2 = 6, (4 - 1) x 1 - 2 x 1 + 2 + 0 = 3;
    # weights 2 x 1 x 2 x 2 x 2 = 16, and 1 bias: 17; MACs 5 x 16 x (2 x 3 x 4) = 1,920; biases 5 x 4 x 6 x 3 = 360
    fields = {"kernel_size": 2, "stride": (2, 2, 1), "padding": (0, 0, 1)}
    assert told("conv_transpose", (5, 2, 2, 3, 4), leading=1, out_channels=1, **fields) == {
        "shape": (5, 1, 4, 6, 3),
        "params": 17,
        "weights": 16,
        "macs": 1_920,
        "elementwise": 360,
        "describe": "2x2x2 stride 2x2x1",
    }


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        ({"output_padding": (1, 0)}, (10, 11)),  # (5 - 1) x 2 + 3 = 11, less 2 where padded; 1 more behind
        ({"padding": (1, 1)}, (9, 9)),
        ({"padding": "valid"}, (11, 11)),
        ({"padding": (0, 1), "dilation": (1, 3), "output_padding": 2, "stride": 3}, (17, 19)),
        # (5 - 1) x 3 + 3 + 2 = 17 and (5 - 1) x 3 - 2 + (3 x 2 + 1) + 2 = 19
    ],
)
def test_size_of_a_transposed_convolution(fields: dict[str, Any], size: tuple[int, ...]) -> None:
    fields = {"stride": 2, **({"padding": (1, 0)} if "padding" not in fields else {}), **fields}
    assert told("conv_transpose", (2, 5, 5), out_channels=3, kernel_size=3, **fields)["shape"] == (3, *size)


# ---- refusals ----

FIELDS = {"out_channels": 64, "kernel_size": 3}
AXES = "a whole number of at least 1, or a list with one a spatial axis"
LARGER = "use a smaller kernel, more padding, or fewer strides before it"


@pytest.mark.parametrize("word", ["conv", "conv_transpose"])
@pytest.mark.parametrize(
    ("shape", "fields", "message"),
    [
        ((64, 9, 9), {"groups": 3}, "groups (=3) must divide in_channels (=64)"),
        ((63, 9, 9), {"groups": 3}, "groups (=3) must divide out_channels (=64)"),
        ((64,), {}, "it needs an input of channels and 1 to 3 spatial axes, not 64"),
        ((1, 2, 3, 4, 5), {}, "it needs an input of channels and 1 to 3 spatial axes, not 1x2x3x4x5"),
        ((64, 9), {"in_channels": 32}, "in_channels (=32) must be what the input 64x9 has, 64"),
        ((64, 9), {"out_channels": 0}, "out_channels is 0; it must be a whole number of at least 1"),
        ((64, 9), {"out_channels": 2.5}, "out_channels is 2.5; it must be a whole number of at least 1"),
        (
            (64, 9),
            {"out_channels": Fraction(5, 2)},
            "out_channels is 2.5; it must be a whole number of at least 1;"
            " round it: floor(...), round(...) or make_divisible(..., 8)",
        ),
        ((64, 9), {"out_channels": True}, "out_channels is true; it must be a whole number of at least 1"),
        ((64, 9), {"out_channels": 10**16}, "out_channels is 1.0e+16; no size may exceed 1e+15"),
        ((64, 9), {"groups": "two"}, 'groups is "two"; it must be a whole number of at least 1'),
        ((64, 9), {"bias": 1}, "bias is 1; it must be true or false"),
        ((64, 9), {"kernel_size": 0}, f"kernel_size is 0; it must be {AXES}"),
        ((64, 9), {"kernel_size": 10**16}, "kernel_size is 1.0e+16; no size may exceed 1e+15"),
        ((64, 9), {"kernel_size": None}, f"kernel_size is empty; it must be {AXES}"),
        ((64, 9), {"kernel_size": True}, f"kernel_size is true; it must be {AXES}"),
        ((64, 9), {"kernel_size": [1.5]}, f"kernel_size is 1.5; it must be {AXES}"),
        ((64, 9), {"stride": "2"}, f'stride is "2"; it must be {AXES}'),
        ((64, 9, 9), {"stride": [2, 0]}, f"stride is 0; it must be {AXES}"),
        ((64, 9), {"stride": {"size": 2}}, f"stride is a mapping; it must be {AXES}"),
        ((64, 9), {"dilation": -1}, f"dilation is -1; it must be {AXES}"),
        (
            (64, 9, 9),
            {"dilation": [2, 2, 2]},
            "dilation is [2, 2, 2], which has 3 entries; the input has 2 spatial axes",
        ),
    ],
)
def test_refusals_of_both(word: str, shape: tuple[int, ...], fields: dict[str, Any], message: str) -> None:
    assert refusal(word, shape, **{**FIELDS, **fields}) == f'{word} "stem": {message.format(word=word)}'


PADDING = "a whole number of at least 0, a list with one a spatial axis, or same, valid or same_tf"


@pytest.mark.parametrize(
    ("shape", "fields", "message"),
    [
        (
            (64, 9, 9),
            {"padding": "same", "stride": (1, 2)},
            "padding same needs stride 1 (as in PyTorch), and the stride is 1x2; use same_tf, or padding as numbers",
        ),
        (
            (64, 2, 1),
            {},
            f"kernel_size (=3) is larger than the padded input (2 + 2 x 0 = 2) on spatial axis 1; {LARGER}",
        ),
        (
            (64, 9, 1),
            {"padding": (1, 0), "kernel_size": (9, 2)},
            f"kernel_size (=2) is larger than the padded input (1 + 2 x 0 = 1) on spatial axis 2; {LARGER}",
        ),
        (
            (64, 4),
            {"padding": 1, "dilation": 3},
            "kernel_size (=3), 7 with dilation 3, is larger than the padded input (4 + 2 x 1 = 6) on spatial axis 1;"
            f" {LARGER}",
        ),
        ((64, 9), {"padding": -1}, f"padding is -1; it must be {PADDING}"),
        ((64, 9), {"padding": "sane"}, f'padding is "sane"; it must be {PADDING}; did you mean "same"?'),
        ((64, 9), {"padding": None}, f"padding is empty; it must be {PADDING}"),
        ((64, 9, 9), {"padding": [1]}, "padding is [1], which has 1 entries; the input has 2 spatial axes"),
        (
            (64, 9),
            {"kernal_size": 3},
            'unknown field "kernal_size"; conv takes out_channels, kernel_size, stride, dilation, groups, bias,'
            ' in_channels, padding; did you mean "kernel_size"?',
        ),
    ],
)
def test_refusals_of_convolution(shape: tuple[int, ...], fields: dict[str, Any], message: str) -> None:
    assert refusal("conv", shape, **{**FIELDS, **fields}) == f'conv "stem": {message}'


NUMERIC = "a whole number of at least 0, a list with one a spatial axis, or valid"


@pytest.mark.parametrize(
    ("shape", "fields", "message"),
    [
        (
            (64, 9, 9),
            {"output_padding": (0, 2), "stride": 2},
            "output_padding (=2) must be below the stride (=2) or the dilation (=1)",
        ),
        (
            (64, 9, 9),
            {"output_padding": 3, "stride": (4, 2), "dilation": 3},
            "output_padding (=3) must be below the stride (=2) or the dilation (=3)",
        ),
        ((64, 9, 1), {"padding": 2}, "the output would be 7x-1; use less padding (=2x2)"),
        (
            (64, 9),
            {"output_padding": -1},
            "output_padding is -1; it must be a whole number of at least 0, or a list with one a spatial axis",
        ),
        ((64, 9), {"padding": "same"}, f'padding is "same"; it must be {NUMERIC}'),
        (
            (64, 9),
            {"quality": 3},
            'unknown field "quality"; conv_transpose takes out_channels, kernel_size, stride, dilation, groups, bias,'
            " in_channels, padding, output_padding",
        ),
    ],
)
def test_refusals_of_transposed_convolution(shape: tuple[int, ...], fields: dict[str, Any], message: str) -> None:
    assert refusal("conv_transpose", shape, **{**FIELDS, **fields}) == f'conv_transpose "stem": {message}'


@pytest.mark.parametrize("word", ["conv", "conv_transpose"])
@pytest.mark.parametrize(("missing", "rule"), [("out_channels", "a whole number of at least 1"), ("kernel_size", AXES)])
def test_required_fields(word: str, missing: str, rule: str) -> None:
    fields = {name: value for name, value in FIELDS.items() if name != missing}
    expected = f'{word} "stem": the required field {missing} is missing; it must be {rule}'
    assert refusal(word, (64, 9, 9), **fields) == expected


def test_a_tuple_of_flags_is_no_kernel_even_after_an_equal_tuple_of_numbers() -> None:
    builder = Builder()
    value = builder.conv(builder.input((4, 5, 5)), out_channels=4, kernel_size=(1, 1))
    with pytest.raises(ConvcostError, match="kernel_size is true"):
        builder.conv(value, out_channels=4, kernel_size=(True, True))


def test_rules_speak_of_concrete_sizes_only() -> None:
    channels, size = size_symbol("channels"), size_symbol("size")
    # 3 may divide the channels, and 99 taps may fit into the size
    assert told("conv", (channels, size), out_channels=3, kernel_size=99, groups=3)["weights"] == 99 * channels


def test_a_symbolic_stride_may_be_the_1_that_padding_same_needs() -> None:
    stride = size_symbol("stride")
    assert told("conv", (4, 9), out_channels=4, kernel_size=3, padding="same", stride=stride)["weights"] == 48
