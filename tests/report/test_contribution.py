"""Contributions as they are drawn in a terminal."""

from __future__ import annotations

import json

import pytest

from commands import ROOT, convcost
from convcost import load
from convcost.analysis.contribution import contribution
from convcost.analysis.receptive_field import receptive_fields
from convcost.graph import Graph
from convcost.report.contribution import contribution_dict, contribution_text, shortened
from convcost.report.terminal import Screen
from stacks import conv, stack, step


def drawn(graph: Graph, *unit: int, width: int | None = 80, unicode: bool = True, name: str = "") -> str:
    """The drawing of the last layer, or of the one of that name."""
    fields = receptive_fields(graph)
    number = next(at for at, node in reversed(list(enumerate(graph.nodes))) if name in ("", node.name))
    found = contribution(graph, fields, number, unit)
    sizes = graph.nodes[0].shape[1:]
    return contribution_text(found, graph.nodes[number].name, unit, sizes, Screen(width=width, unicode=unicode))


def dilated(*rates: int, size: int = 40) -> Graph:
    convs = (conv(f"c{number}", kernel_size=3, dilation=rate, padding=0) for number, rate in enumerate(rates))
    return stack(*convs, shape=(1, size))


def flat(text: str) -> str:
    """The text as if it were not broken into lines."""
    return " ".join(text.split())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (999_999, "999,999"),
        (1_000_000, "1.00 x 10^6"),
        (4_410_000_000_000_000_000, "4.41 x 10^18"),
        (1_995_000, "2.00 x 10^6"),  # halfway, to the even digit
        (9_996_000, "1.00 x 10^7"),
        (10**400, "1.00 x 10^400"),
    ],
)
def test_numbers_beyond_a_million_are_shortened(value: int, text: str) -> None:
    assert shortened(value) == text


def test_a_small_field_is_drawn_with_its_numbers() -> None:
    # places 0, 1, 2 and 2, 3, 4 from 2 on: 1 1 2 1 1; a count of 1 is 4 of 8 lines
    window = conv("a", kernel_size=3, stride=2, padding=0)
    text = drawn(stack(window, conv("b", kernel_size=2, padding=0), shape=(1, 9)), 1)
    assert "6 paths from 5 cells of the input, 1 to 2 from each: they do not contribute equally" in flat(text)
    assert "length: cells 2 to 6, standard deviation 1.291 (1.414 if " in text  # (4 + 1 + 1 + 4) / 6 and 24/12
    lines = text.splitlines()
    ground = lines.index("  ──────────")
    assert lines[ground - 8 : ground] == ["       █"] * 4 + ["   █ █ █ █ █"] * 4
    assert lines[ground + 1] == "   1 1 2 1 1"


def test_the_same_in_ascii() -> None:
    text = drawn(
        stack(conv("a", kernel_size=3, padding=1), conv("b", kernel_size=2, padding=0), shape=(1, 9)), 0, unicode=False
    )
    # places -1, 0, 1 and 0, 1, 2: 1 2 2 1, of which -1 is padding
    assert text.isascii()
    assert "  ..------\n" in text
    assert "   # # # #\n" in text
    assert "   1 2 2 1\n" in text
    assert "(. outside of the input, whose cells are 0 to 8)" in text


def test_a_wide_field_is_drawn_by_means() -> None:
    text = drawn(load("resnet50"), 3, 3, name="layer4.bottleneck_block2.1.add_act")
    assert "unit 3,3 of layer4.bottleneck_block2.1.add_act: 4.41 x 10^18" in text
    assert "paths from 182,329 cells of the input, 1 to " in text  # 427 x 427
    assert "height and width: cells -117 to 309, standard deviation 48.47" in text
    # 427 cells in 78 columns: 6 each, 72 columns
    assert "(a column is the mean of 6 cells; · outside of the input, whose cells are 0 to\n" in text
    bars = [line for line in text.splitlines() if "█" in line]
    assert len(bars) == 8
    assert all(len(line) <= 2 + 72 for line in bars)
    # column n, from 0, has the cells from 6 n - 117 on, and is drawn by its third: number 19 by -1, number 20 by 5,
    # number 56 by 221, number 57 by 227
    ground = next(line for line in text.splitlines() if "──" in line).strip()
    assert len(ground) == 72
    assert ground.index("─") == 20
    assert ground.count("─") == 37


