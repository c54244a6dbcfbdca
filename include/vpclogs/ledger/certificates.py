"""Certificates: a count of every object and record of a partition, checked against the tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select, update

from vpclogs.findings import Finding
from vpclogs.ledger.counting import recount_partitions
from vpclogs.ledger.database import Database
from vpclogs.ledger.intents import open_within
from vpclogs.ledger.objects import log_object
from vpclogs.ledger.partition_rows import columns_of, partition_of, rows_of
from vpclogs.ledger.partitions import Certificate
from vpclogs.ledger.states import NOT_COUNTED
from vpclogs.ledger.tables import certificates, findings, objects, partitions
from vpclogs.manifests import Mode, manifest_hash
from vpclogs.objects import LogObject
from vpclogs.partitions import LogType, Partition

__all__ = ["Certified", "CertificateStore", "Standing"]

_COUNTS = ("listed", "loaded", "refused", "empty", "gone", "pending")


@dataclass(frozen=True, slots=True)
class Standing:
    """The state of a partition in the ledger. ``publishing`` is true while an open intent changes it."""

    version: int
    state: str
    run_key: str
    publishing: bool


@dataclass(frozen=True, slots=True)
class Certified:
    """One certificate. ``rows`` and ``quarantined`` count table rows; ``detail`` explains why it is incomplete."""

    partition: Partition
    count: Certificate
    hash: str
    rows: int
    quarantined: int
    detail: str

    @property
    def complete(self) -> bool:
        return not self.detail


class CertificateStore:
    """The table ``certificates``, with the queries needed to write one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def standings(self, log_type: LogType, days: Sequence[date]) -> dict[Partition, Standing]:
        """Return all partitions of the days that were published, are being published, or failed."""
        query = select(partitions).where(partitions.c.log_type == log_type, partitions.c.day.in_(days))
        with self._database.write() as connection:  # a write transaction, so that both reads see the same moment
            busy = {
                Partition.parse(key, log_type)
                for intent in open_within(connection)
                if intent.log_type == log_type
                for key in intent.plan.partitions
            }
            found = {
                place: Standing(row.version, row.state, row.run_key, place in busy)
                for row in connection.execute(query)
                for place in [partition_of(row)]
            }
        # A first publish that is under way has no row in `partitions` yet.
        return {place: Standing(0, "pending", "", True) for place in busy if place.day in days} | found

    def hashes(self, log_type: LogType, days: Sequence[date]) -> dict[Partition, str]:
        """Return, per partition, the hash of the manifest that a reload of all its known objects would have."""
        # One query for all partitions of the days; a query per partition would not scale to a thousand accounts.
        found: defaultdict[Partition, list[LogObject]] = defaultdict(list)
        query = select(objects).where(
            objects.c.log_type == log_type, objects.c.day.in_(days), objects.c.state.not_in(NOT_COUNTED)
        )
        with self._database.read() as connection:
            for row in connection.execute(query):
                found[partition_of(row)].append(log_object(row))
        return {place: manifest_hash(listed, Mode.RELOAD) for place, listed in found.items()}

    def keep(self, made: Sequence[Certified], *, now: datetime) -> None:
        """Write certificates. The record of earlier announcements is kept."""
        with self._database.write() as connection:
            for one in made:
                where = rows_of(certificates, one.partition)
                values = _values(one, now)
                # Not "insert or replace": it would forget `announced`.
                if not connection.execute(update(certificates).where(where).values(values)).rowcount:
                    connection.execute(insert(certificates).values(columns_of(one.partition) | values))
            recount_partitions(connection, (one.partition for one in made))

    def get(self, partition: Partition) -> Row[Any] | None:
        """Return the certificate of a partition, or None."""
        with self._database.read() as connection:
            return connection.execute(select(certificates).where(rows_of(certificates, partition))).first()

    def complete(self, log_type: LogType, *, since: date, until: date) -> set[Partition]:
        """Return the partitions on the days ``since`` to ``until`` that a certificate confirms as complete."""
        query = select(certificates).where(
            certificates.c.log_type == log_type,
            certificates.c.day >= since,
            certificates.c.day <= until,
            certificates.c.complete,
        )
        with self._database.read() as connection:
            return {partition_of(row) for row in connection.execute(query)}

    def unannounced(self, log_type: LogType, *, before: date) -> list[str]:
        """Return the keys of complete partitions before the day whose current certificate was never announced."""
        query = select(certificates).where(
            certificates.c.log_type == log_type,
            certificates.c.day < before,
            certificates.c.complete,
            # NULL counts as different: a certificate that was never announced.
            certificates.c.announced.is_distinct_from(certificates.c.hash),
        )
        with self._database.read() as connection:
            return sorted(partition_of(row).key for row in connection.execute(query))

    def announced(self, log_type: LogType, keys: Sequence[str]) -> None:
        """Record that the current certificates of these partitions were announced."""
        with self._database.write() as connection:
            for key in keys:
                where = rows_of(certificates, Partition.parse(key, log_type))
                connection.execute(update(certificates).where(where).values(announced=certificates.c.hash))

    def keep_findings(
        self, found: Mapping[Partition, Sequence[Finding]], *, checks: Sequence[str], now: datetime
    ) -> None:
        """Replace the findings of ``checks`` in each of the partitions."""
        with self._database.write() as connection:
            for partition, listed in found.items():
                mine = rows_of(findings, partition) & findings.c.check.in_(checks)
                connection.execute(delete(findings).where(mine))
                for one in listed:
                    told = {"check": one.check, "severity": one.severity.value, "message": one.message}
                    values = told | {"example": one.example, "action": one.action, "created_at": now}
                    connection.execute(insert(findings).values(columns_of(partition) | values))


def _values(one: Certified, now: datetime) -> dict[str, object]:
    return {name: getattr(one.count, name) for name in _COUNTS} | {
        "complete": one.complete,
        "detail": one.detail,
        "hash": one.hash,
        "bytes": one.count.bytes_listed,
        "rows": one.rows,
        "quarantined": one.quarantined,
        "certified_at": now,
    }
