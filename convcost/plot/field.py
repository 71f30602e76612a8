"""One picture: how the receptive field grows with depth, and what the cells of the input contribute to a unit."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from itertools import accumulate
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from convcost.analysis.contribution import Contribution
from convcost.analysis.receptive_field import Field
from convcost.report.contribution import share_text, shortened
from convcost.report.field_text import axis_names

__all__ = ["picture"]

SETTINGS: Any = {
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "svg.hashsalt": "convcost",
}
METADATA: dict[str, dict[str, Any]] = {"svg": {"Date": None}, "png": {"Software": None}}
COLOURS = ("#1f77b4", "#d95f02", "#1b7837")
WHOLE = "#c51b7d"
FRAME, IMAGE, MIDDLE = "#222222", "#0072b2", "#d55e00"
MOST_CELLS = 600
"""Longer fields are drawn by the means of neighbouring cells."""


def picture(
    fields: Sequence[Field | None], position: int, unit: Sequence[int], found: Contribution, suffix: str, network: str
) -> bytes:
    """The picture as a file of that kind."""
    field = fields[position]
    assert field is not None, "a layer that sees nothing has no contributions"
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # whatever the user has set elsewhere
        matplotlib.rcParams.update(SETTINGS)
        figure = Figure(figsize=(13, 5.8), layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.08))
        growth, contributions = figure.subplots(1, 2, width_ratios=(1.15, 1))
        _draw_growth(growth, [one for one in fields[: position + 1] if one is not None and not one.node.is_input])
        images = [axis.input_size for axis in field.axes]
        if len(found.sizes) == 1:
            _draw_profile(contributions, found, images[0])
        else:
            _draw_map(figure, contributions, found, images)
        place = f"unit {','.join(map(str, unit))}" if unit else "every unit"
        total = f"{_power(shortened(found.total))} path{'s' if found.total != 1 else ''}"
        contributions.set_title(f"Contributions to {place}: {'at most ' * found.at_most}{total}")
        figure.legend(*contributions.get_legend_handles_labels(), loc="outside lower right", ncols=3)
        figure.suptitle(f"{network}: {field.node.name}" if network else field.node.name, fontsize=13, parse_math=False)
        file = BytesIO()
        figure.savefig(file, format=suffix, dpi=120, metadata=METADATA[suffix])
    return file.getvalue()


def _power(text: str) -> str:
    """A shortened number with its exponent raised."""
    digits, power, exponent = text.partition(" x 10^")
    return rf"${digits} \times 10^{{{exponent}}}$" if power else text


def _draw_growth(axes: Axes, fields: Sequence[Field]) -> None:
    """The size behind each layer, a dot, and the largest so far, a line; axes that are alike share them. Where a layer
    sees the whole input, these are the sizes through local operators, and a square the size in all."""
    depth = range(1, len(fields) + 1)
    names = axis_names(len(fields[0].axes)) if fields else ()
    lines: dict[tuple[Any, ...], list[str]] = {}
    for number, name in enumerate(names):
        known = [one.axes[number] for one in fields]
        lines.setdefault(tuple((axis.size, axis.local_size, axis.whole) for axis in known), []).append(name)
    is_global = any(one.is_global for one in fields)
    for (sizes, alike), colour in zip(lines.items(), COLOURS, strict=False):
        local = [float(local) for _, local, _ in sizes]
        label = " and ".join(alike) + (", through local operators" if is_global else "")
        axes.plot(depth, list(accumulate(local, max)), drawstyle="steps-post", color=colour, alpha=0.6)
        axes.plot(depth, local, "o", color=colour, markersize=4, label=label)
        whole = [(at, float(size)) for at, (size, _, is_whole) in zip(depth, sizes, strict=True) if is_whole]
        axes.plot(
            [at for at, _ in whole], [size for _, size in whole], "s", color=WHOLE, markersize=5, fillstyle="none"
        )
    if is_global:
        axes.plot(
            [], [], "s", color=WHOLE, markersize=5, fillstyle="none", label="in all, where it sees the whole input"
        )
    if any(one.at_most for one in fields):
        axes.plot([], [], " ", label="(sizes are bounds)")
    axes.set(
        xlabel="layer",
        ylabel="elements of the input",
        title="Receptive field along depth",
        xlim=(0, len(fields) + 1),
        ylim=(0, None),
    )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="y", alpha=0.3)
    axes.legend(loc="upper left")


def _relative(numbers: Sequence[int], merged: int, largest: int) -> list[float]:
    """Numbers as parts of the largest, by the means of so many neighbours; the last are fewer."""
    parts = [numbers[place : place + merged] for place in range(0, len(numbers), merged)]
    return [sum(part) / (largest * len(part)) for part in parts]


def _draw_profile(axes: Axes, found: Contribution, image: int) -> None:
    """The paths from each cell of one axis, the field's middle half, and where the input lies."""
    start, size = found.starts[0], found.sizes[0]
    merged = -(-size // MOST_CELLS)
    heights = _relative(found.profile(0), merged, found.largest or 1)
    edges = [start - 0.5 + place for place in [*range(0, size, merged), size]]
    axes.stairs(heights, edges, fill=True, color=COLOURS[0])
    _span(axes, start, size, found)
    if start < 0 or start + size > image:
        for edge in (-0.5, image - 0.5):
            axes.axvline(edge, color=IMAGE, linestyle="--", label="input" if edge < 0 else "_input")
    axes.set(xlabel=_axis_label(found, 0), ylabel="paths, the largest as 1", ylim=(0, 1.05))


def _span(axes: Axes, start: int, size: int, found: Contribution) -> None:
    low = start - 0.5 + size / 4
    label = f"middle half, {share_text(found.middle_half(0))}"
    axes.axvspan(low, low + size / 2, color=MIDDLE, alpha=0.15, linewidth=0, label=label)


def _draw_map(figure: Figure, axes: Axes, found: Contribution, images: Sequence[int]) -> None:
    """The paths from each cell of the last two axes, with the frames of the field, its middle half and the input."""
    (top, left), (rows, columns) = found.starts[-2:], found.sizes[-2:]
    merged = -(-max(rows, columns) // MOST_CELLS)
    plane = _merged_rows(found.plane(), merged)
    largest = max(map(max, plane), default=1) or 1
    shown = [_relative(row, merged, largest) for row in plane]
    # the last cell that is drawn holds fewer elements, so the picture ends at a multiple
    right, bottom = left - 0.5 + merged * len(shown[0]), top - 0.5 + merged * len(shown)
    drawn = axes.imshow(
        shown, cmap="magma_r", vmin=0, extent=(left - 0.5, right, bottom, top - 0.5), interpolation="nearest"
    )
    shares = " and ".join(share_text(found.middle_half(axis)) for axis in _unlike(found))
    _frame(axes, (top, left), (rows, columns), FRAME, "-", f"field, {rows} x {columns}")
    middle = (top + rows / 4, left + columns / 4)
    _frame(axes, middle, (rows / 2, columns / 2), MIDDLE, ":", f"middle half, {shares} along each axis")
    _frame(axes, (0, 0), images[-2:], IMAGE, "--", f"input, {images[-2]} x {images[-1]}")
    _margins(axes, (top, left), (rows, columns), images)
    first, second = len(images) - 2, len(images) - 1
    axes.set(ylabel=_axis_label(found, first), xlabel=_axis_label(found, second))
    figure.colorbar(drawn, ax=axes, label="paths, the largest as 1")


def _merged_rows(plane: Sequence[Sequence[int]], merged: int) -> list[list[int]]:
    parts = [plane[place : place + merged] for place in range(0, len(plane), merged)]
    return [[sum(column) for column in zip(*part, strict=True)] for part in parts]


def _unlike(found: Contribution) -> list[int]:
    """The last two axes, or one of them where the shares are alike."""
    rank = len(found.sizes)
    alike = found.middle_half(rank - 2) == found.middle_half(rank - 1)
    return [rank - 2] if alike else [rank - 2, rank - 1]


def _frame(axes: Axes, start: Sequence[float], sizes: Sequence[float], colour: str, style: Any, label: str) -> None:
    (top, left), (rows, columns) = start, sizes
    frame = Rectangle((left - 0.5, top - 0.5), columns, rows, fill=False, edgecolor=colour, label=label)
    frame.set_linestyle(style)
    frame.set_linewidth(1.8)
    axes.add_patch(frame)


def _margins(axes: Axes, start: Sequence[int], sizes: Sequence[int], images: Sequence[int]) -> None:
    """Limits that leave room around all frames."""
    ends = [
        (min(0, first), max(image, first + size)) for first, size, image in zip(start, sizes, images[-2:], strict=True)
    ]
    room = 0.03 * max(last - first for first, last in ends)
    (top, bottom), (left, right) = ends
    axes.set_xlim(left - 0.5 - room, right - 0.5 + room)
    axes.set_ylim(bottom - 0.5 + room, top - 0.5 - room)
    axes.set_aspect("equal")


def _axis_label(found: Contribution, axis: int) -> str:
    name = axis_names(len(found.sizes))[axis]
    return f"{name} (standard deviation {found.deviation(axis):.4g})"
