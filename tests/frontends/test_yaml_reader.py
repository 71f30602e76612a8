"""YAML as specs have it: values with their places, YAML 1.2 scalars, and what is refused."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convcost.errors import Problem, SpecError
from convcost.frontends.expression import ExpressionError
from convcost.frontends.yaml_reader import (
    LARGEST_FILE,
    LARGEST_TREE,
    Located,
    Mapping,
    Scalar,
    Sequence,
    read_yaml,
    scalar_value,
)


def read(tmp_path: Path, text: str | bytes) -> tuple[Located, list[Problem]]:
    path = tmp_path / "net.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_yaml(str(path))


def plain(value: Located) -> Any:
    """The values without their places."""
    if isinstance(value, Mapping):
        return {name: plain(item) for name, (_, item) in value.entries.items()}
    if isinstance(value, Sequence):
        return [plain(item) for item in value.items]
    assert isinstance(value, Scalar)
    return value.value


def refusal(tmp_path: Path, text: str | bytes) -> list[str]:
    with pytest.raises(SpecError) as caught:
        read(tmp_path, text)
    assert caught.value.path == str(tmp_path / "net.yaml")
    return [f"{problem.line}:{problem.column}: {problem.message}" for problem in caught.value.problems]


SCALARS: dict[str, Any] = {
    "": None,
    "~": None,
    "null": None,
    "true": True,
    "false": False,
    "True": "True",
    "TRUE": "TRUE",
    "yes": "yes",
    "on": "on",
    "0": 0,
    "-0": 0,
    "+3": 3,
    "-12": -12,
    "1000000000000000000000": 10**21,
    "0.5": Fraction(1, 2),
    "1.": 1,
    ".25": Fraction(1, 4),
    "1e3": 1000,
    "2.5e-1": Fraction(1, 4),
    "1.0": 1,
    "08": "08",
    "0x10": "0x10",
    "0o17": "0o17",
    "1_000": "1_000",
    "1:30": "1:30",
    "2024-01-01": "2024-01-01",
    ".inf": ".inf",
    ".nan": ".nan",
    "1e99999": "1e99999",
    "relu": "relu",
    "32*width": "32*width",
}


@pytest.mark.parametrize("text", SCALARS, ids=lambda text: text or "empty")
def test_a_plain_scalar(text: str) -> None:
    value = scalar_value(text)
    assert value == SCALARS[text]
    assert type(value) is type(SCALARS[text])


@pytest.mark.parametrize("text", ["1e61", "1e-9999", "9" * 61, "0." + "1" * 60])
def test_a_scalar_out_of_bounds(text: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        scalar_value(text)
    assert str(caught.value) == f"the number {text[:40]} is too large or too fine"


@given(st.integers(-(10**40), 10**40))
def test_an_integer_is_itself(value: int) -> None:
    assert scalar_value(str(value)) == value


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e15, max_value=1e15))
def test_a_float_is_the_decimal_that_it_prints(value: float) -> None:
    found = scalar_value(repr(value)) if abs(value) > 1e-40 else scalar_value("0")
    assert found == (Fraction(repr(value)) if abs(value) > 1e-40 else 0)


def test_quotes_make_strings(tmp_path: Path) -> None:
    root, problems = read(tmp_path, 'a: "3"\nb: \'true\'\nc: !!str 3\nd: |\n  3\n"on": "~"\n')
    assert plain(root) == {"a": "3", "b": "true", "c": "3", "d": "3\n", "on": "~"}
    assert problems == []


def test_keys_are_words(tmp_path: Path) -> None:
    root, problems = read(tmp_path, "1: a\ntrue: b\n~: c\n0.5: d\n")
    assert plain(root) == {"1": "a", "true": "b", "null": "c", "1/2": "d"}
    assert problems == []


def test_places_count_from_one(tmp_path: Path) -> None:
    root, _ = read(tmp_path, "# a comment\nlayers:\n  - conv: {size: 3}\n  - [a,\n     b]\n")
    assert isinstance(root, Mapping)
    key, layers = root.entries["layers"]
    assert (root.line, root.column) == (2, 1)
    assert (key.line, key.column) == (2, 1)
    assert isinstance(layers, Sequence)
    assert (layers.line, layers.column) == (3, 3)
    first, second = layers.items
    assert isinstance(first, Mapping)
    fields = first.get("conv")
    assert isinstance(fields, Mapping)
    size = fields.get("size")
    assert size is not None
    assert (first.line, first.column, fields.line, fields.column, size.line, size.column) == (3, 5, 3, 11, 3, 18)
    assert isinstance(second, Sequence)
    assert (second.items[1].line, second.items[1].column) == (5, 6)
    assert first.get("linear") is None


@pytest.mark.parametrize("parser", ["CSafeLoader", "SafeLoader"])
@pytest.mark.parametrize(
    ("text", "column"),
    [("a:\n", 3), ("a: ~\n", 4), ('a:   ""\n', 6), ("{é: , b: 1}\n", 4), ("{a:   }\n", 4), ("{a: !!str }\n", 5)],
)
def test_where_an_empty_value_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parser: str, text: str, column: int
) -> None:
    if parser == "SafeLoader":
        monkeypatch.delattr("yaml.CSafeLoader", raising=False)
    root, _ = read(tmp_path, text)
    assert isinstance(root, Mapping)
    (_, value), *_ = root.entries.values()
    assert (value.line, value.column) == (1, column)


def test_an_alias_is_what_it_names(tmp_path: Path) -> None:
    root, _ = read(tmp_path, "a: &shape [3, 8]\nb: *shape\nc: &shape 4\nd: *shape\n")
    assert plain(root) == {"a": [3, 8], "b": [3, 8], "c": 4, "d": 4}
    assert root.size == 1 + 4 + 3 + 3 + 1 + 1  # the mapping, keys, both lists written out, 4 twice


def test_the_first_of_equal_keys_is_kept_and_the_second_reported(tmp_path: Path) -> None:
    root, problems = read(tmp_path, "a: 1\nb: {c: 1, d: 2, c: 3}\na: 2\na: 3\n")
    assert plain(root) == {"a": 1, "b": {"c": 1, "d": 2}}
    assert [(problem.line, problem.column, problem.message) for problem in problems] == [
        (2, 17, 'the key "c" stands twice in one mapping, first on line 2; keep one of them'),
        (3, 1, 'the key "a" stands twice in one mapping, first on line 1; keep one of them'),
        (4, 1, 'the key "a" stands twice in one mapping, first on line 1; keep one of them'),
    ]


@pytest.mark.parametrize("word", ["yes", "No", "ON", "off"])
def test_keys_that_were_booleans_are_reported(tmp_path: Path, word: str) -> None:
    root, problems = read(tmp_path, f"a: 1\n{word}: 2\n")
    assert plain(root) == {"a": 1}  # nothing else is to be reported of it
    (problem,) = problems
    assert (problem.line, problem.column) == (2, 1)
    assert problem.message == (
        f'the key {word} is a boolean in YAML 1.1 and a word in 1.2; write "{word}" or another word'
    )


REFUSED: dict[str, str] = {
    "": "1:1: the file is empty; a spec has at least input and layers",
    "# nothing\n": "1:1: the file is empty; a spec has at least input and layers",
    "a: 1\n---\nb: 2\n": "2:1: a second document starts here; a spec is one document",
    "a: !!int 3\n": "1:4: the tag tag:yaml.org,2002:int is not allowed; a spec has plain values only",
    "a: !own {b: 1}\n": "1:4: the tag !own is not allowed; a spec has plain values only",
    "a: *b\n": "1:4: the alias *b names nothing that is complete above it",
    "a: &b [*b]\n": "1:8: the alias *b names nothing that is complete above it",
    "a: &b {c: {d: *b}}\n": "1:15: the alias *b names nothing that is complete above it",
    "<<: {a: 1}\n": "1:1: merge keys (<<) are not allowed; define a block with arguments instead",
    "? [a]\n: 1\n": "1:3: a key must be a word, not a list or a mapping",
    "? {a: b}\n: 1\n": "1:3: a key must be a word, not a list or a mapping",
    "a: 1e99\n": "1:4: the number 1e99 is too large or too fine",
    "a: [1, 2\n": "2:1: this is no YAML: expected ',' or ']', but got '<stream end>'",
    "a: b: c\n": "1:5: this is no YAML: mapping values are not allowed here; a layer with name, from or repeat needs a"
    " colon: `- relu:`",
    'a: "\\q"\n': "1:6: this is no YAML: found unknown escape character 'q'",
    "\ta: 1\n": "1:1: this is no YAML: found character '\\t' that cannot start any token",
    "a: b\0c\n": "1:5: this is no YAML: the character U+0000 is not allowed; remove it",
    "a: 1\nb: \x07\n": "2:4: this is no YAML: the character U+0007 is not allowed; remove it",
    "[" * 41 + "]" * 41: "1:41: nested 40 levels deep; use blocks and names to flatten it",
}


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: repr(text[:20]))
def test_what_is_refused(tmp_path: Path, text: str) -> None:
    assert refusal(tmp_path, text) == [REFUSED[text]]


def test_forty_levels_are_allowed(tmp_path: Path) -> None:
    root, _ = read(tmp_path, "[" * 40 + "]" * 40)
    assert root.size == 40


def test_problems_before_a_refusal_are_reported_with_it(tmp_path: Path) -> None:
    assert refusal(tmp_path, "a: 1\na: 2\nb: !own 3\n") == [
        '2:1: the key "a" stands twice in one mapping, first on line 1; keep one of them',
        "3:4: the tag !own is not allowed; a spec has plain values only",
    ]


def test_values_are_counted_with_aliases_written_out(tmp_path: Path) -> None:
    ten = f"[{', '.join(['x'] * 9)}]"  # with the list itself
    allowed = LARGEST_TREE // 10 - 100
    root, _ = read(tmp_path, f"a: &ten {ten}\nb: [{', '.join(['*ten'] * allowed)}]\n")
    assert root.size == 1 + 2 + 10 + 1 + 10 * allowed
    (message,) = refusal(tmp_path, f"a: &ten {ten}\nb: [{', '.join(['*ten'] * (allowed + 200))}]\n")
    assert message.endswith(": the file has more than 200,000 values, aliases written out; use repeat")


# --- files


def test_a_large_file(tmp_path: Path) -> None:
    content = b"# " + b"x" * (LARGEST_FILE - 9) + b"\na: 1\n"
    assert len(content) == LARGEST_FILE - 1
    root, _ = read(tmp_path, content)
    assert plain(root) == {"a": 1}
    assert refusal(tmp_path, b"##" + content) == ["1:1: the file has 4,194,305 bytes; a spec may have 4,194,304"]


def test_text_that_is_not_utf_8(tmp_path: Path) -> None:
    assert refusal(tmp_path, b"name: caf\xe9\n") == ["1:1: the file is not UTF-8 (byte 10); save it as UTF-8"]
    assert refusal(tmp_path, "a: 1".encode("utf-16")) == ["1:1: the file is not UTF-8 (byte 1); save it as UTF-8"]


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    root, _ = read(tmp_path, b"\xef\xbb\xbfa: 1\n")
    assert plain(root) == {"a": 1}
    assert (root.line, root.column) == (1, 1)


@pytest.mark.parametrize("name", ["missing.yaml", "missing\0.yaml", "x" * 300])
def test_a_file_that_is_not_there(tmp_path: Path, name: str) -> None:
    with pytest.raises(SpecError) as caught:
        read_yaml(str(tmp_path / name))
    assert [problem.message for problem in caught.value.problems] == ["there is no such file"]


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        read_yaml(str(tmp_path))
    assert str(caught.value) == f"{tmp_path}:1:1: this is a folder, not a spec"


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "net.yaml"
    path.write_text("a: 1\n")

    def denied(*arguments: Any, **options: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", denied)
    with pytest.raises(SpecError) as caught:
        read_yaml(str(path))
    assert str(caught.value) == f"{path}:1:1: the file cannot be read: Permission denied"


def test_both_parsers_read_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = (Path(__file__).parents[2] / "specs" / "mobilenet_v1.yaml").read_text()
    fast, _ = read(tmp_path, source)
    monkeypatch.delattr("yaml.CSafeLoader", raising=False)
    slow, _ = read(tmp_path, source)
    assert plain(slow) == plain(fast)
    assert slow.size == fast.size
    assert refusal(tmp_path, "a: b\0c\n") == ["1:5: this is no YAML: the character U+0000 is not allowed; remove it"]
