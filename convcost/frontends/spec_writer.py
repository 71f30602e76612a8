"""A graph as a spec, which `read_spec` reads back to the same operators, in the same order, on the same values."""

from __future__ import annotations

import textwrap
from fractions import Fraction
from typing import Any

from convcost.analysis.cost import analyze
from convcost.arith import Shape
from convcost.errors import ConvcostError, printable
from convcost.frontends.spec_tree import Part, Tree
from convcost.frontends.yaml_reader import LARGEST_FILE, LARGEST_TREE
from convcost.frontends.yaml_spec import LARGEST_AXIS, LONGEST_TEXT
from convcost.frontends.yaml_writer import WIDTH, flow, pieces, values_in, written_text
from convcost.graph import Graph, Node, label
from convcost.ops import Operator
from convcost.ops.base import show_shape
from convcost.ops.join import show_shapes
from convcost.ops.kinds import Rank, kind_of, show

__all__ = ["to_spec"]

EDITOR_COMMENT = "# yaml-language-server: $schema=convcost.schema.json"
PLAIN_TYPES = (bool, int, str, Fraction)

Document = dict[str, Any]


def to_spec(graph: Graph) -> str:
    """The text of a spec with the layers of the graph, each with the fields that differ from their defaults.

    Names stay as they are where a spec allows them, and scopes become named sequences where nothing but their last
    value is read outside; elsewhere names are joined by `_`.

    Raises:
        ConvcostError: the spec language cannot say it: a size is symbolic, a layer joins one value, ...
    """
    for node in graph.nodes:
        check_node(node)
    if not graph.inputs:
        raise ConvcostError("the network has no input; a spec has at least one")
    document = Writer(graph).document()
    check_size(values_in(document), LARGEST_TREE, "values")
    text = "\n".join([EDITOR_COMMENT, *comment(graph.variables), *lines_of(document)]) + "\n"
    check_size(len(text.encode()), LARGEST_FILE, "bytes")
    return text


def check_size(found: int, limit: int, what: str) -> None:
    """Refuse a spec that no reader takes.

    Raises:
        ConvcostError: it has more than the limit.
    """
    if found > limit:
        raise ConvcostError(
            f"the network is too large for a spec: written out it has {found:,} {what}, and a spec may have {limit:,};"
            " export it to torch"
        )


def check_node(node: Node) -> None:
    """Refuse what no spec can say, whatever its fields.

    Raises:
        ConvcostError: a size is symbolic, an input too large, or the inputs are more or fewer than a layer can name.
    """
    place = label(node.op.word, node.name)
    for what, value in (*node.op.as_dict().items(), ("its output", node.shape)):
        if not is_plain(value):
            raise ConvcostError(
                f"{place}: {what} is {show_shape(value) if isinstance(value, tuple) else value}, which is no number;"
                " a network with symbolic sizes cannot be written as a spec; give its variables numbers"
            )
    if node.is_input:
        if len(node.shape) > 4 or max(node.shape) > LARGEST_AXIS:
            raise ConvcostError(
                f"{place} is {show_shape(node.shape)}; an input of a spec has 1 to 4 axes of at most 10^9"
            )
    elif node.op.many_inputs and len(node.inputs) < 2:
        raise ConvcostError(f"{place}: joins one value alone; a join of a spec has at least two: leave it out")
    elif not node.op.many_inputs and len(node.inputs) != 1:
        raise ConvcostError(
            f"{place}: reads {len(node.inputs)} values; in a spec it reads one: join them in front of it"
        )


def is_plain(value: Any) -> bool:
    """Whether a spec can hold a value of this kind: numbers, words, lists of them, or nothing."""
    if isinstance(value, (tuple, list)):
        return all(map(is_plain, value))
    return value is None or isinstance(value, PLAIN_TYPES)


