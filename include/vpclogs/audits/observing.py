"""The observers: each looks at rows of one partition and adds to its statistics.

They are cheap while all is as expected, and spend time only on what is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vpclogs.audits.columns import Mask, all_equal, contiguous, unexpected, value_counts, value_mask
from vpclogs.audits.expectations import EXPECTATIONS, Expectations
from vpclogs.audits.partition_statistics import PartitionStatistics
from vpclogs.audits.tally import Tally
from vpclogs.objects import LogObject
from vpclogs.partitions import UNKNOWN_REGION, Partition
from vpclogs.schemas.model import LogSchema

__all__ = ["Observed", "observe_rows"]

_HOUR = 3_600_000_000  # microseconds
_NEAR = 48  # hours from the day within which events are counted by the hour, beyond by the day
_FURTHEST = 24 * 32  # hours; what is further away is counted as that far


@dataclass(frozen=True)
class Observed:
    """Rows of one partition, with the object of each (an index into ``listed``)."""

    partition: Partition
    schema: LogSchema
    rows: pa.Table
    objects: npt.NDArray[np.int32]
    listed: Sequence[LogObject]

    @property
    def expect(self) -> Expectations:
        return EXPECTATIONS[self.partition.log_type]

    def column(self, name: str) -> pa.Array | None:
        """A column, None if the table does not have it or all of it is null."""
        column = contiguous(self.rows, name)
        return None if column is None or column.null_count == len(column) else column

    def key(self, where: Mask) -> str:
        """The key of the object of the first row of a mask."""
        return self.listed[int(self.objects[np.argmax(where)])].key


def observe_rows(seen: PartitionStatistics, part: Observed) -> None:
    """Run all observers over rows, of which there is at least one."""
    seen.rows += len(part.rows)
    idle = _observe_statuses(seen, part)
    _observe_times(seen, part)
    for name in part.expect.filled:
        _observe_nulls(seen, part, name, 0)
    for name in part.expect.filled_by_traffic:
        _observe_nulls(seen, part, name, idle)
    _observe_origin(seen.accounts, part, part.expect.account, part.partition.account)
    if part.partition.region != UNKNOWN_REGION:
        _observe_origin(seen.regions, part, part.expect.region, part.partition.region)
    _observe_values(seen, part)
    identities = np.array([int(item.identity[:8], 16) for item in part.listed], np.uint32)
    seen.sample.add(part.rows, identities[part.objects], part.expect)


def _observe_statuses(seen: PartitionStatistics, part: Observed) -> int:
    """Count the statuses; give the number of records that describe no traffic."""
    if part.expect.status is None or (column := part.column(part.expect.status)) is None:
        return 0
    counts = value_counts(column)
    for status, count in counts.items():
        # finding an example costs a pass, so only for the first time
        known = seen.statuses.of(status) > 0
        seen.statuses.add(status, count, None if known else part.key(value_mask(column, status)))
    return sum(counts.values()) - counts.get("OK", 0)


def _observe_times(seen: PartitionStatistics, part: Observed) -> None:
    column = contiguous(part.rows, "p_event_time")
    assert column is not None  # noqa: S101 - all parsed rows have it
    times = column.view(pa.int64())
    bounds = pc.min_max(times)
    day = part.partition.day
    midnight = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000_000
    if bounds["min"].as_py() >= midnight and bounds["max"].as_py() < midnight + 24 * _HOUR:
        return
    hours = np.clip((times.to_numpy() - midnight) // _HOUR, -_FURTHEST, _FURTHEST)
    hours = np.where((hours < -_NEAR) | (hours >= 24 + _NEAR), hours // 24 * 24, hours)
    outside = hours[(hours < 0) | (hours >= 24)]
    for hour, count in zip(*np.unique(outside, return_counts=True), strict=True):
        seen.off_hours.add(str(hour), int(count), part.key(hours == hour))


def _observe_nulls(seen: PartitionStatistics, part: Observed, name: str, idle: int) -> None:
    """Count nulls of one column; `idle` is how many rows may be null there because they describe no traffic."""
    column = part.column(name)
    if column is None:
        return  # the format of these objects leaves the field out
    if column.null_count <= idle:
        seen.due.add(name, len(column) - idle)
        return
    valid = column.is_valid().to_numpy(zero_copy_only=False)
    due = np.ones(len(column), np.bool_)
    if idle and part.expect.status and (status := part.column(part.expect.status)) is not None:
        due = value_mask(status, "OK")
    # objects that have no value at all: their format leaves the field out
    has_field = np.bincount(part.objects, valid) > 0
    due &= has_field[part.objects]
    missing = due & ~valid
    seen.due.add(name, int(np.count_nonzero(due)))
    if missing.any():
        seen.nulls.add(name, int(np.count_nonzero(missing)), part.key(missing))


def _observe_origin(tally: Tally, part: Observed, name: str, path: str) -> None:
    column = part.column(name)
    if column is None or all_equal(column, path):
        return
    for value, count in value_counts(column).items():
        if value != path:
            tally.add(value, count, part.key(value_mask(column, value)))


def _observe_values(seen: PartitionStatistics, part: Observed) -> None:
    for field in part.schema.fields:
        if not field.values or field.name == part.expect.status:
            continue
        if not (pa.types.is_string(field.type) and (column := part.column(field.name)) is not None):
            continue
        for value, count in unexpected(column, field.values).items():
            seen.unknown_values.add(f"{field.name}={value}", count, part.key(value_mask(column, value)))
