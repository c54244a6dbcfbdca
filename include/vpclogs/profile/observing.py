"""Observers: each reads rows of one partition and adds to its statistics.

They are cheap for expected values and spend time only on unexpected ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vpclogs.objects import LogObject
from vpclogs.partitions import Partition
from vpclogs.profile.columns import Mask, all_equal, contiguous, unexpected, valid_mask, value_counts, value_mask
from vpclogs.profile.counter import NameCounter
from vpclogs.profile.expectations import EXPECTATIONS
from vpclogs.profile.partition_statistics import PartitionStatistics
from vpclogs.schemas.model import LogSchema

__all__ = ["Observed", "observe_rows"]

_HOUR = 3_600_000_000  # microseconds
_MOST_EXAMPLES = 10
_NEAR = 48  # hours around the day in which events are counted by the hour; beyond it, by the day
_FURTHEST = 24 * 32  # hours; events further away are counted at this distance


class Observed:
    """Rows of one partition, with the object of each (an index into ``listed``)."""

    def __init__(
        self,
        partition: Partition,
        rows: pa.Table,
        objects: npt.NDArray[np.int32],
        listed: Sequence[LogObject],
    ) -> None:
        self.partition = partition
        self.expect = EXPECTATIONS[partition.log_type]
        self.objects = objects
        self._listed = listed
        self._rows = rows
        self._columns: dict[str, pa.Array] = {}

    def __len__(self) -> int:
        return len(self.objects)

    def column(self, name: str) -> pa.Array:
        """Return a column as one array."""
        if name not in self._columns:
            self._columns[name] = contiguous(self._rows.column(name))
        return self._columns[name]

    def filled(self, name: str) -> int:
        """Return the number of rows that have a value in a column."""
        return len(self) - int(self._rows.column(name).null_count)

    def with_values(self, name: str) -> pa.Array | None:
        """Return a column, or None if it is entirely null."""
        column = self.column(name)
        return None if column.null_count == len(column) else column

    def key(self, where: Mask) -> str:
        """Return the key of the object of the mask's first row."""
        return self._listed[int(self.objects[np.argmax(where)])].key

    def begins(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.uint32]:
        """Return the first 32 bits of the identities of some rows' objects."""
        used, places = np.unique(self.objects[rows], return_inverse=True)
        begins = [int(self._listed[int(ordinal)].identity[:8], 16) for ordinal in used]
        return np.array(begins, np.uint32)[places]


def observe_rows(seen: PartitionStatistics, part: Observed, schema: LogSchema) -> None:
    """Run all observers over the rows, at least one."""
    seen.rows += len(part)
    idle = _observe_statuses(seen, part)
    _observe_times(seen, part)
    for field in schema.fields:
        if filled := part.filled(field.name):
            seen.filled.add(field.name, filled)
    for name in part.expect.filled:
        _observe_nulls(seen, part, name, 0)
    for name in part.expect.filled_by_traffic:
        _observe_nulls(seen, part, name, idle)
    _observe_origin(seen.accounts, part, part.expect.account, part.partition.account)
    _observe_values(seen, part, schema)
    seen.sample.add(part.column, part.expect, part.begins)


def _observe_statuses(seen: PartitionStatistics, part: Observed) -> int:
    """Count the statuses and return the number of records without traffic."""
    if part.expect.status is None:
        return 0
    column = part.column(part.expect.status)
    counts = value_counts(column)
    _count(seen.statuses, part, column, counts)
    return sum(counts.values()) - counts.get("OK", 0)


def _observe_times(seen: PartitionStatistics, part: Observed) -> None:
    times = part.column("p_event_time").view(pa.int64())
    bounds = pc.min_max(times)
    day = part.partition.day
    midnight = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000_000
    # Nearly always: two bounds instead of an hour for each row.
    if bounds["min"].as_py() >= midnight and bounds["max"].as_py() < midnight + 24 * _HOUR:
        return
    hours = np.clip((times.to_numpy() - midnight) // _HOUR, -_FURTHEST, _FURTHEST)
    # Counted by the day far away, so that few distinct hours are ever kept.
    hours = np.where((hours < -_NEAR) | (hours >= 24 + _NEAR), hours // 24 * 24, hours)
    outside = hours[(hours < 0) | (hours >= 24)]
    for hour, count in zip(*np.unique(outside, return_counts=True), strict=True):
        name = str(hour)
        seen.off_hours.add(name, int(count), None if name in seen.off_hours.names else part.key(hours == hour))


def _observe_nulls(seen: PartitionStatistics, part: Observed, name: str, idle: int) -> None:
    """Count nulls of one column. `idle` rows may be null there because they describe no traffic."""
    column = part.with_values(name)
    if column is None:
        return  # the format of these objects does not have the field
    if column.null_count <= idle:
        seen.due.add(name, len(column) - idle)
        return
    valid = valid_mask(column)
    due = np.ones(len(column), np.bool_)
    if idle and part.expect.status:
        due = value_mask(part.column(part.expect.status), "OK")
    # an object without any value: its format does not have the field
    has_field = np.bincount(part.objects, valid) > 0
    due &= has_field[part.objects]
    missing = due & ~valid
    seen.due.add(name, int(np.count_nonzero(due)))
    if missing.any():
        seen.nulls.add(name, int(np.count_nonzero(missing)), part.key(missing))


def _observe_origin(tally: NameCounter, part: Observed, name: str, path: str) -> None:
    column = part.with_values(name)
    if column is not None and not all_equal(column, path):
        _count(tally, part, column, {value: count for value, count in value_counts(column).items() if value != path})


def _observe_values(seen: PartitionStatistics, part: Observed, schema: LogSchema) -> None:
    for field in schema.fields:
        if field.values and (column := part.with_values(field.name)) is not None:
            _count(seen.unknown_values, part, column, unexpected(column, field.values), prefix=f"{field.name}=")


def _count(
    tally: NameCounter, part: Observed, column: pa.Array, counts: Mapping[str, int], *, prefix: str = ""
) -> None:
    """Add the counts of a column's values, most frequent first."""
    for value, count in sorted(counts.items(), key=lambda item: -item[1]):
        # finding an example costs a pass over the column, and there may be as many values as rows
        wanted = len(tally.names) < _MOST_EXAMPLES and prefix + value not in tally.names
        tally.add(prefix + value, count, part.key(value_mask(column, value)) if wanted else None)
