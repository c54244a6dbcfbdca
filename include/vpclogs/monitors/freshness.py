"""Freshness: objects in S3 that are not in the tables, and runs that do not start."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from vpclogs.ledger.watching import Look
from vpclogs.manifests import ListingFailure
from vpclogs.monitors.grid import HOUR
from vpclogs.monitors.monitor import Sighting, span
from vpclogs.monitors.places import Place, widest
from vpclogs.monitors.scene import Scene
from vpclogs.partitions import LogType, Partition

__all__ = ["missing_runs", "stale_places"]

_RECENT = timedelta(days=3)


def stale_places(scene: Scene) -> Iterator[Sighting]:
    """Yield places whose objects have waited to be loaded, or that have not been listed, for too long."""
    yield from _waiting(scene)
    for log_type in LogType:
        yield from _unlisted(scene, log_type)


def missing_runs(scene: Scene) -> Iterator[Sighting]:
    """Yield log types that no run has listed completely for longer than usual."""
    latest = {log_type: looks[-1].at for log_type, looks in scene.looks.items() if looks}
    for log_type in dict.fromkeys(source.log_type for source in scene.settings.sources):
        looks = scene.looks.get(log_type, ())
        allowed = _usual_gap(looks, timedelta(hours=scene.settings.monitors.max_run_gap_hours))
        # A log type that was never listed counts once the others have been listed for a while.
        since = max((look.at for look in looks), default=min(latest.values(), default=scene.now))
        if scene.now - since <= allowed:
            continue
        last = f"since {since:%Y-%m-%d %H:%M} UTC, for {span((scene.now - since) / HOUR)}" if looks else "ever"
        message = f"{log_type}: no run has listed all sources {last}; is the DAG {log_type}_hourly paused or stuck?"
        yield Sighting(Place(log_type, log_type), message)


def _usual_gap(looks: Sequence[Look], at_least: timedelta) -> timedelta:
    """Return twice the usual time between runs: some deployments load once a day."""
    if len(looks) < 3:
        return at_least
    steps = np.diff(np.array([look.at.timestamp() for look in looks]))
    return max(at_least, 2 * timedelta(seconds=float(np.median(steps))))


def _waiting(scene: Scene) -> Iterator[Sighting]:
    waiting: defaultdict[Place, list[Any]] = defaultdict(list)
    for row in scene.waiting:
        limit = scene.limits(row.source).waiting_hours * HOUR
        if scene.now - row.oldest >= limit:
            place: Place | None = Place(row.log_type, row.source, row.account, row.region, row.scope)
            while place is not None:
                waiting[place].append(row)
                place = place.parent
    for place, rows in widest(waiting, _known_places(scene, waiting)).items():
        yield Sighting(place, _waiting_message(scene, place, rows))


def _known_places(scene: Scene, found: Iterable[Place]) -> set[Place]:
    """Return every place that delivered in the last days, and the found ones."""
    known = set(found)
    for grid in scene.grids.values():
        for level in grid.between(scene.now - _RECENT, scene.now + HOUR).levels():
            known.update(p for p, objects in zip(level.places, level.objects, strict=True) if objects.any())
    return known


def _waiting_message(scene: Scene, place: Place, rows: Sequence[Any]) -> str:
    oldest: datetime = min(row.oldest for row in rows)
    count = sum(int(row.objects) for row in rows)
    message = (
        f"{place.label}: {count} object{'s are' if count > 1 else ' is'} listed and not loaded, "
        f"the oldest since {oldest:%Y-%m-%d %H:%M} UTC, for {span((scene.now - oldest) / HOUR)}"
    )
    partitions = {Partition(LogType(row.log_type), row.account, row.region, row.day) for row in rows}
    why = sorted(f"{one.key} failed: {scene.failed[one]}" for one in partitions if one in scene.failed)
    if why:
        more = f" (and {len(why) - 1} more)" if len(why) > 1 else ""
        return f"{message}; {why[0]}{more}"
    return f"{message}; no partition of them is marked as failed, so look at the newest hourly runs"


def _unlisted(scene: Scene, log_type: LogType) -> Iterator[Sighting]:
    looks = scene.looks.get(log_type, ())
    if not looks:
        return
    for failure in sorted(set(looks[-1].failures), key=lambda one: one.label):
        place = Place(log_type, failure.source, failure.account, failure.region if failure.account else None)
        since = _failing_since(looks, failure)
        if scene.now - since >= scene.limits(failure.source).unlisted_hours * HOUR:
            message = f"{place.label}: not listed since {since:%Y-%m-%d %H:%M} UTC: {failure.detail}"
            yield Sighting(place, message, about="listing")


def _failing_since(looks: Sequence[Look], failure: ListingFailure) -> datetime:
    """Return the start of the current unbroken series of failed listings."""
    since = looks[-1].at
    for look in reversed(looks):
        if not any(_where(one) == _where(failure) for one in look.failures):
            break
        since = look.at
    return since


def _where(failure: ListingFailure) -> tuple[str, str | None, str | None]:
    return failure.source, failure.account, failure.region
