"""Tiles: the least overlap by hand, and refusals that say why."""

import pytest

import convcost.blocks  # noqa: F401 - registers the blocks
from convcost.analysis.receptive_field import receptive_fields
from convcost.analysis.tiling import Piece, Tiling, tiling
from convcost.errors import GraphError
from convcost.frontends.load import load
from convcost.graph import Builder, Graph
from convcost.report.tiling import tiling_dict, tiling_text
from stacks import conv, stack, step


def tiles_of(graph: Graph, *tile: int, at: str = "") -> Tiling:
    position = next((number for number, node in enumerate(graph.nodes) if node.name == at), len(graph.nodes) - 1)
    return tiling(graph, receptive_fields(graph), position, tile)


def refusal(graph: Graph, *tile: int, at: str = "") -> str:
    with pytest.raises(GraphError) as caught:
        tiles_of(graph, *tile, at=at)
    return str(caught.value)


def test_convolutions_that_keep_the_size() -> None:
    # Two 3x3 see 2 pixels around: a tile of 20 gives 20 - 2 - 2 = 16 trusted outputs, so tiles start 16 apart.
    found = tiles_of(stack(conv("a"), conv("b"), shape=(16, 50, 50)), 20)
    assert (found.step, found.overlap, found.alignment) == ((16, 16), (4, 4), (1, 1))
    # The last ends with the image: 50 - 20 = 30. Tiles keep from their output 2 up to the next one's.
    assert found.axes[0].pieces() == (
        Piece(start=0, first=0, stop=18, place=0),
        Piece(start=16, first=2, stop=16, place=18),
        Piece(start=30, first=2, stop=20, place=32),
    )
    # 3 x 3 tiles of 20 x 20 positions, and an image of 50 x 50: 9 x 400 / 2500.
    assert (found.count, found.work) == (9, pytest.approx(1.44))


def test_stride_sets_the_grid() -> None:
    graph = stack(conv("a"), step("max_pool", "b", kernel_size=2), conv("c"), shape=(16, 64, 64))
    # Starts are even, and so is 64 - tile: of at most 31, 30 is the largest. Output 0 of "b" reads pixels 0 and 1 of
    # "a", of which 0 is not trusted; "c" adds one: 2 of 15 outputs at each end, 11 are left, and each is 2 pixels.
    found = tiles_of(graph, 31)
    axis = found.axes[0]
    assert (found.tile, found.limit) == ((30, 30), (31, 31))
    assert (axis.front, axis.back, axis.tile_output, axis.step, axis.overlap) == (2, 2, 15, 22, 8)


def test_an_axis_that_is_not_cut_may_be_read_as_a_whole() -> None:
    graph = stack(conv("a"), conv("b", kernel_size=(10, 1), padding=0), shape=(16, 10, 40))
    found = tiles_of(graph, 10, 12)
    # Along the second axis only "a" reads around: 12 - 2 outputs.
    assert (found.tile, found.overlap, found.count) == ((10, 12), (0, 2), 4)


def test_an_image_that_fits_is_one_tile() -> None:
    found = tiles_of(stack(conv("a"), step("global_avg_pool", "pool")), 512)
    assert (found.tile, found.overlap, found.count, found.work) == ((10, 10), (0, 0), 1, 1)
    assert tiling_text(found) == ['An image of 10x10 is a single tile: nothing overlaps. "pool" is as it is.']


def test_unet_as_its_authors_tile_it() -> None:
    # The paper's tile of 572 gives 388 outputs; tiles start at multiples of 16, so 384 apart: 188 are shared.
    found = tiles_of(load("unet", resolution=2044), 572)
    assert (found.tile, found.step, found.overlap) == ((572, 572), (384, 384), (188, 188))
    assert found.resized == ("skip4", "skip3", "skip2", "skip1")


def test_wavenet_shares_its_field_less_one() -> None:
    found = tiles_of(load("wavenet"), 6000, at="postprocess2")
    assert (found.overlap, found.step) == ((5116,), (884,))


def test_tiles_that_lie_apart() -> None:
    # A 1x1 of stride 3 reads pixels 0, 3, ...: a tile of 2 gives 1 output, and pixel 2 is read by none.
    found = tiles_of(stack(conv("a", kernel_size=1, padding=0, stride=3), shape=(16, 11, 11)), 2)
    assert (found.step, found.overlap) == ((3, 3), (-1, -1))
    assert any("nothing reads what lies between" in line for line in tiling_text(found))


