"""The cost of an operator or block in closed form: its formulas run on symbols, or the block built on them.

Nothing is written by hand: `form_table` says which fields become which symbols, and the formulas do the rest. Sizes
that a layer makes have names of their own (`H'`), so that counts are products with them, and stand apart as
definitions.
"""

from __future__ import annotations

from typing import Any

import sympy

from convcost.analysis.receptive_field import AxisField, receptive_fields
from convcost.arith import Shape, prod, tidied
from convcost.errors import GraphError
from convcost.formulas.alphabet import Alphabet, FormSymbol
from convcost.formulas.form_table import DEFAULT, PER_AXIS, ROWS, SYMBOL, Case, Row, Same
from convcost.formulas.simplify import as_parts, cleaned, collected, in_terms, paired, settled
from convcost.formulas.symbolic import Assumption, assumptions
from convcost.graph import Builder, Graph
from convcost.ops import Block, Operator, catalogue_entry
from convcost.ops.kinds import LARGEST, Axes, Derived, NumberKind, Rank, Whole, is_symbolic, kind_of
from convcost.record import Record

__all__ = ["OperatorForms", "all_forms", "forms_of"]

Size = Any
LETTERS = ("H", "W", "T", "V")
"""Names of spatial axes."""
MISSING = object()
COUNTS = ("weights", "params", "macs", "elementwise")


class OperatorForms(Record):
    """The closed form of an operator or block, in one of its cases.

    Counts, shapes and fields are expressions over `symbols`; those that are defined by others, such as the sizes of
    the output, stand in `definitions`, each with the expression. `ratio` is the MACs as a part of those of the standard
    convolution (or what else `beside` names) with the same channels, kernel and output size, at stride 1 and with the
    size kept; `square_ratio` the same for square kernels.
    """

    word: str
    case: str
    symbols: tuple[FormSymbol, ...]
    weights: Size
    params: Size
    macs: Size
    elementwise: Size
    inputs: tuple[Shape, ...]
    output: Shape
    definitions: tuple[tuple[FormSymbol, Size], ...]
    receptive_field: tuple[AxisField, ...]
    ratio: Size | None
    square_ratio: Size | None
    beside: str
    assumptions: tuple[str, ...]

    @property
    def beyond_weights(self) -> Size:
        """The parameters that are no weights: biases and norms."""
        return collected(self.params - self.weights, ())

    @property
    def used(self) -> set[Any]:
        """The symbols that stand in one of the formulas."""
        fields = (size for field in self.receptive_field for size in (field.size, field.stride, field.start))
        defined = (size for _, size in self.definitions)
        counts = (self.weights, self.params, self.macs, self.elementwise if self.macs == 0 else 0)
        ratio = 0 if self.ratio is None else self.ratio
        sizes = (*fields, *defined, *counts, *self.output, ratio)
        return {symbol for size in sizes if size is not None for symbol in _symbols_in(size)}

    @property
    def is_trivial(self) -> bool:
        """Whether there is nothing to tell: it costs nothing, and each element passes as it is."""
        free = not any(getattr(self, count) != 0 for count in COUNTS)
        alone = all(field.size == 1 and field.stride == 1 for field in self.receptive_field)
        return free and alone and self.inputs == (self.output,)

    def at(self, values: dict[str, Any]) -> dict[str, Any]:
        """The counts, the output's shape, and size, stride and start of the receptive field (None: not known) where
        these fields have these values: `in_channels`, `input_size` and those of the operator; one number, or one a
        spatial axis."""
        numbers: dict[Any, Any] = {}
        for symbol in self.symbols:
            value = values[symbol.field]
            own = symbol.axis is not None and isinstance(value, (tuple, list))
            numbers[symbol.symbol] = value[symbol.axis or 0] if own else value
        for symbol, expression in self.definitions:
            numbers[symbol.symbol] = settled(expression, numbers)
        found = {count: settled(getattr(self, count), numbers) for count in COUNTS}
        for part in ("size", "stride", "start"):
            sizes = (getattr(field, part) for field in self.receptive_field)
            found[part] = tuple(None if size is None else settled(size, numbers) for size in sizes)
        return {**found, "output": tuple(settled(size, numbers) for size in self.output)}


def _symbols_in(size: Size) -> set[Any]:
    return set(sympy.sympify(size).free_symbols)


