"""Specs: networks written in YAML. The spec language is described in docs/spec.md.

`read_spec` reports every mistake of a file at once: after a mistake, reading goes on with what is still known.
"""

from __future__ import annotations

import keyword
from fractions import Fraction
from typing import Any

from convcost import blocks as _blocks  # noqa: F401 - registers the blocks
from convcost.errors import MOST_PROBLEMS, Problem, SpecError, nearest_hint
from convcost.frontends.assembly import LIMIT, Assembly
from convcost.frontends.expression import FUNCTIONS, ExpressionError, evaluate, number
from convcost.frontends.fields import HIDDEN, OwnBlock, is_word, mentions_hidden
from convcost.frontends.layers import LAYER_KEYS, NAME, LayerList, LayerReader
from convcost.frontends.yaml_reader import Located, Mapping, Scalar, Sequence, read_yaml
from convcost.graph import Builder, Graph, Value
from convcost.metrics import METRICS
from convcost.ops import BLOCKS, OPERATORS
from convcost.ops.kinds import as_whole, is_symbolic, show
from convcost.record import Record

__all__ = ["SPEC_KEYS", "Expectation", "Spec", "read_spec"]

SPEC_KEYS = ("name", "source", "variables", "input", "blocks", "layers", "expect")
EXPECTED = tuple(key for key in METRICS if key != "arithmetic_intensity")
LARGEST_AXIS = 10**9
LONGEST_TEXT = 1000


class Expectation(Record):
    """Totals that a spec says it has, under some values of its variables."""

    variables: dict[str, Any]
    totals: dict[str, int]
    line: int


class Spec(Record):
    """What a file says: a network, and the totals that it must have."""

    graph: Graph
    expectations: tuple[Expectation, ...]

    def unmet(self, totals: dict[str, Any]) -> list[str]:
        """The expectations on the network with the defaults of its variables that the totals do not meet."""
        return [
            f"line {expectation.line}: the spec expects {name} {expected:,}, and the network has {totals[name]:,}"
            for expectation in self.expectations
            for name, expected in expectation.totals.items()
            if not expectation.variables and totals[name] != expected
        ]


def read_spec(path: str, variables: dict[str, Any] | None = None) -> Spec:
    """The network of a spec, with variables set.

    Raises:
        SpecError: every mistake that was found, with its line and column.
    """
    root, problems = read_yaml(path)
    reader = _SpecReader(problems)
    try:
        spec = reader.read(root, variables or {})
    except TooManyProblems:
        raise SpecError(path, reader.problems, more=True) from None
    if reader.problems or spec is None:
        raise SpecError(path, reader.problems)
    return spec


class TooManyProblems(Exception):  # noqa: N818 - it ends the reading, and is no error of its own
    """So many mistakes were found that reading stops."""


def exact(value: Any) -> Any:
    """A float as the decimal that it prints; anything else as it is."""
    return number(repr(value)) if isinstance(value, float) else value


def _can_be_set(value: Any) -> bool:
    """Whether a variable can have this value: a number, a symbol, or a word that some field takes."""
    if isinstance(value, float):
        return value == value and abs(value) < 1e15
    return is_symbolic(value) or isinstance(value, (int, Fraction)) or (isinstance(value, str) and is_word(value))


def _can_be_variable(name: str) -> bool:
    """Whether expressions can use the name."""
    return name.isidentifier() and name not in FUNCTIONS and not keyword.iskeyword(name)


