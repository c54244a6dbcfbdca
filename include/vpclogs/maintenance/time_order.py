"""Read the rows of many files in order of time, in parts that fit into memory.

The order is by time, and by row id among equal times. The day is divided, at whole seconds, into ranges with about as
many rows as fit into memory; the rows of one range are read from all files at once and sorted. Files that were loaded
hour by hour overlap in few ranges, so little is read twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.expressions import AlwaysTrue, And, BooleanExpression, GreaterThanOrEqual, LessThan
from pyiceberg.io.pyarrow import ArrowScan
from pyiceberg.table import FileScanTask, Table

__all__ = ["ROWS_AT_ONCE", "rows_in_order"]

ROWS_AT_ONCE = 128_000
"""About 60 MB of rows in memory, several times over while they are sorted and written."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Span:
    """The seconds since 1970 of the first and the last row of a file."""

    task: FileScanTask
    first: int
    last: int


def rows_in_order(
    table: Table, tasks: Sequence[FileScanTask], time: str, *, at_once: int = ROWS_AT_ONCE
) -> Iterator[pa.Table]:
    """Yield all rows of the files ordered by the column ``time``, in consecutive tables of about ``at_once`` rows."""
    order = [(time, "ascending"), ("p_row_id", "ascending")]
    # Small partitions, the usual case, are read and sorted in one go.
    if sum(task.file.record_count for task in tasks) <= at_once:
        yield _read(table, tasks, AlwaysTrue()).sort_by(order)
        return
    spans, counts = _spans(table, tasks, time)
    for begin, end in _ranges(counts, at_once):
        overlapping = [span.task for span in spans if span.first < end and span.last >= begin]
        yield _read(table, overlapping, _between(time, begin, end)).sort_by(order)


def _spans(table: Table, tasks: Sequence[FileScanTask], time: str) -> tuple[list[_Span], Counter[int]]:
    """Return the span of each file and the number of rows in each second. Reads one column, file by file."""
    spans: list[_Span] = []
    counts: Counter[int] = Counter()
    for task in tasks:
        column = _read(table, [task], AlwaysTrue(), time).column(time)
        micros = pc.cast(column, pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy()
        seconds, numbers = np.unique(micros // 1_000_000, return_counts=True)
        if len(seconds):
            spans.append(_Span(task, int(seconds[0]), int(seconds[-1])))
            counts.update(dict(zip(seconds.tolist(), numbers.tolist(), strict=True)))
    return spans, counts


def _ranges(counts: Counter[int], at_once: int) -> Iterator[tuple[int, int]]:
    """Yield half-open ranges of seconds with about ``at_once`` rows each, or one second."""
    begin, held = None, 0
    for second in sorted(counts):
        if begin is not None and held + counts[second] > at_once:
            yield begin, second
            begin, held = None, 0
        begin = second if begin is None else begin
        held += counts[second]
    if begin is not None:
        yield begin, max(counts) + 1


def _between(time: str, begin: int, end: int) -> BooleanExpression:
    first, last = (_EPOCH + timedelta(seconds=second) for second in (begin, end))
    # pyiceberg converts names and values itself, but its types do not declare it
    return And(GreaterThanOrEqual(time, first), LessThan(time, last))  # type: ignore


def _read(table: Table, tasks: Sequence[FileScanTask], where: BooleanExpression, *columns: str) -> pa.Table:
    schema = table.schema().select(*columns) if columns else table.schema()
    return ArrowScan(table.metadata, table.io, schema, where).to_table(tasks)
