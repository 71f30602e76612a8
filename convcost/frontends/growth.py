"""How large a spec grows, before any of it is built: repeats and blocks that multiply are refused at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from convcost.frontends.expression import ExpressionError
from convcost.frontends.fields import HIDDEN, FieldReader, OwnBlock
from convcost.frontends.layers import Layer, LayerList
from convcost.frontends.yaml_reader import Located
from convcost.ops.kinds import as_whole

__all__ = ["DEEPEST", "LIMIT", "Growth"]

LIMIT = 250_000
"""The most layers that a spec may expand to."""
DEEPEST = 40
"""The most blocks of a file that may stand inside each other."""
MOST_CALLS = 5_000
"""So many different calls of blocks are looked into; more are too many."""


class Growth:
    """Counts layers from below: what depends on shapes counts once, an unknown repeat nothing."""

    def __init__(
        self, own_blocks: dict[str, OwnBlock], variables: dict[str, Any], report: Callable[[Located, str], None]
    ) -> None:
        self.own_blocks = own_blocks
        self.variables = variables
        self.report = report
        self.reader = FieldReader(lambda place, message: None, variables)
        self._known: dict[Any, int] = {}

    def is_bounded(self, layers: LayerList) -> bool:
        """Whether the layers stay within the limit; the first that does not is reported."""
        return self.count(layers, self.variables, ()) <= LIMIT

    def count(self, layers: LayerList, names: dict[str, Any], using: tuple[str, ...]) -> int:
        """At least so many layers are made, or passes through lists gone through."""
        total = 0
        for layer in layers.layers:
            times = 1 if layer.repeat is None else self.known_repeat(layer, names)
            size = self.count_layer(layer, names, using) if times or layer.word in using else 1
            if size <= LIMIT < size * times + total:
                grown = size * times + total
                number = f"{grown:,}" if grown < 10**30 else "more than 10^30"
                self.report(
                    layer.place, f"{layer.label}: the network grows to {number} layers here; the limit is {LIMIT:,}"
                )
            total += size * times
            if total > LIMIT:
                break
        return max(1, total)

    def count_layer(self, layer: Layer, names: dict[str, Any], using: tuple[str, ...]) -> int:
        """The size of a layer, once."""
        if layer.branches is not None:
            return sum(self.count(branch, names, using) for branch in layer.branches)
        if layer.word not in self.own_blocks:
            return 1
        block = self.own_blocks[layer.word]
        if layer.word in using:
            chain = " -> ".join((*using[using.index(layer.word) :], layer.word))
            self.report(layer.place, f"{layer.label}: a block cannot use itself: {chain}")
            return LIMIT + 1
        if len(using) >= DEEPEST:
            self.report(layer.place, f"{layer.label}: blocks stand {DEEPEST} deep in each other here; use fewer levels")
            return LIMIT + 1
        arguments = self.reader.arguments(layer, block, names, HIDDEN)
        try:
            key = layer.word, tuple(arguments.items())
            known = self._known.get(key)
        except TypeError:  # a list among the arguments
            key, known = None, None
        if known is None:
            if len(self._known) > MOST_CALLS:
                self.report(layer.place, f"{layer.label}: blocks are used in too many different ways; use fewer")
                return LIMIT + 1
            inner = {**self.variables, **arguments, "in_channels": HIDDEN}
            known = self.count(block.layers, inner, (*using, layer.word))
            if key is not None:
                self._known[key] = known
        return known

    def known_repeat(self, layer: Layer, names: dict[str, Any]) -> int:
        """The number of repetitions, or 0 where it is not known yet."""
        assert layer.repeat is not None
        try:
            value = self.reader.value_of(layer.repeat, names)
        except ExpressionError:
            return 0
        return max(0, as_whole(value) or 0)
