"""The kinds of values that the fields of operators and blocks take.

A field is annotated with a kind (`stride: PerAxis = 1`). The kind checks and normalises what a spec or a caller gives,
words the rule that a wrong value broke, and writes its part of the JSON Schema. Symbolic sizes pass unchecked:
checks speak of concrete values only.
"""

from collections.abc import Iterable
from fractions import Fraction
from operator import index
from typing import Annotated, Any

from convcost.arith import Shape, Size, note_divides
from convcost.errors import FieldError, nearest_hint

CONCRETE = (bool, int, float, Fraction, str, list, tuple, dict, type(None))
LARGEST = 10**15
SPATIAL_WORDS = {1: "1 spatial axis", 2: "2 spatial axes", 3: "3 spatial axes"}


def is_symbolic(value: object) -> bool:
    """Whether the value is a symbol or an array, which kinds pass on unchecked."""
    return not isinstance(value, CONCRETE)


def show(value: object) -> str:
    """A value as a message quotes it: short, in the spelling of a spec."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Fraction):
        return str(int(value)) if value.denominator == 1 else f"{float(value):g}"
    if isinstance(value, str):
        text = f'"{value}"'
    elif isinstance(value, (list, tuple)):
        text = "[" + ", ".join(show(item) for item in value[:8]) + (", ..." if len(value) > 8 else "") + "]"
    elif isinstance(value, dict):
        text = "a mapping"
    else:
        text = repr(value)
    return text if len(text) <= 80 else text[:76] + " ..."


class Kind:
    """One kind of value: `rule` completes the sentence "it must be ..."."""

    rule = "a value"
    words: tuple[str, ...] = ()
    """Strings that the kind takes literally; any other string in a spec is an expression."""
    takes_expressions = True
    derived = False
    """Whether the input's shape gives the value where it is not stated."""

    def parse(self, name: str, value: Any, rank: int | None) -> Any:
        """The normalised value of the field `name` on an input with `rank` spatial axes (None: unknown).

        Raises:
            FieldError: the value breaks the rule.
        """
        raise NotImplementedError(f"{type(self).__name__} is taken from the input and never parsed")

    def schema(self) -> dict[str, Any]:
        """What an editor should accept: a JSON Schema fragment."""
        raise NotImplementedError(f"{type(self).__name__} is taken from the input and stands in no schema")

    def wrong(self, name: str, value: object, rule: str | None = None) -> FieldError:
        hint = ""
        if isinstance(value, str):
            hint = nearest_hint(value, self.words)
        elif isinstance(value, Fraction) and value.denominator != 1 and "whole" in self.rule:
            hint = "; round it: floor(...), round(...) or make_divisible(..., 8)"
        return FieldError(f"{name} is {show(value)}; it must be {rule or self.rule}{hint}", name)


EXPRESSION = {"type": "string", "minLength": 1, "description": "an arithmetic expression over the variables"}


class Whole(Kind):
    """A whole number within bounds."""

    def __init__(self, minimum: int = 1, maximum: int = LARGEST) -> None:
        self.minimum, self.maximum = minimum, maximum
        few = f"a whole number from {minimum} to {maximum:,}"
        self.rule = f"a whole number of at least {minimum}" if maximum == LARGEST else few

    def parse(self, name: str, value: Any, rank: int | None) -> Any:
        value = plain_int(value)
        if is_symbolic(value):
            note_divides(1, value)
            return value
        number = as_whole(value)
        if number is None or number < self.minimum or (number > self.maximum and self.maximum < LARGEST):
            raise self.wrong(name, value)
        if number > LARGEST:
            raise FieldError(f"{name} is {number:.1e}; no size may exceed {LARGEST:.0e}", name)
        return number

    def schema(self) -> dict[str, Any]:
        bounds = {"minimum": self.minimum} | ({"maximum": self.maximum} if self.maximum < LARGEST else {})
        return {"anyOf": [{"type": "integer", **bounds}, EXPRESSION]}


def plain_int(value: Any) -> Any:
    """An integer of another type (numpy's, sympy's) as Python's; anything else as it is."""
    if isinstance(value, CONCRETE) or not hasattr(type(value), "__index__"):
        return value
    try:
        return index(value)
    except TypeError:  # an array, or a symbol
        return value


