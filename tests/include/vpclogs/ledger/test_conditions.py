"""The condition of a partition, from its state and counts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from vpclogs.ledger.conditions import Condition, cells, condition_of, grid
from vpclogs.ledger.partitions import Certificate, PartitionStatus
from vpclogs.partitions import LogType, Partition

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
PARTITION = Partition(LogType.VPC_DNS, "123456789012", "us-west-2", date(2026, 1, 14))
COUNTS = Certificate(
    listed=2, loaded=2, refused=0, empty=0, gone=0, pending=0, bytes_listed=9, bytes_settled=9, rows=99, quarantined=1
)
WAITING = replace(COUNTS, loaded=1, pending=1, pending_since=NOW - timedelta(hours=1))
OVERDUE = replace(WAITING, pending_since=NOW - timedelta(hours=3, seconds=1))
STATUS = PartitionStatus(PARTITION, "published", "", "run", NOW, COUNTS)


@pytest.mark.parametrize(
    ("status", "certified", "expected"),
    [
        (STATUS, False, Condition.PUBLISHED),
        (STATUS, True, Condition.COMPLETE),
        (replace(STATUS, certificate=replace(COUNTS, rows=98, quarantined=2)), True, Condition.QUARANTINING),
        (replace(STATUS, certificate=replace(COUNTS, rows=0, quarantined=0)), True, Condition.COMPLETE),
        (replace(STATUS, certificate=WAITING), False, Condition.PENDING),
        (replace(STATUS, state="pending"), False, Condition.PENDING),
        (replace(STATUS, certificate=OVERDUE), False, Condition.LATE),
        (replace(STATUS, state="failed", certificate=OVERDUE), True, Condition.FAILED),
    ],
)
def test_condition(status, certified, expected):
    assert condition_of(status, certified=certified, now=NOW) is expected


def test_grid_has_one_row_per_account_and_region():
    other = replace(PARTITION, region="eu-west-1")
    later = replace(PARTITION, day=date(2026, 1, 15))
    statuses = [replace(STATUS, partition=one) for one in (PARTITION, other, later)]
    statuses[2] = replace(statuses[2], state="failed")

    first, second = grid(cells(statuses, certified={PARTITION}, now=NOW))

    assert (first.region, list(first.cells), first.rows) == ("eu-west-1", [PARTITION.day], 99)
    assert (second.region, list(second.cells), second.rows) == ("us-west-2", [PARTITION.day, later.day], 198)
    assert (first.worst, second.worst) == (Condition.PUBLISHED, Condition.FAILED)
