"""`convcost rf` where not everything is known, and what is refused before anything is printed or written."""

import csv
import io
import json
from pathlib import Path

import pytest

from commands import convcost

# What the operator outside of the catalogue reads is not known, and neither is anything behind it.
OPAQUE = """
input: [3, 16, 16]
layers:
  - conv: {out_channels: 4, kernel_size: 3, padding: 1}
    name: before
  - opaque: {label: mystery, output_shape: [4, 16, 16]}
    name: mystery
  - conv: {out_channels: 4, kernel_size: 3, padding: 1}
    name: behind
  - add:
    from: [before, behind]
    name: joined
"""
# 668,229 elements to 7,387: more than 4,096 phases, so that fields are bounds that move by 668229/7387 an output.
SHRUNK = """
input: [1, 668229]
layers:
  - upsample: {size: 7387, mode: nearest}
    name: shrunk
"""
SMALL = "input: [1, 8, 6]\nlayers:\n  - conv: {out_channels: 1, kernel_size: 3}\n    name: only\n"


def written(folder: Path, text: str) -> str:
    path = folder / "net.yaml"
    path.write_text(text)
    return str(path)


@pytest.fixture
def opaque(tmp_path: Path) -> str:
    return written(tmp_path, OPAQUE)


def answered(*arguments: str) -> str:
    result = convcost("rf", *arguments, PYTHONIOENCODING="utf-8")
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def fields(path: str) -> dict[str, dict[str, object]]:
    layers = json.loads(answered(path, "--format", "json"))["layers"]
    return {layer["name"]: layer["receptive_field"] for layer in layers}


def rows(path: str) -> dict[str, dict[str, str]]:
    found = csv.DictReader(io.StringIO(answered(path, "--format", "csv")))
    return {line["name"]: line for line in found}


# CSV


def test_csv_tells_bounds_and_global_fields(opaque: str) -> None:
    found = rows(opaque)
    told = {name: (line["at_most"], line["global"]) for name, line in found.items()}
    assert told["before"] == ("False", "False")
    assert told["behind"] == ("True", "True")
    assert found["before"]["touched_cells"] == "9"  # all of 3 x 3


def test_csv_is_empty_where_nothing_is_known(opaque: str) -> None:
    assert "None" not in answered(opaque, "--format", "csv")
    unknown = [rows(opaque)["behind"][key] for key in ("stride", "start", "padding", "aligned", "touched_cells")]
    assert unknown == [""] * 5


# Bounds


def test_nothing_is_said_to_be_aligned_behind_what_is_not_known(opaque: str) -> None:
    found = fields(opaque)
    assert {name: field["aligned"] for name, field in found.items()} == {
        "before": True,
        "mystery": None,
        "behind": None,
        "joined": None,
    }
    lines = {line.split()[0]: line.split() for line in answered(opaque).splitlines() if line[:1].isalpha()}
    assert [lines[name][-2] for name in found] == ["yes", "?", "?", "?"]
    assert "Aligned: not known: what mystery reads is not known." in answered(opaque, "--layer", "joined")


def test_aligned_fails_where_it_is_not_known(opaque: str) -> None:
    result = convcost("rf", opaque, "--aligned", "--layer", "behind")
    assert result.returncode == 1
    assert (
        'layer "behind": it is not known whether its paths are aligned, as --aligned asks: what mystery reads is not'
        " known" in result.stderr
    )
    assert convcost("rf", opaque, "--aligned", "--layer", "before").returncode == 0


def test_what_disagreed_before_a_bound_is_misaligned(tmp_path: Path) -> None:
    late = "add: [[], [{conv: {out_channels: 1, kernel_size: 2, padding: same}}]]"
    mystery = "opaque: {label: mystery, output_shape: [1, 8]}"
    path = written(tmp_path, f"input: [1, 8]\nlayers:\n  - {late}\n  - {mystery}\n    name: mystery\n")
    found = fields(path)["mystery"]
    assert (found["at_most"], found["aligned"]) == (True, False)


