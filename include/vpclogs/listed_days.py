"""The days of a source that were listed, and those that a run after a pause has to list."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

import msgspec

__all__ = ["Listed", "ListedDays", "WantedDays", "day_end"]

_DAY = timedelta(days=1)


class Listed(msgspec.Struct, frozen=True):
    """The days that one listing covered, by source. ``at`` is when it began, aware UTC.

    ``hourly`` marks the listing of a run that lists up to now, as opposed to chosen days. ``accounts`` has further
    days, by source and account, that were listed for that account only.
    """

    at: datetime
    hourly: bool
    days: dict[str, list[date]]
    accounts: dict[str, dict[str, list[date]]] = {}


@dataclass(frozen=True)
class WantedDays:
    """The days to list: ``days`` of every account, and more of single accounts."""

    days: list[date]
    accounts: dict[str, list[date]] = field(default_factory=dict)


@dataclass(frozen=True)
class ListedDays:
    """The listings of one source, as the ledger has them.

    ``at`` maps days to the time at which their newest listing began. ``hourly_since`` is the first day that a run
    listing up to now has covered: from then on no day may be left out. ``missed`` are the days, by account, on which
    the newest listing of that account failed.
    """

    at: Mapping[date, datetime]
    hourly_since: date | None
    missed: Mapping[str, Collection[date]]

    def unfinished(self, first: date, last: date, *, lookback_days: int = 0) -> Iterator[date]:
        """Yield the days from `first` to `last` not listed after they and `lookback_days` more days were over."""
        for number in range((last - first).days + 1):
            day = first + number * _DAY
            at = self.at.get(day)
            if at is None or at < day_end(day) + lookback_days * _DAY:
                yield day

    def overdue(self, last: date, *, lookback_days: int) -> WantedDays:
        """Return the days before the lookback of a run on `last` that no earlier run has listed."""
        before = last - (lookback_days + 1) * _DAY
        days: list[date] = []
        if self.hourly_since is not None:
            days = list(self.unfinished(self.hourly_since, before, lookback_days=lookback_days))
        accounts = {
            account: sorted(day for day in missed if day <= before and day not in days)
            for account, missed in self.missed.items()
        }
        return WantedDays(days, {account: missed for account, missed in accounts.items() if missed})


def day_end(day: date) -> datetime:
    """Return the end of a day, exclusive, in UTC."""
    return datetime.combine(day, time(), UTC) + _DAY
