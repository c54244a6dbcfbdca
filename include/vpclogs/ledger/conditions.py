"""The condition of each partition, in one word: the same in the page and in `vpclogs status`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import groupby

from vpclogs.ledger.partitions import PartitionStatus
from vpclogs.partitions import Partition

__all__ = ["LATE_AFTER", "QUARANTINED_SHARE", "Cell", "Condition", "Row", "cells", "condition_of", "grid"]

LATE_AFTER = timedelta(hours=3)
"""How long an object may wait in S3: an hourly run comes within one hour, and its retry within the next."""

QUARANTINED_SHARE = 0.01
"""The share of quarantined records above which a partition needs a look. AWS writes none that is refused."""


# The order is the order of precedence: `condition_of` and `Row.worst` depend on it.
class Condition(StrEnum):
    """The condition of a partition; the first that applies, so the worst comes first."""

    FAILED = "failed"  # its last run could not publish it; rows of earlier runs are still there
    LATE = "late"  # an object has waited longer than LATE_AFTER
    QUARANTINING = "quarantining"  # published, with more than QUARANTINED_SHARE of its records refused
    PENDING = "pending"  # an object waits for the next run
    PUBLISHED = "published"  # all listed objects are in the tables
    COMPLETE = "complete"  # and a certificate confirms it, after the day has ended


@dataclass(frozen=True, slots=True)
class Cell:
    """One partition with its condition."""

    status: PartitionStatus
    condition: Condition


@dataclass(frozen=True, slots=True)
class Row:
    """The partitions of one account and region, at most one per day."""

    account: str
    region: str
    cells: dict[date, Cell]

    @property
    def rows(self) -> int:
        """Records in the table, of the days shown."""
        return sum(cell.status.certificate.rows for cell in self.cells.values())

    @property
    def worst(self) -> Condition:
        """The worst condition among the days shown."""
        order = list(Condition)
        return min((cell.condition for cell in self.cells.values()), key=order.index)


def condition_of(status: PartitionStatus, *, certified: bool, now: datetime) -> Condition:
    """Return the condition of a partition. ``certified`` is true if a certificate confirms that it is complete."""
    count = status.certificate
    records = count.rows + count.quarantined
    if status.state == "failed":
        return Condition.FAILED
    if count.pending_since is not None and now - count.pending_since > LATE_AFTER:
        return Condition.LATE
    if records and count.quarantined / records > QUARANTINED_SHARE:
        return Condition.QUARANTINING
    if count.pending or status.state == "pending":
        return Condition.PENDING
    return Condition.COMPLETE if certified else Condition.PUBLISHED


def cells(statuses: Iterable[PartitionStatus], *, certified: Collection[Partition], now: datetime) -> list[Cell]:
    """Return the partitions with their conditions, in the order given."""
    return [Cell(one, condition_of(one, certified=one.partition in certified, now=now)) for one in statuses]


def grid(found: Sequence[Cell]) -> list[Row]:
    """Return the partitions by account and region, sorted."""

    def place(cell: Cell) -> tuple[str, str]:
        return cell.status.partition.account, cell.status.partition.region

    return [
        Row(account, region, {cell.status.partition.day: cell for cell in group})
        for (account, region), group in groupby(sorted(found, key=place), key=place)
    ]
