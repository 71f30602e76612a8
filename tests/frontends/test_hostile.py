"""Hostile files: each is refused with a message, within seconds and a bounded memory, and runs no code.

Every file is read by the command in a process of its own, which may use 2 GiB of address space. Its time is that of the
processor, which a busy machine hardly changes.
"""

import os
import random
import resource
import subprocess
import sys
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import NoneType

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from convcost.errors import ConvcostError
from convcost.frontends.expression import FUNCTIONS, evaluate
from convcost.frontends.load import bundled_names, bundled_path
from convcost.frontends.yaml_spec import SPEC_KEYS, Spec, read_spec
from convcost.ops import BLOCKS, OPERATORS

ROOT = Path(__file__).parents[2]
SECONDS = 2  # on a machine of half the speed; here each takes less than one
MEMORY = 2 * 2**30
LONGEST_REPORT = 100_000
"""Characters: a report of a file that is wrong all over stays readable."""

INPUT = "input: [3, 8, 8]\n"
LAYER = f"{INPUT}layers:\n  - "


def conv(out_channels: str) -> str:
    return f"{LAYER}conv: {{out_channels: {out_channels}, kernel_size: 1}}\n"


def blocks(first: str, others: str, levels: int) -> str:
    """Own blocks b0, b1, ...: each holds `others`, where PREVIOUS is the block before it."""
    lines = [f"  b{level}: {others.replace('PREVIOUS', f'b{level - 1}')}\n" for level in range(1, levels)]
    return f"{INPUT}blocks:\n  b0: {{layers: [{first}]}}\n{''.join(lines)}layers: [b{levels - 1}]\n"


def laughs() -> str:
    names = "abcdefghijklmnop"
    lines = [f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in pairwise(names)]
    return f"a: &a [x, x, x]\n{''.join(lines)}layers: *p\n"


def numbered(pattern: str, count: int) -> str:
    return "".join(pattern.replace("#", str(number)) for number in range(count))


GARBAGE = random.Random(0).randbytes(100_000)

