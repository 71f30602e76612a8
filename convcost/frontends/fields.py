"""The values of a layer's fields: expressions evaluated, held to the kinds of the fields, every mistake reported."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from convcost.errors import FieldError, nearest, nearest_hint
from convcost.frontends.expression import ExpressionError, evaluate
from convcost.frontends.layers import Layer, LayerList
from convcost.frontends.yaml_reader import Located, Mapping, Scalar, Sequence
from convcost.ops import BLOCKS, OPERATORS
from convcost.ops.base import unknown_field
from convcost.ops.kinds import Kind, Rank, kind_of, show

__all__ = ["HIDDEN", "FieldReader", "OwnBlock", "is_word", "mentions_hidden"]


class OwnBlock:
    """A block defined in the file: arguments with their defaults (None: required), and layers."""

    def __init__(
        self, name: str, place: Located, arguments: dict[str, tuple[Scalar, Located]], body: Located | None
    ) -> None:
        self.name = name
        self.place = place
        self.arguments = arguments
        self.body = body
        self.layers = LayerList()

    def describe(self, arguments: dict[str, Any]) -> str:
        """The arguments that differ from their defaults, in a few words."""
        words = []
        for name, value in arguments.items():
            default = self.arguments[name][1]
            if not isinstance(default, Scalar) or default.value is None or default.value != value:
                words.append(f"{name} {show(value)}".replace('"', ""))
        return " ".join(words)


def all_kinds() -> Iterable[Kind]:
    for cls in OPERATORS.values():
        yield from map(kind_of, cls.field_annotations.values())
    for block in BLOCKS.values():
        yield from map(kind_of, block.arguments.values())


@cache
def all_words() -> frozenset[str]:
    """Every word that some field takes literally (relu, same, bilinear, ...)."""
    return frozenset(word for kind in all_kinds() for word in kind.words)


def is_word(text: str) -> bool:
    """Whether some field takes this word literally."""
    return text in all_words()


class Hidden:
    """A value that an earlier mistake hides. What depends on it is hidden too, and nothing is reported of it."""


HIDDEN = Hidden()
WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def is_hidden(value: Any) -> bool:
    """Whether a value, or a part of it, is hidden."""
    return value is HIDDEN or (isinstance(value, list) and any(map(is_hidden, value)))


class FieldReader:
    """Reads the fields of layers; `variables` are those of the spec, which defaults of arguments can use."""

    def __init__(self, report: Callable[[Located, str], None], variables: dict[str, Any]) -> None:
        self.report = report
        self.variables = variables

    def arguments(self, layer: Layer, block: OwnBlock, names: dict[str, Any], channels: Any) -> dict[str, Any]:
        """The arguments of a block defined in the file; hidden after a mistake. `channels` are those of its input."""
        misspelt: set[str | None] = set()
        for word, (key, _) in layer.fields.items():
            if not is_severed(word) and word not in block.arguments:
                takes = f"takes {', '.join(block.arguments)}" if block.arguments else "takes no arguments"
                hint = nearest_hint(word[:60], block.arguments)
                self.report(key, f'{layer.label}: unknown argument "{word[:60]}"; {block.name} {takes}{hint}')
                misspelt.add(nearest(word[:60], block.arguments))
        arguments: dict[str, Any] = {}
        for word, (_, default) in block.arguments.items():
            given = layer.fields.get(word)
            place = given[1] if given else default
            known = names if given else {**self.variables, **arguments, "in_channels": channels}
            arguments[word] = self.argument(layer, word, place, known, given is not None, word in misspelt)
        return arguments

    def argument(
        self, layer: Layer, word: str, place: Located, names: dict[str, Any], is_given: bool, is_misspelt: bool
    ) -> Any:
        """One argument of a block defined in the file."""
        if isinstance(place, Scalar) and place.value is None:
            if not is_misspelt:
                where = place if is_given else layer.place
                self.report(where, f"{layer.label}: the required argument {word} is missing")
            return HIDDEN
        try:
            return self.value_of(place, names)
        except ExpressionError as error:
            bare = place.value if isinstance(place, Scalar) else ""
            hint = nearest_hint(bare, all_words()) if isinstance(bare, str) and "mean" not in str(error) else ""
            self.report(place, f"{layer.label}: {word}: {error}{hint}")
            return HIDDEN

    def registered(
        self, layer: Layer, kinds: dict[str, Any], defaults: dict[str, Any], rank: int | None, names: dict[str, Any]
    ) -> dict[str, Any] | None:
        """The fields, evaluated and held to their kinds, or None after a mistake; every mistake is reported."""
        fields: dict[str, Any] = {}
        misspelt: set[str | None] = set()
        for word, (key, place) in layer.fields.items():
            if is_severed(word):
                fields[word] = HIDDEN
            elif word not in kinds or isinstance(kind_of(kinds[word]), Rank):
                self.report(key, f"{layer.label}: {unknown_field(layer.word, kinds, word[:60])}")
                misspelt.add(nearest(word[:60], kinds))
                fields[word] = HIDDEN
            else:
                fields[word] = self.field(layer, word, place, kind_of(kinds[word]), rank, names)
        for word, annotation in kinds.items():
            kind = kind_of(annotation)
            required = word not in defaults and not isinstance(kind, Rank) and not kind.derived
            if required and word not in layer.fields and word not in misspelt:
                self.report(layer.place, f"{layer.label}: the required field {word} is missing; it must be {kind.rule}")
                fields[word] = HIDDEN
        return None if any(map(is_hidden, fields.values())) else fields

    def field(
        self, layer: Layer, word: str, place: Located, kind: Kind, rank: int | None, names: dict[str, Any]
    ) -> Any:
        """One field, or HIDDEN after a mistake."""
        try:
            value = self.value_of(place, names, kind)
            return HIDDEN if is_hidden(value) else kind.parse(word, value, rank)
        except ExpressionError as error:
            self.report(place, f"{layer.label}: {word}: {error}")
        except FieldError as error:
            self.report(place, f"{layer.label}: {error}")
        return HIDDEN

    def value_of(self, place: Located, names: dict[str, Any], kind: Kind | None = None) -> Any:
        """What a value of the file says: strings are expressions, unless some field takes them as words.

        Raises:
            ExpressionError: an expression cannot be read or evaluated.
        """
        if isinstance(place, Sequence):
            return [self.value_of(item, names, kind) for item in place.items]
        if isinstance(place, Mapping):
            return {}
        assert isinstance(place, Scalar)
        text = place.value
        if not isinstance(text, str):
            return text
        if kind is not None and (text in kind.words or not kind.takes_expressions):
            return text
        if text not in names and (is_word(text) if kind is None else kind.words and text.isidentifier()):
            return text
        if mentions_hidden(text, names):
            return HIDDEN
        return evaluate(text, names)


def mentions_hidden(text: str, names: dict[str, Any]) -> bool:
    """Whether an expression uses a name whose value a mistake hides."""
    return any(names.get(word) is HIDDEN for word in WORD.findall(text))


def is_severed(word: str) -> bool:
    """Whether a key is the end of an expression that an unquoted comma cut in two; its start is reported."""
    return word.count(")") > word.count("(")
