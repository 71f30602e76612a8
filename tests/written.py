"""A graph written as a spec and read again: shared by the tests of what writes specs."""

import json
import tempfile
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from convcost.analysis.cost import analyze
from convcost.frontends.spec_writer import to_spec
from convcost.frontends.yaml_spec import Spec, read_spec
from convcost.graph import Builder, Graph

ROOT = Path(__file__).parents[1]
VALIDATOR = jsonschema.Draft202012Validator(json.loads((ROOT / "specs" / "convcost.schema.json").read_text()))


def read(text: str) -> Spec:
    """The spec of a text."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "written.yaml"
        path.write_text(text, encoding="utf-8")
        return read_spec(str(path))


def reading(graph: Graph) -> list[Any]:
    """Operator, inputs and shape of each node, the inputs of the network first, as a spec has them."""
    inputs = [position for position, node in enumerate(graph.nodes) if node.is_input]
    layers = [position for position, node in enumerate(graph.nodes) if not node.is_input]
    place = {old: new for new, old in enumerate([*inputs, *layers])}
    nodes = [graph.nodes[position] for position in (*inputs, *layers)]
    return [(node.op, tuple(place[source] for source in node.inputs), node.shape) for node in nodes]


def names(graph: Graph) -> list[str]:
    return [node.name for node in graph.layers]


def same_again(graph: Graph) -> tuple[str, Graph]:
    """The text of a graph and what is read from it, once both are seen to be the same."""
    text = to_spec(graph)
    spec = read(text)
    assert reading(spec.graph) == reading(graph), text
    totals = analyze(graph).totals.as_dict()
    assert analyze(spec.graph).totals.as_dict() == totals
    assert spec.unmet(totals) == []
    assert [expected.totals.keys() for expected in spec.expectations] == [{"params", "macs"}]
    assert [error.message for error in VALIDATOR.iter_errors(yaml.safe_load(text))] == []
    assert max(map(len, text.splitlines())) <= 120, text
    assert not any(line != line.rstrip() for line in text.splitlines()), text
    return text, spec.graph


def layers_of(text: str) -> str:
    """The lines below `layers:`."""
    return text.split("\nlayers:\n")[1].split("\n\nexpect:")[0]


def written(word: str, *shapes: tuple[int, ...], **fields: Any) -> str:
    """The lines of one operator on inputs of these shapes."""
    b = Builder()
    b.apply(word, *[b.input(shape, name=f"in{number}") for number, shape in enumerate(shapes)], **fields)
    return layers_of(same_again(b.graph())[0])
