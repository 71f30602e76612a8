"""`convcost solve`."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Annotated, Optional

import typer

from convcost.cli.formats import Format, render
from convcost.cli.output import emit
from convcost.cli.settings import parse_settings
from convcost.errors import ConvcostError
from convcost.frontends.expression import shorten
from convcost.frontends.solve import Solution
from convcost.frontends.solve import solve as find

__all__ = ["solve"]

OPTIONS = ("params", "macs", "flops", "activations", "bytes_moved", "weight_bytes", "peak_activation_bytes")
DECIMAL = {"": 1, "k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
BYTES = {"B": 1, "KB": 10**3, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
AMOUNT = re.compile(r"([0-9][0-9_,]*(?:\.[0-9]+)?|\.[0-9]+)\s*([A-Za-z]*)")
BUDGET = "The largest number of them; k, M, G and T multiply."
BYTE_BUDGET = "The largest number of them; k, M, G, KiB, MiB and GiB multiply."


def solve(
    target: Annotated[
        str, typer.Argument(help="A spec: a path, or the bare name of a bundled one.", show_default=False)
    ],
    variable: Annotated[
        str,
        typer.Option(
            "--for",
            help="The variable to look for, or height, width, length or depth of the input.",
            show_default=False,
        ),
    ],
    params: Annotated[Optional[str], typer.Option(help=BUDGET)] = None,
    macs: Annotated[Optional[str], typer.Option(help=BUDGET)] = None,
    flops: Annotated[Optional[str], typer.Option(help=BUDGET)] = None,
    activations: Annotated[Optional[str], typer.Option(help=BUDGET)] = None,
    bytes_moved: Annotated[Optional[str], typer.Option(help=BYTE_BUDGET)] = None,
    weight_bytes: Annotated[Optional[str], typer.Option(help=BYTE_BUDGET)] = None,
    peak_activation_bytes: Annotated[Optional[str], typer.Option(help=BYTE_BUDGET)] = None,
    set_: Annotated[
        Optional[list[str]], typer.Option("--set", metavar="NAME=VALUE", help="Set a variable of the spec; repeatable.")
    ] = None,
    step: Annotated[
        Optional[str], typer.Option(help="The answer is a multiple of it: 1, or 0.001 for a variable that is no count.")
    ] = None,
    up_to: Annotated[
        Optional[str], typer.Option(help="Try every value up to this one, whatever the closed form shows.")
    ] = None,
    batch: Annotated[int, typer.Option(help="Samples in a batch.")] = 1,
    dtype: Annotated[str, typer.Option(help="Type of the elements: float32, float16, int8, ...")] = "float32",
    format_: Annotated[Format, typer.Option("--format", help="How the answer is written.")] = Format.table,
    output: Annotated[Optional[str], typer.Option(help="Write to a file, whole or not at all.")] = None,
) -> None:
    """The largest value of a variable with which the network stays within a budget. Exits with 1 where there is none.

    convcost solve mobilenet_v1 --for resolution --macs 300M
    """
    texts = (params, macs, flops, activations, bytes_moved, weight_bytes, peak_activation_bytes)
    given = dict(zip(OPTIONS, texts, strict=True))
    found = find(
        target,
        variable,
        variables=parse_settings(set_ or []),
        step=None if step is None else _number("--step", step),
        up_to=None if up_to is None else _number("--up-to", up_to),
        batch=batch,
        dtype=dtype,
        **{name: amount(name, text) for name, text in given.items() if text is not None},
    )
    emit(_render(found, format_, to_file=output is not None), output)
    if found.value is None:
        raise typer.Exit(1)


def _render(found: Solution, format_: Format, to_file: bool) -> str:
    from convcost.report.solution import solution_json, solution_table

    return solution_json(found) if format_ is Format.json else render(solution_table(found), format_, to_file)


def amount(name: str, text: str) -> int:
    """A budget such as `300M` or `16MiB`; what is not whole is rounded down.

    Raises:
        ConvcostError: it is no such number.
    """
    option = f"--{name.replace('_', '-')}"
    scales = {**DECIMAL, **BYTES} if name.endswith("bytes") or name == "bytes_moved" else DECIMAL
    match = AMOUNT.fullmatch(text.strip())
    if match is None or match[2] not in scales:
        units = ", ".join(unit for unit in scales if unit)
        raise ConvcostError(f'{option} "{shorten(text)}": it must be a number of at least 0, with {units} or nothing')
    return int(Fraction(match[1].replace("_", "").replace(",", "")) * scales[match[2]])


def _number(option: str, text: str) -> Fraction | int:
    match = AMOUNT.fullmatch(text.strip())
    if match is None or match[2]:
        raise ConvcostError(f'{option} "{shorten(text)}": it must be a number above 0')
    exact = Fraction(match[1].replace("_", "").replace(",", ""))
    return exact.numerator if exact.denominator == 1 else exact
