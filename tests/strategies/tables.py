"""Every operator and block that a plan can hold, with how its fields are drawn."""

from __future__ import annotations

from strategies import channel, factorised, inplace, mobile, move, pointwise, residual, special, units, windows
from strategies.draw import LARGEST_SIZE, Fits, Rows, Shape

SPATIAL: Rows = {
    **windows.ROWS,
    **residual.ROWS,
    **special.ROWS,
    **mobile.ROWS,
    **units.ROWS,
    **channel.ROWS,
    **factorised.ROWS,
    **inplace.ROWS,
}
"""Layers on one to three spatial axes."""

RESIZING: Rows = {**move.ROWS, **windows.LARGER, **channel.ENDING}
"""Layers that cut the map, or make it larger."""

SAME_SHAPE: Rows = {**pointwise.ROWS, **move.KEEPING}
"""Layers that keep the shape."""

FIXED: Rows = {**move.FIXED, **special.FIXED}
"""Layers that need the very sizes for which they are drawn."""

TABLES: Rows = {**SPATIAL, **RESIZING, **SAME_SHAPE, **FIXED}
JOINS = ("add", "multiply", "concat", "matmul", "scaled_dot_product_attention")
TAIL = ("flatten", "linear", "linear_bottleneck")
DRAWN = {*TABLES, *JOINS, *TAIL}
"""Every operator and block that a plan can hold."""

ENLARGING = {"conv_transpose", "upsample", "pixel_shuffle", "pad"}
FITS: Fits = {**pointwise.FITS, **factorised.FITS, **inplace.FITS, **special.FITS}


def fitting(table: Rows, shape: Shape) -> list[str]:
    """The words of a table that can stand on the shape and leave it small."""
    is_large = max(shape[1:]) > LARGEST_SIZE // 2 - 2
    return [
        word for word in table if not (is_large and word in ENLARGING) and FITS.get(word, lambda shape: True)(shape)
    ]
