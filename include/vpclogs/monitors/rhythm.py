"""The normal rhythm of a place, learned: when does it deliver, and how odd is it that it does not.

Each hour of the week has a chance of a delivery, taken from the weeks before. What an
hour without a delivery weighs is the logarithm of how unlikely that is, so the weights
of a gap add up to the odds against it. Hours that are quiet in every week weigh next
to nothing: nights, weekends.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["WEEK", "Gap", "current_gap"]

WEEK = 168  # hours

# An hour that never was without a delivery still has a chance of it: three such hours are odd.
_SUREST = 0.98
# Gaps that come again and again are part of the rhythm, even when the hour of the week does not tell them.
_USUAL_GAP = 1.2

Hours = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Gap:
    """The hours since the last delivery, up to the end of the grid.

    ``first`` and ``last`` are the first and the last hour with a delivery. ``weight`` is
    the logarithm of the odds against the gap, ``usual`` what a gap weighs now and then.
    """

    first: int
    last: int
    hours: int
    weight: float
    usual: float

    @property
    def history(self) -> int:
        """Hours from the first delivery to the last."""
        return self.last - self.first + 1

    def odd(self, odds: float) -> bool:
        """Whether the gap is less likely than 1 in `odds`, and longer than what is usual."""
        return self.weight >= max(float(np.log(odds)), _USUAL_GAP * self.usual)


def current_gap(delivered: Hours, first_slot: int) -> Gap | None:
    """The gap at the end of the hours, or None if there is no delivery at all.

    ``first_slot`` is the hour of the week (0 to 167) of the first hour.
    """
    at = np.flatnonzero(delivered)
    if len(at) == 0:
        return None
    first, last = int(at[0]), int(at[-1])
    slots = (first_slot + np.arange(len(delivered))) % WEEK
    weights = _weights(delivered[first : last + 1], slots[first : last + 1])[slots]
    total = np.concatenate([[0.0], np.cumsum(np.where(delivered, 0.0, weights))])
    gaps = np.sort(np.diff(total[at]))
    return Gap(
        first=first,
        last=last,
        hours=len(delivered) - last - 1,
        weight=float(total[-1] - total[last]),
        # the second: one outage in the weeks before must not hide the next
        usual=float(gaps[-2]) if len(gaps) > 1 else 0.0,
    )


def _weights(delivered: Hours, slots: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """By hour of the week: the weight of an hour without a delivery."""
    seen = np.bincount(slots, minlength=WEEK).astype(np.float64)
    hits = np.bincount(slots, delivered, minlength=WEEK)
    # The hours beside it count half: a clock change moves the rhythm of an office by one.
    around = [counts + (np.roll(counts, 1) + np.roll(counts, -1)) / 2 for counts in (hits, seen)]
    chance = np.where(seen > 0, (around[0] + 0.05) / (around[1] + 0.1), 0.0)
    weights: npt.NDArray[np.float64] = -np.log1p(-np.minimum(chance, _SUREST))
    return weights
