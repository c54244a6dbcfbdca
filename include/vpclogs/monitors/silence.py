"""Silence: a place that delivered regularly and now delivers nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from vpclogs.findings import Severity
from vpclogs.monitors.entities import Entity, widest
from vpclogs.monitors.grid import Grid
from vpclogs.monitors.monitor import Observation, span
from vpclogs.monitors.seasonality import Gap, current_gap
from vpclogs.monitors.snapshot import Snapshot
from vpclogs.partitions import LogType

__all__ = ["silences"]

# AWS delivers a file about five to ten minutes after the minutes it covers, sometimes later.
_DELIVERY = timedelta(minutes=30)
_SUCCESSOR_BEGAN = 24  # hours before the last delivery, at most; the 24 hours after it are compared
_SUCCESSOR_SIZE = 3  # times larger or smaller


def silences(snapshot: Snapshot) -> Iterator[Observation]:
    """Yield places whose gap is too unlikely for their pattern. Places that could not be listed belong to
    `freshness`.
    """
    for log_type in LogType:
        seen = snapshot.seen_until(log_type)
        if seen is None:
            continue
        grid = _listed(snapshot.grids[log_type], snapshot)
        gaps = _gaps(grid, whole=grid.between(grid.start, seen - _DELIVERY).hours)
        judged = {entity: gap for entity, gap in gaps.items() if _judged(snapshot, entity, gap)}
        found = {entity: gap for entity, gap in judged.items() if _silent(snapshot, entity, gap)}
        for entity, gap in widest(found, judged).items():
            yield _sighting(entity, gap, grid, gaps)


def _listed(grid: Grid, snapshot: Snapshot) -> Grid:
    """Drop places that the newest listing could not reach, and those that are no VPC or flow log."""
    return grid.only([bool(entity.scope) and not snapshot.unlisted(entity) for entity in grid.entities])


def _gaps(grid: Grid, *, whole: int) -> dict[Entity, Gap]:
    gaps: dict[Entity, Gap] = {}
    for level in grid.levels():
        for entity, objects in zip(level.entities, level.objects, strict=True):
            if (gap := current_gap(objects > 0, level.first_slot, whole)) is not None:
                gaps[entity] = gap
    return gaps


def _judged(snapshot: Snapshot, entity: Entity, gap: Gap) -> bool:
    limits = snapshot.limits(entity.source)
    return gap.history >= 24 * limits.min_history_days and gap.hours < 24 * limits.give_up_days


def _silent(snapshot: Snapshot, entity: Entity, gap: Gap) -> bool:
    limits = snapshot.limits(entity.source)
    return gap.hours >= limits.silence_hours and gap.odd(limits.false_alarm_odds)


def _sighting(entity: Entity, gap: Gap, grid: Grid, gaps: Mapping[Entity, Gap]) -> Observation:
    last = f"{grid.at(gap.last):%Y-%m-%d %H:00} UTC"
    message = f"{entity.label}: nothing delivered since the hour of {last}, for {span(gap.hours)}"
    successor = _successor(entity, gap, grid, gaps)
    if successor is None:
        return Observation(entity, f"{message}; at this time of the week it always delivered in the weeks before")
    message += f"; {successor.scope} began then with as many records and seems to have taken its place"
    return Observation(entity, message, severity=Severity.INFO)


def _successor(entity: Entity, gap: Gap, grid: Grid, gaps: Mapping[Entity, Gap]) -> Entity | None:
    """Return the successor, if any: a flow log's format cannot be changed, only the flow log replaced by a new one."""
    if entity.scope is None:
        return None
    beside = (other for other in gaps if other.scope and other.parent == entity.parent and other != entity)
    for other in beside:
        began, last = gaps[other].first, gaps[other].last
        if gap.last - _SUCCESSOR_BEGAN <= began and last > gap.last:
            hours = np.arange(max(began, gap.last + 1), min(last, gap.last + 24) + 1)
            if _as_big(grid, other, hours, entity):
                return other
    return None


def _as_big(grid: Grid, new: Entity, hours: npt.NDArray[np.int64], old: Entity) -> bool:
    """Return True if the new place has about as many records in the hours as the old one had a day before."""
    row = grid.entities.index(new)
    hours = hours[grid.complete[row, hours]]
    after = int(grid.records[row, hours].sum())
    before = int(grid.records[grid.entities.index(old), hours - 24].sum())
    return before <= after * _SUCCESSOR_SIZE and after <= before * _SUCCESSOR_SIZE