@pytest.mark.parametrize("width", [20, 40, 80, 160])
def test_it_keeps_to_the_screen(width: int) -> None:
    for graph, unit in ((load("wavenet"), (0,)), (dilated(1, 2, 4), (3,)), (dilated(1, 3, 9), (3,))):
        assert all(len(line) <= width for line in drawn(graph, *unit, width=width).splitlines())


def test_a_wide_screen_shows_more() -> None:
    graph = load("wavenet")
    assert "the mean of 66 cells" in drawn(graph, 0, width=80)  # 5117 / 78
    assert "the mean of 33 cells" in drawn(graph, 0, width=160)  # 5117 / 158
    assert drawn(graph, 0, width=None) == drawn(graph, 0, width=120)


def test_equal_contributions_are_said_to_be_equal() -> None:
    text = drawn(dilated(1, 3, 9), 0)
    assert "27 paths from 27 cells of the input, 1 from each:\n    all contribute equally" in text
    assert "50.0% of the paths from the middle half" in text


def test_holes_stay_empty() -> None:
    text = drawn(dilated(2, 2), 0)
    assert "9 paths from 5 cells" in text
    assert "   1 0 2 0 3 0 2 0 1\n" in text
    assert "   █   █   █   █   █\n" in text
    # 1/3 of 64 eighths of a line are 21: two lines and 5/8; 2/3 are 43: five and 3/8
    assert "   ▅   █   █   █   ▅\n" in text
    assert "       ▃   █   ▃\n" in text


def test_axes_that_differ_are_drawn_each() -> None:
    text = drawn(stack(conv("a", kernel_size=(3, 1), padding=0), shape=(1, 6, 6)), 0, 0)
    assert "height: cells 0 to 2" in text
    assert "width: cells 0 to 0" in text
    assert "height and width" not in text


def test_every_unit_of_a_global_layer() -> None:
    text = drawn(stack(step("global_avg_pool", "pool"), shape=(1, 4, 4)))
    assert flat(text).startswith(
        "Contributions to every unit of pool: 16 paths from 16 cells of the input, 1 from each"
    )


def test_a_bound_is_called_one() -> None:
    text = drawn(stack(step("graph_conv", "g", out_channels=2, edges=6), shape=(3, 4)))
    assert "at most 4 paths" in text


def test_the_dictionary_has_whole_numbers() -> None:
    graph = dilated(1, 2, 4)
    found = contribution_dict(contribution(graph, receptive_fields(graph), 3, (3,)))
    assert json.loads(json.dumps(found)) == {
        "total": 27,
        "cells": 15,
        "equal": False,
        "at_most": False,
        "smallest": 1,
        "largest": 3,
        "axes": [
            {
                "start": 3,
                "size": 15,
                # the variances of three windows of 3, (9 - 1) / 12 = 2/3, times 1 + 4 + 16: 14
                "standard_deviation": 3.741657,
                # from 3.75 to 11.25: a quarter of 1, then 3 2 3 1 3 2 3, and a quarter of 1: 17.5 of 27
                "middle_half": 0.648148,
                "profile": [1, 1, 2, 1, 3, 2, 3, 1, 3, 2, 3, 1, 2, 1, 1],
            }
        ],
    }


def test_the_page_shows_what_is_printed() -> None:
    page = (ROOT / "docs" / "receptive_fields.md").read_text()
    command = "rf examples/source_texts/dilated.yaml --set second=2 --set third=4 --contributions"
    printed = convcost(*command.split()).stdout
    assert "1 1 2 1 3 2 3 1 3 2 3 1 2 1 1" in printed
    assert f"```\n$ convcost {command}\n{printed}```\n" in page
