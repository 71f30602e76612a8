"""`convcost rf` as a user runs it: tables, one layer, units, pixels, tiles, checks, and what is refused."""

import csv
import io
import json
from pathlib import Path

import pytest

from commands import at_terminal, convcost

# Three 3x3 convolutions with dilation 2: 1 + 3 x 2 x 2 = 13 an axis; they touch every second cell, 7 x 7 = 49 of 169.
GRIDDING = """
input: [1, 32, 32]
layers:
  - conv: {out_channels: 4, kernel_size: 3, padding: 2, dilation: 2}
    name: first
  - conv: {out_channels: 4, kernel_size: 3, padding: 2, dilation: 2}
    name: second
  - conv: {out_channels: 4, kernel_size: 3, padding: 2, dilation: 2}
    name: third
  - global_avg_pool: {}
    name: pool
"""
# A 2x2 window from the unit's own place on has its centre half a pixel behind it.
MISALIGNED = """
input: [1, 8, 8]
layers:
  - add:
      - []
      - - conv: {out_channels: 1, kernel_size: 2, padding: same}
          name: late
    name: sum
"""
TWO_INPUTS = """
input:
  vector: [4]
  image: [1, 8, 6]
layers:
  - conv: {out_channels: 2, kernel_size: [1, 3]}
    from: image
    name: rows
"""


@pytest.fixture
def gridding(tmp_path: Path) -> str:
    return written(tmp_path, GRIDDING)


@pytest.fixture
def misaligned(tmp_path: Path) -> str:
    return written(tmp_path, MISALIGNED)


def written(folder: Path, text: str) -> str:
    path = folder / "net.yaml"
    path.write_text(text)
    return str(path)


def answered(*arguments: str) -> str:
    result = convcost("rf", *arguments, PYTHONIOENCODING="utf-8")
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def document(*arguments: str) -> dict[str, object]:
    return json.loads(answered(*arguments, "--format", "json"))


