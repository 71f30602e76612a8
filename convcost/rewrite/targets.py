"""What takes a layer's place: short names, and the fields that follow from the layer where a rule gives none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from convcost.arith import equal, exact_div, floor_div, is_int
from convcost.errors import ConvcostError, FieldError
from convcost.ops import BLOCKS, OPERATORS, catalogue_entry
from convcost.ops.base import Operator, show_shape, unknown_field
from convcost.ops.conv import Conv
from convcost.ops.kinds import Count, Rank, Whole, kind_of
from convcost.record import Record

__all__ = ["ALIASES", "Site", "check_argument", "fields_for", "hold_complete"]


class Site(Record):
    """A layer, or a block of layers, that a rule may replace. `first` and `last` are positions in the graph; `facts`
    what is known of it: the fields of its operator, or channels and stride; `source` is the position that it reads.

    `obstacle` says why nothing can stand in its place, where that is so.
    """

    name: str
    word: str
    first: int
    last: int
    source: int
    facts: dict[str, Any]
    obstacle: str = ""


Derive = Callable[[Site, dict[str, Any]], dict[str, Any]]


class Alias(Record):
    """A short name for a registered word; `derive` makes the fields of that word from the layer and the rule's."""

    word: str
    derive: Derive = lambda site, given: given
    on_vectors: str = ""
    own: dict[str, Any] = {}
    """Arguments beside the fields of that word, each with its kind."""


def _fire(site: Site, given: dict[str, Any]) -> dict[str, Any]:
    """ratio: squeeze = out_channels / ratio; both expansions half of out_channels."""
    if "out_channels" not in site.facts:
        raise FieldError(f"fire needs out_channels, which {site.word} does not have", "out_channels")
    ratio, out = given.pop("ratio", 8), site.facts["out_channels"]
    for name, divisor in (("ratio", ratio), ("2", 2)):
        if is_int(out) and is_int(divisor) and out % divisor:
            raise FieldError(f"{name}{'' if name == '2' else f' (={divisor})'} must divide out_channels (={out})")
    half = exact_div(out, 2)
    return {"squeeze": exact_div(out, ratio), "expand1x1": half, "expand3x3": half, **given}


def _prune(site: Site, given: dict[str, Any]) -> dict[str, Any]:
    """Behind the network's input nothing is pruned, so that all its channels are read."""
    return {**({"keep_in": 1} if site.facts.get("reads_input") else {}), **given}


ALIASES: dict[str, Alias] = {
    "group": Alias(word="grouped"),
    "pointwise_group": Alias(word="pointwise"),
    "bottleneck": Alias(word="bottleneck", on_vectors="linear_bottleneck"),
    "fire": Alias(word="fire", derive=_fire, own={"ratio": Count}),
    "shift": Alias(word="shift_conv"),
    "channelwise": Alias(word="dwscwconv"),
    "p4": Alias(word="equivariant_conv", derive=lambda site, given: {"group": "p4", **given}),
    "p4m": Alias(word="equivariant_conv", derive=lambda site, given: {"group": "p4m", **given}),
    "prune": Alias(word="pruned_conv", derive=_prune),
}
"""Words of rules that stand for another one, or whose fields follow from the layer in a way of their own."""

FOLLOWING = ("out_channels", "out_features", "kernel_size", "stride", "padding", "dilation", "bias")
PLAIN = ("norm", "activation")
"""What stands behind a layer stays behind it, so that blocks bring neither norm nor activation unless told."""


