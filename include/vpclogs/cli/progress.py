"""Progress of a load: a bar on a terminal, a line per batch elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from vpclogs.cli.terminal import NOTES, complain, many, say
from vpclogs.foreign_text import shown

__all__ = ["Advance", "progress"]


class Advance:
    """Called with the number of objects and records done; ``batch`` when a batch is done."""

    def __init__(self, show: Callable[[int, int], None] | None, *, complain: Callable[..., None] = complain) -> None:
        self._show = show
        self.complain = complain
        """Print a failure, above the bar if there is one."""
        self._objects = self._records = 0

    def __call__(self, objects: int, records: int) -> None:
        self._objects += objects
        self._records += records
        if self._show:
            self._show(self._objects, self._records)

    def batch(self, label: str, done: Mapping[str, int]) -> None:
        """Report a staged batch."""
        if self._show is None:
            say(f"staged {label}: {many(done['objects'], 'object')}, {done['rows']} rows, {done['refused']} refused")


@contextmanager
def progress(objects: int) -> Iterator[Advance]:
    """Show the progress of staging this number of objects on stderr."""
    if not sys.stderr.isatty():
        yield Advance(None)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.text import Text

    counts = MofNCompleteColumn(), TextColumn("objects, {task.fields[records]:,} records")
    columns = TextColumn("staging"), BarColumn(), *counts, TimeRemainingColumn()
    # The bar is drawn past the guard of stderr, which would escape its control sequences. So no other text may
    # take that way: what is written to stderr is not redirected through it.
    console = Console(file=NOTES)
    with Progress(*columns, console=console, redirect_stderr=False, redirect_stdout=False) as bar:
        task = bar.add_task("", total=objects, records=0)

        def above(first: str, *more: str) -> None:
            for line in (f"vpclogs: {first}", *more):
                console.print(Text(shown(line)))

        yield Advance(lambda done, records: bar.update(task, completed=done, records=records), complain=above)
