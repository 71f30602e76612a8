"""Every row of docs/source_texts.md names a command, and the command prints the number of the row."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "source_texts.md"
ROW = re.compile(r"^\| (?P<what>.+?) \| .+ \| `convcost (?P<command>.+?)` \| (?P<shows>.+?) \|$", re.MULTILINE)

ROWS = [(match["what"], match["command"], match["shows"]) for match in ROW.finditer(PAGE.read_text())]


def test_every_row_of_the_tables_is_read() -> None:
    tables = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    headings = [line for line in tables if line.startswith("| what |")]
    assert len(ROWS) == len(tables) - len(headings) >= 30
    assert len(headings) == 4


def printed(command: str) -> str:
    arguments = [sys.executable, "-m", "convcost", *shlex.split(command)]
    result = subprocess.run(arguments, capture_output=True, text=True, cwd=ROOT, check=False)
    return result.stdout + result.stderr


@pytest.mark.parametrize(("what", "command", "shows"), ROWS, ids=[f"{what}, {shows}" for what, _, shows in ROWS])
def test_the_command_shows_the_number(what: str, command: str, shows: str) -> None:
    # as a number of its own: 640 is not found in 57,640 or 640,000
    assert re.search(rf"(?<![\d,.]){re.escape(shows)}(?!,?\d)", printed(command)), what


def test_another_number_is_not_found() -> None:
    text = printed("analyze examples/source_texts/fire.yaml")
    assert re.search(r"(?<![\d,.])12,432(?!,?\d)", text)
    assert not re.search(r"(?<![\d,.])2,432(?!,?\d)", text)