def test_a_tile_that_is_too_small_names_the_least() -> None:
    # Two 3x3 leave 5 - 4 outputs of 5.
    graph = stack(conv("a"), conv("b"))
    assert "the least that works is 5" in refusal(graph, 4)
    assert tiles_of(graph, 5).step == (1, 1)
    assert "only the whole image (10) works" in refusal(stack(conv("a", kernel_size=9, padding=4), conv("b")), 9)


@pytest.mark.parametrize(
    ("graph", "reason"),
    [
        (stack(conv("a"), step("global_avg_pool", "pool")), 'global_avg_pool "pool" reads all of spatial axis 1'),
        (stack(conv("a"), step("squeeze_excite", "gate")), '"gate.pool" reads all of spatial axis 1'),
        (stack(conv("a"), step("flatten", "flat")), 'flatten "flat" spreads spatial axis 1 over other axes'),
        (stack(step("group_norm", "norm", num_groups=2)), 'group_norm "norm" reads all of spatial axis 1'),
        (stack(step("opaque", "x", label="?", output_shape=(1, 10, 10))), "reads an unknown part of spatial axis 1"),
        (stack(step("adaptive_avg_pool", "bins", output_size=3)), 'multiples of 10 (as "bins" repeats)'),
        (stack(step("pad", "ring", before=1, after=1, mode="circular")), 'pad "ring" shows at one border what lies'),
        (
            stack(step("split", "half", sections=2, axis=1)),
            'split "half" cannot stand on an image of another size: sections (=2) must divide',
        ),
        (
            stack(step("upsample", "up", scale_factor=2, mode="bilinear", align_corners=True)),
            'upsample "up" depends on the size of its input',
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_tiled_names_the_layer(graph: Graph, reason: str) -> None:
    assert reason in refusal(graph, 6)


def test_a_global_layer_tells_what_its_users_want_to_know() -> None:
    message = refusal(stack(conv("a"), step("global_avg_pool", "pool")), 6)
    assert 'tile only up to "a", or a tile as large as the image' in message
    assert "through local operators alone its field is 3x3" in message


def test_branches_of_other_strides() -> None:
    b = Builder()
    x = b.input((2, 12, 12))
    part = b.slice(b.slice(x, axis=1, stop=6), axis=2, stop=6)
    b.add(part, b.max_pool(x, kernel_size=2), name="sum")
    assert 'add "sum" joins branches of other strides along spatial axis 1' in refusal(b.graph(), 8)


def test_another_input_is_refused() -> None:
    b = Builder()
    b.add(b.input((2, 12, 12), name="left"), b.input((2, 12, 12), name="right"), name="sum")
    graph = b.graph()
    assert '"sum" reads the input "right" beside "left"' in refusal(graph, 8)


def test_a_tile_has_a_size_for_each_axis() -> None:
    message = refusal(stack(conv("a")), 1, 2, 3)
    assert message.startswith("the tile is 1x2x3; it must be one whole number of at least 1 for each of the 2")
    assert "the tile is 0" in refusal(stack(conv("a")), 0)


def test_the_text_and_the_dictionary() -> None:
    graph = stack(conv("a"), step("max_pool", "b", kernel_size=2), conv("c"), shape=(16, 64, 64))
    found = tiles_of(graph, 31)
    assert tiling_text(found) == [
        '9 tiles (3x3) give the same as the whole image of 64x64 at "c"',
        "tile     30x30, the largest of at most 31x31 that fits the image's grids",
        "overlap  8x8",
        "step     22x22, a multiple of 2x2; after it all grids repeat",
        "starts   0, 22, 34 along each axis",
        # the second starts 22 / 2 = 11 outputs on, from its output 2: the first is kept up to 12
        "keep     of 15 outputs 0 to 12 of the first tile, 2 to 12 of inner ones, 2 to 14 of the last along each axis",
        # 9 tiles of 30 x 30 for an image of 64 x 64, pools halving both: 9 (900 + 225) / (4096 + 1024)
        "MACs     1.98 times those of the whole image",
    ]
    told = tiling_dict(found)
    assert (told["overlap"], told["tiles"], told["macs_ratio"]) == ([8, 8], 9, 1.977539)
    assert told["axes"][0]["pieces"][2] == {"start": 34, "first": 2, "stop": 15, "place": 19}
