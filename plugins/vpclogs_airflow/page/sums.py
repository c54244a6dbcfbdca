"""The sums of an overview, kept for some seconds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from vpclogs.ledger import Ledger
from vpclogs.ledger.conditions import Condition
from vpclogs.ledger.overview import DayTotals, Line
from vpclogs.ledger.partitions import Selection

__all__ = ["RecentSums", "Sums"]


@dataclass(frozen=True, slots=True)
class Sums:
    """The lines of an overview, and the totals of its days."""

    lines: list[Line]
    days: dict[date, DayTotals]

    @property
    def total(self) -> DayTotals:
        """The sum of all days."""
        total = DayTotals()
        for one in self.days.values():
            total.add(one)
        return total


class RecentSums:
    """Sums of the last ``kept``: many people look at the same overview, and each view refreshes itself."""

    def __init__(self, kept: timedelta, *, most: int) -> None:
        self._kept, self._most = kept, most
        self._known: dict[Any, tuple[datetime, Sums]] = {}

    def of(self, ledger: Ledger, chosen: Selection, condition: Condition | None, now: datetime) -> Sums:
        """Return the sums of a selection as of `now`, or of a moment before."""
        key = (ledger, chosen, condition)
        known = self._known.get(key)
        if known is not None and now - known[0] <= self._kept:
            return known[1]
        lines = ledger.overview.lines(chosen, now=now, condition=condition)
        sums = Sums(lines, ledger.overview.days(chosen, now=now))
        self._known.pop(key, None)
        self._known[key] = now, sums
        while len(self._known) > self._most:
            self._known.pop(next(iter(self._known)), None)
        return sums
