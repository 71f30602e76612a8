"""`convcost export`."""

from enum import StrEnum
from typing import Annotated, Optional

import typer

from convcost.cli.extras import need_torch
from convcost.cli.output import emit
from convcost.cli.settings import parse_settings
from convcost.frontends.load import load_spec

__all__ = ["export"]


class Language(StrEnum):
    """What a network is written as."""

    torch = "torch"


def export(
    target: Annotated[
        str, typer.Argument(help="A spec: a path, or the bare name of a bundled one.", show_default=False)
    ],
    to: Annotated[Language, typer.Option(help="What to write: torch is PyTorch source.", show_default=False)],
    set_: Annotated[
        Optional[list[str]], typer.Option("--set", metavar="NAME=VALUE", help="Set a variable of the spec; repeatable.")
    ] = None,
    output: Annotated[
        Optional[str], typer.Option("--output", "-o", help="Write to a file, whole or not at all.")
    ] = None,
) -> None:
    """Write a network as PyTorch source that runs without convcost.

    convcost export mobilenet_v1 --to torch -o net.py
    """
    need_torch("export")
    from convcost.pytorch.source import to_source

    emit(to_source(load_spec(target, parse_settings(set_ or [])).graph).rstrip("\n"), output)
