"""The condition of each partition, in one word: the same in the page and in `vpclogs status`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, case

from vpclogs.ledger.partitions import PartitionStatus
from vpclogs.ledger.tables import partition_counts

__all__ = ["LATE_AFTER", "QUARANTINED_SHARE", "Cell", "Condition", "rank"]

LATE_AFTER = timedelta(hours=3)
"""How long an object may wait in S3: an hourly run comes within one hour, and its retry within the next."""

QUARANTINED_SHARE = 0.01
"""The share of quarantined records above which a partition needs a look. AWS writes none that is refused."""


# The order is the order of precedence: `rank` depends on it.
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


def rank(now: datetime) -> ColumnElement[int]:
    """Return the condition of a row of ``partition_counts`` as an expression: its place in `Condition`."""
    count = partition_counts.c
    done = count.loaded + count.refused + count.empty + count.gone
    return case(
        (count.state == "failed", _place(Condition.FAILED)),
        (count.pending_since < now - LATE_AFTER, _place(Condition.LATE)),
        (count.quarantined > QUARANTINED_SHARE * (count.rows + count.quarantined), _place(Condition.QUARANTINING)),
        ((count.listed > done) | (count.state == "pending"), _place(Condition.PENDING)),
        (count.complete, _place(Condition.COMPLETE)),
        else_=_place(Condition.PUBLISHED),
    )


def _place(condition: Condition) -> int:
    return list(Condition).index(condition)
