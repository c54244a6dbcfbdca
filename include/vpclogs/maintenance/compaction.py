"""Merge the small files of a partition into few large ones, in order of time.

Files that earlier versions of vpclogs wrote without Iceberg field ids are rewritten
too, regardless of their size.

The rows stay the same, with the same row ids and all columns of the table. One commit
removes exactly the files that were read and adds the new ones, on top of exactly the
snapshot in which those files were just found. So a concurrent publish loses nothing:

* It adds to the partition: its file was not read and stays.
* It rebuilds the partition, or removes rows from a file that was read: that file is gone,
  and this run gives up the compaction of the partition.
* It has read the partition to carry rows over, or will remove rows by their object: it
  finds the same rows in other files.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from pyiceberg.io.pyarrow import parquet_file_to_data_file
from pyiceberg.manifest import DataFile
from pyiceberg.table import FileScanTask, Table

from vpclogs.errors import PublishConflict, VpcLogsError
from vpclogs.maintenance.time_order import rows_in_order
from vpclogs.partitions import Partition
from vpclogs.quantities import many
from vpclogs.warehouse.commit_retry import commit
from vpclogs.warehouse.parquet import ParquetFile
from vpclogs.warehouse.partition_files import PartitionFiles, files_by_partition, on_days
from vpclogs.warehouse.snapshots import FastTransaction
from vpclogs.warehouse.tables import QUARANTINE, Warehouse

if TYPE_CHECKING:
    from vpclogs.config.settings import Settings

__all__ = ["COMPACTION_PROPERTY", "Compacted", "compact"]

COMPACTION_PROPERTY = "vpclogs.compaction"
"""In the summary of a snapshot: how many partitions it compacts."""

_ATTEMPTS = 20
_PARTITIONS_AT_ONCE = 20
_BYTES_AT_ONCE = 1 << 30
_RENEWED_BYTES = 8 << 30
"""Files without field ids that one run writes again, so that a large table does not hold up its maintenance."""


@dataclass
class Compacted:
    """The files that were compacted, or would be.

    ``given_up`` are partitions that changed meanwhile. ``left`` counts the partitions
    whose files lack field ids and that later runs compact.
    """

    partitions: list[Partition] = field(default_factory=list)
    given_up: list[Partition] = field(default_factory=list)
    files_before: int = 0
    files_after: int = 0
    rows: int = 0
    left: int = 0

    def line(self, name: str, *, dry_run: bool) -> str:
        """Return the result for the table ``name`` in words."""
        count = many(len(self.partitions), "partition")
        if dry_run:
            text = f"{count} of {name} would be compacted, {self.files_before} files"
        else:
            text = f"{count} of {name} compacted, {self.files_before} files to {self.files_after}; "
            text += f"{len(self.given_up)} skipped this time"
        left = f"; {many(self.left, 'partition')} without field ids left for later runs" if self.left else ""
        return text + left


@dataclass(frozen=True)
class _Rewrite:
    """The new files of one partition, in place of the old ones."""

    partition: Partition
    old: list[DataFile]
    new: list[str]
    rows: int


def compact(
    warehouse: Warehouse,
    name: str,
    *,
    settings: Settings,
    today: date,
    dry_run: bool = False,
    renew_bytes: int = _RENEWED_BYTES,
    sleep: Callable[[float], None] = time.sleep,
) -> Compacted:
    """Compact the partitions of a table that need it, the oldest first.

    Of the partitions that need it only because their files lack field ids, one run
    compacts ``renew_bytes`` at most, and at least one partition.
    """
    done = Compacted()
    table = warehouse.table(name)
    chosen = _choose(files_by_partition(table).values(), settings, today, renew_bytes, done)
    for group in _groups(chosen):
        if dry_run:
            for one in group:
                done.partitions.append(one.partition)
                done.files_before += len(one.tasks)
            continue
        _commit(warehouse, name, [_rewrite(warehouse, table, one, settings) for one in group], done, sleep)
    return done


def _choose(
    partitions: Iterable[PartitionFiles], settings: Settings, today: date, renew_bytes: int, done: Compacted
) -> list[PartitionFiles]:
    """The partitions to compact, each with only the files to put together, the oldest first."""
    chosen, renewed = [], 0
    for found in sorted(partitions, key=lambda one: (one.partition.day, one.partition)):
        # Rows deleted one by one by another engine would come back; its own maintenance merges those files.
        if not found.plain:
            continue
        small = _small(found, settings, today)
        old = [task for task in found.tasks if Warehouse.lacks_field_ids(task.file.file_path)]
        if old and not small:
            if renewed >= renew_bytes:
                done.left += 1
                continue
            renewed += PartitionFiles(found.partition, old).bytes
        if tasks := [*small, *(task for task in old if task not in small)]:
            chosen.append(PartitionFiles(found.partition, tasks))
    return chosen


def _small(found: PartitionFiles, settings: Settings, today: date) -> list[FileScanTask]:
    """The small files of a partition; none if they are too few to be put together."""
    target = settings.maintenance.target_file_bytes
    small = [task for task in found.tasks if task.file.file_size_in_bytes < target // 2]
    # A day that still receives objects would be compacted again and again.
    closed = found.partition.day < settings.first_open_day(found.partition.log_type, today)
    enough = 2 if closed else settings.maintenance.max_small_files + 1
    return small if len(small) >= enough else []


def _groups(chosen: Sequence[PartitionFiles]) -> Iterator[list[PartitionFiles]]:
    """Return groups to commit together. Each commit slows all later ones, and a group must fit on the disk twice."""
    group: list[PartitionFiles] = []
    for one in chosen:
        group.append(one)
        if len(group) >= _PARTITIONS_AT_ONCE or sum(held.bytes for held in group) >= _BYTES_AT_ONCE:
            yield group
            group = []
    if group:
        yield group


def _rewrite(warehouse: Warehouse, table: Table, found: PartitionFiles, settings: Settings) -> _Rewrite:
    name, partition = table.name()[-1], found.partition
    files: list[str] = []
    rows = 0
    output = ParquetFile(warehouse, name, partition, "compacted")
    for part in rows_in_order(table, found.tasks, "p_parse_time" if name == QUARANTINE else "p_event_time"):
        output.write(part)
        if output.size >= settings.maintenance.target_file_bytes:
            files += [file.path for file in output.close()]
            output = ParquetFile(warehouse, name, partition, "compacted")
        rows += len(part)
    files += [file.path for file in output.close()]
    # Checked before the commit, against counts that the files' writers recorded.
    if rows != found.rows:
        raise VpcLogsError(
            f"{name} {partition.label}: compaction read {rows} rows of {found.rows}; nothing was changed"
        )
    return _Rewrite(partition, [task.file for task in found.tasks], files, rows)


def _commit(
    warehouse: Warehouse,
    name: str,
    rewrites: Sequence[_Rewrite],
    done: Compacted,
    sleep: Callable[[float], None],
) -> None:
    """Commit the new files. A compaction that is given up leaves its files to the clean-up."""
    pending = list(rewrites)

    def attempt() -> None:
        nonlocal pending
        table = warehouse.table(name)
        found = files_by_partition(table, on_days(rewrite.partition.day for rewrite in pending))
        finished = [one for one in pending if one.new and _has(found, one.partition, one.new)]
        pending = [one for one in pending if one not in finished and _has(found, one.partition, _paths(one))]
        for rewrite in finished:  # by an attempt whose answer was lost
            _count(done, rewrite)
        if pending:
            _swap(table, pending)
        for rewrite in pending:
            _count(done, rewrite)

    # A partition that publishes keep changing is given up: its small files cost speed, not rows.
    with suppress(PublishConflict):
        commit(attempt, f"compacting {name}", attempts=_ATTEMPTS, sleep=sleep)
    done.given_up += [one.partition for one in rewrites if one.partition not in done.partitions]


def _swap(table: Table, rewrites: Sequence[_Rewrite]) -> None:
    properties = {COMPACTION_PROPERTY: str(len(rewrites))}
    with (
        FastTransaction(table) as transaction,
        transaction.update_snapshot(snapshot_properties=properties).overwrite() as overwrite,
    ):
        for rewrite in rewrites:
            for file in rewrite.old:
                overwrite.delete_data_file(file)
            for path in rewrite.new:
                overwrite.append_data_file(parquet_file_to_data_file(table.io, table.metadata, path))


def _has(found: dict[Partition, PartitionFiles], partition: Partition, paths: Sequence[str]) -> bool:
    return partition in found and found[partition].plain and found[partition].paths.issuperset(paths)


def _paths(rewrite: _Rewrite) -> list[str]:
    return [file.file_path for file in rewrite.old]


def _count(done: Compacted, rewrite: _Rewrite) -> None:
    done.partitions.append(rewrite.partition)
    done.files_before += len(rewrite.old)
    done.files_after += len(rewrite.new)
    done.rows += rewrite.rows
