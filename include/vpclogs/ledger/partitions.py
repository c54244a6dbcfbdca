"""The state of each partition, its counts, and its audit findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, case, delete, func, insert, select, update

from vpclogs.findings import Finding
from vpclogs.ledger.database import Database
from vpclogs.ledger.objects import NOT_COUNTED, SETTLED, within
from vpclogs.ledger.tables import findings, objects, partitions
from vpclogs.partitions import LogType, Partition

__all__ = ["Certificate", "PartitionStore", "PartitionStatus"]


@dataclass(frozen=True, slots=True)
class Certificate:
    """Counts of every listed object and record of a partition. Sizes are bytes as stored in S3."""

    listed: int
    loaded: int
    refused: int
    empty: int
    gone: int
    pending: int
    bytes_listed: int
    bytes_settled: int
    rows: int
    quarantined: int
    pending_since: datetime | None = None  # the oldest LastModified of a pending object

    @property
    def complete(self) -> bool:
        """True if every listed object is loaded, refused, empty or gone."""
        return self.pending == 0 and self.listed == self.loaded + self.refused + self.empty + self.gone


@dataclass(frozen=True, slots=True)
class PartitionStatus:
    """One partition as the ledger records it."""

    partition: Partition
    state: str  # published | failed | pending
    detail: str
    run_key: str
    updated_at: datetime | None
    certificate: Certificate


@dataclass(frozen=True, slots=True)
class _Selection:
    """Partitions of a log type, on the days ``since`` to ``until``; None selects everything."""

    log_type: LogType
    since: date | None
    until: date | None
    account: str | None
    region: str | None

    def conditions(self, table: Table) -> list[ColumnElement[bool]]:
        """Return the conditions on a table with the columns of a partition."""
        columns = table.c
        chosen = [columns.log_type == self.log_type]
        chosen += [columns.day >= self.since] if self.since is not None else []
        chosen += [columns.day <= self.until] if self.until is not None else []
        chosen += [columns.account == self.account] if self.account is not None else []
        chosen += [columns.region == self.region] if self.region is not None else []
        return chosen


class PartitionStore:
    """The tables ``partitions`` and ``findings``, and counts over ``objects``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def not_failed(self, keys: Sequence[str], log_type: LogType) -> list[str]:
        """Return the keys whose partitions are not failed now."""
        query = select(partitions).where(partitions.c.log_type == log_type, partitions.c.state == "failed")
        with self._database.read() as connection:
            failed = {Partition(log_type, row.account, row.region, row.day).key for row in connection.execute(query)}
        return [key for key in keys if key not in failed]

    def fail(self, failed: Mapping[str, str], *, log_type: LogType, run_key: str, now: datetime) -> None:
        """Mark partitions failed, with the reason. Rows that they already hold stay visible."""
        if not failed:
            return
        with self._database.write() as connection:
            for key, why in failed.items():
                partition = Partition.parse(key, log_type)
                values = {"state": "failed", "detail": why, "run_key": run_key, "updated_at": now}
                # The version stays: a failure changes no row, so it must not invalidate another run's claim.
                known = connection.execute(update(partitions).where(_same(partition)).values(values))
                if known.rowcount == 0:
                    identity = {
                        "log_type": log_type.value,
                        "account": partition.account,
                        "region": partition.region,
                        "day": partition.day,
                        "version": 0,
                    }
                    connection.execute(insert(partitions).values(identity | values))

    def knows(self, partition: Partition) -> bool:
        """Return True if the ledger has objects of the partition, or a run published or failed it."""
        with self._database.read() as connection:
            return (
                connection.scalar(select(partitions.c.version).where(_same(partition))) is not None
                or connection.scalar(select(objects.c.id).where(within(partition)).limit(1)) is not None
            )

    def close(self, partition: Partition, *, detail: str, run_key: str, now: datetime) -> None:
        """Mark a failed partition published because nothing is left to load."""
        values = {"state": "published", "detail": detail, "run_key": run_key, "updated_at": now}
        with self._database.write() as connection:
            connection.execute(update(partitions).where(_same(partition)).values(values))

    def keep_findings(self, manifest: int, found: Mapping[Partition, Sequence[Finding]], *, now: datetime) -> None:
        """Record the findings of a manifest's audit, replacing those of an earlier attempt."""
        rows = [
            {
                "manifest": manifest,
                "log_type": partition.log_type.value,
                "account": partition.account,
                "region": partition.region,
                "day": partition.day,
                "check": finding.check,
                "severity": finding.severity.value,
                "message": finding.message,
                "example": finding.example,
                "created_at": now,
            }
            for partition, listed in found.items()
            for finding in listed
        ]
        with self._database.write() as connection:
            # A repeated audit of the same manifest replaces its findings, it does not add to them.
            connection.execute(delete(findings).where(findings.c.manifest == manifest))
            if rows:
                connection.execute(insert(findings), rows)

    def findings(self, partition: Partition, *, limit: int = 20) -> list[Any]:
        """Return the newest findings of a partition."""
        query = (
            select(findings)
            .where(
                findings.c.log_type == partition.log_type,
                findings.c.account == partition.account,
                findings.c.region == partition.region,
                findings.c.day == partition.day,
            )
            .order_by(findings.c.id.desc())
            .limit(limit)
        )
        with self._database.read() as connection:
            return list(connection.execute(query))

    def status(
        self,
        log_type: LogType,
        *,
        only: Sequence[Partition] | None = None,
        since: date | None = None,
        until: date | None = None,
        account: str | None = None,
        region: str | None = None,
    ) -> list[PartitionStatus]:
        """Return the partitions of a log type, or the given ones, with their counts, by day and key.

        The days are ``since`` to ``until``, both included. Other arguments that are None select everything.
        """
        where = _Selection(log_type, since, until, account, region)
        if only is not None and len(only) == 1:  # so that the database reads one partition, not all
            where = _Selection(log_type, only[0].day, only[0].day, only[0].account, only[0].region)
        found = self._states(where)
        statuses = []
        for partition, certificate in self._certificates(where).items():
            # No run has published or failed it yet: its objects are only listed.
            state, detail, run_key, updated = found.get(partition, ("pending", "", "", None))
            statuses.append(PartitionStatus(partition, state, detail, run_key, updated, certificate))
        wanted = None if only is None else set(only)
        return sorted(
            (s for s in statuses if wanted is None or s.partition in wanted),
            key=lambda s: (s.partition.day, s.partition.key),
        )

    def _states(self, where: _Selection) -> dict[Partition, tuple[str, str, str, datetime]]:
        query = select(partitions).where(*where.conditions(partitions))
        with self._database.read() as connection:
            return {
                Partition(where.log_type, row.account, row.region, row.day): (
                    row.state,
                    row.detail,
                    row.run_key,
                    row.updated_at,
                )
                for row in connection.execute(query)
            }

    def _certificates(self, where: _Selection) -> dict[Partition, Certificate]:
        settled = objects.c.state.in_(SETTLED)
        # Deleted objects count as done: nothing can load them any more.
        done = settled | (objects.c.state == "gone")
        query = (
            select(
                objects.c.account,
                objects.c.region,
                objects.c.day,
                func.count().label("listed"),
                *(_count(objects.c.state == state, state) for state in (*SETTLED, "gone")),
                func.sum(objects.c.size).label("bytes_listed"),
                func.sum(case((done, objects.c.size), else_=0)).label("bytes_settled"),
                func.sum(case((settled, objects.c.rows), else_=0)).label("rows"),
                func.sum(case((settled, objects.c.refused), else_=0)).label("quarantined"),
                func.min(case((~done, objects.c.last_modified))).label("pending_since"),
            )
            # count a rewritten object as its newest version only
            .where(*where.conditions(objects), objects.c.state.not_in(NOT_COUNTED))
            .group_by(objects.c.account, objects.c.region, objects.c.day)
        )
        with self._database.read() as connection:
            return {
                Partition(where.log_type, row.account, row.region, row.day): Certificate(
                    listed=row.listed,
                    loaded=row.loaded,
                    refused=row.refused,
                    empty=row.empty,
                    gone=row.gone,
                    pending=row.listed - row.loaded - row.refused - row.empty - row.gone,
                    bytes_listed=int(row.bytes_listed),
                    bytes_settled=int(row.bytes_settled),
                    rows=int(row.rows),
                    quarantined=int(row.quarantined),
                    pending_since=row.pending_since,
                )
                for row in connection.execute(query)
            }


def _count(condition: Any, label: str) -> Any:
    return func.sum(case((condition, 1), else_=0)).label(label)


def _same(partition: Partition) -> Any:
    return and_(
        partitions.c.log_type == partition.log_type,
        partitions.c.account == partition.account,
        partitions.c.region == partition.region,
        partitions.c.day == partition.day,
    )
