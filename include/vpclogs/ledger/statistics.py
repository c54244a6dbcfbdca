"""Statistics of each partition's records, summed over its publishes.

The statistics of a run are stored with its batch results until the run is deleted. Here they are added up in the
order of the intents, so that each publish counts exactly once, wherever this runs or is interrupted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, func, insert, select, update

from vpclogs.intents import Plan
from vpclogs.ledger.database import Database
from vpclogs.ledger.partition_rows import columns_of, rows_of
from vpclogs.ledger.tables import (
    intents,
    manifest_objects,
    manifests,
    objects,
    partition_statistics,
    staged_batches,
)
from vpclogs.manifests import Mode
from vpclogs.partitions import LogType, Partition
from vpclogs.profile.partition_statistics import PartitionStatistics
from vpclogs.profile.statistics import merge
from vpclogs.staged import StatisticsJson

__all__ = ["StatisticsStore"]


class StatisticsStore:
    """The table ``partition_statistics``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, partition: Partition) -> PartitionStatistics | None:
        """Return the sums of a partition so far, or None before the first."""
        with self._database.read() as connection:
            found = connection.scalar(
                select(partition_statistics.c.statistics).where(rows_of(partition_statistics, partition))
            )
        return None if found is None else PartitionStatistics.from_json(found)

    def so_far(self, partition: Partition) -> PartitionStatistics:
        """Return the sums of a partition with the publishes that `add_up` has not added yet, as far as they are known.

        Publishes whose staged batches were deleted before they were added up are missing.
        """
        total = self.of(partition) or PartitionStatistics()
        with self._database.read() as connection:
            done = (
                connection.scalar(
                    select(partition_statistics.c.through).where(rows_of(partition_statistics, partition))
                )
                or 0
            )
            places = connection.execute(_batches_after(partition, done)).all()
            if any(place.mode == Mode.RELOAD for place in places):
                total = PartitionStatistics()
                places = places[max(n for n, place in enumerate(places) if place.mode == Mode.RELOAD) :]
            for manifest, batch in dict.fromkeys((place.manifest, place.batch) for place in places):
                same = (staged_batches.c.manifest == manifest) & (staged_batches.c.batch == batch)
                result = connection.scalar(select(staged_batches.c.result).where(same))
                if result and partition.key in result["statistics"]:
                    total.update(PartitionStatistics.from_json(result["statistics"][partition.key]))
        return total

    def add_up(self, *, now: datetime) -> int:
        """Add the publishes since the last call and return their number.

        A reload restarts the sum of its partition. Records moved by a replay count both as refused and as rows.
        """
        waiting = [seq for log_type in LogType for seq in self._waiting(log_type)]
        for seq in waiting:
            self._add(seq, now)
        return len(waiting)

    def _waiting(self, log_type: LogType) -> Sequence[int]:
        """Return the settled intents that are not added yet. Intents of one log type settle in order."""
        mine = partition_statistics.c.log_type == log_type
        with self._database.read() as connection:
            done = connection.scalar(select(func.max(partition_statistics.c.through)).where(mine)) or 0
            query = select(intents.c.seq).where(intents.c.log_type == log_type, intents.c.seq > done, ~intents.c.open)
            return connection.scalars(query.order_by(intents.c.seq)).all()

    def _add(self, seq: int, now: datetime) -> None:
        with self._database.write() as connection:
            row = connection.execute(select(intents).where(intents.c.seq == seq)).one()
            plan = msgspec.convert(row.document, Plan)
            parts = _statistics(connection, row.manifest)
            for key in plan.partitions:
                place = Partition.parse(key, LogType(row.log_type))
                _add_to(connection, place, parts.get(key, []), seq, anew=plan.mode is Mode.RELOAD, now=now)


def _batches_after(partition: Partition, seq: int) -> Any:
    """Return a query of the batches that brought a partition's objects in later publishes, in their order."""
    return (
        select(intents.c.seq, manifests.c.mode, manifest_objects.c.manifest, manifest_objects.c.batch)
        .join(objects, objects.c.intent == intents.c.seq)
        .join(manifests, manifests.c.id == intents.c.manifest)
        .join(
            manifest_objects,
            (manifest_objects.c.object == objects.c.id) & (manifest_objects.c.manifest == intents.c.manifest),
        )
        .where(rows_of(objects, partition), intents.c.seq > seq, ~intents.c.open)
        .distinct()
        .order_by(intents.c.seq, manifest_objects.c.batch)
    )


def _statistics(connection: Connection, manifest: int) -> dict[str, list[StatisticsJson]]:
    found: dict[str, list[StatisticsJson]] = {}
    query = select(staged_batches.c.result).where(staged_batches.c.manifest == manifest)
    for result in connection.scalars(query):
        for key, statistics in result["statistics"].items():
            found.setdefault(key, []).append(statistics)
    return found


def _add_to(
    connection: Connection,
    partition: Partition,
    parts: Sequence[Mapping[str, Any]],
    seq: int,
    *,
    anew: bool,
    now: datetime,
) -> None:
    known = connection.execute(select(partition_statistics).where(rows_of(partition_statistics, partition))).first()
    if known is not None and known.through >= seq:
        return
    before = [] if known is None or anew else [known.statistics]
    values = {"statistics": merge([*before, *map(dict, parts)]), "through": seq, "updated_at": now}
    if known is None:
        connection.execute(insert(partition_statistics).values(columns_of(partition) | values))
    else:
        connection.execute(update(partition_statistics).where(rows_of(partition_statistics, partition)).values(values))
