"""Peak activation memory of small networks, the live tensors written out node by node."""

from __future__ import annotations

from convcost.analysis.memory import Peak, live_sizes, peak_activations
from convcost.arith import Shape, prod
from convcost.formulas.symbolic import size_symbol
from convcost.graph import Builder, Graph, Value


def live(b: Builder) -> list[int]:
    """The elements alive while each node runs."""
    return live_sizes(b.graph(), lambda node: prod(node.shape))


def conv(b: Builder, x: Value, channels: int) -> Value:
    return b.conv(x, out_channels=channels, kernel_size=1)


def test_a_chain_holds_an_input_and_an_output() -> None:
    b = Builder()
    x = b.input((1, 10))
    for channels in (4, 2, 1):
        x = conv(b, x, channels)
    # input 10; 10 + 40; 40 + 20; 20 + 10
    assert live(b) == [10, 50, 60, 30]
    assert peak_activations(b.graph(), prod) == Peak(size=60, node=b.nodes[2])


def test_the_first_of_equal_peaks_is_named() -> None:
    b = Builder()
    b.relu(b.relu(b.relu(b.input((1, 10)))))
    assert live(b) == [10, 20, 20, 20]
    assert peak_activations(b.graph(), prod).node == b.nodes[1]


def test_a_residual_connection_keeps_its_input_until_the_sum() -> None:
    b = Builder()
    x = conv(b, b.input((1, 10)), 2)
    b.add(conv(b, conv(b, x, 3), 2), x)
    # input 10; 10 + 20; x 20 + 30; x 20 + 30 + 20; both operands and the sum 20 + 20 + 20
    assert live(b) == [10, 30, 50, 70, 60]


def test_an_input_is_freed_after_its_last_reader() -> None:
    b = Builder()
    first, second = b.input((1, 10), name="first"), b.input((10, 10), name="second")
    x = b.relu(first)
    y = b.gelu(second)
    b.concat(x, y)
    # both inputs are there from the start: 110; relu 120, first freed; gelu 100 + 10 + 100, second freed; 110 + 110
    assert live(b) == [110, 110, 120, 210, 220]


def test_an_output_is_kept_to_the_end() -> None:
    b = Builder()
    x = b.input((1, 10))
    b.conv(x, out_channels=7, kernel_size=1, name="side")
    b.relu(b.relu(b.relu(x)))
    # input 10; side 10 + 70; x + side 70 + 10; x freed; side stays
    assert live(b) == [10, 80, 90, 90, 90]


def test_an_input_that_nothing_reads_is_an_output() -> None:
    b = Builder()
    x = b.input((1, 10))
    b.input((1, 5), name="unread")
    b.relu(b.relu(x))
    assert live(b) == [15, 15, 25, 25]


def test_views_live_in_the_memory_of_their_input() -> None:
    b = Builder()
    x = b.relu(b.input((2, 4, 4)))
    b.linear(b.flatten(b.dropout(x)), out_features=3)
    # 32; relu 32 + 32; dropout and flatten take none, the input is gone; linear 32 + 3
    assert live(b) == [32, 64, 32, 32, 35]


def test_a_view_keeps_all_of_its_input() -> None:
    b = Builder()
    x = conv(b, b.input((1, 8, 8)), 2)
    small = b.crop(x, size=2)
    y = b.relu(b.max_pool(b.input((1, 8, 8), name="other"), kernel_size=8))
    b.concat(small, b.upsample(y, scale_factor=2))
    # inputs 64 + 64; conv 128 + 128; the crop of 2 x 2 x 2 holds all 128 until the concatenation
    assert live(b) == [128, 256, 192, 192, 193, 130, 133, 144]


def test_in_place_operators_take_no_memory() -> None:
    b = Builder()
    x = conv(b, b.input((1, 10)), 3)
    b.relu(b.relu6(x, inplace=True), inplace=True)
    assert live(b) == [10, 40, 30, 30]


def test_an_output_in_place_keeps_the_memory_that_it_overwrote() -> None:
    b = Builder()
    x = conv(b, b.input((1, 10)), 3)
    b.relu(x, inplace=True, name="kept")
    y = b.input((1, 10), name="other")
    b.gelu(y)
    # both inputs 20; conv 20 + 30; then the other input 10 and the kept 30; gelu 10 + 30 + 10
    assert live(b) == [20, 50, 40, 40, 50]


def test_flatten_copies_what_a_crop_has_cut() -> None:
    b = Builder()
    x = b.flatten(b.crop(b.input((2, 4, 4)), size=2))
    b.relu(x)
    # 32; the crop takes none; the copy 32 + 8; relu 8 + 8
    assert live(b) == [32, 32, 40, 16]


def test_an_operand_that_is_read_twice_is_one_tensor() -> None:
    b = Builder()
    x = b.input((1, 10))
    b.add(x, x)
    assert live(b) == [10, 20]


def test_size_of_gives_the_bytes_of_each_tensor() -> None:
    b = Builder()
    b.relu(b.input((3, 5)))

    def rounded(shape: Shape) -> int:
        return (4 * prod(shape) + 7) // 8

    assert peak_activations(b.graph(), rounded).size == 8 + 8


def test_an_empty_graph_needs_no_memory() -> None:
    assert peak_activations(Graph(nodes=()), prod) == Peak(size=0, node=None)


def test_symbols_hide_where_the_peak_is() -> None:
    b = Builder()
    width = size_symbol("width")
    x = conv(b, b.input((1, width)), 3)
    b.global_avg_pool(x)
    peak = peak_activations(b.graph(), prod)
    # width; width + 3 width; 3 width + 3: the last is larger for width below 3
    assert peak.node is None
    assert [peak.size.subs(width, size) for size in (1, 2, 3, 10)] == [6, 9, 12, 40]
