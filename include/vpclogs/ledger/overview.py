"""Partitions in overview: by account and region against days, summed by the database."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import case, func, select

from vpclogs.ledger.conditions import Cell, Condition, rank
from vpclogs.ledger.database import Database
from vpclogs.ledger.partitions import STATUS_COLUMNS, Selection, status_of, with_states
from vpclogs.ledger.tables import manifests, partition_counts
from vpclogs.partitions import LogType, Partition

__all__ = ["DayTotals", "Line", "OverviewQueries", "Requests"]

_CONDITIONS = list(Condition)


@dataclass(frozen=True, slots=True)
class Line:
    """The partitions of one account and region on the selected days: the worst condition, and the sum of rows."""

    account: str
    region: str
    worst: Condition
    rows: int
    quarantined: int


@dataclass(slots=True)
class DayTotals:
    """The partitions of one day, or of several. Sizes are bytes as stored in S3, ``pending`` are objects."""

    rows: int = 0
    quarantined: int = 0
    bytes: int = 0
    pending: int = 0
    pending_bytes: int = 0
    loaded: int = 0
    waited: timedelta = timedelta()
    conditions: Counter[Condition] = field(default_factory=Counter)

    @property
    def refused_share(self) -> float:
        """The share of records that are in the quarantine."""
        records = self.rows + self.quarantined
        return self.quarantined / records if records else 0.0

    @property
    def lag(self) -> timedelta | None:
        """The average time of a loaded object from S3 to the table, None if there is none."""
        return self.waited / self.loaded if self.loaded else None

    def add(self, other: DayTotals) -> None:
        """Add another day."""
        for name in ("rows", "quarantined", "bytes", "pending", "pending_bytes", "loaded", "waited"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.conditions.update(other.conditions)


@dataclass(frozen=True, slots=True)
class Requests:
    """Requests to S3 that plans made to list, and that reading their objects takes."""

    list: int
    read: int


class OverviewQueries:
    """Read-only queries over ``partition_counts``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def cells(self, chosen: Selection, *, now: datetime, limit: int | None = None) -> list[Cell]:
        """Return partitions with their conditions, the worst first."""
        worst = rank(now).label("rank")
        query = with_states(*STATUS_COLUMNS, worst).where(*chosen.conditions())
        columns = partition_counts.c
        return self._cells(query.order_by(worst, columns.day, columns.account, columns.region).limit(limit))

    def cells_of(self, log_type: LogType, wanted: Sequence[Partition], *, now: datetime) -> list[Cell]:
        """Return those of the partitions that the ledger knows, by day and account."""
        found: list[Cell] = []
        mine = set(wanted)
        for day in sorted({one.day for one in mine}):
            accounts = sorted({one.account for one in mine if one.day == day})
            for start in range(0, len(accounts), 500):
                query = with_states(*STATUS_COLUMNS, rank(now).label("rank")).where(
                    *Selection(log_type, day, day).conditions(),
                    partition_counts.c.account.in_(accounts[start : start + 500]),
                )
                found += (cell for cell in self._cells(query) if cell.status.partition in mine)
        return found

    def lines(self, chosen: Selection, *, now: datetime, condition: Condition | None = None) -> list[Line]:
        """Return a line for each account and region, the worst first; only those with a partition in a condition."""
        columns = partition_counts.c
        worst = func.min(rank(now)).label("worst")
        query = (
            _summed(chosen, columns.account, columns.region, worst, *map(func.sum, (columns.rows, columns.quarantined)))
            .where(*chosen.conditions())
            .group_by(columns.account, columns.region)
            .order_by(worst, columns.account, columns.region)
        )
        if condition is not None:
            query = query.having(func.sum(case((rank(now) == _CONDITIONS.index(condition), 1), else_=0)) > 0)
        with self._database.read() as connection:
            return [
                Line(account, region, _CONDITIONS[place], int(rows), int(quarantined))
                for account, region, place, rows, quarantined in connection.execute(query)
            ]

    def cells_by_line(
        self, chosen: Selection, lines: Sequence[Line], *, now: datetime
    ) -> dict[tuple[str, str], dict[date, Cell]]:
        """Return the partitions of some lines by account and region, and by day."""
        places = {(line.account, line.region) for line in lines}
        columns = partition_counts.c
        # Values instead of ranges: each combination is one look into the primary key.
        query = with_states(*STATUS_COLUMNS, rank(now).label("rank")).where(
            *chosen.conditions(),
            columns.account.in_(sorted({account for account, _ in places})),
            columns.region.in_(sorted({region for _, region in places})),
        )
        if chosen.since and chosen.until:
            count = (chosen.until - chosen.since).days + 1
            query = query.where(columns.day.in_([chosen.since + timedelta(days=number) for number in range(count)]))
        found: defaultdict[tuple[str, str], dict[date, Cell]] = defaultdict(dict)
        with self._database.read() as connection:
            for row in connection.execute(query):
                if (row.account, row.region) in places:
                    found[row.account, row.region][row.day] = Cell(status_of(row), _CONDITIONS[row.rank])
        return found

    def days(self, chosen: Selection, *, now: datetime) -> dict[date, DayTotals]:
        """Return the sums of each day that has a partition."""
        columns = partition_counts.c
        place = rank(now).label("place")
        done = columns.loaded + columns.refused + columns.empty + columns.gone
        sums = [
            columns.rows,
            columns.quarantined,
            columns.bytes_listed,
            columns.listed - done,
            columns.bytes_listed - columns.bytes_settled,
            columns.loaded,
            columns.waited_seconds,
        ]
        query = (
            _summed(chosen, columns.day, place, func.count(), *map(func.sum, sums))
            .where(*chosen.conditions())
            .group_by(columns.day, place)
        )
        found: defaultdict[date, DayTotals] = defaultdict(DayTotals)
        with self._database.read() as connection:
            for day, condition, count, *counts in connection.execute(query):
                rows, quarantined, size, pending, pending_bytes, loaded, seconds = map(int, counts)
                found[day].add(
                    DayTotals(
                        rows=rows,
                        quarantined=quarantined,
                        bytes=size,
                        pending=pending,
                        pending_bytes=pending_bytes,
                        loaded=loaded,
                        waited=timedelta(seconds=seconds),
                        conditions=Counter({_CONDITIONS[condition]: count}),
                    )
                )
        return dict(found)

    def requests(self, log_type: LogType, *, since: datetime) -> Requests:
        """Return the requests of the plans since a time, as far as the ledger still has their runs."""
        sums = (func.coalesce(func.sum(one), 0) for one in (manifests.c.list_requests, manifests.c.read_requests))
        query = select(*sums).where(manifests.c.log_type == log_type, manifests.c.created_at >= since)
        with self._database.read() as connection:
            listed, read = connection.execute(query).one()
        return Requests(int(listed), int(read))

    def _cells(self, query: Any) -> list[Cell]:
        with self._database.read() as connection:
            return [Cell(status_of(row), _CONDITIONS[row.rank]) for row in connection.execute(query)]


def _summed(chosen: Selection, *columns: Any) -> Any:
    """Return a query of sums. Only a search for text needs the reasons of failures, a look-up for each partition."""
    return with_states(*columns) if chosen.text else select(*columns).select_from(partition_counts)
