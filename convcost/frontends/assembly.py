"""From layers as written to nodes: evaluates expressions, wires, repeats, and reports every mistake."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from convcost.arith import is_int
from convcost.errors import FieldError, GraphError, LimitError, nearest_hint
from convcost.frontends.expression import ExpressionError
from convcost.frontends.fields import HIDDEN, FieldReader, OwnBlock
from convcost.frontends.growth import LIMIT, Growth
from convcost.frontends.layers import Layer, LayerList
from convcost.frontends.yaml_reader import Located, Scalar
from convcost.graph import Builder, Value
from convcost.ops import BLOCKS, OPERATORS, Operator
from convcost.ops.kinds import as_whole, is_symbolic, show

__all__ = ["LIMIT", "Assembly"]

UNSAID = Value(position=-1, shape=())
"""Stands for the input of a network with several, until a layer says which it reads."""


class Frame:
    """The names that `from` can see: those of this list, then those around it, up to the block."""

    def __init__(self, layers: LayerList, outer: Frame | None, values: dict[str, Value | None]) -> None:
        self.layers = layers
        self.outer = outer
        self.values = values

    def find(self, name: str) -> tuple[bool, Value | None]:
        """Whether the name is known here, and its value (None where a mistake hides it)."""
        if name in self.values:
            return True, self.values[name]
        return self.outer.find(name) if self.outer else (False, None)

    def names(self) -> list[str]:
        """Every name that can be seen."""
        return [*self.values, *(self.outer.names() if self.outer else [])]


class Assembly:
    """Adds the layers of a spec to a builder. A value is None where a mistake hides its shape."""

    def __init__(
        self,
        builder: Builder,
        own_blocks: dict[str, OwnBlock],
        variables: dict[str, Any],
        report: Callable[[Located, str], None],
    ) -> None:
        self.builder = builder
        self.own_blocks = own_blocks
        self.variables = variables
        self._report = report
        self._reported: set[tuple[int, int, str]] = set()
        self._calls: list[tuple[str, Located]] = []
        self._inputs: tuple[str, ...] = ()
        self.fields = FieldReader(self.report, variables)

    def report(self, place: Located, message: str) -> None:
        """Report a mistake once, with the block in which it stands and where that is used."""
        key = (place.line, place.column, message)
        if key not in self._reported:
            self._reported.add(key)
            where = "".join(f" (block {name}, used on line {use.line})" for name, use in self._calls[-1:])
            self._report(place, message + where)

    def assemble(self, layers: LayerList, inputs: dict[str, Value | None]) -> None:
        """Add all layers, unless they would be too many."""
        if not Growth(self.own_blocks, self.variables, self.report).is_bounded(layers):
            return
        self._inputs = tuple(inputs)
        first = next(iter(inputs.values())) if len(inputs) == 1 else UNSAID
        try:
            self.add_list(layers, first, self.variables, Frame(LayerList(), None, inputs))
        except LimitError as error:
            self._report(layers.layers[0].place, str(error))

    def said(self, layer: Layer, x: Value | None) -> Value | None:
        """The value that a layer reads, where the first of several inputs has to be named; else a mistake."""
        if x is not UNSAID:
            return x
        self.report(layer.place, f"{layer.label}: say with from which input it reads: {', '.join(self._inputs)}")
        return None

    def add_list(self, layers: LayerList, x: Value | None, names: dict[str, Any], outer: Frame) -> Value | None:
        """Add layers one behind the other; the last one's value."""
        frame = Frame(layers, outer, {})
        automatic = layers.automatic_names()
        if automatic:
            self.builder.reserve(automatic)
        for index, layer in enumerate(layers.layers):
            sources = self.find_sources(layer, index, frame)
            x = self.add_repeated(layer, (x,) if sources is None else sources, names, frame)
            if layer.name is not None:
                frame.values[layer.name] = x
        return x

    def find_sources(self, layer: Layer, index: int, frame: Frame) -> tuple[Value | None, ...] | None:
        """The values that `from` names, or None where there is no `from`."""
        if layer.sources is None:
            return None
        found = []
        for source in layer.sources:
            known, value = frame.find(source.value)
            if not known:
                self.report(source, f"{layer.label}: {self.why_unknown(source.value, layer, index, frame)}")
            found.append(value)
        return tuple(found)

    def why_unknown(self, name: str, layer: Layer, index: int, frame: Frame) -> str:
        if name == layer.name:
            return f'from names the layer itself: a cycle, "{name}" -> "{name}"'
        position = frame.layers.positions.get(name)
        if position is None or position < index:
            return f'from names no layer above it: "{name[:60]}"{nearest_hint(name[:60], frame.names())}'
        line = frame.layers.layers[position].place.line
        chain = path_back(frame.layers, position, index)
        if chain is None:
            return f'from names "{name}", which stands below it on line {line}; move that layer up'
        return (
            f"from makes a cycle: {' -> '.join((layer.label, *reversed(chain)))} -> {layer.label}; read a layer above"
        )

    def add_repeated(
        self, layer: Layer, xs: tuple[Value | None, ...], names: dict[str, Any], frame: Frame
    ) -> Value | None:
        if layer.repeat is None:
            return self.add_layer(layer, layer.name, xs, names, frame)
        times = self.read_repeat(layer, names)
        if times is None:
            return None
        x = xs[0]
        before = len(self._reported)
        try:
            with self.builder.scope(layer.name, layer.word, "repeat", f"x {times}"):
                for number in range(times):
                    x = self.add_layer(layer, str(number), (x,), names, frame)
                    if len(self._reported) > before:
                        return x
        except GraphError as error:
            if isinstance(error, LimitError):
                raise
            self.report(layer.place, f"{layer.label}: {error}")
            return None
        return x

    def read_repeat(self, layer: Layer, names: dict[str, Any]) -> int | None:
        """The number of repetitions; 1 where a mistake hides it, None after a mistake. A comparison counts 0 or 1."""
        assert layer.repeat is not None
        try:
            value = self.fields.value_of(layer.repeat, names)
        except ExpressionError as error:
            self.report(layer.repeat, f"{layer.label}: repeat: {error}")
            return None
        if value is HIDDEN:
            return 1
        compared = isinstance(value, bool) and isinstance(layer.repeat, Scalar) and isinstance(layer.repeat.value, str)
        times = int(value) if compared else as_whole(value)
        if times is None or not 0 <= times <= LIMIT:
            decides = "decides what is built, and " if is_symbolic(value) else ""
            rule = f"it {decides}must be a whole number from 0 to {LIMIT:,}"
            self.report(layer.repeat, f"{layer.label}: repeat is {show(value)}; {rule}")
            return None
        return times

    def add_layer(
        self, layer: Layer, name: str | None, xs: tuple[Value | None, ...], names: dict[str, Any], frame: Frame
    ) -> Value | None:
        if layer.broken:
            return None
        try:
            if layer.branches is not None:
                return self.add_branches(layer, name, xs[0], names, frame)
            if layer.word in self.own_blocks:
                return self.add_own_block(layer, name, xs[0], names)
            return self.add_registered(layer, name, xs, names)
        except LimitError:
            raise
        except (GraphError, FieldError) as error:
            self.report(layer.place, f"{layer.label}: {error}")
            return None

    def add_branches(
        self, layer: Layer, name: str | None, x: Value | None, names: dict[str, Any], frame: Frame
    ) -> Value | None:
        assert layer.branches is not None
        role = "sequence" if layer.word == "sequence" else "join"
        with self.builder.scope(
            name, layer.word, role, "" if role == "sequence" else f"{len(layer.branches)} branches"
        ):
            ends = [self.add_list(branch, x, names, frame) for branch in layer.branches]
            if role == "sequence":
                return ends[0] if ends else x
            known = tuple(end for end in (self.said(layer, end) for end in ends) if end is not None)
            if not ends or len(known) < len(ends):
                return None
            word = layer.word if self.builder.is_free(layer.word) else None
            return self.add_operator(layer, word, known, {})

    def add_own_block(self, layer: Layer, name: str | None, x: Value | None, names: dict[str, Any]) -> Value | None:
        """Add the layers of a block of the file; where the input is hidden, to find the mistakes among them."""
        block = self.own_blocks[layer.word]
        x = self.said(layer, x)
        channels = HIDDEN if x is None else x.channels
        arguments = self.fields.arguments(layer, block, names, channels)
        inner = {**self.variables, **arguments, "in_channels": channels}
        with self.builder.scope(name, block.name, detail=block.describe(arguments)):
            self._calls.append((block.name, layer.place))
            try:
                return self.add_list(block.layers, x, inner, Frame(LayerList(), None, {"input": x}))
            finally:
                self._calls.pop()

    def add_registered(
        self, layer: Layer, name: str | None, xs: tuple[Value | None, ...], names: dict[str, Any]
    ) -> Value | None:
        """Add an operator or block of the registry, with its fields."""
        cls = OPERATORS.get(layer.word)
        kinds = cls.field_annotations if cls else BLOCKS[layer.word].arguments
        defaults = cls.field_defaults if cls else BLOCKS[layer.word].defaults
        if cls is not None and cls.many_inputs and len(xs) < 2:
            return None  # reported already
        xs = tuple(self.said(layer, x) for x in xs)
        rank = len(xs[0].shape) - 1 if xs[0] is not None and 2 <= len(xs[0].shape) <= 4 else None
        fields = self.fields.registered(layer, kinds, defaults, rank, names)
        if fields is None or any(x is None for x in xs):
            return None
        return self.add_operator(layer, name, tuple(x for x in xs if x is not None), fields)

    def add_operator(
        self, layer: Layer, name: str | None, xs: tuple[Value, ...], fields: dict[str, Any]
    ) -> Value | None:
        try:
            return self.builder.apply(layer.word, *xs, name=name, **fields)
        except LimitError:
            raise
        except (GraphError, FieldError) as error:
            message = str(error).removeprefix(f'{layer.word} "{name}": ').removeprefix(f"{layer.word}: ")
            field = getattr(error, "field", None) or message.split(" ", 1)[0]
            place = layer.fields[field][1] if field in layer.fields else layer.place
            self.report(place, f"{layer.label}: {message}")
            return recovered(layer.word, xs, fields)
        except TypeError:
            symbols = [field for field, value in fields.items() if depends_on_symbols(value)]
            if not symbols:
                raise
            rule = "what is built is decided by it, and must be known; set the variable to a number"
            self.report(layer.place, f"{layer.label}: {' and '.join(symbols)} depends on a symbol; {rule}")
            return None


