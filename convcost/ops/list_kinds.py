"""The kinds of fields that take a list: shapes, axes in an order, counts, groups."""

from typing import Annotated, Any

from convcost.errors import FieldError
from convcost.ops.kinds import EXPRESSION, LARGEST, Kind, Whole, as_whole, show


class ShapeKind(Kind):
    """A list of axis sizes, without the batch."""

    rule = "a list of 1 to 4 axis sizes of at least 1, without the batch"
    item = Whole(1)

    def parse(self, name: str, value: Any, rank: int | None) -> Any:
        if not isinstance(value, (list, tuple)) or not 1 <= len(value) <= 4:
            raise self.wrong(name, value)
        return tuple(self.item.parse(name, size, None) for size in value)

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": self.item.schema(), "minItems": 1, "maxItems": 4}


class NewShapeKind(ShapeKind):
    """A list of axis sizes, of which one may be -1: whatever is left."""

    rule = "a list of 1 to 4 axis sizes of at least 1, of which one may be -1"

    def parse(self, name: str, value: Any, rank: int | None) -> Any:
        rests = sum(as_whole(size) == -1 for size in value) if isinstance(value, (list, tuple)) else 0
        if rests > 1:
            raise self.wrong(name, value)
        if rests == 1:
            sizes = super().parse(name, [1 if as_whole(size) == -1 else size for size in value], rank)
            return tuple(-1 if as_whole(given) == -1 else size for given, size in zip(value, sizes, strict=True))
        return super().parse(name, value, rank)

    def schema(self) -> dict[str, Any]:
        item = {"anyOf": [*self.item.schema()["anyOf"], {"const": -1}]}
        return {**super().schema(), "items": item}


class OrderKind(Kind):
    """The axes 0, 1, ... in some order."""

    rule = "a list with each of the axes 0, 1, ... once, in their new order"

    def parse(self, name: str, value: Any, rank: int | None) -> Any:
        axes = [as_whole(axis) for axis in value] if isinstance(value, (list, tuple)) else []
        if not axes or set(axes) != set(range(len(axes))):
            raise self.wrong(name, value)
        return tuple(axes)

    def schema(self) -> dict[str, Any]:
        item = {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 3}, EXPRESSION]}
        return {"type": "array", "items": item, "minItems": 1, "maxItems": 4, "uniqueItems": True}


class GroupsKind(Kind):
    """Groups of unequal size, each a pair of filters and channels."""

    rule = "a list of pairs [filters, channels], whole numbers of at least 1"
    item = Whole(1)

    def parse(self, name: str, value: Any, rank: int | None) -> Any:
        if not isinstance(value, (list, tuple)) or not value:
            raise self.wrong(name, value)
        return tuple(self._pair(name, pair) for pair in value)

    def _pair(self, name: str, pair: Any) -> Any:
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise FieldError(f"{name} holds {show(pair)}; it must be {self.rule}", name)
        filters, channels = pair
        return (
            self.item.parse(f"{name}: filters", filters, None),
            self.item.parse(f"{name}: channels", channels, None),
        )

    def schema(self) -> dict[str, Any]:
        pair = {"type": "array", "items": self.item.schema(), "minItems": 2, "maxItems": 2}
        return {"type": "array", "items": pair, "minItems": 1}


class CountsKind(Kind):
    """A list of 1 to 100 whole numbers; a number is a list of one."""

    rule = "a list of 1 to 100 whole numbers of at least 1"
    item = Whole(1)

    def parse(self, name: str, value: Any, rank: int | None) -> Any:
        values = value if isinstance(value, (list, tuple)) else [value]
        if not 1 <= len(values) <= 100:
            raise self.wrong(name, value)
        try:
            return tuple(self.item.parse(name, number, None) for number in values)
        except FieldError:
            if any((as_whole(number) or 0) > LARGEST for number in values):
                raise
            raise self.wrong(name, value) from None

    def schema(self) -> dict[str, Any]:
        item = self.item.schema()
        return {"anyOf": [*item["anyOf"], {"type": "array", "items": item, "minItems": 1, "maxItems": 100}]}


FullShape = Annotated[Any, ShapeKind()]
NewShape = Annotated[Any, NewShapeKind()]
Counts = Annotated[Any, CountsKind()]
Order = Annotated[Any, OrderKind()]
UnequalGroups = Annotated[Any, GroupsKind()]
