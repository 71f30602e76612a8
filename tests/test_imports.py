"""What a command loads: reports on specs need neither a framework nor a computer algebra system."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = {"torch", "sympy", "numpy", "pydantic", "fvcore", "matplotlib"}


def loaded_by(code: str) -> set[str]:
    """The top-level modules loaded in a new process once the code has run."""
    program = f"import sys\ntry:\n    {code}\nexcept SystemExit:\n    pass\nprint(*sys.modules, file=sys.stderr)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    return {name.split(".")[0] for name in result.stderr.split()}


@pytest.mark.parametrize(
    "arguments", [["--help"], ["analyze", "mobilenet_v1"], ["ops"], ["explain", "--help"], ["schema"]]
)
def test_commands_load_nothing_heavy(arguments: list[str]) -> None:
    code = f"sys.argv = {['convcost', *arguments]!r}; from convcost.cli import main; main()"
    loaded = loaded_by(code)
    assert "convcost" in loaded
    assert not loaded & HEAVY


def test_closed_forms_load_sympy_alone() -> None:
    code = "sys.argv = ['convcost', 'explain', 'conv']; from convcost.cli import main; main()"
    assert loaded_by(code) & HEAVY == {"sympy"}


def test_the_check_can_fail() -> None:
    assert "sympy" in loaded_by("import convcost.formulas.symbolic")


def test_importing_the_package_is_nearly_free() -> None:
    loaded = loaded_by("import convcost")
    assert not loaded & {"yaml", "rich", "typer", *HEAVY}


def test_public_names() -> None:
    import convcost

    for name in convcost.__all__:
        assert getattr(convcost, name) is not None
    assert set(convcost.__all__) <= set(dir(convcost))
    graph = convcost.load("mobilenet_v1", width=0.5)
    result = convcost.analyze(graph)
    assert result.totals.macs == 149_497_088  # published as 149 and as 150 M
    with pytest.raises(AttributeError, match="no attribute 'analyse'"):
        convcost.analyse  # noqa: B018
