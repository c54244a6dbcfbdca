"""The data files of a table, by partition, from its metadata."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta

from pyiceberg.expressions import AlwaysTrue, BooleanExpression, In
from pyiceberg.manifest import DataFile
from pyiceberg.table import FileScanTask, Table

from vpclogs.partitions import LogType, Partition
from vpclogs.schemas import schema_for
from vpclogs.warehouse.tables import QUARANTINE

__all__ = ["PartitionFiles", "files_by_partition", "on_days", "place_of"]

_LOG_TYPES = {schema_for(log_type).title: log_type for log_type in LogType}
_EPOCH = date(1970, 1, 1)


@dataclass(slots=True)
class PartitionFiles:
    """The files of one partition. ``plain`` is False if another engine deleted single rows of it."""

    partition: Partition
    tasks: list[FileScanTask] = field(default_factory=list)

    @property
    def plain(self) -> bool:
        return not any(task.delete_files for task in self.tasks)

    @property
    def rows(self) -> int:
        return sum(task.file.record_count for task in self.tasks)

    @property
    def bytes(self) -> int:
        return sum(task.file.file_size_in_bytes for task in self.tasks)

    @property
    def paths(self) -> set[str]:
        return {task.file.file_path for task in self.tasks}


def files_by_partition(table: Table, where: BooleanExpression | None = None) -> dict[Partition, PartitionFiles]:
    """Return the files of each partition that the filter selects. Files with another partitioning are left out."""
    found: defaultdict[Partition, list[FileScanTask]] = defaultdict(list)
    if table.current_snapshot() is not None:
        for task in table.scan(row_filter=where or AlwaysTrue()).plan_files():
            place = place_of(table, task.file)
            if place is not None:
                found[place].append(task)
    return {place: PartitionFiles(place, tasks) for place, tasks in found.items()}


def place_of(table: Table, file: DataFile) -> Partition | None:
    """Return the partition of a file, or None if it was written under another partitioning."""
    # By the file's own partition spec: another engine may have changed the table's since.
    names = [name.name for name in table.specs()[file.spec_id].fields]
    place = dict(zip(names, (file.partition[position] for position in range(len(names))), strict=True))
    try:
        account, region, day = place["p_account"], place["p_region"], place["p_day"]
        log_type = _LOG_TYPES[place["p_log_type"]] if table.name()[-1] == QUARANTINE else LogType(table.name()[-1])
    except KeyError:
        return None
    # pyiceberg returns days as numbers or dates, depending on how it read the manifest.
    return Partition(log_type, account, region, day if isinstance(day, date) else _EPOCH + timedelta(days=day))


def on_days(days: Iterable[date]) -> BooleanExpression:
    """Return a filter for the rows of path days."""
    # pyiceberg converts names and values itself, but its types do not declare it
    return In("p_day", sorted(set(days)))  # type: ignore
