"""Closed forms of a network's totals: polynomials in the sizes of its feature maps, exact for every size."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import cached_property
from typing import Any

import sympy

from convcost.analysis.cost import bytes_of, checked_batch, layer_cost
from convcost.analysis.memory import live_sizes, sharing
from convcost.analysis.result import Cost
from convcost.arith import prod
from convcost.errors import ConvcostError, nearest_hint
from convcost.formulas.dominance import Bounds, undominated
from convcost.formulas.functions import value_of
from convcost.formulas.receptive_field import FieldForm, NetworkFieldForms, network_field_forms
from convcost.formulas.sizes import Sizes
from convcost.formulas.symbolic import Assumption
from convcost.graph import Graph, Node
from convcost.metrics import dtype_bits
from convcost.ops.base import show_shape
from convcost.ops.kinds import show
from convcost.record import Record

__all__ = ["DEFAULT_METRICS", "METRICS", "ClosedForm", "Formula", "LayerForm", "Term", "closed_form"]

PEAK = "peak_activation_bytes"
METRICS = (*Cost.fields, PEAK)
SAMPLE = 224
"""The value of a variable by which terms are put in order, where none is known."""
DEFAULT_METRICS = ("params", "macs", "flops", "activations", "weight_bytes")


class Term(Record):
    """A part of a closed form: a product of sizes of feature maps (1: none), times a factor without any."""

    size: Any
    factor: Any


class ClosedForm(Record):
    """A quantity as a polynomial in names of sizes and in variables; of several alternatives it is the largest."""

    metric: str
    alternatives: tuple[Any, ...]


class LayerForm(Record):
    """A layer: its output shape and its quantities, in names of sizes."""

    node: Node
    shape: tuple[Any, ...]
    forms: tuple[ClosedForm, ...]


class Formula(Record):
    """The totals of a network in closed form.

    `symbols` are the variables, by name; `sizes` the names of feature-map sizes; `assumptions` what is taken for
    granted; `defaults` the values of the variables in the network as it was written.
    """

    graph: Graph
    symbols: dict[str, Any]
    forms: tuple[ClosedForm, ...]
    layers: tuple[LayerForm, ...]
    sizes: Sizes
    assumptions: tuple[Assumption, ...]
    defaults: dict[str, Any]
    batch: int = 1
    dtype: str = "float32"

    @property
    def spatial(self) -> tuple[Any, ...]:
        """The variables in the sizes of the inputs behind their channels."""
        axes = [size for node in self.graph.inputs for size in node.shape[1:] if isinstance(size, sympy.Basic)]
        return tuple(symbol for symbol in self.symbols.values() if any(symbol in size.free_symbols for size in axes))

    @property
    def variable_symbols(self) -> set[Any]:
        """The symbols that are variables of the network's spec, and no free axes of its input."""
        return {symbol for name, symbol in self.symbols.items() if self.graph.variables.get(name) is symbol}

    @property
    def bounds(self) -> Bounds:
        """The least sizes with which the network can stand, as far as its shapes show them."""
        axes = dict.fromkeys(self.sizes.written(size) for node in self.graph.nodes for size in node.shape)
        return Bounds(self.sizes.names, axes)

    @property
    def shorthand(self) -> dict[Any, Any]:
        """Short names, c1, c2, ..., for roundings of variables that are no sizes of the input: smaller ones first."""
        known = {*self.sizes.names, *self.symbols.values()}
        parts: dict[Any, None] = {}
        for form in (*self.forms, *(form for layer in self.layers for form in layer.forms)):
            for alternative in form.alternatives:
                for term in sympy.Add.make_args(alternative):
                    bases = (factor.as_base_exp()[0] for factor in sympy.Mul.make_args(term))
                    parts.update((base, None) for base in bases if base.free_symbols and base not in known)
        table = self._sample() if parts else {}
        order = sorted(parts, key=lambda part: (_approximate(part, table), str(part)))
        taken = {name[0] for name in self.symbols}
        letter = next(letter for letter in "cabkq" if letter not in taken)
        return {part: sympy.Symbol(f"{letter}{place}") for place, part in enumerate(order, 1)}

    @cached_property
    def receptive_fields(self) -> NetworkFieldForms | None:
        """The receptive fields in closed form, in the first input that has spatial axes; None where none has."""
        return network_field_forms(self.graph)

    @property
    def fields_by_layer(self) -> dict[str, FieldForm]:
        """The receptive field of each layer that sees anything, by its name."""
        found = self.receptive_fields
        return {form.node.name: form for form in found.of_nodes if form is not None} if found is not None else {}

    def form(self, metric: str) -> ClosedForm:
        """The closed form of a metric.

        Raises:
            ConvcostError: it was not asked for.
        """
        for form in self.forms:
            if form.metric == metric:
                return form
        known = [form.metric for form in self.forms]
        raise ConvcostError(f'no closed form of "{metric}"; there are {", ".join(known)}{nearest_hint(metric, known)}')

    def expression(self, metric: str) -> Any:
        """The closed form of a metric as a sympy expression in the variables alone."""
        names = {symbol: name.expression for symbol, name in self.sizes.names.items()}
        return sympy.Max(*(alternative.xreplace(names) for alternative in self.form(metric).alternatives))

    def terms(self, alternative: Any) -> list[Term]:
        """The terms of a polynomial, grouped by the sizes of feature maps in them: larger maps first."""
        known = {*self.sizes.names, *self.spatial}
        groups: dict[Any, list[Any]] = {}
        for term in sympy.Add.make_args(alternative):
            size: list[Any] = []
            rest: list[Any] = []
            for factor in sympy.Mul.make_args(term):
                (size if factor.as_base_exp()[0] in known else rest).append(factor)
            groups.setdefault(sympy.Mul(*size), []).append(sympy.Mul(*rest))
        table = self._sample()
        order = sorted(groups, key=lambda size: (-_approximate(size, table), str(size)))
        return [Term(size=size, factor=sympy.Add(*groups[size])) for size in order]

    def _sample(self) -> dict[Any, Any]:
        """A table of values by which terms are put in order."""
        return self._table({name: self.defaults.get(name, SAMPLE) for name in self.symbols})

    def _table(self, values: Mapping[str, Any]) -> dict[Any, Any]:
        """The values of all symbols, those of sizes among them."""
        table = {self.symbols[name]: value for name, value in values.items()}
        for symbol, name in self.sizes.names.items():
            table[symbol] = value_of(name.expression, table)
        return table

    def at(self, values: Mapping[str, Any] | None = None, /, **more: Any) -> dict[str, int]:
        """The totals where the variables have these values, exactly: `formula.at(resolution=192)`.

        Raises:
            ConvcostError: a variable has no value, or one that it cannot have; or no such network can stand.
        """
        given = self.checked({**(values or {}), **more})
        if problem := self.problem(given):
            raise ConvcostError(problem)
        found = {form.metric: self.value(form.metric, given) for form in self.forms}
        for metric, value in found.items():
            if isinstance(value, Fraction):
                raise ConvcostError(f"at {point(given)} {metric} would be {show(value)}, which is not whole")
        return {metric: int(value) for metric, value in found.items()}

    def value(self, metric: str, values: Mapping[str, Any]) -> Any:
        """A total where the variables have these values, whether or not such a network can stand."""
        table = self._table(values)
        return max(value_of(alternative, table) for alternative in self.form(metric).alternatives)

    def problem(self, values: Mapping[str, Any]) -> str | None:
        """Why the closed form does not hold where the variables have these values, or None."""
        table = self._table(values)
        for assumption in self.assumptions:
            if not holds(assumption, table):
                return f"the closed form does not hold at {point(values)}: it assumes that {assumption.text}"
        sizes: dict[Any, Any] = {}
        for node in self.graph.nodes:
            for size in node.shape:
                if size not in sizes:
                    sizes[size] = value_of(size, table) if isinstance(size, sympy.Basic) else size
                if isinstance(sizes[size], Fraction) or sizes[size] < 1:
                    shape = tuple(show(value_of(size, table)) for size in node.shape)
                    return (
                        f"no such network can stand at {point(values)}: the output of {node.name} would be"
                        f" {show_shape(shape)}; every axis must be a whole number of at least 1"
                    )
        return None

    def checked(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The values of the variables, held to what each can be.

        Raises:
            ConvcostError: one is missing, unknown, or cannot be what it is.
        """
        for name in given:
            if name not in self.symbols:
                known = ", ".join(self.symbols)
                raise ConvcostError(f'"{name}" is no symbol of this formula; its symbols are {known}')
        found = {}
        for name, symbol in self.symbols.items():
            if name not in given:
                example = show(self.defaults.get(name, SAMPLE))
                raise ConvcostError(f"the symbol {name} has no value; give one, such as {name}={example}")
            value = given[name]
            value = Fraction(repr(value)) if isinstance(value, float) else value
            if isinstance(value, bool) or not isinstance(value, (int, Fraction)):
                raise ConvcostError(f"{name} is {show(value)}; it must be a number")
            value = value.numerator if value.denominator == 1 else value
            if symbol.is_integer and not isinstance(value, int):
                raise ConvcostError(f"{name} is {show(value)}; it must be a whole number")
            if symbol.is_positive and value <= 0:
                raise ConvcostError(f"{name} is {show(value)}; it must be above 0")
            found[name] = value
        return found


def point(values: Mapping[str, Any]) -> str:
    """Values of variables as messages show them: `height=192, width=256`."""
    return ", ".join(f"{name}={show(value)}" for name, value in values.items())


def holds(assumption: Assumption, table: dict[Any, Any]) -> bool:
    """Whether an assumption is met where the symbols have these values."""
    if assumption.divisor is not None:
        quotient = Fraction(value_of(assumption.dividend, table)) / value_of(assumption.divisor, table)
        return quotient.denominator == 1
    return (value_of(assumption.first, table) == value_of(assumption.second, table)) is assumption.same


def _approximate(size: Any, table: dict[Any, Any]) -> float:
    try:
        return float(value_of(size, table))
    except (ValueError, ArithmeticError):
        return 0.0


def closed_form(
    graph: Graph,
    symbols: Mapping[str, Any],
    metrics: Iterable[str] = DEFAULT_METRICS,
    *,
    found: Iterable[Assumption] = (),
    defaults: Mapping[str, Any] | None = None,
    batch: int = 1,
    dtype: str = "float32",
) -> Formula:
    """The totals of a graph whose sizes are symbolic; `found` are the assumptions under which it was made.

    Raises:
        ConvcostError: a metric or the dtype is unknown, or the batch below 1.
    """
    wanted = tuple(metrics)
    for metric in wanted:
        if metric not in METRICS:
            raise ConvcostError(
                f'unknown metric "{metric}"; known are {", ".join(METRICS)}{nearest_hint(metric, METRICS)}'
            )
    batch, bits = checked_batch(batch), dtype_bits(dtype)
    sizes = Sizes(node.shape for node in graph.nodes)
    additive = tuple(metric for metric in wanted if metric != PEAK)
    totals: dict[str, dict[Any, Any]] = {metric: {} for metric in additive}
    layers = []
    known: dict[tuple[int, ...], dict[str, Any]] = {}  # equal layers of repeated blocks share their operator and shapes
    for node, shares in zip(graph.nodes, sharing(graph), strict=True):
        if node.is_input:
            continue
        inputs = graph.input_shapes(node)
        key = (id(node.op), shares, *map(id, inputs))
        if key not in known:
            cost = layer_cost(node, inputs, batch, bits, shares)
            known[key] = {metric: sizes.written(getattr(cost, metric)) for metric in additive}
        for metric, written in known[key].items():
            _add(totals[metric], written)
        layers.append((node, known[key]))
    forms = {
        metric: ClosedForm(metric=metric, alternatives=(sympy.Add(*(factor * term for term, factor in total.items())),))
        for metric, total in totals.items()
    }
    if PEAK in wanted:
        forms[PEAK] = peak_form(graph, sizes, batch, bits)
    return Formula(
        graph=graph,
        symbols=dict(symbols),
        forms=tuple(forms[metric] for metric in dict.fromkeys(wanted)),
        layers=tuple(_layer_form(node, written, sizes) for node, written in layers),
        sizes=sizes,
        assumptions=_stated(found, sizes),
        defaults=dict(defaults or {}),
        batch=batch,
        dtype=dtype,
    )


def _add(total: dict[Any, Any], written: Any) -> None:
    """Add a polynomial to a sum, term by term: sympy's own sums of hundreds of terms are slow."""
    for term, factor in written.as_coefficients_dict().items():
        total[term] = total.get(term, 0) + factor


def _layer_form(node: Node, written: dict[str, Any], sizes: Sizes) -> LayerForm:
    forms = tuple(ClosedForm(metric=metric, alternatives=(value,)) for metric, value in written.items())
    return LayerForm(node=node, shape=tuple(map(sizes.written, node.shape)), forms=forms)


def _stated(found: Iterable[Assumption], sizes: Sizes) -> tuple[Assumption, ...]:
    """The assumptions in names of sizes, each once; without equalities that are seen to hold then."""
    stated: dict[Assumption, None] = {}
    for assumption in found:
        if assumption.divisor is not None:
            stated[assumption.replace(dividend=sizes.written(assumption.dividend))] = None
            continue
        difference = sizes.written(sympy.sympify(assumption.first) - assumption.second).primitive()[1]
        if difference == 0:
            continue
        if difference.could_extract_minus_sign():
            difference = -difference
        terms = sympy.Add.make_args(difference)
        right = sympy.Add(*(-term for term in terms if term.as_coeff_Mul()[0] < 0))
        stated[assumption.replace(first=difference + right, second=right)] = None
    return tuple(stated)


def peak_form(graph: Graph, sizes: Sizes, batch: int, bits: int) -> ClosedForm:
    """The peak of the activation memory: the largest of what is alive at each node, those aside that never are."""
    known: dict[Any, Any] = {}

    def size_of(node: Node) -> Any:
        if node.shape not in known:
            known[node.shape] = sizes.written(bytes_of(batch * prod(node.shape), bits))
        return known[node.shape]

    alive = dict.fromkeys(sympy.sympify(size) for size in live_sizes(graph, size_of))
    bounds = Bounds(sizes.names, dict.fromkeys(sizes.written(size) for node in graph.nodes for size in node.shape))
    return ClosedForm(metric=PEAK, alternatives=tuple(undominated(alive or [sympy.Integer(0)], bounds)))
