"""Pictures of receptive fields: what they say, that equal ones are equal files, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("matplotlib")

import matplotlib

from convcost.analysis.contribution import contribution
from convcost.analysis.receptive_field import receptive_fields
from convcost.errors import ConvcostError
from convcost.graph import Builder, Graph
from convcost.plot import plot_field, suffix_of
from stacks import conv, stack, step


def draw(graph: Graph, path: Path, *unit: int, name: str = "") -> None:
    """Draw what the last layer sees."""
    fields, last = receptive_fields(graph), len(graph.nodes) - 1
    plot_field(fields, last, unit, contribution(graph, fields, last, unit), str(path), name)


def written(path: Path) -> list[str]:
    """The texts of an SVG, which matplotlib keeps beside their outlines."""
    lines = path.read_text().splitlines()
    return [line.strip()[5:-4] for line in lines if line.strip().startswith("<!-- ")]


PLANE = stack(conv("a", kernel_size=3, padding=1), conv("b", kernel_size=(3, 5), padding=2), shape=(1, 20, 30))


def gated() -> Graph:
    b = Builder()
    x = b.conv(b.input((4, 32, 32)), name="conv", out_channels=4, kernel_size=3, padding=1)
    b.multiply(x, b.conv(b.global_avg_pool(x), out_channels=4, kernel_size=1), name="gated")
    return b.graph()


def test_the_picture_names_what_it_shows(tmp_path: Path) -> None:
    draw(PLANE, tmp_path / "field.svg", 1, 2, name="a network")
    texts = written(tmp_path / "field.svg")
    assert "a network: b" in texts
    assert "Receptive field along depth" in texts
    assert "Contributions to unit 1,2: 135 paths" in texts  # 9 taps by 15
    assert {"field, 5 x 7", "input, 20 x 30"} <= set(texts)
    assert any(text.startswith("height (standard deviation ") for text in texts)


def test_a_layer_that_sees_everything_is_marked(tmp_path: Path) -> None:
    draw(gated(), tmp_path / "gated.svg", 3, 3)
    assert "in all, where it sees the whole input" in written(tmp_path / "gated.svg")
    draw(PLANE, tmp_path / "plain.svg", 3, 3)
    assert not any("whole input" in text for text in written(tmp_path / "plain.svg"))


@pytest.mark.parametrize("suffix", ["svg", "png", "SVG"])
def test_equal_pictures_are_equal_files(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, other = (tmp_path / f"{name}.{suffix}" for name in ("first", "second", "other"))
    draw(PLANE, first, 1, 2)
    monkeypatch.setitem(matplotlib.rcParams, "font.size", 40.0)  # what a user has set elsewhere
    draw(PLANE, second, 1, 2)
    draw(PLANE, other, 1, 3)
    assert first.read_bytes() == second.read_bytes() != other.read_bytes()
    assert matplotlib.rcParams["font.size"] == 40.0
    assert b"<dc:date>" not in first.read_bytes()


def test_a_png_is_one(tmp_path: Path) -> None:
    draw(PLANE, tmp_path / "field.png", 1, 2)
    data = (tmp_path / "field.png").read_bytes()
    assert data.startswith(b"\x89PNG\r\n")
    assert len(data) > 10_000


@pytest.mark.parametrize(
    ("graph", "unit"),
    [
        (stack(conv("c", kernel_size=3, padding=1), shape=(1, 9)), (0,)),
        (stack(*(conv(f"c{n}", kernel_size=3, dilation=200, padding=0) for n in range(4)), shape=(1, 3000)), (7,)),
        (stack(conv("c", kernel_size=3, padding=1), shape=(1, 5, 6, 7)), (1, 2, 3)),
        (stack(conv("c"), step("global_avg_pool", "pool"), shape=(1, 8, 8)), ()),
        (stack(conv("c", kernel_size=(1, 700), padding=0), shape=(1, 4, 1000)), (0, 0)),
        (stack(*(conv(f"c{n}", padding=1) for n in range(700)), shape=(1, 8)), (0,)),
    ],
    ids=["line", "long line", "space", "global", "long plane", "beyond what a float holds"],
)
def test_every_number_of_axes(tmp_path: Path, graph: Graph, unit: tuple[int, ...]) -> None:
    draw(graph, tmp_path / "field.svg", *unit)
    assert any(text.startswith("Contributions to ") for text in written(tmp_path / "field.svg"))


def test_signs_of_formulas_in_a_name_are_drawn_as_they_are(tmp_path: Path) -> None:
    draw(PLANE, tmp_path / "field.svg", 1, 2, name="$x_")
    assert "$x_: b" in written(tmp_path / "field.svg")


@pytest.mark.parametrize("path", ["field.jpg", "field", "svg", ".svg"])
def test_other_kinds_of_files_are_refused(path: str) -> None:
    with pytest.raises(ConvcostError, match=r"must end in \.svg or \.png"):
        suffix_of(path)


def test_without_matplotlib_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(name: str) -> Any:
        return None

    monkeypatch.setattr("convcost.plot.find_spec", none)
    with pytest.raises(ConvcostError, match=r"pip install 'convcost\[plot\]'"):
        draw(PLANE, tmp_path / "field.svg", 1, 2)


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ConvcostError, match="cannot be written: No such file or directory; give a folder that exists"):
        draw(PLANE, tmp_path / "nowhere" / "field.svg", 1, 2)


def test_a_file_that_is_there_is_written_anew_with_its_rights(tmp_path: Path) -> None:
    path = tmp_path / "field.svg"
    path.write_text("before")
    path.chmod(0o640)
    draw(PLANE, path, 1, 2)
    assert "before" not in path.read_text()[:10]
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]
