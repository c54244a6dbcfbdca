"""The state of each partition, its counts, and its audit findings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, delete, insert, or_, select, update

from vpclogs.findings import Finding
from vpclogs.ledger.counting import recount_partitions
from vpclogs.ledger.database import Database
from vpclogs.ledger.partition_rows import columns_of, partition_of, rows_of
from vpclogs.ledger.tables import findings, objects, partition_counts, partitions
from vpclogs.partitions import LogType, Partition

__all__ = [
    "STATUS_COLUMNS",
    "Certificate",
    "PartitionStatus",
    "PartitionStore",
    "Selection",
    "status_of",
    "with_states",
]


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
class Selection:
    """Partitions of a log type, on the days ``since`` to ``until``, both included. None selects everything.

    ``text`` is found in the account, the region, or the reason of a failure.
    """

    log_type: LogType
    since: date | None = None
    until: date | None = None
    account: str | None = None
    region: str | None = None
    text: str | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the conditions on ``partition_counts`` and ``partitions``."""
        columns = partition_counts.c
        chosen = [columns.log_type == self.log_type]
        chosen += [columns.day >= self.since] if self.since is not None else []
        chosen += [columns.day <= self.until] if self.until is not None else []
        chosen += [columns.account == self.account] if self.account is not None else []
        chosen += [columns.region == self.region] if self.region is not None else []
        if self.text:
            texts = (columns.account, columns.region, partitions.c.detail)
            chosen.append(or_(*(one.icontains(self.text, autoescape=True) for one in texts)))
        return chosen


def with_states(*columns: Any) -> Select[Any]:
    """Return a query of these columns of ``partition_counts`` and ``partitions``."""
    pairs = (partitions.c[name] == partition_counts.c[name] for name in ("log_type", "day", "account", "region"))
    return select(*columns).select_from(partition_counts.outerjoin(partitions, and_(*pairs)))


STATUS_COLUMNS = (partition_counts, partitions.c.detail, partitions.c.run_key, partitions.c.updated_at)
"""The columns from which `status_of` makes a status."""


def status_of(row: Row[Any]) -> PartitionStatus:
    """Return the status that a row of `STATUS_COLUMNS` records."""
    return PartitionStatus(
        partition=partition_of(row),
        state=row.state,
        detail=row.detail or "",
        run_key=row.run_key or "",
        updated_at=row.updated_at,
        certificate=Certificate(
            listed=row.listed,
            loaded=row.loaded,
            refused=row.refused,
            empty=row.empty,
            gone=row.gone,
            pending=row.listed - row.loaded - row.refused - row.empty - row.gone,
            bytes_listed=row.bytes_listed,
            bytes_settled=row.bytes_settled,
            rows=row.rows,
            quarantined=row.quarantined,
            pending_since=row.pending_since,
        ),
    )


class PartitionStore:
    """The tables ``partitions`` and ``findings``, with the counts of ``partition_counts``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def not_failed(self, keys: Sequence[str], log_type: LogType) -> list[str]:
        """Return the keys whose partitions are not failed now."""
        query = select(partitions).where(partitions.c.log_type == log_type, partitions.c.state == "failed")
        with self._database.read() as connection:
            failed = {partition_of(row).key for row in connection.execute(query)}
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
                known = connection.execute(update(partitions).where(rows_of(partitions, partition)).values(values))
                if known.rowcount == 0:
                    connection.execute(insert(partitions).values(columns_of(partition) | {"version": 0} | values))
            recount_partitions(connection, (Partition.parse(key, log_type) for key in failed))

    def knows(self, partition: Partition) -> bool:
        """Return True if the ledger has objects of the partition, or a run published or failed it."""
        with self._database.read() as connection:
            return (
                connection.scalar(select(partitions.c.version).where(rows_of(partitions, partition))) is not None
                or connection.scalar(select(objects.c.id).where(rows_of(objects, partition)).limit(1)) is not None
            )

    def close(self, partition: Partition, *, detail: str, run_key: str, now: datetime) -> None:
        """Mark a failed partition published because nothing is left to load."""
        values = {"state": "published", "detail": detail, "run_key": run_key, "updated_at": now}
        with self._database.write() as connection:
            connection.execute(update(partitions).where(rows_of(partitions, partition)).values(values))
            recount_partitions(connection, [partition])

    def keep_findings(self, manifest: int, found: Mapping[Partition, Sequence[Finding]], *, now: datetime) -> None:
        """Record the findings of a manifest's audit, replacing those of an earlier attempt."""
        rows = [
            {
                "manifest": manifest,
                **columns_of(partition),
                "check": finding.check,
                "severity": finding.severity.value,
                "message": finding.message,
                "example": finding.example,
                "action": finding.action,
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
        query = select(findings).where(rows_of(findings, partition)).order_by(findings.c.id.desc()).limit(limit)
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

        The days are ``since`` to ``until``, both included. Arguments that are None select everything.
        """
        if only is not None:
            return sorted(self._status_of_each(log_type, only), key=_by_day)
        return self._read(Selection(log_type, since, until, account, region).conditions())

    def _status_of_each(self, log_type: LogType, only: Sequence[Partition]) -> Iterator[PartitionStatus]:
        wanted = set(only)
        for day in sorted({one.day for one in wanted}):
            accounts = sorted({one.account for one in wanted if one.day == day})
            for start in range(0, len(accounts), 500):
                here = Selection(log_type, day, day).conditions()
                here.append(partition_counts.c.account.in_(accounts[start : start + 500]))
                yield from (one for one in self._read(here) if one.partition in wanted)

    def _read(self, conditions: Sequence[ColumnElement[bool]]) -> list[PartitionStatus]:
        with self._database.read() as connection:
            rows = connection.execute(with_states(*STATUS_COLUMNS).where(*conditions))
            return sorted(map(status_of, rows), key=_by_day)


def _by_day(status: PartitionStatus) -> tuple[date, str]:
    return status.partition.day, status.partition.key
