"""The graph: an immutable list of nodes in the order of execution, and the builder, the one way to make it.

A node is a primitive operator on the outputs of earlier nodes. Blocks leave a trace as scopes: `block3.pointwise` lies
in the scope `block3`, whose kind is the block's name, and reports fold nodes by them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from convcost.arith import Shape, is_int, looks_equal
from convcost.errors import FieldError, GraphError, LimitError
from convcost.ops import Block, Operator, catalogue_entry
from convcost.ops.base import show_shape
from convcost.ops.conv import show_window
from convcost.ops.kinds import COUNT, LARGEST, show
from convcost.ops.move import Input
from convcost.record import Record

__all__ = ["Builder", "Graph", "Node", "Origin", "Scope", "Value"]


class Scope(Record):
    """A named part of a network.

    `role` says what made it (`block`, `repeat`, `sequence`, `join`), `kind` the operator or block that it is made of,
    `detail` what that is in a few words.
    """

    path: str
    kind: str
    role: str = "block"
    detail: str = ""
    parent: Scope | None = None

    def lineage(self) -> tuple[Scope, ...]:
        """The scopes around, outermost first, with this one last."""
        return (*self.parent.lineage(), self) if self.parent else (self,)


class Origin(Record):
    """Where a node that a rule put there comes from: the layer that it replaces, the rule, and all rules applied."""

    layer: str
    rule: str
    rules: str


class Node(Record):
    """An operator at its place: `inputs` are positions of earlier nodes, `shape` is the output's."""

    name: str
    op: Operator
    inputs: tuple[int, ...]
    shape: Shape
    scope: Scope | None = None
    origin: Origin | None = None

    @property
    def is_input(self) -> bool:
        """Whether it is an input of the network, which is no layer."""
        return isinstance(self.op, Input)

    @property
    def block(self) -> str | None:
        """The innermost block around it, or None."""
        scope = self.scope
        while scope is not None and scope.role != "block":
            scope = scope.parent
        return scope.kind if scope else None


class Graph(Record):
    """A network, checked when made.

    `variables` are the numbers with which it was made.

    Raises:
        GraphError: a node reads one that does not stand before it, or two nodes share a name.
    """

    nodes: tuple[Node, ...]
    name: str = ""
    source: str = ""
    variables: dict[str, Any] = {}  # a new one for each graph

    def __init__(self, **values: Any) -> None:
        super().__init__(**{"variables": {}, **values})
        names: set[str] = set()
        for position, node in enumerate(self.nodes):
            if node.name in names:
                raise GraphError(f'two nodes are named "{node.name}"; names must differ')
            names.add(node.name)
            if any(not 0 <= source < position for source in node.inputs):
                raise GraphError(f'node "{node.name}" reads a node that does not stand before it')

    @property
    def inputs(self) -> tuple[Node, ...]:
        """The inputs of the network."""
        return tuple(node for node in self.nodes if node.is_input)

    @property
    def layers(self) -> tuple[Node, ...]:
        """Every node but the inputs, in the order of execution."""
        return tuple(node for node in self.nodes if not node.is_input)

    @property
    def outputs(self) -> tuple[Node, ...]:
        """The layers that no other reads; the inputs, where there is no layer."""
        read = {source for node in self.nodes for source in node.inputs}
        unread = tuple(node for position, node in enumerate(self.nodes) if position not in read)
        return tuple(node for node in unread if not node.is_input) or unread

    def part(self, first: int, last: int) -> Graph:
        """The nodes from position `first` to `last`, which read one value from before, as a network of their own."""
        (source,) = {source for node in self.nodes[first : last + 1] for source in node.inputs if source < first}
        shape = self.nodes[source].shape
        places = {source: 0, **{position: position - first + 1 for position in range(first, last + 1)}}
        inner = [
            node.replace(inputs=tuple(places[position] for position in node.inputs))
            for node in self.nodes[first : last + 1]
        ]
        return Graph(nodes=(Node(name="input", op=Input(shape=shape), inputs=(), shape=shape), *inner))

    def input_shapes(self, node: Node) -> tuple[Shape, ...]:
        """The shapes that a node reads."""
        return tuple(self.nodes[source].shape for source in node.inputs)


class Value(Record):
    """The output of a node while a graph is being built by `owner`."""

    position: int
    shape: Shape
    owner: Any = None

    @property
    def channels(self) -> Any:
        """The first axis: specs have no leading axis."""
        return self.shape[0]


