"""The application: finds the command, and turns what goes wrong into a message and an exit code."""

from __future__ import annotations

import gc
import io
import os
import signal
import sys
from importlib import import_module
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from convcost.errors import ConvcostError
from convcost.version import __version__

__all__ = ["app", "main"]

COMMANDS = {
    "analyze": "what a network costs: parameters, MACs, memory, layer by layer",
    "compare": "what is saved when one operator takes another's place",
    "explain": "what an operator or block is: definition, shapes, cost, constraints, source",
    "export": "write a network as PyTorch source, or as a spec",
    "formula": "the totals in closed form, exact for every size",
    "ops": "the catalogue: every operator and block by family",
    "rf": "the receptive field of every layer: which part of the input it sees",
    "schema": "the JSON Schema of specs, for editors",
    "solve": "the largest value of a variable within a budget",
    "validate": "hold the analysis against a real run, layer by layer",
}
"""Each command and its one line of help; the command itself is in the module of its name."""


class LazyGroup(TyperGroup):
    """A group whose commands are imported when they are named, so that none loads what it does not use."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"convcost.cli.{cmd_name}")
        single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        function = getattr(module, cmd_name)
        single.command(name=cmd_name, help=function.__doc__, short_help=COMMANDS[cmd_name])(function)
        return typer.main.get_command(single)


app = typer.Typer(cls=LazyGroup, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"convcost {__version__}")
        raise typer.Exit


@app.callback()
def convcost(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """What a convolutional architecture costs: parameters, multiply-accumulates, memory."""


def _interrupted(number: int, frame: object) -> NoReturn:
    """Ctrl-C: files that were being written are left as they were."""
    print("interrupted", file=sys.stderr)
    sys.exit(128 + number)


def main() -> NoReturn:
    """Run the command line, and exit."""
    signal.signal(signal.SIGINT, _interrupted)
    gc.disable()  # a run is short and leaves few cycles; on 100,000 layers collecting takes a quarter more
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names in any script, at a terminal of any encoding
    try:
        app()
    except ConvcostError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    sys.exit(0)
