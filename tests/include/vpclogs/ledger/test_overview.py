"""Counts of partitions follow every change, and the overview sums them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select

from tests.factories import ACCOUNT, DAY, NOW, PARTITION, make_object
from vpclogs.intents import Intent, Plan
from vpclogs.ledger import Ledger
from vpclogs.ledger.certificates import Certified
from vpclogs.ledger.conditions import Condition
from vpclogs.ledger.counting import AccountDay, recount
from vpclogs.ledger.overview import Line, Requests
from vpclogs.ledger.partitions import Selection
from vpclogs.ledger.tables import partition_counts
from vpclogs.manifests import Mode
from vpclogs.partitions import LogType, Partition
from vpclogs.staged import ObjectOutcome

OTHER = replace(PARTITION, region="eu-west-1")
DNS = Selection(LogType.VPC_DNS)


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Ledger:
    if request.param == "SQLite":
        return Ledger(f"sqlite:///{tmp_path}/ledger.db")
    return Ledger(request.getfixturevalue("postgres").create(f"overview-{tmp_path.name}"))


def publish(ledger: Ledger, *, partition: Partition = PARTITION, rows: int = 99, refused: int = 1) -> Intent:
    """Record, claim and settle one object of a partition."""
    item = make_object(f"{partition.region}-{partition.day}", partition=partition, at=NOW - timedelta(minutes=7))
    ids = ledger.objects.record([item], now=NOW)
    manifest = ledger.manifests.freeze(
        [[item]],
        log_type=partition.log_type,
        run_key="run",
        mode=Mode.ADD,
        listing_failures=[],
        object_ids=ids,
        list_requests=10,
        read_requests=1,
        now=NOW,
    )
    intent = ledger.intents.claim(
        Plan(Mode.ADD, "run", "hash", partitions=[partition.key], files={}, objects=1),
        [ObjectOutcome(item.identity, partition.key, "loaded", rows, refused)],
        manifest=manifest.id,
        log_type=partition.log_type,
        versions={},
        cuts={},
        now=NOW,
    )
    assert isinstance(intent, Intent)
    ledger.intents.settle(intent, now=NOW)
    return intent


def fail(ledger: Ledger, partition: Partition, why: str = "denied") -> None:
    ledger.partitions.fail({partition.key: why}, log_type=partition.log_type, run_key="run", now=NOW)


def certify(ledger: Ledger, partition: Partition) -> None:
    (status,) = ledger.partitions.status(partition.log_type, only=[partition])
    made = Certified(partition, status.certificate, "hash", status.certificate.rows, 1, "")
    ledger.certificates.keep([made], now=NOW)


def counted(ledger: Ledger) -> list[tuple[Any, ...]]:
    with ledger.database.read() as connection:
        return sorted(map(tuple, connection.execute(select(partition_counts))), key=str)


CHANGES: dict[str, Callable[[Ledger], object]] = {
    "listed": lambda ledger: ledger.objects.record([make_object("new")], now=NOW),
    "rewritten": lambda ledger: ledger.objects.record(
        [make_object("new"), make_object("new", etag="e2", at=NOW + timedelta(hours=1))], now=NOW
    ),
    "published": publish,
    "deleted": lambda ledger: ledger.objects.mark(
        list(ledger.objects.record([make_object("new")], now=NOW).values()), state="gone", detail="", now=NOW
    ),
    "listed again": lambda ledger: [
        ledger.objects.record([make_object("new", at=NOW - timedelta(hours=back))], now=NOW) for back in (1, 5)
    ],
    "failed": lambda ledger: (publish(ledger), fail(ledger, PARTITION)),
    "certified": lambda ledger: (publish(ledger), certify(ledger, PARTITION)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_counts_after_a_change_are_those_of_a_new_count(ledger, change):
    CHANGES[change](ledger)

    kept = counted(ledger)
    with ledger.database.write() as connection:
        connection.execute(delete(partition_counts))
        recount(connection, {AccountDay("vpc_dns", DAY, ACCOUNT)})

    assert kept == counted(ledger)
    assert len(kept) == 1


def test_retired_partitions_are_not_counted(ledger):
    publish(ledger)

    ledger.pruning.partitions(LogType.VPC_DNS, DAY + timedelta(days=1))

    assert ledger.partitions.status(LogType.VPC_DNS) == []


def waiting(ledger: Ledger, hours: float) -> None:
    ledger.objects.record([make_object("late", at=NOW - timedelta(hours=hours))], now=NOW)


CONDITIONS: dict[Condition, Callable[[Ledger], object]] = {
    Condition.PUBLISHED: publish,
    Condition.COMPLETE: lambda ledger: (publish(ledger), certify(ledger, PARTITION)),
    Condition.QUARANTINING: lambda ledger: (publish(ledger, rows=98, refused=2), certify(ledger, PARTITION)),
    Condition.PENDING: lambda ledger: (publish(ledger), waiting(ledger, 1)),
    Condition.LATE: lambda ledger: (publish(ledger), waiting(ledger, 3.1)),
    Condition.FAILED: lambda ledger: (publish(ledger), waiting(ledger, 3.1), fail(ledger, PARTITION)),
}


@pytest.mark.parametrize("condition", Condition)
def test_condition(ledger, condition):
    CONDITIONS[condition](ledger)

    assert [cell.condition for cell in ledger.overview.cells_of(LogType.VPC_DNS, [PARTITION], now=NOW)] == [condition]


def test_lines_put_the_worst_first_and_sum_days(ledger):
    tomorrow = replace(OTHER, day=DAY + timedelta(days=1))
    for partition in (PARTITION, OTHER, tomorrow):
        publish(ledger, partition=partition)
    fail(ledger, PARTITION)

    lines = ledger.overview.lines(DNS, now=NOW)

    assert lines == [
        Line(ACCOUNT, "us-west-2", Condition.FAILED, 99, 1),
        Line(ACCOUNT, "eu-west-1", Condition.PUBLISHED, 198, 2),
    ]
    assert ledger.overview.lines(DNS, now=NOW, condition=Condition.FAILED) == lines[:1]
    cells = ledger.overview.cells_by_line(DNS, lines[1:], now=NOW)
    assert list(cells[ACCOUNT, "eu-west-1"]) == [DAY, tomorrow.day]


@pytest.mark.parametrize(
    ("chosen", "regions"),
    [
        (replace(DNS, region="eu-west-1"), ["eu-west-1"]),
        (replace(DNS, account="999999999999"), []),
        (replace(DNS, since=DAY + timedelta(days=1)), []),
        (replace(DNS, until=DAY - timedelta(days=1)), []),
        (replace(DNS, text="WEST-1"), ["eu-west-1"]),
        (replace(DNS, text="100%"), ["us-west-2"]),
        (replace(DNS, text="_"), []),
        (Selection(LogType.VPC_FLOW), []),
    ],
)
def test_selection(ledger, chosen, regions):
    publish(ledger)
    publish(ledger, partition=OTHER)
    fail(ledger, PARTITION, "100% denied")

    assert [line.region for line in ledger.overview.lines(chosen, now=NOW)] == regions


def test_days_have_totals_and_the_average_lag(ledger):
    publish(ledger)
    publish(ledger, partition=OTHER, refused=0)
    waiting(ledger, 1)

    (totals,) = ledger.overview.days(DNS, now=NOW).values()

    assert (totals.rows, totals.quarantined, totals.pending) == (198, 1, 1)
    assert (totals.bytes, totals.pending_bytes) == (300, 100)
    assert totals.lag == timedelta(minutes=7)
    assert totals.refused_share == pytest.approx(1 / 199)
    assert totals.conditions == {Condition.PENDING: 1, Condition.PUBLISHED: 1}


def test_requests_of_plans_are_summed(ledger):
    publish(ledger)
    publish(ledger, partition=OTHER)

    assert ledger.overview.requests(LogType.VPC_DNS, since=NOW) == Requests(list=20, read=2)
    assert ledger.overview.requests(LogType.VPC_DNS, since=NOW + timedelta(hours=1)) == Requests(0, 0)


def test_upgrade_counts_what_an_older_ledger_has(ledger):
    publish(ledger)
    publish(ledger, partition=replace(PARTITION, day=date(2022, 10, 8)), refused=5)
    certify(ledger, PARTITION)
    fail(ledger, OTHER)
    waiting(ledger, 2)
    kept = counted(ledger)
    migration = import_module("vpclogs.ledger.migrations.versions.0005_counts_of_partitions")

    with ledger.database.write() as connection:
        connection.execute(delete(partition_counts))
        connection.exec_driver_sql(migration.count_all(connection.dialect.name))

    assert counted(ledger) == kept
