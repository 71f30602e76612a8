"""The bundled specs give the totals that they expect, and MobileNet v1 the tables that were published."""

import csv
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from convcost.analysis.cost import analyze
from convcost.analysis.result import Totals
from convcost.frontends.yaml_spec import Expectation, read_spec

ROOT = Path(__file__).parents[1]
SPECS = sorted((ROOT / "specs").glob("*.yaml"))
EDITOR_COMMENT = "# yaml-language-server: $schema=convcost.schema.json"
LAYERS_TABLE = Path(__file__).parent / "data" / "mobilenet_v1_layers.csv"

EXPECTATIONS = {
    f"{path.stem}:{expectation.line}": (path, expectation)
    for path in SPECS
    for expectation in read_spec(str(path)).expectations
}


def totals(path: Path, **variables: Any) -> Totals:
    return analyze(read_spec(str(path), variables).graph).totals


def differences(expectation: Expectation, found: Totals) -> dict[str, tuple[int, int]]:
    """The totals that are not as expected: what is expected and what was found."""
    return {
        name: (value, getattr(found, name))
        for name, value in expectation.totals.items()
        if getattr(found, name) != value
    }


def test_there_are_specs() -> None:
    assert len(SPECS) >= 10
    assert len(EXPECTATIONS) >= len(SPECS)


@pytest.mark.parametrize("name", EXPECTATIONS)
def test_a_spec_meets_its_expectation(name: str) -> None:
    path, expectation = EXPECTATIONS[name]
    assert expectation.totals
    assert differences(expectation, totals(path, **expectation.variables)) == {}


@pytest.mark.parametrize("name", EXPECTATIONS)
def test_an_expectation_is_seen_to_fail(name: str) -> None:
    path, expectation = EXPECTATIONS[name]
    found = totals(path, **expectation.variables)
    for key, value in expectation.totals.items():
        for wrong in (value + 1, value - 1, 0):
            changed = expectation.replace(totals={**expectation.totals, key: wrong})
            assert differences(changed, found) == {key: (wrong, value)}


@pytest.mark.parametrize("name", [name for name, (_, expectation) in EXPECTATIONS.items() if expectation.variables])
def test_what_an_expectation_sets_matters(name: str) -> None:
    path, expectation = EXPECTATIONS[name]
    assert differences(expectation, totals(path)) != {}


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_a_spec_has_a_name_a_source_and_an_expectation(path: Path) -> None:
    spec = read_spec(str(path))
    assert spec.graph.name
    assert any(character.isdigit() for character in spec.graph.source)  # a year, at least
    assert any("params" in expectation.totals for expectation in spec.expectations)


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_a_spec_says_to_editors_what_it_is(path: Path) -> None:
    text = path.read_text()
    assert text.splitlines()[0] == EDITOR_COMMENT
    assert (path.parent / EDITOR_COMMENT.split("=")[1]).is_file()
    assert text.endswith("\n")
    assert max(map(len, text.splitlines())) <= 120


# --- MobileNet v1, layer by layer and in all its widths and resolutions


MOBILENET = ROOT / "specs" / "mobilenet_v1.yaml"


def published_layers() -> list[tuple[str, int, int]]:
    with LAYERS_TABLE.open(newline="") as file:
        return [(row["layer"], int(row["weights"]), int(row["macs"])) for row in csv.DictReader(file)]


def convolutions(**variables: Any) -> list[tuple[int, int]]:
    """Weights and MACs of each convolution, in order."""
    analysis = analyze(read_spec(str(MOBILENET), variables).graph)
    return [(layer.cost.weights, layer.cost.macs) for layer in analysis.layers if layer.node.op.word == "conv"]


def test_the_published_table_is_whole() -> None:
    layers = published_layers()
    assert len(layers) == 27
    # the totals that are printed below the published table
    assert sum(weights for _, weights, _ in layers) == 3_185_088
    assert sum(macs for _, _, macs in layers) == 567_716_352


def test_mobilenet_layer_by_layer() -> None:
    layers = published_layers()
    found = convolutions()
    assert len(found) == 27
    assert [(name, *cost) for (name, _, _), cost in zip(layers, found, strict=True)] == layers


def test_mobilenet_layers_lie_where_the_table_has_them() -> None:
    names = [node.name for node in read_spec(str(MOBILENET)).graph.layers if node.op.word == "conv"]
    for (published, _, _), name in zip(published_layers(), names, strict=True):
        kind = published.rsplit("_", 1)[-1]
        assert name.endswith("stem" if kind == "0" else f".{kind}")


def test_mobilenet_convolutions_at_the_other_published_point() -> None:
    found = convolutions(width=0.75, resolution=128)
    assert sum(weights for weights, _ in found) == 1_800_144
    assert sum(macs for _, macs in found) == 106_002_432


WIDTHS: dict[float, tuple[int, dict[int, str]]] = {
    1.0: (4_231_976, {224: "568.74", 192: "418.12", 160: "290.68", 128: "186.40"}),
    0.75: (2_585_560, {224: "325.40", 192: "239.27", 160: "166.40", 128: "106.77"}),
    0.5: (1_331_592, {224: "149.50", 192: "109.97", 160: "76.52", 128: "49.16"}),
    0.25: (470_072, {224: "41.03", 192: "30.21", 160: "21.06", 128: "13.57"}),
}
"""Parameters with batch norm, and MACs in millions at each resolution, by width."""

PRINTED: dict[float, dict[int, int]] = {
    1.0: {224: 569, 192: 418, 160: 291, 128: 186},
    0.75: {224: 317, 192: 233, 160: 162, 128: 104},
    0.5: {224: 150, 192: 110, 160: 77, 128: 49},
    0.25: {224: 41, 192: 34, 160: 21, 128: 14},
}
"""The authors' list, in millions of MACs."""

MISPRINTED = {(0.75, 224), (0.75, 192), (0.75, 160), (0.75, 128), (0.25, 192)}
"""Cells of the list that do not follow from the architecture (see the head of specs/mobilenet_v1.yaml)."""

CELLS = [(width, resolution) for width, (_, row) in WIDTHS.items() for resolution in row]


def millions(macs: int) -> str:
    return str((Decimal(macs) / 10**6).quantize(Decimal("0.01"), rounding=ROUND_HALF_EVEN))


@pytest.mark.parametrize(("width", "resolution"), CELLS)
def test_mobilenet_at_a_width_and_a_resolution(width: float, resolution: int) -> None:
    params, macs = WIDTHS[width]
    found = totals(MOBILENET, width=width, resolution=resolution)
    assert found.params == params
    assert millions(found.macs) == macs[resolution]
    agrees = abs(Decimal(found.macs) / 10**6 - PRINTED[width][resolution]) < 1
    assert agrees != ((width, resolution) in MISPRINTED)


@pytest.mark.parametrize("width", WIDTHS)
def test_mobilenet_by_hand(width: float) -> None:
    """The table of the paper written out: a 3x3 and a 1x1 convolution for each row, and the classifier."""
    rows = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
    exact = Fraction(width)
    channels, size = int(32 * exact), 112
    params, macs = 27 * channels + 2 * channels, 27 * channels * size**2
    for depth, stride in rows:
        out = int(depth * exact)
        size //= stride
        params += 9 * channels + 2 * channels + channels * out + 2 * out
        macs += (9 * channels + channels * out) * size**2
        channels = out
    found = totals(MOBILENET, width=width)
    assert found.params == params + channels * 1000 + 1000
    assert found.macs == macs + channels * 1000
