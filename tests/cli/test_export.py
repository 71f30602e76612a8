"""`convcost export` as a user runs it: forms, files, refusals."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def export(*arguments: str, before: str = "") -> subprocess.CompletedProcess[str]:
    """The command in a new process, behind some statements."""
    program = f"import sys\n{before}\nsys.argv = {['convcost', 'export', *arguments]!r}\n"
    program += "from convcost.cli import main\nmain()"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False)


def totals(target: str, *arguments: str) -> str:
    """The lines of an analysis below its table."""
    command = [sys.executable, "-m", "convcost", "analyze", target, "--strict", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    assert result.stderr == ""
    return result.stdout[result.stdout.index("\nparameters ") :]


def test_a_spec_without_torch_and_sympy(tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    hidden = "for name in ('torch', 'sympy', 'numpy', 'fvcore'): sys.modules[name] = None"
    result = export("mobilenet_v1", "--set", "width=0.5", "--to", "spec", "-o", str(path), before=hidden)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    text = path.read_text()
    assert text.splitlines()[:5] == [
        "# yaml-language-server: $schema=convcost.schema.json",
        "# made with width 0.5, resolution 224, classes 1000",
        "name: MobileNet v1",
        "source: Howard et al. 2017, arXiv:1704.04861, table 1",
        "input: [3, 224, 224]",
    ]
    assert text.endswith("\n\nexpect: {params: 1331592, macs: 149497088}\n")
    assert totals(str(path)) == totals("mobilenet_v1", "--set", "width=0.5")


@pytest.mark.parametrize("ending", [".yaml", ".yml", ".YAML"])
def test_the_end_of_the_file_says_that_it_is_a_spec(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"net{ending}"
    assert export("squeezenet1_1", "-o", str(path)).returncode == 0
    assert path.read_text() == export("squeezenet1_1", "--to", "spec").stdout


def test_the_end_of_the_file_says_that_it_is_a_program(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    path = tmp_path / "net.py"
    assert export("squeezenet1_1", "-o", str(path)).returncode == 0
    assert path.read_text() == export("squeezenet1_1", "--to", "torch").stdout
    other = tmp_path / "other.py"
    assert export("squeezenet1_1", "--to", "spec", "-o", str(other)).returncode == 0
    assert other.read_text().startswith("# yaml-language-server")


WAYS = "give --to torch or --to spec, or a file that ends in .py, .yaml, .yml"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], f"what to write is not said: there is no --output; {WAYS}"),
        (["-o", "net"], f"what to write is not said: --output has no ending; {WAYS}"),
        (["-o", "net.onnx"], f"what to write is not said: --output ends in .onnx; {WAYS}"),
        (
            ["--to", "spec", "-o", "no/folder/net.yaml"],
            "no/folder/net.yaml: cannot be written: No such file or directory",
        ),
    ],
)
def test_wrong_questions_exit_with_2(arguments: list[str], message: str) -> None:
    result = export("squeezenet1_1", *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(message)
    assert result.stderr.count("\n") == 1
