"""Queries for the monitors: runs, waiting objects, delays, and staging statistics."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Row, func, select

from vpclogs.ledger.database import Database
from vpclogs.ledger.tables import manifests, objects, partitions
from vpclogs.manifests import ListingFailure, Mode
from vpclogs.partitions import LogType, Partition
from vpclogs.unread import UnreadFolders

__all__ = ["Look", "MonitorQueries"]


@dataclass(frozen=True, slots=True)
class Look:
    """One listing of all sources of a log type.

    All objects delivered before ``until`` were listed, except those of ``failures``.
    """

    at: datetime
    until: datetime
    failures: tuple[ListingFailure, ...]
    unread: tuple[UnreadFolders, ...] = ()


class MonitorQueries:
    """Read-only queries over several tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def looks(self, log_type: LogType, *, since: datetime, limit: int = 200) -> list[Look]:
        """Return the newest complete listings of a log type, oldest first."""
        columns = [manifests.c[name] for name in ("created_at", "listed_until", "listing_failures", "unread_folders")]
        query = (
            select(*columns)
            .where(
                manifests.c.log_type == log_type,
                manifests.c.mode == Mode.ADD,
                manifests.c.created_at >= since,
                # Runs of one account or region are left out: they prove nothing about the rest.
                manifests.c.listed_until.is_not(None),
            )
            .order_by(manifests.c.id.desc())
            .limit(limit)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [
            Look(
                row.created_at,
                row.listed_until,
                tuple(ListingFailure(**one) for one in row.listing_failures),
                tuple(
                    UnreadFolders(one["source"], one["count"], tuple(one["names"])) for one in row.unread_folders or ()
                ),
            )
            for row in reversed(rows)
        ]

    def unread(self, log_type: LogType) -> tuple[UnreadFolders, ...]:
        """Return the folders that the newest listing of all of a log type did not understand."""
        looks = self.looks(log_type, since=datetime.min.replace(tzinfo=UTC), limit=1)
        return looks[-1].unread if looks else ()

    def unlisted(self, log_type: LogType) -> tuple[ListingFailure, ...]:
        """Return the parts of sources that the newest listing of all of a log type could not list."""
        looks = self.looks(log_type, since=datetime.min.replace(tzinfo=UTC), limit=1)
        return looks[-1].failures if looks else ()

    def waiting(self, *, since: date) -> list[Row[Any]]:
        """Return counts of objects that are listed but not settled, by source, account, region, scope and day."""
        place = [objects.c[name] for name in ("log_type", "source", "account", "region", "scope", "day")]
        query = (
            select(*place, func.count().label("objects"), func.min(objects.c.first_seen).label("oldest"))
            .where(objects.c.state == "listed", objects.c.day >= since)
            .group_by(*place)
        )
        with self._database.read() as connection:
            return list(connection.execute(query))

    def failed(self, *, since: date) -> dict[Partition, str]:
        """Return the failed partitions with their reasons."""
        query = select(partitions).where(partitions.c.state == "failed", partitions.c.day >= since)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return {Partition(LogType(r.log_type), r.account, r.region, r.day): r.detail for r in rows}

    def loaded(self, *, since: datetime, days: date) -> list[Row[Any]]:
        """Return key, times and rows of objects of path days from ``days`` on that were published after ``since``."""
        names = ("log_type", "source", "key", "day", "last_modified", "settled_at", "rows")
        query = select(*(objects.c[name] for name in names)).where(
            objects.c.state == "loaded", objects.c.day >= days, objects.c.settled_at > since
        )
        with self._database.read() as connection:
            return list(connection.execute(query))

    def sources_of(self, found: Collection[Partition]) -> dict[Partition, str]:
        """Return the source of each partition's objects; of several, the one with the most objects."""
        days = {partition.day for partition in found}
        place = [objects.c[name] for name in ("log_type", "account", "region", "day", "source")]
        # Ascending, so that the source with the most objects is the last to enter the dictionary.
        query = select(*place).where(objects.c.day.in_(days)).group_by(*place).order_by(func.count())
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return {Partition(LogType(row.log_type), row.account, row.region, row.day): row.source for row in rows}
