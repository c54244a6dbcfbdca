"""Where staged rows and refused records go: files of one partition that no table knows yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from vpclogs.objects import LogObject
from vpclogs.parsing.model import Parsed, Refused
from vpclogs.partitions import LogType, Partition
from vpclogs.profile.statistics import Statistics
from vpclogs.schemas import schema_for
from vpclogs.staged import StagedFile
from vpclogs.staging.lineage import quarantine_rows, with_lineage
from vpclogs.warehouse.parquet import ParquetFile
from vpclogs.warehouse.tables import QUARANTINE, Warehouse

__all__ = ["Output", "Target"]


@dataclass(frozen=True)
class Target:
    """Where staged rows go. ``stem`` begins each file's name."""

    log_type: LogType
    stem: str
    warehouse: Warehouse
    now: datetime

    def file(self, table: str, partition: Partition) -> ParquetFile:
        return ParquetFile(self.warehouse, table, partition, self.stem)


class Output:
    """Rows and refused records of one partition, or of one large object of it."""

    def __init__(self, target: Target, partition: Partition) -> None:
        self._target = target
        self.partition = partition
        self._schema = schema_for(target.log_type)
        self._rows = target.file(target.log_type.value, partition)
        self._refused = target.file(QUARANTINE, partition)
        self.statistics = Statistics(partition, self._schema)

    def add(self, parsed: Parsed, listed: Sequence[LogObject]) -> None:
        """Write rows and refused records, whose objects are indexes into ``listed``."""
        if len(parsed.rows):
            table = with_lineage(
                parsed.rows,
                parsed.objects,
                parsed.lines,
                listed=listed,
                partition=self.partition,
                schema=self._schema,
                table=self._rows.schema,
                now=self._target.now,
            )
            self._rows.write(table)
        self.refuse([(listed[r.object], r, r.reason, r.detail) for r in parsed.refused])
        self.statistics.observe(parsed, listed)

    def refuse(self, refused: Sequence[tuple[LogObject, Refused | None, str, str]]) -> None:
        """Write rows of the quarantine, see `quarantine_rows`."""
        if refused:
            schema = self._refused.schema
            self._refused.write(quarantine_rows(refused, partition=self.partition, table=schema, now=self._target.now))

    def close(self) -> list[StagedFile]:
        """End the files; none if nothing came."""
        return [*self._rows.close(), *self._refused.close()]

    def discard(self) -> None:
        """Give all rows up and remove the files."""
        self._rows.discard()
        self._refused.discard()
