"""Days that no run has listed: their objects are not loaded, and nothing else misses them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date, timedelta

from vpclogs.config.sources import Source
from vpclogs.listed_days import day_end
from vpclogs.monitors.entities import Entity
from vpclogs.monitors.monitor import Observation
from vpclogs.monitors.snapshot import Snapshot

__all__ = ["unlisted_days"]

_NAMED = 5  # ranges of days in one message
_DAY = timedelta(days=1)


def unlisted_days(snapshot: Snapshot) -> Iterator[Observation]:
    """Return one for each source, and one for each account of it, with days that were not listed to their end."""
    for source in snapshot.settings.sources:
        days = _of_source(snapshot, source)
        if days:
            yield _sighting(snapshot, Entity(source.log_type, source.name), days)
        for account, missed in sorted(snapshot.listings[source.name].missed.items()):
            older = {day for day in _kept(snapshot, source, missed) if day <= _last(snapshot, source)}
            if source.covers_account(account) and older.difference(days):
                yield _sighting(snapshot, Entity(source.log_type, source.name, account), older.difference(days))


def _of_source(snapshot: Snapshot, source: Source) -> list[date]:
    listed = snapshot.listings[source.name]
    first = source.start_day or listed.hourly_since
    if first is None:  # nothing has been listed yet, which `no_runs` reports
        return []
    return _kept(snapshot, source, list(listed.unfinished(first, _last(snapshot, source))))


def _kept(snapshot: Snapshot, source: Source, days: Collection[date]) -> list[date]:
    started = sorted(day for day in days if source.start_day is None or day >= source.start_day)
    return snapshot.settings.kept_days(source.log_type, started, snapshot.now.date())


def _last(snapshot: Snapshot, source: Source) -> date:
    """Return the newest day that a run should have listed after it was over."""
    last = snapshot.now.date() - _DAY
    patience = timedelta(hours=snapshot.settings.monitors.max_run_gap_hours)
    return last if day_end(last) + patience <= snapshot.now else last - _DAY


def _sighting(snapshot: Snapshot, entity: Entity, days: Collection[date]) -> Observation:
    ranges = list(_ranges(sorted(days)))
    more = f" and {len(ranges) - _NAMED} more ranges" if len(ranges) > _NAMED else ""
    return Observation(
        entity,
        f"{entity.label}: {len(days)} day{' has' if len(days) == 1 else 's have'} not been listed to the end: "
        f"{', '.join(ranges[:_NAMED])}{more}",
        about="days" if entity.account else "",
    )


def _ranges(days: list[date]) -> Iterator[str]:
    start = 0
    for end in range(1, len(days) + 1):
        if end == len(days) or days[end] - days[end - 1] > _DAY:
            yield f"{days[start]}" if end - start == 1 else f"{days[start]} to {days[end - 1]}"
            start = end
