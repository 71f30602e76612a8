"""Operators beside one another, without a network: what a replacement costs in closed form, and in typical layers."""

from __future__ import annotations

from typing import Any

import sympy

from convcost.analysis.compare import ratio
from convcost.analysis.cost import analyze
from convcost.analysis.result import Totals
from convcost.arith import is_int
from convcost.errors import ConvcostError, FieldError, GraphError
from convcost.formulas.symbolic import Assumption, assumptions, size_symbol
from convcost.graph import Builder, Graph
from convcost.ops import BLOCKS
from convcost.ops.base import show_shape
from convcost.ops.kinds import show
from convcost.record import Record
from convcost.rewrite import Rule, parse_rules, replace

__all__ = ["CHANNELS", "Exchange", "Form", "Typical", "exchange", "layer_of"]

CHANNELS = (32, 64, 128, 256, 512)
"""Channels in and out of the typical layers, and features of linear ones."""
THREEFOLD = (48, 96, 192, 384, 768)
"""The channels where no power of two will do, as with three groups."""
SIZE = 28
AXES = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}
KEYS = ("params", "macs", "bytes_moved")
DEFAULT_KERNEL = (3, 3)


class Form(Record):
    """A quantity in closed form before and after, and after as a part of before, simplified."""

    key: str
    before: Any
    after: Any
    ratio: Any
    divided: Any = None
    """The ratio where all divisions in it leave no remainder; None where it has none that could."""


class Typical(Record):
    """A layer with so many channels: before and after, or why it cannot be replaced."""

    channels: int
    before: Totals
    after: Totals | None
    reason: str = ""

    def ratio(self, key: str) -> float | None:
        """After as a part of before."""
        return None if self.after is None else ratio(getattr(self.after, key), getattr(self.before, key))


class Exchange(Record):
    """One rule on a layer of its own: closed forms, what they take for granted, and numbers for typical channels.

    `setting` says on which layer: its fields, and the sizes that the symbols stand for; `where` on which maps the
    numbers are.
    """

    rule: str
    setting: str
    forms: tuple[Form, ...]
    assumed: tuple[str, ...]
    typical: tuple[Typical, ...]
    where: str


def exchange(text: str) -> Exchange:
    """What a rule saves on the operator that it names, in closed form.

    Raises:
        ConvcostError: the text is no single rule, or the replacement can stand for no such layer.
    """
    rules = parse_rules(text)
    if len(rules) > 1:
        raise ConvcostError(f'"{text}" holds {len(rules)} rules; without a network give one a --replace')
    (rule,) = rules
    is_linear = rule.pattern.word == "linear"
    first, second = (size_symbol(f"{side}_{'features' if is_linear else 'channels'}") for side in ("in", "out"))
    pair, setting, found = _symbolic(rule, first, second)
    keeps_channels = isinstance(pair, str) or any(
        assumption.same and {assumption.first, assumption.second} == {first, second} for assumption in found
    )
    if keeps_channels:
        pair, setting, found = _symbolic(rule, first, first)
        setting += ", with as many channels out as in"
    if isinstance(pair, str):
        raise ConvcostError(f'rule "{rule.text}": on a layer of its own it cannot stand: {pair}')
    before, after = pair
    rank = 0 if is_linear else len(rule.pattern.kernel or DEFAULT_KERNEL)
    return Exchange(
        rule=rule.text,
        setting=setting,
        forms=tuple(_form(key, getattr(before, key), getattr(after, key)) for key in ("params", "macs")),
        assumed=_needed(found),
        typical=_typical_layers(rule),
        where=f"maps of {show_shape((SIZE,) * rank)}" if rank else "one vector",
    )


def _symbolic(rule: Rule, first: Any, second: Any) -> tuple[tuple[Totals, Totals] | str, str, list[Assumption]]:
    """The costs before and after on symbols, or why the replacement cannot stand there; the layer; what is assumed."""
    with assumptions() as found:
        graph, setting = layer_of(rule, first, second)
        return _pair(graph, rule), setting, found


