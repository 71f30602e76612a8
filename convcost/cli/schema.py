"""`convcost schema`."""

import json
from typing import Annotated, Optional

import typer

from convcost.cli.output import emit
from convcost.frontends.schema import spec_schema

__all__ = ["schema"]


def schema(
    output: Annotated[Optional[str], typer.Option(help="Write to a file, whole or not at all.")] = None,
) -> None:
    """The JSON Schema of specs, made from the registry of operators and blocks.

    Put `# yaml-language-server: $schema=convcost.schema.json` on the first line of a spec, and an editor completes it.
    """
    emit(json.dumps(spec_schema(), indent=1), output)
