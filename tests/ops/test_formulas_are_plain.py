"""Formulas hold names, `+ - *` and a few functions, and decide on nothing: that is why they take symbols and arrays.

The source of every formula is read and held to it.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator

import pytest

from convcost import arith
from convcost.ops import OPERATORS, Operator, window
from convcost.ops.kinds import FlagKind, kind_of

FORMULAS = ("out_shape", "pooled", "weights", "params", "buffers", "macs", "elementwise")
WINDOW_FUNCTIONS = {
    name: function
    for name, function in inspect.getmembers(window, inspect.isfunction)
    if function.__module__ == window.__name__
}
CALLABLE = {
    "prod",
    "exact_div",
    "floor_div",
    "ceil_div",
    "joint_size",
    "zip",
    "tuple",
    "len",
    "range",
    *WINDOW_FUNCTIONS,
}
OPERATIONS = (ast.Add, ast.Sub, ast.Mult)
HARMLESS = (
    *(ast.FunctionDef, ast.arguments, ast.arg, ast.Return, ast.Assign, ast.AnnAssign, ast.For, ast.Expr),
    *(ast.GeneratorExp, ast.Name, ast.Load, ast.Store, ast.Tuple, ast.Starred, ast.Subscript, ast.Slice, ast.keyword),
    *(ast.USub, *OPERATIONS),
)  # fmt: skip


def formulas() -> dict[str, Callable[..., object]]:
    """Every formula of the registered operators and of the classes they share, by its qualified name."""
    classes = {base for cls in OPERATORS.values() for base in cls.__mro__ if issubclass(base, Operator)} - {Operator}
    methods = [vars(cls)[name] for cls in classes for name in FORMULAS if name in vars(cls)]
    return {function.__qualname__: function for function in [*methods, *WINDOW_FUNCTIONS.values()]}


def is_of_self(node: ast.expr) -> bool:
    """Whether it is `self.something`."""
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"


def flags() -> set[str]:
    """Fields that are true or false, and properties that say so of themselves."""
    names = set()
    for cls in OPERATORS.values():
        names |= {name for name, kind in cls.field_annotations.items() if isinstance(kind_of(kind), FlagKind)}
        properties = inspect.getmembers(cls, lambda member: isinstance(member, property))
        names |= {name for name, member in properties if member.fget.__annotations__["return"] is bool}
    return names


FLAGS = flags()


def complaints(source: str) -> Iterator[str]:
    """What in the source of a formula is not plain."""
    for node in ast.walk(ast.parse(textwrap.dedent(source)).body[0]):
        if isinstance(node, ast.IfExp):
            if not (is_of_self(node.test) and node.test.attr in FLAGS):
                yield f"decides by {ast.unparse(node.test)}, which is no flag"
        elif isinstance(node, ast.comprehension):
            if node.ifs:
                yield f"selects by {ast.unparse(node.ifs[0])}"
        elif isinstance(node, ast.Call):
            if not is_of_self(node.func) and not (isinstance(node.func, ast.Name) and node.func.id in CALLABLE):
                yield f"calls {ast.unparse(node.func)}"
        elif isinstance(node, ast.Attribute):
            if not is_of_self(node):
                yield f"reads {ast.unparse(node)}"
        elif isinstance(node, ast.BinOp | ast.AugAssign | ast.UnaryOp):
            if not isinstance(node.op, (*OPERATIONS, ast.USub)):
                yield f"computes {ast.unparse(node)}"
        elif isinstance(node, ast.Constant):
            if not isinstance(node.value, int | str):
                yield f"holds {node.value!r}"
        elif not isinstance(node, HARMLESS) and not isinstance(node, ast.operator | ast.unaryop):
            yield f"uses {type(node).__name__}"


@pytest.mark.parametrize("name", sorted(formulas()))
def test_formula_is_plain(name: str) -> None:
    assert list(complaints(inspect.getsource(formulas()[name]))) == []


def test_flags_are_found() -> None:
    assert {"bias", "affine", "ceil_mode", "is_same", "shifts", "copies"} <= FLAGS
    assert not FLAGS & {"groups", "stride", "rank", "overhangs", "kernel_size"}


def test_formulas_are_found() -> None:
    found = formulas()
    assert {"Conv.out_shape", "Grouped.weights", "Pool.pooled", "Activation.elementwise", "slid_ceil"} <= set(found)
    for cls in OPERATORS.values():
        counted = [quantity for quantity in Operator.COUNTED if quantity not in cls.free and cls.supported]
        assert all(getattr(cls, quantity).__qualname__ in found for quantity in counted), cls.word
        assert cls.out_shape.__qualname__ in found


def test_a_formula_gets_nothing_from_elsewhere() -> None:
    """The names a formula may call are the ones that `arith` and `window` define."""
    for name in ("prod", "exact_div", "floor_div", "ceil_div", "joint_size"):
        for module in {inspect.getmodule(function) for function in formulas().values()}:
            assert getattr(module, name, getattr(arith, name)) is getattr(arith, name)


PLAIN = '''
def out_shape(self, inputs: Inputs) -> Shape:
    """Sizes, one by one."""
    (shape,) = inputs
    total: Size = 0
    for size in shape[1:]:
        total = total + 2 * size - 1
    sizes = tuple(slid(size, k) if self.is_same else floor_div(-size, k) for size, k in zip(shape, self.k, strict=True))
    return (*shape[: len(shape) - self.rank - 1], total, *self.pooled(sizes))
'''


def test_a_plain_formula_passes() -> None:
    assert list(complaints(PLAIN)) == []


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("return self.channels // self.groups", "computes self.channels // self.groups"),
        ("return self.channels / 2", "computes self.channels / 2"),
        ("return self.channels % 2", "computes self.channels % 2"),
        ("return 2 ** self.rank", "computes 2 ** self.rank"),
        ("size //= 2", "computes size //= 2"),
        ("return not self.bias", "computes not self.bias"),
        ("return max(size, 1)", "calls max"),
        ("return min(size, 1)", "calls min"),
        ("return int(size)", "calls int"),
        ("return abs(size)", "calls abs"),
        ("return round(size)", "calls round"),
        ("return math.ceil(size)", "calls math.ceil"),
        ("return size.bit_length()", "calls size.bit_length"),
        ("return prod(output) if output else 0", "decides by output, which is no flag"),
        ("return 1 if size > 2 else 0", "decides by size > 2, which is no flag"),
        ("return 1 if self.stride[0] else 0", "decides by self.stride[0], which is no flag"),
        ("return 1 if self.groups else 0", "decides by self.groups, which is no flag"),
        ("return prod(size for size in output if size)", "selects by size"),
        ("return size > 1", "uses Compare"),
        ("return self.bias and size", "uses BoolOp"),
        ("return 0.5 * size", "holds 0.5"),
        ("return (lambda: size)()", "uses Lambda"),
        ("return [size for size in output]", "uses ListComp"),
        ("return f'{size}'", "uses JoinedStr"),
        ("if size > 1:\n        return 1", "uses If"),
        ("while size:\n        size = size - 1", "uses While"),
        ("try:\n        return size\n    except Error:\n        return 0", "uses Try"),
        ("match size:\n        case 1:\n            return 0", "uses Match"),
        ("import math", "uses Import"),
        ("return (size := 2)", "uses NamedExpr"),
    ],
)
def test_a_formula_that_is_not_plain_is_found(body: str, complaint: str) -> None:
    assert complaint in list(complaints(f"def macs(self, inputs, output):\n    {body}\n"))