def all_forms(word: str) -> tuple[OperatorForms, ...]:
    """The closed forms of an operator or block in each of its cases; none where its cost is not known."""
    row = ROWS.get(word, DEFAULT)
    return tuple(_forms(word, row.in_case(case), case, {}) for case in row.cases)


def forms_of(word: str, fields: dict[str, Any] | None = None, case: int = 0) -> OperatorForms:
    """The closed form of an operator or block where the fields that are given have those values.

    `in_channels` and `input_size` may be given like fields; the other fields are symbols, or have their defaults.
    `case` counts the cases of the word, from 0.

    Raises:
        GraphError: there is no such word, or its cost is not known.
    """
    catalogue_entry(word)
    row = ROWS.get(word, DEFAULT)
    if not 0 <= case < len(row.cases):
        raise GraphError(f"{word} has no closed form number {case}; it has {len(row.cases)}")
    return _forms(word, row.in_case(row.cases[case]), row.cases[case], fields or {})


def _forms(word: str, row: Row, case: Case, fixed: dict[str, Any]) -> OperatorForms:
    """The formulas run in this case, and what they give made readable."""
    entry = catalogue_entry(word)
    alphabet = Alphabet(tuple(name.lower() for name in _letters(case)), fixed)
    shapes = tuple(tuple(_axis(alphabet, row, fixed, name) for name in shape) for shape in case.shapes)
    fields = _fields(entry, row, case, fixed, alphabet)
    with assumptions() as recorded:
        b = Builder()
        inputs = [b.input(shape, name=f"input{number}") for number, shape in enumerate(shapes)]
        output = b.apply(word, *inputs, name="x", **fields)
        graph = b.graph()
    sizes = _named_sizes(graph, output.position, case, alphabet)
    channels = _named_channels(graph, row, alphabet)
    totals = _totals(graph, sizes)

    def plain(size: Size) -> Size:
        return in_terms(cleaned(size), {**channels, **alphabet.back})

    marks = [symbol.symbol for symbol in alphabet.spatial()]
    macs = plain(totals["macs"])
    shape_out = tuple(plain(size) for size in _renamed(output.shape, sizes))
    found = receptive_fields(graph)[output.position] if row.field else None
    ratio = _ratio(row, macs, plain(shapes[0][0]), shape_out, fields, plain, alphabet) if case.compared else None
    return OperatorForms(
        word=word,
        case=case.title,
        symbols=alphabet.given(),
        **{count: collected(plain(totals[count]), marks) for count in COUNTS},
        inputs=tuple(tuple(plain(size) for size in shape) for shape in shapes),
        output=shape_out,
        definitions=tuple(
            (alphabet.symbols[name], paired(in_terms(cleaned(size), alphabet.back)))
            for name, size in alphabet.defined.items()
        ),
        receptive_field=() if found is None else tuple(_told(axis, plain) for axis in found.axes),
        ratio=ratio,
        square_ratio=_squared(ratio, alphabet),
        beside=_beside(row),
        assumptions=_assumed(row, alphabet, recorded, plain),
    )


def _told(axis: AxisField, plain: Any) -> AxisField:
    """The field along an axis in the symbols of the form."""
    size, stride = (None if part is None else paired(tidied(plain(part))) for part in (axis.size, axis.stride))
    return axis.replace(size=size, stride=stride, start=None if axis.start is None else _start(plain(axis.start)))


def _start(start: Size) -> Size:
    """Where a field starts, as what lies in front of the input, under one fraction: `-dilation (K - 1) / 2`."""
    start = sympy.sympify(tidied(start))
    if start.has(sympy.Max, sympy.Min, sympy.floor):
        return paired(start)
    above, below = sympy.together(-start).as_numer_denom()
    return sympy.Mul(sympy.Rational(-1, below), paired(sympy.expand(above)), evaluate=below == 1)


def _letters(case: Case) -> list[str]:
    """The names of the spatial axes of the first input."""
    return [name for name in case.shapes[0][1:] if name in LETTERS]


def _axis(alphabet: Alphabet, row: Row, fixed: dict[str, Any], name: Any) -> Size:
    """The size of an axis of an input."""
    if not isinstance(name, str):
        return name
    if name in alphabet.axes_of_input():
        axis = alphabet.axes_of_input().index(name)
        if "input_size" in fixed:
            given = fixed["input_size"]
            return given[axis] if isinstance(given, (tuple, list)) else given
        return alphabet.symbol(name, "input_size", axis)
    field = "in_channels" if name == "C" else name
    if field in fixed:
        return alphabet.constant(name, fixed[field])
    return _count(alphabet, row, field, name)