class Builder:
    """Makes a graph, node by node: `x = b.conv(x, out_channels=32, kernel_size=3)`.

    Every registered operator and block is a method; each takes the values it reads, `name`, and its fields.
    `leading` is the number of axes before the channels; `limit` the number of nodes at which it refuses to go on.
    """

    def __init__(self, leading: int = 0, limit: int | None = None) -> None:
        self.leading = leading
        self.limit = limit
        self.nodes: list[Node] = []
        self._names: set[str] = set()
        self._given: list[str] = []  # the same, in order
        self._reserved: set[str] = set()
        self._counters: dict[str, int] = {}
        self._scope: Scope | None = None
        self._bound: dict[Any, tuple[Operator, Shape]] = {}

    def input(self, shape: Shape, name: str = "input") -> Value:
        """Add an input of the network, without the batch.

        Raises:
            FieldError: an axis is no whole number of at least 1, or there is none.
        """
        if not isinstance(shape, (tuple, list)):
            raise FieldError(f'the shape of input "{name}" is {show(shape)}; it must be (channels, ...)')
        sizes = tuple(COUNT.parse(f'an axis of input "{name}"', size, None) for size in shape)
        if not sizes:
            raise FieldError(f'input "{name}" has no axis; its shape must be (channels, ...)')
        return self.add_operator(Input(shape=sizes), name=name)

    def __getattr__(self, word: str) -> Callable[..., Value]:
        if word.startswith("_"):
            raise AttributeError(word)
        try:
            catalogue_entry(word)
        except GraphError as error:
            raise AttributeError(str(error)) from None
        return partial(self.apply, word)

    def apply(self, word: str, *inputs: Value, name: str | None = None, **fields: Any) -> Value:
        """Add the operator or block of that name.

        Raises:
            FieldError: a field is unknown, missing or of the wrong kind.
            GraphError: the operator cannot stand on these inputs.
        """
        entry = catalogue_entry(word)
        try:
            for value in inputs:
                if not isinstance(value, Value) or value.owner is not self:
                    raise GraphError(f"it reads {show(value)[:60]}, which is no value of this builder")
            if isinstance(entry, Block):
                return self._build_block(entry, inputs, name, fields)
            if not inputs or (len(inputs) > 1 and not entry.many_inputs and entry.supported):
                rule = "at least one input" if entry.many_inputs else "one input"
                raise GraphError(f"{entry.word} takes {rule}, not {len(inputs)}")
            op, shape = self._bind(entry, fields, tuple(value.shape for value in inputs))
            return self._append(op, inputs, shape, name)
        except LimitError:
            raise
        except FieldError as error:
            raise FieldError(f"{label(word, name)}: {error}", error.field) from None
        except GraphError as error:
            raise GraphError(f"{label(word, name)}: {error}") from None

    def add_operator(self, op: Operator, *inputs: Value, name: str | None = None) -> Value:
        """Add an operator that is made already.

        Raises:
            GraphError: the operator cannot stand on these inputs.
        """
        shapes = tuple(value.shape for value in inputs)
        return self._append(op, inputs, self._checked_shape(op, shapes), name)

    @contextmanager
    def scope(self, name: str | None, kind: str, role: str = "block", detail: str = "") -> Iterator[Scope]:
        """Everything added inside lies in a scope of that name."""
        outer = self._scope
        self._scope = Scope(path=self._full_name(name, kind), kind=kind, role=role, detail=detail, parent=outer)
        try:
            yield self._scope
        finally:
            self._scope = outer

    def is_free(self, name: str) -> bool:
        """Whether nothing in the current scope has this name."""
        full = self.path_of(name)
        return full not in self._names and full not in self._reserved

    def path_of(self, name: str) -> str:
        """The full name of something called `name` in the current scope."""
        return f"{self._scope.path}.{name}" if self._scope else name

    def reserve(self, names: set[str]) -> None:
        """Keep names of the current scope from being given to unnamed nodes."""
        self._reserved.update(map(self.path_of, names))

    def graph(self, name: str = "", source: str = "", variables: dict[str, Any] | None = None) -> Graph:
        """The graph of everything added."""
        return Graph(nodes=tuple(self.nodes), name=name, source=source, variables=variables or {})

    def copy(self, node: Node, inputs: tuple[Value, ...]) -> Value:
        """Add a node of another graph as it is, scope and all, on inputs of the same shapes."""
        self._names.add(node.name)
        self._given.append(node.name)
        sources = tuple(value.position for value in inputs)
        self.nodes.append(node.replace(inputs=sources))
        return Value(position=len(self.nodes) - 1, shape=node.shape, owner=self)

    @contextmanager
    def within(self, scope: Scope | None) -> Iterator[None]:
        """Everything added inside lies in a scope of another graph."""
        outer = self._scope
        self._scope = scope
        try:
            yield
        finally:
            self._scope = outer

    def mark(self) -> tuple[int, int]:
        """How far the graph has come, for `take_back`."""
        return len(self.nodes), len(self._given)

    def take_back(self, mark: tuple[int, int]) -> None:
        """Forget everything added since the mark."""
        nodes, given = mark
        del self.nodes[nodes:]
        self._names.difference_update(self._given[given:])
        del self._given[given:]

    def set_origin(self, mark: tuple[int, int], origin: Origin) -> None:
        """Say of everything added since the mark where it comes from."""
        self.nodes[mark[0] :] = [node.replace(origin=origin) for node in self.nodes[mark[0] :]]

    def _bind(self, cls: type[Operator], fields: dict[str, Any], shapes: tuple[Shape, ...]) -> tuple[Operator, Shape]:
        """The bound operator and its output shape; one object for all equal layers, as in repeated blocks."""
        try:
            key = (cls, tuple((name, _types(value), value) for name, value in fields.items()), shapes)
            if key in self._bound:
                return self._bound[key]
        except TypeError:  # a list or an array among the fields
            key = None
        op = cls.bind(fields, shapes, self.leading)
        result = op, self._checked_shape(op, shapes)
        if key is not None:
            self._bound[key] = result
        return result

    def _checked_shape(self, op: Operator, shapes: tuple[Shape, ...]) -> Shape:
        for problem in op.check(shapes):
            raise GraphError(problem)
        shape = op.out_shape(shapes)
        if any(is_int(size) and size < 1 for size in shape):
            raise GraphError(f"the output would be {show_shape(shape)}; every axis must be at least 1")
        if any(is_int(size) and size > LARGEST for size in shape):
            raise GraphError(f"the output would be {show_shape(shape)}; no axis may exceed {LARGEST:.0e}")
        return shape

    def _append(self, op: Operator, inputs: tuple[Value, ...], shape: Shape, name: str | None) -> Value:
        if self.limit is not None and len(self.nodes) >= self.limit:
            raise LimitError(f"the network has more than {self.limit:,} layers, which is the limit of a spec")
        full = self._full_name(name, op.word)
        sources = tuple(value.position for value in inputs)
        self.nodes.append(Node(name=full, op=op, inputs=sources, shape=shape, scope=self._scope))
        return Value(position=len(self.nodes) - 1, shape=shape, owner=self)

    def _build_block(self, entry: Block, inputs: tuple[Value, ...], name: str | None, fields: dict[str, Any]) -> Value:
        if len(inputs) != 1:
            raise GraphError(f"{entry.word} takes one input, not {len(inputs)}")
        (value,) = inputs
        arguments = entry.bind(fields, value.shape, len(value.shape) - 1 - self.leading)
        with self.scope(name, entry.word, detail=describe_block(entry, arguments)):
            result: Value = entry.build(self, value, **arguments)
        return result

    def _full_name(self, name: str | None, word: str) -> str:
        """A name in the current scope: the one given, or the word and a number that no other has."""
        if name is not None:
            if not isinstance(name, str) or not name or not name.isprintable():
                raise GraphError(f"a name is {show(name)}; it must be printable text")
            full = self.path_of(name)
            if full in self._names:
                raise GraphError(f'the name "{full}" is taken; names must differ')
        else:
            counter = self.path_of(f"{word}_" if word[-1].isdigit() else word)
            number = self._counters.get(counter, 0) + 1
            while (full := f"{counter}{number}") in self._names or full in self._reserved:
                number += 1
            self._counters[counter] = number
        self._names.add(full)
        self._given.append(full)
        return full


