"""Counts by place and hour, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from vpclogs.monitors.places import Place

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["HOUR", "Grid", "floor_hour"]

HOUR: Final = timedelta(hours=1)

Counts = npt.NDArray[np.int64]
"""Places x hours."""

_COUNTS: Final = ("objects", "settled", "rows", "refused")


def floor_hour(time: datetime) -> datetime:
    """The begin of the hour."""
    return time.replace(minute=0, second=0, microsecond=0)


@dataclass(frozen=True)
class Grid:
    """Counts of deliveries from ``start`` on, hour by hour.

    ``objects`` were delivered and of these ``settled`` dealt with; ``rows`` and
    ``refused`` are records of settled objects.
    """

    start: datetime
    places: tuple[Place, ...]
    objects: Counts
    settled: Counts
    rows: Counts
    refused: Counts

    @classmethod
    def of(cls, frame: pd.DataFrame, start: datetime, end: datetime) -> Grid:
        """From deliveries (see `Scene.hours`) of one log type, the hours of ``start`` to ``end`` (exclusive)."""
        hours = max(0, int((end - start) / HOUR))
        column = ((frame["hour"] - start) // HOUR).to_numpy(np.int64)
        frame = frame[(column >= 0) & (column < hours)]
        column = column[(column >= 0) & (column < hours)]
        names = list(frame[["log_type", "source", "account", "region", "scope"]].itertuples(index=False, name=None))
        places = tuple(dict.fromkeys(names))
        row = _codes(names, places)
        counts = {}
        for name in _COUNTS:
            counts[name] = np.zeros((len(places), hours), np.int64)
            np.add.at(counts[name], (row, column), frame[name].to_numpy(np.int64))
        return cls(start, tuple(Place(*name) for name in places), **counts)

    @property
    def hours(self) -> int:
        """How many hours it has."""
        return int(self.objects.shape[1])

    @property
    def first_slot(self) -> int:
        """The hour of the week of the first hour, 0 at Monday midnight UTC."""
        return self.start.weekday() * 24 + self.start.hour

    @property
    def records(self) -> Counts:
        """Rows and refused records."""
        return self.rows + self.refused

    @property
    def complete(self) -> npt.NDArray[np.bool_]:
        """Hours with a delivery all of whose objects are dealt with."""
        complete: npt.NDArray[np.bool_] = (self.objects > 0) & (self.settled == self.objects)
        return complete

    def at(self, hour: int) -> datetime:
        """When an hour begins."""
        return self.start + hour * HOUR

    def only(self, wanted: Sequence[bool] | npt.NDArray[np.bool_]) -> Grid:
        """Some of the places."""
        mask = np.array(wanted, np.bool_)
        places = tuple(place for place, want in zip(self.places, wanted, strict=True) if want)
        return Grid(self.start, places, *(getattr(self, name)[mask] for name in _COUNTS))

    def wider(self) -> Grid | None:
        """The sums over the next wider places, or None at the sources."""
        parents = [place.parent for place in self.places]
        if not parents or parents[0] is None:
            return None
        places = tuple(dict.fromkeys(parents))
        row = _codes(parents, places)
        counts = {}
        for name in _COUNTS:
            counts[name] = np.zeros((len(places), self.hours), np.int64)
            np.add.at(counts[name], row, getattr(self, name))
        return Grid(self.start, tuple(place for place in places if place is not None), **counts)


def _codes(names: Sequence[object], distinct: Sequence[object]) -> npt.NDArray[np.int64]:
    number = {name: index for index, name in enumerate(distinct)}
    return np.array([number[name] for name in names], np.int64)
