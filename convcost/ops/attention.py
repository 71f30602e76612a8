"""Products of activations: matrix multiplication and attention."""

from collections.abc import Iterator

from convcost.arith import Shape, Size, is_int, joint_size, looks_equal, note_equal, prod
from convcost.ops.base import Inputs, Operator, operator
from convcost.ops.join import show_shapes
from convcost.ops.reads import Product, Reads, same, stretched, whole

NO_PARAMETERS = "multiplies its inputs, learns nothing"
SOFTMAX = 5
"""FLOPs an element of a softmax, as the operator of that name counts."""


def check_operands(inputs: Inputs, names: tuple[str, ...]) -> Iterator[str]:
    """So many operands, of two axes at least, equally many."""
    if len(inputs) != len(names):
        yield f"it takes {len(names)} inputs ({', '.join(names)}), not {len(inputs)}"
    elif len({len(shape) for shape in inputs}) > 1 or len(inputs[0]) < 2:
        yield f"the operands are {show_shapes(inputs)}; they must have equally many axes, at least 2"


def differ(first: Size, second: Size) -> bool:
    """Whether two sizes are concrete and not equal; symbols are taken for equal."""
    note_equal(first, second)
    return is_int(first) and is_int(second) and first != second


def joint_axes(first: Shape, second: Shape) -> Shape:
    """The axes before the last two, an axis of size 1 stretching to the other's."""
    return tuple(joint_size(a, b) for a, b in zip(first[:-2], second[:-2], strict=True))


def read_before(shape: Shape, output: Shape) -> Product:
    """The axes before the last two are read at the same place; one of size 1 is stretched."""
    pairs = enumerate(zip(shape[:-2], output[:-2], strict=True))
    return tuple(stretched(axis) if looks_equal(size, 1) else same(axis) for axis, (size, _) in pairs)


@operator("matmul", family="attention")
class MatMul(Operator):
    """Matrix product of two inputs over their last two axes, one for each place on the axes before them.

    y[i, j] = sum over k of a[i, k] b[k, j]

    Shapes: (*, rows, inner), (*, inner, columns) -> (*, rows, columns); an axis of size 1 among * is stretched.
    Parameters: none. MACs: rows inner columns, for each of *.
    Elementwise: none.
    Constraints: two inputs with equally many axes, which agree in inner.
    Source: as torch.matmul.
    """

    free = {"params": NO_PARAMETERS, "elementwise": "all its work is in multiply-accumulates"}
    many_inputs = True

    def out_shape(self, inputs: Inputs) -> Shape:
        first, second = inputs
        return (*self.joined(first, second), first[-2], second[-1])

    def joined(self, first: Shape, second: Shape) -> Shape:
        """The axes before the last two."""
        return joint_axes(first, second)

    def macs(self, inputs: Inputs, output: Shape) -> Size:
        return prod(output) * inputs[0][-1]

    def reads(self, inputs: Inputs, output: Shape) -> Reads:
        """A row of the first, a column of the second."""
        first, second = inputs
        rows, columns = same(len(output) - 2), same(len(output) - 1)
        left = (*read_before(first, output), rows, whole())
        return ((left,), ((*read_before(second, output), whole(), columns),))

    def check(self, inputs: Inputs) -> Iterator[str]:
        wrong = list(check_operands(inputs, ("the left factor", "the right factor")))
        yield from wrong
        if wrong:
            return
        first, second = inputs
        if any(differ(a, b) and 1 not in (a, b) for a, b in zip(first[:-2], second[:-2], strict=True)):
            yield f"the operands are {show_shapes(inputs)}; they must be equal, or 1, on every axis before the last two"
        elif differ(first[-1], second[-2]):
            yield (
                f"the operands are {show_shapes(inputs)}; the last axis of the first (={first[-1]}) must be the last"
                f" but one of the second (={second[-2]}); permute one of them"
            )


@operator("scaled_dot_product_attention", family="attention")
class ScaledDotProductAttention(Operator):
    """Scaled dot-product attention: for each query a mean of the values, weighted by its likeness to the keys.

    y = softmax(query key^T / sqrt(E)) value

    Shapes: query (*, L, E), key (*, S, E), value (*, S, V) -> (*, L, V); * are heads, if any.
    Parameters: none.
    MACs: L S (E + V), for each of *; a mask saves none, as it is applied to products that are computed.
    Elementwise: 6 a score, L S of them for each of *: the scaling, and the softmax's 5.
    Constraints: three inputs with equally many axes, in the order query, key, value; equal axes before the last two.
    Source: Vaswani et al. 2017, arXiv:1706.03762, equation 1; as torch's function of that name.
    """

    free = {"params": NO_PARAMETERS}
    many_inputs = True

    def out_shape(self, inputs: Inputs) -> Shape:
        query, _, value = inputs
        return (*query[:-1], value[-1])

    def scores(self, inputs: Inputs) -> Size:
        """How many pairs of a query and a key there are."""
        return prod(inputs[0][:-1]) * inputs[1][-2]

    def macs(self, inputs: Inputs, output: Shape) -> Size:
        return self.scores(inputs) * (inputs[0][-1] + inputs[2][-1])

    def reads(self, inputs: Inputs, output: Shape) -> Reads:
        """A query, all keys, and of all values a column."""
        before = tuple(map(same, range(len(output) - 2)))
        query = (*before, same(len(output) - 2), whole())
        return ((query,), ((*before, whole(), whole()),), ((*before, whole(), same(len(output) - 1)),))

    def elementwise(self, inputs: Inputs, output: Shape) -> Size:
        return (SOFTMAX + 1) * self.scores(inputs)

    def backward_macs(self, inputs: Inputs, output: Shape, needed: tuple[bool, ...]) -> Size:
        """Gradients of query and key each take a product with the scores' gradient, which takes one with the values."""
        query, key, value = needed
        to_values = (query or key) + value
        return self.scores(inputs) * ((query + key) * inputs[0][-1] + to_values * inputs[2][-1])

    def check(self, inputs: Inputs) -> Iterator[str]:
        wrong = list(check_operands(inputs, ("query", "key", "value")))
        yield from wrong
        if wrong:
            return
        query, key, value = inputs
        if any(differ(a, b) for other in (key, value) for a, b in zip(query[:-2], other[:-2], strict=True)):
            yield f"the operands are {show_shapes(inputs)}; the axes before the last two must be equal"
        elif differ(query[-1], key[-1]):
            yield f"query and key must have equal last axes, and have {query[-1]} and {key[-1]}"
        elif differ(key[-2], value[-2]):
            yield f"key and value must have equally many rows, and have {key[-2]} and {value[-2]}"
