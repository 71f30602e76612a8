"""Frozen records."""

from typing import Any, ClassVar

import pytest

from convcost.record import Record


class Point(Record):
    """Two required fields, one with a default, and a class variable."""

    x: int
    y: int
    label: str = ""
    plane: ClassVar[str] = "ground"


class Tower(Point):
    """A field more, and a default for one that had none."""

    height: int = 10
    y: int = 7


def test_fields_are_annotations_in_order() -> None:
    assert Point.fields == ("x", "y", "label")
    assert Point.field_defaults == {"label": ""}
    assert Tower.fields == ("x", "y", "label", "height")
    assert Tower.field_defaults == {"label": "", "height": 10, "y": 7}
    assert Point.fields == ("x", "y", "label")  # a subclass leaves its base alone
    assert Record.fields == ()


def test_values_are_given_by_name_and_defaults_filled_in() -> None:
    point = Point(y=2, x=1)
    assert (point.x, point.y, point.label, point.plane) == (1, 2, "", "ground")
    assert point.as_dict() == {"x": 1, "y": 2, "label": ""}
    assert list(Point(label="a", y=2, x=1).as_dict()) == ["x", "y", "label"]
    assert Tower(x=1).as_dict() == {"x": 1, "y": 7, "label": "", "height": 10}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"x": 1}, "Point needs the field 'y'"),
        ({}, "Point needs the field 'x'"),
        ({"x": 1, "y": 2, "label": "", "z": 3}, "Point has no field z"),
        ({"x": 1, "y": 2, "label": "", "z": 3, "w": 4}, "Point has no field w, z"),
        ({"x": 1, "y": 2, "z": 3}, "Point has no field z"),  # as many values as fields
        ({"x": 1, "y": 2, "z": 3, "w": 4}, "Point has no field w, z"),
        ({"x": 1, "y": 2, "plane": "air"}, "Point has no field plane"),
        ({"x": 1, "label": "", "z": 3}, "Point needs the field 'y'"),
    ],
)
def test_missing_and_unknown_fields_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError) as refused:
        Point(**values)
    assert str(refused.value) == message


def test_values_are_not_given_by_position() -> None:
    with pytest.raises(TypeError, match="positional"):
        Point(1, 2)  # type: ignore[misc]


def test_nothing_is_assigned_or_deleted() -> None:
    point = Point(x=1, y=2)
    for name in ("x", "z"):
        with pytest.raises(AttributeError) as refused:
            setattr(point, name, 5)
        assert str(refused.value) == f"Point is frozen: {name!r} cannot be assigned"
    with pytest.raises(AttributeError) as refused:
        del point.x
    assert str(refused.value) == "Point is frozen: 'x' cannot be deleted"
    assert point == Point(x=1, y=2)


def test_equality_and_hash_are_by_class_and_value() -> None:
    assert Point(x=1, y=2) == Point(x=1, y=2, label="")
    assert hash(Point(x=1, y=2)) == hash(Point(x=1, y=2, label=""))
    assert Point(x=1, y=2) != Point(x=2, y=1)
    assert Point(x=1, y=2) != Tower(x=1, y=2, height=10)
    assert Point(x=1, y=2) != (1, 2, "")
    assert len({Point(x=1, y=2), Point(x=1, y=2), Tower(x=1, y=2)}) == 2


def test_a_record_that_holds_a_list_has_no_hash() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(Point(x=[], y=2))  # type: ignore[arg-type]


def test_replace_makes_another() -> None:
    point = Point(x=1, y=2, label="a")
    assert point.replace(y=5) == Point(x=1, y=5, label="a")
    assert point == Point(x=1, y=2, label="a")
    assert type(Tower(x=1).replace(height=3)) is Tower
    with pytest.raises(TypeError) as refused:
        point.replace(z=3)
    assert str(refused.value) == "Point has no field z"


def test_its_text_would_make_it_again() -> None:
    tower = Tower(x=1, label="a'b")
    assert repr(tower) == 'Tower(x=1, y=7, label="a\'b", height=10)'
    assert eval(repr(tower), {"Tower": Tower}) == tower  # the text was written two lines above
