"""What an operator is, and the registry of operators and blocks.

An operator is one frozen class: its fields, and one formula a quantity. A formula holds names, `+ - * //`, `prod`,
`exact_div`, `floor_div` and `a if self.flag else b` and nothing that decides on a size, so integers, object arrays
and symbols all flow through it; a test reads the source of each and holds it to that.
"""

from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Self, TypeVar

from convcost.arith import Shape, Size, is_int, note_equal
from convcost.errors import FieldError, GraphError, nearest_hint
from convcost.ops import kinds
from convcost.ops.reads import Reads, at_most_whole
from convcost.record import Record

__all__ = ["BLOCKS", "OPERATORS", "Block", "Operator", "block", "catalogue_entry", "operator", "parse_fields"]

Inputs = tuple[Shape, ...]


class Operator(Record):
    """A primitive operator: fields, checks, and one formula for each quantity.

    Formulas take `inputs`, a tuple of input shapes, and `output`, the output shape; both ordered
    `(*leading, channels, *spatial)`. Leading axes (a batch kept by a traced graph) multiply every count.
    """

    word: ClassVar[str]
    """The name in specs, tables and `convcost ops`."""
    family: ClassVar[str]
    """The heading under which `convcost ops` lists it."""
    free: ClassVar[dict[str, str]] = {}
    """Why a quantity costs nothing, for each of `COUNTED` that has no formula here."""
    view: ClassVar[bool] = False
    """Whether the output shares the input's memory, so that nothing is written."""
    many_inputs: ClassVar[bool] = False
    """Whether it joins several inputs."""
    supported: ClassVar[bool] = True
    """Whether its cost is known; totals over an unsupported operator are lower bounds."""

    COUNTED: ClassVar[tuple[str, ...]] = ("params", "macs", "elementwise")

    def out_shape(self, inputs: Inputs) -> Shape:
        """The shape of the output."""
        raise NotImplementedError(f"{type(self).__name__} has no formula for its output shape")

    def weights(self) -> Size:
        """Parameters that multiply activations: convolution and linear weights."""
        return 0

    def params(self) -> Size:
        """All learned parameters: weights, biases, affine norm parameters."""
        return 0

    def buffers(self) -> Size:
        """Elements of state that is stored but not learned."""
        return 0

    def macs(self, inputs: Inputs, output: Shape) -> Size:
        """Multiply-accumulates."""
        return 0

    def elementwise(self, inputs: Inputs, output: Shape) -> Size:
        """FLOPs beside 2 x MACs: one for each addition, multiplication, comparison or function of an element."""
        return 0

    def backward_macs(self, inputs: Inputs, output: Shape, needed: tuple[bool, ...]) -> Size:
        """Multiply-accumulates of the backward pass, where the inputs marked in `needed` want a gradient.

        The rule for what multiplies by weights, and for a product of two inputs: each gradient takes as many as the
        forward pass.
        """
        gradients = sum(needed) + (0 if is_int(self.weights()) and self.weights() == 0 else 1)
        return gradients * self.macs(inputs, output)

    def reads(self, inputs: Inputs, output: Shape) -> Reads:
        """What an output element reads of each input. Here: an unknown part, which is all that can be said of an
        operator without a rule."""
        return tuple((tuple(at_most_whole() for _ in shape),) for shape in inputs)

    def check(self, inputs: Inputs) -> Iterator[str]:
        """The rules that fields and input shapes break, among concrete integers."""
        return iter(())

    def describe(self) -> str:
        """What it is, in a few words: kernel, stride, groups, dilation."""
        return ""

    def view_strides(self, shape: Shape, strides: Shape) -> Shape | None:
        """The strides of the output as a view of an input with this shape and these strides, in elements; None where
        no view is possible and the input is copied."""
        return strides

    @property
    def in_place(self) -> bool:
        """Whether the output overwrites the first input."""
        return False

    @classmethod
    def needs_spatial_axes(cls) -> bool:
        """Whether it has fields with one entry a spatial axis."""
        return any(isinstance(kinds.kind_of(kind), kinds.Axes) for kind in cls.field_annotations.values())

    @classmethod
    def complete(cls, fields: dict[str, Any], shape: Shape, rank: int) -> None:
        """Fill in defaults that depend on other fields."""

    @classmethod
    def bind(cls, fields: dict[str, Any], inputs: Inputs, leading: int = 0) -> Self:
        """The operator with these fields on these inputs; what the shape says is filled in.

        Raises:
            FieldError: a field is unknown, missing or of the wrong kind.
            GraphError: the input has not enough axes.
        """
        shape = inputs[0]
        rank = len(shape) - 1 - leading
        if cls.needs_spatial_axes() and not 1 <= rank <= 3:
            raise GraphError(f"it needs an input of channels and 1 to 3 spatial axes, not {show_shape(shape)}")
        if rank < 0 and cls.supported:
            raise GraphError(f"it needs an input with a channel axis; the input is {show_shape(shape)}")
        values = parse_fields(cls.word, cls.field_annotations, cls.field_defaults, fields, rank, shape)
        cls.complete(values, shape, rank)
        return cls(**values)


