"""Volume: far fewer or far more records than in the same hours of the weeks before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
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
        f"in the same hours of the {level.weeks} weeks before there were {usual}"
    )


def _unusual(scene: Scene, test: _Test) -> Iterator[tuple[Place, _Level, datetime]]:
    for log_type in LogType:
        seen = scene.seen_until(log_type)
        if seen is None:
            continue
        judged = _levels(scene, log_type, seen - _SETTLES)
        found = {place: level for place, level in judged.items() if test(level, scene.limits(place.source))}
        for place, level in widest(found, judged).items():
            yield place, level, floor_hour(seen - _SETTLES)


@lru_cache(maxsize=len(LogType))  # both monitors look at them
def _levels(scene: Scene, log_type: LogType, end: datetime) -> dict[Place, _Level]:
    """The levels of all places that can be judged.

    Hours without a delivery, or with objects that wait, say nothing about volume, and a
    place that is new has nothing to be compared with: neither counts in its account either.
    """
    grid = scene.grid(log_type, end)
    levels: dict[Place, _Level] = {}
    if grid.hours < WEEK * _FEWEST_WEEKS:
        return levels
    complete = grid.complete
    old = (grid.objects[:, : grid.hours - WEEK * _FEWEST_WEEKS] > 0).any(axis=1)
    for level in grid.only(np.array(old & complete[:, -_WINDOW:].all(axis=1))).levels():
        for place, found in zip(level.places, _judge(level), strict=True):
            least = _WINDOW * scene.limits(place.source).min_hourly_records
            if found.weeks >= _FEWEST_WEEKS and found.low >= least:
                levels[place] = found
    return levels


def _judge(grid: Grid) -> list[_Level]:
    """The level of each place; a place without history has no weeks."""
    records = pd.DataFrame(grid.records.T.astype(np.float64))
    sums = records.where(grid.complete.T).rolling(_WINDOW).sum()  # none where an hour is not complete
    logs = pd.DataFrame(np.log(sums.where(sums > 0)))
    change = logs - logs.shift(WEEK)
    spread = 1.4826 * (change - change.median()).abs().median() / np.sqrt(2)
    lows, highs = [], []
    for end in range(len(logs) - 1 - WEEK, _WINDOW, -WEEK):
        # an hour to both sides: clocks change, and with them the rhythm of an office
        around = logs.iloc[end - 1 : end + 2]
        lows.append(around.min())
        highs.append(around.max())
    low, high = np.exp(pd.DataFrame(lows).median()), np.exp(pd.DataFrame(highs).max())
    columns = zip(sums.iloc[-1], low, high, spread.fillna(0), pd.DataFrame(lows).count(), strict=True)
    return [_Level(now, low, high, max(_LEAST_SPREAD, spread), int(weeks)) for now, low, high, spread, weeks in columns]
