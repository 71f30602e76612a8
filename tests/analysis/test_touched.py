"""Touched cells: exact sets on small networks, and laws on random ones."""

from __future__ import annotations

from functools import partial
from math import prod
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import convcost.blocks  # noqa: F401 - registers the blocks
from convcost.analysis.receptive_field import Field, receptive_fields
from convcost.analysis.touched import seeing, touched
from convcost.graph import Builder, Graph
from stacks import conv, stack, step
from strategies import graphs

law = partial(settings, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])


def axes_of(field: Field) -> list[int]:
    """The node's axes that its unit has a place along."""
    return sorted({axis.axis for axis in field.axes if axis.axis is not None})


def units(field: Field) -> st.SearchStrategy[tuple[int, ...]]:
    return st.tuples(*[st.integers(0, field.node.shape[axis] - 1) for axis in axes_of(field)])


def cells_of(graph: Graph, unit: tuple[int, ...], bounded: bool, position: int | None = None) -> set[tuple[int, ...]]:
    place = len(graph.nodes) - 1 if position is None else position
    found = touched(graph, receptive_fields(graph), place, unit, bounded)
    assert not found.at_most
    return {cell for box in found.cells for cell in _product(box)}


def _product(box: Any) -> list[tuple[int, ...]]:
    places: list[tuple[int, ...]] = [()]
    for cells in box:
        places = [(*place, cell) for place in places for cell in cells]
    return places


# Worked by hand


def test_a_dilated_kernel() -> None:
    graph = stack(conv("conv", dilation=2, padding=2), shape=(1, 9, 9))
    assert cells_of(graph, (4, 4), True) == {(row, column) for row in (2, 4, 6) for column in (2, 4, 6)}
    # at the corner 4 of 9 taps lie on the map
    assert cells_of(graph, (0, 0), True) == {(row, column) for row in (0, 2) for column in (0, 2)}
    assert len(cells_of(graph, (0, 0), False)) == 9


def test_paths_through_padding_end_there() -> None:
    # three 3x3 with dilation 1, then 3 outwards: unit 0 reads -3, 0, 3 of the first, and -3 is padding
    graph = stack(conv("first"), conv("second", dilation=3, padding=3), shape=(1, 12))
    assert cells_of(graph, (0,), True) == {(cell,) for cell in (0, 1, 2, 3, 4)}
    assert cells_of(graph, (0,), False) == {(cell,) for cell in range(-4, 5)}


@pytest.mark.parametrize(
    ("mode", "cells"), [("constant", {0, 1}), ("reflect", {0, 1}), ("replicate", {0, 1}), ("circular", {0, 1, 7})]
)
def test_a_border_of_its_own_elements(mode: str, cells: set[int]) -> None:
    graph = stack(step("pad", "pad", before=1, after=1, mode=mode), conv("conv", padding=0), shape=(1, 8))
    assert cells_of(graph, (0,), True) == {(cell,) for cell in cells}


def test_branches_touch_a_cross() -> None:
    b = Builder()
    x = b.input((1, 9, 9))
    row = b.conv(x, out_channels=1, kernel_size=[1, 5], padding=[0, 2])
    b.add(row, b.conv(x, out_channels=1, kernel_size=[5, 1], padding=[2, 0]))
    graph = b.graph()
    found = cells_of(graph, (4, 4), True)
    assert found == {(4, column) for column in range(2, 7)} | {(row, 4) for row in range(2, 7)}
    field = receptive_fields(graph)[-1]
    assert field is not None
    assert (field.size, field.dense) == ((5, 5), False)  # 9 of 25 cells


def test_channels_touch_what_their_own_path_does() -> None:
    b = Builder()
    x = b.input((2, 12))
    wide = b.concat(b.conv(x, out_channels=2, kernel_size=5, padding=2), x)
    b.split(wide, sections=2, index=1)
    assert cells_of(b.graph(), (6,), True) == {(6,)}


def test_global_pooling_touches_everything() -> None:
    graph = stack(conv("conv"), step("global_avg_pool", "pool"), shape=(2, 5, 6))
    assert len(cells_of(graph, (), False)) == len(cells_of(graph, (), True)) == 30