def _needed(found: list[Assumption]) -> tuple[str, ...]:
    """The assumptions in words; of several divisors of one symbol their least common multiple."""
    multiples: dict[Any, int] = {}
    texts: dict[Any, str] = {}
    for assumption in found:
        if assumption.divisor is None:
            if assumption.same:
                texts[assumption] = assumption.text
            continue
        quotient = sympy.sympify(assumption.dividend) / assumption.divisor
        parts = {symbol: multiple * size_symbol(f"{symbol}_part") for symbol, multiple in multiples.items()}
        if sympy.expand(quotient.subs(parts)).is_integer:
            continue
        factor, symbol = quotient.as_coeff_Mul()
        if symbol.is_Symbol:
            multiples[symbol] = int(sympy.ilcm(multiples.get(symbol, 1), factor.q))
            texts[symbol] = f"{multiples[symbol]} divides {symbol}"
        else:
            texts[assumption] = assumption.text
    return tuple(texts.values())


def layer_of(rule: Rule, in_channels: Any, out_channels: Any, size: Any = None) -> tuple[Graph, str]:
    """A network of the one layer that a rule's pattern names, with its conditions of equality as fields; and in words.

    Every axis has `size` elements, or as many as a symbol of its name says.

    Raises:
        ConvcostError: the pattern names an operator that stands in no closed form by itself, or fields are missing.
    """
    pattern = rule.pattern
    for condition in pattern.conditions:
        if condition.sign != "=" or condition.field == "name":
            shown = f"{condition.field}{condition.sign}{condition.value}"
            raise ConvcostError(
                f'rule "{rule.text}": without a network a condition gives a field of the layer, such as stride=2, and'
                f" {shown} gives none; leave it out, or give a network"
            )
    fixed = {
        condition.field: condition.value
        for condition in pattern.conditions
        if condition.sign == "=" and condition.field not in ("name", "kernel_size")
    }
    if pattern.word in BLOCKS:
        return _block_of(rule, fixed, in_channels, out_channels, size)
    if pattern.word not in ("conv", "linear"):
        raise ConvcostError(
            f'rule "{rule.text}": without a network the pattern must be a convolution, linear or a block, not'
            f" {pattern.word}; give a network, or conv3x3"
        )
    is_linear = pattern.word == "linear"
    before, behind = ("in_features", "out_features") if is_linear else ("in_channels", "out_channels")
    kernel = pattern.kernel or DEFAULT_KERNEL
    sizes = () if is_linear else tuple(size_symbol(name) if size is None else size for name in AXES[len(kernel)])
    window = {} if is_linear else {"kernel_size": kernel, "padding": tuple((taps - 1) // 2 for taps in kernel)}
    fields = {behind: out_channels, "bias": False, **window, **fixed}
    b = Builder()
    try:
        b.apply(pattern.word, b.identity(b.input((fields.pop(before, in_channels), *sizes))), name="layer", **fields)
    except (FieldError, GraphError) as error:
        raise ConvcostError(f'rule "{rule.text}": there is no such layer: {error}') from None
    extra = [f"{name} {show(value)}" for name, value in fixed.items() if name != "bias"]
    extra.append("with bias" if fixed.get("bias") is True else "without bias")
    if is_linear:
        return b.graph(), ", ".join(["a linear layer of in_features to out_features", *extra])
    resized = {"stride", "padding", "dilation"} & set(fixed) or any(taps % 2 == 0 for taps in kernel)
    keeps = "" if resized else " that keeps the size"
    return b.graph(), ", ".join([f"a {show_shape(kernel)} convolution{keeps}", *extra])


PLAIN: dict[str, Any] = {"bias": False, "norm": "none", "activation": "none"}
"""A block by itself has neither biases nor norms nor activations, where it can do without."""


def _block_of(rule: Rule, fixed: dict[str, Any], in_channels: Any, out_channels: Any, size: Any) -> tuple[Graph, str]:
    """A network of one block on two spatial axes, its fields by conditions of equality; and in words.

    Raises:
        ConvcostError: a field is missing or wrong.
    """
    word = rule.pattern.word
    takes = BLOCKS[word].arguments
    plain = {name: value for name, value in PLAIN.items() if name in takes}
    wanted = {"out_channels": out_channels} if "out_channels" in takes else {}
    fields = {**wanted, **plain, **fixed}
    before = fields.pop("in_channels", in_channels)
    sizes = tuple(size_symbol(name) if size is None else size for name in AXES[2])
    b = Builder()
    try:
        b.apply(word, b.identity(b.input((before, *sizes))), name="layer", **fields)
    except (FieldError, GraphError) as error:
        remedy = f"fields of the block are given as conditions, {word}[field=value]"
        raise ConvcostError(f'rule "{rule.text}": there is no such block: {error}; {remedy}') from None
    extra = [f"{name} {show(value)}" for name, value in fixed.items()]
    without = " and ".join(f"without {name}" for name in plain if name not in fixed)
    return b.graph(), ", ".join(
        [f"{'an' if word[0] in 'aeiou' else 'a'} {word}", *extra, *([without] if without else [])]
    )


def _pair(before: Graph, rule: Rule) -> tuple[Totals, Totals] | str:
    """The costs before and after, or why the replacement cannot stand there."""
    try:
        rewriting = replace(before, [rule.replace(pattern=rule.pattern.replace(conditions=()))])
    except (FieldError, GraphError) as error:
        return str(error)
    if rewriting.skipped:
        return rewriting.skipped[0].reason
    return analyze(before).totals, analyze(rewriting.graph).totals


def _form(key: str, before: Any, after: Any) -> Form:
    if before == 0:
        return Form(key=key, before=before, after=after, ratio=None)
    part = _ratio(after, before)
    return Form(key=key, before=_readable(before), after=_readable(after), ratio=part, divided=_divided(part))


def _ratio(after: Any, before: Any) -> Any:
    """After as a part of before: a sum of terms, where what stands below is a product; else one fraction."""
    part = sympy.cancel(sympy.sympify(after) / before)
    above, below = sympy.fraction(part)
    return sympy.factor(above) / sympy.factor(below) if sympy.expand(below).is_Add else sympy.expand(part)


def _readable(value: Any) -> Any:
    if is_int(value):
        return value
    return sympy.factor(value) if value.atoms(sympy.floor) else sympy.factor_terms(sympy.expand(value))


def _divided(part: Any) -> Any:
    """A ratio without floors: what it is where every symbol in a floor is a multiple of the floor's denominators."""
    floors = part.atoms(sympy.floor)
    if not floors:
        return None
    multiples: dict[Any, int] = {}
    for floor in floors:
        for symbol in floor.free_symbols:
            steps = [
                sympy.fraction(term)[1] for term in sympy.Add.make_args(sympy.expand(floor.args[0])) if term.has(symbol)
            ]
            multiples[symbol] = int(sympy.ilcm(multiples.get(symbol, 1), *steps))
    parts = {symbol: size_symbol(f"{symbol}_part") for symbol in multiples}
    inside = sympy.expand(part.subs({symbol: step * parts[symbol] for symbol, step in multiples.items()}))
    if inside.atoms(sympy.floor):
        return None
    return _ratio(inside.subs({parts[symbol]: symbol / step for symbol, step in multiples.items()}), 1)


def _typical_layers(rule: Rule) -> tuple[Typical, ...]:
    """The typical layers that there are; with threefold channels where powers of two will not do."""
    step = int(sympy.ilcm(16, 1, *(value for value in rule.given.values() if is_int(value))))
    for several in (CHANNELS, THREEFOLD, tuple(step * 2**doublings for doublings in range(5))):
        try:
            found = tuple(_typical(rule, channels) for channels in several)
        except ConvcostError:  # there is no such layer with these channels
            continue
        if not all(one.reason for one in found):
            return found
    return ()


def _typical(rule: Rule, channels: int) -> Typical:
    before, _ = layer_of(rule, channels, channels, SIZE)
    pair = _pair(before, rule)
    if isinstance(pair, str):
        return Typical(channels=channels, before=analyze(before).totals, after=None, reason=pair)
    return Typical(channels=channels, before=pair[0], after=pair[1])