HOSTILE: dict[str, str | bytes] = {
    "tag that calls a function": f"{LAYER}!!python/object/apply:os.system ['touch hacked']\n",
    "tag as a key": f"{INPUT}? !!python/name:os.system\n: 1\n",
    "tag of its own": f"{INPUT}layers: !run [relu]\n",
    "call in an expression": conv("\"__import__('os').system('touch hacked')\""),
    "attribute in an expression": conv('"().__class__.__bases__[0].__subclasses__()"'),
    "aliases that multiply": laughs(),
    "alias of itself": f"{INPUT}layers: &all [*all]\n",
    "alias of a mapping in itself": "input: &shape {left: *shape}\nlayers: [relu]\n",
    "power tower": conv("9**9**9"),
    "power tower in a variable": f"variables: {{width: 9**9**9}}\n{INPUT}layers: [relu]\n",
    "power tower in a repeat": f"{LAYER}relu:\n    repeat: 9**9**9\n",
    "product of powers": conv("*".join(["9**9"] * 60)),
    "exponent of a number": conv("1e999999999"),
    "exponent in an expression": conv("2 * 1e999999999"),
    "fine number": conv("1e-999999999"),
    "fine number in an expression": conv("2 * 1e-999999999"),
    "number of 3 million digits": conv("9" * 3_000_000),
    "fraction of 3 million digits": conv("0." + "9" * 3_000_000),
    "number of 400 digits in an expression": conv("1 + " + "9" * 400),
    "hexadecimal number in an expression": conv("0x" + "f" * 480),
    "lists in lists": LAYER + "[" * 100_000 + "]" * 100_000,
    "lists in lists, never closed": LAYER + "[" * 100_000,
    "mappings in mappings": LAYER + "{a: " * 100_000 + "}" * 100_000,
    "dashes behind dashes": "- " * 100_000 + "a\n",
    "deep indentation": numbered("", 0) + "".join(f"{' ' * level}a:\n" for level in range(2000)),
    "parentheses in parentheses": conv("(" * 240 + "x" + ")" * 240),
    "100,000 parentheses": conv("(" * 100_000 + "1" + ")" * 100_000),
    "minus behind minus": conv("-" * 490 + "0"),
    "calls in calls": conv('"' + "abs(" * 90 + "x" + ")" * 90 + '"'),
    "repeat of a billion": f"{LAYER}relu:\n    repeat: 1000000000\n",
    "repeat of a billion by a variable": f"variables: {{times: 1e9}}\n{LAYER}relu:\n    repeat: times\n",
    "repeats that multiply": f"{LAYER}sequence: [{{sequence: [{{relu: , repeat: 10000}}], repeat: 10000}}]\n"
    "    repeat: 10000\n",
    "repeats of nothing that multiply": f"{LAYER}sequence: [{{sequence: [{{sequence: [], repeat: 200000}}],"
    " repeat: 200000}]\n    repeat: 200000\n",
    "blocks that multiply": blocks("relu", "{layers: [{PREVIOUS: , repeat: 10}]}", 13),
    "blocks side by side that multiply": blocks("relu", "{layers: [" + ", ".join(["PREVIOUS"] * 10) + "]}", 13),
    "blocks of nothing that multiply": blocks("", "{layers: [{PREVIOUS: , repeat: 10}]}", 13),
    "blocks of nothing side by side": blocks("", "{layers: [" + ", ".join(["PREVIOUS"] * 10) + "]}", 13),
    "blocks that multiply by an argument": blocks(
        "relu", "{arguments: {times: 10}, layers: [{PREVIOUS: , repeat: times}]}", 13
    ),
    "blocks of nothing that multiply by an argument": blocks(
        "", "{arguments: {times: 10}, layers: [{PREVIOUS: , repeat: times}]}", 13
    ),
    "block that uses itself": f"{INPUT}blocks: {{stage: {{layers: [relu, stage]}}}}\nlayers: [stage]\n",
    "block that uses itself 0 times": f"{INPUT}blocks: {{a: {{layers: [{{a: , repeat: 0}}]}}}}\nlayers: [a]\n",
    "ring of blocks": f"{INPUT}blocks:\n"
    + "".join(f"  b{number}: {{layers: [b{(number + 1) % 3000}]}}\n" for number in range(3000))
    + "layers: [b0]\n",
    "chain of blocks": blocks("relu", "{layers: [PREVIOUS]}", 3000),
    "shapes that grow": f"{LAYER}upsample: {{scale_factor: 1000000000}}\n    repeat: 10000\n",
    "channels that double": f"{LAYER}concat: [[], []]\n    repeat: 10000\n",
    "size beyond 64 bits": conv("1e25"),
    "input beyond bounds": "input: [3, 1e30, 1e30]\nlayers: [relu]\n",
    "not a number": conv(".nan"),
    "infinite number": conv(".inf"),
    "infinite variable": f"variables: {{width: -.inf}}\n{INPUT}layers: [relu]\n",
    "merge keys": f"{INPUT}<<: {{layers: [relu]}}\n",
    "two documents": f"{INPUT}layers: [relu]\n---\n{INPUT}layers: [relu]\n",
    "100,000 unknown keys": INPUT + numbered("key#: 1\n", 99_000),
    "100,000 equal keys": INPUT * 99_000,
    "100,000 unknown fields": f"{LAYER}conv: {{{numbered('key#: 1, ', 90_000)}}}\n",
    "100,000 unknown operators": f"{INPUT}layers:\n{numbered('  - con#' + chr(10), 100_000)}",
    "20,000 blocks and 2,000 unknown ones": f"{INPUT}blocks:\n{numbered('  tail#: {layers: [relu]}' + chr(10), 20_000)}"
    f"layers:\n{numbered('  - tial#' + chr(10), 2000)}",
    "20,000 variables and 2,000 unknown ones": f"variables:\n{numbered('  width#: 1' + chr(10), 20_000)}{INPUT}"
    f"layers:\n{numbered('  - conv: {out_channels: widht#, kernel_size: 1}' + chr(10), 2000)}",
    "20,000 equal names": f"{INPUT}layers:\n{numbered('  - {relu: , name: first}' + chr(10), 20_000)}",
    "5,000 unknown sources": f"{INPUT}layers:\n{numbered('  - {relu: , name: a#, from: b#}' + chr(10), 5000)}",
    "join of 3,000 unequal shapes": f"{LAYER}add: ["
    + ", ".join(f"[{{conv: {{out_channels: {number}, kernel_size: 1}}}}]" for number in range(2, 3002))
    + "]\n",
    "more values than a spec may have": f"{INPUT}layers: [{'[], ' * 210_000}]\n",
    "key of a million characters": f'{INPUT}? "{"a" * 1_000_000}"\n: 1\n',
    "name of a million characters": f'{LAYER}relu:\n    name: "{"a" * 1_000_000}"\n',
    "operator of a million characters": f'{LAYER}"{"a" * 1_000_000}"\n',
    "source of a million characters": f'{LAYER}relu:\n    from: "{"a" * 1_000_000}"\n',
    "variable of 400 characters": conv("a" * 400),
    "tag of a million characters": f"{LAYER}!{'a' * 1_000_000} x\n",
    "alias of a million characters": f"{LAYER}*{'a' * 1_000_000}\n",
    "binary garbage": GARBAGE,
    "garbage that is text": GARBAGE.decode("latin-1").encode(),
    "invalid UTF-8": b"input: [3, 8, 8]\nname: caf\xe9\nlayers: [relu]\n",
    "UTF-16": "input: [3, 8, 8]\nlayers: [relu]\n".encode("utf-16"),
    "empty file": "",
    "file of comments": "# nothing\n" * 1000,
    "file of NUL bytes": b"\0" * 100_000,
    "NUL in a name": b"input: [3, 8, 8]\nname: a\0b\nlayers: [relu]\n",
    "NUL escaped in a name": f'{LAYER}relu:\n    name: "a\\0b"\n',
    "escape in the text": f"{INPUT}name: a\x1b]0;title\x07b\nlayers: [relu]\n",
    "escape in a key": f'{INPUT}"\\e]0;title\\a": 1\nlayers: [relu]\n',
    "escape in an operator": f'{LAYER}"\\e[2Jrelu"\n',
    "escape in a field": f'{LAYER}relu: {{"\\e[2J": 1}}\n',
    "escape in an expression": conv('"\\e[2J"'),
    "line break in an expression": conv('"1 +\\n2 +"'),
    "escape in a name": f'{LAYER}relu:\n    name: "\\e[2J"\n',
    "escape in a source": f'{LAYER}relu:\n    from: "\\e[2J"\n',
    "escape in a label": f'{LAYER}opaque: {{label: "\\e[2J", output_shape: [3]}}\n',
    "escape in a tag": f"{LAYER}!<tag:%1B[2J> x\n",
    "reversed text in an operator": f'{LAYER}"\\u202Euler"\n',
}


