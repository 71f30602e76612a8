"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile

from convcost.errors import ConvcostError

__all__ = ["write_whole"]


def write_whole(data: bytes, path: str) -> None:
    """Write a file beside the one that is meant, and put it in its place; a link is followed, and a device or pipe
    written to as it is.

    Raises:
        ConvcostError: it cannot be written; nothing of it is left behind then.
    """
    target = os.path.realpath(path)
    try:
        if os.path.exists(target) and not os.path.isfile(target):
            with open(target, "wb") as device:
                device.write(data)
            return
        _replace(data, target)
    except OSError as error:
        hint = "; give a folder that exists" if isinstance(error, FileNotFoundError) else ""
        raise ConvcostError(f"{path}: cannot be written: {error.strerror}{hint}") from None


def _replace(data: bytes, path: str) -> None:
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
