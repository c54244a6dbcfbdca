"""Quarantine: a rising share of refused records, or a rising number of refused objects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from vpclogs.audits.check import percent
from vpclogs.monitors.entities import Entity, widest
from vpclogs.monitors.grid import Grid
from vpclogs.monitors.monitor import Observation, span
from vpclogs.monitors.snapshot import Snapshot

__all__ = ["refused_objects", "refused_records"]

_RECENT = (3, 48)  # hours: for a fault that just started, and for one that is rare
_FEWEST_RECORDS = 1000


@dataclass(frozen=True, slots=True)
class _Share:
    """``refused`` of ``records`` in the last ``hours``; ``usual`` is the share on a usual day."""

    refused: int
    records: int
    hours: int
    usual: float

    @property
    def value(self) -> float:
        return self.refused / self.records if self.records else 0.0


def refused_records(snapshot: Snapshot) -> Iterator[Observation]:
    """Yield places where a larger share of the records is refused than before."""
    found: dict[Entity, _Share] = {}
    judged: set[Entity] = set()
    for grid in snapshot.grids.values():
        for level in grid.levels():
            usual = _usual_shares(level)
            for hours in _RECENT:
                refused, records = level.refused[:, -hours:].sum(axis=1), level.records[:, -hours:].sum(axis=1)
                for row, entity in enumerate(level.entities):
                    judged.add(entity)
                    share = _Share(int(refused[row]), int(records[row]), hours, float(usual[row]))
                    if _rising(snapshot, entity, share):
                        found.setdefault(entity, share)
    for entity, share in widest(found, judged).items():
        usually = f"usually it is {percent(share.usual)}" if share.usual else "usually it is none"
        yield Observation(
            entity,
            f"{entity.label}: {percent(share.value)} of the records of the last {span(share.hours)} are refused, "
            f"{share.refused:,} of {share.records:,}; {usually}",
        )


def refused_objects(snapshot: Snapshot) -> Iterator[Observation]:
    """Yield sources with more whole refused objects than before."""
    for grid in snapshot.grids.values():
        *_, accounts, sources = grid.levels() if grid.entities else (grid, grid)
        # A median, so that one bad day of the past does not hide the next.
        daily = np.median(_by_day(sources.refused_objects), axis=1)
        for row, entity in enumerate(sources.entities):
            limits = snapshot.limits(entity.source)
            count = int(sources.refused_objects[row, -_RECENT[1] :].sum())
            usual = float(daily[row]) * _RECENT[1] / 24
            if count >= limits.min_refused_objects and count > limits.quarantine_rise * usual:
                yield Observation(entity, _objects_message(entity, count, usual, accounts))


def _objects_message(entity: Entity, count: int, usual: float, accounts: Grid) -> str:
    counts = accounts.refused_objects[:, -_RECENT[1] :].sum(axis=1)
    parts = sorted(zip(counts.tolist(), accounts.entities, strict=True), reverse=True)
    where = ", ".join(f"{part.account} ({n})" for n, part in parts[:3] if n and part.source == entity.source)
    usually = f"usually it is about {usual:.0f}" if usual >= 1 else "usually it is none"
    return f"{entity.label}: {count} objects of the last two days are refused whole: account {where}; {usually}"


def _by_day(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return sums of whole days before the recent hours: places x days."""
    before = counts[:, : -_RECENT[1]]
    days = before.shape[1] // 24
    sums: npt.NDArray[np.int64] = before[:, before.shape[1] - 24 * days :].reshape(len(counts), days, 24).sum(axis=2)
    return sums


def _usual_shares(level: Grid) -> npt.NDArray[np.float64]:
    """Return the median daily share by place, over days with records."""
    refused, records = _by_day(level.refused).T, _by_day(level.records).T
    shares = pd.DataFrame(refused / np.where(records > 0, records, 1)).where(records > 0)
    return shares.median().fillna(0.0).to_numpy(np.float64)


def _rising(snapshot: Snapshot, entity: Entity, share: _Share) -> bool:
    limits = snapshot.limits(entity.source)
    return (
        share.records >= _FEWEST_RECORDS
        and share.refused >= limits.min_quarantined_records
        and share.value >= limits.min_quarantined_share
        and share.value > limits.quarantine_rise * share.usual
    )
