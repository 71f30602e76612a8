"""The pages of the catalogue are what the docstrings say. `python tests/test_docs.py` brings them up to date."""

from pathlib import Path

import pytest

import convcost.blocks  # noqa: F401 - registers the blocks
from convcost.frontends.usage import used_by
from convcost.ops import BLOCKS, OPERATORS
from convcost.report.catalogue import family_page
from convcost.report.entry import FAMILIES, entries

PAGES = Path(__file__).parents[1] / "docs" / "catalogue"


def pages() -> dict[str, str]:
    users = used_by()
    return {f"{family}.md": family_page(family, users) for family in FAMILIES}


def test_every_family_has_its_page_as_the_docstrings_say() -> None:
    assert {path.name: path.read_text() for path in PAGES.glob("*.md")} == pages()


def test_every_operator_and_block_stands_on_a_page() -> None:
    assert {entry.family for entry in entries()} == set(FAMILIES)
    headings = [line.removeprefix("## ") for page in pages().values() for line in page.splitlines() if "## " in line]
    assert sorted(headings) == sorted([*OPERATORS, *BLOCKS])


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.word)
def test_every_docstring_has_the_parts_that_a_reader_needs(entry) -> None:
    assert entry.title.endswith(".")
    assert "Shapes" in entry.sections
    assert {"Parameters", "Parameters and MACs"} & set(entry.sections)
    assert {"MACs", "Parameters and MACs"} & set(entry.sections)


if __name__ == "__main__":
    PAGES.mkdir(exist_ok=True)
    for name, text in pages().items():
        (PAGES / name).write_text(text)
