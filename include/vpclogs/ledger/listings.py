"""The days that were listed, by source, and the days on which an account could not be listed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import Connection, delete, insert, select, update

from vpclogs.ledger.database import Database
from vpclogs.ledger.tables import listed_days, unlisted_days
from vpclogs.listed_days import Listed, ListedDays
from vpclogs.manifests import ListingFailure

__all__ = ["ListingStore"]


class ListingStore:
    """The tables ``listed_days`` and ``unlisted_days``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, source: str) -> ListedDays:
        """Return the listings of one source."""
        missed: defaultdict[str, set[date]] = defaultdict(set)
        with self._database.read() as connection:
            rows = connection.execute(select(listed_days).where(listed_days.c.source == source)).all()
            for row in connection.execute(select(unlisted_days).where(unlisted_days.c.source == source)):
                missed[row.account].add(row.day)
        since = min((row.day for row in rows if row.hourly), default=None)
        return ListedDays({row.day: row.listed_at for row in rows}, since, missed)

    def keep(self, listed: Listed, failures: Sequence[ListingFailure]) -> None:
        """Remember the days of a listing. A source that could not be listed at all is left out.

        The results of newer listings stay.
        """
        with self._database.write() as connection:
            for source, days in listed.days.items():
                mine = [failure for failure in failures if failure.source == source]
                # Failures of single accounts are remembered as such; the days count as listed for the others.
                if all(failure.account is not None for failure in mine):
                    _keep(connection, source, days, listed, mine)

    def assume(self, source: str, first: date, last: date) -> None:
        """Record the days up to `last` as listed when `last` began, unless the source has records.

        For a ledger made anew from the tables: runs go on from there.
        """
        at = datetime.combine(last, time(), UTC)
        with self._database.write() as connection:
            # Real listings are never replaced by an assumption.
            if connection.scalar(select(listed_days.c.day).where(listed_days.c.source == source).limit(1)) is None:
                days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
                rows = [{"source": source, "day": day, "listed_at": at, "hourly": True} for day in days]
                connection.execute(insert(listed_days), rows)


def _keep(
    connection: Connection, source: str, days: Sequence[date], listed: Listed, failures: Sequence[ListingFailure]
) -> None:
    known = connection.execute(select(listed_days).where(listed_days.c.source == source)).all()
    # Runs overlap: a slow one must not make a day look as though it was listed long ago.
    newer = {row.day for row in known if row.listed_at > listed.at}
    fresh = [day for day in days if day not in newer]
    _replace(connection, source, fresh, {row.day: row.hourly for row in known}, listed)
    extra = listed.accounts.get(source, {})
    missed = {
        (failure.account, day)
        for failure in failures
        for day in _missed_days(failure, [*days, *extra.get(failure.account or "", ())])
        if day not in newer
    }
    of_source = unlisted_days.c.source == source
    connection.execute(delete(unlisted_days).where(of_source, unlisted_days.c.day.in_(fresh)))
    for account, more in extra.items():
        connection.execute(
            delete(unlisted_days).where(of_source, unlisted_days.c.account == account, unlisted_days.c.day.in_(more))
        )
    if missed:
        rows = [{"source": source, "account": account, "day": day} for account, day in sorted(missed)]
        connection.execute(insert(unlisted_days), rows)


def _missed_days(failure: ListingFailure, days: Sequence[date]) -> Sequence[date]:
    return [date.fromisoformat(failure.day)] if failure.day else days


def _replace(
    connection: Connection, source: str, days: Sequence[date], hourly: dict[date, bool], listed: Listed
) -> None:
    for day in days:
        values = {"listed_at": listed.at, "hourly": listed.hourly or hourly.get(day, False)}
        if day in hourly:
            same = (listed_days.c.source == source) & (listed_days.c.day == day)
            connection.execute(update(listed_days).where(same).values(values))
        else:
            connection.execute(insert(listed_days).values(source=source, day=day, **values))
