"""A tiling as text and as a dictionary for JSON."""

from __future__ import annotations

from typing import Any

from convcost.analysis.tiling import AxisTiling, Tiling
from convcost.ops.base import show_shape
from convcost.report.field_text import axis_names

__all__ = ["tiling_dict", "tiling_text"]

MOST_SHOWN = 4
"""So many starts or names are written out."""


def tiling_text(tiling: Tiling) -> list[str]:
    """The tiling, a line a fact."""
    image = show_shape(tuple(axis.image for axis in tiling.axes))
    name = tiling.node.name
    if tiling.count == 1:
        return [f'An image of {image} is a single tile: nothing overlaps. "{name}" is as it is.']
    counts = show_shape(tuple(axis.count for axis in tiling.axes))
    lines = [
        f'{tiling.count} tiles ({counts}) give the same as the whole image of {image} at "{name}"',
        f"tile     {show_shape(tiling.tile)}{_allowed(tiling)}",
        f"overlap  {show_shape(tiling.overlap)}{_apart(tiling)}",
        f"step     {show_shape(tiling.step)}, a multiple of {show_shape(tiling.alignment)}; after it all grids repeat",
        *_by_axis("starts", [_starts(axis) for axis in tiling.axes]),
        *_by_axis("keep", [_kept(axis) for axis in tiling.axes]),
    ]
    if tiling.work is not None:
        lines.append(f"MACs     {float(tiling.work):.2f} times those of the whole image")
    if tiling.resized:
        lines.append(f"sizes    follow the tile in {_listed(list(tiling.resized))}")
    return lines


def _allowed(tiling: Tiling) -> str:
    """What is said where a tile is smaller than allowed."""
    if all(axis.tile == min(axis.image, most) for axis, most in zip(tiling.axes, tiling.limit, strict=True)):
        return ""
    return f", the largest of at most {show_shape(tiling.limit)} that fits the image's grids"


def _apart(tiling: Tiling) -> str:
    return ": nothing reads what lies between" if any(axis.overlap < 0 for axis in tiling.axes) else ""


def _by_axis(word: str, texts: list[str]) -> list[str]:
    """A line for all axes, or one each where they differ."""
    names = axis_names(len(texts))
    if len(set(texts)) == 1:
        return [f"{word:<9}{texts[0]}" + (" along each axis" if len(texts) > 1 else "")]
    return [
        f"{word if name == names[0] else '':<9}{text} along the {name}" for name, text in zip(names, texts, strict=True)
    ]


def _starts(axis: AxisTiling) -> str:
    return _listed([str(piece.start) for piece in axis.pieces()])


def _kept(axis: AxisTiling) -> str:
    """Which elements of a tile's output are kept."""
    pieces = axis.pieces()
    if len(pieces) == 1:
        return "its 1 output" if axis.output == 1 else f"all {axis.output} outputs"
    first, last = pieces[0].stop - 1, pieces[-1].stop - 1
    inner = f", {axis.front} to {first} of inner ones" if len(pieces) > 2 else ""
    outputs = "output" if axis.tile_output == 1 else "outputs"
    return f"of {axis.tile_output} {outputs} 0 to {first} of the first tile{inner}, {axis.front} to {last} of the last"


def _listed(texts: list[str]) -> str:
    """The first few, and the last."""
    if len(texts) <= MOST_SHOWN:
        return ", ".join(texts)
    return f"{', '.join(texts[: MOST_SHOWN - 1])}, ... {texts[-1]}"


def tiling_dict(tiling: Tiling) -> dict[str, Any]:
    """The tiling as plain values; of each axis the tiles in order."""
    return {
        "layer": tiling.node.name,
        "tile": list(tiling.tile),
        "at_most": list(tiling.limit),
        "overlap": list(tiling.overlap),
        "step": list(tiling.step),
        "alignment": list(tiling.alignment),
        "tiles": tiling.count,
        "macs_ratio": None if tiling.work is None else round(float(tiling.work), 6),
        "resized": list(tiling.resized),
        "axes": [
            {
                "image": axis.image,
                "output": axis.output,
                "tile_output": axis.tile_output,
                "front": axis.front,
                "back": axis.back,
                "pieces": [piece.as_dict() for piece in axis.pieces()],
            }
            for axis in tiling.axes
        ],
    }
