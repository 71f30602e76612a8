"""Arithmetic on sizes: the only place that tells an integer from a symbol.

A size is a Python int, a numpy object array of ints, or a symbolic expression. Formulas use `+ - *`,
`prod`, `exact_div`, `floor_div` and `ceil_div` alone, so that one formula serves all three. How a symbolic type divides
is registered by the module that knows the type (`formulas/symbolic.py`); nothing here imports it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from functools import reduce, singledispatch
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import TypeAlias

    Size: TypeAlias = Any
    """An int, an object array or a symbolic expression: whatever supports `+`, `-`, `*` and `//`."""
    Shape: TypeAlias = tuple[Size, ...]
    """Axis sizes, ordered `(*leading, channels, *spatial)`."""
else:
    Size = Any
    Shape = tuple

__all__ = [
    "Shape",
    "Size",
    "ceil_div",
    "dense_strides",
    "equal",
    "exact_div",
    "floor_div",
    "is_int",
    "is_tangled",
    "joint_size",
    "largest",
    "looks_equal",
    "never_below",
    "note_divides",
    "note_equal",
    "prod",
    "smallest",
    "tidied",
]


def is_int(size: object) -> bool:
    """Whether a size is a concrete integer, of which checks may speak (a bool is not)."""
    return type(size) is int


def prod(sizes: Iterable[Size]) -> Size:
    """The product of the sizes; 1 for none."""
    result: Size = 1
    for size in sizes:
        result = result * size
    return result


def exact_div(size: Size, divisor: Size) -> Size:
    """`size / divisor` where the divisor is known to divide: on symbols no floor is left behind.

    Raises:
        ArithmeticError: two concrete integers, and the divisor leaves a remainder.
    """
    if type(size) is int and type(divisor) is int:
        quotient, remainder = divmod(size, divisor)
        if remainder:
            raise ArithmeticError(f"{divisor} does not divide {size}")
        return quotient
    return _division_for(size, divisor).exact(size, divisor)


def floor_div(size: Size, divisor: Size) -> Size:
    """`floor(size / divisor)`; on symbols, floors of floors are flattened."""
    if type(size) is int and type(divisor) is int:
        return size // divisor
    return _division_for(size, divisor).floor(size, divisor)


def ceil_div(size: Size, divisor: Size) -> Size:
    """`ceil(size / divisor)`, written as the floor of integers that it is."""
    return floor_div(size + divisor - 1, divisor)


def equal(first: Size, second: Size) -> bool:
    """Whether two sizes are equal: integers by value, symbols as written, arrays in every element.

    That two symbolic sizes are taken for different is noted: what is decided by it may be another at some values.
    """
    same = looks_equal(first, second)
    if not same and not (is_int(first) and is_int(second)):
        _division_for(first, second).unlike(first, second)
    return same


def looks_equal(first: Any, second: Any) -> bool:
    """As `equal`, where nothing is decided by it, and nothing noted."""
    same = first == second
    return same if isinstance(same, bool) else bool(same.all())


def note_equal(first: Size, second: Size) -> None:
    """Note that a rule takes two sizes for equal; it is the rule that holds integers to it."""
    if not (is_int(first) and is_int(second)):
        _division_for(first, second).alike(first, second)


def note_divides(divisor: Size, dividend: Size) -> None:
    """Note that a rule takes a size to divide another (1: the other is whole); it is the rule that holds integers to
    it."""
    if not (is_int(divisor) and is_int(dividend)):
        _division_for(dividend, divisor).divides(divisor, dividend)


def dense_strides(shape: Shape) -> Shape:
    """The strides, in elements, of a tensor whose elements lie side by side."""
    strides: list[Size] = [1]
    for size in shape[:0:-1]:
        strides.append(strides[-1] * size)
    return tuple(reversed(strides))


def largest(sizes: list[Size]) -> Size:
    """The largest of the sizes (at least one), by the rule of their type."""
    return division(next((size for size in sizes if not is_int(size)), 0)).largest(sizes)


def smallest(sizes: list[Size]) -> Size:
    """The smallest of the sizes (at least one), by the rule of their type."""
    return division(next((size for size in sizes if not is_int(size)), 0)).smallest(sizes)


def never_below(first: Size, second: Size) -> bool:
    """Whether the first of two sizes is at least the second: of symbols, whether that is seen to hold at all values."""
    if isinstance(first, (int, Fraction)) and isinstance(second, (int, Fraction)):
        return first >= second
    return _division_for(first, second).never_below(first, second)


def tidied(size: Size) -> Size:
    """A size as its type writes it best: a symbolic one multiplied out, so that equal ones look equal."""
    return size if is_int(size) else division(size).tidied(size)


def is_tangled(size: Size) -> bool:
    """Whether a size is of so many maxima and minima that nobody reads it, and work on it takes long."""
    return not isinstance(size, (int, Fraction)) and division(size).is_tangled(size)


def joint_size(first: Size, second: Size) -> Size:
    """The size of an axis on which two operands meet: an axis of size 1 stretches to the other."""
    return _division_for(first, second).joint(first, second)


def _largest(sizes: list[Size]) -> Size:
    """The maximum, element by element of object arrays."""
    return reduce(lambda first, second: first + (second - first) * (second > first), sizes)


def _smallest(sizes: list[Size]) -> Size:
    """The minimum, element by element of object arrays."""
    return reduce(lambda first, second: first + (second - first) * (second < first), sizes)


def _joint(first: Size, second: Size) -> Size:
    return second if is_int(first) and first == 1 else first


def _nothing(first: Size, second: Size) -> None:
    """Integers are held to the rules where they stand, arrays not at all."""


class Division:
    """How a type of sizes divides and compares. The default leaves division to the type's own `//` (object arrays).

    `alike`, `unlike` and `divides` note what is taken for granted of symbols; `never_below` tells what holds at all of
    their values, and `tidied` brings expressions into one form; `functions` are those of expressions in
    specs, by name, with `compare` and `choose` for comparisons and conditionals.
    """

    def __init__(
        self,
        exact: Callable[[Size, Size], Size] = lambda size, divisor: size // divisor,
        floor: Callable[[Size, Size], Size] = lambda size, divisor: size // divisor,
        largest: Callable[[list[Size]], Size] = _largest,
        smallest: Callable[[list[Size]], Size] = _smallest,
        joint: Callable[[Size, Size], Size] = _joint,
        alike: Callable[[Size, Size], None] = _nothing,
        unlike: Callable[[Size, Size], None] = _nothing,
        divides: Callable[[Size, Size], None] = _nothing,
        never_below: Callable[[Size, Size], bool] = lambda first, second: bool(first >= second),
        tidied: Callable[[Size], Size] = lambda size: size,
        is_tangled: Callable[[Size], bool] = lambda size: False,
        functions: Mapping[str, Callable[..., Any]] | None = None,
    ) -> None:
        self.exact = exact
        self.floor = floor
        self.largest = largest
        self.smallest = smallest
        self.joint = joint
        self.alike = alike
        self.unlike = unlike
        self.divides = divides
        self.never_below = never_below
        self.tidied = tidied
        self.is_tangled = is_tangled
        self.functions = functions or {}


_BY_OPERATOR = Division()


@singledispatch
def division(size: object) -> Division:
    """The division rules of the size's type; a symbolic type registers its own."""
    return _BY_OPERATOR


def _division_for(size: Size, divisor: Size) -> Division:
    return division(divisor if is_int(size) else size)
