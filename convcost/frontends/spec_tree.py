"""A graph as lists of layers in each other: what a spec can say of scopes, names, and who reads whom.

Names with dots become lists in each other. Of what stands inside a list, a spec can read only the last value from
outside, by the name of the list; a list of which more is read is dissolved into the one around it, and `stage.conv`
becomes `stage_conv`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from convcost.frontends.layers import NAME
from convcost.graph import Graph

__all__ = ["Part", "Tree"]

DEEPEST_LIST = 11
"""So many lists stand in each other at most: the longest names end within 120 characters, and 40 levels suffice."""
LONGEST_NAME = 64
OWN_INPUT = "input"


class Part:
    """A layer, or several under one name; `sources` are the parts that it names in `from`, None where it needs none."""

    def __init__(self, raw: str, parent: Part | None, position: int = -1) -> None:
        self.raw = raw
        self.parent = parent
        self.position = position
        self.children: list[Part] = []
        self.sources: tuple[Part, ...] | None = None
        self.name = ""
        self.is_read = False
        self.is_named = True
        self.leaks = False

    @property
    def head(self) -> Part:
        """Its first layer."""
        return self.children[0].head if self.children else self

    @property
    def last(self) -> int:
        """The position of its last layer, whose value is its own."""
        return self.children[-1].last if self.children else self.position

    def around(self) -> Iterator[Part]:
        """The lists in which it stands, innermost first."""
        part = self.parent
        while part is not None:
            yield part
            part = part.parent

    def is_chain(self) -> bool:
        """Whether it holds what a repetition does: parts called 0, 1, 2, ..., each reading the one before alone."""
        return all(
            child.raw == str(number) and child.sources is None and not child.is_read
            for number, child in enumerate(self.children)
        )


class Tree:
    """The lists of a graph's layers, wired and named: `root` holds the layers, `inputs` the inputs."""

    def __init__(self, graph: Graph) -> None:
        self.nodes = graph.nodes
        self.root = Part("", None)
        self.inputs: list[Part] = []
        self.leaves: dict[int, Part] = {}
        self._grow()
        self._find_leaks()
        dissolve(self.root)
        self.references: list[tuple[Part, Part]] = []
        self._wire(self.root, self.inputs[0].position if len(self.inputs) == 1 else None)
        self._name_all()

    def _grow(self) -> None:
        """Lists by the dots of names, as far as the layers of one stand together."""
        opened = [self.root]
        for position, node in enumerate(self.nodes):
            if node.is_input:
                self.leaves[position] = Part(node.name, self.root, position)
                self.inputs.append(self.leaves[position])
                continue
            *outer, own = node.name.split(".", DEEPEST_LIST)
            common = 0
            while common < min(len(outer), len(opened) - 1) and opened[common + 1].raw == outer[common]:
                common += 1
            del opened[common + 1 :]
            for raw in outer[common:]:
                opened.append(Part(raw, opened[-1]))
                opened[-2].children.append(opened[-1])
            self.leaves[position] = Part(own, opened[-1], position)
            opened[-1].children.append(self.leaves[position])

    def _find_leaks(self) -> None:
        """Mark the lists of which something beside the last value is read outside."""
        last = {id(part): part.last for part in self._lists()}
        for reader, node in enumerate(self.nodes):
            inside = {id(part) for part in self.leaves[reader].around()}
            for source in node.inputs:
                for part in self.leaves[source].around():
                    if id(part) in inside:
                        break
                    part.leaks = part.leaks or last[id(part)] != source

    def _lists(self) -> Iterator[Part]:
        waiting = [self.root]
        while waiting:
            part = waiting.pop()
            if part.children or part is self.root:
                yield part
                waiting.extend(part.children)

    def _wire(self, group: Part, before: int | None) -> None:
        """Say with `from` what a part reads, unless it is the value before it (None: that of no single input)."""
        for part in group.children:
            node = self.nodes[part.head.position]
            if node.op.many_inputs:
                reads = node.inputs if part.position >= 0 else ()  # the join inside says what it reads
            else:
                reads = node.inputs if node.inputs != (before,) else ()
                (before,) = node.inputs
            if reads:
                part.sources = tuple(self._visible(self.leaves[source], part) for source in reads)
            if part.children:
                self._wire(part, before)
            before = part.last

    def _visible(self, leaf: Part, reader: Part) -> Part:
        """The part that stands for a value in the lists that the reader sees."""
        seen = {id(part) for part in reader.around()}
        part = leaf
        while part.parent is not None and id(part.parent) not in seen:
            part = part.parent
        part.is_read = True
        self.references.append((reader, part))
        return part

    def _name_all(self) -> None:
        for group in self._lists():
            own = [*self.inputs, *group.children] if group is self.root else group.children
            name_parts(own, {id(part) for part in self.inputs})
        used = Names(part.name for group in self._lists() for part in (*group.children, *self.inputs))
        while hiding := self._hiding():
            for part in hiding:
                part.name = used.new(part.name)

    def _hiding(self) -> list[Part]:
        """The parts whose names hide those of parts further out from a layer behind them that reads these."""
        given = {id(group): self._given_parts(group) for group in self._lists()}
        hiding = {}
        for reader, source in self.references:
            for group in reader.around():
                if group is source.parent:
                    break
                nearer = given[id(group)].get(source.name)
                if nearer is not None and nearer.last < reader.head.position:
                    hiding[id(nearer)] = nearer
        return list(hiding.values())

    def _given_parts(self, group: Part) -> dict[str, Part]:
        """The parts of a list whose names must be written: those that are read, or would be called otherwise."""
        given = {part.name: part for part in self.inputs} if group is self.root else {}
        counters: dict[str, int] = {}
        for part in group.children:
            part.is_named = True
            if not part.children and not part.is_read:
                word = self.nodes[part.position].op.word
                counter = f"{word}_" if word[-1].isdigit() else word
                number = counters.get(counter, 0) + 1
                while f"{counter}{number}" in given:
                    number += 1
                part.is_named = part.name != f"{counter}{number}"
                if not part.is_named:
                    counters[counter] = number
                    continue
            given[part.name] = part
        return given


