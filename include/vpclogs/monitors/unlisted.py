"""Days that no run has listed: their objects are not loaded, and nothing else misses them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date, timedelta

from vpclogs.listed_days import day_end
from vpclogs.monitors.monitor import Sighting
from vpclogs.monitors.places import Place
from vpclogs.monitors.scene import Scene
from vpclogs.sources import Source

__all__ = ["unlisted_days"]

_NAMED = 5  # ranges of days in one message
_DAY = timedelta(days=1)


def unlisted_days(scene: Scene) -> Iterator[Sighting]:
    """Return one for each source, and one for each account of it, with days that were not listed to their end."""
    for source in scene.settings.sources:
        days = _of_source(scene, source)
        if days:
            yield _sighting(scene, Place(source.log_type, source.name), days)
        for account, missed in sorted(scene.listings[source.name].missed.items()):
            older = {day for day in _kept(scene, source, missed) if day <= _last(scene, source)}
            if source.covers_account(account) and older.difference(days):
                yield _sighting(scene, Place(source.log_type, source.name, account), older.difference(days))


def _of_source(scene: Scene, source: Source) -> list[date]:
    listed = scene.listings[source.name]
    first = source.start_day or listed.hourly_since
    if first is None:  # nothing has been listed yet, which `no_runs` reports
        return []
    return _kept(scene, source, list(listed.unfinished(first, _last(scene, source))))


def _kept(scene: Scene, source: Source, days: Collection[date]) -> list[date]:
    started = sorted(day for day in days if source.start_day is None or day >= source.start_day)
    return scene.settings.kept_days(source.log_type, started, scene.now.date())


def _last(scene: Scene, source: Source) -> date:
    """Return the newest day that a run should have listed after it was over."""
    last = scene.now.date() - _DAY
    patience = timedelta(hours=scene.settings.monitors.max_run_gap_hours)
    return last if day_end(last) + patience <= scene.now else last - _DAY


def _sighting(scene: Scene, place: Place, days: Collection[date]) -> Sighting:
    ranges = list(_ranges(sorted(days)))
    more = f" and {len(ranges) - _NAMED} more ranges" if len(ranges) > _NAMED else ""
    return Sighting(
        place,
        f"{place.label}: {len(days)} day{' has' if len(days) == 1 else 's have'} not been listed to the end: "
        f"{', '.join(ranges[:_NAMED])}{more}",
        about="days" if place.account else "",
    )


def _ranges(days: list[date]) -> Iterator[str]:
    start = 0
    for end in range(1, len(days) + 1):
        if end == len(days) or days[end] - days[end - 1] > _DAY:
            yield f"{days[start]}" if end - start == 1 else f"{days[start]} to {days[end - 1]}"
            start = end
