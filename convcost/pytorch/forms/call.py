"""What a form is: the construction of a module, registered under the operator's name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from convcost.errors import ConvcostError
from convcost.ops import Operator
from convcost.record import Record

__all__ = ["FORMS", "Call", "form", "form_of", "settings", "short"]


class Call(Record):
    """The construction of a module: `nn.Conv2d(3, 32, 3, stride=2)`, or of one of `pytorch.modules`."""

    function: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}

    def source(self) -> str:
        """The construction as Python."""
        arguments = [_literal(value) for value in self.args]
        arguments += [f"{name}={_literal(value)}" for name, value in self.kwargs.items()]
        return f"{self.function}({', '.join(arguments)})"

    def functions(self) -> set[str]:
        """Every module that the construction names."""
        inner = [value for value in (*self.args, *self.kwargs.values()) if isinstance(value, Call)]
        return {self.function}.union(*(call.functions() for call in inner))


def _literal(value: Any) -> str:
    if isinstance(value, Call):
        return value.source()
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return f'float("{value}")'
    return f'"{value}"' if isinstance(value, str) else repr(value)


Form = Callable[[Any], Call]
FORMS: dict[str, Form] = {}


def form(*words: str) -> Callable[[Form], Form]:
    """Register the form of the operators of these names."""

    def register(function: Form) -> Form:
        FORMS.update(dict.fromkeys(words, function))
        return function

    return register


def form_of(op: Operator) -> Call:
    """The construction of an operator's module.

    Raises:
        ConvcostError: PyTorch cannot run the operator.
    """
    if op.word not in FORMS:
        raise ConvcostError(f"{op.word} has no PyTorch form: it says what a layer's shape is, not what it computes")
    return FORMS[op.word](op)


def short(sizes: tuple[int, ...]) -> Any:
    """One number where all axes agree, as people write it."""
    return sizes[0] if len(set(sizes)) == 1 else sizes


def settings(values: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """The settings that differ from torch's defaults."""
    shortened = {name: short(value) if isinstance(value, tuple) else value for name, value in values.items()}
    return {name: value for name, value in shortened.items() if name not in defaults or value != defaults[name]}