def dissolve(group: Part) -> None:
    """Put what stands in lists that leak into the lists around them."""
    kept: list[Part] = []
    for part in group.children:
        dissolve(part)
        if not part.leaks:
            kept.append(part)
            continue
        for child in part.children:
            child.raw, child.parent = f"{part.raw}_{child.raw}", group
            kept.append(child)
    group.children = kept


class Names:
    """Names that are taken, and new ones like them."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self.taken = set(taken)
        self._numbers: dict[str, int] = {}

    def new(self, name: str) -> str:
        """The name, or the name with the first number behind it that makes it new."""
        found, number = name, self._numbers.get(name, 1)
        while found in self.taken:
            number += 1
            found = f"{name[: LONGEST_NAME - 1 - len(str(number))]}_{number}"
        self._numbers[name] = number
        self.taken.add(found)
        return found


def name_parts(parts: list[Part], inputs: set[int]) -> None:
    """Names for the parts of one list: their own where a spec allows them, otherwise ones that are like them."""
    names = Names()
    waiting = []
    for part in parts:
        allowed = NAME.match(part.raw) and (part.raw != OWN_INPUT or id(part) in inputs)
        if allowed and part.raw not in names.taken:
            part.name = names.new(part.raw)
        else:
            waiting.append(part)
    names.taken.add(OWN_INPUT)
    for part in waiting:
        part.name = names.new(legal(part.raw))


def legal(raw: str) -> str:
    """A name that a spec allows: letters, digits, _ and -, not starting with a digit, 64 at most."""
    word = re.sub(r"[^A-Za-z0-9_-]", "_", raw) or "_"
    return (word if word[0].isalpha() or word[0] == "_" else f"_{word}")[:LONGEST_NAME]
