"""The layers of a spec as written: their structure is checked here, before any expression or shape is known."""

from __future__ import annotations

import re
from collections.abc import Callable

from convcost.errors import nearest_hint
from convcost.frontends.yaml_reader import YAML_1_1_BOOLEANS, Located, Mapping, Scalar, Sequence
from convcost.ops import BLOCKS, OPERATORS
from convcost.ops.kinds import show

__all__ = ["JOINS", "LAYER_KEYS", "NAME", "Layer", "LayerList", "LayerReader"]

JOINS = tuple(word for word, cls in OPERATORS.items() if cls.many_inputs)
LAYER_KEYS = ("name", "repeat", "from")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}\Z")
AUTOMATIC_NAME = re.compile(r"[a-z_0-9]+?[0-9]+\Z")

Report = Callable[[Located, str], None]


class Layer:
    """A layer as written: its word, fields, branches, name, repetition and sources."""

    def __init__(self, word: str, place: Located) -> None:
        self.word = word
        self.place = place
        self.fields: dict[str, tuple[Scalar, Located]] = {}
        self.branches: list[LayerList] | None = None
        self.name: str | None = None
        self.repeat: Located | None = None
        self.sources: list[Scalar] | None = None
        self.broken = False  # a mistake is reported that leaves nothing to read

    @property
    def label(self) -> str:
        """How messages name it: `conv "stem"`."""
        return f'{self.word} "{self.name}"' if self.name else self.word


class LayerList:
    """Layers in sequence. `positions` gives the index of each named one."""

    def __init__(self) -> None:
        self.layers: list[Layer] = []
        self.positions: dict[str, int] = {}

    def automatic_names(self) -> set[str]:
        """Given names that an unnamed layer might be called by."""
        return {name for name in self.positions if AUTOMATIC_NAME.match(name)}


