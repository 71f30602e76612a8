"""Convolutions along the channels: worked examples, the same results as dense computations, and refusals."""

from fractions import Fraction
from functools import partial
from math import gcd
from typing import Any

import pytest

from convcost.formulas.symbolic import size_symbol
from convcost.graph import Builder
from telling import refusal, told

# ---- sliding-channel convolution: cost ----


def test_sliding_channel_convolution_of_two_groups() -> None:
    # weights 64 x 128 / 2 = 4,096; MACs 4,096 x 16 x 16 = 1,048,576
    assert told("scc", (64, 16, 16), out_channels=128, groups=2, overlap=0.5) == {
        "shape": (128, 16, 16),
        "params": 4_096,
        "weights": 4_096,
        "macs": 1_048_576,
        "describe": "groups 2 overlap 0.5",
    }


def test_sliding_channel_convolution_with_bias_on_one_axis_behind_a_leading_one() -> None:
    # weights 12 x 12 / 3 = 48, and 12 biases: 60 parameters; MACs 5 x 48 x 10 = 2,400; biases 5 x 12 x 10 = 600
    fields = {"out_channels": 12, "groups": 3, "overlap": Fraction(1, 4), "windowing": "pytorch", "bias": True}
    assert told("scc", (5, 12, 10), leading=1, **fields) == {
        "shape": (5, 12, 10),
        "params": 60,
        "weights": 48,
        "macs": 2_400,
        "elementwise": 600,
        "describe": "groups 3 overlap 0.25 pytorch windows",
    }


@pytest.mark.parametrize("overlap", [0, 0.25, 0.33, 0.5, 0.75, 0.99])
@pytest.mark.parametrize("groups", [1, 2, 4, 8])
def test_the_overlap_costs_nothing_and_groups_divide_the_cost(groups: int, overlap: float) -> None:
    # a pointwise convolution has 64 x 64 = 4,096 weights, and 4,096 x 3 x 4 x 5 = 245,760 MACs
    found = told("scc", (64, 3, 4, 5), out_channels=64, groups=groups, overlap=overlap)
    assert (found["params"] * groups, found["macs"] * groups) == (4_096, 245_760)


def test_sliding_channel_convolution_of_symbols() -> None:
    channels, size = size_symbol("channels"), size_symbol("size")
    found = told("scc", (channels, size), out_channels=6, groups=2, overlap=0.5, windowing="pytorch")
    assert (found["weights"], found["macs"]) == (3 * channels, 3 * channels * size)


# ---- sliding-channel convolution: windows ----


def bound(word: str, shape: tuple[int, ...], **fields: Any) -> Any:
    """The operator on an input of that shape."""
    b = Builder()
    b.apply(word, b.input(shape), **fields)
    return b.nodes[-1].op


scc = partial(bound, "scc")


