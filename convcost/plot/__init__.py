"""Receptive fields as pictures; the only folder that imports matplotlib, which the extra `plot` brings."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from convcost.analysis.contribution import Contribution
from convcost.analysis.receptive_field import Field
from convcost.errors import ConvcostError

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

    drawn = picture(fields, position, unit, found, suffix, network)
    try:
        _write_whole(drawn, os.path.realpath(path))
    except OSError as error:
        hint = "; give a folder that exists" if isinstance(error, FileNotFoundError) else ""
        raise ConvcostError(f"{path}: cannot be written: {error.strerror}{hint}") from None


def suffix_of(path: str) -> str:
    """The kind of picture that the file's name asks for.

    Raises:
        ConvcostError: there is no such kind.
    """
    suffix = Path(path).suffix.lower().removeprefix(".")
    if suffix not in SUFFIXES:
        raise ConvcostError(f'"{path}" names no kind of picture; the file must end in .svg or .png')
    return suffix


def _write_whole(data: bytes, path: str) -> None:
    """Write a file beside the one that is meant, and put it in its place; a device is written to as it is."""
    if os.path.exists(path) and not os.path.isfile(path):
        Path(path).write_bytes(data)
        return
    mode = os.stat(path).st_mode if os.path.exists(path) else 0o666 & ~_umask()
    with tempfile.NamedTemporaryFile(dir=os.path.dirname(path), delete=False) as file:
        try:
            file.write(data)
            file.close()
            os.chmod(file.name, mode)
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
