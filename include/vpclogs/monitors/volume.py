"""Volume: far fewer or far more records than in the same hours of the weeks before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from vpclogs.monitors.grid import Grid, floor_hour
from vpclogs.monitors.monitor import Sighting
from vpclogs.monitors.places import Place, widest
from vpclogs.monitors.rhythm import WEEK
from vpclogs.monitors.scene import Scene
from vpclogs.monitors.settings import MonitorThresholds
from vpclogs.partitions import LogType

__all__ = ["drops", "rises"]

_SETTLES = timedelta(hours=2)  # until hardly anything of an hour is still to come
_WINDOW = 3  # hours that are judged together
_FEWEST_WEEKS = 2
_LEAST_SPREAD = 0.1  # of the logarithm: steady places vary by some percent all the same

Values: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Level:
    """Records in the window now, what is normal low and high, and the usual spread (of the logarithm)."""

    now: float
    low: float
    high: float
    spread: float
    weeks: int


_Test: TypeAlias = Callable[[_Level, MonitorThresholds], bool]


def drops(scene: Scene) -> Iterator[Sighting]:
    """Places that deliver, but too few records."""

    def low(level: _Level, limits: MonitorThresholds) -> bool:
        share = min(limits.volume_drop, float(np.exp(-limits.volume_deviations * level.spread)))
        return level.now < level.low * share

    for place, level, end in _unusual(scene, low):
        yield Sighting(place, _message(place, level, end, f"at least {level.low:,.0f}"))


def rises(scene: Scene) -> Iterator[Sighting]:
    """Places with too many records."""

    def high(level: _Level, limits: MonitorThresholds) -> bool:
        factor = max(limits.volume_rise, float(np.exp(limits.volume_deviations * level.spread)))
        return level.now > level.high * factor

    for place, level, end in _unusual(scene, high):
        yield Sighting(place, _message(place, level, end, f"at most {level.high:,.0f}"))


def _message(place: Place, level: _Level, end: datetime, usual: str) -> str:
    return (
        f"{place.label}: {level.now:,.0f} records in the {_WINDOW} hours to {end:%Y-%m-%d %H:00} UTC; "
        f"in the same hours of the {level.weeks} weeks before it were {usual}"
    )


def _unusual(scene: Scene, test: _Test) -> Iterator[tuple[Place, _Level, datetime]]:
    for log_type in LogType:
        seen = scene.seen_until(log_type)
        if seen is None:
            continue
        judged = dict(_levels(scene.grid(log_type, seen - _SETTLES), scene))
        found = {place: level for place, level in judged.items() if test(level, scene.limits(place.source))}
        for place, level in widest(found, judged).items():
            yield place, level, floor_hour(seen - _SETTLES)


def _levels(grid: Grid, scene: Scene) -> Iterator[tuple[Place, _Level]]:
    """The levels of all places that can be judged.

    Hours without a delivery, or with objects that wait, say nothing about volume, and a
    place that is new has nothing to be compared with: neither counts in its account either.
    """
    if grid.hours < WEEK * _FEWEST_WEEKS:
        return
    complete = grid.complete
    old = (grid.objects[:, : grid.hours - WEEK * _FEWEST_WEEKS] > 0).any(axis=1)
    level: Grid | None = grid.only(np.array(old & complete[:, -_WINDOW:].all(axis=1)))
    while level is not None:
        for row, place in enumerate(level.places):
            least = _WINDOW * scene.limits(place.source).min_hourly_records
            found = _level(level.records[row].astype(np.float64), level.complete[row])
            if found is not None and found.low >= least:
                yield place, found
        level = level.wider()


def _level(records: Values, complete: npt.NDArray[np.bool_]) -> _Level | None:
    sums = pd.Series(records).where(complete).rolling(_WINDOW).sum()  # none where an hour is not complete
    logs = pd.Series(np.log(sums.where(sums > 0)))
    last = len(sums) - 1
    weeks = []
    for end in range(last - WEEK, _WINDOW, -WEEK):
        # an hour to both sides: clocks change, and with them the rhythm of an office
        around = logs.iloc[end - 1 : end + 2].dropna()
        if len(around):
            weeks.append((around.min(), around.max()))
    if len(weeks) < _FEWEST_WEEKS:
        return None
    change = (logs - logs.shift(WEEK)).dropna()
    spread = 1.4826 * (change - change.median()).abs().median() / np.sqrt(2)
    return _Level(
        now=float(sums.iloc[-1]),
        low=float(np.exp(np.median([low for low, _ in weeks]))),
        high=float(np.exp(max(high for _, high in weeks))),
        spread=max(_LEAST_SPREAD, float(np.nan_to_num(spread))),
        weeks=len(weeks),
    )