def starts(channels: int, out: int, groups: int, overlap: Fraction, windowing: str) -> list[int]:
    """The window of each filter, walked from one to the next."""
    width = channels // groups
    if windowing == "cuda":
        shift = Fraction(0)
        found = []
        for _ in range(out):
            found.append(shift.numerator // shift.denominator % channels)
            shift += width - overlap * width
        return found
    windows: list[int] = []
    start = 0
    while len(windows) < out and start not in windows:
        windows.append(start)
        start = (start + width - int(overlap * width)) % channels
    return [window for window in windows for _ in range(out // len(windows))]


HUNDREDTHS = [Fraction(hundredths, 100) for hundredths in (0, 25, 33, 50, 75, 90)]
SETTINGS = [
    (channels, out, groups, overlap, windowing)
    for channels, groups in ((1, 1), (6, 1), (6, 2), (6, 6), (8, 2), (12, 3), (16, 4), (24, 8))
    for overlap in HUNDREDTHS
    for out in (groups, 2 * groups, 24)
    for windowing in ("cuda", "pytorch")
    if windowing == "cuda" or len(starts(channels, out, groups, overlap, windowing)) == out
]


def test_there_are_settings_of_both_rules() -> None:
    counts = [sum(setting[-1] == rule for setting in SETTINGS) for rule in ("cuda", "pytorch")]
    assert counts[0] == 8 * 6 * 3 > counts[1] > 100  # the rule of the module does not admit all


@pytest.mark.parametrize(("channels", "out", "groups", "overlap", "windowing"), SETTINGS)
def test_windows_start_where_the_walk_gets(
    channels: int, out: int, groups: int, overlap: Fraction, windowing: str
) -> None:
    op = scc((channels, 3), out_channels=out, groups=groups, overlap=overlap, windowing=windowing)
    assert list(op.starts()) == starts(channels, out, groups, overlap, windowing)


def test_windows_of_the_module_come_in_blocks_and_those_of_the_kernel_in_turn() -> None:
    # width 4, step 4 - 2 = 2: windows at 0, 2, 4 and 6, then 8 mod 8 = 0 again; 8 filters, so 2 for each
    fields = {"out_channels": 8, "groups": 2, "overlap": 0.5}
    assert scc((8, 3), **fields, windowing="pytorch").starts() == (0, 0, 2, 2, 4, 4, 6, 6)
    assert scc((8, 3), **fields, windowing="cuda").starts() == (0, 2, 4, 6, 0, 2, 4, 6)


def test_the_rules_differ_where_the_overlap_is_no_whole_number_of_channels() -> None:
    # width 64 / 2 = 32, of which 0.33 is 10.56: the module's step is 32 - 10 = 22, and 64 / gcd(22, 64) = 32 windows
    # recur; the kernel's is 21.44, with which 64 filters have 22 windows and 128 have 43 (42 in float32)
    for out_channels, windows in ((64, 22), (128, 43)):
        fields = {"out_channels": out_channels, "groups": 2, "overlap": 0.33}
        module, kernel = (scc((64, 3), **fields, windowing=rule) for rule in ("pytorch", "cuda"))
        assert (module.step, kernel.step) == (22, Fraction(2144, 100))
        assert (len(set(module.starts())), len(set(kernel.starts()))) == (32, windows)
    # width 24 / 8 = 3, of which 0.5 is 1.5: steps 3 - 1 = 2 and 1.5, 24 / 2 = 12 and 24 / 1.5 = 16 windows
    fields = {"out_channels": 48, "groups": 8, "overlap": 0.5}
    module, kernel = (scc((24, 3), **fields, windowing=rule) for rule in ("pytorch", "cuda"))
    assert (module.step, kernel.step) == (2, Fraction(3, 2))
    assert (len(set(module.starts())), len(set(kernel.starts()))) == (12, 16)


def test_where_the_overlap_is_whole_the_rules_agree_on_the_windows_and_how_many_there_are() -> None:
    compared = 0
    for channels, out, groups, overlap, _ in SETTINGS:
        whole = overlap * channels / groups
        if whole.denominator != 1 or (channels, out, groups, overlap, "pytorch") not in SETTINGS:
            continue
        step = channels // groups - int(whole)
        rules = [
            set(scc((channels, 3), out_channels=out, groups=groups, overlap=overlap, windowing=rule).starts())
            for rule in ("pytorch", "cuda")
        ]
        assert rules[0] == rules[1]
        assert len(rules[0]) == min(out, channels // gcd(step, channels))
        compared += 1
    assert compared > 90


# ---- what the modules compute, against dense computations ----


@pytest.fixture(name="torch")
def _torch() -> Any:
    return pytest.importorskip("torch")


def whole_numbers(torch: Any, *shape: int) -> Any:
    """Small whole numbers in float64, whose sums of products are exact."""
    return torch.randint(-9, 10, shape, generator=torch.Generator().manual_seed(sum(shape))).double()


def module_of(op: Any) -> Any:
    """The built module, its parameters whole numbers."""
    torch = pytest.importorskip("torch")
    from convcost.pytorch.build import construct
    from convcost.pytorch.forms import form_of

    module = construct(form_of(op)).double()
    for parameter in module.parameters():
        parameter.data = whole_numbers(torch, *parameter.shape)
    return module


@pytest.mark.parametrize(("channels", "out", "groups", "overlap", "windowing"), SETTINGS)
def test_scc_is_a_pointwise_convolution_without_the_weights_outside_of_the_windows(
    torch: Any, channels: int, out: int, groups: int, overlap: Fraction, windowing: str
) -> None:
    fields = {"out_channels": out, "groups": groups, "overlap": overlap, "windowing": windowing, "bias": True}
    module = module_of(scc((channels, 4, 3), **fields))
    dense = torch.zeros(out, channels, 1, 1, dtype=torch.float64)
    for n, start in enumerate(starts(channels, out, groups, overlap, windowing)):
        for place in range(channels // groups):
            dense[n, (start + place) % channels] = module.weight[n, place].detach()
    x = whole_numbers(torch, 2, channels, 4, 3)
    assert torch.equal(module(x), torch.nn.functional.conv2d(x, dense, module.bias.flatten()))


@pytest.mark.parametrize("windowing", ["cuda", "pytorch"])
def test_scc_without_overlap_is_a_grouped_pointwise_convolution(torch: Any, windowing: str) -> None:
    """The module's blocks are the groups; the kernel's filters take turns, which permutes the outputs."""
    module = module_of(scc((12, 5), out_channels=8, groups=4, overlap=0, windowing=windowing))
    x = whole_numbers(torch, 2, 12, 5)
    order = [0, 1, 2, 3, 4, 5, 6, 7] if windowing == "pytorch" else [0, 4, 1, 5, 2, 6, 3, 7]
    grouped = torch.nn.functional.conv1d(x, module.weight[order].unsqueeze(-1), groups=4)
    assert torch.equal(module(x)[:, order], grouped)


@pytest.mark.parametrize("overlap", [0, 0.5])
def test_scc_of_one_group_is_a_pointwise_convolution(torch: Any, overlap: float) -> None:
    """Each filter sees all channels, from its start around."""
    op = scc((6, 2, 3, 4), out_channels=4, groups=1, overlap=overlap)
    module = module_of(op)
    rolled = [weight.roll(start) for weight, start in zip(module.weight, op.starts(), strict=True)]
    x = whole_numbers(torch, 2, 6, 2, 3, 4)
    assert torch.equal(module(x), torch.nn.functional.conv3d(x, torch.stack(rolled)[..., None, None, None]))


@pytest.mark.parametrize(
    ("fields", "before", "behind"),
    [
        ({"kernel_size": 4, "padding": 0}, 0, 0),
        ({"kernel_size": 4, "padding": 3, "filters": 3, "bias": True}, 3, 3),
        ({"kernel_size": 8, "padding": 3, "filters": 2, "stride": 2}, 3, 3),  # group channel-wise, 2 groups
        ({"kernel_size": 64, "padding": "same"}, 31, 32),  # depthwise separable channel-wise
        ({"kernel_size": 3, "padding": "same", "stride": 4, "filters": 2}, 0, 1),  # 3 windows span 8 + 3 = 11 of 10
        ({"kernel_size": 1, "padding": "same", "stride": 3}, 0, 0),
    ],
)
@pytest.mark.parametrize("size", [(3,), (2, 3), (2, 1, 2)])
def test_channelwise_convolution_slides_along_the_channels(
    torch: Any, fields: dict[str, Any], before: int, behind: int, size: tuple[int, ...]
) -> None:
    op = bound("channelwise_conv", (10, *size), **fields)
    module = module_of(op)
    x = whole_numbers(torch, 2, 10, *size)
    zeros = [torch.zeros(2, count, *size, dtype=torch.float64) for count in (before, behind)]
    padded = torch.cat([zeros[0], x, zeros[1]], dim=1)
    expected = []
    for kernel in range(op.filters):
        bias = module.conv.bias[kernel] if op.bias else 0
        for start in range(0, 10 + before + behind - op.kernel_size + 1, op.stride):
            taps = zip(module.conv.weight[kernel].flatten(), padded[:, start:].unbind(1), strict=False)
            expected.append(sum(weight * plane for weight, plane in taps) + bias)
    assert torch.equal(module(x), torch.stack(expected, dim=1))
    assert op.out_shape(((10, *size),)) == (len(expected), *size)


@pytest.mark.parametrize("size", [(4,), (2, 3), (2, 1, 3)])
@pytest.mark.parametrize(("classes", "bias"), [(1, False), (3, True), (5, False)])
def test_the_convolutional_classifier_sees_neighbouring_channels_at_all_positions(
    torch: Any, size: tuple[int, ...], classes: int, bias: bool
) -> None:
    module = module_of(bound("conv_classifier", (5, *size), num_classes=classes, bias=bias))
    x = whole_numbers(torch, 2, 5, *size)
    depth = 5 - classes + 1
    weight = module.conv.weight.reshape(depth, *size)
    shift = module.conv.bias if bias else 0
    expected = [(x[:, n : n + depth] * weight).flatten(1).sum(1) + shift for n in range(classes)]
    assert torch.equal(module(x), torch.stack(expected, dim=1).reshape(2, classes, *[1] * len(size)))


# ---- channel-wise convolution: cost ----


def test_channelwise_convolution_of_a_group_channelwise_layer() -> None:
    # Two kernels of 8, stride 2, 3 zeros at both ends: floor((512 + 2 x 3 - 8) / 2) + 1 = 256 channels a kernel;
    # weights 2 x 8 = 16; MACs 8 x 512 x 14 x 14 = 802,816
    fields = {"kernel_size": 8, "filters": 2, "stride": 2, "padding": 3}
    assert told("channelwise_conv", (512, 14, 14), **fields) == {
        "shape": (512, 14, 14),
        "params": 16,
        "weights": 16,
        "macs": 802_816,
        "describe": "8 channels filters 2 stride 2",
    }


def test_channelwise_convolution_with_same_padding_and_bias_behind_a_leading_axis() -> None:
    # weights 3 x 5 = 15, and 3 biases: 18; channels 3 x ceil(7 / 2) = 12; elements 4 x 12 x 6 = 288; MACs 5 x 288
    fields = {"kernel_size": 5, "filters": 3, "stride": 2, "padding": "same", "bias": True}
    assert told("channelwise_conv", (4, 7, 6), leading=1, **fields) == {
        "shape": (4, 12, 6),
        "params": 18,
        "weights": 15,
        "macs": 1_440,
        "elementwise": 288,
        "describe": "5 channels filters 3 stride 2",
    }


def test_channelwise_convolution_of_symbols() -> None:
    channels, size = size_symbol("channels"), size_symbol("size")
    found = told("channelwise_conv", (channels, size, size), kernel_size=3, padding=1)
    assert (found["shape"][0], found["macs"]) == (channels, 3 * channels * size**2)


# ---- convolutional classifier: cost ----


def test_the_convolutional_classifier_of_channelnet() -> None:
    # depth 1,024 - 1,000 + 1 = 25; weights 7 x 7 x 25 = 1,225; MACs 1,225 x 1,000 = 1,225,000
    assert told("conv_classifier", (1_024, 7, 7), num_classes=1_000) == {
        "shape": (1_000, 1, 1),
        "params": 1_225,
        "weights": 1_225,
        "macs": 1_225_000,
        "describe": "25x7x7",
    }
    # global pooling and a linear layer have 1,024 x 1,000 weights
    assert told("linear", (1_024,), out_features=1_000, bias=False)["params"] == 1_024_000


@pytest.mark.parametrize(
    ("shape", "leading", "weights", "macs"),
    [
        ((8, 9), 0, 54, 162),  # depth 8 - 3 + 1 = 6; weights 6 x 9; MACs 54 x 3
        ((8, 2, 3, 4), 0, 144, 432),  # weights 6 x 2 x 3 x 4; MACs 144 x 3
        ((5, 8, 9), 1, 54, 810),  # 5 inputs: MACs 5 x 162
    ],
)
def test_the_convolutional_classifier_with_bias(shape: tuple[int, ...], leading: int, weights: int, macs: int) -> None:
    found = told("conv_classifier", shape, leading=leading, num_classes=3, bias=True)
    assert found["shape"] == (*shape[:leading], 3, *[1] * (len(shape) - leading - 1))
    assert (found["params"], found["weights"], found["macs"]) == (weights + 1, weights, macs)
    assert found["elementwise"] == macs // weights  # one addition an output element


def test_the_convolutional_classifier_takes_a_symbolic_size() -> None:
    size = size_symbol("size")
    found = told("conv_classifier", (8, size, 3), num_classes=2, kernel_size=[size, 3])
    assert (found["weights"], found["macs"]) == (21 * size, 42 * size)


# ---- refusals ----

WHOLE = "a whole number of at least 1"
AXES = "it needs an input of channels and 1 to 3 spatial axes"
OVERLAP = "a number of at least 0 and below 1; with 1 every filter would see the same window"
SCC = {"out_channels": 6, "groups": 2, "overlap": 0.5}


@pytest.mark.parametrize(
    ("shape", "fields", "message"),
    [
        ((9, 4), {}, "groups (=2) must divide in_channels (=9)"),
        ((8, 4), {"windowing": "pytorch", "out_channels": 5}, "groups (=2) must divide out_channels (=5)"),
        (
            (8, 4),
            {"windowing": "pytorch"},  # width 4, step 2: windows at 0, 2, 4 and 6
            "overlap (=0.5) gives 4 windows of 4 channels, and their number must divide out_channels (=6) under the"
            " rule pytorch; use another overlap, or windowing: cuda",
        ),
        ((8, 4), {"overlap": 1}, f"overlap is 1; it must be {OVERLAP}"),
        ((8, 4), {"overlap": Fraction(5, 4)}, f"overlap is 1.25; it must be {OVERLAP}"),
        ((8, 4), {"overlap": -0.25}, f"overlap is -0.25; it must be {OVERLAP}"),
        ((8, 4), {"overlap": float("nan")}, f"overlap is nan; it must be {OVERLAP}"),
        ((8, 4), {"overlap": "half"}, f'overlap is "half"; it must be {OVERLAP}'),
        (
            (8, 4),
            {"windowing": "pytorh"},
            'windowing is "pytorh"; it must be cuda or pytorch; did you mean "pytorch"?',
        ),
        ((8, 4), {"groups": 0}, f"groups is 0; it must be {WHOLE}"),
        ((8, 4), {"in_channels": 4}, "in_channels (=4) must be what the input 8x4 has, 8"),
        ((8,), {}, f"{AXES}, not 8"),
    ],
)
def test_refusals_of_sliding_channel_convolution(shape: tuple[int, ...], fields: dict[str, Any], message: str) -> None:
    assert refusal("scc", shape, **{**SCC, **fields}) == f'scc "stem": {message}'


@pytest.mark.parametrize(("missing", "rule"), [("out_channels", WHOLE), ("groups", WHOLE), ("overlap", OVERLAP)])
def test_required_fields_of_sliding_channel_convolution(missing: str, rule: str) -> None:
    fields = {name: value for name, value in SCC.items() if name != missing}
    expected = f'scc "stem": the required field {missing} is missing; it must be {rule}'
    assert refusal("scc", (8, 4), **fields) == expected


SIDES = "a whole number of at least 0, or same"
LARGER = "larger than the padded channels (6 + 2 x 1 = 8); use a smaller kernel, or more padding"
FEWER = "classes are places along the channels; use a pointwise convolution before it, or linear"
MAP = "must be the size of the map (7x7); leave it out, and it is taken from the input"


@pytest.mark.parametrize(
    ("shape", "fields", "message"),
    [
        ((6, 4), {"kernel_size": 9, "padding": 1}, f"kernel_size (=9) is {LARGER}"),
        ((6, 4), {}, f"the required field kernel_size is missing; it must be {WHOLE}"),
        ((6, 4), {"kernel_size": [3, 3]}, f"kernel_size is [3, 3]; it must be {WHOLE}"),
        ((6, 4), {"kernel_size": 3, "padding": -1}, f"padding is -1; it must be {SIDES}"),
        ((6, 4), {"kernel_size": 3, "padding": "sam"}, f'padding is "sam"; it must be {SIDES}; did you mean "same"?'),
        ((6, 4), {"kernel_size": 3, "stride": 0}, f"stride is 0; it must be {WHOLE}"),
        ((6, 4), {"kernel_size": 3, "filters": 1.5}, f"filters is 1.5; it must be {WHOLE}"),
        ((1, 2, 3, 4, 5), {"kernel_size": 1}, f"{AXES}, not 1x2x3x4x5"),
    ],
)
def test_refusals_of_channelwise_convolution(shape: tuple[int, ...], fields: dict[str, Any], message: str) -> None:
    assert refusal("channelwise_conv", shape, **fields) == f'channelwise_conv "stem": {message}'


@pytest.mark.parametrize(
    ("shape", "fields", "message"),
    [
        ((9, 7, 7), {"num_classes": 10}, f"num_classes (=10) must be at most in_channels (=9): {FEWER}"),
        ((8, 7, 7), {"num_classes": 4, "kernel_size": 5}, f"kernel_size (=5x5) {MAP}"),
        ((8, 7, 7), {}, f"the required field num_classes is missing; it must be {WHOLE}"),
        ((8, 7, 7), {"num_classes": 0}, f"num_classes is 0; it must be {WHOLE}"),
        ((8,), {"num_classes": 4}, f"{AXES}, not 8"),
    ],
)
def test_refusals_of_the_convolutional_classifier(shape: tuple[int, ...], fields: dict[str, Any], message: str) -> None:
    assert refusal("conv_classifier", shape, **fields) == f'conv_classifier "stem": {message}'