def fields_for(site: Site, word: str, given: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The registered word that takes the place of a layer, and its fields.

    What the rule does not give follows from the layer: channels, kernel, stride, padding, dilation, bias, and groups
    where the replacement has them without need. Where the
    rule gives another kernel or dilation, the padding keeps the size.

    Raises:
        FieldError: the layer does not have what the replacement needs.
    """
    alias = ALIASES.get(word, Alias(word=word))
    target = alias.on_vectors if alias.on_vectors and "out_features" in site.facts else alias.word
    takes = _takes(target)
    derived = alias.derive(site, dict(given))
    fields = {name: site.facts[name] for name in FOLLOWING if name in takes and name in site.facts}
    if "kernel_size" in given or "dilation" in given:
        fields.pop("padding", None)
    if "groups" in site.facts and _defaults(target).get("groups") == 1:
        fields["groups"] = site.facts["groups"]
    fields |= {name: site.facts.get(name, "none") for name in PLAIN if name in takes}
    fields |= derived
    if issubclass(OPERATORS.get(target, Operator), Conv) and "padding" not in fields and "kernel_size" in fields:
        fields["padding"] = _keeping(fields["kernel_size"], fields.get("dilation", 1))
    _hold_complete(site, target, fields, takes)
    dilation = site.facts.get("dilation", ())
    if "dilation" not in takes and any(not equal(rate, 1) for rate in dilation):
        raise FieldError(f"{target} takes no dilation, and the layer has {show_shape(dilation)}", "dilation")
    return target, _fitted(fields, takes)


def _defaults(word: str) -> dict[str, Any]:
    """The fields of a registered word that need not be given, with their values."""
    return OPERATORS[word].field_defaults if word in OPERATORS else BLOCKS[word].defaults


def hold_complete(rule: Any) -> None:
    """Refuse a rule that lacks an argument which no layer can give.

    Raises:
        ConvcostError: one is missing.
    """
    alias = ALIASES.get(rule.word, Alias(word=rule.word))
    if alias.own:
        return
    defaults = _defaults(alias.word)
    for name, annotation in _takes(alias.word).items():
        kind = kind_of(annotation)
        if name not in defaults and not kind.derived and name not in (*FOLLOWING, *rule.given):
            remedy = f"give it: {rule.word}({name}=...)"
            raise ConvcostError(f'rule "{rule.text}": {rule.word} needs {name}, {kind.rule}; {remedy}')


def _keeping(kernel: Any, dilation: Any) -> Any:
    """The padding that keeps the size, of numbers for all axes or one an axis."""
    rank = max((len(value) for value in (kernel, dilation) if isinstance(value, tuple)), default=1)
    sizes = (value if isinstance(value, tuple) else (value,) * rank for value in (kernel, dilation))
    padding = tuple(floor_div(rate * (taps - 1), 2) for taps, rate in zip(*sizes, strict=False))
    return padding if isinstance(kernel, tuple) or isinstance(dilation, tuple) else padding[0]


def _hold_complete(site: Site, target: str, fields: dict[str, Any], takes: dict[str, Any]) -> None:
    defaults = _defaults(target)
    for name in FOLLOWING:
        if name in takes and name not in fields and name not in defaults:
            raise FieldError(f"{target} needs {name}, which {site.word} does not have", name)


def check_argument(word: str, name: str, value: Any) -> None:
    """Hold an argument of a rule to the kind of its field, as far as that is possible without a layer.

    Raises:
        FieldError: the replacement has no such field, or the value is of the wrong kind.
    """
    alias = ALIASES.get(word, Alias(word=word))
    takes = {**(_takes(alias.on_vectors) if alias.on_vectors else {}), **_takes(alias.word), **alias.own}
    if name not in takes:
        raise unknown_field(word, takes, name)
    kind_of(takes[name]).parse(name, value, None)


def _takes(word: str) -> dict[str, Any]:
    """The fields of a registered word that can be given."""
    catalogue_entry(word)
    annotations = OPERATORS[word].field_annotations if word in OPERATORS else BLOCKS[word].arguments
    return {name: kind for name, kind in annotations.items() if not isinstance(kind_of(kind), Rank)}


def _fitted(fields: dict[str, Any], takes: dict[str, Any]) -> dict[str, Any]:
    """Fields of equal values an axis as one number where the replacement takes one for all axes, and padding in words
    left to the replacement's own default."""
    fitted = dict(fields)
    for name, value in fields.items():
        if name not in takes:
            continue
        kind = kind_of(takes[name])
        if isinstance(value, tuple) and isinstance(kind, Whole):
            if len(set(value)) > 1:
                raise FieldError(f"{name} is {value}, and it takes one number for all axes", name)
            fitted[name] = value[0]
        elif name == "padding" and isinstance(value, str) and value not in kind.words:
            if value == "same" and all(size % 2 for size in fields.get("kernel_size", ())):
                del fitted[name]
            else:
                raise FieldError(f"padding is {value}, which it does not know", name)
    return fitted
