"""`convcost formula` and `convcost solve` as a user runs them: text, formats, exit codes."""

import csv
import io
import json
import subprocess

import pytest

from commands import ROOT
from commands import convcost as run

DOCS = ROOT / "docs" / "formulas.md"


def convcost(*arguments: str) -> subprocess.CompletedProcess[str]:
    return run(*arguments, PYTHONIOENCODING="utf-8")


@pytest.mark.parametrize(
    "command",
    [
        "formula mobilenet_v1 --metrics params,macs",
        "formula xception --metrics params",
        "solve mobilenet_v1 --for resolution --macs 300M",
    ],
)
def test_the_page_shows_what_the_commands_print(command: str) -> None:
    result = convcost(*command.split())
    assert result.returncode == 0
    assert f"$ convcost {command}\n{result.stdout}```" in DOCS.read_text()


def test_the_two_variable_polynomial() -> None:
    result = convcost("formula", "mobilenet_v1", "--symbol", "height", "--symbol", "width", "--metrics", "macs")
    assert "MACs = 11,586,048 h w + 1,024,000 for height = 32 h, width = 32 w" in result.stdout.splitlines()


def test_json_has_expressions_polynomials_and_the_value() -> None:
    result = convcost(
        "formula", "mobilenet_v1", "--metrics", "macs", "--at", "resolution=192", "--per-layer", "--format", "json"
    )
    document = json.loads(result.stdout)
    assert document["schema"] == "convcost.formula/1"
    assert document["symbols"] == {"resolution": {"whole": True, "default": 224}}
    assert document["totals"]["macs"]["terms"][0] == {"factor": "3200", "size": "ceil(resolution/2)**2"}
    assert document["polynomials"] == [
        {
            "where": {"resolution": {"stride": 32, "rest": 0, "symbol": "n"}},
            "totals": {"macs": "11586048*n**2 + 1024000"},
        }
    ]
    # 36 x 11,586,048 + 1,024,000 = 418,121,728
    assert document["at"] == {"values": {"resolution": 192}, "totals": {"macs": 418_121_728}}
    assert document["layers"][0] == {
        "name": "stem",
        "op": "conv",
        "output_shape": ["32", "ceil(resolution/2)", "ceil(resolution/2)"],
        "macs": "864*ceil(resolution/2)**2",
        "receptive_field": {
            "size": ["3", "3"],
            "stride": ["2", "2"],
            "start": ["-1", "-1"],
            "padding": ["1", "1"],
            "global": False,
            "local_size": ["3", "3"],
            "at_most": False,
            "aligned": True,
        },
    }
    # 3x3 at stride 2, and 3x3 at the steps 2, 2, 4, 4, 8, 8, six times 16, and 32: 3 + 2 (28 + 96 + 32)
    assert document["receptive_field"] == {
        "input": "input",
        "layer": "separable8.conv.pointwise_act",
        "size": ["315", "315"],
        "stride": ["32", "32"],
        "start": ["-157", "-157"],
        "padding": ["157", "157"],
        "global": False,
        "at_most": False,
        "aligned": True,
        "global_from": "global_avg_pool1",
    }
    assert document["layers"][-1]["receptive_field"]["size"] == ["resolution", "resolution"]


def test_csv_and_markdown() -> None:
    rows = list(
        csv.DictReader(io.StringIO(convcost("formula", "alexnet", "--metrics", "macs", "--format", "csv").stdout))
    )
    assert rows[0] == {"total": "macs", "factor": "34848", "size": "floor((resolution - 7)/4)**2"}
    markdown = convcost("formula", "alexnet", "--metrics", "macs", "--format", "markdown").stdout
    assert "| MACs | 34,848 | floor((resolution - 7)/4)^2 |" in markdown.splitlines()


