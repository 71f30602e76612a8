"""The command as a user runs it: text, formats, files, exit codes."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from commands import ROOT, at_terminal, convcost

GOLDEN = ROOT / "tests" / "golden"


def integers(text: str) -> set[int]:
    """Every whole number with thousands separators in a text."""
    return {int(word.replace(",", "")) for word in text.split() if word.replace(",", "").isdecimal()}


@pytest.mark.parametrize("name", ["mobilenet_v1", "squeezenet1_1"])
def test_table_is_golden_and_its_columns_add_up(name: str) -> None:
    result = convcost("analyze", f"specs/{name}.yaml", PYTHONIOENCODING="utf-8")
    assert result.stdout == (GOLDEN / f"{name}.txt").read_text()
    document = json.loads(convcost("analyze", name, "--format", "json", "--depth", "1").stdout)
    for key in ("params", "macs", "activations", "bytes_moved"):
        values = [layer[key] for layer in document["layers"]]
        assert sum(values) == document["totals"][key]
        assert {*values, document["totals"][key]} <= integers(result.stdout)


def test_the_main_numbers() -> None:
    out = convcost("analyze", "mobilenet_v1").stdout
    assert "4,231,976" in out
    assert "568,740,352" in out


def test_json_has_every_layer_and_the_promised_keys() -> None:
    document = json.loads(convcost("analyze", "specs/mobilenet_v1.yaml", "--format", "json").stdout)
    assert list(document) == [
        "schema",
        "tool",
        "model",
        "convention",
        "complete",
        "unsupported",
        "totals",
        "layers",
    ]
    assert document["schema"] == "convcost.analysis/1"
    assert document["complete"] is True
    assert document["unsupported"] == []
    assert document["totals"]["macs"] == 568_740_352
    promised = {"params", "weights", "macs", "flops", "activations", "weight_bytes", "peak_activation_bytes"}
    assert promised <= set(document["totals"])
    assert len(document["layers"]) == 85  # 3 + 13 x 6 + 4
    first = document["layers"][0]
    assert {"name", "op", "block", "output_shape", "params", "macs", "activations"} <= set(first)
    assert (first["name"], first["op"], first["output_shape"], first["macs"]) == (
        "stem",
        "conv",
        [32, 112, 112],
        10_838_016,
    )


def test_csv_has_plain_numbers() -> None:
    rows = list(csv.DictReader(io.StringIO(convcost("analyze", "mobilenet_v1", "--format", "csv").stdout)))
    assert sum(int(row["macs"]) for row in rows) == 568_740_352
    assert rows[0]["output"] == "32x112x112"


def test_markdown_is_a_table() -> None:
    lines = convcost("analyze", "mobilenet_v1", "--format", "markdown", "--columns", "name,macs").stdout.splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert table[:3] == ["| name | MACs |", "|:--|--:|", "| stem | 10,838,016 |"]
    assert table[-1] == "| **total** | **568,740,352** |"


def test_settings_change_the_network() -> None:
    result = convcost("analyze", "mobilenet_v1", "--set", "width=0.75", "--set", "resolution=128", "--format", "json")
    document = json.loads(result.stdout)
    assert document["totals"]["macs"] == 106_770_432  # 106,002,432 without the classifier's 768,000
    assert document["model"]["variables"] == {"width": 0.75, "resolution": 128, "classes": 1000}


def test_batch_and_dtype() -> None:
    one = json.loads(convcost("analyze", "resnet18", "--format", "json").stdout)["totals"]
    many = json.loads(convcost("analyze", "resnet18", "--format", "json", "--batch", "8", "--dtype", "float16").stdout)[
        "totals"
    ]
    assert many["macs"] == 8 * one["macs"]
    assert many["params"] == one["params"]
    assert many["weight_bytes"] * 2 == one["weight_bytes"]
    assert many["peak_activation_bytes"] == 4 * one["peak_activation_bytes"]


@pytest.mark.parametrize("width", [30, 60, 80, 120, 160, 240])
def test_no_terminal_is_too_narrow_for_every_number(width: int) -> None:
    piped = convcost("analyze", "mobilenet_v1", PYTHONIOENCODING="utf-8").stdout
    shown = at_terminal(width, "analyze", "mobilenet_v1", NO_COLOR="1", PYTHONIOENCODING="utf-8")
    assert max(map(len, shown.splitlines())) <= width
    assert "…" not in shown
    assert "\x1b" not in shown
    if width >= 60:  # below, a number can be folded into two lines
        assert integers(piped) <= integers(shown)


def test_a_terminal_gets_colours_and_a_pipe_none() -> None:
    assert "\x1b[" in at_terminal(100, "analyze", "resnet18")
    assert "\x1b" not in at_terminal(100, "analyze", "resnet18", TERM="dumb")
    assert "\x1b" not in convcost("analyze", "resnet18").stdout


def test_ascii_terminals_get_ascii() -> None:
    result = convcost("analyze", "mobilenet_v1", PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C")
    assert result.returncode == 0
    assert result.stdout.isascii()
    assert "####" in result.stdout


def test_output_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    result = convcost("analyze", "resnet18", "--format", "json", "--output", str(path))
    assert (result.returncode, result.stdout) == (0, "")
    assert json.loads(path.read_text())["totals"]["params"] == 11_689_512
    missing = tmp_path / "no" / "report.json"
    result = convcost("analyze", "resnet18", "--output", str(missing))
    assert result.returncode == 2
    assert result.stderr == f"{missing}: cannot be written: No such file or directory; give a folder that exists\n"
    assert list(tmp_path.iterdir()) == [path]


def test_output_follows_links_and_leaves_devices_what_they_are(tmp_path: Path) -> None:
    target, link, pipe = tmp_path / "report.csv", tmp_path / "link.csv", tmp_path / "pipe"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    assert convcost("analyze", "resnet18", "--format", "csv", "--output", str(link)).returncode == 0
    assert link.is_symlink()
    assert target.read_text().startswith("name,op,")
    assert target.stat().st_mode & 0o777 == 0o640
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE, text=True) as reader:
        assert convcost("analyze", "resnet18", "--format", "csv", "--output", str(pipe)).returncode == 0
        assert reader.communicate()[0] == target.read_text()
    assert pipe.is_fifo()


def test_a_folder_is_no_output(tmp_path: Path) -> None:
    result = convcost("analyze", "resnet18", "--output", str(tmp_path))
    assert (result.returncode, result.stderr) == (2, f"{tmp_path}: cannot be written: Is a directory\n")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_analysis_leaves_an_old_report_alone(tmp_path: Path) -> None:
    path = tmp_path / "report.txt"
    path.write_text("old\n")
    result = convcost("analyze", "resnet18", "--set", "nothing=1", "--output", str(path))
    assert result.returncode == 2
    assert path.read_text() == "old\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["reznet18"], '"reznet18" is neither a file nor a bundled spec; bundled are alexnet, channelnet_paper,'),
        (["resnet18", "--set", "width"], '--set "width": it must be name=value, such as --set width=0.75'),
        (["resnet18", "--set", "clases=10"], 'the spec has no variable "clases" to set; it has resolution, classes'),
        (["resnet18", "--columns", "name,mac"], 'unknown column "mac"; known are name, op,'),
        (["resnet18", "--sort", "size"], 'cannot sort by "size"; it must be params,'),
        (["resnet18", "--dtype", "float33"], 'unknown dtype "float33"; it must be one of float64,'),
        (["resnet18", "--depth", "0"], "depth is 0; it must be at least 1"),
        (["resnet18", "--batch", "0"], "batch is 0; it must be at least 1"),
        (
            ["resnet18", "--format", "json", "--columns", "macs"],
            "--columns chooses what a table shows; JSON always has",
        ),
        (["resnet18", "--depth", "1", "--group-by", "op"], "depth folds layers and group_by adds them up; give one"),
        (["resnet18", "--output", ""], "--output is empty; give a file"),
        (["no/such.yaml"], "no/such.yaml:1:1: there is no such file"),
    ],
)
def test_wrong_questions_exit_with_2(arguments: list[str], message: str) -> None:
    result = convcost("analyze", *arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_unknown_costs_are_marked_and_strict_fails(tmp_path: Path) -> None:
    spec = tmp_path / "net.yaml"
    spec.write_text(
        "input: [3, 8, 8]\nlayers:\n  - conv: {out_channels: 4, kernel_size: 3}\n"
        "  - opaque: {label: deform_conv2d, output_shape: [4, 6, 6]}\n    name: mystery\n"
    )
    result = convcost("analyze", str(spec))
    assert result.returncode == 0
    assert "parameters >= 112" in result.stdout  # 3 x 3 x 3 x 4 + 4
    assert "Not in the cost model, so every total is a lower bound: mystery (deform_conv2d)" in result.stdout
    document = json.loads(convcost("analyze", str(spec), "--format", "json").stdout)
    assert document["complete"] is False
    assert document["unsupported"] == [{"name": "mystery", "what": "deform_conv2d"}]
    unknown = [line.split()[3:] for line in result.stdout.splitlines() if line.startswith("mystery")]
    assert unknown[0][:5] == ["4x6x6", "<=", "8*", "(3)", "?"]  # it may see all of the input, and cost anything
    rows = list(csv.DictReader(io.StringIO(convcost("analyze", str(spec), "--format", "csv").stdout)))
    assert [row["macs"] for row in rows] == ["3888", ""]  # 27 x 4 x 36, and unknown
    assert convcost("analyze", str(spec), "--strict").returncode == 1
    assert convcost("analyze", "resnet18", "--strict").returncode == 0


def test_a_spec_that_expects_something_else_is_told(tmp_path: Path) -> None:
    spec = tmp_path / "net.yaml"
    spec.write_text("input: [4]\nlayers:\n  - linear: {out_features: 2}\nexpect: {params: 3, macs: 8}\n")
    result = convcost("analyze", str(spec))
    assert result.returncode == 0
    assert result.stderr == f"{spec}: line 4: the spec expects params 3, and the network has 10\n"  # 4 x 2 + 2
    assert convcost("analyze", str(spec), "--strict").returncode == 1


def test_names_in_any_script(tmp_path: Path) -> None:
    spec = tmp_path / "net.yaml"
    spec.write_text("name: réseau\ninput: [4]\nlayers: [relu]\n", encoding="utf-8")
    ascii_only = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"}
    assert convcost("analyze", str(spec), **ascii_only).stdout.startswith(r"r\xe9seau: input 4")
    document = json.loads(convcost("analyze", str(spec), "--format", "json", **ascii_only).stdout)
    assert document["model"]["name"] == "réseau"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_output_that_cannot_be_written() -> None:
    command = f"{sys.executable} -m convcost analyze resnet18 > /dev/full"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (result.returncode, result.stderr) == (2, "standard output cannot be written: No space left on device\n")
    command = f"{sys.executable} -m convcost analyze resnet18 >&-"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (result.returncode, result.stderr) == (2, "standard output is closed; use --output\n")


def test_a_closed_pipe_is_no_error() -> None:
    command = f"{sys.executable} -m convcost analyze resnet50 --format json | head -c 10"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=ROOT, check=False)
    assert result.stderr == ""
    assert len(result.stdout) == 10
