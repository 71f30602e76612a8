"""Group-equivariant convolution: worked examples, refusals, and equivariance itself."""

from typing import Any

import pytest

import convcost.blocks  # noqa: F401 - registers the blocks
from convcost.analysis.cost import analyze
from convcost.formulas.symbolic import size_symbol
from convcost.graph import Builder, Graph
from telling import refusal, told

WORD = "group_equivariant_conv"

# ---- cost ----


def test_lifting_an_image_to_p4m() -> None:
    # size 32 + 2 x 1 - 3 + 1 = 32; weights 11 x 3 x 3 x 3 = 297, and 11 biases: 308 parameters;
    # MACs 297 x 8 x 32 x 32 = 2,433,024; biases 11 x 8 x 32 x 32 = 90,112
    assert told(WORD, (3, 32, 32), out_channels=11, kernel_size=3, group="p4m", padding=1) == {
        "shape": (11, 8, 32, 32),
        "params": 308,
        "weights": 297,
        "macs": 2_433_024,
        "elementwise": 90_112,
        "describe": "p4m lifting 3x3",
    }


def test_inside_p4m_with_stride() -> None:
    # size floor((32 + 2 - 3) / 2) + 1 = 16; weights 23 x 11 x 8 x 3 x 3 = 18,216;
    # MACs 18,216 x 8 x 16 x 16 = 37,306,368
    fields = {"out_channels": 23, "kernel_size": 3, "group": "p4m", "stride": 2, "padding": 1, "bias": False}
    assert told(WORD, (11, 8, 32, 32), **fields) == {
        "shape": (23, 8, 16, 16),
        "params": 18_216,
        "weights": 18_216,
        "macs": 37_306_368,
        "describe": "p4m 3x3 stride 2",
    }


def test_inside_p4() -> None:
    # sizes 9 - 2 + 1 = 8 and 7 - 2 + 1 = 6; weights 5 x 3 x 4 x 2 x 2 = 240, and 5 biases: 245;
    # MACs 240 x 4 x 8 x 6 = 46,080; biases 5 x 4 x 8 x 6 = 960
    assert told(WORD, (3, 4, 9, 7), out_channels=5, kernel_size=2, group="p4") == {
        "shape": (5, 4, 8, 6),
        "params": 245,
        "weights": 240,
        "macs": 46_080,
        "elementwise": 960,
        "describe": "p4 2x2",
    }


@pytest.mark.parametrize(
    ("leading", "shape", "output"),
    [(1, (10, 3, 9, 7), (10, 5, 4, 8, 6)), (2, (2, 5, 3, 4, 9, 7), (2, 5, 5, 4, 8, 6))],
)
def test_leading_axes_multiply_what_an_input_costs(
    leading: int, shape: tuple[int, ...], output: tuple[int, ...]
) -> None:
    # Lifting: 5 x 3 x 2 x 2 = 60 weights; inside p4: 240; either way at 10 x 4 x 8 x 6 = 1,920 positions
    found = told(WORD, shape, leading=leading, out_channels=5, kernel_size=2, group="p4")
    weights = 60 if len(shape) - leading == 3 else 240
    assert found["shape"] == output
    assert (found["weights"], found["macs"], found["elementwise"]) == (weights, weights * 1_920, 5 * 1_920)


