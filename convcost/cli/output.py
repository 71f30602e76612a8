"""Where a command's text goes: the screen, or a file that is written whole or not at all."""

from __future__ import annotations

import os
import sys
import tempfile

from convcost.errors import ConvcostError
from convcost.report.terminal import Screen

__all__ = ["emit", "screen"]


def screen() -> Screen:
    """The screen that stdout is: its width where it is a terminal, colours unless NO_COLOR forbids them."""
    encoding = (sys.stdout.encoding or "ascii").lower()
    unicode = encoding.startswith("utf")
    if not sys.stdout.isatty():
        return Screen(unicode=unicode)
    color = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    columns = os.environ.get("COLUMNS", "")
    width = int(columns) if columns.isdecimal() and int(columns) else os.get_terminal_size(sys.stdout.fileno()).columns
    return Screen(width=width or None, color=color, unicode=unicode)


def emit(text: str, output: str | None) -> None:
    """Print the text, or write it to a file.

    Raises:
        ConvcostError: the file cannot be written; nothing of it is left behind then.
    """
    if output is None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
        return
    folder = os.path.dirname(os.path.abspath(output))
    try:
        with tempfile.NamedTemporaryFile("w", dir=folder, encoding="utf-8", delete=False) as file:
            temporary = file.name
            file.write(text + "\n")
    except OSError as error:
        raise ConvcostError(f"{output}: cannot be written: {error.strerror}; give a folder that exists") from None
    try:
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, output)
    except OSError as error:
        os.unlink(temporary)
        raise ConvcostError(f"{output}: cannot be written: {error.strerror}") from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
