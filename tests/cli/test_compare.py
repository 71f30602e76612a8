"""`convcost compare` as a user runs it: specs and rules, operators alone, formats, folders, exit codes."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from commands import at_terminal, convcost

PLAIN = {"NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"}
MOBILENET = ("compare", "mobilenet_v1", "--replace", "conv3x3=dsconv")


def words(text: str) -> set[str]:
    return set(text.split())


# A network and its variants


def test_the_table_has_a_row_a_layer_and_the_totals() -> None:
    result = convcost(*MOBILENET, PYTHONIOENCODING="utf-8")
    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == "conv3x3=dsconv: 1 replaced, 13 kept"
    (stem,) = [line for line in lines if line.startswith("stem ")]
    assert " ".join(stem.split()) == (
        "stem conv 3x3 stride 2 dsconv 3x3 stride 2 3x3 3x3 864 123 0.142 10,838,016 1,542,912 0.142"
        " 2,211,200 2,509,292 1.135 !"
    )
    assert "! fewer MACs, but no fewer bytes moved: memory may not pay out what arithmetic saves." in lines
    reason = 'kept: separable1.conv.depthwise: it is part of "separable1.conv", which is dsconv already'
    assert reason in lines
    assert sum(line.startswith("kept: ") for line in lines) == 13
    (first,) = [line.split() for line in lines if line.startswith("mobilenet_v1 ")]
    (second,) = [line.split() for line in lines if line.startswith("conv3x3=dsconv ")]
    assert first[1:5] == ["4,231,976", "1.000", "568,740,352", "1.000"]
    assert first[-2:] == ["-", "-"]
    assert second[1:4] == ["4,231,235", "1.000", f"{568_740_352 - 10_838_016 + 1_542_912:,}"]
    assert second[-2:] == ["1", "13"]
    assert any(line.startswith("Ratios are to the first row. Convention: ") for line in lines)


def test_each_replace_is_a_variant_and_a_semicolon_joins_rules() -> None:
    rules = ("--replace", "conv3x3=dsconv", "--replace", "conv3x3[stride=1]=ghost(ratio=2); conv7x7=cp(rank=8)")
    document = json.loads(convcost("compare", "resnet18", *rules, "--format", "json").stdout)
    assert [variant["label"] for variant in document["variants"]] == ["resnet18", rules[1], rules[3]]
    assert [len(variant["replaced"]) for variant in document["variants"]] == [0, 16, 14]
    assert {one["rule"] for one in document["variants"][2]["replaced"]} == set(rules[3].split("; "))


def test_only_totals() -> None:
    whole = convcost(*MOBILENET).stdout
    totals = convcost(*MOBILENET, "--only-totals").stdout
    assert totals in whole
    assert "stem" not in totals
    assert "kept: " not in totals
    assert totals.splitlines()[0].startswith("network ")


def test_json() -> None:
    result = convcost(*MOBILENET, "--format", "json")
    first, second = json.loads(result.stdout)["variants"]
    assert {"label", "totals", "ratios", "replaced", "skipped"} <= set(second)
    assert first["totals"]["params"] == 4_231_976
    (stem,) = second["replaced"]
    assert (stem["name"], stem["before"]["macs"], stem["after"]["macs"]) == ("stem", 10_838_016, 1_542_912)
    assert second["totals"]["macs"] == first["totals"]["macs"] - 10_838_016 + 1_542_912
    assert second["ratios"]["macs"] == second["totals"]["macs"] / first["totals"]["macs"]
    assert {one["name"] for one in second["skipped"]} >= {"separable1.conv.depthwise", "middle.0.conv.depthwise"}


def test_csv() -> None:
    rows = list(csv.DictReader(io.StringIO(convcost(*MOBILENET, "--format", "csv").stdout)))
    assert [(row["variant"], row["name"]) for row in rows] == [("conv3x3=dsconv", "stem")]
    assert (rows[0]["macs_before"], rows[0]["macs_after"], rows[0]["field_after"]) == ("10838016", "1542912", "3x3")
    rows = list(csv.DictReader(io.StringIO(convcost(*MOBILENET, "--format", "csv", "--only-totals").stdout)))
    assert [row["label"] for row in rows] == ["mobilenet_v1", "conv3x3=dsconv"]
    assert (rows[0]["macs"], rows[0]["replaced"], rows[1]["replaced"], rows[1]["kept"]) == ("568740352", "", "1", "13")


def test_markdown() -> None:
    lines = convcost(*MOBILENET, "--format", "markdown").stdout.splitlines()
    tables = [line for line in lines if line.startswith("|")]
    assert tables[0].startswith("| layer | was | is | field | after | params | after | ratio | MACs |")
    assert tables[2].startswith("| stem | conv 3x3 stride 2 | dsconv 3x3 stride 2 | 3x3 | 3x3 | 864 | 123 | 0.142 |")
    assert tables[3].startswith("| network | parameters | ratio | MACs | ratio |")
    assert tables[5].startswith("| mobilenet_v1 | 4,231,976 | 1.000 | 568,740,352 | 1.000 |")


def test_settings_batch_and_dtype() -> None:
    options = ("--set", "width=0.5", "--batch", "2", "--dtype", "float16", "--format", "json")
    first = json.loads(convcost(*MOBILENET, *options).stdout)["variants"][0]["totals"]
    assert first["macs"] == 2 * 149_497_088
    assert first["weight_bytes"] == 2 * first["params"]


def test_output_to_a_file(tmp_path: Path) -> None:
    path = tmp_path / "report.txt"
    result = convcost(*MOBILENET, "--output", str(path))
    assert (result.returncode, result.stdout) == (0, "")
    assert path.read_text().startswith("conv3x3=dsconv: 1 replaced, 13 kept")


# Several networks


def test_networks_are_compared_with_the_first() -> None:
    result = convcost("compare", "specs/resnet18.yaml", "resnet50", "mobilenet_v1", "--format", "json")
    variants = json.loads(result.stdout)["variants"]
    assert [variant["label"] for variant in variants] == ["resnet18", "resnet50", "mobilenet_v1"]
    assert [variant["ratios"]["params"] for variant in variants] == [1, 25_557_032 / 11_689_512, 4_231_976 / 11_689_512]
    table = convcost("compare", "resnet18", "resnet50").stdout
    assert table.splitlines()[0].startswith("network ")


# Strict


def test_strict_is_an_error_where_a_layer_is_kept() -> None:
    result = convcost(*MOBILENET, "--strict")
    assert result.returncode == 2
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert lines[0] == "--strict: these layers cannot be replaced:"
    assert lines[1] == (
        '  conv3x3=dsconv: separable1.conv.depthwise: it is part of "separable1.conv", which is dsconv already'
    )
    assert len(lines) == 1 + 13
    assert convcost("compare", "resnet18", "--replace", "conv3x3=dsconv", "--strict").returncode == 0


# Written as specs


def test_variants_are_written_as_specs_that_read_back_to_the_same_totals(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "variants"
    rules = ("--replace", "conv3x3=dsconv", "--replace", "conv=flattened; conv1x1=scc(groups=2, overlap=0.5)")
    result = convcost("compare", "resnet18", *rules, "--write", str(folder), "--format", "json")
    assert (result.returncode, result.stderr) == (0, "")
    variants = json.loads(result.stdout)["variants"]
    files = sorted(folder.iterdir())
    assert [path.name for path in files] == [
        "0_resnet18.yaml",
        "1_conv3x3_dsconv.yaml",
        "2_conv_flattened_conv1x1_scc_groups_2_overlap_0_5.yaml",
    ]
    for path, variant in zip(files, variants, strict=True):
        totals = json.loads(convcost("analyze", str(path), "--format", "json").stdout)["totals"]
        assert {key: totals[key] for key in variant["totals"]} == variant["totals"]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    result = convcost("compare", "resnet18", "--replace", "conv3x3=dsconv", "--write", str(file))
    assert (result.returncode, result.stderr) == (2, f"{file}: cannot be made a folder: File exists\n")


# Operators alone


def test_operators_alone_in_closed_form() -> None:
    result = convcost("compare", "--replace", "conv3x3=dsconv", PYTHONIOENCODING="utf-8")
    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == "conv3x3=dsconv: a 3x3 convolution that keeps the size, without bias"
    (params,) = [line for line in lines if line.startswith("parameters ")]
    assert params.split("  ")[-1].strip() == "1/9 + 1/out_channels"
    assert "9 in_channels out_channels" in params
    assert [line.split()[0] for line in lines if line.strip() and line.split()[0].isdigit()] == [
        "32",
        "64",
        "128",
        "256",
        "512",
    ]
    assert lines[-1] == "Channels in and out are as many; maps of 28x28, float32."


def test_operators_alone_say_what_they_assume() -> None:
    out = convcost("compare", "--replace", "conv3x3=group(groups=4)").stdout
    assert "Assumed: 4 divides in_channels, 4 divides out_channels." in out
    out = convcost("compare", "--replace", "conv3x3=prune(keep=0.7)").stdout
    assert "MACs, where every division leaves no remainder: ratio 49/100" in out
    out = convcost("compare", "--replace", "conv3x3=group(groups=64)").stdout
    assert '32 channels: grouped "layer": conv "conv": groups (=64) must divide in_channels (=32)' in out


def test_operators_alone_in_other_formats() -> None:
    rules = ("compare", "--replace", "conv3x3=dsconv", "--replace", "linear=bottleneck(reduction=4)")
    first, second = json.loads(convcost(*rules, "--format", "json").stdout)["replacements"]
    assert first["rule"] == "conv3x3=dsconv"
    assert first["closed_forms"]["macs"]["ratio"] == "1/9 + 1/out_channels"
    assert first["typical"][0]["before"]["params"] == 9 * 32 * 32
    assert (first["assumptions"], second["assumptions"]) == ([], ["4 divides out_features"])
    assert (first["typical_on"], second["typical_on"]) == ("maps of 28x28", "one vector")
    rows = list(csv.DictReader(io.StringIO(convcost(*rules, "--format", "csv").stdout)))
    assert len(rows) == 10
    assert (rows[0]["rule"], rows[0]["channels"], rows[0]["params_before"]) == ("conv3x3=dsconv", "32", "9216")
    lines = convcost(*rules, "--format", "markdown").stdout.splitlines()
    assert "| quantity | before | after | ratio |" in lines


# Screens


@pytest.mark.parametrize("width", [60, 80, 160])
def test_no_screen_is_too_narrow(width: int) -> None:
    rules = ("compare", "mobilenet_v1", "--replace", "conv1x1=scc(groups=2, overlap=0.5); conv=dsconv")
    piped = convcost(*rules, PYTHONIOENCODING="utf-8").stdout
    shown = at_terminal(width, *rules, **PLAIN)
    assert max(map(len, shown.splitlines())) <= width
    assert "…" not in shown
    assert {word for word in words(piped) if word[0].isdigit()} <= words(shown)
    shown = at_terminal(width, "compare", "--replace", "conv3x3=tucker(rank=0.5)", **PLAIN)
    assert max(map(len, shown.splitlines())) <= width
    assert "…" not in shown


# Wrong questions


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to compare: give specs, or a rule such as --replace conv3x3=dsconv"),
        (
            ["resnet18"],
            "there is one network and no rule; give a second network, or a rule such as conv3x3=dsconv",
        ),
        (["reznet18", "resnet18"], '"reznet18" is neither a file nor a bundled spec; bundled are alexnet,'),
        (
            ["resnet18", "--replace", "conv3x3"],
            'rule "conv3x3": it must be PATTERN=REPLACEMENT, such as conv3x3=dsconv',
        ),
        (
            ["resnet18", "--replace", "conv3x3=dsconf"],
            'rule "conv3x3=dsconf": unknown replacement "dsconf"; `convcost ops` lists operators and blocks; did you'
            ' mean "dsconv"?',
        ),
        (
            ["resnet18", "--replace", "conv3x3=group(group=4)"],
            'rule "conv3x3=group(group=4)": unknown field "group"; group takes out_channels, groups, kernel_size,',
        ),
        (
            ["resnet18", "--replace", "conv5x5=dsconv"],
            'rule "conv5x5=dsconv": "conv5x5" matches no layer; the network has conv3x3 (16), basic_block (8),'
            " stage (4), conv1x1 (3), conv7x7 (1), linear (1)",
        ),
        (
            ["resnet18", "--replace", "conv3x3[ratio=1]=dsconv"],
            'pattern "conv3x3[ratio=1]": conv has no "ratio"; known are name,',
        ),
        (["resnet18", "--replace", ""], "a rule is empty; it must be PATTERN=REPLACEMENT, such as conv3x3=dsconv"),
        (["--replace", "fire=dsconv"], 'rule "fire=dsconv": there is no such block: fire "layer": the required field'),
        (["--replace", "linear=dsconv"], 'rule "linear=dsconv": on a layer of its own it cannot stand: dsconv needs'),
        (["resnet18", "--replace", "conv3x3=dsconv", "--dtype", "float33"], 'unknown dtype "float33"'),
        (["resnet18", "--replace", "conv3x3=dsconv", "--batch", "0"], "batch is 0; it must be at least 1"),
        (["resnet18", "resnet50", "--set", "nothing=1"], 'the spec has no variable "nothing" to set'),
        (["--replace", "conv3x3=dsconv", "--write", "there"], "--write needs a network"),
        (["--replace", "conv3x3=dsconv", "--set", "width=1"], "--set needs a network"),
        (["--replace", "conv3x3=dsconv", "--only-totals"], "--only-totals needs a network"),
        (["--replace", "conv3x3=dsconv", "--strict"], "--strict needs a network"),
    ],
)
def test_wrong_questions_exit_with_2(arguments: list[str], message: str) -> None:
    result = convcost("compare", *arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    assert message in result.stderr
    assert "Traceback" not in result.stderr
