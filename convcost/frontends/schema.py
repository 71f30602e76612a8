"""The JSON Schema of specs, made from the registry. Editors complete and check specs by it."""

from __future__ import annotations

from typing import Any

from convcost import blocks as _blocks  # noqa: F401 - registers the blocks
from convcost.frontends.layers import JOINS, NAME
from convcost.frontends.yaml_spec import EXPECTED, SPEC_KEYS
from convcost.ops import BLOCKS, OPERATORS
from convcost.ops.kinds import EXPRESSION, Rank, kind_of

__all__ = ["spec_schema"]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
NAME_PATTERN = "^" + NAME.pattern.removesuffix(r"\Z") + "$"
NUMBER_OR_EXPRESSION = {"type": ["number", "string"]}
LAYERS = {"$ref": "#/$defs/layers"}


def spec_schema() -> dict[str, Any]:
    """The schema, as a JSON document."""
    return {
        "$schema": DIALECT,
        "title": "convcost spec",
        "description": "A network for convcost: its inputs and layers, without the batch.",
        "type": "object",
        "required": ["input", "layers"],
        "additionalProperties": False,
        "properties": {key: _top_level()[key] for key in SPEC_KEYS},
        "$defs": {
            "expression": EXPRESSION,
            "shape": _shape(),
            "layers": {"type": "array", "items": {"$ref": "#/$defs/layer"}},
            "layer": {"anyOf": [_bare_word(), _layer()]},
            "expectation": _expectation(),
            **{f"fields.{word}": _fields(word) for word in sorted({*OPERATORS, *BLOCKS} - {*JOINS})},
        },
    }


def _top_level() -> dict[str, Any]:
    names = {"propertyNames": {"pattern": NAME_PATTERN}}
    return {
        "name": {"type": "string", "description": "What the network is called."},
        "source": {"type": "string", "description": "Where it is defined: paper, table, repository."},
        "variables": {
            "type": "object",
            "description": "Names with defaults, for expressions; convcost analyze --set NAME=VALUE overrides them.",
            "additionalProperties": {"type": ["number", "string", "boolean"]},
        },
        "input": {
            "description": "A shape (channels, *spatial) without the batch, or several by name.",
            "anyOf": [
                {"$ref": "#/$defs/shape"},
                {"type": "object", "minProperties": 1, "additionalProperties": {"$ref": "#/$defs/shape"}, **names},
            ],
        },
        "blocks": {
            "type": "object",
            "description": "Blocks of this file: arguments with defaults (empty: required), and layers.",
            "additionalProperties": {
                "type": "object",
                "required": ["layers"],
                "additionalProperties": False,
                "properties": {"arguments": {"type": "object"}, "layers": LAYERS},
            },
            **names,
        },
        "layers": {"minItems": 1, **LAYERS},
        "expect": {
            "description": "Totals that the network must have, under some values of its variables.",
            "anyOf": [
                {"$ref": "#/$defs/expectation"},
                {"type": "array", "items": {"$ref": "#/$defs/expectation"}},
            ],
        },
    }


def _shape() -> dict[str, Any]:
    size = {"anyOf": [{"type": "integer", "minimum": 1}, {"$ref": "#/$defs/expression"}]}
    return {"type": "array", "items": size, "minItems": 1, "maxItems": 4}


def _expectation() -> dict[str, Any]:
    totals = {key: {"type": "integer"} for key in EXPECTED}
    variables = {"type": "object", "additionalProperties": NUMBER_OR_EXPRESSION}
    return {"type": "object", "additionalProperties": False, "properties": {"set": variables, **totals}}


def _bare_word() -> dict[str, Any]:
    words = [word for word in sorted({*OPERATORS, *BLOCKS} - {*JOINS}) if not _fields(word).get("required")]
    own_block = {"pattern": NAME_PATTERN, "description": "A block of this file without required arguments."}
    return {"type": "string", "anyOf": [{"enum": words}, own_block]}


def _layer() -> dict[str, Any]:
    branches = {"type": "array", "items": LAYERS, "minItems": 2}
    joins = {
        word: {
            "description": _first_line(word),
            "anyOf": [branches, {"type": "null"}, {"type": "array", "maxItems": 0}],
        }
        for word in JOINS
    }
    others = {word: {"$ref": f"#/$defs/fields.{word}"} for word in sorted({*OPERATORS, *BLOCKS} - {*JOINS})}
    return {
        "type": "object",
        "minProperties": 1,
        "maxProperties": 4,
        "properties": {
            "name": {"type": "string", "pattern": NAME_PATTERN, "description": "What the layer is called."},
            "repeat": {
                "description": "How often it stands in sequence.",
                "anyOf": [{"type": "integer", "minimum": 0}, {"$ref": "#/$defs/expression"}],
            },
            "from": {
                "description": "The layer above that it reads; several for a join.",
                "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}],
            },
            "sequence": {"description": "Layers under one name.", **LAYERS},
            **joins,
            **others,
        },
        "additionalProperties": {"type": ["object", "null"], "description": "A block of this file, with arguments."},
    }


def _fields(word: str) -> dict[str, Any]:
    """The mapping below an operator or block; it may be empty where no field is required."""
    cls = OPERATORS.get(word)
    annotations = cls.field_annotations if cls else BLOCKS[word].arguments
    defaults = cls.field_defaults if cls else BLOCKS[word].defaults
    properties: dict[str, Any] = {}
    required = []
    for name, annotation in annotations.items():
        kind = kind_of(annotation)
        if isinstance(kind, Rank):
            continue
        properties[name] = {"description": kind.rule, **kind.schema()}
        if name in defaults:
            if defaults[name] is not None:
                properties[name]["default"] = defaults[name]
        elif not kind.derived:
            required.append(name)
    schema: dict[str, Any] = {
        "description": _first_line(word),
        "type": "object" if required else ["object", "null"],
        "additionalProperties": False,
        "properties": properties,
    }
    return {**schema, "required": required} if required else schema


def _first_line(word: str) -> str:
    doc = OPERATORS[word].__doc__ if word in OPERATORS else BLOCKS[word].doc
    return (doc or "").strip().splitlines()[0]
