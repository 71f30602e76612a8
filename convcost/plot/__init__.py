"""Receptive fields as pictures; the only folder that imports matplotlib, which the extra `plot` brings."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from convcost.analysis.contribution import Contribution
from convcost.analysis.receptive_field import Field
from convcost.errors import ConvcostError
from convcost.files import write_whole

__all__ = ["plot_field", "suffix_of"]

SUFFIXES = ("svg", "png")


def plot_field(
    fields: Sequence[Field | None],
    position: int,
    unit: Sequence[int],
    found: Contribution,
    path: str,
    network: str = "",
) -> None:
    """Draw the growth of the receptive field up to the layer at `position`, and the contributions `found` for its
    `unit`, to an SVG or PNG file by the suffix of `path`. Equal arguments give equal files.

    Raises:
        ConvcostError: the suffix is another, matplotlib is not installed, or the file cannot be written; then nothing
            of it is left behind.
    """
    suffix = suffix_of(path)
    if find_spec("matplotlib") is None:
        raise ConvcostError(f"{path}: drawing it needs matplotlib: pip install 'convcost[plot]'")
    from convcost.plot.field import picture

    write_whole(picture(fields, position, unit, found, suffix, network), path)


def suffix_of(path: str) -> str:
    """The kind of picture that the file's name asks for.

    Raises:
        ConvcostError: there is no such kind.
    """
    suffix = Path(path).suffix.lower().removeprefix(".")
    if suffix not in SUFFIXES:
        raise ConvcostError(f'"{path}" names no kind of picture; the file must end in .svg or .png')
    return suffix
