"""What `convcost explain` shows of closed forms, in full."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import convcost.blocks  # noqa: F401 - registers the blocks
from convcost.ops import BLOCKS, OPERATORS
from convcost.report.entry import entries
from convcost.report.operator_forms import closed_forms, latex_forms

ROOT = Path(__file__).parents[2]

DSCONV = """\
Closed form (depthwise_first):
  symbols    C = in_channels, N = out_channels, K_h x K_w = kernel_size,
             H x W = size of the input
  weights    C multiplier (N + K_h K_w)
  parameters C multiplier (N + K_h K_w) + C multiplier + N
  MACs       C multiplier (N + K_h K_w) H' W'
  output     N x H' x W'
  H'         floor((H - 1) / stride_h) + 1
  W'         as H', on w
  field      dilation_h (K_h - 1) + 1
  stride     stride_h
  start      -dilation_h (K_h - 1) / 2
  ratio      multiplier/N + multiplier/(K_h K_w)
  for K x K  multiplier/N + multiplier/K^2
             of the MACs of the standard convolution, stride 1
  assumes    kernel_size is odd

Closed form (pointwise_first):
  symbols    C = in_channels, N = out_channels, K_h x K_w = kernel_size,
             H x W = size of the input
  weights    N (C/multiplier + K_h K_w)
  parameters N (C/multiplier + K_h K_w) + N (multiplier + 1) / multiplier
  MACs       C N H W / multiplier + N K_h K_w H' W'
  output     N x H' x W'
  H'         floor((H - 1) / stride_h) + 1
  W'         as H', on w
  field      dilation_h (K_h - 1) + 1
  stride     stride_h
  start      -dilation_h (K_h - 1) / 2
  ratio      1/C + 1/(K_h K_w multiplier)
  for K x K  1/C + 1/(K^2 multiplier)
             of the MACs of the standard convolution, stride 1
  assumes    kernel_size is odd; multiplier divides N"""

GHOST = """\
Closed form:
  symbols    C = in_channels, N = out_channels, K_h x K_w = kernel_size,
             D_h x D_w = cheap_kernel_size, H x W = size of the input
  weights    N (C K_h K_w + D_h D_w (ratio - 1)) / ratio
  parameters N (C K_h K_w + D_h D_w (ratio - 1)) / ratio + 2 N
  MACs       N (C K_h K_w + D_h D_w (ratio - 1)) H' W' / ratio
  output     N x H' x W'
  H'         floor((H - 1) / stride_h) + 1
  W'         as H', on w
  field      K_h + stride_h (D_h - 1)
  stride     stride_h
  start      -(K_h + stride_h (D_h - 1) - 1) / 2
  ratio      (C K_h K_w + D_h D_w (ratio - 1)) / (C ratio K_h K_w)
  for K x K  (C K^2 + D^2 (ratio - 1)) / (C ratio K^2)
             of the MACs of the standard convolution, stride 1
  assumes    kernel_size is odd; cheap_kernel_size is odd;
             ratio divides out_channels; ratio is at least 2;
             with 1 there are no cheap maps"""

SCC = """\
Closed form:
  symbols    C = in_channels, N = out_channels, H x W = size of the input
  weights    C N / groups
  parameters C N / groups
  MACs       C N H W / groups
  output     N x H x W
  field      1
  ratio      1/groups
             of the MACs of a 1x1 convolution, stride 1
  assumes    groups divides in_channels"""

TRANSPOSED = r"""% Closed form
% C = in_channels, N = out_channels, K_h x K_w = kernel_size, H x W = size of the input
% assumes groups divides in_channels and out_channels
\begin{align*}
  \text{weights} &= \frac{C \, N \, K_{h} \, K_{w}}{\mathrm{groups}} \\
  \text{parameters} &= \frac{C \, N \, K_{h} \, K_{w}}{\mathrm{groups}} + N \\
  \text{MACs} &= \frac{C \, N \, K_{h} \, K_{w} \, H' \, W'}{\mathrm{groups}} \\
  \text{output} &= N \times H' \times W' \\