class Writer:
    """Makes the mapping that the file holds."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.tree = Tree(graph)
        self._fields: dict[tuple[int, tuple[Shape, ...]], Document] = {}

    def document(self) -> Document:
        """The whole file."""
        totals = analyze(self.graph).totals
        layers = [self.layer(part) for part in self.tree.root.children]
        document = {
            "name": title(self.graph.name),
            "source": title(self.graph.source),
            "input": self.inputs(),
            "layers": layers or [{"sequence": []}],
            "expect": {"params": totals.params, "macs": totals.macs},
        }
        return {key: value for key, value in document.items() if value != ""}

    def inputs(self) -> Any:
        """One shape where the input is called so, otherwise shapes by name."""
        shapes = {part.name: list(self.graph.nodes[part.position].shape) for part in self.tree.inputs}
        return shapes["input"] if list(shapes) == ["input"] else shapes

    def layer(self, part: Part) -> Any:
        """A layer, or a sequence of layers, with what stands beside it; the bare word where there is nothing."""
        beside: Document = {"name": part.name} if part.is_named else {}
        if part.sources is not None:
            names = [source.name for source in part.sources]
            beside["from"] = names[0] if len(names) == 1 else names
        if part.children:
            return beside | self.sequence(part)
        fields = self.fields(self.graph.nodes[part.position])
        word = self.graph.nodes[part.position].op.word
        return {word: fields or None, **beside} if fields or beside else word

    def sequence(self, part: Part) -> Document:
        """The layers below a name: a repetition where they are equal and called 0, 1, ..."""
        layers = [self.layer(child) for child in part.children]
        if not part.is_chain():
            return {"sequence": layers}
        bodies = [{key: value for key, value in layer.items() if key != "name"} for layer in layers]
        are_equal = all(body == bodies[0] for body in bodies)
        return {"repeat": len(layers), **bodies[0]} if are_equal else {"sequence": layers}

    def fields(self, node: Node) -> Document:
        """The fields that have to be stated."""
        shapes = self.graph.input_shapes(node)
        key = id(node.op), shapes
        if key not in self._fields:
            try:
                self._fields[key] = stated_fields(node.op, shapes)
                pieces(self._fields[key])  # of numbers that are too fine to be written
            except ConvcostError as error:
                place = f"{label(node.op.word, node.name)}: on {show_shapes(shapes)}"
                raise ConvcostError(f"{place} a spec cannot say this: {error}") from None
        return self._fields[key]


def stated_fields(op: Operator, shapes: tuple[Shape, ...]) -> Document:
    """The fewest fields with which the operator is read again, one number for all axes where they agree.

    Raises:
        ConvcostError: no fields give it on these inputs.
    """
    kinds = {name: kind_of(annotation) for name, annotation in op.field_annotations.items()}
    fields = {
        name: value for name, value in op.as_dict().items() if value is not None and not isinstance(kinds[name], Rank)
    }
    bound = type(op).bind(fields, shapes)
    problems = list(bound.check(shapes))
    if problems or bound != op:
        other = "it would be read as another, since the shapes of a spec have no axis before the channels"
        raise ConvcostError(problems[0] if problems else other)
    for name in sorted(fields, key=lambda name: not kinds[name].derived):
        fewer = {other: value for other, value in fields.items() if other != name}
        if (kinds[name].derived or name in op.field_defaults) and gives(op, fewer, shapes):
            fields = fewer
    for name, value in fields.items():
        if isinstance(value, tuple) and len(set(value)) == 1 and gives(op, {**fields, name: value[0]}, shapes):
            fields = {**fields, name: value[0]}
    return fields


def gives(op: Operator, fields: Document, shapes: tuple[Shape, ...]) -> bool:
    """Whether these fields give the operator on these inputs."""
    try:
        return type(op).bind(fields, shapes) == op
    except ConvcostError:
        return False


def title(text: str) -> str:
    """A name or source as a spec may have it: printable, in one line, not too long."""
    return printable(" ".join(text.split()))[:LONGEST_TEXT].rstrip()


def comment(variables: Document) -> list[str]:
    """The numbers with which the network was made."""
    if not variables:
        return []
    told = ", ".join(f"{name} {printable(show(value))}" for name, value in variables.items())
    return textwrap.wrap(f"made with {told}", WIDTH, initial_indent="# ", subsequent_indent="# ")


def lines_of(document: Document) -> list[str]:
    """The lines of the file."""
    lines: list[str] = []
    for key, value in document.items():
        if isinstance(value, str):
            lines += written_text(f"{key}: ", value)
        elif key == "layers":
            lines += ["", "layers:", *layer_lines(value, 2), ""]
        else:
            lines += flow(f"{key}: ", value, 2)
    return lines


def layer_lines(layers: list[Any], indent: int) -> list[str]:
    """A list of layers, each behind a dash."""
    lines: list[str] = []
    for layer in layers:
        start = f"{' ' * indent}- "
        for key, value in ({layer: None} if isinstance(layer, str) else layer).items():
            if isinstance(layer, str):
                lines.append(start + layer)
            elif value is None:
                lines.append(f"{start}{key}:")
            elif key == "sequence" and value:
                lines += [f"{start}sequence:", *layer_lines(value, indent + 4)]
            else:
                lines += flow(f"{start}{key}: ", value, indent + 4)
            start = " " * (indent + 2)
    return lines
