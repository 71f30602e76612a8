"""The symbols in which a closed form is written."""

from __future__ import annotations

from typing import Any

import sympy

from convcost.record import Record

__all__ = ["SHORT", "Alphabet", "FormSymbol"]

SHORT = {"in_channels": "C", "out_channels": "N", "kernel_size": "K", "cheap_kernel_size": "D"}
"""Fields with a letter of their own; all others have their names."""


class FormSymbol(Record):
    """A symbol: its name, the field that it stands for (none where it is defined by others), and of which axis.

    `base` and `index` are the parts of the name, `dilation_h` of `dilation` and `h`.
    """

    name: str
    field: str
    axis: int | None
    base: str
    index: str
    symbol: Any


class Alphabet:
    """The symbols of one closed form, in the order in which they were made.

    While formulas run, an odd size is written 2 k + 1 and a multiple n divisor, so that floors of them vanish; `back`
    says what the helper symbols stand for.
    """

    def __init__(self, axes: tuple[str, ...], fixed: dict[str, Any]) -> None:
        self.axes = axes
        self.fixed = fixed
        self.symbols: dict[str, FormSymbol] = {}
        self.defined: dict[str, Any] = {}
        self.back: dict[Any, Any] = {}
        self.odd_fields: list[str] = []
        self._values: dict[str, Any] = {}

    def axes_of_input(self) -> tuple[str, ...]:
        """The names of the input's spatial axes."""
        return tuple(axis.upper() for axis in self.axes)

    def short(self, field: str) -> str:
        """The name of the symbol for a field."""
        return SHORT.get(field, field)

    def value(self, name: str) -> Any:
        """What stands for this symbol while formulas run; it is made where there is none."""
        return self._values[name] if name in self._values else self.symbol(name, name)

    def constant(self, name: str, value: Any) -> Any:
        """A number in the place of a symbol."""
        self._values[name] = value
        return value

    def symbol(self, name: str, field: str, axis: int | None = None, minimum: int = 1, index: str = "") -> Any:
        """A whole number of at least `minimum`, 0 or 1."""
        made = (
            sympy.Symbol(name, integer=True, positive=True)
            if minimum
            else sympy.Symbol(name, integer=True, nonnegative=True)
        )
        return self._add(name, field, made, axis, index)

    def number(self, name: str) -> Any:
        """A positive number, whole or not."""
        return self._add(name, name, sympy.Symbol(name, positive=True))

    def odd(self, name: str, field: str, axis: int | None = None, index: str = "") -> Any:
        """An odd number."""
        made = self.symbol(name, field, axis, index=index)
        half = sympy.Symbol(f"half_{name}", integer=True, nonnegative=True)
        self.back[half] = (made - 1) / 2
        if field not in self.odd_fields:
            self.odd_fields.append(field)
        self._values[name] = 2 * half + 1
        return self._values[name]

    def multiple(self, name: str, field: str, divisor: str) -> Any:
        """A multiple of another field, which has a symbol or a fixed value."""
        made = self.symbol(name, field)
        part = sympy.Symbol(f"part_{name}", integer=True, positive=True)
        symbol = sympy.Symbol(self.short(divisor), integer=True, positive=True)
        times = self.fixed.get(divisor, symbol)
        self.back[part] = made / times
        self._values[name] = part * times
        return self._values[name]

    def per_axis(self, field: str, minimum: int, odd: bool) -> tuple[Any, ...]:
        """A symbol for each spatial axis."""
        name = self.short(field)
        if len(self.axes) == 1:
            return (self.odd(name, field, 0) if odd else self.symbol(name, field, 0, minimum),)
        several = []
        for axis, letter in enumerate(self.axes):
            own = f"{name}_{letter}"
            several.append(
                self.odd(own, field, axis, letter) if odd else self.symbol(own, field, axis, minimum, letter)
            )
        return tuple(several)

    def define(self, name: str, size: Any) -> Any:
        """A symbol for what others give."""
        made = self.symbol(name, "")
        self.defined[name] = size
        return made

    def given(self) -> tuple[FormSymbol, ...]:
        """The symbols that stand for fields."""
        return tuple(symbol for name, symbol in self.symbols.items() if name not in self.defined)

    def spatial(self) -> tuple[FormSymbol, ...]:
        """The sizes along the input's axes, given and defined, in order."""
        letters = self.axes_of_input()
        found = [symbol for name, symbol in self.symbols.items() if name.rstrip("'") in letters]
        return tuple(sorted(found, key=lambda symbol: (letters.index(symbol.name.rstrip("'")), len(symbol.name))))

    def _add(self, name: str, field: str, made: Any, axis: int | None = None, index: str = "") -> Any:
        base = name.removesuffix(f"_{index}") if index else name
        self.symbols[name] = FormSymbol(name=name, field=field, axis=axis, base=base, index=index, symbol=made)
        self._values.setdefault(name, made)
        return made