def test_latex() -> None:
    text = convcost("formula", "mobilenet_v1", "--metrics", "macs", "--latex").stdout
    assert text.startswith("\\begin{aligned}\n\\text{MACs} &= 3200 \\left\\lceil \\frac{\\mathit{resolution}}{2}")
    assert "\\text{MACs} &= 11586048 n^{2} + 1024000 && \\text{for } \\mathit{resolution} = 32 n \\\\\n" in text
    assert text.endswith(
        "\\text{receptive field} &= 315 \\times 315 \\\\\n\\text{effective stride} &= 32, 32 \\\\\n"
        "\\text{start} &= -157, -157\n\\end{aligned}\n"
    )


def test_roundings_get_short_names() -> None:
    lines = convcost("formula", "mobilenet_v1", "--symbol", "width", "--metrics", "macs").stdout.splitlines()
    assert "c1 = max(8, floor(32*width))" in lines
    assert "        12,544  c1 c2" in lines or any(line.endswith("12,544  c1 c2") for line in lines)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["mobilenet_v2", "--symbol", "width", "--at", "width=0.1"],
            "the closed form does not hold at width=0.1: it assumes that make_divisible(16*width, 8) !="
            " make_divisible(32*width, 8)",
        ),
        (["mobilenet_v1", "--at", "size=3"], '"size" is no symbol of this formula; its symbols are resolution'),
        (["mobilenet_v1", "--metrics", ","], "--metrics is empty; name one, such as macs"),
        (["mobilenet_v1", "--batch", "0"], "batch is 0; it must be at least 1"),
        (
            ["mobilenet_v1", "--latex", "--per-layer"],
            "--latex writes the totals as equations; drop --per-layer and --format",
        ),
    ],
)
def test_wrong_questions(arguments: list[str], message: str) -> None:
    result = convcost("formula", *arguments)
    assert (result.returncode, result.stdout, result.stderr) == (2, "", f"{message}\n")


def test_a_point_at_which_the_spec_is_refused_tells_its_place() -> None:
    result = convcost("formula", "alexnet", "--symbol", "towers", "--at", "towers=3")
    assert result.returncode == 2
    assert 'alexnet.yaml:18:67: conv "conv2": groups (=3) must divide out_channels (=256)' in result.stderr


def test_solve_in_json() -> None:
    document = json.loads(
        convcost("solve", "mobilenet_v1", "--for", "width", "--params", "2M", "--format", "json").stdout
    )
    assert document["schema"] == "convcost.solution/1"
    assert {name: document[name] for name in ("value", "figure", "next_value", "next_figure", "proved")} == {
        "value": 0.643,
        "figure": 1_998_118,
        "next_value": 0.644,
        "next_figure": 2_000_779,
        "proved": True,
    }


def test_nothing_within_the_budget_exits_with_1() -> None:
    result = convcost("solve", "alexnet", "--for", "resolution", "--macs", "1k")
    assert result.returncode == 1
    assert result.stdout.splitlines()[0] == "alexnet: no resolution has at most 1,000 MACs"
    assert "62,731,296" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--macs", "3x"], '--macs "3x": it must be a number of at least 0, with k, K, M, G, T or nothing'),
        (["--macs", "3MiB"], '--macs "3MiB": it must be a number of at least 0, with k, K, M, G, T or nothing'),
        (["--macs", "3M", "--step", "one"], '--step "one": it must be a number above 0'),
        (
            ["--params", "4M"],
            "params does not depend on resolution: it is 4,231,976 at every value; choose another variable or budget",
        ),
    ],
)
def test_wrong_budgets(arguments: list[str], message: str) -> None:
    result = convcost("solve", "mobilenet_v1", "--for", "resolution", *arguments)
    assert (result.returncode, result.stdout, result.stderr) == (2, "", f"{message}\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("300M", 300_000_000), ("1.5G", 1_500_000_000), ("1_000", 1_000), ("2,500", 2_500), (".5k", 500), ("0", 0)],
)
def test_amounts(text: str, expected: int) -> None:
    from convcost.cli.solve import amount

    assert amount("macs", text) == expected
    assert amount("weight_bytes", "1.5KiB") == 1_536
