"""A progress bar on stderr, where that is a terminal."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["Progress"]


class Progress:
    """So many steps; nothing is shown, and nothing loaded, where stderr is no terminal."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.bar: Any = None

    def __enter__(self) -> Progress:
        if sys.stderr is not None and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
            from rich.progress import Progress as Bar

            columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
            self.bar = Bar(*columns, console=Console(stderr=True), transient=True)
            self.bar.start()
            self.task = self.bar.add_task("", total=self.total)
        return self

    def say(self, target: str, step: str) -> None:
        """What is being done."""
        if self.bar is not None:
            self.bar.update(self.task, description=f"{target}: {step}", refresh=True)

    def advance(self) -> None:
        """One more is done."""
        if self.bar is not None:
            self.bar.advance(self.task)

    def reach(self, done: int) -> None:
        """So many are done."""
        if self.bar is not None:
            self.bar.update(self.task, completed=done)

    def __exit__(self, *reason: object) -> None:
        if self.bar is not None:
            self.bar.stop()
