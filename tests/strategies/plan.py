"""Steps: what a plan is made of. Each takes the value before it and gives the next.

A plan is a list of layer settings with the shape of its input. `build(plan, sizes)` replays it on any spatial sizes:
the integers for which it was drawn, larger ones, symbols or object arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from convcost.graph import Builder, Graph, Value
from strategies.draw import Fields, Shape


@dataclass(frozen=True)
class Layer:
    """An operator or a block; with a name of its own, or an automatic one."""

    word: str
    fields: Fields = field(default_factory=dict)
    named: bool = False

    def build(self, b: Builder, value: Value) -> Value:
        name = f"part{len(b.nodes)}_{self.word}" if self.named else None
        return b.apply(self.word, value, name=name, **self.fields)


@dataclass(frozen=True)
class Scoped:
    """Steps in a scope of their own."""

    kind: str
    role: str
    steps: tuple[Step, ...]

    def build(self, b: Builder, value: Value) -> Value:
        with b.scope(None, self.kind, self.role):
            return run(self.steps, b, value)


@dataclass(frozen=True)
class Joined:
    """Branches that start from one value and meet in a join; an empty branch is the value itself."""

    word: str
    branches: tuple[tuple[Step, ...], ...]

    def build(self, b: Builder, value: Value) -> Value:
        return b.apply(self.word, *[run(steps, b, value) for steps in self.branches])


@dataclass(frozen=True)
class Aside:
    """Steps whose result nothing reads: one more output of the network."""

    steps: tuple[Step, ...]

    def build(self, b: Builder, value: Value) -> Value:
        run(self.steps, b, value)
        return value


@dataclass(frozen=True)
class FurtherInput:
    """One more input of the network, of the shape of the value that it joins."""

    word: str

    def build(self, b: Builder, value: Value) -> Value:
        return b.apply(self.word, value, b.input(value.shape, name=f"further{len(b.nodes)}"))


Step = Layer | Scoped | Joined | Aside | FurtherInput


@dataclass(frozen=True)
class Plan:
    """A network that can be built again: channels and spatial sizes of its input, and its steps."""

    channels: int
    sizes: tuple[int, ...]
    steps: tuple[Step, ...]


def run(steps: Sequence[Step], b: Builder, value: Value) -> Value:
    """The value behind the steps."""
    for step in steps:
        value = step.build(b, value)
    return value


def build(plan: Plan, sizes: Sequence[Any] | None = None, leading: Sequence[Any] = ()) -> Graph:
    """The network of a plan, on its own spatial sizes or on others, with leading axes before the channels if any.

    Sizes must be at least the plan's: every layer of a plan stands on larger sizes as well.
    """
    b = Builder(leading=len(leading))
    run(plan.steps, b, b.input((*leading, plan.channels, *(plan.sizes if sizes is None else sizes))))
    return b.graph("plan")


def shape_after(step: Step, shape: Shape) -> Shape:
    b = Builder()
    return step.build(b, b.input(shape)).shape