def _count(alphabet: Alphabet, row: Row, field: str, name: str, minimum: int = 1) -> Size:
    """A symbol for a count; as a multiple of another, or as an odd number, where the table says so."""
    if field in row.split:
        return alphabet.multiple(name, field, row.multiples[field])
    if field in row.odd:
        return alphabet.odd(name, field)
    return alphabet.symbol(name, field, minimum=minimum)


def _fields(
    entry: type[Operator] | Block, row: Row, case: Case, fixed: dict[str, Any], alphabet: Alphabet
) -> dict[str, Any]:
    """The value of each field: given, set by the case, a symbol; those that have their defaults are left out."""
    is_block = isinstance(entry, Block)
    annotations = entry.arguments if isinstance(entry, Block) else entry.field_annotations
    defaults = entry.defaults if isinstance(entry, Block) else entry.field_defaults
    values: dict[str, Any] = {}
    for name, annotation in annotations.items():
        kind = kind_of(annotation)
        if isinstance(kind, (Derived, Rank)):
            continue
        if name in fixed:
            values[name] = fixed[name]
            continue
        setting = case.set.get(name, MISSING)
        if setting is not MISSING and setting not in (SYMBOL, PER_AXIS):
            values[name] = _resolved(setting, alphabet)
            continue
        default = defaults.get(name, MISSING) if setting is MISSING else MISSING
        value = _symbol(name, kind, default, row, alphabet, is_block)
        if value is not MISSING:
            values[name] = value
    return values


def _resolved(setting: Any, alphabet: Alphabet) -> Any:
    if isinstance(setting, Same):
        return alphabet.value(setting.name)
    return tuple(_resolved(item, alphabet) for item in setting) if isinstance(setting, tuple) else setting


def _symbol(name: str, kind: Any, default: Any, row: Row, alphabet: Alphabet, is_block: bool) -> Any:
    """The symbol for a field of this kind, or nothing where it keeps its default."""
    if default is None:
        return MISSING
    if isinstance(kind, Axes):
        odd = is_block and name.endswith("kernel_size")
        return alphabet.per_axis(name, kind.item.minimum, odd)
    if isinstance(kind, Whole):
        if kind.maximum != LARGEST or name in ("axis", "index"):
            return MISSING
        return _count(alphabet, row, name, alphabet.short(name), kind.minimum)
    if isinstance(kind, NumberKind) and (default is MISSING or (kind.above and kind.maximum is None)):
        return alphabet.number(name)
    return MISSING


def _named_sizes(graph: Graph, position: int, case: Case, alphabet: Alphabet) -> dict[tuple[int, Any], Any]:
    """A name for each spatial size that a layer makes, the output's first; by axis, counted from the end, and size."""
    letters = _letters(case)
    named: dict[tuple[int, Any], Any] = {}
    order = [graph.nodes[position], *graph.layers] if letters else []
    for node in order:
        for axis in range(len(letters), 0, -1) if len(node.shape) > len(letters) else ():
            size = _canonical(node.shape[-axis])
            if not is_symbolic(size) or size.is_Symbol or size.is_Integer or (axis, size) in named:
                continue
            primes = "'" * (1 + sum(1 for other, _ in named if other == axis))
            named[axis, size] = alphabet.define(f"{letters[-axis]}{primes}", size)
    return named


def _renamed(shape: Shape, named: dict[tuple[int, Any], Any]) -> Shape:
    """The shape with its sizes by name."""
    rank = len(shape) - 1
    ending = tuple(named.get((axis, _canonical(shape[-axis])), shape[-axis]) for axis in range(rank, 0, -1))
    return (*shape[: len(shape) - rank], *ending)


def _canonical(size: Size) -> Size:
    """Equal sizes in one form."""
    return sympy.expand(cleaned(size)) if is_symbolic(size) else size


def _named_channels(graph: Graph, row: Row, alphabet: Alphabet) -> dict[Any, Any]:
    """Names for the floors and maxima inside the channels, in the order in which layers make them."""
    found: dict[Any, Any] = {}
    waiting = list(row.inner)
    for node in graph.layers:
        for part in sympy.preorder_traversal(cleaned(node.shape[0])) if waiting else ():
            if part in found or not isinstance(part, (sympy.floor, sympy.Max)):
                continue
            if any(part in other.atoms(sympy.floor, sympy.Max) for other in found):
                continue
            name, more = waiting.pop(0)
            found[part] = alphabet.define(name, part + more) - more
            break
    return found


