"""What takes too long is refused or left out, and never waited for."""

from time import process_time

import pytest

from convcost.analysis.budget import Budget, BudgetError
from convcost.analysis.contribution import contribution
from convcost.analysis.field_result import network_fields
from convcost.analysis.path_counts import repeated
from convcost.report.field_unit import pixel_seen, unit_sees
from stacks import conv, stack, step

BILLION = 10**9


def test_steps_run_out() -> None:
    budget = Budget('layer "x": counting', 10)
    budget.spend(10)
    with pytest.raises(BudgetError, match='layer "x": counting takes more than 10 steps'):
        budget.spend(1)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 1001])
def test_a_row_is_repeated_by_halves(count: int) -> None:
    assert repeated(5, count, 8) == sum(5 << 8 * number for number in range(count))


def test_long_fields_end_soon() -> None:
    network = network_fields(
        stack(
            conv("first", kernel_size=[1000, 7], stride=1000, padding=3),
            step("max_pool", "pool", kernel_size=3, stride=2),
            step("upsample", "up", scale_factor=7),
            conv("last", kernel_size=999, dilation=1000, padding=0),
            shape=(3, BILLION, BILLION),
        )
    )
    start = process_time()
    found = unit_sees(network, 4, (5, 5))
    assert found is not None
    assert found.seen is not None
    with pytest.raises(BudgetError, match='layer "last": counting the paths to its unit at 5,5'):
        contribution(network.graph, network.of_nodes, 4, (5, 5))
    with pytest.raises(BudgetError, match="--pixel 999999,999999"):
        pixel_seen(network, (999999, 999999))
    assert process_time() - start < 8


def test_repeated_padding_is_no_outside() -> None:
    # three cells reflected before: output 0 is input 3
    graph = stack(step("pad", "pad", before=3, after=2, mode="reflect"), shape=(1, 8))
    found = unit_sees(network_fields(graph), 1, (0,))
    assert found is not None
    assert found.within is None
    assert found.actual is not None
    assert (found.actual.ends, found.elsewhere) == (((3, 3),), 1)