@pytest.mark.parametrize(("group", "order"), [("p4", 4), ("p4m", 8)])
@pytest.mark.parametrize(("kernel_size", "stride"), [(3, 1), (5, 2), (1, 1)])
def test_ratios_to_the_convolution_without_the_group(group: str, order: int, kernel_size: int, stride: int) -> None:
    """Lifting: weights x 1 and MACs x order; inside: weights x order and MACs x order^2. At equal channels without the
    group (in / order, out / order) inside it: weights / order, MACs x 1."""
    window = {"kernel_size": kernel_size, "stride": stride, "bias": False}
    plane = told("conv", (16, 12, 12), out_channels=32, **window)
    lifting = told(WORD, (16, 12, 12), out_channels=32, group=group, **window)
    inside = told(WORD, (16, order, 12, 12), out_channels=32, group=group, **window)
    narrow = told(WORD, (16 // order, order, 12, 12), out_channels=32 // order, group=group, **window)
    assert (lifting["params"], lifting["macs"]) == (plane["params"], order * plane["macs"])
    assert (inside["params"], inside["macs"]) == (order * plane["params"], order**2 * plane["macs"])
    assert (order * narrow["params"], narrow["macs"]) == (plane["params"], plane["macs"])


def resnet44(widths: tuple[int, int, int], group: bool) -> Graph:
    """The 3x3 convolutions of a ResNet of 44 layers on CIFAR-10, one behind the other."""
    b = Builder()
    fields: dict[str, Any] = {"kernel_size": 3, "padding": 1, "bias": False}
    word = WORD if group else "conv"
    if group:
        fields["group"] = "p4m"
    x = b.apply(word, b.input((3, 32, 32)), name="stem", out_channels=widths[0], **fields)
    for stage, width in enumerate(widths):
        for layer in range(14):
            stride = 2 if stage and not layer else 1
            x = b.apply(word, x, out_channels=width, stride=stride, **fields)
    return b.graph()


@pytest.mark.parametrize(
    ("widths", "group", "weights", "macs"),
    [
        # 9 (14 x 32^2 + 32 x 64 + 13 x 64^2 + 64 x 128 + 13 x 128^2)
        ((32, 64, 128), False, 2_617_344, 386_924_544),
        # 72 (14 x 11^2 + 11 x 23 + 13 x 23^2 + 23 x 45 + 13 x 45^2)
        ((11, 23, 45), True, 2_605_248, 3_059_122_176),
    ],
)
def test_published_resnet44(widths: tuple[int, int, int], group: bool, weights: int, macs: int) -> None:
    """At almost equal weights, the group multiplies almost by its order, 7.91: the convolutions behind the first."""
    _, *layers = analyze(resnet44(widths, group)).layers
    assert sum(layer.cost.weights for layer in layers) == weights
    assert sum(layer.cost.macs for layer in layers) == macs
    assert layers[-1].node.shape[-2:] == (8, 8)


def test_a_map_over_the_group_goes_through_norm_activation_sum_and_pooling() -> None:
    b = Builder()
    x = b.group_equivariant_conv(b.input((3, 8, 8)), out_channels=5, kernel_size=3, group="p4", padding=1)
    y = b.relu(b.batch_norm(x))
    y = b.group_equivariant_conv(y, out_channels=5, kernel_size=3, group="p4", padding=1)
    y = b.global_avg_pool(b.add(x, y))
    result = analyze(b.graph())
    norm = next(layer for layer in result.layers if layer.node.op.word == "batch_norm")
    assert y.shape == (5, 1, 1, 1)
    assert norm.cost.params == 2 * 5  # one scale and one shift a map over the group


def test_symbolic_sizes() -> None:
    height, width = size_symbol("height"), size_symbol("width")
    found = told(WORD, (3, height, width), out_channels=2, kernel_size=3, group="p4m", padding=1, bias=False)
    assert found["shape"] == (2, 8, height, width)
    assert found["macs"] == 54 * 8 * height * width
    inside = told(WORD, found["shape"], out_channels=2, kernel_size=1, group="p4m", bias=False)
    assert inside["macs"] == 2 * 2 * 8 * 8 * height * width


FIELDS = {"out_channels": 4, "kernel_size": 3, "group": "p4"}
AXES = "it needs an input of channels, height and width, or of channels, group, height and width, not"


@pytest.mark.parametrize(
    ("shape", "fields", "message"),
    [
        ((3,), {}, f"{AXES} 3"),
        ((3, 9), {}, f"{AXES} 3x9"),
        ((3, 4, 5, 9, 9), {}, f"{AXES} 3x4x5x9x9"),
        (
            (3, 8, 9, 9),
            {},
            "group p4 has 4 elements, and the group axis of the input 3x8x9x9 has 8; take the group with which the"
            " input was lifted",
        ),
        (
            (3, 9, 2),
            {},
            "kernel_size (=3) is larger than the padded input (2 + 2 x 0 = 2) on spatial axis 2; use a smaller kernel,"
            " more padding, or fewer strides before it",
        ),
        ((3, 9, 9), {"group": "p4g"}, 'group is "p4g"; it must be p4 or p4m; did you mean "p4"?'),
        ((3, 9, 9), {"kernel_size": [3, 3]}, "kernel_size is [3, 3]; it must be a whole number of at least 1"),
        ((3, 9, 9), {"padding": "same"}, 'padding is "same"; it must be a whole number of at least 0'),
        ((3, 9, 9), {"in_channels": 4}, "in_channels (=4) must be what the input 3x9x9 has, 3"),
    ],
)
def test_refusals(shape: tuple[int, ...], fields: dict[str, Any], message: str) -> None:
    assert refusal(WORD, shape, **{**FIELDS, **fields}) == f'{WORD} "stem": {message}'


# ---- execution ----

torch = pytest.importorskip("torch")

ORDER = {"p4": 4, "p4m": 8}
CASES = [("p4", True), ("p4m", True), ("p4", False), ("p4m", False)]
"""Each group, lifting and inside."""


def module(group: str, lifting: bool, **fields: Any) -> Any:
    """A layer of 2 to 3 channels with random weights, in double precision."""
    from convcost.pytorch.modules import GroupEquivariantConv

    torch.manual_seed(7)
    layer = GroupEquivariantConv(2, 3, fields.pop("kernel_size", 3), group, lifting=lifting, **fields).double()
    torch.nn.init.normal_(layer.weight)
    torch.nn.init.normal_(layer.bias)
    return layer


def an_input(group: str, lifting: bool, size: int) -> Any:
    axes = (size, size) if lifting else (ORDER[group], size, size)
    return torch.randn(2, 2, *axes, dtype=torch.float64)


def matrix(element: int) -> Any:
    """An element of the group as what it does to (row, column): a reflection of the columns, then quarter turns."""
    turn, mirror = torch.tensor([[0, -1], [1, 0]]), torch.tensor([[1, 0], [0, -1]])
    return torch.linalg.matrix_power(turn, element % 4) @ (mirror if element >= 4 else torch.eye(2, dtype=torch.int64))


def number_of(found: Any, order: int) -> int:
    """The number of the element that a matrix is."""
    return next(element for element in range(order) if torch.equal(matrix(element), found))


def moved(x: Any, element: int) -> Any:
    """The picture under an element of the group, pixel by pixel; the axes before the last two stay."""
    size = x.shape[-1]
    out = torch.empty_like(x)
    for row in range(size):
        for column in range(size):  # twice the distance from the middle, so that it is whole
            place = matrix(element) @ torch.tensor([2 * row - size + 1, 2 * column - size + 1])
            to_row, to_column = ((place + size - 1) // 2).tolist()
            out[..., to_row, to_column] = x[..., row, column]
    return out


def acted_on(x: Any, element: int, order: int) -> Any:
    """A map over the group under one of its elements: the pixels move, and so do the rows of the group axis."""
    out = torch.empty_like(x)
    for row in range(order):
        out[:, :, number_of(matrix(element) @ matrix(row), order)] = moved(x[:, :, row], element)
    return out


@pytest.mark.parametrize(("group", "lifting"), CASES)
@pytest.mark.parametrize("fields", [{"padding": 1}, {"kernel_size": 2}, {"kernel_size": 3, "stride": 2}])
def test_what_moves_the_input_moves_the_output(group: str, lifting: bool, fields: dict[str, Any]) -> None:
    """Every rotation, and for p4m every reflection. Size 7: the kernel of 3 fits 3 times with stride 2."""
    order = ORDER[group]
    layer, x = module(group, lifting, **fields), an_input(group, lifting, 7)
    plain = layer(x)
    for element in range(order):
        expected = acted_on(plain, element, order)
        found = layer(moved(x, element) if lifting else acted_on(x, element, order))
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
        if element:
            assert not torch.allclose(found, plain)


@pytest.mark.parametrize(("group", "reflects"), [("p4", False), ("p4m", True)])
def test_pooling_over_group_and_space_is_invariant(group: str, reflects: bool) -> None:
    """Two layers and the pooling: rotations change nothing, and reflections nothing under p4m alone."""
    from convcost.pytorch.modules import GroupEquivariantConv

    lifting = module(group, True, padding=1)
    inside = GroupEquivariantConv(3, 4, 3, group).double()
    x = an_input(group, True, 7)

    def pooled(picture: Any) -> Any:
        maps = torch.relu(inside(torch.relu(lifting(picture))))
        return torch.nn.functional.adaptive_avg_pool3d(maps, 1).flatten(1)

    plain = pooled(x)
    for element in range(8):
        same = torch.allclose(pooled(moved(x, element)), plain, rtol=0, atol=1e-12)
        assert same == (element < 4 or reflects), element


@pytest.mark.parametrize(("group", "lifting"), CASES)
def test_equal_to_the_sum_that_defines_it(group: str, lifting: bool) -> None:
    """y[n, g, p] = b[n] + sum of w[n, c, g^-1 h, g^-1 k] x[c, h, p + k], each term by itself."""
    order, size, taps = ORDER[group], 4, 3
    layer, x = module(group, lifting), an_input(group, lifting, size)
    x = x[:1].unsqueeze(2) if lifting else x[:1]
    out = layer.bias.detach().reshape(3, 1, 1, 1).repeat(1, order, size - taps + 1, size - taps + 1)
    inverse = [number_of(matrix(element).T, order) for element in range(order)]
    for g in range(order):
        kernels = moved(layer.weight.detach(), g)  # at k it has what the filter has at g^-1 k
        for h in range(x.shape[2]):
            row = 0 if lifting else number_of(matrix(inverse[g]) @ matrix(h), order)
            for i in range(taps):
                for j in range(taps):
                    window = x[0, :, h, i : i + size - taps + 1, j : j + size - taps + 1]
                    out[:, g] += torch.einsum("nc,cij->nij", kernels[:, :, row, i, j], window)
    found = layer(x.squeeze(2) if lifting else x)[0]
    torch.testing.assert_close(found, out, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("group", "lifting"), CASES)
@pytest.mark.parametrize("fields", [{"padding": 1}, {"kernel_size": 2, "stride": 2, "bias": False}])
def test_execution_agrees(group: str, lifting: bool, fields: dict[str, Any]) -> None:
    from convcost.pytorch.validate import validate

    b = Builder()
    shape = (3, 6, 5) if lifting else (3, ORDER[group], 6, 5)
    x = b.group_equivariant_conv(b.input(shape), **{"kernel_size": 3, "out_channels": 2, "group": group, **fields})
    b.group_equivariant_conv(x, out_channels=4, kernel_size=1, group=group)
    result = validate(b.graph(), batch=2, backward=True)
    assert result.differences == ()
    assert len(result.comparisons) >= 12
