"""The runs and objects of a partition, and the partitions of a run: the details that people look up."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Row, and_, func, select

from vpclogs.ledger.database import Database
from vpclogs.ledger.partition_rows import rows_of
from vpclogs.ledger.states import NOT_COUNTED
from vpclogs.ledger.tables import manifest_objects, manifests, objects, partitions
from vpclogs.object_keys import key_time
from vpclogs.partitions import LogType, Partition
from vpclogs.runs import RunOutcome

__all__ = ["HistoryQueries", "HourLine", "ObjectLine", "RefusedObjects", "Run"]


@dataclass(frozen=True, slots=True)
class Run:
    """One plan of a run. ``key`` is ``dag/run`` for runs of Airflow; sizes are bytes as stored in S3.

    ``unlisted`` counts the accounts and sources that could not be listed. ``outcome`` is None until
    the run has published.
    """

    manifest: int
    key: str
    log_type: LogType
    mode: str  # add | reload | replay
    created_at: datetime
    objects: int
    bytes: int
    batches: int
    unlisted: int
    outcome: RunOutcome | None


@dataclass(frozen=True, slots=True)
class ObjectLine:
    """One object as the ledger records it. ``reason`` and ``detail`` explain any state but loaded."""

    id: int
    key: str
    bucket: str
    size: int
    last_modified: datetime
    state: str
    rows: int
    refused: int
    reason: str | None
    detail: str | None


@dataclass(frozen=True, slots=True)
class HourLine:
    """The objects of one hour (its start) of a partition: all, those not settled yet, and the rows of the loaded."""

    hour: datetime
    objects: int
    waiting: int
    rows: int


@dataclass(frozen=True, slots=True)
class RefusedObjects:
    """Objects of a partition that were refused whole for one reason, with the key and the detail of one of them."""

    reason: str
    objects: int
    example: str
    detail: str


class HistoryQueries:
    """Read-only queries over ``manifests``, ``manifest_objects``, ``objects`` and ``partitions``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def objects(self, partition: Partition, *, after: int = 0, limit: int = 100) -> list[ObjectLine]:
        """Return the next objects of a partition after the one with the id ``after``, in the order of their ids."""
        # By id and not by OFFSET: the thousandth page costs as much as the first.
        query = select(objects).where(
            rows_of(objects, partition), objects.c.id > after, objects.c.state.not_in(NOT_COUNTED)
        )
        return self._lines(query.order_by(objects.c.id).limit(limit))

    def hours(self, partition: Partition) -> list[HourLine]:
        """Return the objects of a partition by the hour in their names, the earliest first."""
        columns = [objects.c[name] for name in ("key", "last_modified", "state", "rows")]
        query = select(*columns).where(rows_of(objects, partition), objects.c.state.not_in(NOT_COUNTED))
        hours: defaultdict[datetime, Counter[str]] = defaultdict(Counter)
        with self._database.read() as connection:
            for row in connection.execute(query):
                time = key_time(row.key) or row.last_modified
                count = hours[time.replace(minute=0, second=0, microsecond=0)]
                count.update(objects=1, waiting=row.state == "listed", rows=row.rows if row.state == "loaded" else 0)
        return [
            HourLine(hour, count["objects"], count["waiting"], count["rows"]) for hour, count in sorted(hours.items())
        ]

    def refused_objects(self, partition: Partition) -> list[RefusedObjects]:
        """Return the objects of a partition that were refused whole, by reason."""
        example = func.min(objects.c.key).label("example")
        query = (
            select(objects.c.reason, func.count().label("objects"), example, func.min(objects.c.detail).label("detail"))
            .where(rows_of(objects, partition), objects.c.state == "refused")
            .group_by(objects.c.reason)
            .order_by(func.count().desc())
        )
        with self._database.read() as connection:
            return [
                RefusedObjects(row.reason or "", row.objects, row.example, row.detail or "")
                for row in connection.execute(query)
            ]

    def batch(self, manifest: int, number: int, *, limit: int = 1000) -> list[ObjectLine]:
        """Return the objects of one batch, in manifest order."""
        query = (
            select(objects)
            .join(manifest_objects, objects.c.id == manifest_objects.c.object)
            .where(manifest_objects.c.manifest == manifest, manifest_objects.c.batch == number)
            .order_by(manifest_objects.c.position)
            .limit(limit)
        )
        return self._lines(query)

    def runs(self, partition: Partition, *, limit: int = 20) -> list[Run]:
        """Return the newest runs that planned an object of the partition, or published or failed it."""
        # Through the objects, not `partitions.run_key`, which only remembers the last run.
        of_objects = (
            select(manifest_objects.c.manifest)
            .join(objects, objects.c.id == manifest_objects.c.object)
            .where(rows_of(objects, partition))
        )
        return self._runs(manifests.c.id.in_(of_objects), limit)

    def run(self, key: str) -> Run | None:
        """Return the newest plan of a run, or None if it has not planned."""
        found = self._runs(manifests.c.run_key == key, 1)
        return found[0] if found else None

    def partitions_of(self, run: Run) -> list[Partition]:
        """Return the partitions for which the run planned objects, sorted."""
        # Null in manifests of releases before the planned region was kept.
        region = func.coalesce(manifest_objects.c.region, objects.c.region)
        query = (
            select(objects.c.account, region.label("region"), objects.c.day)
            .join(objects, objects.c.id == manifest_objects.c.object)
            .where(manifest_objects.c.manifest == run.manifest)
            .distinct()
        )
        by_run = select(partitions).where(partitions.c.run_key == run.key, partitions.c.log_type == run.log_type)
        with self._database.read() as connection:
            rows = [*connection.execute(query), *connection.execute(by_run)]
        return sorted({Partition(run.log_type, row.account, row.region, row.day) for row in rows})

    def _runs(self, where: ColumnElement[bool], limit: int) -> list[Run]:
        query = select(manifests).where(and_(where)).order_by(manifests.c.id.desc()).limit(limit)
        with self._database.read() as connection:
            return [_run(row) for row in connection.execute(query)]

    def _lines(self, query: Any) -> list[ObjectLine]:
        with self._database.read() as connection:
            return [
                ObjectLine(**{name: getattr(row, name) for name in ObjectLine.__dataclass_fields__})
                for row in connection.execute(query)
            ]


def _run(row: Row[Any]) -> Run:
    failures: Sequence[Any] = row.listing_failures
    return Run(
        manifest=row.id,
        key=row.run_key,
        log_type=LogType(row.log_type),
        mode=row.mode,
        created_at=row.created_at,
        objects=row.objects,
        bytes=row.bytes,
        batches=row.batches,
        unlisted=len(failures),
        outcome=None if row.outcome is None else msgspec.convert(row.outcome, RunOutcome),
    )
