"""The engine: finds the layers that rules match, and builds the network anew with others in their place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from convcost.arith import equal, is_int
from convcost.errors import ConvcostError, FieldError, GraphError
from convcost.graph import Builder, Graph, Node, Origin, Scope, Value
from convcost.ops import OPERATORS
from convcost.ops.base import show_shape
from convcost.ops.kinds import show
from convcost.record import Record
from convcost.rewrite.rules import Pattern, Rule, parse_rules
from convcost.rewrite.targets import Site, fields_for, hold_complete

__all__ = ["Replaced", "Rewriting", "Skipped", "replace"]


class Replaced(Record):
    """A layer that was replaced: its nodes before (names in the old graph) and after (names in the new one)."""

    name: str
    rule: str
    before: tuple[str, ...]
    after: tuple[str, ...]


class Skipped(Record):
    """A layer that was matched and kept, and why."""

    name: str
    rule: str
    reason: str


class Rewriting(Record):
    """A network rewritten: the new graph, what was replaced, and what was kept and why."""

    graph: Graph
    rule: str
    replaced: tuple[Replaced, ...]
    skipped: tuple[Skipped, ...]


def replace(graph: Graph, rules: str | Sequence[Rule | str]) -> Rewriting:
    """The network with every layer that a rule matches replaced; the first rule that matches a layer wins.

    A replaced layer keeps the shapes of its input and output; one in whose place the replacement cannot stand is kept,
    and listed with the reason.

    Raises:
        ConvcostError: a rule cannot be read, lacks an argument, or matches nothing.
    """
    if not isinstance(graph, Graph):
        raise ConvcostError(f"replace needs a graph, not {show(graph)}; convcost.load(...) gives the graph of a spec")
    parsed = _parsed(rules, _block_kinds(graph))
    for rule in parsed:
        hold_complete(rule)
    text = "; ".join(rule.text for rule in parsed)
    return _Rewriter(graph, _choose(graph, parsed, text), text).run()


def _block_kinds(graph: Graph) -> set[str]:
    """The blocks that a network is made of, those of its own spec among them."""
    scopes = {node.scope for node in graph.nodes if node.scope is not None}
    return {around.kind for scope in scopes for around in scope.lineage() if around.role == "block"}


def _parsed(rules: Any, blocks: set[str]) -> tuple[Rule, ...]:
    several = [rules] if isinstance(rules, (str, Rule)) else rules
    if not isinstance(several, (list, tuple)) or not all(isinstance(rule, (str, Rule)) for rule in several):
        raise ConvcostError(f"rules are {show(rules)}; they must be text, such as conv3x3=dsconv, or a list of such")
    return tuple(
        found for rule in several for found in ((rule,) if isinstance(rule, Rule) else parse_rules(rule, blocks))
    )


def _choose(graph: Graph, rules: tuple[Rule, ...], text: str) -> dict[int, tuple[Site, Rule]]:
    """For each layer to be replaced its first node's position: the layer, and the rule that matches it.

    What these very rules have put there before is left alone, so that rewriting twice is rewriting once.
    """
    chosen: dict[int, tuple[Site, Rule]] = {}
    matched: set[str] = set()
    taken_to = -1
    for site in _sites(graph):
        origins = (node.origin for node in graph.nodes[site.first : site.last + 1])
        own = {origin.rule for origin in origins if origin is not None and origin.rules == text}
        if own:
            matched |= own
            continue
        if site.first <= taken_to:
            continue
        rule = next((rule for rule in rules if _matches(rule.pattern, site)), None)
        if rule is not None:
            chosen[site.first] = site, rule
            matched.add(rule.text)
            taken_to = site.last
    for rule in rules:
        if rule.text not in matched:
            raise ConvcostError(_nothing(graph, rule))
    return chosen


def _sites(graph: Graph) -> Iterator[Site]:
    """Every block and every layer, in order; a block before what is in it."""
    open_scopes: set[str] = set()
    ends: dict[str, int] = {}
    for position, node in enumerate(graph.nodes):
        for scope in node.scope.lineage() if node.scope else ():
            ends[scope.path] = position
    reads = _readers(graph)
    for position, node in enumerate(graph.nodes):
        if node.is_input:
            continue
        for scope in node.scope.lineage() if node.scope else ():
            if scope.path not in open_scopes:
                open_scopes.add(scope.path)
                if scope.role == "block":
                    yield _block_site(graph, scope, position, ends[scope.path], reads)
        yield _layer_site(graph, node, position)


def _readers(graph: Graph) -> dict[int, list[int]]:
    readers: dict[int, list[int]] = {position: [] for position in range(len(graph.nodes))}
    for position, node in enumerate(graph.nodes):
        for source in node.inputs:
            readers[source].append(position)
    return readers


def _layer_site(graph: Graph, node: Node, position: int) -> Site:
    facts = {name: getattr(node.op, name) for name in node.op.fields}
    facts["reads_input"] = graph.nodes[node.inputs[0]].is_input if node.inputs else False
    several = len(node.inputs) != 1
    return Site(
        name=node.name,
        word=node.op.word,
        first=position,
        last=position,
        source=node.inputs[0] if node.inputs else position,
        facts=facts,
        obstacle=f"it reads {len(node.inputs)} values, and a replacement reads one" if several else "",
    )


def _block_site(graph: Graph, scope: Scope, first: int, last: int, readers: dict[int, list[int]]) -> Site:
    """A block as a layer: its channels and stride as its input and output show them."""
    inside = range(first, last + 1)
    sources = {source for position in inside for source in graph.nodes[position].inputs if source < first}
    left = [position for position in inside if not readers[position] or readers[position][-1] > last]
    obstacle = ""
    if len(sources) != 1:
        obstacle = f"it reads {len(sources)} values, and a replacement reads one"
    elif left != [last]:
        names = ", ".join(graph.nodes[position].name for position in left)
        obstacle = f"more than its last layer is read outside of it ({names})"
    source = min(sources, default=first)
    before, after = graph.nodes[source].shape, graph.nodes[last].shape
    facts: dict[str, Any] = {"in_channels": before[0], "out_channels": after[0]}
    facts["reads_input"] = graph.nodes[source].is_input
    words = [graph.nodes[position].op for position in inside]
    facts["norm"] = next((op.word for op in words if op.family == "normalisation"), "none")
    facts["activation"] = next((op.word for op in words if op.family == "activation"), "none")
    facts["bias"] = any(getattr(graph.nodes[position].op, "bias", False) for position in inside)
    sizes = list(zip(before[1:], after[1:], strict=False))
    if sizes and all(is_int(a) and is_int(b) for a, b in sizes):
        facts["stride"] = tuple(
            max(1, (2 * a + b) // (2 * b)) for a, b in sizes
        )  # without padding, maps shrink as well
    return Site(name=scope.path, word=scope.kind, first=first, last=last, source=source, facts=facts, obstacle=obstacle)


def _matches(pattern: Pattern, site: Site) -> bool:
    if pattern.word != site.word:
        return False
    if site.word == "conv":
        kernel = site.facts["kernel_size"]
        if kernel != pattern.kernel and (pattern.kernel is not None or all(size == 1 for size in kernel)):
            return False
    for condition in pattern.conditions:
        if condition.field == "name":
            found = site.name
        elif condition.field in site.facts:
            found = site.facts[condition.field]
        else:
            known = ", ".join(("name", *(name for name in site.facts if name != "reads_input")))
            raise ConvcostError(f'pattern "{pattern.text}": {site.word} has no "{condition.field}"; known are {known}')
        if isinstance(condition.value, str) and condition.sign != "~" and not _may_be_word(found):
            shown = f"{condition.field}{condition.sign}{condition.value}"
            kind = "true or false" if isinstance(found, bool) else "a number"
            raise ConvcostError(f'pattern "{pattern.text}": in {shown}, {condition.value} must be {kind}')
        if not condition.holds(found):
            return False
    return True


def _may_be_word(found: Any) -> bool:
    """Whether a field can hold a word: `same` in the place of numbers, a mode; a flag or a count cannot."""
    return not isinstance(found, (bool, int))


def _nothing(graph: Graph, rule: Rule) -> str:
    """What a rule that matches nothing could have said."""
    count = sum(_matches(rule.pattern, site) for site in _sites(graph))
    if count:
        return (
            f'rule "{rule.text}": all that "{rule.pattern.text}" matches ({count}) is taken by a rule before it, as it'
            " is or as a part of a block; put the narrower rule first"
        )
    found: Counter[str] = Counter()
    for site in _sites(graph):
        if site.word == "conv":
            found[f"conv{show_shape(site.facts['kernel_size'])}"] += 1
        elif site.word not in OPERATORS or site.word == "linear":
            found[site.word] += 1
    there = ", ".join(f"{word} ({count})" for word, count in found.most_common(12)) or "no convolution and no block"
    same = _same_word(graph, rule.pattern)
    narrowed = f" {same} match without its conditions;" if same and rule.pattern.conditions else ""
    return f'rule "{rule.text}": "{rule.pattern.text}" matches no layer;{narrowed} the network has {there}'


def _same_word(graph: Graph, pattern: Pattern) -> int:
    free = pattern.replace(conditions=())
    return sum(_matches(free, site) for site in _sites(graph))


class _Rewriter:
    """Copies a graph node by node, and builds the replacements where it comes to them."""

    def __init__(self, graph: Graph, chosen: dict[int, tuple[Site, Rule]], rule: str) -> None:
        self.graph = graph
        self.chosen = chosen
        self.rule = rule
        self.builder = Builder()
        self.values: dict[int, Value] = {}
        self.places = {node.name: position for position, node in enumerate(graph.nodes)}
        self.replaced: list[Replaced] = []
        self.skipped: list[Skipped] = []

    def run(self) -> Rewriting:
        position = 0
        while position < len(self.graph.nodes):
            site, rule = self.chosen.get(position, (None, None))
            if site is not None and rule is not None and self.substitute(site, rule):
                position = site.last + 1
            else:
                self.copy(position)
                position += 1
        graph = self.builder.graph(self.graph.name, self.graph.source, self.graph.variables)
        return Rewriting(graph=graph, rule=self.rule, replaced=tuple(self.replaced), skipped=tuple(self.skipped))

    def copy(self, position: int) -> None:
        node = self.graph.nodes[position]
        self.values[position] = self.builder.copy(node, tuple(self.values[source] for source in node.inputs))

    def substitute(self, site: Site, rule: Rule) -> bool:
        """Build the replacement of a layer, or note why it cannot stand there."""
        mark = self.builder.mark()
        try:
            if site.obstacle:
                raise GraphError(site.obstacle)
            value = self.build(site, rule)
            self.hold_names_free(mark[0], site)
        except (GraphError, FieldError) as error:
            self.builder.take_back(mark)
            self.skipped.append(Skipped(name=site.name, rule=rule.text, reason=str(error)))
            return False
        self.values[site.last] = value
        self.builder.set_origin(mark, Origin(layer=site.name, rule=rule.text, rules=self.rule))
        old = tuple(node.name for node in self.graph.nodes[site.first : site.last + 1])
        new = tuple(node.name for node in self.builder.nodes[mark[0] :])
        self.replaced.append(Replaced(name=site.name, rule=rule.text, before=old, after=new))
        return True

    def build(self, site: Site, rule: Rule) -> Value:
        word, fields = fields_for(site, rule.word, rule.given)
        outer = self.outer_scope(site)
        for scope in outer.lineage() if outer else ():
            if scope.kind == word:
                raise GraphError(f'it is part of "{scope.path}", which is {word} already')
        name = site.name.removeprefix(f"{outer.path}.") if outer else site.name
        with self.builder.within(outer):
            value = self.builder.apply(word, self.values[site.source], name=name, **fields)
        wanted = self.graph.nodes[site.last].shape
        if len(value.shape) != len(wanted) or not all(map(equal, value.shape, wanted)):
            stride = site.facts.get("stride", ())
            strided = any(is_int(step) and step != 1 for step in stride)
            resized = len(value.shape) == len(wanted) and value.shape[1:] != wanted[1:]
            unaware = strided and resized and "stride" not in fields
            cause = f"it takes no stride (={show_shape(stride)}): " if unaware else ""
            raise GraphError(f"{cause}it gives {show_shape(value.shape)}, and {show_shape(wanted)} is needed there")
        return value

    def hold_names_free(self, start: int, site: Site) -> None:
        """What was added since must not be named like a layer that follows."""
        for node in self.builder.nodes[start:]:
            if self.places.get(node.name, -1) > site.last:
                raise GraphError(f'a layer of it would be named "{node.name}", as another is')

    def outer_scope(self, site: Site) -> Scope | None:
        """The scope around a layer or block."""
        scope = self.graph.nodes[site.first].scope
        if site.word in OPERATORS:
            return scope
        while scope is not None and scope.path != site.name:
            scope = scope.parent
        return scope.parent if scope else None
