"""Counts by place and hour, as arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from vpclogs.monitors.entities import Entity

__all__ = ["HOUR", "Grid", "floor_hour"]

HOUR: Final = timedelta(hours=1)

Counts = npt.NDArray[np.int64]
"""Places x hours."""

_COUNTS: Final = ("objects", "settled", "refused_objects", "rows", "refused")


def floor_hour(time: datetime) -> datetime:
    """Return the start of the hour."""
    return time.replace(minute=0, second=0, microsecond=0)


@dataclass(frozen=True)
class Grid:
    """Hourly counts of deliveries from ``start`` on.

    ``settled`` counts those of ``objects`` that are done, ``refused_objects`` those refused whole; ``rows`` and
    ``refused`` are records of settled objects.
    """

    start: datetime
    entities: tuple[Entity, ...]
    objects: Counts
    settled: Counts
    refused_objects: Counts
    rows: Counts
    refused: Counts

    @classmethod
    def of(cls, counts: Iterable[tuple[Entity, Any]], start: datetime, hours: int) -> Grid:
        """Build from the ledger's counts (the table ``deliveries``), each with its place. Other hours are left out."""
        numbers: dict[Entity, int] = {}
        cells, values = [], []
        for entity, row in counts:
            hour = int((row.hour - start) / HOUR)
            if 0 <= hour < hours:
                cells.append((numbers.setdefault(entity, len(numbers)), hour))
                # another kind of log under the same prefix has a pattern of its own
                mine = (row.objects - row.other_logs, row.settled - row.other_logs)
                values.append((*mine, row.refused_objects, row.rows, row.refused))
        totals = np.zeros((len(_COUNTS), len(numbers), hours), np.int64)
        for total, column in zip(totals, zip(*values, strict=True), strict=bool(values)):
            # Unbuffered: a place and hour may occur several times, as after the rename of a source.
            np.add.at(total, tuple(zip(*cells, strict=True)), column)
        return cls(start, tuple(numbers), *totals)

    @property
    def hours(self) -> int:
        """The number of hours."""
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
        """Hours with a delivery whose objects are all settled."""
        complete: npt.NDArray[np.bool_] = (self.objects > 0) & (self.settled == self.objects)
        return complete

    def at(self, hour: int) -> datetime:
        """Return the start of an hour."""
        return self.start + hour * HOUR

    def between(self, first: datetime, last: datetime) -> Grid:
        """Return the whole hours from ``first`` to ``last`` (exclusive) that the grid covers."""
        begin = max(0, int(np.ceil((first - self.start) / HOUR)))
        end = max(begin, int((last - self.start) // HOUR))
        return Grid(self.at(begin), self.entities, *(counts[:, begin:end] for counts in self._counts()))

    def only(self, wanted: Sequence[bool] | npt.NDArray[np.bool_]) -> Grid:
        """Return some of the places."""
        mask = np.array(wanted, np.bool_)
        entities = tuple(entity for entity, want in zip(self.entities, wanted, strict=True) if want)
        return Grid(self.start, entities, *(counts[mask] for counts in self._counts()))

    def wider(self) -> Grid | None:
        """Return the sums over the next wider places, or None at the level of sources."""
        parents = [entity.parent for entity in self.entities]
        numbers: dict[Entity, int] = {}
        rows = [numbers.setdefault(entity, len(numbers)) for entity in parents if entity is not None]
        if not rows:
            return None
        totals = np.zeros((len(_COUNTS), len(numbers), self.hours), np.int64)
        for total, counts in zip(totals, self._counts(), strict=True):
            np.add.at(total, rows, counts)
        return Grid(self.start, tuple(numbers), *totals)

    def levels(self) -> Iterable[Grid]:
        """Yield this grid and all wider ones."""
        level: Grid | None = self
        while level is not None:
            yield level
            level = level.wider()

    def _counts(self) -> list[Counts]:
        return [getattr(self, name) for name in _COUNTS]
