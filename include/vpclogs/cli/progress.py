"""How far a load is: a bar on a terminal, a line per batch elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from vpclogs.cli.terminal import many, say

__all__ = ["Advance", "progress"]


class Advance:
    """Called with the objects and records that are done; ``batch`` when a batch is."""

    def __init__(self, show: Callable[[int, int], None] | None) -> None:
        self._show = show
        self._objects = self._records = 0

    def __call__(self, objects: int, records: int) -> None:
        self._objects += objects
        self._records += records
        if self._show:
            self._show(self._objects, self._records)

    def batch(self, label: str, done: Mapping[str, int]) -> None:
        """A batch is staged."""
        if self._show is None:
            say(f"staged {label}: {many(done['objects'], 'object')}, {done['rows']} rows, {done['refused']} refused")


@contextmanager
def progress(objects: int) -> Iterator[Advance]:
    """Show the progress of staging so many objects on stderr."""
    if not sys.stderr.isatty():
        yield Advance(None)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    counts = MofNCompleteColumn(), TextColumn("objects, {task.fields[records]:,} records")
    columns = TextColumn("staging"), BarColumn(), *counts, TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=objects, records=0)
        yield Advance(lambda done, records: bar.update(task, completed=done, records=records))