def parse_fields(
    word: str,
    annotations: dict[str, Any],
    defaults: Any,
    fields: dict[str, Any],
    rank: int | None,
    shape: Shape | None,
) -> dict[str, Any]:
    """Given fields and defaults, normalised by the kinds of the annotations.

    Raises:
        FieldError: the first field that is unknown, missing or of the wrong kind.
    """
    for name in fields:
        if name not in annotations or isinstance(kinds.kind_of(annotations[name]), kinds.Rank):
            raise unknown_field(word, annotations, name)
    values: dict[str, Any] = {}
    for name, annotation in annotations.items():
        kind = kinds.kind_of(annotation)
        if name in fields:
            values[name] = kind.parse(name, fields[name], rank)
            if isinstance(kind, kinds.Derived) and shape is not None and rank is not None:
                _hold_to_shape(name, values[name], kind, shape, rank)
        elif name in defaults:
            default = defaults[name]
            values[name] = default if default is None else kind.parse(name, default, rank)
        elif isinstance(kind, kinds.Rank):
            values[name] = rank
        elif isinstance(kind, kinds.Derived):
            values[name] = None if shape is None or rank is None else _derive(word, name, kind, shape, rank)
        else:
            raise FieldError(f"the required field {name} is missing; it must be {kind.rule}", name)
    return values


def unknown_field(word: str, annotations: dict[str, Any], name: str) -> FieldError:
    known = [field for field, kind in annotations.items() if not isinstance(kinds.kind_of(kind), kinds.Rank)]
    takes = f"takes {', '.join(known)}" if known else "takes no fields"
    return FieldError(f'unknown field "{name}"; {word} {takes}{nearest_hint(name, known)}', name)


def _derive(word: str, name: str, kind: kinds.Derived, shape: Shape, rank: int) -> Size:
    if rank < 0 or (kind.behind_spatial and len(shape) <= rank):
        raise GraphError(f"it needs an input with a channel axis; the input is {show_shape(shape)}")
    return kind.from_shape(shape, rank)


def _hold_to_shape(name: str, stated: Size, kind: kinds.Derived, shape: Shape, rank: int) -> None:
    found = kind.from_shape(shape, rank)
    note_equal(stated, found)
    if is_int(stated) and is_int(found) and stated != found:
        raise FieldError(f"{name} (={stated}) must be what the input {show_shape(shape)} has, {found}", name)


def show_shape(shape: Shape) -> str:
    """`64x56x56`."""
    return "x".join(str(size) for size in shape)


class Block(Record):
    """A registered block: a function that calls the builder, and has no cost formula of its own."""

    word: str
    family: str
    build: Callable[..., Any]
    arguments: dict[str, Any]
    defaults: dict[str, Any]
    doc: str

    def bind(self, fields: dict[str, Any], shape: Shape | None, rank: int | None) -> dict[str, Any]:
        """The arguments of the function, normalised.

        Raises:
            FieldError: a field is unknown, missing or of the wrong kind.
        """
        return parse_fields(self.word, self.arguments, self.defaults, fields, rank, shape)


OPERATORS: dict[str, type[Operator]] = {}
BLOCKS: dict[str, Block] = {}

AnyOperator = TypeVar("AnyOperator", bound=type[Operator])
AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])


def operator(word: str, family: str) -> Callable[[AnyOperator], AnyOperator]:
    """Register an operator under the name that specs use.

    Raises:
        TypeError: the name is taken, or a quantity has neither a formula nor a reason to be free.
    """

    def register(cls: AnyOperator) -> AnyOperator:
        _refuse_taken(word)
        for quantity in Operator.COUNTED:
            has_formula = getattr(cls, quantity) is not getattr(Operator, quantity)
            if has_formula == (quantity in cls.free) and cls.supported:
                raise TypeError(f"{word}: {quantity} needs either a formula or a reason in `free`")
        cls.word = word
        cls.family = family
        OPERATORS[word] = cls
        return cls

    return register


def block(word: str, family: str) -> Callable[[AnyFunction], AnyFunction]:
    """Register a block under the name that specs use: its keyword arguments are the fields.

    Raises:
        TypeError: the name is taken.
    """

    def register(function: AnyFunction) -> AnyFunction:
        _refuse_taken(word)
        defaults = function.__kwdefaults__ or {}
        annotations = {
            name: annotation
            for name, annotation in function.__annotations__.items()
            if hasattr(annotation, "__metadata__")
        }
        BLOCKS[word] = Block(
            word=word,
            family=family,
            build=function,
            arguments=annotations,
            defaults=defaults,
            doc=function.__doc__ or "",
        )
        return function

    return register


def _refuse_taken(word: str) -> None:
    if word in OPERATORS or word in BLOCKS:
        raise TypeError(f"{word} is registered already")


def catalogue_entry(word: str) -> type[Operator] | Block:
    """The operator or block of that name.

    Raises:
        GraphError: there is none.
    """
    entry = OPERATORS.get(word) or BLOCKS.get(word)
    if entry is None:
        raise GraphError(f'unknown operator "{word}"{nearest_hint(word, [*OPERATORS, *BLOCKS])}')
    return entry