def refused(*arguments: str) -> str:
    result = convcost("rf", *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert "Traceback" not in result.stderr
    return result.stderr.strip()


def row(text: str, name: str) -> list[str]:
    (found,) = [line.split() for line in text.splitlines() if line.split()[:1] == [name]]
    return found


# The table


def test_a_row_a_layer(gridding: str) -> None:
    out = answered(gridding)
    assert "field" in out
    # output, field, local, shortest, longest where they differ, stride, start, padding, aligned, touched
    assert row(out, "first")[2:] == ["4x32x32", "5", "5", "1", "-2", "2", "yes", "36.0%"]  # 3 x 3 of 5 x 5
    assert row(out, "third")[2:] == ["4x32x32", "13", "13", "1", "-6", "6", "yes", "29.0%"]  # 49 of 169
    # every cell of the input is under some unit: all 32 x 32 are read
    assert row(out, "pool")[2:] == ["4x1x1", "32*", "13", "-", "0", "0", "yes", "100%"]


def test_blocks_are_folded_as_what_leaves_them() -> None:
    out = answered("resnet50")
    # 7, 11, then 3 + 4 + 6 + 3 blocks: 35, 91, 267, 427
    assert [row(out, f"layer{number}")[3] for number in (1, 2, 3, 4)] == ["35", "91", "267", "427"]
    assert "--depth 2 unfolds them" in out
    deeper = answered("resnet50", "--depth", "2")
    assert "--depth 2" not in deeper
    assert len(deeper.splitlines()) > len(out.splitlines())


def test_misaligned_paths_are_named_with_their_offset(misaligned: str) -> None:
    out = answered(misaligned)
    assert row(out, "sum")[-2] == "no"
    assert "sum.add joins input and sum.late, which have their centres apart: +0.5 pixels along" in out


@pytest.mark.parametrize("width", [60, 80, 160])
def test_no_terminal_is_too_narrow(width: int) -> None:
    shown = at_terminal(width, "rf", "resnet50", NO_COLOR="1", PYTHONIOENCODING="utf-8")
    assert max(map(len, shown.splitlines())) <= width
    assert {"427", "-213", "224*"} <= set(shown.split())


def test_ascii_terminals_get_ascii() -> None:
    result = convcost("rf", "resnet18", PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C")
    assert result.returncode == 0
    assert result.stdout.isascii()


# Formats


def test_json_has_the_promised_keys(gridding: str) -> None:
    found = document(gridding)
    assert list(found) == ["schema", "tool", "model", "input", "layers"]
    assert found["schema"] == "convcost.receptive_field/1"
    assert found["input"] == {"name": "input", "shape": [1, 32, 32], "axes": ["height", "width"]}
    layers = {layer["name"]: layer["receptive_field"] for layer in found["layers"]}
    assert layers["third"] == {
        "size": [13, 13],
        "stride": [1, 1],
        "start": [-6, -6],
        "padding": [6, 6],
        "aligned": True,
        "global": False,
        "local_size": [13, 13],
        "touched": 49 / 169,
        "touched_cells": 49,
        "at_most": False,
        "shortest": [13, 13],
        "longest": [13, 13],
        "centre": [0, 0],
        "disagreement": None,
    }
    whole = layers["pool"]
    assert (whole["global"], whole["size"], whole["local_size"]) == (True, [32, 32], [13, 13])
    assert (whole["stride"], whole["touched_cells"]) == ([None, None], 1024)


def test_json_names_the_disagreement(misaligned: str) -> None:
    found = document(misaligned)["layers"][-1]["receptive_field"]
    assert found["aligned"] is False
    assert found["disagreement"] == {
        "node": "sum.add",
        "first": "input",
        "second": "sum.late",
        "offset": [0.5, 0.5],
        "strides": [[1, 1], [1, 1]],
    }


def test_csv_and_markdown(gridding: str) -> None:
    rows = list(csv.DictReader(io.StringIO(answered(gridding, "--format", "csv"))))
    assert [line["size"] for line in rows] == ["5 5", "9 9", "13 13", "32 32"]
    assert [line["local_size"] for line in rows] == ["5 5", "9 9", "13 13", "13 13"]
    table = [line for line in answered(gridding, "--format", "markdown").splitlines() if line.startswith("|")]
    assert table[0].startswith("| name | operator | output | field |")
    assert len(table) == 6


def test_output_is_a_file(gridding: str, tmp_path: Path) -> None:
    path = tmp_path / "rf.json"
    assert answered(gridding, "--format", "json", "--output", str(path)) == ""
    assert json.loads(path.read_text())["layers"][0]["name"] == "first"


# One layer


def test_everything_of_one_layer(gridding: str) -> None:
    out = answered(gridding, "--layer", "third")
    assert "Field: 13 x 13 pixels of the input (height x width)." in out
    assert "Unit 0,0: starts at -6 (padding 6), with its centre at 0." in out
    assert "Paths: the shortest sees 13 x 13, the longest 13 x 13." in out
    assert "Aligned: all paths see the input around the same centre." in out
    assert "Touched: 49 of 169 cells of the field (29.0%)." in out
    assert [layer["name"] for layer in document(gridding, "--layer", "third")["layers"]] == ["third"]


def test_a_global_layer_has_both_sizes(gridding: str) -> None:
    out = answered(gridding, "--layer", "pool")
    assert "Field: 32* pixels" in out
    assert "through local operators alone it is 13 x 13" in out


def test_the_name_of_a_block_is_its_last_layer() -> None:
    assert "layer1.basic_block2.add_act: relu" in answered("resnet18", "--layer", "layer1")


# Units, pixels, tiles


def test_a_unit_sees_a_region(gridding: str) -> None:
    out = answered(gridding, "--unit", "3,5")  # of the last layer with spatial axes
    assert "Unit 3,5 of third" in out
    assert row(out, "height")[1:] == ["-3", "9", "13", "0", "9", "10", "32"]  # 3 - 6 to 3 + 6
    assert row(out, "width")[1:] == ["-1", "11", "13", "0", "11", "12", "32"]
    assert "touches 49 of 169 cells" in out
    # rows -3, -1, ... 9 and columns -1, 1, ... 11: five rows 1 to 9 and six columns 1 to 11 are within
    assert "touches 30 of 120 pixels" in out
    found = document(gridding, "--unit", "3,5")["unit"]
    assert found == {
        "layer": "third",
        "unit": [3, 5],
        "region": {"start": [-3, -1], "end": [9, 11], "size": [13, 13]},
        "clipped": {"start": [0, 0], "end": [9, 11], "size": [10, 12]},
        "touched_cells": 49,
        "clipped_touched_cells": 30,
        "at_most": False,
    }


def test_padding_that_repeats_the_input_touches_cells_elsewhere(tmp_path: Path) -> None:
    pad = "pad: {before: 1, after: 1, mode: circular}"
    spec = f"input: [1, 8]\nlayers:\n  - {pad}\n  - conv: {{out_channels: 1, kernel_size: 3}}\n"
    out = answered(written(tmp_path, spec), "--unit", "0")
    # position 0 reads -1, 0, 1, and -1 is the last element, 7
    assert "touches 3 cells, 1 of them elsewhere" in out


def test_the_units_that_see_a_pixel(gridding: str) -> None:
    out = answered(gridding, "--pixel", "10,0")
    # the first: rows 8, 10, 12 and columns 0, 2; the third: 4, 6, ... 16 and 0, 2, 4, 6
    assert row(out, "first")[3:] == ["8", "to", "12,", "0", "to", "2", "6", "1,024"]
    assert row(out, "third")[3:] == ["4", "to", "16,", "0", "to", "6", "28", "1,024"]
    assert row(out, "pool")[3:] == ["all", "1", "1"]
    found = document(gridding, "--pixel", "10,0")["pixel"]
    assert found["at"] == [10, 0]
    assert found["layers"][0] == {"name": "first", "start": [8, 0], "end": [12, 2], "count": 6, "at_most": False}


def test_tiles_overlap(gridding: str) -> None:
    found = document(gridding, "--tile", "20")["tiling"]
    # 6 outputs at each cut see what lies beyond it: 20 - 12 = 8 are kept, and tiles share 12
    assert (found["layer"], found["tile"], found["overlap"]) == ("third", [20, 20], [12, 12])
    assert "overlap  12x12" in answered(gridding, "--tile", "20x20")
    rows = list(csv.DictReader(io.StringIO(answered(gridding, "--tile", "20,20", "--format", "csv"))))
    assert [(line["axis"], line["overlap"]) for line in rows] == [("height", "12"), ("width", "12")]
    assert 'reads all of spatial axis 1; tile only up to "third"' in refused(
        gridding, "--tile", "20", "--layer", "pool"
    )


# Contributions


def test_contributions_in_the_terminal(gridding: str) -> None:
    out = answered(gridding, "--contributions")
    # one axis: (1, 1, 1) three times over itself is 1, 3, 6, 7, 6, 3, 1, which is 27; 27 x 27 = 729 paths
    assert "Contributions to unit 16,16 of third: 729 paths from 49 cells" in out
    found = document(gridding, "--contributions", "--unit", "3,5")["contribution"]
    assert (found["unit"], found["total"]) == ([3, 5], 729)
    assert found["axes"][0]["profile"] == [27 * paths for paths in (1, 0, 3, 0, 6, 0, 7, 0, 6, 0, 3, 0, 1)]
    rows = list(csv.DictReader(io.StringIO(answered(gridding, "--contributions", "--format", "csv"))))
    assert rows[0] == {"axis": "height", "place": "10", "paths": "27"}  # 16 - 6: one path, times 27 across


def test_a_picture(gridding: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / "field.svg"
    assert "third" in answered(gridding, "--plot", str(path))
    assert "<svg" in path.read_text()
    assert "must end in .svg or .png" in refused(gridding, "--plot", "field.gif")


# Checks


def test_a_field_that_is_too_small_exits_with_1(gridding: str) -> None:
    assert convcost("rf", gridding, "--at-least", "13").returncode == 0
    result = convcost("rf", gridding, "--at-least", "14")
    assert result.returncode == 1
    assert result.stderr == f'{gridding}: layer "third": its field is 13, and --at-least asks for 14 along every axis\n'
    assert "third" in result.stdout
    assert convcost("rf", gridding, "--at-least", "32", "--layer", "pool").returncode == 0
    result = convcost("rf", gridding, "--at-least", "14", "--layer", "pool", "--local")
    assert result.returncode == 1
    assert "through local operators alone its field is 13" in result.stderr


def test_misalignment_exits_with_1(misaligned: str) -> None:
    result = convcost("rf", misaligned, "--aligned")
    assert result.returncode == 1
    assert 'layer "sum.add" is misaligned: sum.add joins input and sum.late' in result.stderr
    assert convcost("rf", misaligned, "--aligned", "--layer", "sum.late").returncode == 0


def test_strict_fails_on_bounds() -> None:
    result = convcost("rf", "mpgcn_arxiv", "--strict")
    assert result.returncode == 1
    assert "--strict: the field is only a bound in network.first, " in result.stderr
    assert "<= 169,343*" in result.stdout
    assert convcost("rf", "resnet18", "--strict").returncode == 0


def test_a_bound_that_may_be_enough_is_not(tmp_path: Path) -> None:
    spec = "input: [1, 8]\nlayers:\n  - opaque: {label: mystery, output_shape: [1, 8]}\n    name: mystery\n"
    path = written(tmp_path, spec)
    result = convcost("rf", path, "--at-least", "5", "--layer", "mystery")
    assert result.returncode == 1
    assert "a bound, so that --at-least 5 cannot be said" in result.stderr


# Inputs, settings and symbols


def test_inputs_are_chosen(tmp_path: Path) -> None:
    path = written(tmp_path, TWO_INPUTS)
    out = answered(path)
    assert "Fields in the input image; --input chooses vector." in out
    assert row(out, "rows")[3] == "1x3"
    assert "vector 4 has channels alone; a receptive field needs" in refused(path, "--input", "vector")
    assert 'no input "imag"; it has vector, image; did you mean "image"?' in refused(path, "--input", "imag")


def test_settings_change_the_network() -> None:
    assert document("mobilenet_v1", "--set", "resolution=128")["input"]["shape"] == [3, 128, 128]


def test_symbols_stay() -> None:
    out = answered("resnet18", "--symbol", "height", "--symbol", "width")
    assert row(out, "layer4")[-7:] == ["435", "11", "32", "-217", "217", "yes", "?"]
    assert "height x width*" in out
    assert "--unit needs a network of numbers; leave out --symbol" in refused(
        "resnet18", "--symbol", "height", "--unit", "1,1"
    )


# What is refused


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--layer", "layr1"], 'the network has no layer "layr1"; did you mean "layer1"?'),
        (["--unit", "3"], "has 2 spatial axes (7x7), so it takes 2 numbers, height and width"),
        (["--unit", "7,3"], "7 lies outside of layer"),
        (["--unit", "-1,3"], "places go from 0 to 6"),
        (["--unit", "a,b"], '--unit "a,b": it must be whole numbers with commas between, such as 3,3'),
        (["--unit", "1,1", "--layer", "fc"], "has no spatial axes left, so that all of its units see the same"),
        (["--pixel", "1,2,3"], 'the input "input" has 2 spatial axes (224x224), so it takes 2 numbers'),
        (["--pixel", "224,0"], "places go from 0 to 223"),
        (["--tile", "1,2,3"], "it takes one size of at least 1 for all axes, or 2: height, width"),
        (["--tile", "0"], "it takes one size of at least 1"),
        (["--at-least", "0"], "--at-least is 0; it must be at least 1"),
        (["--local"], "--local says how --at-least compares; give --at-least too, or leave it out"),
        (["--pixel", "1,1", "--tile", "64"], "--pixel and --tile ask for different reports; give one of them"),
        (["--depth", "0"], "depth is 0; it must be at least 1"),
    ],
)
def test_wrong_questions_exit_with_2(arguments: list[str], message: str) -> None:
    assert message in refused("resnet18", *arguments)


def test_networks_without_spatial_axes_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "input: [4]\nlayers: [relu]\n")
    assert "input 4 has channels alone; a receptive field needs an input with a spatial axis" in refused(path)
