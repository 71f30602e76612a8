"""How much of a field is touched, layer by layer, and which layer is meant."""

from pathlib import Path

import pytest

from convcost.analysis.field_result import field_sizes, network_fields
from convcost.analysis.field_share import Share, shares, widest_unit
from convcost.errors import ConvcostError
from convcost.frontends.formula import symbolic_graph
from convcost.frontends.load import load
from convcost.graph import Builder
from stacks import conv, stack, step


def dilated(*rates: int) -> list[Share]:
    """The shares of 3x3 convolutions with these dilations, one behind the other."""
    layers = [conv(f"conv{number}", dilation=rate, padding=rate) for number, rate in enumerate(rates)]
    network = network_fields(stack(*layers, shape=(16, 80, 80)))
    return list(shares(network, range(1, len(network.of_nodes))).values())


def test_gridding() -> None:
    # dilations 2, 2, 2: every second of 5, 9 and 13 an axis, so 3, 5 and 7 are touched
    assert dilated(2, 2, 2) == [Share(cells=9, of=25), Share(cells=25, of=81), Share(cells=49, of=169)]


def test_a_context_module_touches_all() -> None:
    # 1 + 2 (1 + 1 + 2 + 4 + 8 + 16 + 1) = 67
    assert dilated(1, 1, 2, 4, 8, 16, 1)[-1] == Share(cells=67 * 67, of=67 * 67)


def test_what_reads_its_own_place_touches_the_same() -> None:
    graph = stack(
        conv("conv", dilation=2, padding=2),
        step("relu", "act"),
        step("batch_norm", "norm"),
        conv("mix", kernel_size=1, padding=0),
    )
    network = network_fields(graph)
    assert set(shares(network, range(1, 5)).values()) == {Share(cells=9, of=25)}


def test_other_taps_of_one_interval_are_joined() -> None:
    # 0, 3, 6 and 0, 2, 4, 6: both see 7 elements, and together touch 0, 2, 3, 4, 6
    b = Builder()
    x = b.input((1, 20))
    first = b.conv(x, out_channels=1, kernel_size=3, dilation=3, name="first")
    second = b.conv(x, out_channels=1, kernel_size=4, dilation=2, name="second")
    b.add(first, second, name="sum")
    network = network_fields(b.graph())
    assert shares(network, [3])[3] == Share(cells=5, of=7)


def test_behind_a_global_operator_the_cells_of_the_input_count() -> None:
    graph = stack(conv("conv", kernel_size=1, stride=2, padding=0), step("global_avg_pool", "pool"))
    # of rows and columns 0 to 8 every second is read; the last of 10 is not
    network = network_fields(graph)
    assert shares(network, [2])[2] == Share(cells=25, of=81)
    pool = network.of_nodes[2]
    assert pool is not None
    assert (field_sizes(pool), pool.is_global) == ([9, 9], True)


def test_bounds_and_symbols_have_no_share() -> None:
    graph = stack(lambda b, x: b.opaque(x, label="mystery", output_shape=[16, 10, 10], name="mystery"))
    assert shares(network_fields(graph), [1]) == {}


def test_the_unit_that_sees_most_is_meant() -> None:
    # A kernel of 3 transposed at stride 2 reads inputs p/2 and p/2 - 1 at even places, and one at odd places.
    graph = stack(lambda b, x: b.conv_transpose(x, out_channels=1, kernel_size=3, stride=2, name="up"), shape=(1, 8))
    network = network_fields(graph)
    (unit,) = widest_unit(network, 1)
    assert unit % 2 == 0
    assert shares(network, [1])[1] == Share(cells=2, of=2)


def test_layers_and_blocks_by_name() -> None:
    network = network_fields(load("resnet18"))
    names = [node.name for node in network.graph.nodes]
    assert names[network.position("layer2")] == "layer2.basic_block2.add_act"
    assert names[network.last_local()] == "layer4.basic_block2.add_act"
    with pytest.raises(ConvcostError, match='no layer "layr2"; did you mean "layer2"'):
        network.position("layr2")


def test_a_slice_of_channels_is_no_copy() -> None:
    # channel 0 of 9 stands for phase 0 of 3: its unit reads one cell of the three
    graph = stack(
        step("pixel_unshuffle", "phases", downscale_factor=3),
        step("slice", "first", axis=0, start=0, stop=1),
        shape=(1, 9),
    )
    found = shares(network_fields(graph), [1, 2])
    assert (found[1], found[2].cells) == (Share(cells=3, of=3), 1)


def test_symbolic_kernels_have_no_share(tmp_path: Path) -> None:
    spec = tmp_path / "net.yaml"
    spec.write_text(
        "variables: {k: 3}\ninput: [1, 64]\nlayers:\n  - conv: {out_channels: 1, kernel_size: k, padding: same_tf}\n"
    )
    assert shares(network_fields(symbolic_graph(str(spec), ["k"], {})), [1]) == {}
