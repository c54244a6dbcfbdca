"""Silence: a place that delivered regularly and now delivers nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from vpclogs.audits.finding import Severity
from vpclogs.monitors.grid import Grid
from vpclogs.monitors.monitor import Sighting, span
from vpclogs.monitors.places import Place, widest
from vpclogs.monitors.rhythm import Gap, current_gap
from vpclogs.monitors.scene import Scene
from vpclogs.partitions import LogType

__all__ = ["silences"]

# AWS delivers a file about five to ten minutes after the minutes it covers, sometimes later.
_DELIVERY = timedelta(minutes=30)
_SUCCESSOR_BEGAN = 24  # hours before the last delivery, at most; the 24 hours after it are compared
_SUCCESSOR_SIZE = 3  # times larger or smaller


def silences(scene: Scene) -> Iterator[Sighting]:
    """Yield places whose gap is too unlikely for their pattern. Places that could not be listed belong to
    `freshness`.
    """
    for log_type in LogType:
        seen = scene.seen_until(log_type)
        if seen is None:
            continue
        grid = _listed(scene.grids[log_type], scene)
        gaps = _gaps(grid, whole=grid.between(grid.start, seen - _DELIVERY).hours)
        judged = {place: gap for place, gap in gaps.items() if _judged(scene, place, gap)}
        found = {place: gap for place, gap in judged.items() if _silent(scene, place, gap)}
        for place, gap in widest(found, judged).items():
            yield _sighting(place, gap, grid, gaps)


def _listed(grid: Grid, scene: Scene) -> Grid:
    """Drop places that the newest listing could not reach, and those that are no VPC or flow log."""
    return grid.only([bool(place.scope) and not scene.unlisted(place) for place in grid.places])


def _gaps(grid: Grid, *, whole: int) -> dict[Place, Gap]:
    gaps: dict[Place, Gap] = {}
    for level in grid.levels():
        for place, objects in zip(level.places, level.objects, strict=True):
            if (gap := current_gap(objects > 0, level.first_slot, whole)) is not None:
                gaps[place] = gap
    return gaps


def _judged(scene: Scene, place: Place, gap: Gap) -> bool:
    limits = scene.limits(place.source)
    return gap.history >= 24 * limits.min_history_days and gap.hours < 24 * limits.give_up_days


def _silent(scene: Scene, place: Place, gap: Gap) -> bool:
    limits = scene.limits(place.source)
    return gap.hours >= limits.silence_hours and gap.odd(limits.false_alarm_odds)


def _sighting(place: Place, gap: Gap, grid: Grid, gaps: Mapping[Place, Gap]) -> Sighting:
    last = f"{grid.at(gap.last):%Y-%m-%d %H:00} UTC"
    message = f"{place.label}: nothing delivered since the hour of {last}, for {span(gap.hours)}"
    successor = _successor(place, gap, grid, gaps)
    if successor is None:
        return Sighting(place, f"{message}; at this time of the week it always delivered in the weeks before")
    message += f"; {successor.scope} began then with as many records and seems to have taken its place"
    return Sighting(place, message, severity=Severity.INFO)


def _successor(place: Place, gap: Gap, grid: Grid, gaps: Mapping[Place, Gap]) -> Place | None:
    """Return the successor, if any: a flow log's format cannot be changed, only the flow log replaced by a new one."""
    if place.scope is None:
        return None
    beside = (other for other in gaps if other.scope and other.parent == place.parent and other != place)
    for other in beside:
        began, last = gaps[other].first, gaps[other].last
        if gap.last - _SUCCESSOR_BEGAN <= began and last > gap.last:
            hours = np.arange(max(began, gap.last + 1), min(last, gap.last + 24) + 1)
            if _as_big(grid, other, hours, place):
                return other
    return None


def _as_big(grid: Grid, new: Place, hours: npt.NDArray[np.int64], old: Place) -> bool:
    """Return True if the new place has about as many records in the hours as the old one had a day before."""
    row = grid.places.index(new)
    hours = hours[grid.complete[row, hours]]
    after = int(grid.records[row, hours].sum())
    before = int(grid.records[grid.places.index(old), hours - 24].sum())
    return before <= after * _SUCCESSOR_SIZE and after <= before * _SUCCESSOR_SIZE