class LayerReader:
    """Reads lists of layers and reports every mistake of structure."""

    def __init__(self, report: Report, own_blocks: set[str]) -> None:
        self.report = report
        self.own_blocks = own_blocks

    def read_list(
        self, value: Located | None, place: Located, what: str, taken: dict[str, Layer] | None = None
    ) -> LayerList:
        """The layers of a list; `taken` are the names of the scope around a join's branches."""
        result = LayerList()
        if not isinstance(value, Sequence):
            self.report(value or place, f"{what}: a list of layers is needed here, each starting with a dash")
            return result
        names: dict[str, Layer] = {} if taken is None else taken
        for item in value.items:
            layer = self.read_layer(item)
            if layer is None:
                continue
            if layer.name is not None:
                if layer.name in names:
                    first = names[layer.name].place.line
                    self.report(
                        layer.place, f"{layer.label}: the name is taken, first on line {first}; names must differ"
                    )
                    layer.name = None
                else:
                    names[layer.name] = layer
                    result.positions[layer.name] = len(result.layers)
            result.layers.append(layer)
        return result

    def read_layer(self, item: Located) -> Layer | None:
        """One layer: a bare word, or a mapping with one operator or block."""
        if isinstance(item, Scalar):
            if not isinstance(item.value, str):
                rule = "it must be an operator or block, such as relu or conv: {...}"
                self.report(item, f"a layer is {show(item.value)}; {rule}")
                return None
            return self._finish(Layer(item.value, item), None) if self._knows(item.value, item) else None
        if not isinstance(item, Mapping):
            self.report(
                item, "a layer must be a word or a mapping; to put layers side by side use add, concat or multiply"
            )
            return None
        words = [(key, value) for name, (key, value) in item.entries.items() if name not in LAYER_KEYS]
        if len(words) != 1:
            self._report_words(item, [key for key, _ in words])
            return None
        ((key, value),) = words
        if not self._knows(key.value, key):
            return None
        layer = Layer(key.value, key)
        self._read_name(layer, item.get("name"))
        layer.repeat = item.get("repeat")
        self._read_sources(layer, item.get("from"))
        return self._finish(layer, value)

    def _finish(self, layer: Layer, value: Located | None) -> Layer:
        empty = value is None or (isinstance(value, Scalar) and value.value is None)
        if layer.word in JOINS or layer.word == "sequence":
            self._read_branches(layer, None if empty else value)
        elif isinstance(value, Mapping):
            layer.fields = value.entries
        elif not empty:
            self.report(value or layer.place, f"{layer.label}: its fields must be a mapping, such as {{field: value}}")
            layer.broken = True
        if layer.sources is not None and len(layer.sources) > 1 and layer.word not in JOINS:
            self.report(
                layer.sources[1], f"{layer.label}: it takes one input; several are joined by {', '.join(JOINS)}"
            )
            layer.sources = layer.sources[:1]
        return layer

    def _read_branches(self, layer: Layer, value: Located | None) -> None:
        if layer.word == "sequence":
            layer.branches = [self.read_list(value, layer.place, layer.label)]
            return
        joins_sources = layer.sources is not None and len(layer.sources) > 1
        if joins_sources and layer.repeat is not None:
            rule = f"repeat needs one input, and from names {len(layer.sources or ())}"
            self.report(layer.repeat, f"{layer.label}: {rule}; put the join into a sequence or drop repeat")
            layer.broken = True
        if value is None or (isinstance(value, Sequence) and not value.items and joins_sources):
            if not joins_sources and not layer.broken:
                message = "it needs branches, [[...], [...]], or from with at least two names"
                self.report(layer.place, f"{layer.label}: {message}")
            return
        if joins_sources:
            self.report(layer.place, f"{layer.label}: branches all start from one layer; from must name just one")
            layer.sources = None
        if not isinstance(value, Sequence) or len(value.items) < 2:
            self.report(value, f"{layer.label}: it needs at least two branches, each a list of layers: [[...], [...]]")
            layer.branches = []
            return
        names: dict[str, Layer] = {}
        layer.branches = [
            self.read_list(branch, branch, f"{layer.label}: branch {number}", names)
            for number, branch in enumerate(value.items, 1)
        ]

    def _read_name(self, layer: Layer, value: Located | None) -> None:
        if value is None:
            return
        name = value.value if isinstance(value, Scalar) else None
        if isinstance(value, Scalar) and value.plain and str(name).lower() in YAML_1_1_BOOLEANS:
            self.report(
                value, f'{layer.word}: the name {name} is a boolean in YAML 1.1; write "{name}" or another name'
            )
        elif not isinstance(name, str) or not NAME.match(name):
            rule = "it must be letters, digits, _ or -, starting with a letter or _, 64 at most"
            found = show(name) if isinstance(value, Scalar) else "a list or mapping"
            self.report(value, f"{layer.word}: name is {found}; {rule}")
        elif name == "input":
            self.report(value, f'{layer.word}: the name "input" is the network\'s input; use another')
        else:
            layer.name = name

    def _read_sources(self, layer: Layer, value: Located | None) -> None:
        if value is None:
            return
        items = value.items if isinstance(value, Sequence) else [value]
        good = [item for item in items if isinstance(item, Scalar) and isinstance(item.value, str)]
        wrong = [item for item in items if item not in good] or ([] if items else [value])
        for item in wrong:
            found = (
                show(item.value) if isinstance(item, Scalar) else "an empty list" if not items else "a list or mapping"
            )
            rule = "it must be the name of a layer, or a list of names"
            self.report(item, f"{layer.label}: from is {found}; {rule}")
        layer.broken = bool(wrong)
        layer.sources = good or None

    def _knows(self, word: str, place: Located) -> bool:
        if word in OPERATORS or word in BLOCKS or word in self.own_blocks or word == "sequence":
            return True
        hint = nearest_hint(word[:60], [*OPERATORS, *BLOCKS, *self.own_blocks, "sequence"])
        self.report(place, f'unknown operator or block "{word[:60]}"; `convcost ops` lists them{hint}')
        return False

    def _report_words(self, item: Mapping, words: list[Scalar]) -> None:
        if not words:
            self.report(item, "this layer names no operator or block, such as conv: {...}")
            return
        catalogue = {*OPERATORS, *BLOCKS, *self.own_blocks, "sequence"}
        known = [word.value for word in words if word.value in catalogue]
        others = [word for word in words if word.value not in known[:1]]
        for word in others:
            keys = ", ".join(LAYER_KEYS)
            hint = nearest_hint(word.value, [*LAYER_KEYS])
            message = (
                f'"{word.value[:60]}" beside the operator; beside it stand only {keys}, and its fields go below it'
            )
            self.report(word, f"{known[0] if known else 'layer'}: {message}{hint}")
