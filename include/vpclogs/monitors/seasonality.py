"""Seasonality of deliveries, learned per place: how unlikely is the current silence?

Each hour of the week has a probability of a delivery, estimated from the weeks before. The weight of an hour without
a delivery is the negative logarithm of that hour's probability of silence, so the weights of a silence add up to the
odds against it. Hours that are quiet every week, at night or on weekends, weigh next to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["WEEK", "Gap", "current_gap"]

WEEK = 168  # hours

# Even an hour that always had a delivery may miss one: three missing hours in a row are significant.
_SUREST = 0.98
# Recurring silences are part of the pattern, even where the hour of the week does not predict them.
_USUAL_GAP = 1.2

Hours = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Gap:
    """The whole hours since the last delivery.

    ``first`` and ``last`` are the first and last hour with a delivery. ``weight`` is the logarithm of the odds
    against the gap, ``usual`` the weight of gaps that recur.
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
        """Return True if the gap is less likely than 1 in `odds` and longer than recurring ones."""
        return self.weight >= max(float(np.log(odds)), _USUAL_GAP * self.usual)


def current_gap(delivered: Hours, first_slot: int, whole: int) -> Gap | None:
    """Return the gap at the end of the hours, or None if there is no delivery at all.

    ``first_slot`` is the hour of the week (0 to 167) of the first hour. Hours from ``whole`` on are not over: a
    delivery in one of them ends the gap, but its absence is no evidence yet.
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
    # Weigh a past gap by the other weeks only, as when it occurred: its own hours would halve its weight.
    past = _sums(np.where(delivered, 0.0, _weights(hits, seen - _within_gaps(~delivered))))
    gaps = np.sort(np.diff(past[at]))
    return Gap(
        first=first,
        last=last,
        hours=max(0, whole - last - 1),
        weight=float(total[max(whole, last + 1)] - total[last + 1]),
        # the second largest: one outage in the weeks before must not hide the next
        usual=float(gaps[-2]) if len(gaps) > 1 else 0.0,
    )


def _around(slots: npt.NDArray[np.int64], counted: Hours) -> Numbers:
    """Return counts by hour of the week, with half of each adjacent hour: clocks change, and office hours with them."""
    counts = np.bincount(slots, counted, minlength=WEEK).astype(np.float64)
    return counts + (np.roll(counts, 1) + np.roll(counts, -1)) / 2


def _within_gaps(quiet: Hours) -> Numbers:
    """Return the part of each hour's `_around` count that belongs to the gap containing the hour."""
    padded = np.pad(quiet, 1).astype(np.float64)
    return padded[1:-1] + (padded[:-2] + padded[2:]) / 2


def _weights(hits: Numbers, seen: Numbers) -> Numbers:
    """Return the weight of each hour without a delivery, from the share of similar hours that had one."""
    chance = np.where(seen > 0, (hits + 0.05) / (seen + 0.1), 0.0)
    weights: Numbers = -np.log1p(-np.minimum(chance, _SUREST))
    return weights


def _sums(weights: Numbers) -> Numbers:
    """Return the total weight of all hours before each."""
    return np.concatenate([[0.0], np.cumsum(weights)])
