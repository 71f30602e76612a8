"""`convcost ops`, `explain`, `schema` and the help."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from commands import ROOT, convcost
from convcost.blocks import parts as _parts  # noqa: F401 - registers the blocks
from convcost.ops import BLOCKS, OPERATORS

SCHEMA = json.loads((ROOT / "specs" / "convcost.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def test_ops_lists_the_whole_registry() -> None:
    rows = json.loads(convcost("ops", "--format", "json").stdout)
    assert {row["name"] for row in rows} == {*OPERATORS, *BLOCKS}
    assert all(row["definition"] for row in rows)


@pytest.mark.parametrize("word", [*OPERATORS, *BLOCKS])
def test_explain_tells_definition_and_fields(word: str) -> None:
    result = convcost("explain", word)
    assert result.returncode == 0
    assert result.stdout.startswith(f"{word} (")
    assert "Shapes:" in result.stdout
    fields = OPERATORS[word].field_annotations if word in OPERATORS else BLOCKS[word].arguments
    for field in set(fields) - {"rank"}:
        assert f"    {field}: " in result.stdout


def test_explain_knows_the_nearest_word() -> None:
    result = convcost("explain", "dscnv")
    assert result.returncode == 2
    assert result.stderr == 'unknown operator "dscnv"; did you mean "dsconv"?\n'


def test_the_committed_schema_is_the_one_that_the_registry_makes() -> None:
    assert json.loads(convcost("schema").stdout) == SCHEMA


@pytest.mark.parametrize("path", sorted((ROOT / "specs").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_spec_meets_the_schema(path: Path) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert [error.message for error in VALIDATOR.iter_errors(yaml.safe_load(path.read_text()))] == []


@pytest.mark.parametrize(
    "layer",
    [
        {"conv": {"kernel_size": 3}},  # out_channels is missing
        {"conv": {"out_channels": 8, "kernel_size": 3, "strid": 2}},
        {"conv": {"out_channels": 0, "kernel_size": 3}},
        {"max_pool": {"kernel_size": [1, 2, 3, 4]}},
        {"add": [[]]},  # one branch
        {"upsample": {"mode": 3}},
        {"relu": None, "name": "two words"},
    ],
)
def test_the_schema_refuses_what_is_wrong(layer: dict[str, object]) -> None:
    assert not VALIDATOR.is_valid({"input": [3, 8, 8], "layers": [layer]})


def test_help_lists_every_command() -> None:
    result = convcost("--help")
    assert result.returncode == 0
    for command in ("analyze", "explain", "ops", "schema"):
        assert command in result.stdout


def test_version() -> None:
    assert convcost("--version").stdout == "convcost 0.1.0\n"
