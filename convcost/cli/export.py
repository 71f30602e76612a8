"""`convcost export`."""

import os
from enum import StrEnum
from typing import Annotated, Optional

import typer

from convcost.cli.extras import need_torch
from convcost.cli.output import emit
from convcost.cli.settings import parse_settings
from convcost.errors import ConvcostError
from convcost.frontends.load import load_spec
from convcost.graph import Graph

__all__ = ["export"]


class Language(StrEnum):
    """What a network is written as."""

    torch = "torch"
    spec = "spec"


LANGUAGES = {".py": Language.torch, ".yaml": Language.spec, ".yml": Language.spec}
"""What the end of a file's name stands for."""


def export(
    target: Annotated[
        str, typer.Argument(help="A spec: a path, or the bare name of a bundled one.", show_default=False)
    ],
    to: Annotated[
        Optional[Language],
        typer.Option(
            help="What to write: torch is PyTorch source, spec a spec with every layer written out; what the end of"
            " --output says unless given.",
            show_default=False,
        ),
    ] = None,
    set_: Annotated[
        Optional[list[str]], typer.Option("--set", metavar="NAME=VALUE", help="Set a variable of the spec; repeatable.")
    ] = None,
    output: Annotated[
        Optional[str], typer.Option("--output", "-o", help="Write to a file, whole or not at all.")
    ] = None,
) -> None:
    """Write a network as PyTorch source that runs without convcost, or as a spec with every layer written out.

    convcost export mobilenet_v1 --to torch -o net.py

    convcost export mobilenet_v1 --set width=0.5 -o net.yaml
    """
    language = to or language_of(output)
    if language is Language.torch:
        need_torch("export --to torch")
    graph = load_spec(target, parse_settings(set_ or [])).graph
    emit(written(graph, language).rstrip("\n"), output)


def language_of(output: str | None) -> Language:
    """What the end of the file's name stands for.

    Raises:
        ConvcostError: it stands for nothing.
    """
    ending = os.path.splitext(output or "")[1].lower()
    if ending not in LANGUAGES:
        found = (
            f"--output ends in {ending}" if ending else "--output has no ending" if output else "there is no --output"
        )
        raise ConvcostError(
            f"what to write is not said: {found}; give --to torch or --to spec, or a file that ends in"
            f" {', '.join(LANGUAGES)}"
        )
    return LANGUAGES[ending]


def written(graph: Graph, language: Language) -> str:
    """The network in that form."""
    if language is Language.torch:
        from convcost.pytorch.source import to_source

        return to_source(graph)
    from convcost.frontends.spec_writer import to_spec

    return to_spec(graph)
