"""The commands that need PyTorch say so where it is missing."""

from importlib.util import find_spec

from convcost.errors import ConvcostError

__all__ = ["need_torch"]


def need_torch(command: str) -> None:
    """Refuse to go on without PyTorch.

    Raises:
        ConvcostError: it is not installed.
    """
    if find_spec("torch") is None:
        raise ConvcostError(f"convcost {command} needs PyTorch: pip install 'convcost[torch]'")
