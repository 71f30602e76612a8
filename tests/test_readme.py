"""What the README shows is what the commands print. `python tests/test_readme.py` brings it up to date."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import convcost

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
SHOWN = re.compile(r"```\n\$ (convcost [^\n]*)\n(.*?)```", re.DOTALL)
PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)


def output_of(command: str) -> str:
    arguments = shlex.split(command)[1:]
    result = subprocess.run(
        [sys.executable, "-m", "convcost", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        check=False,
    )
    return result.stdout + result.stderr


def brought_up_to_date(text: str) -> str:
    return SHOWN.sub(lambda match: f"```\n$ {match[1]}\n{output_of(match[1])}```", text)


def test_shown_output_is_what_the_commands_print() -> None:
    text = README.read_text()
    assert len(SHOWN.findall(text)) >= 3
    assert text == brought_up_to_date(text)


def test_the_check_can_fail() -> None:
    wrong = README.read_text().replace("568,740,352", "568,740,353")
    assert wrong != brought_up_to_date(wrong)


def test_python_examples_give_the_numbers_beside_them() -> None:
    (code,) = PYTHON.findall(README.read_text())
    names: dict[str, object] = {}
    checked = 0
    for line in code.splitlines():
        statement, _, expected = line.partition("  # ")
        if expected.isdecimal():
            assert eval(statement, names) == int(expected), line
            checked += 1
        else:
            exec(statement, names)
    assert checked == 2


def test_the_spec_in_the_readme_is_the_example() -> None:
    (shown,) = re.findall(r"```yaml\n# yaml-language-server[^\n]*\n(.*?)```", README.read_text(), re.DOTALL)
    assert shown in (ROOT / "examples" / "small_resnet.yaml").read_text()


def test_the_example_spec_meets_its_expectation() -> None:
    totals = convcost.analyze(convcost.load(str(ROOT / "examples" / "small_resnet.yaml"))).totals
    assert (totals.params, totals.macs) == (7_202, 4_917_056)


def test_the_budget_example_runs() -> None:
    command = [sys.executable, "examples/budget.py", "150000000"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    assert result.stdout.splitlines()[0] == "width 0.5  resolution 224: 149,497,088 MACs, 1,331,592 parameters"


if __name__ == "__main__":
    README.write_text(brought_up_to_date(README.read_text()))
