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

from vpclogs.config.monitor_settings import MonitorThresholds
from vpclogs.monitors.entities import Entity, widest
from vpclogs.monitors.grid import Grid, floor_hour
from vpclogs.monitors.monitor import Observation
from vpclogs.monitors.seasonality import WEEK
from vpclogs.monitors.snapshot import Snapshot
from vpclogs.partitions import LogType

__all__ = ["drops", "rises"]

_SETTLES = timedelta(hours=2)  # until hardly anything of an hour is still to come
_WINDOW = 3  # hours that are judged together
_FEWEST_WEEKS = 2
_LEAST_SPREAD = 0.1  # of the logarithm: steady places vary by some percent all the same

Values: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Level:
    """Records in the window now, the usual lowest and highest numbers, and the usual spread of the logarithm."""

    now: float
    low: float
    high: float
    spread: float
    weeks: int


_Test: TypeAlias = Callable[[_Level, MonitorThresholds], bool]


def drops(snapshot: Snapshot) -> Iterator[Observation]:
    """Places that deliver, but too few records."""

    def low(level: _Level, limits: MonitorThresholds) -> bool:
        share = min(limits.volume_drop, float(np.exp(-limits.volume_deviations * level.spread)))
        return level.now < level.low * share

    for entity, level, end in _unusual(snapshot, low):
        yield Observation(entity, _message(entity, level, end, f"at least {level.low:,.0f}"))


def rises(snapshot: Snapshot) -> Iterator[Observation]:
    """Places with too many records."""

    def high(level: _Level, limits: MonitorThresholds) -> bool:
        factor = max(limits.volume_rise, float(np.exp(limits.volume_deviations * level.spread)))
        return level.now > level.high * factor

    for entity, level, end in _unusual(snapshot, high):
        yield Observation(entity, _message(entity, level, end, f"at most {level.high:,.0f}"))


def _message(entity: Entity, level: _Level, end: datetime, usual: str) -> str:
    return (
        f"{entity.label}: {level.now:,.0f} records in the {_WINDOW} hours to {end:%Y-%m-%d %H:00} UTC; "
        f"in the same hours of the {level.weeks} weeks before there were {usual}"
    )


def _unusual(snapshot: Snapshot, test: _Test) -> Iterator[tuple[Entity, _Level, datetime]]:
    for log_type in LogType:
        seen = snapshot.seen_until(log_type)
        if seen is None:
            continue
        judged = _levels(snapshot, log_type, seen - _SETTLES)
        found = {entity: level for entity, level in judged.items() if test(level, snapshot.limits(entity.source))}
        for entity, level in widest(found, judged).items():
            yield entity, level, floor_hour(seen - _SETTLES)


@lru_cache(maxsize=len(LogType))  # both monitors use them
def _levels(snapshot: Snapshot, log_type: LogType, end: datetime) -> dict[Entity, _Level]:
    """The levels of all places that can be judged.

    Hours without a delivery, or with objects that wait, have no volume to compare, and a
    place that is new has nothing to be compared with: neither counts in its account either.
    """
    grid = snapshot.grid(log_type, end)
    levels: dict[Entity, _Level] = {}
    if grid.hours < WEEK * _FEWEST_WEEKS:
        return levels
    complete = grid.complete
    old = (grid.objects[:, : grid.hours - WEEK * _FEWEST_WEEKS] > 0).any(axis=1)
    for level in grid.only(np.array(old & complete[:, -_WINDOW:].all(axis=1))).levels():
        for entity, found in zip(level.entities, _judge(level), strict=True):
            least = _WINDOW * snapshot.limits(entity.source).min_hourly_records
            if found.weeks >= _FEWEST_WEEKS and found.low >= least:
                levels[entity] = found
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
