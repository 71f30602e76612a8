"""Every worked example of docs/receptive_fields.md prints the number that its row names."""

from __future__ import annotations

import re
import shlex

import pytest

from commands import ROOT, convcost

PAGE = ROOT / "docs" / "receptive_fields.md"
ROW = re.compile(r"^\| (?P<what>.+?) \| .+ \| `convcost (?P<command>.+?)` \| (?P<shows>.+?) \|$", re.MULTILINE)
ROWS = [(match["what"], match["command"], match["shows"]) for match in ROW.finditer(PAGE.read_text())]


def shows(text: str, number: str) -> bool:
    """Whether it stands there as a number of its own."""
    return re.search(rf"(?<![\d,.-]){re.escape(number)}(?![\d%]|[,.]\d)", text) is not None


def test_the_table_is_read() -> None:
    assert len(ROWS) >= 11


@pytest.mark.parametrize(("what", "command", "number"), ROWS, ids=[what for what, _, _ in ROWS])
def test_the_command_shows_the_number(what: str, command: str, number: str) -> None:
    assert shows(convcost(*shlex.split(command)).stdout, number), what


def test_a_part_of_a_number_is_not_found() -> None:
    assert shows("a field of 5,117", "5,117")
    assert not any(shows("a field of 5,117, at -90, 29.0%", number) for number in ("117", "5", "90", "29", "29.0"))
