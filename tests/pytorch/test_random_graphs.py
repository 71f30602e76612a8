"""Random networks through build and execution: 5,000 in continuous integration, fewer elsewhere."""

import os

import pytest
from hypothesis import HealthCheck, given, seed, settings

from convcost.graph import Graph
from strategies import graphs

pytest.importorskip("torch")

from convcost.pytorch.validate import validate

PARTS = 10
EXAMPLES = 5_000 if os.environ.get("CI") else 500


@pytest.mark.parametrize("part", range(PARTS))
def test_execution_agrees(part: int) -> None:
    @seed(part)
    @settings(max_examples=EXAMPLES // PARTS, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(graphs())
    def check(graph: Graph) -> None:
        result = validate(graph)
        quantities = {comparison.quantity for comparison in result.comparisons}
        assert {"output shape", "parameters", "buffers", "MACs", "live bytes", "fvcore count"} <= quantities
        assert [difference.as_dict() for difference in result.differences] == []

    check()