def bounded(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run Python in that folder, within the bounds on memory and time."""
    return subprocess.run(
        ["sh", "-c", f'ulimit -v {MEMORY // 1024}; exec "$@"', "sh", sys.executable, *arguments],
        capture_output=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
        stdin=subprocess.DEVNULL,
        timeout=30 * SECONDS,
        check=False,
    )


def processor_seconds() -> float:
    """What the processes that were started here, and have ended, have used."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def refuse(path: str, folder: Path) -> str:
    """What the command says about a file, once everything that holds for each of them has been asserted."""
    before = processor_seconds()
    result = bounded(folder, "-m", "convcost", "analyze", path)
    seconds = processor_seconds() - before
    said = result.stderr.decode()
    assert "Traceback" not in said, said[-2000:]
    assert result.returncode == 2, said[-2000:]
    assert result.stdout == b""
    assert seconds < SECONDS
    assert 0 < len(said) < LONGEST_REPORT
    assert all(character.isprintable() for character in said.replace("\n", ""))
    assert all(len(line) < 1000 for line in said.splitlines())
    assert not (folder / "hacked").exists()
    return said


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_is_refused(content: str | bytes, tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    lines = refuse(str(path), tmp_path).splitlines()
    assert all(line.startswith((f"{path}:", "... ")) for line in lines)


ONE_LINE = {
    "aliases that multiply": "the file has more than 200,000 values, aliases written out; use repeat",
    "power tower": "conv: out_channels: a power must have a whole exponent from 0 to 64 and stay below 2^256",
    "exponent in an expression": "conv: out_channels: the number 1e999999999 is too large or too fine",
    "lists in lists": "nested 40 levels deep; use blocks and names to flatten it",
    "repeat of a billion": "relu: the network grows to 1,000,000,000 layers here; the limit is 250,000",
    "repeats that multiply": "sequence: the network grows to 100,000,000 layers here; the limit is 250,000",
    "invalid UTF-8": "the file is not UTF-8 (byte 27); save it as UTF-8",
    "key of a million characters": f'unknown key "{"a" * 60}"; a spec has {", ".join(SPEC_KEYS)}',
}


@pytest.mark.parametrize(("name", "message"), ONE_LINE.items(), ids=ONE_LINE)
def test_the_message_says_what_is_wrong(name: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    content = HOSTILE[name]
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    said = refuse(str(path), tmp_path)
    assert message in {line.split(": ", 1)[1] for line in said.splitlines()}


def test_a_large_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    with path.open("wb") as file:
        file.truncate(2**30)
    assert refuse(str(path), tmp_path) == f"{path}:1:1: the file has 1,073,741,824 bytes; a spec may have 4,194,304\n"


def test_a_folder_is_no_spec(tmp_path: Path) -> None:
    assert refuse(str(tmp_path), tmp_path) == f"{tmp_path}:1:1: this is a folder, not a spec\n"


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/stdin"])
def test_a_device_is_no_spec(device: str, tmp_path: Path) -> None:
    assert refuse(device, tmp_path) == f"{device}:1:1: this is no regular file; a spec is one\n"


def test_a_pipe_is_no_spec(tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    os.mkfifo(path)
    assert refuse(str(path), tmp_path) == f"{path}:1:1: this is no regular file; a spec is one\n"


def test_the_file_name_cannot_speak_to_the_terminal(tmp_path: Path) -> None:
    assert refuse("\x1b[2J.yaml", tmp_path) == "\\x1b[2J.yaml:1:1: there is no such file\n"
    assert refuse("\x1b[2J", tmp_path).startswith('"\\x1b[2J" is neither a file nor a bundled spec; ')


def test_the_checks_can_fail(tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(f"{INPUT}layers: [relu]\n")
    with pytest.raises(AssertionError):
        refuse(str(path), tmp_path)


def test_the_bound_on_memory_holds(tmp_path: Path) -> None:
    result = bounded(tmp_path, "-c", f"bytearray({2 * MEMORY})")
    assert result.returncode == 1
    assert b"MemoryError" in result.stderr


# --- anything at all


def outcome(path: Path, text: str | bytes) -> Spec | str:
    """The spec, or what is said where it is refused; anything else that is raised fails the test."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    try:
        return read_spec(str(path))
    except ConvcostError as error:
        return str(error)


def is_well_behaved(found: Spec | str) -> bool:
    """Whether it is a network, or a message that a terminal can show."""
    if isinstance(found, Spec):
        return len(found.graph.inputs) > 0
    return found.strip() != "" and all(line.isprintable() for line in found.split("\n"))


FUZZ = settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
TOKENS = [
    *(
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "- ",
        "\n",
        "  ",
        "&a ",
        "*a",
        "!!str ",
        "'",
        '"',
        "~",
        "---\n",
        "? ",
        "<<: *a",
        "%",
    ),
    *("0", "1", "-1", "2.5", "1e9", "1e99", ".nan", "true", "yes", "9**9", "1//0", "in_channels", "width", "(", ")"),
    *(*SPEC_KEYS, "from: ", "repeat: ", "sequence: ", "add: ", "concat: ", "set: ", "arguments: ", "relu", "conv: "),
]
SPECS = {name: Path(bundled_path(f"{name}.yaml")).read_text() for name in bundled_names()}


@st.composite
def mutated_specs(draw: st.DrawFn) -> str:
    """A bundled spec with a few words deleted, doubled, exchanged or replaced."""
    words = SPECS[draw(st.sampled_from(sorted(SPECS)))].split(" ")
    for _ in range(draw(st.integers(1, 6))):
        place = draw(st.integers(0, len(words) - 1))
        other = draw(st.integers(0, len(words) - 1))
        match draw(st.sampled_from(["delete", "double", "exchange", "replace", "insert"])):
            case "delete" if len(words) > 1:
                del words[place]
            case "double":
                words.insert(place, words[place])
            case "exchange":
                words[place], words[other] = words[other], words[place]
            case "replace":
                words[place] = draw(st.sampled_from(TOKENS))
            case _:
                words.insert(place, draw(st.sampled_from(TOKENS)))
    return " ".join(words)


WORDS = st.sampled_from([*SPEC_KEYS, *OPERATORS, *BLOCKS, "sequence", "name", "repeat", "from", "stage", "first", "on"])
FIELDS = st.sampled_from(sorted({field for cls in OPERATORS.values() for field in cls.field_annotations}))
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 300),
    st.floats(),
    WORDS,
    st.sampled_from(["input", "width * 2", "8 // width", "in_channels", "same", "9**9**9", "max(1, width)", ""]),
    st.text(max_size=8),
)
TREES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(WORDS | FIELDS | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=20,
)


@st.composite
def structured_specs(draw: st.DrawFn) -> str:
    """A spec of the right outline with anything inside."""
    layers = st.lists(TREES | st.builds(lambda word, tree: {word: tree}, WORDS, TREES), max_size=6)
    document = {
        "input": draw(st.sampled_from([[3, 8, 8], [3, 8], [3], {"left": [3, 8], "right": [3, 8]}]) | TREES),
        "variables": draw(st.just({"width": 2}) | TREES),
        "blocks": {"stage": {"arguments": draw(TREES), "layers": draw(layers)}},
        "layers": draw(layers),
        "expect": draw(TREES),
    }
    return yaml.safe_dump(document, sort_keys=False)


@FUZZ
@given(text=mutated_specs())
def test_mutated_specs_raise_nothing_unforeseen(text: str, tmp_path: Path) -> None:
    assert is_well_behaved(outcome(tmp_path / "net.yaml", text))


@FUZZ
@given(text=structured_specs())
def test_structures_raise_nothing_unforeseen(text: str, tmp_path: Path) -> None:
    assert is_well_behaved(outcome(tmp_path / "net.yaml", text))


@FUZZ
@given(text=st.text(max_size=300) | st.lists(st.sampled_from(TOKENS), max_size=60).map("".join) | st.binary())
def test_any_text_raises_nothing_unforeseen(text: str | bytes, tmp_path: Path) -> None:
    assert is_well_behaved(outcome(tmp_path / "net.yaml", text))


EXPRESSIONS = st.lists(
    st.sampled_from(
        [
            *FUNCTIONS,
            *"+-*/%()<>=,.x1",
            "**",
            "//",
            "==",
            " and ",
            " or ",
            " not ",
            " if ",
            " else ",
            "1e9",
            "1e400",
            "'a'",
        ]
    ),
    max_size=25,
).map("".join)


def result_of(text: str, names: dict[str, object]) -> object:
    """The value of an expression, or what is said where it has none."""
    try:
        return evaluate(text, names)
    except ConvcostError as error:
        return str(error)


def test_the_fuzz_is_seen_to_reach_graphs(tmp_path: Path) -> None:
    found = [outcome(tmp_path / "net.yaml", text) for text in SPECS.values()]
    assert all(isinstance(spec, Spec) for spec in found)


@FUZZ
@given(text=EXPRESSIONS | st.text(max_size=40), x=st.sampled_from([0, 3, 2**200, True, "relu", None, [1]]))
def test_expressions_raise_nothing_unforeseen(text: str, x: object) -> None:
    assert isinstance(result_of(text, {"x": x}), (int, Fraction, str, list, NoneType))
