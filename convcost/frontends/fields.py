"""The values of a layer's fields: expressions evaluated, held to the kinds of the fields, every mistake reported."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from convcost.errors import FieldError, nearest, nearest_hint
from convcost.frontends.expression import ExpressionError, evaluate
from convcost.frontends.layers import Layer, LayerList
from convcost.frontends.yaml_reader import Located, Mapping, Scalar, Sequence
from convcost.ops import BLOCKS, OPERATORS
from convcost.ops.base import unknown_field
from convcost.ops.kinds import Kind, Rank, kind_of, show

__all__ = ["FieldReader", "OwnBlock", "is_word"]


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


def is_word(text: str) -> bool:
    """Whether some field takes this word literally (relu, same, bilinear, ...)."""
    return any(text in kind.words for kind in all_kinds())


class FieldReader:
    """Reads the fields of layers; `variables` are those of the spec, which defaults of arguments can use."""

    def __init__(self, report: Callable[[Located, str], None], variables: dict[str, Any]) -> None:
        self.report = report
        self.variables = variables

    def arguments(self, layer: Layer, block: OwnBlock, names: dict[str, Any]) -> dict[str, Any] | None:
        """The arguments of a block defined in the file, or None after a mistake."""
        good = True
        for word, (key, _) in layer.fields.items():
            if is_severed(word):
                good = False
            elif word not in block.arguments:
                takes = f"takes {', '.join(block.arguments)}" if block.arguments else "takes no arguments"
                hint = nearest_hint(word[:60], block.arguments)
                self.report(key, f'{layer.label}: unknown argument "{word[:60]}"; {block.name} {takes}{hint}')
                good = False
        arguments: dict[str, Any] = {}
        for word, (_, default) in block.arguments.items():
            given = layer.fields.get(word)
            place = given[1] if given else default
            if isinstance(place, Scalar) and place.value is None:
                self.report(
                    given[1] if given else layer.place, f"{layer.label}: the required argument {word} is missing"
                )
                good = False
                continue
            try:
                arguments[word] = self.value_of(place, names if given else {**self.variables, **arguments})
            except ExpressionError as error:
                self.report(place, f"{layer.label}: {word}: {error}")
                good = False
        return arguments if good else None

    def registered(
        self, layer: Layer, kinds: dict[str, Any], defaults: dict[str, Any], rank: int | None, names: dict[str, Any]
    ) -> dict[str, Any] | None:
        """The fields, evaluated and held to their kinds, or None after a mistake; every mistake is reported."""
        fields: dict[str, Any] = {}
        misspelt: set[str | None] = set()
        good = True
        for word, (key, place) in layer.fields.items():
            if is_severed(word):
                good = False
                continue
            if word not in kinds or isinstance(kind_of(kinds[word]), Rank):
                self.report(key, f"{layer.label}: {unknown_field(layer.word, kinds, word[:60])}")
                misspelt.add(nearest(word[:60], kinds))
                good = False
                continue
            kind = kind_of(kinds[word])
            try:
                value = self.value_of(place, names, kind)
                fields[word] = kind.parse(word, value, rank)
            except ExpressionError as error:
                self.report(place, f"{layer.label}: {word}: {error}")
                good = False
            except FieldError as error:
                self.report(place, f"{layer.label}: {error}")
                good = False
        for word, annotation in kinds.items():
            kind = kind_of(annotation)
            required = word not in defaults and not isinstance(kind, Rank) and not kind.derived
            if required and word not in layer.fields and word not in misspelt:
                self.report(layer.place, f"{layer.label}: the required field {word} is missing; it must be {kind.rule}")
                good = False
        return fields if good else None

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
        return evaluate(text, names)


def is_severed(word: str) -> bool:
    """Whether a key is the end of an expression that an unquoted comma cut in two; its start is reported."""
    return word.count(")") > word.count("(")
