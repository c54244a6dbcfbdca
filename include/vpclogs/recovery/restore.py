"""Restore a lost or outdated ledger from the tables and S3.

Every step only adds missing entries and corrects those that the tables contradict, so each can be repeated. A step
changes nothing and reports it if a publish came between.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, insert, select, update

from vpclogs.intents import Intent, Plan
from vpclogs.ledger.counting import recount_partitions
from vpclogs.ledger.database import Database
from vpclogs.ledger.intents import open_within
from vpclogs.ledger.objects import UNKNOWN_ETAG
from vpclogs.ledger.partition_rows import columns_of, rows_of
from vpclogs.ledger.settling import abandon_within, settle_within
from vpclogs.ledger.states import SETTLED
from vpclogs.ledger.tables import intents, manifests, objects, partitions
from vpclogs.manifests import Mode
from vpclogs.objects import LogObject
from vpclogs.partitions import LogType, Partition
from vpclogs.recovery.table_scan import FoundObject, FoundPublish
from vpclogs.runs import RunOutcome

__all__ = ["Changes", "Restoration"]


@dataclass
class Changes:
    """The changes of one step: objects by their new state, and partitions.

    ``unlisted`` are added objects that S3 did not list. ``lost`` are objects, by partition, that the ledger has as
    loaded while the tables have no row of them; they stay.
    """

    added: Counter[str] = field(default_factory=Counter)
    corrected: Counter[str] = field(default_factory=Counter)
    partitions: set[Partition] = field(default_factory=set)
    lost: Counter[Partition] = field(default_factory=Counter)
    unlisted: int = 0

    def update(self, other: Changes) -> None:
        """Add the changes of another step."""
        self.added.update(other.added)
        self.corrected.update(other.corrected)
        self.partitions |= other.partitions
        self.lost.update(other.lost)
        self.unlisted += other.unlisted


class _RollBack(Exception):
    """Ends the transaction of a dry run."""


class Restoration:
    """One rebuild of a ledger. ``unchanged`` returns True while the tables are as they were when counted."""

    def __init__(
        self,
        database: Database,
        *,
        unchanged: Callable[[], bool],
        run_key: str,
        now: datetime,
        dry_run: bool,
    ) -> None:
        self._database = database
        self._unchanged = unchanged
        self._run_key = run_key
        self._now = now
        self._dry_run = dry_run
        self._resolved: set[int] = set()  # open intents with a known outcome
        self._unfinished: set[str] = set()  # identities of objects that an open intent will settle

    def unknown(self, publishes: Sequence[FoundPublish]) -> list[FoundPublish]:
        """Return the publishes that the ledger does not have."""
        with self._database.read() as connection:
            known = set(connection.scalars(select(intents.c.id)))
        return [publish for publish in publishes if publish.id not in known]

    def resolve_open(
        self, publishes: Mapping[str, FoundPublish], *, remembered: Callable[[Plan], bool], for_good: bool
    ) -> list[Partition]:
        """Settle the open intents that all their tables have, and free the objects of those that none has.

        An intent that some tables have is left for completion, or freed too if ``for_good``. Return the partitions in
        which a freed intent may have left traces. Only for a ledger that no publisher is using.
        """
        doubtful: list[Partition] = []
        with self._transaction() as connection:
            for intent in open_within(connection):
                self._resolved.add(intent.seq)
                have = publishes[intent.id].tables if intent.id in publishes else set()
                if have.issuperset(intent.plan.tables):
                    settle_within(connection, intent, self._now)
                elif have and not for_good:
                    self._unfinished |= _claimed(connection, intent)
                else:
                    abandon_within(connection, intent)
                    if have or not remembered(intent.plan):
                        doubtful += [Partition.parse(key, intent.log_type) for key in intent.plan.partitions]
        return doubtful

    def restore_objects(
        self, found: Mapping[str, FoundObject], listed: Mapping[str, LogObject], days: Sequence[date]
    ) -> Changes | None:
        """Make the objects of these days match the tables; return None if a publish came between.

        ``listed`` are the same objects in S3.
        """
        changes = Changes()
        with self._transaction() as connection:
            if not self._quiet(connection):
                return None
            known = {row.identity: row for row in _of_days(connection, days)}
            wanted = {key: one for key, one in found.items() if key not in self._unfinished}
            self._add([one for key, one in wanted.items() if key not in known], listed, connection, changes)
            for key, one in wanted.items():
                if key in known:
                    self._correct(known[key], one, connection, changes)
            self._judge_absent([row for key, row in known.items() if key not in found], found, connection, changes)
            # A changed partition gets a new version, so that plans made from the old ledger are refused.
            for partition in changes.partitions | _without_state(connection, wanted.values()):
                self._set_state(partition, "published", "", connection)
                changes.partitions.add(partition)
            recount_partitions(connection, changes.partitions)
        return changes

    def record_publishes(self, publishes: Sequence[FoundPublish], suspects: Mapping[Partition, str]) -> bool:
        """Record publishes as settled and mark partitions failed. From here on runs work again."""
        with self._transaction() as connection:
            if not self._quiet(connection):
                return False
            if publishes:
                manifest = self._empty_manifest(connection)
                connection.execute(insert(intents), [_settled(one, manifest, self._now) for one in publishes])
            for partition, why in suspects.items():
                self._set_state(partition, "failed", why, connection)
            recount_partitions(connection, suspects)
        return True

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        try:
            with self._database.write() as connection:
                yield connection
                if self._dry_run:
                    raise _RollBack
        except _RollBack:
            pass

    def _quiet(self, connection: Connection) -> bool:
        return {intent.seq for intent in open_within(connection)} <= self._resolved and self._unchanged()

    def _add(
        self,
        missing: Sequence[FoundObject],
        listed: Mapping[str, LogObject],
        connection: Connection,
        changes: Changes,
    ) -> None:
        rows = [_values(one, listed.get(one.identity), self._now) for one in missing]
        if rows:
            connection.execute(insert(objects), rows)
        changes.added.update(str(row["state"]) for row in rows)
        changes.partitions |= {one.partition for one in missing}
        changes.unlisted += sum(one.identity not in listed for one in missing)

    def _correct(self, row: Row[Any], one: FoundObject, connection: Connection, changes: Changes) -> None:
        told = _told(one)
        if all(getattr(row, name) == value for name, value in told.items()):
            return
        values = told | {"reason": one.reason, "detail": one.detail, "intent": None, "settled_at": self._now}
        connection.execute(update(objects).where(objects.c.id == row.id).values(values))
        changes.corrected[str(told["state"])] += 1
        changes.partitions.add(one.partition)

    def _judge_absent(
        self, rows: Sequence[Row[Any]], found: Mapping[str, FoundObject], connection: Connection, changes: Changes
    ) -> None:
        """Mark loaded objects without a row: a later version replaced them, or their rows are lost."""
        keys = {(one.bucket, one.key) for one in found.values()}
        for row in rows:
            if row.state not in SETTLED or not row.rows + row.refused or row.identity in self._unfinished:
                continue
            partition = Partition(LogType(row.log_type), row.account, row.region, row.day)
            # Lost rows are reported and not forgotten: only a reload or a person can decide about them.
            if (row.bucket, row.key) not in keys:
                changes.lost[partition] += 1
                continue
            values = {"state": "replaced", "intent": None, "settled_at": self._now}
            connection.execute(update(objects).where(objects.c.id == row.id).values(values))
            changes.corrected["replaced"] += 1
            changes.partitions.add(partition)

    def _set_state(self, partition: Partition, state: str, detail: str, connection: Connection) -> None:
        values = {"state": state, "detail": detail, "run_key": self._run_key, "updated_at": self._now}
        version = partitions.c.version + 1  # a reload that is under way notices
        changed = connection.execute(
            update(partitions).where(rows_of(partitions, partition)).values(version=version, **values)
        )
        if changed.rowcount == 0:
            connection.execute(insert(partitions).values(columns_of(partition) | {"version": 1} | values))

    def _empty_manifest(self, connection: Connection) -> int:
        row = {
            "hash": "",
            "log_type": LogType.VPC_DNS.value,
            "run_key": self._run_key,
            "mode": Mode.ADD.value,
            "created_at": self._now,
            "objects": 0,
            "bytes": 0,
            "batches": 0,
            "listing_failures": [],
            "outcome": msgspec.to_builtins(RunOutcome()),
        }
        key = connection.execute(insert(manifests).values(row)).inserted_primary_key
        assert key is not None  # noqa: S101 - an insert of one row has a key
        return int(key[0])


def _claimed(connection: Connection, intent: Intent) -> set[str]:
    return {*connection.scalars(select(objects.c.identity).where(objects.c.intent == intent.seq)), *intent.plan.moved}


def _of_days(connection: Connection, days: Sequence[date]) -> Sequence[Row[Any]]:
    return connection.execute(select(objects).where(objects.c.day.in_(days))).all()


def _without_state(connection: Connection, found: Collection[FoundObject]) -> set[Partition]:
    return {
        partition
        for partition in {one.partition for one in found}
        if connection.scalar(select(partitions.c.version).where(rows_of(partitions, partition))) is None
    }


def _told(one: FoundObject) -> dict[str, object]:
    """Return the columns that the tables determine."""
    state = "loaded" if one.reason is None else "refused"
    return {"state": state, "rows": one.rows, "refused": one.refused} | columns_of(one.partition)


def _values(one: FoundObject, listed: LogObject | None, now: datetime) -> dict[str, object]:
    return _told(one) | {
        "identity": one.identity,
        "source": one.source,
        "bucket": one.bucket,
        "key": one.key,
        "etag": listed.etag if listed else one.etag or UNKNOWN_ETAG,
        "size": listed.size if listed else 0,
        # certainly not after that of a later version, which must win
        "last_modified": listed.last_modified if listed else datetime.combine(one.partition.day, time(), UTC),
        "scope": listed.scope if listed else "",
        "problem": listed.problem if listed else None,
        "reason": one.reason,
        "detail": one.detail,
        "raw_bytes": 0,
        "first_seen": now,
        "settled_at": now,
    }


def _settled(publish: FoundPublish, manifest: int, now: datetime) -> dict[str, object]:
    plan = Plan(Mode.ADD, publish.run_key, publish.manifest_hash, partitions=[], files={})
    log_type = next(iter(publish.log_types), LogType.VPC_DNS)
    return {
        "id": publish.id,
        "manifest": manifest,
        "log_type": log_type.value,
        "open": False,
        "document": msgspec.to_builtins(plan),
        "created_at": publish.at,
        "settled_at": now,
    }