class _SpecReader:
    """Reads the parts of a spec, one method a part."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        self.variables: dict[str, Any] = {}

    def report(self, place: Located, message: str) -> None:
        if len(self.problems) >= MOST_PROBLEMS:
            raise TooManyProblems
        self.problems.append(Problem(place.line, place.column, message))

    def read(self, root: Located, overrides: dict[str, Any]) -> Spec | None:
        if not isinstance(root, Mapping):
            self.report(root, f"a spec must be a mapping with the keys {', '.join(SPEC_KEYS)}")
            return None
        for name, (key, _) in root.entries.items():
            if name not in SPEC_KEYS:
                message = f'unknown key "{name[:60]}"; a spec has {", ".join(SPEC_KEYS)}'
                self.report(key, message + nearest_hint(name[:60], SPEC_KEYS))
        self.read_variables(root.get("variables"), overrides, root)
        own_blocks = self.read_blocks(root.get("blocks"))
        reader = LayerReader(self.report, set(own_blocks))
        for block in own_blocks.values():
            block.layers = reader.read_list(block.body, block.place, f'block "{block.name}"')
        layers = self.read_layers(root, reader)
        builder = Builder(limit=LIMIT)
        inputs = self.read_inputs(root, builder)
        assembly = Assembly(builder, own_blocks, self.variables, self.report)
        assembly.assemble(layers, inputs)
        expectations = self.read_expectations(root.get("expect"))
        name, source = self.read_text(root, "name"), self.read_text(root, "source")
        if self.problems:
            return None
        return Spec(graph=builder.graph(name, source, self.variables), expectations=expectations)

    def read_layers(self, root: Mapping, reader: LayerReader) -> LayerList:
        value = root.get("layers")
        if value is None:
            rule = "it must be a list of layers, each starting with a dash"
            self.report(root, f"the required key layers is missing; {rule}")
            return LayerList()
        if isinstance(value, Sequence) and not value.items:
            self.report(value, "layers is empty; a network has at least one layer")
        return reader.read_list(value, root, "layers")

    def read_text(self, root: Mapping, key: str) -> str:
        value = root.get(key)
        if value is None:
            return ""
        text = value.value if isinstance(value, Scalar) else None
        if not isinstance(text, str) or not text.replace("\n", " ").isprintable() or len(text) > LONGEST_TEXT:
            found = (
                show(text) if isinstance(value, Scalar) else "a list" if isinstance(value, Sequence) else "a mapping"
            )
            self.report(value, f"{key} is {found}; it must be printable text of at most 1,000 characters")
            return ""
        return " ".join(text.split())

    def read_variables(self, value: Located | None, overrides: dict[str, Any], root: Mapping) -> None:
        if value is not None and not isinstance(value, Mapping):
            self.report(value, "variables must be a mapping of names to numbers")
            value = None
        entries = value.entries if isinstance(value, Mapping) else {}
        for name, override in overrides.items():
            if name not in entries:
                known = f"it has {', '.join(entries)}" if entries else "it has none"
                self.report(
                    value or root, f'the spec has no variable "{name}" to set; {known}{nearest_hint(name, entries)}'
                )
            elif not _can_be_set(override):
                self.report(value or root, f'the variable "{name}" is set to {show(override)}; it must be a number')
        for name, (key, default) in entries.items():
            if not _can_be_variable(name):
                self.report(
                    key, f'"{name[:60]}" cannot be a variable; a name is letters, digits and _, and no function'
                )
                continue
            found = self.evaluate_variable(name, default)
            given = name in overrides and _can_be_set(overrides[name])
            self.variables[name] = exact(overrides[name]) if given else found

    def evaluate_variable(self, name: str, default: Located) -> Any:
        if not isinstance(default, Scalar) or default.value is None:
            self.report(default, f'the variable "{name}" needs a default: a number or an expression')
            return HIDDEN
        if not isinstance(default.value, str) or is_word(default.value):
            return default.value
        if mentions_hidden(default.value, self.variables):
            return HIDDEN
        try:
            return evaluate(default.value, self.variables)
        except ExpressionError as error:
            self.report(default, f'variable "{name}": {error}')
            return HIDDEN

    def read_inputs(self, root: Mapping, builder: Builder) -> dict[str, Value | None]:
        value = root.get("input")
        if isinstance(value, Mapping) and value.entries:
            shapes = {name: shape for name, (_, shape) in value.entries.items()}
        elif value is not None and not isinstance(value, Mapping):
            shapes = {"input": value}
        else:
            rule = "must be a shape without the batch, such as [3, 224, 224], or a mapping of names to shapes"
            missing = f"the required key input is missing; it {rule}"
            self.report(value or root, missing if value is None else f"input {rule}")
            return {"input": None}
        inputs: dict[str, Value | None] = {}
        for name, place in shapes.items():
            if not NAME.match(name):
                key = value.entries[name][0] if isinstance(value, Mapping) else place
                self.report(key, f'the input\'s name "{name[:60]}" must be letters, digits, _ or -')
            shape = self.read_shape(name, place)
            inputs[name] = builder.input(shape, name=name) if shape is not None and NAME.match(name) else None
        return inputs

    def read_shape(self, name: str, value: Located) -> tuple[Any, ...] | None:
        rule = "it must be a list of 1 to 4 axis sizes, (channels, ...), without the batch"
        if not isinstance(value, Sequence) or not 1 <= len(value.items) <= 4:
            self.report(value, f'input "{name}": {rule}')
            return None
        sizes = [self.read_axis(name, item) for item in value.items]
        return None if any(size is None for size in sizes) else tuple(sizes)

    def read_axis(self, name: str, item: Located) -> Any:
        """One axis of an input, or None after a mistake."""
        size = item.value if isinstance(item, Scalar) else None
        if isinstance(size, str) and mentions_hidden(size, self.variables):
            return None
        try:
            size = evaluate(size, self.variables) if isinstance(size, str) else size
        except ExpressionError as error:
            self.report(item, f'input "{name}": {error}')
            return None
        if is_symbolic(size):
            return size
        whole = as_whole(size)
        if whole is None or not 1 <= whole <= LARGEST_AXIS:
            found = show(size) if isinstance(item, Scalar) else "a list or mapping"
            self.report(item, f'input "{name}": an axis is {found}; it must be a whole number from 1 to 10^9')
            return None
        return whole

    def read_blocks(self, value: Located | None) -> dict[str, OwnBlock]:
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self.report(value, "blocks must be a mapping of names to {arguments: ..., layers: [...]}")
            return {}
        found = {}
        for name, (key, body) in value.entries.items():
            if name in LAYER_KEYS:
                keys = f"{', '.join(LAYER_KEYS[:-1])} and {LAYER_KEYS[-1]}"
                self.report(key, f'a block cannot be named "{name}"; {keys} are keys of every layer')
            elif not NAME.match(name):
                self.report(key, f'a block cannot be named "{name[:60]}"; use letters, digits, _ or -')
            elif name in OPERATORS or name in BLOCKS or name == "sequence":
                self.report(key, f'the block "{name}" would hide the operator or block of that name; use another name')
            elif not isinstance(body, Mapping):
                self.report(body, f'block "{name}" must be a mapping with layers, and arguments where it has any')
                found[name] = OwnBlock(name, key, {}, Sequence(key.line, key.column))
            else:
                found[name] = self.read_block(name, key, body)
        return found

    def read_block(self, name: str, key: Scalar, body: Mapping) -> OwnBlock:
        for word, (place, _) in body.entries.items():
            if word not in ("arguments", "layers"):
                hint = nearest_hint(word[:60], ("arguments", "layers"))
                self.report(place, f'block "{name}": unknown key "{word[:60]}"; a block has arguments and layers{hint}')
        arguments = body.get("arguments")
        entries: dict[str, tuple[Scalar, Located]] = {}
        if isinstance(arguments, Mapping):
            entries = arguments.entries
        elif arguments is not None:
            self.report(
                arguments, f'block "{name}": arguments must be a mapping of names to defaults, empty where required'
            )
        for word, (place, _) in entries.items():
            if word == "in_channels":
                rule = "it is what the block reads"
                self.report(place, f'block "{name}": "in_channels" cannot be an argument; {rule}')
            elif not _can_be_variable(word):
                rule = "use letters, digits and _" + (", and no function" if word in FUNCTIONS else "")
                self.report(place, f'block "{name}": "{word[:60]}" cannot be an argument; {rule}')
        return OwnBlock(name, key, entries, body.get("layers"))

    def read_expectations(self, value: Located | None) -> tuple[Expectation, ...]:
        if value is None:
            return ()
        items = value.items if isinstance(value, Sequence) else [value]
        return tuple(found for item in items if (found := self.read_expectation(item)) is not None)

    def read_expectation(self, item: Located) -> Expectation | None:
        if not isinstance(item, Mapping):
            self.report(item, f"expect must be a mapping of totals ({', '.join(EXPECTED)}) to whole numbers")
            return None
        totals: dict[str, int] = {}
        variables: dict[str, Any] = {}
        for name, (key, value) in item.entries.items():
            if name == "set":
                variables = self.read_set(value)
            elif name not in EXPECTED:
                hint = nearest_hint(name[:60], (*EXPECTED, "set"))
                self.report(key, f'expect: unknown total "{name[:60]}"; known are set, {", ".join(EXPECTED)}{hint}')
            elif isinstance(value, Scalar) and type(value.value) is int:
                totals[name] = value.value
            else:
                found = show(value.value) if isinstance(value, Scalar) else "a list or mapping"
                self.report(value, f"expect: {name} is {found}; it must be a whole number")
        return Expectation(variables=variables, totals=totals, line=item.line)

    def read_set(self, value: Located) -> dict[str, Any]:
        """The variables under which totals are expected."""
        if not isinstance(value, Mapping):
            self.report(value, "expect: set must be a mapping of variables to numbers")
            return {}
        found = {}
        for name, (key, place) in value.entries.items():
            given = place.value if isinstance(place, Scalar) else None
            if name not in self.variables:
                hint = nearest_hint(name[:60], self.variables)
                self.report(key, f'expect: set names no variable "{name[:60]}"{hint}')
            elif not _can_be_set(given):
                self.report(place, f"expect: set {name} is {show(given)}; it must be a number")
            else:
                found[name] = given
        return found
