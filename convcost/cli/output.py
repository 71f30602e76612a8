"""Where a command's text goes: the screen, or a file that is written whole or not at all."""

from __future__ import annotations

import os
import sys

from convcost.errors import ConvcostError
from convcost.files import write_whole
from convcost.report.terminal import Screen

__all__ = ["emit", "screen"]


def screen() -> Screen:
    """The screen that stdout is: its width where it is a terminal, colours unless NO_COLOR forbids them."""
    if sys.stdout is None:
        return Screen()
    encoding = (sys.stdout.encoding or "ascii").lower()
    unicode = encoding.startswith("utf")
    if not sys.stdout.isatty():
        return Screen(unicode=unicode)
    color = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    columns = os.environ.get("COLUMNS", "")
    width = int(columns) if columns.isdecimal() and int(columns) else os.get_terminal_size(sys.stdout.fileno()).columns
    return Screen(width=width or None, color=color, unicode=unicode)


def emit(text: str, output: str | None) -> None:
    """Print the text, or write it to a file; a link is followed, and a device or pipe written to as it is.

    Raises:
        ConvcostError: the file cannot be written; nothing of it is left behind then.
    """
    if output is None:
        _print(text)
        return
    if not output:
        raise ConvcostError("--output is empty; give a file")
    write_whole((text + "\n").encode(), output)


def _print(text: str) -> None:
    if sys.stdout is None:  # closed by the caller
        raise ConvcostError("standard output is closed; use --output")
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise ConvcostError(f"standard output cannot be written: {error.strerror}") from None
