"""Run a planned load in this process, with its progress: a bar on a terminal, a line per batch elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vpclogs.cli.terminal import NOTES, error_lines, report
from vpclogs.foreign_text import shown
from vpclogs.quantities import many, size_text
from vpclogs.runs import BatchRef, RunCounts, RunOutcome, StageCounts, Watcher

if TYPE_CHECKING:
    from vpclogs.pipeline import Pipeline, Stage

__all__ = ["run_here"]


def run_here(pipeline: Pipeline, batches: Sequence[BatchRef], run_key: str, *, stage: Stage | None = None) -> RunCounts:
    """Stage, audit and publish a planned run, showing its progress. Return its counts.

    Raises:
        PartitionsFailed: names each partition that was not published.
    """
    objects = pipeline.ledger.manifests.latest(run_key).objects
    if not objects:
        return pipeline.run(batches, run_key, stage=stage)
    size = size_text(sum(item.size for item in objects))
    report(f"{many(len(objects), 'object')} to load, {size}, {many(len(batches), 'batch', 'batches')}")
    with _watcher(len(objects)) as watcher:
        return pipeline.run(batches, run_key, stage=stage, watcher=watcher)


class _Printed(Watcher):
    """Prints a line per batch, or moves a bar; ``show`` prints a line above it."""

    def __init__(self, show: Callable[[str], None], bar: Callable[[int, int], None] | None = None) -> None:
        self._show, self._bar = show, bar
        self._objects = self._records = 0

    def progress(self, objects: int, records: int) -> None:
        self._objects += objects
        self._records += records
        if self._bar:
            self._bar(self._objects, self._records)

    def staged(self, batch: BatchRef, counts: StageCounts) -> None:
        if self._bar is None:
            done = f"{many(counts.objects, 'object')}, {counts.rows} rows, {counts.refused} refused"
            self._show(f"staged {batch.label}: {done}")

    def not_staged(self, batch: BatchRef, error: Exception) -> None:
        first, *more = error_lines(error, batch.label)
        for line in (f"vpclogs: {first}", *more):
            self._show(line)

    def published(self, outcome: RunOutcome) -> None:
        if outcome.changed:
            self._show(f"published {many(len(outcome.changed), 'partition')}")


@contextmanager
def _watcher(objects: int) -> Iterator[Watcher]:
    """Provide the watcher of a run of ``objects`` objects on stderr."""
    if not sys.stderr.isatty():
        yield _Printed(report)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.text import Text

    counts = MofNCompleteColumn(), TextColumn("objects, {task.fields[records]:,} records")
    columns = TextColumn("staging"), BarColumn(), *counts, TimeRemainingColumn()
    # The bar is drawn past the guard of stderr, which would escape its control sequences. So no other text may
    # take that path: text written to stderr is not redirected through it.
    console = Console(file=NOTES)
    with Progress(*columns, console=console, redirect_stderr=False, redirect_stdout=False) as bar:
        task = bar.add_task("", total=objects, records=0)
        yield _Printed(
            lambda line: console.print(Text(shown(line))),
            bar=lambda done, records: bar.update(task, completed=done, records=records),
        )
