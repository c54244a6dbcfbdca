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
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Gap:
    """The whole hours since the last delivery.

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


def current_gap(delivered: Hours, first_slot: int, whole: int) -> Gap | None:
    """The gap at the end of the hours, or None if there is no delivery at all.

    ``first_slot`` is the hour of the week (0 to 167) of the first hour. From ``whole`` on
    hours are not over: a delivery in one ends the gap, none says nothing yet.
    """
    at = np.flatnonzero(delivered)
    if len(at) == 0:
        return None
    first, last = int(at[0]), int(at[-1])
    slots = (first_slot + np.arange(len(delivered))) % WEEK
    lived = slots[first : last + 1]
    hits = _around(lived, delivered[first : last + 1])[slots]
    seen = _around(lived, np.ones(len(lived), np.bool_))[slots]
    total = _sums(_weights(hits, seen))
    # A past gap is weighed by the other weeks, as it was when it came: by its own hours it would seem half as odd.
    past = _sums(np.where(delivered, 0.0, _weights(hits, seen - _within_gaps(~delivered))))
    gaps = np.sort(np.diff(past[at]))
    return Gap(
        first=first,
        last=last,
        hours=max(0, whole - last - 1),
        weight=float(total[max(whole, last + 1)] - total[last + 1]),
        # the second: one outage in the weeks before must not hide the next
        usual=float(gaps[-2]) if len(gaps) > 1 else 0.0,
    )


def _around(slots: npt.NDArray[np.int64], counted: Hours) -> Numbers:
    """Counts by hour of the week, with the hours beside it for half: clocks change, and offices with them."""
    counts = np.bincount(slots, counted, minlength=WEEK).astype(np.float64)
    return counts + (np.roll(counts, 1) + np.roll(counts, -1)) / 2


def _within_gaps(quiet: Hours) -> Numbers:
    """How much of what `_around` counts at each hour is of the gap that the hour is in."""
    padded = np.pad(quiet, 1).astype(np.float64)
    return padded[1:-1] + (padded[:-2] + padded[2:]) / 2


def _weights(hits: Numbers, seen: Numbers) -> Numbers:
    """What an hour without a delivery weighs: so many of the hours like it that were seen had one."""
    chance = np.where(seen > 0, (hits + 0.05) / (seen + 0.1), 0.0)
    weights: Numbers = -np.log1p(-np.minimum(chance, _SUREST))
    return weights


def _sums(weights: Numbers) -> Numbers:
    """The weight of all hours before each."""
    return np.concatenate([[0.0], np.cumsum(weights)])
