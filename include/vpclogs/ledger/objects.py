"""The state of every object: listed, or settled with its counts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any, TypeVar

from sqlalchemy import Row, bindparam, insert, select, tuple_, update

from vpclogs.ledger.counting import AccountDay, recount, recount_partitions
from vpclogs.ledger.database import REFUSALS, Database, refusal
from vpclogs.ledger.partition_rows import rows_of
from vpclogs.ledger.states import SETTLED
from vpclogs.ledger.tables import objects, scopes
from vpclogs.objects import LogObject
from vpclogs.partitions import UNKNOWN_REGION, LogType, Partition

__all__ = ["UNKNOWN_ETAG", "ObjectStore", "log_object"]

UNKNOWN_ETAG = "unknown"
"""The ETag of an object that a rebuilt ledger knows only from its rows. Its identity is exact; its size is 0."""

_T = TypeVar("_T")
_CHUNK = 500  # parameters per statement; SQLite and PostgreSQL both take far more


class ObjectStore:
    """The tables ``objects`` and ``scopes``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def new(self, listed: Sequence[LogObject]) -> list[LogObject]:
        """Return the listed objects that are neither settled nor claimed, and those settled without a region.

        An object that is settled in the region ``unknown`` is read again if it has rows, which name
        their region, or if the region of its VPC has become known.
        """
        if not listed:
            return []
        days = [item.day for item in listed]
        # One range scan of an index instead of a lookup for each listed object.
        span = (objects.c.log_type == listed[0].log_type) & objects.c.day.between(min(days), max(days))
        settled = objects.c.state.in_(SETTLED)
        query = select(objects.c.identity).where(span, settled | objects.c.intent.is_not(None))
        homeless = select(objects.c.identity, objects.c.rows).where(
            span, settled, objects.c.region == UNKNOWN_REGION, objects.c.state != "empty"
        )
        with self._database.read() as connection:
            known = set(connection.scalars(query))
            unplaced = {row.identity: row.rows for row in connection.execute(homeless)}
        return [
            item
            for item in listed
            if item.identity not in known
            or (item.identity in unplaced and (unplaced[item.identity] or item.region != UNKNOWN_REGION))
        ]

    def record(
        self, listed: Sequence[LogObject], *, now: datetime, refused: dict[str, str] | None = None
    ) -> dict[str, int]:
        """Add a row for each object that has none, and return row ids by identity. Regions must be known.

        Objects that the database does not take are added to ``refused``, the reason by identity; without it the
        error is raised.
        """
        known = self._rows(item.identity for item in listed)
        # Objects of a ledger that was rebuilt from the tables: only a listing knows their size and time.
        self._complete([o for o in listed if o.size and o.identity in known and known[o.identity].size == 0])
        missing = [item for item in listed if item.identity not in known]
        # A transaction per chunk: other writers get their turn while a backfill records a million objects.
        for items in _chunks(missing):
            try:
                with self._database.write() as connection:
                    connection.execute(insert(objects), [_values(item, now) for item in items])
                    recount_partitions(connection, (item.partition for item in items))
            except REFUSALS:  # one of them is at fault, or another run recorded some of them concurrently
                self._insert_one_by_one(items, now, refused)
        taken = [item for item in listed if item.identity not in known and item.identity not in (refused or ())]
        self._outdate(taken, now)
        self._refresh([item for item in listed if item.identity in known and _differs(item, known[item.identity])])
        return {identity: row.id for identity, row in self._rows(item.identity for item in listed).items()}

    def settled_in(self, partition: Partition, *, keys: Sequence[str] | None = None) -> list[Row[Any]]:
        """Return the settled objects of a partition, or those among the given keys."""
        query = select(objects).where(rows_of(objects, partition), objects.c.state.in_(SETTLED))
        with self._database.read() as connection:
            if keys is None:
                return list(connection.execute(query))
            return [row for some in _chunks(keys) for row in connection.execute(query.where(objects.c.key.in_(some)))]

    def settled_versions(self, partition: Partition, keys: Sequence[str]) -> list[Row[Any]]:
        """Return the settled objects with these keys, in any region of the partition's account and day."""
        # In any region: an earlier release may have settled a version of the key under another one.
        query = select(objects).where(_beside(partition), objects.c.state.in_(SETTLED))
        with self._database.read() as connection:
            return [row for some in _chunks(keys) for row in connection.execute(query.where(objects.c.key.in_(some)))]

    def settled_regions(self, identities: Iterable[str]) -> dict[str, str]:
        """Return the known regions in which those of the objects that are settled lie, by identity."""
        found: dict[str, str] = {}
        with self._database.read() as connection:
            for chunk in _chunks(list(identities)):
                query = select(objects.c.identity, objects.c.region).where(
                    objects.c.identity.in_(chunk),
                    objects.c.state.in_(SETTLED),
                    objects.c.region != UNKNOWN_REGION,
                )
                found |= {row.identity: row.region for row in connection.execute(query)}
        return found

    def settled(self, identities: Iterable[str]) -> frozenset[str]:
        """Return those of the objects that are settled."""
        found: set[str] = set()
        with self._database.read() as connection:
            for chunk in _chunks(list(identities)):
                query = select(objects.c.identity).where(objects.c.identity.in_(chunk), objects.c.state.in_(SETTLED))
                found.update(connection.scalars(query))
        return frozenset(found)

    def strays(self, partition: Partition) -> list[Row[Any]]:
        """Return the settled objects that a reload of the partition reads although their VPC seems to be elsewhere.

        They are in the partition, or in that of the region ``unknown`` if it holds rows, which may belong here.
        """
        if partition.log_type is LogType.VPC_FLOW:
            return []
        settled = self.settled_in(partition)
        known = self.regions((row.account, row.scope) for row in settled)
        strays = [row for row in settled if known.get((row.account, row.scope)) != partition.region]
        if self.homeless(partition.log_type, account=partition.account, day=partition.day):
            strays += self.settled_in(replace(partition, region=UNKNOWN_REGION))
        return strays

    def homeless(self, log_type: LogType, *, account: str | None = None, day: date | None = None) -> list[Partition]:
        """Return the partitions of the region ``unknown`` that hold rows, of one account or day if given.

        Rows name their region, so no publish leaves any there. Earlier versions did.
        """
        query = select(objects.c.account, objects.c.day).where(
            objects.c.log_type == log_type,
            objects.c.region == UNKNOWN_REGION,
            objects.c.state == "loaded",
            objects.c.rows > 0,
            *([objects.c.account == account] if account else []),
            *([objects.c.day == day] if day else []),
        )
        with self._database.read() as connection:
            found = connection.execute(query.distinct()).all()
        return [Partition(log_type, row.account, UNKNOWN_REGION, row.day) for row in found]

    def unsettled(
        self, source: str, days: Sequence[date], *, account: str | None = None, region: str | None = None
    ) -> list[Row[Any]]:
        """Return the objects of a source that were listed under the days and wait to be loaded."""
        query = select(objects).where(
            objects.c.source == source,
            objects.c.day.in_(days),
            objects.c.state == "listed",
            objects.c.intent.is_(None),
            *([objects.c.account == account] if account else []),
            *([objects.c.region == region] if region else []),
        )
        with self._database.read() as connection:
            return list(connection.execute(query))

    def regions(self, pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """Return the known regions of (account, VPC id) pairs."""
        found: dict[tuple[str, str], str] = {}
        with self._database.read() as connection:
            for chunk in _chunks(list(set(pairs))):
                query = select(scopes).where(tuple_(scopes.c.account, scopes.c.scope).in_(chunk))
                found |= {(row.account, row.scope): row.region for row in connection.execute(query)}
        return found

    def known_scopes(self) -> dict[tuple[str, str], str]:
        """Return the known regions by account and VPC id. Each account teaches only its own."""
        query = select(scopes.c.account, scopes.c.scope, scopes.c.region)
        with self._database.read() as connection:
            return {(row.account, row.scope): row.region for row in connection.execute(query)}

    def learn_region(self, account: str, scope: str, region: str, *, learned_from: str) -> None:
        """Record the region of an account's VPC. A VPC never moves, so a recorded region stays."""
        values = {"account": account, "scope": scope, "region": region, "learned_from": learned_from}
        with self._database.write() as connection:
            known = connection.scalar(
                select(scopes.c.region).where(scopes.c.account == account, scopes.c.scope == scope)
            )
            if known is None:
                connection.execute(insert(scopes).values(values))

    def mark(self, ids: Sequence[int], *, state: str, detail: str, now: datetime) -> None:
        """Set the state of objects that are not settled (gone, changed)."""
        with self._database.write() as connection:
            for chunk in _chunks(ids):
                connection.execute(
                    update(objects)
                    # Another run may have loaded or claimed the object since this one read it.
                    .where(objects.c.id.in_(chunk), objects.c.state.not_in(SETTLED), objects.c.intent.is_(None))
                    .values(state=state, detail=detail, settled_at=now)
                )
                query = select(objects.c.log_type, objects.c.day, objects.c.account).where(objects.c.id.in_(chunk))
                recount(connection, [AccountDay(*row) for row in connection.execute(query.distinct())])

    def _complete(self, listed: Sequence[LogObject]) -> None:
        """Fill in listing attributes of objects that a rebuilt ledger knew only from their rows."""
        for item in listed:
            values = {"etag": item.etag, "size": item.size, "last_modified": item.last_modified}
            values |= {"scope": item.scope, "problem": item.problem}
            with self._database.write() as connection:
                connection.execute(update(objects).where(objects.c.identity == item.identity).values(values))
                recount_partitions(connection, [item.partition])

    def _outdate(self, new: Sequence[LogObject], now: datetime) -> None:
        """Mark earlier versions of the keys that were listed but never loaded: they no longer exist."""
        together: defaultdict[tuple[str, date, str], list[LogObject]] = defaultdict(list)
        for item in new:
            together[item.account, item.day, item.bucket].append(item)
        with self._database.write() as connection:
            outdated: list[Partition] = []
            for (_, _, bucket), items in together.items():
                for some in _chunks(items):
                    found = connection.execute(
                        update(objects)
                        .where(
                            _beside(items[0].partition),
                            objects.c.bucket == bucket,
                            objects.c.key.in_([item.key for item in some]),
                            objects.c.identity.not_in([item.identity for item in some]),
                            objects.c.state == "listed",
                            objects.c.intent.is_(None),
                        )
                        .values(state="changed", detail="rewritten before it was loaded", settled_at=now)
                    )
                    outdated += [items[0].partition] if found.rowcount else []
            recount_partitions(connection, outdated)

    def _refresh(self, listed: Sequence[LogObject]) -> None:
        """Update known objects that are not loaded, or no longer, from a new listing."""
        if not listed:
            return
        statement = (
            update(objects)
            .where(objects.c.identity == bindparam("of"), objects.c.intent.is_(None))
            .where(*(objects.c.state != state for state in SETTLED))  # IN does not combine with executemany
            .values(state="listed", detail=None, region=bindparam("where"), last_modified=bindparam("at"))
        )
        rows = [{"of": item.identity, "where": item.region, "at": item.last_modified} for item in listed]
        with self._database.write() as connection:
            connection.execute(statement, rows)
            recount_partitions(connection, (item.partition for item in listed))

    def _insert_one_by_one(self, items: Sequence[LogObject], now: datetime, refused: dict[str, str] | None) -> None:
        for item in items:
            try:
                with self._database.write() as connection:
                    known = connection.scalar(select(objects.c.id).where(objects.c.identity == item.identity))
                    if known is None:
                        connection.execute(insert(objects).values(_values(item, now)))
                        recount_partitions(connection, [item.partition])
            except REFUSALS as error:
                if refused is None:
                    raise
                refused[item.identity] = refusal(error)

    def _rows(self, identities: Iterable[str]) -> dict[str, Row[Any]]:
        columns = [objects.c[name] for name in ("identity", "id", "state", "region", "last_modified", "size")]
        found: dict[str, Row[Any]] = {}
        with self._database.read() as connection:
            for chunk in _chunks(list(identities)):
                query = select(*columns).where(objects.c.identity.in_(chunk))
                found |= {row.identity: row for row in connection.execute(query)}
        return found


def _differs(item: LogObject, row: Row[Any]) -> bool:
    if row.state in SETTLED:
        return False
    return (row.state, row.region, row.last_modified) != ("listed", item.region, item.last_modified)


def _beside(partition: Partition) -> Any:
    """Return the condition that selects the rows of the partition's account and day, in any region."""
    return (
        (objects.c.log_type == partition.log_type)
        & (objects.c.account == partition.account)
        & (objects.c.day == partition.day)
    )


def log_object(row: Row[Any], *, region: str | None = None) -> LogObject:
    """Return the listed object that a ledger row records, in another ``region`` if given."""
    return LogObject(
        source=row.source,
        log_type=LogType(row.log_type),
        bucket=row.bucket,
        key=row.key,
        etag=row.etag,
        size=row.size,
        last_modified=row.last_modified,
        account=row.account,
        region=region or row.region,
        day=row.day,
        scope=row.scope,
        problem=row.problem,
    )


def _values(item: LogObject, now: datetime) -> dict[str, object]:
    return {
        "identity": item.identity,
        "source": item.source,
        "log_type": item.log_type.value,
        "bucket": item.bucket,
        "key": item.key,
        "etag": item.etag,
        "size": item.size,
        "last_modified": item.last_modified,
        "account": item.account,
        "region": item.region,
        "day": item.day,
        "scope": item.scope,
        "problem": item.problem,
        "state": "listed",
        "first_seen": now,
    }


def _chunks(items: Sequence[_T]) -> Iterator[Sequence[_T]]:
    for start in range(0, len(items), _CHUNK):
        yield items[start : start + _CHUNK]