def _totals(graph: Graph, sizes: dict[tuple[int, Any], Any]) -> dict[str, Size]:
    """The sums over all layers, on the sizes by name."""
    totals: dict[str, Size] = dict.fromkeys(COUNTS, sympy.Integer(0))
    for node in graph.layers:
        inputs = tuple(_renamed(shape, sizes) for shape in graph.input_shapes(node))
        output = _renamed(node.shape, sizes)
        totals["weights"] += node.op.weights()
        totals["params"] += node.op.params()
        totals["macs"] += node.op.macs(inputs, output)
        totals["elementwise"] += node.op.elementwise(inputs, output)
    return totals


def _ratio(
    row: Row,
    macs: Size,
    in_channels: Size,
    output: Shape,
    fields: dict[str, Any],
    plain: Any,
    alphabet: Alphabet,
) -> Size | None:
    """The MACs as a part of those of the standard convolution, where there is one to compare with."""
    if row.beside is None:
        return None
    letters = alphabet.axes_of_input()
    sizes = [alphabet.symbols[letter].symbol if letter in alphabet.symbols else None for letter in letters]
    if any(size is None for size in sizes):
        return None
    kept = {
        alphabet.symbols[name].symbol: alphabet.symbols[name.rstrip("'")].symbol
        for name in alphabet.defined
        if name.rstrip("'") in letters
    }
    if row.beside == "kernel_size":
        kernel = fields.get("kernel_size", 3)
        taps = kernel if isinstance(kernel, tuple) else (kernel,) * len(letters)
    else:
        taps = () if row.beside == "linear" else (row.beside,) * len(letters)
    standard = (
        in_channels * plain(fields.get("out_channels", output[0])) * prod(plain(tap) for tap in taps) * prod(sizes)
    )
    whole = sympy.factor(sympy.sympify(macs).subs(kept) / standard)
    return as_parts(whole)


def _squared(ratio: Size | None, alphabet: Alphabet) -> Size | None:
    """The ratio for kernels of one size on all axes, K_h = K_w = K."""
    sides = {
        symbol.symbol: sympy.Symbol(symbol.base, integer=True, positive=True)
        for symbol in alphabet.given()
        if symbol.index and symbol.field.endswith("kernel_size")
    }
    if ratio is None or not ratio.free_symbols & set(sides):
        return None
    return as_parts(sympy.factor(ratio.subs(sides)))


def _beside(row: Row) -> str:
    if row.beside in (None, "kernel_size"):
        return "the standard convolution"
    return "the linear layer" if row.beside == "linear" else f"a {row.beside}x{row.beside} convolution"


def _assumed(row: Row, alphabet: Alphabet, recorded: list[Assumption], plain: Any) -> tuple[str, ...]:
    """What is taken for granted: odd kernels, what divides what, and what the table says."""
    texts = [f"{field} is odd" for field in alphabet.odd_fields]
    told: set[Any] = set()
    for divisor in dict.fromkeys(row.multiples.values()):
        symbol = alphabet.symbols.get(alphabet.short(divisor))
        value = alphabet.fixed.get(divisor)
        fields = [field for field, other in row.multiples.items() if other == divisor]
        fields = [field for field in fields if alphabet.short(field) in alphabet.symbols]
        if fields and (symbol is not None or value not in (None, 1)):
            told.add(value if symbol is None else symbol.symbol)
            texts.append(f"{divisor if symbol else value} divides {' and '.join(fields)}")
    for assumption in recorded:
        if assumption.divisor is None:
            continue  # what a form tells apart, its case names
        divisor, dividend = plain(assumption.divisor), plain(assumption.dividend)
        if divisor == 1 and not all(symbol.is_integer for symbol in dividend.free_symbols):
            texts.append(f"{str(dividend).replace('*', ' ')} is whole")
        elif divisor not in (1, *told) and not (dividend / divisor).is_integer:
            texts.append(f"{divisor} divides {str(dividend).replace('**', '^').replace('*', ' ')}")
    return (*dict.fromkeys(texts), *(text for text in row.assumes if text.split()[0] not in alphabet.fixed))
