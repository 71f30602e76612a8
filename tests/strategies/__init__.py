"""Hypothesis strategies for random small networks, one file a family of operators and blocks.

`draw` has what all draw from, `tables` collects the families, `plan` says what a plan is, and `plans` draws them.
"""

import convcost.blocks  # noqa: F401 - registers the blocks
from strategies.plan import Plan, build
from strategies.plans import draw_join, graphs, plans
from strategies.tables import DRAWN, JOINS, TABLES, fitting

__all__ = ["DRAWN", "JOINS", "TABLES", "Plan", "build", "draw_join", "fitting", "graphs", "plans"]
