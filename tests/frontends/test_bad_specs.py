"""One mistake a file: each file in tests/specs/bad says in its first lines what reading it must report, and where."""

from pathlib import Path

import pytest

from convcost.errors import SpecError
from convcost.frontends.yaml_spec import read_spec

FOLDER = Path(__file__).parents[1] / "specs" / "bad"
FILES = sorted(FOLDER.glob("*.yaml"))
MARK = "# expect: "


def expected(path: Path) -> list[str]:
    """The problems that a file says it has."""
    lines = path.read_text().splitlines()
    return [line.removeprefix(MARK) for line in lines if line.startswith(MARK)]


def found(path: Path) -> list[str]:
    """The problems that reading a file reports, in their order."""
    with pytest.raises(SpecError) as caught:
        read_spec(str(path))
    assert str(caught.value).startswith(f"{path}:")
    return [f"{problem.line}:{problem.column}: {problem.message}" for problem in caught.value.problems]


def test_there_are_files() -> None:
    assert len(FILES) > 150


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_problem_and_no_other_is_reported(path: Path) -> None:
    wanted = expected(path)
    assert wanted
    assert found(path) == wanted


def test_every_mistake_of_a_file_is_reported_in_one_run_in_the_order_of_the_file() -> None:
    problems = found(FOLDER / "many_mistakes.yaml")
    assert len(problems) == 13
    places = [tuple(map(int, problem.split(":")[:2])) for problem in problems]
    assert places == sorted(places)


def test_the_comparison_can_fail(tmp_path: Path) -> None:
    source = (FOLDER / "groups_do_not_divide.yaml").read_text()
    changed = tmp_path / "changed.yaml"
    changed.write_text(source.replace("groups (=2)", "groups (=3)"))
    assert found(changed) != expected(changed)


def test_lines_begin_with_the_path(tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(
        "input: [64, 8, 8]\nlayers:\n  - conv: {out_channels: 6, kernel_size: 1, groups: 3}\n    name: stem\n"
    )
    with pytest.raises(SpecError) as caught:
        read_spec(str(path))
    assert str(caught.value) == f'{path}:3:53: conv "stem": groups (=3) must divide in_channels (=64)'