"""

REMARKS = {
    "conv": "with Df the side of the output",
    "depthwise": "not introduced by Xception (2017), as the news have it, but by Sifre (2014)",
    "grouped": "36,992 / 147,584 = 0.2507",
    "dilated": "touch 49 of 169",
    "dsconv": "17,792 / 147,584 = 0.1206",
    "ghost": "9 + 1 with the paper's 3x3",
    "shuffle_unit": "7,260 + 600 + 7,440 = 15,300",
    "group_equivariant_conv": "8 times the parameters and 64 times the MACs",
    "shift_block": "147,456 too many",
    "fire": "2 x MACs",
    "bottleneck": "upside down, as 2 N / M; it is 2 M / N",
    "linear_bottleneck": "slides print the ratio inverted, 2 N / M",
}
"""What the source texts print wrongly, by the word at which it is shown right."""


def explained(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "convcost", "explain", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


@pytest.mark.parametrize(("word", "text"), [("dsconv", DSCONV), ("ghost", GHOST), ("scc", SCC)])
def test_the_closed_form_in_full(word: str, text: str) -> None:
    assert closed_forms(word) == text


def test_explain_shows_it_between_the_docstring_and_the_fields() -> None:
    result = explained("scc")
    assert result.returncode == 0
    before, behind = result.stdout.split(SCC)
    assert before.endswith("arXiv:2101.00745, and its released code.\n\n")
    assert behind.startswith("\n\nFields:\n    out_channels: ")


@pytest.mark.parametrize(
    ("word", "lines"),
    [
        ("conv", ["field      dilation_h (K_h - 1) + 1", "stride     stride_h", "start      -padding_h"]),
        ("conv_transpose", ["field      at most floor(dilation_h (K_h - 1) / stride_h) + 1", "stride     1/stride_h"]),
        ("group_norm", ["field      the whole input"]),
        ("graph_conv", ["field      at most the whole input"]),
        ("concat", ["field      1"]),
        # 3x3 beside 1x1 beside K x K
        ("inception", ["field      max(3, large_kernel_size)", "start      min(-1, -large_kernel_size/2 + 1/2)"]),
        ("wavenet_stack", ["field      dilation_1 (K - 1) + dilation_2 (K - 1) + 1"]),
        ("flatten", []),
    ],
)
def test_fields_in_full(word: str, lines: list[str]) -> None:
    told = [line.strip() for line in closed_forms(word).splitlines()]
    assert [line for line in told if line.split()[0] in ("field", "stride", "start")] == lines


def test_latex_alone() -> None:
    result = explained("conv", "--latex")
    assert result.returncode == 0
    assert result.stdout.startswith(TRANSPOSED)
    assert result.stdout.endswith("\\text{ratio} &= \\frac{1}{\\mathrm{groups}}\n\\end{align*}\n")


def test_what_costs_nothing_has_no_closed_form() -> None:
    assert closed_forms("identity") == latex_forms("opaque") == ""
    assert "Closed form" not in explained("identity").stdout
    result = explained("identity", "--latex")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "identity has no closed form: it costs nothing, or its cost is not known\n"


@pytest.mark.parametrize("word", [*OPERATORS, *BLOCKS])
def test_lines_fit_a_narrow_screen(word: str) -> None:
    assert all(len(line) <= 80 for line in closed_forms(word).splitlines())


@pytest.mark.parametrize(("word", "text"), REMARKS.items())
def test_remarks_say_what_holds(word: str, text: str) -> None:
    (entry,) = (entry for entry in entries() if entry.word == word)
    assert text in entry.sections["Remark"]


def test_every_remark_is_known_here() -> None:
    assert {entry.word for entry in entries() if "Remark" in entry.sections} == set(REMARKS)


def test_a_narrow_screen_gets_narrower_formulas() -> None:
    lines = closed_forms("conv", 60).splitlines()
    assert all(len(line) <= 60 for line in lines)
    assert lines[-1] == "  assumes    groups divides in_channels and out_channels"


def test_products_with_numbers_that_are_not_whole_are_assumed_to_be() -> None:
    assert "C expand_ratio is whole" in closed_forms("inverted_residual")
    assert "N expansion is whole" in closed_forms("shift_block")