def as_whole(value: object) -> int | None:
    """The value as an int where it is a whole number (2, 2.0, 6/3), else None; a bool is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float, Fraction)):
        return None
    try:
        return int(value) if value == int(value) else None
    except (OverflowError, ValueError):
        return None


class Concrete(Whole):
    """A whole number that decides on the structure of what is built: no symbol and no array can stand for it."""

    def parse(self, name: str, value: Any, rank: int | None) -> Any:
        value = plain_int(value)
        if is_symbolic(value):
            raise FieldError(f"{name} is {show(value)}; it decides what is built, and must be {self.rule}", name)
        return super().parse(name, value, rank)


class Axes(Kind):
    """A whole number for all spatial axes, or a list with one a spatial axis; normalised to a tuple."""

    def __init__(self, minimum: int = 1) -> None:
        self.item = Whole(minimum)
        self.rule = f"{self.item.rule}, or a list with one a spatial axis"

    def parse(self, name: str, value: Any, rank: int | None) -> Any:
        if value is None or isinstance(value, (str, dict, bool)):
            raise self.wrong(name, value)
        if not isinstance(value, (list, tuple)):
            number = self._item(name, value)
            return (number,) * (1 if rank is None else rank)
        if rank is not None and len(value) != rank:
            axes = SPATIAL_WORDS.get(rank, f"{rank} spatial axes")
            raise FieldError(f"{name} is {show(value)}, which has {len(value)} entries; the input has {axes}", name)
        if not 1 <= len(value) <= 3:
            raise FieldError(f"{name} is {show(value)}; a list must have one entry a spatial axis, 1 to 3", name)
        return tuple(self._item(name, item) for item in value)

    def _item(self, name: str, value: Any) -> Any:
        try:
            return self.item.parse(name, value, None)
        except FieldError:
            number = as_whole(value)
            if number is not None and number > LARGEST:
                raise
            raise self.wrong(name, value) from None

    def schema(self) -> dict[str, Any]:
        item = self.item.schema()
        return {"anyOf": [*item["anyOf"], {"type": "array", "items": item, "minItems": 1, "maxItems": 3}]}


class PaddingKind(Axes):
    """Padding on both sides: numbers, or one of the words `same`, `valid`, `same_tf`."""

    def __init__(self, words: tuple[str, ...] = ("same", "valid", "same_tf")) -> None:
        super().__init__(0)
        self.words = words
        self.rule = f"a whole number of at least 0, a list with one a spatial axis, or {one_of(words)}"

    def parse(self, name: str, value: Any, rank: int | None) -> Any:
        if value == "valid" and "valid" in self.words:
            return super().parse(name, 0, rank)
        if isinstance(value, str) and value in self.words:
            return value
        return super().parse(name, value, rank)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"enum": list(self.words)}, *super().schema()["anyOf"]]}


class FlagKind(Kind):
    """`true` or `false`."""

    rule = "true or false"

    def parse(self, name: str, value: Any, rank: int | None) -> Any:
        if not isinstance(value, bool):
            raise self.wrong(name, value)
        return value

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"type": "boolean"}, EXPRESSION]}


def one_of(words: Iterable[str]) -> str:
    """`a, b or c`."""
    *head, last = words
    return f"{', '.join(head)} or {last}" if head else last


class ChoiceKind(Kind):
    """One of a few words."""

    def __init__(self, *words: str) -> None:
        self.words = words
        self.rule = one_of(words)

    def parse(self, name: str, value: Any, rank: int | None) -> Any:
        if not isinstance(value, str) or value not in self.words:
            raise self.wrong(name, value)
        return value

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"enum": list(self.words)}, EXPRESSION]}


class NumberKind(Kind):
    """A number, whole or not, within bounds (both included)."""

    def __init__(self, minimum: int = 0, maximum: int | None = None, above: bool = False) -> None:
        self.minimum, self.maximum, self.above = minimum, maximum, above
        low = f"above {minimum}" if above else f"of at least {minimum}"
        self.rule = f"a number {low}" + ("" if maximum is None else f" and at most {maximum}")

    def parse(self, name: str, value: Any, rank: int | None) -> Any:
        if is_symbolic(value):
            return value
        if isinstance(value, bool) or not isinstance(value, (int, float, Fraction)):
            raise self.wrong(name, value)
        if not value >= self.minimum or (self.above and value == self.minimum):
            raise self.wrong(name, value)
        if self.maximum is not None and value > self.maximum:
            raise self.wrong(name, value)
        whole = as_whole(value)
        exact = Fraction(repr(value)) if isinstance(value, float) else value
        return exact if whole is None else whole

    def schema(self) -> dict[str, Any]:
        number: dict[str, Any] = {"type": "number", ("exclusiveMinimum" if self.above else "minimum"): self.minimum}
        if self.maximum is not None:
            number["maximum"] = self.maximum
        return {"anyOf": [number, EXPRESSION]}


class TextKind(Kind):
    """A short piece of printable text."""

    rule = "1 to 80 printable characters"
    takes_expressions = False

    def parse(self, name: str, value: Any, rank: int | None) -> Any:
        if not isinstance(value, str) or not 1 <= len(value) <= 80 or not value.isprintable():
            raise self.wrong(name, value)
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1, "maxLength": 80}


class Derived(Whole):
    """A whole number that the input's shape gives; a spec may state it, and is then held to it.

    `axis` is counted from the end of the shape, behind `rank` spatial axes where `behind_spatial`.
    """

    derived = True

    def __init__(self, axis: int, behind_spatial: bool) -> None:
        super().__init__(1)
        self.axis, self.behind_spatial = axis, behind_spatial

    def from_shape(self, shape: Shape, rank: int) -> Size:
        return shape[self.axis - rank if self.behind_spatial else self.axis]


class Rank(Kind):
    """The number of spatial axes of the input; always taken from the input."""


COUNT, AXES, EXTENT = Whole(1), Axes(1), Axes(0)

Count = Annotated[Size, COUNT]
PerAxis = Annotated[Any, AXES]
Extent = Annotated[Any, EXTENT]
Padding = Annotated[Any, PaddingKind()]
NumericPadding = Annotated[Any, PaddingKind(words=("valid",))]
PoolPadding = Annotated[Any, PaddingKind(words=("valid", "same_tf"))]
Flag = Annotated[Any, FlagKind()]
InputChannels = Annotated[Size, Derived(-1, behind_spatial=True)]
InputFeatures = Annotated[Size, Derived(-1, behind_spatial=False)]
SpatialRank = Annotated[int, Rank()]
Axis = Annotated[int, Concrete(0)]
Repeats = Annotated[int, Concrete(1, 100)]
"""How often a block repeats a part of itself."""
Text = Annotated[str, TextKind()]
Probability = Annotated[Any, NumberKind(0, 1)]
PositiveNumber = Annotated[Any, NumberKind(0, above=True)]


def kind_of(annotation: Any) -> Kind:
    """The kind with which a field is annotated."""
    kind = annotation.__metadata__[0]
    assert isinstance(kind, Kind), annotation
    return kind
