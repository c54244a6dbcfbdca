"""Retention of the ledger itself: old runs, and partitions past their retention.

Objects that S3 may still list stay, because planning subtracts them. They are deleted only together with their
partition, once its days are no longer planned.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date, datetime
from typing import Any

from sqlalchemy import Table, delete, func, or_, select, update

from vpclogs.ledger.database import Database
from vpclogs.ledger.intents import open_within
from vpclogs.ledger.tables import (
    certificates,
    findings,
    intents,
    manifest_objects,
    manifests,
    objects,
    partition_counts,
    partition_statistics,
    partitions,
    staged_batches,
)
from vpclogs.partitions import LogType

__all__ = ["PruningStore"]

_AT_ONCE = 1000
"""Rows deleted per transaction; publishers wait for each."""


class PruningStore:
    """Deletes from all tables. A call resumes where an interrupted one stopped."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def give_up_staged(self, before: datetime, *, now: datetime) -> int:
        """Mark manifests that staged nothing since ``before``; from now on none of them can claim a publish.

        A manifest with an open intent is left for completion.
        """
        # A manifest whose tasks still write batches is not old, whenever it was planned.
        last = func.coalesce(
            select(func.max(staged_batches.c.staged_at))
            .where(staged_batches.c.manifest == manifests.c.id)
            .scalar_subquery(),
            manifests.c.created_at,
        )
        claimed = select(intents.c.manifest).where(intents.c.open)
        with self._database.write() as connection:
            return connection.execute(
                update(manifests)
                .where(manifests.c.cleaned_at.is_(None), last < before, manifests.c.id.not_in(claimed))
                .values(cleaned_at=now)
            ).rowcount

    def files_in_flight(self) -> Iterator[str]:
        """Yield the paths of staged files that a run may still publish, and of all files of open intents."""
        query = (
            select(staged_batches.c.result)
            .join(manifests, manifests.c.id == staged_batches.c.manifest)
            .where(manifests.c.cleaned_at.is_(None))
            .execution_options(yield_per=50)
        )
        with self._database.read() as connection:
            for result in connection.scalars(query):
                yield from (file["path"] for file in result["files"])
            for intent in open_within(connection):
                for paths in intent.plan.files.values():
                    yield from paths

    def unpublished_runs(self) -> int:
        """Delete manifests whose staged files were given up and that published nothing; return their number."""
        mine = select(intents.c.manifest)
        return self._forget(manifests.c.cleaned_at.is_not(None) & manifests.c.id.not_in(mine))

    def published_runs(self, before: datetime, *, needed: Collection[str]) -> int:
        """Delete runs older than ``before`` with their settled intents, except the intents in ``needed``."""
        keep = select(intents.c.manifest).where(or_(intents.c.open, intents.c.id.in_(needed)))
        old = (manifests.c.created_at < before) & manifests.c.cleaned_at.is_not(None)
        return self._forget(old & manifests.c.id.not_in(keep))

    def findings(self, before: datetime) -> int:
        """Delete findings created before the given time."""
        return self._delete(findings, findings.c.created_at < before)

    def partitions(self, log_type: LogType, before: date) -> int:
        """Delete the partitions of earlier days, whose rows are gone, with their objects; return the number of
        objects.

        Objects of a run that the ledger still has wait until that run is deleted.
        """
        listed = select(manifest_objects.c.object).where(manifest_objects.c.object == objects.c.id)
        claimed = select(intents.c.seq).where(intents.c.seq == objects.c.intent, intents.c.open)
        gone = self._delete(
            objects,
            (objects.c.log_type == log_type) & (objects.c.day < before) & ~listed.exists() & ~claimed.exists(),
        )
        for table in (partitions, certificates, partition_statistics, partition_counts):
            with self._database.write() as connection:
                connection.execute(delete(table).where(table.c.log_type == log_type, table.c.day < before))
        return gone

    def _forget(self, where: Any) -> int:
        gone = 0
        while True:
            with self._database.write() as connection:
                # Few at once: each manifest may have thousands of objects and large batch results.
                ids = list(connection.scalars(select(manifests.c.id).where(where).limit(50)))
                if not ids:
                    return gone
                connection.execute(update(findings).where(findings.c.manifest.in_(ids)).values(manifest=None))
                for table in (intents, staged_batches, manifest_objects):
                    connection.execute(delete(table).where(table.c.manifest.in_(ids)))
                connection.execute(delete(manifests).where(manifests.c.id.in_(ids)))
                gone += len(ids)

    def _delete(self, table: Table, where: Any) -> int:
        gone = 0
        while True:
            with self._database.write() as connection:
                ids = connection.scalars(select(table.c.id).where(where).limit(_AT_ONCE)).all()
                if not ids:
                    return gone
                gone += connection.execute(delete(table).where(table.c.id.in_(ids))).rowcount
