"""Hourly object counts, by the time in the object's name, maintained from ``objects``.

Monitors compare an hour with the weeks before it. Recounting four weeks of objects every hour would take minutes in a
large organization, so a day is recounted only when it changes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, and_, case, delete, func, insert, select

from vpclogs.ledger.database import Database
from vpclogs.ledger.monitor_tables import deliveries
from vpclogs.ledger.states import NOT_COUNTED
from vpclogs.ledger.tables import objects
from vpclogs.object_keys import key_time
from vpclogs.partitions import LogType

__all__ = ["DeliveryStore"]

_DONE = ("loaded", "refused", "empty", "gone")
_PLACE = ("source", "account", "region", "scope")
_COUNTS = ("objects", "settled", "refused_objects", "other_logs", "rows", "refused")

Key = tuple[Any, ...]


class DeliveryStore:
    """The table ``deliveries``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def update(self, *, since: date, other_logs: Collection[str]) -> int:
        """Recount the days from ``since`` on whose objects changed, and return their number.

        ``other_logs`` are the refusal reasons that mean the object is sound but is another kind of log.
        """
        days = self._changed(since)
        for log_type, day in days:
            self._count(log_type, day, other_logs)
        return len(days)

    def hours(self, since: date) -> list[Row[Any]]:
        """Return all counts of the path days from ``since`` on."""
        with self._database.read() as connection:
            return list(connection.execute(select(deliveries).where(deliveries.c.day >= since)))

    def sources(self, logs: Collection[LogType]) -> set[str]:
        """Return the names of the sources that deliver these logs."""
        query = select(deliveries.c.source).where(deliveries.c.log_type.in_(logs)).distinct()
        with self._database.read() as connection:
            return set(connection.scalars(query))

    def prune(self, before: date) -> None:
        """Delete the counts of earlier days."""
        with self._database.write() as connection:
            connection.execute(delete(deliveries).where(deliveries.c.day < before))

    def _changed(self, since: date) -> list[tuple[str, date]]:
        """Return the (log type, day) pairs whose number of objects or of settled objects differs from the stored
        count.
        """
        known = select(
            deliveries.c.log_type,
            deliveries.c.day,
            func.sum(deliveries.c.objects).label("objects"),
            func.sum(deliveries.c.settled).label("settled"),
        )
        now = select(
            objects.c.log_type,
            objects.c.day,
            func.count().label("objects"),
            func.sum(case((objects.c.state.in_(_DONE), 1), else_=0)).label("settled"),
        )
        known = known.where(deliveries.c.day >= since).group_by(deliveries.c.log_type, deliveries.c.day)
        now = now.where(objects.c.day >= since, objects.c.state.not_in(NOT_COUNTED))
        now = now.group_by(objects.c.log_type, objects.c.day)
        with self._database.read() as connection:
            counted = {(row.log_type, row.day): (row.objects, row.settled) for row in connection.execute(known)}
            found = {(row.log_type, row.day): (row.objects, row.settled) for row in connection.execute(now)}
        # Days on which every object was deleted are in `counted` only.
        return [key for key in {**counted, **found} if counted.get(key) != found.get(key)]

    def _count(self, log_type: str, day: date, other_logs: Collection[str]) -> None:
        columns = [objects.c[name] for name in (*_PLACE, "key", "last_modified", "state", "reason", "rows", "refused")]
        query = select(*columns).where(
            objects.c.log_type == log_type, objects.c.day == day, objects.c.state.not_in(NOT_COUNTED)
        )
        with self._database.read() as connection:
            found = _by_hour(connection.execute(query), other_logs)
        same_day = and_(deliveries.c.log_type == log_type, deliveries.c.day == day)
        with self._database.write() as connection:
            known = {_key(row): _counts(row) for row in connection.execute(select(deliveries).where(same_day))}
            # Only hours that changed are written: most hours of a day that is recounted are final.
            for key in (key for key, counts in known.items() if found.get(key) != counts):
                same = [deliveries.c[name] == value for name, value in zip(("hour", *_PLACE), key, strict=True)]
                connection.execute(delete(deliveries).where(same_day, *same))
            news = [_row(log_type, day, key, counts) for key, counts in found.items() if known.get(key) != counts]
            if news:
                connection.execute(insert(deliveries), news)


def _by_hour(rows: Iterable[Row[Any]], other_logs: Collection[str]) -> dict[Key, tuple[int, ...]]:
    counts: defaultdict[Key, list[int]] = defaultdict(lambda: [0] * len(_COUNTS))
    for row in rows:
        # The time in the name is the delivery's interval; a copied object has a new modification time.
        time: datetime = key_time(row.key) or row.last_modified
        total = counts[time.replace(minute=0, second=0, microsecond=0), row.source, row.account, row.region, row.scope]
        done, other = row.state in _DONE, row.reason in other_logs
        refused = row.state == "refused" and not other
        for index, count in enumerate((1, done, refused, other, done and row.rows, done and row.refused)):
            total[index] += count
    return {key: tuple(total) for key, total in counts.items()}


def _key(row: Row[Any]) -> Key:
    return (row.hour, row.source, row.account, row.region, row.scope)


def _counts(row: Row[Any]) -> tuple[int, ...]:
    return tuple(getattr(row, name) for name in _COUNTS)


def _row(log_type: str, day: date, key: Key, counts: tuple[int, ...]) -> Mapping[str, Any]:
    place = dict(zip(("hour", *_PLACE), key, strict=True))
    return {"log_type": log_type, "day": day} | place | dict(zip(_COUNTS, counts, strict=True))
