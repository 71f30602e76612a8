"""Work that is counted while it is done, and ends where it takes too long: the same on every machine."""

from __future__ import annotations

from convcost.errors import ConvcostError

__all__ = ["MOST_STEPS", "Budget", "BudgetError"]

MOST_STEPS = 3_000_000
"""A step is about a microsecond."""
WORDS = 12
"""The binary logarithm of how many bits are moved in a step."""


class BudgetError(ConvcostError):
    """What is asked for takes too long."""


class Budget:
    """So many steps are left; `what` takes them, as an error calls it."""

    def __init__(self, what: str, steps: int = MOST_STEPS) -> None:
        self.what, self.left, self.most = what, steps, steps

    def spend(self, steps: int, bits: int = 0) -> None:
        """Take steps, and those that it takes to move so many bits, before they are done.

        Raises:
            BudgetError: not as many are left.
        """
        self.left -= steps + (bits >> WORDS)
        if self.left < 0:
            raise BudgetError(
                f"{self.what} takes more than {self.most:,} steps, which is the limit; ask for an earlier layer,"
                " or make the input smaller"
            )
