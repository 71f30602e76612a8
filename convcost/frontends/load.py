"""Finding a network: a spec by its path, or a bundled one by its bare name."""

from __future__ import annotations

import os
from typing import Any

from convcost.errors import ConvcostError, Problem, SpecError, nearest_hint
from convcost.frontends.expression import quote
from convcost.frontends.yaml_spec import Spec, read_spec
from convcost.graph import Graph

__all__ = ["bundled_names", "bundled_path", "find_spec", "load", "load_spec"]

SUFFIXES = (".yaml", ".yml")


def _bundled_folder() -> str:
    """The folder of bundled specs: inside the installed package, or beside it in a checkout."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    installed = os.path.join(package, "specs")
    return installed if os.path.isdir(installed) else os.path.join(os.path.dirname(package), "specs")


def bundled_names() -> list[str]:
    """The names of the bundled specs."""
    return sorted(name.removesuffix(".yaml") for name in os.listdir(_bundled_folder()) if name.endswith(".yaml"))


def bundled_path(name: str) -> str:
    """The path of a file in the folder of bundled specs."""
    return os.path.join(_bundled_folder(), name)


def find_spec(target: str) -> str:
    """The path of a spec: the target itself, or the bundled spec of that bare name.

    Raises:
        ConvcostError: it is neither.
        SpecError: it is neither, and the bundled spec that it may mean is known.
    """
    if os.path.isfile(target):
        return target
    bare = os.sep not in target and "/" not in target
    name = target.removesuffix(".yaml")
    if bare and name and os.path.isfile(path := bundled_path(f"{name}.yaml")):
        return path
    if not bare or os.path.exists(target):
        return target  # reading it says what is wrong
    names = bundled_names()
    if target.endswith(SUFFIXES):
        hint = nearest_hint(os.path.splitext(target)[0][:60], names)
        raise SpecError(target, [Problem(1, 1, f"there is no such file{hint}")])
    hint = nearest_hint(name[:60], names)
    raise ConvcostError(f"{quote(target)} is neither a file nor a bundled spec; bundled are {', '.join(names)}{hint}")


def load_spec(target: str, variables: dict[str, Any] | None = None) -> Spec:
    """The spec at a path or of a bundled name, with the totals that it expects.

    Raises:
        ConvcostError: there is none.
        SpecError: it has mistakes, all of which are listed.
    """
    return read_spec(find_spec(os.fspath(target)), variables)


def load(target: str, /, **variables: Any) -> Graph:
    """The network of a spec: a path, or the bare name of a bundled one; keyword arguments set its variables.

    Raises:
        ConvcostError: there is no such spec.
        SpecError: it has mistakes, all of which are listed with line and column.
    """
    return load_spec(target, variables).graph
