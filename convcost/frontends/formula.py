"""Closed forms of specs and graphs: which variables and axes become symbols, and what they can be."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from convcost.arith import Shape, is_int
from convcost.errors import ConvcostError, nearest_hint
from convcost.frontends.load import find_spec, load_spec
from convcost.frontends.yaml_reader import Located, Scalar, Sequence, read_yaml
from convcost.frontends.yaml_reader import Mapping as YamlMapping
from convcost.graph import Graph
from convcost.ops.kinds import is_symbolic

if TYPE_CHECKING:
    from convcost.formulas.closed_form import Formula

__all__ = ["decimal_variables", "formula", "symbolic_graph"]

AXES = {
    1: (("length", "L"),),
    2: (("height", "H"), ("width", "W")),
    3: (("depth", "D"), ("height", "H"), ("width", "W")),
}
"""What the spatial axes of an input are called, by their number; the capital where a variable has the name."""
WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
DECIMAL = re.compile(r"[-+]?\d*\.\d|[-+]?\d+\s*/")


def formula(
    target: str | Graph,
    symbols: Iterable[str] | None = None,
    *,
    variables: Mapping[str, Any] | None = None,
    metrics: Iterable[str] | None = None,
    batch: int = 1,
    dtype: str = "float32",
) -> Formula:
    """The totals of a network in closed form, exact for every size.

    `target` is a spec or a graph; `symbols` name variables of the spec, or spatial axes of the input (`height`,
    `width`, `length`, `depth`); without them, whatever sets the size of the input. `variables` are set to numbers.

    Raises:
        ConvcostError: a symbol is unknown, or decides what the network is made of.
        SpecError: the spec has mistakes, all of which are listed.
    """
    from convcost.formulas.closed_form import DEFAULT_METRICS, closed_form
    from convcost.formulas.symbolic import assumptions

    with assumptions() as found:
        if isinstance(target, Graph):
            graph, known, defaults = _of_graph(target, symbols)
        else:
            graph, known, defaults = _of_spec(target, symbols, dict(variables or {}))
    wanted = DEFAULT_METRICS if metrics is None else metrics
    return closed_form(graph, known, wanted, found=found, defaults=defaults, batch=batch, dtype=dtype)


def symbolic_graph(target: str, symbols: Iterable[str], variables: Mapping[str, Any] | None = None) -> Graph:
    """The network of a spec on symbols: variables of the spec, or spatial axes of its input.

    Raises:
        ConvcostError: a symbol is unknown, or decides what the network is made of.
        SpecError: the spec has mistakes, all of which are listed.
    """
    from convcost.formulas.symbolic import assumptions

    with assumptions():
        return _of_spec(target, symbols, dict(variables or {}))[0]


def verified(made: Formula, target: str, values: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, int]:
    """The totals of a spec's formula at a point, held to those of the spec that is read anew there, by its own rules.

    Raises:
        ConvcostError: the formula does not hold there.
        SpecError: the spec is refused there.
    """
    from convcost.analysis.cost import analyze
    from convcost.formulas.resized import resized

    given = {name: value for name, value in values.items() if made.symbols[name] in made.variable_symbols}
    graph = load_spec(target, {**variables, **given}).graph
    free = [name for name in values if name not in given]
    if free:
        sizes = {made.symbols[name]: values[name] for name in free}
        shapes = {node.name: tuple(sizes.get(size, size) for size in node.shape) for node in made.graph.inputs}
        own = {node.name: node.shape for node in graph.inputs}
        known = {
            name: tuple(size if is_int(size) else before for size, before in zip(shape, own[name], strict=True))
            for name, shape in shapes.items()
        }
        graph = resized(graph, known)
    totals = made.at(values)
    found = analyze(graph, batch=made.batch, dtype=made.dtype).totals.as_dict()
    for metric, total in totals.items():
        if found[metric] != total:
            where = ", ".join(f"{name}={value}" for name, value in values.items())
            raise ConvcostError(
                f"the closed form does not hold at {where}: it gives {metric} {total:,}, and the network has"
                f" {found[metric]:,}; the network is another there"
            )
    return totals


Made = tuple[Graph, dict[str, Any], dict[str, Any]]
"""A symbolic graph, its symbols by name, and the values that they had."""


def _of_graph(graph: Graph, symbols: Iterable[str] | None) -> Made:
    free = {str(symbol): symbol for node in graph.nodes for symbol in _free((node.shape, *node.op.as_dict().values()))}
    if free:
        names = list(free) if symbols is None else [str(name) for name in symbols]
        for name in names:
            if name not in free:
                raise ConvcostError(f'"{name}" is no symbol of the graph; it has {", ".join(free)}')
        return graph, free, {}
    axes = axes_of(graph)
    names = [name for name, _ in axes] if symbols is None else [str(name) for name in symbols]
    return _with_axes(graph, names, {}, axes)


def _free(value: Any) -> Iterable[Any]:
    """The symbols in a value, or in the parts of a list."""
    if isinstance(value, (list, tuple)):
        return [symbol for part in value for symbol in _free(part)]
    return sorted(getattr(value, "free_symbols", ()), key=str) if is_symbolic(value) else ()


def _of_spec(target: str, symbols: Iterable[str] | None, settings: dict[str, Any]) -> Made:
    written = load_spec(target, settings).graph
    root, _ = read_yaml(find_spec(target))
    axes = axes_of(written)
    names = default_symbols(root, written, axes) if symbols is None else list(dict.fromkeys(map(str, symbols)))
    if not names:
        has = f"name one of its variables: {', '.join(written.variables)}" if written.variables else "nor any other"
        raise ConvcostError(f"{target} has no variable that sets the size of its input, and no spatial axis; {has}")
    of_axes = [name for name in names if is_axis(name, names, written, axes)]
    decimals = decimal_variables(target)
    chosen: dict[str, Any] = {}
    for name in names:
        if name in of_axes:
            continue
        if name in settings:
            raise ConvcostError(f"{name} is set to a number and cannot be a symbol as well")
        chosen[name] = _variable_symbol(name, written, name in decimals, axes)
    graph = load_spec(target, {**settings, **chosen}).graph if chosen else written
    defaults = {name: written.variables[name] for name in chosen}
    return _with_axes(graph, of_axes, chosen, axes, defaults) if of_axes else (graph, chosen, defaults)


def _variable_symbol(name: str, written: Graph, decimal: bool, axes: list[tuple[str, str]]) -> Any:
    from convcost.formulas.symbolic import number_symbol, size_symbol

    if name not in written.variables:
        known = [*written.variables, *(word for pair in axes for word in pair)]
        has = f"it has {', '.join(written.variables)}" if written.variables else "it has none"
        spatial = f", and its input the axes {', '.join(word for word, _ in axes)}" if axes else ""
        raise ConvcostError(f'the spec has no variable "{name}"; {has}{spatial}{nearest_hint(name, known)}')
    value = written.variables[name]
    if isinstance(value, (bool, str)) or not isinstance(value, (int, Fraction)):
        raise ConvcostError(f"{name} is {value}, and no number; it cannot be a symbol")
    if value <= 0:
        raise ConvcostError(f"{name} is {value}; a symbol stands for a number above 0. Set it with --set {name}=...")
    return number_symbol(name) if decimal or isinstance(value, Fraction) else size_symbol(name)


def axes_of(graph: Graph) -> list[tuple[str, str]]:
    """The names of the spatial axes of the inputs, all of which have equally many; none where they do not."""
    ranks = {len(node.shape) - 1 for node in graph.inputs}
    return list(AXES.get(ranks.pop(), ())) if len(ranks) == 1 else []


def is_axis(name: str, names: list[str], graph: Graph, axes: list[tuple[str, str]]) -> bool:
    """Whether a symbol is an axis of the input. A variable of the spec comes first, unless another axis is asked for by
    such a name: height and width are both axes."""
    others = [word for word, _ in axes if word in names and word != name and word not in graph.variables]
    if name in graph.variables:
        return name in [word for word, _ in axes] and bool(others)
    return any(name in pair for pair in axes)


def default_symbols(root: Located, written: Graph, axes: list[tuple[str, str]]) -> list[str]:
    """The variables in the spatial sizes of the inputs, or else their axes."""
    value = root.get("input") if isinstance(root, YamlMapping) else None
    shapes = [shape for _, shape in value.entries.values()] if isinstance(value, YamlMapping) else [value]
    words: list[str] = []
    for shape in shapes:
        for item in shape.items[1:] if isinstance(shape, Sequence) else ():
            if isinstance(item, Scalar) and isinstance(item.value, str):
                words += [word for word in WORD.findall(item.value) if word in written.variables]
    if words:
        return list(dict.fromkeys(words))
    clash = any(word in written.variables for word, _ in axes)
    return [pair[clash] for pair in axes]


def _with_axes(
    graph: Graph,
    names: list[str],
    chosen: dict[str, Any],
    axes: list[tuple[str, str]],
    defaults: Mapping[str, Any] | None = None,
) -> Made:
    """The graph with these axes of its inputs as symbols; the others stay what they are."""
    from convcost.formulas.resized import resized
    from convcost.formulas.symbolic import size_symbol

    places: dict[int, Any] = {}
    for name in names:
        found = [place for place, pair in enumerate(axes) if name in pair]
        if not found:
            known = ", ".join(word for word, _ in axes) or "none"
            raise ConvcostError(f'"{name}" is no spatial axis of the input; it has {known}{nearest_hint(name, SHORT)}')
        places[found[0]] = size_symbol(name)
    if not places:
        raise ConvcostError("the input has no spatial axis that could be a symbol")
    before: dict[str, set[Any]] = {symbol.name: set() for symbol in places.values()}
    shapes: dict[str, Shape] = {}
    for node in graph.inputs:
        for place, symbol in places.items():
            before[symbol.name].add(node.shape[1 + place])
        sizes = enumerate(node.shape[1:])
        shapes[node.name] = (node.shape[0], *(places.get(place, size) for place, size in sizes))
    for name, sizes_before in before.items():
        if len(sizes_before) > 1:
            raise ConvcostError(
                f"the inputs differ in {name}; only inputs of one size can have it as a symbol."
                " Name a variable of the spec"
            )
    values = {name: size for name, (size,) in before.items() if is_int(size)}
    symbols = {**chosen, **{symbol.name: symbol for symbol in places.values()}}
    return resized(graph, shapes), symbols, {**(defaults or {}), **values}


SHORT = [word for pairs in AXES.values() for pair in pairs for word in pair]


def decimal_variables(target: str) -> set[str]:
    """The variables of a spec whose default is written with a point or fraction, or that some expectation sets to a
    number that is not whole: a width of 1.0 is no count."""
    path = find_spec(target)
    root, _ = read_yaml(path)
    if not isinstance(root, YamlMapping):
        return set()
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    found = set()
    variables = root.get("variables")
    for name, (_, value) in variables.entries.items() if isinstance(variables, YamlMapping) else ():
        is_number = isinstance(value, Scalar) and not isinstance(value.value, (str, bool))
        if is_number and DECIMAL.match(lines[value.line - 1][value.column - 1 :]):
            found.add(name)
    expectations = root.get("expect")
    for item in expectations.items if isinstance(expectations, Sequence) else ():
        settings = item.get("set") if isinstance(item, YamlMapping) else None
        for name, (_, value) in settings.entries.items() if isinstance(settings, YamlMapping) else ():
            if isinstance(value, Scalar) and isinstance(value.value, Fraction):
                found.add(name)
    return found
