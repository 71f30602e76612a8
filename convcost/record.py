"""Frozen records: what a frozen dataclass is, without compiling source for each class.

The operators, blocks' scopes and results are some fifty small classes. Created by `dataclass(frozen=True)` they cost
0.35 ms each at import, more together than the analysis of a network; created here, 0.01 ms.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self, dataclass_transform

__all__ = ["Record"]


def _is_class_variable(annotation: Any) -> bool:
    if type(annotation) is str:
        return annotation.startswith("ClassVar")
    return getattr(annotation, "__origin__", None) is ClassVar


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Record:
    """A frozen value: fields by annotation, defaults by assignment, equality and hash by value.

    A subclass that annotates a field anew takes over its place, and not its default.

    Raises:
        TypeError: a field is missing or unknown.
        AttributeError: a field is assigned after creation.
    """

    fields: ClassVar[tuple[str, ...]] = ()
    field_annotations: ClassVar[dict[str, Any]] = {}
    field_defaults: ClassVar[dict[str, Any]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = {
            name: annotation for name, annotation in cls.__annotations__.items() if not _is_class_variable(annotation)
        }
        given = {name: cls.__dict__[name] for name in own if name in cls.__dict__}
        cls.field_annotations = {**cls.field_annotations, **own}
        inherited = {name: default for name, default in cls.field_defaults.items() if name not in own}
        cls.field_defaults = {**inherited, **given}
        cls.fields = tuple(cls.field_annotations)

    def __init__(self, **values: Any) -> None:
        fields = self.fields
        own = self.__dict__
        own.update(values)
        for name in fields:
            if name not in own:
                own[name] = self._default(name)
        if len(own) > len(fields):
            unknown = ", ".join(sorted(own.keys() - set(fields)))
            raise TypeError(f"{type(self).__name__} has no field {unknown}")

    @classmethod
    def _default(cls, name: str) -> Any:
        if name not in cls.field_defaults:
            raise TypeError(f"{cls.__name__} needs the field {name!r}")
        return cls.field_defaults[name]

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed."""
        return type(self)(**{**self.as_dict(), **changes})

    def as_dict(self) -> dict[str, Any]:
        """The fields and their values, in order."""
        return {name: getattr(self, name) for name in self.fields}

    def _values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self.fields)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: {name!r} cannot be assigned")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: {name!r} cannot be deleted")

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash((type(self), self._values()))

    def __repr__(self) -> str:
        inside = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.fields)
        return f"{type(self).__name__}({inside})"
