"""The contributions that `convcost rf` draws: in the terminal, and as a picture."""

from __future__ import annotations

from convcost.analysis.contribution import Contribution, contribution
from convcost.cli.formats import Format, render
from convcost.cli.output import screen
from convcost.cli.rf_report import Question, counted_shares, rows_of, unit_of
from convcost.report.contribution import contribution_dict, contribution_text
from convcost.report.field_text import axis_names
from convcost.report.receptive_field import fields_json, head_of
from convcost.report.table import Cell, Column, Table, number
from convcost.report.terminal import Screen

__all__ = ["contribution_report", "draw"]


def contribution_of(question: Question) -> tuple[int, tuple[int, ...], Contribution]:
    """The layer, its unit, and the contributions to it."""
    network, position = question.network, question.position
    unit = unit_of(question, position)
    return position, unit, contribution(network.graph, network.of_nodes, position, unit, network.source)


def contribution_report(question: Question) -> str:
    """How much each element of the input contributes to a unit."""
    network = question.network
    position, unit, found = contribution_of(question)
    layer = network.graph.nodes[position].name
    if question.format is Format.json:
        rows = rows_of(question.replace(layer=layer))
        told = {"layer": layer, "unit": list(unit), **contribution_dict(found)}
        return fields_json(network, rows, counted_shares(question, rows), {"contribution": told})
    if question.format is Format.csv:
        return render(profile_table(found), question.format)
    shown = Screen() if question.to_file or question.format is Format.markdown else screen()
    text = contribution_text(found, layer, unit, network.input_shape[1:], shown)
    title = render(Table(columns=(), rows=(), head=head_of(network)), question.format, question.to_file).rstrip()
    return f"{title}\n\n```\n{text}\n```" if question.format is Format.markdown else f"{title}\n\n{text}"


def draw(question: Question, path: str) -> None:
    """Draw the growth of the field and the contributions to a file.

    Raises:
        ConvcostError: matplotlib is missing, or the file cannot be written.
    """
    from convcost.plot import plot_field, suffix_of

    suffix_of(path)
    position, unit, found = contribution_of(question)
    plot_field(question.network.of_nodes, position, unit, found, path, question.network.graph.name)


def profile_table(found: Contribution) -> Table:
    """The paths from each place of each axis, a row a place."""
    keys = ("axis", "place", "paths")
    rows = [
        (Cell(value=name, text=name), Cell(value=start + place, text=str(start + place)), _paths(count))
        for axis, (name, start) in enumerate(zip(axis_names(len(found.sizes)), found.starts, strict=True))
        for place, count in enumerate(found.profile(axis))
    ]
    return Table(columns=tuple(Column(key=key, title=key) for key in keys), rows=tuple(rows))


def _paths(count: int) -> Cell:
    return Cell(value=count, text=number(count))