def test_all_of_an_axis_of_one_element_is_its_place() -> None:
    b = Builder()
    x = b.input((1, 1))
    keys = b.conv(x, out_channels=1, kernel_size=3, padding=1)
    b.scaled_dot_product_attention(x, keys, x)
    assert cells_of(b.graph(), (0,), False) == {(-1,), (0,), (1,)}
    assert cells_of(b.graph(), (0,), True) == {(0,)}


def test_strides_that_skip_cells() -> None:
    graph = stack(conv("conv", kernel_size=1, stride=3, padding=0), step("global_avg_pool", "pool"), shape=(1, 10))
    assert cells_of(graph, (), True) == {(0,), (3,), (6,), (9,)}
    field = receptive_fields(graph)[-1]
    assert field is not None
    assert not field.dense


def test_positions_without_taps_touch_nothing() -> None:
    graph = stack(step("conv_transpose", "up", out_channels=1, kernel_size=1, stride=2), shape=(1, 4))
    assert [cells_of(graph, (place,), True) for place in range(4)] == [{(0,)}, set(), {(1,)}, set()]


def test_the_units_that_see_a_pixel() -> None:
    graph = stack(conv("first"), conv("second", stride=2), shape=(1, 9))
    found = seeing(graph, receptive_fields(graph), (4,))
    # first: 3, 4, 5; second at q reads 2 q - 1 to 2 q + 1
    assert [set(_product(one.cells.boxes[0])) for one in found if one] == [
        {(4,)},
        {(3,), (4,), (5,)},
        {(1,), (2,), (3,)},
    ]


def test_a_pixel_that_no_unit_sees() -> None:
    graph = stack(conv("conv", kernel_size=1, stride=2, padding=0), shape=(1, 9))
    assert seeing(graph, receptive_fields(graph), (3,))[1] is None


# Laws


@law(max_examples=150)
@given(graphs(), st.data())
def test_the_ends_of_what_is_touched_are_the_interval(graph: Graph, data: st.DataObject) -> None:
    fields = receptive_fields(graph)
    for place, field in enumerate(fields):
        if field is None or field.is_global or field.at_most or any(axis.axis is None for axis in field.axes):
            continue
        unit = data.draw(units(field))
        found = touched(graph, fields, place, unit, bounded=False)
        assume(not found.at_most)
        places = dict(zip(axes_of(field), unit, strict=True))
        ends = [axis.at(places[axis.axis]) for axis in field.axes if axis.axis is not None]
        assert found.ends == (() if None in ends else tuple(ends)), field.node.name


@law(max_examples=150)
@given(graphs(), st.data())
def test_what_is_dense_touches_all_between_its_ends(graph: Graph, data: st.DataObject) -> None:
    fields = receptive_fields(graph)
    for place, field in enumerate(fields):
        if field is None or not field.dense:
            continue
        unit = data.draw(units(field))
        found = touched(graph, fields, place, unit, bounded=False)
        between = prod(last - first + 1 for first, last in found.ends) if found.ends else 0
        assert found.count == between, field.node.name


@law(max_examples=100)
@given(graphs(), st.data())
def test_a_pixel_is_seen_by_the_units_that_touch_it(graph: Graph, data: st.DataObject) -> None:
    fields = receptive_fields(graph)
    start = fields[0]
    assert start is not None
    pixel = data.draw(units(start))
    for place, (field, found) in enumerate(zip(fields, seeing(graph, fields, pixel), strict=True)):
        if field is None:
            assert found is None
            continue
        unit = data.draw(units(field))
        touches = touched(graph, fields, place, unit, bounded=True)
        if not touches.at_most and not (found and found.at_most):
            assert (pixel in touches.cells) == (found is not None and unit in found.cells), field.node.name


@law(max_examples=100)
@given(graphs(), st.data())
def test_borders_only_take_away(graph: Graph, data: st.DataObject) -> None:
    """With zeros outside, what is touched on the map is part of what is touched without borders."""
    assume(all(getattr(node.op, "mode", "constant") == "constant" for node in graph.nodes))
    fields = receptive_fields(graph)
    for place, field in enumerate(fields):
        if field is None or field.at_most:
            continue
        unit = data.draw(units(field))
        inside = touched(graph, fields, place, unit, bounded=True)
        free = touched(graph, fields, place, unit, bounded=False)
        assert all(cell in free.cells for box in inside.cells for cell in _product(box)), field.node.name
        assert all(
            0 <= at < axis.input_size for ends, axis in zip(inside.ends, field.axes, strict=False) for at in ends
        )
