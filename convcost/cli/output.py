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
    path = os.path.realpath(output)
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            with open(path, "w", encoding="utf-8") as device:
                device.write(text + "\n")
            return
        _write_whole(text, path)
    except OSError as error:
        hint = "; give a folder that exists" if isinstance(error, FileNotFoundError) else ""
        raise ConvcostError(f"{output}: cannot be written: {error.strerror}{hint}") from None


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


def _write_whole(text: str, path: str) -> None:
    """Write a file beside the one that is meant, and put it in its place."""
    with tempfile.NamedTemporaryFile("w", dir=os.path.dirname(path), encoding="utf-8", delete=False) as file:
        try:
            file.write(text + "\n")
            file.close()
            os.chmod(file.name, os.stat(path).st_mode if os.path.exists(path) else 0o666 & ~_umask())
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
