"""Frozen manifests, with the staging results, audit decision and outcome of their runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Row, delete, insert, select, update

from vpclogs.errors import VpcLogsError
from vpclogs.ledger.database import Database
from vpclogs.ledger.objects import log_object
from vpclogs.ledger.tables import manifest_objects, manifests, objects, staged_batches
from vpclogs.listed_days import Listed
from vpclogs.manifests import ListingFailure, Manifest, Mode, manifest_hash
from vpclogs.objects import LogObject
from vpclogs.partitions import LogType, Partition
from vpclogs.runs import AuditDecision, RunOutcome
from vpclogs.staged import BatchResult
from vpclogs.unread import UnreadFolders

__all__ = ["ManifestStore"]

_PLANNED = manifest_objects.c.region.label("planned")  # null in manifests of earlier releases


class ManifestStore:
    """The tables ``manifests``, ``manifest_objects`` and ``staged_batches``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def freeze(
        self,
        batches: Sequence[Sequence[LogObject]],
        *,
        log_type: LogType,
        run_key: str,
        mode: Mode,
        listing_failures: Sequence[ListingFailure],
        object_ids: Mapping[str, int],
        now: datetime,
        listed_until: datetime | None = None,
        unread: Sequence[UnreadFolders] = (),
        targets: Sequence[Partition] = (),
        coverage: Listed | None = None,
        list_requests: int | None = None,
        read_requests: int | None = None,
    ) -> Manifest:
        """Write a manifest once. Every later task of the run reads this list and no other.

        ``listed_until``, if given, means that all objects delivered before that time were listed.
        ``targets`` are the partitions that a reload swaps in. ``list_requests`` were made to plan, ``read_requests``
        are those that reading the objects takes.
        """
        # In batch order, so that positions in the manifest are ranges of batches.
        listed = [item for batch in batches for item in batch]
        values = {
            "hash": manifest_hash(listed, mode),
            "log_type": log_type.value,
            "run_key": run_key,
            "mode": mode.value,
            "created_at": now,
            "objects": len(listed),
            "bytes": sum(item.size for item in listed),
            "batches": len(batches),
            "list_requests": list_requests,
            "read_requests": read_requests,
            "listing_failures": [asdict(failure) for failure in listing_failures],
            "listed_until": listed_until,
            "listed_days": None if coverage is None else msgspec.to_builtins(coverage),
            "unread_folders": [asdict(one) for one in unread],
            "targets": [target.key for target in targets],
        }
        with self._database.write() as connection:
            key = connection.execute(insert(manifests).values(values)).inserted_primary_key
            assert key is not None  # noqa: S101 - an insert of one row has a key
            rows = [
                {"manifest": key[0], "batch": number, "object": object_ids[item.identity], "region": item.region}
                for number, batch in enumerate(batches)
                for item in batch
            ]
            if rows:
                connection.execute(
                    insert(manifest_objects), [row | {"position": position} for position, row in enumerate(rows)]
                )
        return self.get(key[0])

    def get(self, manifest: int) -> Manifest:
        """Return a manifest by its id."""
        with self._database.read() as connection:
            row = connection.execute(select(manifests).where(manifests.c.id == manifest)).one()
            listed = connection.execute(
                select(manifest_objects.c.batch, _PLANNED, objects)
                .join(objects, objects.c.id == manifest_objects.c.object)
                .where(manifest_objects.c.manifest == manifest)
                .order_by(manifest_objects.c.position)
            ).all()
        return _manifest(row, listed)

    def batch(self, manifest: int, number: int) -> list[LogObject]:
        """Return the objects of one batch, in manifest order."""
        query = (
            select(_PLANNED, objects)
            .join(manifest_objects, objects.c.id == manifest_objects.c.object)
            .where(manifest_objects.c.manifest == manifest, manifest_objects.c.batch == number)
            .order_by(manifest_objects.c.position)
        )
        with self._database.read() as connection:
            return [log_object(row, region=row.planned) for row in connection.execute(query)]

    def latest(self, run_key: str) -> Manifest:
        """Return the newest manifest of a run.

        Raises:
            VpcLogsError: the run has none, because its plan task did not finish.
        """
        # A plan task that was cleared has frozen a second manifest for the run: the newest counts.
        query = select(manifests.c.id).where(manifests.c.run_key == run_key).order_by(manifests.c.id.desc()).limit(1)
        with self._database.read() as connection:
            found = connection.scalar(query)
        if found is None:
            raise VpcLogsError(f"run {run_key} has no manifest: its plan task has not ended. Clear the plan task.")
        return self.get(found)

    def run_key(self, manifest: int) -> str:
        """Return the key of the run that a manifest belongs to."""
        with self._database.read() as connection:
            return str(connection.scalar(select(manifests.c.run_key).where(manifests.c.id == manifest)))

    def keep_staged(self, manifest: int, batch: int, result: BatchResult, *, now: datetime) -> None:
        """Record the result of a batch, replacing the result of an earlier attempt."""
        row = {"manifest": manifest, "batch": batch, "staged_at": now, "result": msgspec.to_builtins(result)}
        with self._database.write() as connection:
            same = (staged_batches.c.manifest == manifest) & (staged_batches.c.batch == batch)
            # The files of the earlier attempt are in no result any more; clean-up removes them.
            connection.execute(delete(staged_batches).where(same))
            connection.execute(insert(staged_batches).values(row))

    def staged(self, manifest: int) -> dict[int, BatchResult]:
        """Return staging results by batch number. A batch whose staging failed is missing."""
        query = select(staged_batches.c.batch, staged_batches.c.result).where(staged_batches.c.manifest == manifest)
        with self._database.read() as connection:
            return {number: msgspec.convert(result, BatchResult) for number, result in connection.execute(query)}

    def keep_audit(self, manifest: int, audit: AuditDecision) -> None:
        """Record which partitions passed and which failed."""
        self._update(manifest, audit=msgspec.to_builtins(audit))

    def audit(self, manifest: int) -> AuditDecision | None:
        """Return the audit decision, or None before the audit."""
        with self._database.read() as connection:
            kept = connection.scalar(select(manifests.c.audit).where(manifests.c.id == manifest))
        return None if kept is None else msgspec.convert(kept, AuditDecision)

    def keep_outcome(self, manifest: int, outcome: RunOutcome) -> None:
        """Record the outcome of publishing."""
        self._update(manifest, outcome=msgspec.to_builtins(outcome))

    def outcome(self, manifest: int) -> RunOutcome | None:
        """Return the outcome of publishing, or None before it."""
        with self._database.read() as connection:
            kept = connection.scalar(select(manifests.c.outcome).where(manifests.c.id == manifest))
        return None if kept is None else msgspec.convert(kept, RunOutcome)

    def _update(self, manifest: int, **values: Any) -> None:
        with self._database.write() as connection:
            connection.execute(update(manifests).where(manifests.c.id == manifest).values(**values))


def _manifest(row: Row[Any], listed: Sequence[Row[Any]]) -> Manifest:
    batches: list[list[LogObject]] = [[] for _ in range(row.batches)]
    ids: dict[str, int] = {}
    for entry in listed:
        item = log_object(entry, region=entry.planned)
        batches[entry.batch].append(item)
        ids[item.identity] = entry.id
    return Manifest(
        id=row.id,
        hash=row.hash,
        log_type=LogType(row.log_type),
        run_key=row.run_key,
        mode=Mode(row.mode),
        batches=tuple(tuple(batch) for batch in batches),
        object_ids=ids,
        listing_failures=tuple(ListingFailure(**failure) for failure in row.listing_failures),
        targets=tuple(Partition.parse(key, row.log_type) for key in row.targets or ()),
        coverage=None if row.listed_days is None else msgspec.convert(row.listed_days, Listed),
    )
