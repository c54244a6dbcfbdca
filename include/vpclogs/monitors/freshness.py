"""Freshness: objects in S3 that are not in the tables, and runs that do not start."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from vpclogs.ledger.monitor_queries import Look
from vpclogs.manifests import ListingFailure
from vpclogs.monitors.entities import Entity, widest
from vpclogs.monitors.grid import HOUR
from vpclogs.monitors.monitor import Observation, span
from vpclogs.monitors.snapshot import Snapshot
from vpclogs.partitions import LogType, Partition

__all__ = ["missing_runs", "stale_places"]

_RECENT = timedelta(days=3)


def stale_places(snapshot: Snapshot) -> Iterator[Observation]:
    """Yield places whose objects have waited to be loaded, or that have not been listed, for too long."""
    yield from _waiting(snapshot)
    for log_type in LogType:
        yield from _unlisted(snapshot, log_type)


def missing_runs(snapshot: Snapshot) -> Iterator[Observation]:
    """Yield log types that no run has listed completely for longer than usual."""
    latest = {log_type: looks[-1].at for log_type, looks in snapshot.looks.items() if looks}
    for log_type in dict.fromkeys(source.log_type for source in snapshot.settings.sources):
        looks = snapshot.looks.get(log_type, ())
        allowed = _usual_gap(looks, timedelta(hours=snapshot.settings.monitors.max_run_gap_hours))
        # A log type that was never listed counts once the others have been listed for a while.
        since = max((look.at for look in looks), default=min(latest.values(), default=snapshot.now))
        if snapshot.now - since <= allowed:
            continue
        last = f"since {since:%Y-%m-%d %H:%M} UTC, for {span((snapshot.now - since) / HOUR)}" if looks else "ever"
        message = f"{log_type}: no run has listed all sources {last}; is the DAG {log_type}_hourly paused or stuck?"
        yield Observation(Entity(log_type, log_type), message)


def _usual_gap(looks: Sequence[Look], at_least: timedelta) -> timedelta:
    """Return twice the usual time between runs: some deployments load once a day."""
    # Two runs have one gap, which may be the pause after the first try-out.
    if len(looks) < 3:
        return at_least
    steps = np.diff(np.array([look.at.timestamp() for look in looks]))
    return max(at_least, 2 * timedelta(seconds=float(np.median(steps))))


def _waiting(snapshot: Snapshot) -> Iterator[Observation]:
    waiting: defaultdict[Entity, list[Any]] = defaultdict(list)
    for row in snapshot.waiting:
        limit = snapshot.limits(row.source).waiting_hours * HOUR
        if snapshot.now - row.oldest >= limit:
            entity: Entity | None = Entity(row.log_type, row.source, row.account, row.region, row.scope)
            # Counted at every level, so that `widest` can choose the one that names the cause.
            while entity is not None:
                waiting[entity].append(row)
                entity = entity.parent
    for entity, rows in widest(waiting, _known_places(snapshot, waiting)).items():
        yield Observation(entity, _waiting_message(snapshot, entity, rows))


def _known_places(snapshot: Snapshot, found: Iterable[Entity]) -> set[Entity]:
    """Return every place that delivered in the last days, and the found ones."""
    known = set(found)
    for grid in snapshot.grids.values():
        for level in grid.between(snapshot.now - _RECENT, snapshot.now + HOUR).levels():
            known.update(p for p, objects in zip(level.entities, level.objects, strict=True) if objects.any())
    return known


def _waiting_message(snapshot: Snapshot, entity: Entity, rows: Sequence[Any]) -> str:
    oldest: datetime = min(row.oldest for row in rows)
    count = sum(int(row.objects) for row in rows)
    message = (
        f"{entity.label}: {count} object{'s are' if count > 1 else ' is'} listed and not loaded, "
        f"the oldest since {oldest:%Y-%m-%d %H:%M} UTC, for {span((snapshot.now - oldest) / HOUR)}"
    )
    partitions = {Partition(LogType(row.log_type), row.account, row.region, row.day) for row in rows}
    why = sorted(f"{one.key} failed: {snapshot.failed[one]}" for one in partitions if one in snapshot.failed)
    if why:
        more = f" (and {len(why) - 1} more)" if len(why) > 1 else ""
        return f"{message}; {why[0]}{more}"
    return f"{message}; no partition of them is marked as failed, so look at the newest hourly runs"


def _unlisted(snapshot: Snapshot, log_type: LogType) -> Iterator[Observation]:
    looks = snapshot.looks.get(log_type, ())
    if not looks:
        return
    for failure in sorted(set(looks[-1].failures), key=lambda one: one.label):
        entity = Entity(log_type, failure.source, failure.account, failure.region if failure.account else None)
        since = _failing_since(looks, failure)
        if snapshot.now - since >= snapshot.limits(failure.source).unlisted_hours * HOUR:
            message = f"{entity.label}: not listed since {since:%Y-%m-%d %H:%M} UTC: {failure.detail}"
            yield Observation(entity, message, about="listing")


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