def _types(value: Any) -> Any:
    return tuple(map(type, value)) if type(value) is tuple else type(value)


def label(word: str, name: str | None) -> str:
    """How messages name a layer: `conv "stem"`."""
    return f'{word} "{name}"' if name else word


WINDOW = ("kernel_size", "stride", "dilation")
UNREMARKABLE = {"out_channels", "padding", "bias", "norm", "activation", *WINDOW}


def describe_block(entry: Block, arguments: dict[str, Any]) -> str:
    """What a block is, in a few words: kernel, stride, and the fields that differ from their defaults."""
    words = [show_window(*(_axes(arguments.get(name, ())) for name in WINDOW)).strip()]
    for name, value in arguments.items():
        if name not in UNREMARKABLE and not _is_default(value, entry.defaults.get(name)):
            words.append(f"{name} {show(value).strip(chr(34))}")
    return " ".join(filter(None, words))


def _is_default(value: Any, default: Any) -> bool:
    """Whether a value is its field's default, on every axis."""
    if value is None or default is None:
        return value is default
    if default is None:
        return value is None
    values = value if isinstance(value, tuple) and not isinstance(default, tuple) else (value,)
    return all(looks_equal(item, default) for item in values)


def _axes(sizes: Any) -> Shape:
    """The sizes an axis; one for a block of one axis."""
    return sizes if isinstance(sizes, tuple) else (sizes,)