def depends_on_symbols(value: Any) -> bool:
    """Whether a value, or a part of it, is symbolic."""
    return any(map(depends_on_symbols, value)) if isinstance(value, (list, tuple)) else is_symbolic(value)


def recovered(word: str, xs: tuple[Value, ...], fields: dict[str, Any]) -> Value | None:
    """The value with which reading goes on after a mistake: the shape, where the formula gives one all the same."""
    cls: type[Operator] | None = OPERATORS.get(word)
    if cls is None:
        return None
    shapes = tuple(x.shape for x in xs)
    try:
        shape = cls.bind(fields, shapes).out_shape(shapes)
    except (GraphError, FieldError, ValueError, ArithmeticError, IndexError):
        return None
    good = all(not is_int(size) or size >= 1 for size in shape)
    return xs[0].replace(shape=shape) if good else None


def path_back(layers: LayerList, start: int, goal: int) -> list[str] | None:
    """The labels on the way from the layer `start` back to the layer `goal`, or None where there is none."""
    waiting: list[tuple[int, list[str]]] = [(start, [])]
    seen = set()
    while waiting:
        position, chain = waiting.pop()
        if position in seen or position < 0:
            continue
        seen.add(position)
        layer = layers.layers[position]
        if position == goal:
            return chain
        chain = [*chain, layer.label]
        sources = [source.value for source in layer.sources or ()]
        before = [layers.positions[name] for name in sources if name in layers.positions] if sources else [position - 1]
        waiting.extend((other, chain) for other in before)
    return None