def test_paths_and_strides_of_bounds_are_no_facts(opaque: str) -> None:
    out = answered(opaque, "--layer", "joined")
    # one path is the 3x3 before, the other at most all 16
    assert "the shortest sees at most 3 x 3, the longest at most 16 x 16" in out
    assert "Stride, start and centre: not known." in out
    assert {name: field["stride"] for name, field in fields(opaque).items()} == {
        "before": [1, 1],
        "mystery": [None, None],
        "behind": [None, None],
        "joined": [None, None],
    }


def test_a_bound_that_moves_has_a_stride_and_is_written_exactly(tmp_path: Path) -> None:
    path = written(tmp_path, SHRUNK)
    (found,) = fields(path).values()
    assert found["at_most"] is True
    # they share no factor: divided on, they leave 3,399, 589, 454, 135, 49, 37, 12 and 1
    assert (found["stride"], found["stride_exact"]) == ([668229 / 7387], ["668229/7387"])
    assert rows(path)["shrunk"]["stride"] == "668229/7387"
    assert " 668229/7387 " in answered(path)
    assert "Stride: 668229/7387, how far" in answered(path, "--layer", "shrunk")
    assert "what shrunk reads is known as a bound alone" in answered(path, "--layer", "shrunk")


def test_whole_strides_have_no_other_spelling(opaque: str) -> None:
    assert all("stride_exact" not in field for field in fields(opaque).values())


def test_strict_looks_at_the_layer_that_is_named(opaque: str) -> None:
    assert convcost("rf", opaque, "--strict", "--layer", "before").returncode == 0
    result = convcost("rf", opaque, "--strict", "--layer", "behind")
    assert result.returncode == 1
    assert result.stderr.endswith("--strict: the field is only a bound in behind\n")


# Refused before anything is printed or written


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--at-least", "3"], "--at-least needs a network of numbers; leave out --symbol"),
        (["--plot", "field.svg"], "--plot needs a network of numbers; leave out --symbol"),
    ],
)
def test_what_needs_numbers_says_which_option_does(arguments: list[str], message: str) -> None:
    result = convcost("rf", "vgg16", "--symbol", "resolution", *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert message in result.stderr


@pytest.mark.parametrize("wrong", [["--pixel", "999"], ["--tile", "0"], ["--depth", "0"]])
def test_a_wrong_question_leaves_no_picture(tmp_path: Path, wrong: list[str]) -> None:
    pytest.importorskip("matplotlib")
    picture = tmp_path / "none.svg"
    result = convcost("rf", written(tmp_path, SMALL), "--plot", str(picture), *wrong)
    assert (result.returncode, result.stdout) == (2, "")
    assert not picture.exists()


# Words


def test_one_cell_is_no_cells(tmp_path: Path) -> None:
    path = written(tmp_path, "input: [1, 8]\nlayers:\n  - conv: {out_channels: 1, kernel_size: 1}\n")
    assert "1 path from 1 cell of the input\n" in answered(path, "--contributions")


def test_tiles_name_the_axes(tmp_path: Path) -> None:
    spec = "input: [1, 32, 48]\nlayers:\n  - conv: {out_channels: 1, kernel_size: 3, padding: 1}\n"
    out = answered(written(tmp_path, spec), "--tile", "16")
    # 16 less 2: starts at 0, 14 and the last 16 along 32, and at 0, 14, 28 and the last 32 along 48
    assert "0, 14, 16 along the height" in out
    assert "0, 14, 28, 32 along the width" in out


def test_analyze_says_whose_fields_it_has(tmp_path: Path) -> None:
    spec = """
input: {left: [1, 8], right: [1, 8]}
layers:
  - relu:
    from: left
  - relu:
    from: right
"""
    several = convcost("analyze", written(tmp_path, spec))
    assert "of the input left; - sees nothing of it." in " ".join(several.stdout.split())
    assert "of the input left" not in convcost("analyze", "resnet18").stdout
