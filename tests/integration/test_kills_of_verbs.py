"""A replay and a reconciliation that are killed at any step are ended by the next, as if nothing had been."""

from __future__ import annotations

import gzip
import itertools
import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.expressions import EqualTo
from sqlalchemy import make_url, select

from tests.forking import Forker
from tests.integration.deployments import ACCOUNT, DAY, EVENING, Deployment, dns_body, dns_key, partition_key
from vpclogs.ledger.database import Database
from vpclogs.ledger.tables import certificates, findings, objects, partitions
from vpclogs.maintenance.reconciliation import reconcile
from vpclogs.objects import object_identity
from vpclogs.partitions import LogType

Rows = Counter[str]
LATE, ROBBED, NEVER = "222222222222", "333333333333", "444444444444"
LONGEST = len(gzip.decompress(dns_body(1)).rstrip())
"""Bytes of a record whose port has four digits: with this limit a load refuses those with five."""


def steps(deployment: Deployment, forker: Forker, file: Path, **what: Any) -> list[str]:
    """The kill points of a job that nobody kills, in order."""
    ended = deployment.start(forker, "undisturbed", points=str(file), **what)
    assert ended.wait() == 0, ended.errors
    return file.read_text().splitlines()


@pytest.fixture
def make(deploy: Callable[..., Deployment], bucket: str, s3: Any) -> Callable[[], tuple[Deployment, Rows, Rows]]:
    """Deployments that can read what their first load refused; and what their tables hold once that is moved."""
    table, quarantine = Rows(), Rows()
    for account in (ACCOUNT, LATE):
        for name, port, bad in (("0005", 1000, 1), ("0010", 10000, 2), ("0015", 20000, 0)):
            key = dns_key(name, account=account)
            etag = s3.put_object(Bucket=bucket, Key=key, Body=dns_body(3, bad, account=account, port=port))["ETag"]
            identity = object_identity(bucket, key, etag.strip('"'))
            table.update(f"{identity}{line:08x}" for line in range(1, 4))
            quarantine.update(f"{identity}{line:08x}" for line in range(4, 4 + bad))

    def made() -> tuple[Deployment, Rows, Rows]:
        first = deploy(bucket, user="admin", limits={"batch_objects": 2, "max_line_bytes": LONGEST})
        first.run()
        return replace(first, settings=first.settings | {"limits": {"batch_objects": 2}}), table, quarantine

    return made


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("everywhere", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_killed_replay_moves_each_record_once_when_repeated(everywhere, make, forker, tmp_path):
    points = steps(make()[0], forker, tmp_path / "points", replay=True)
    between_the_tables = points.index("after commit_table") + 1
    chosen = range(1, len(points) + 1) if everywhere else [between_the_tables]
    for die_at in chosen:
        deployment, table, quarantine = make()
        before = deployment.visible()
        killed = deployment.start(forker, "replay", replay=True, die_at=die_at)
        assert killed.wait() == -9, killed.errors
        seen = deployment.visible()
        assert seen[0] in (before[0], table), points[die_at - 1]
        assert seen[1] in (before[1], quarantine), points[die_at - 1]

        again = deployment.start(forker, ("replay", "another")[die_at % 2], replay=True)

        assert again.wait() == 0, again.errors
        assert deployment.visible() == (table, quarantine), points[die_at - 1]
        states = deployment.pipeline().ledger.partitions.status(LogType.VPC_DNS)
        counts = [(s.certificate.rows, s.certificate.quarantined, s.certificate.complete) for s in states]
        assert counts == [(9, 3, True)] * 2, points[die_at - 1]
    print(f"killed {len(chosen)} replays of {len(points)} steps: 0 rows lost, 0 twice")


@pytest.fixture
def old(deploy: Callable[..., Deployment], bucket: str, s3: Any) -> Deployment:
    """A closed day: one partition is complete, one got a late object, one lost its rows, one was never read."""
    for account in (ACCOUNT, LATE, ROBBED):
        s3.put_object(Bucket=bucket, Key=dns_key("0005", account=account), Body=dns_body(3, 1, account=account))
    deployment = deploy(bucket, user="admin")
    deployment.run()
    s3.put_object(Bucket=bucket, Key=dns_key("0010", account=NEVER), Body=dns_body(1, account=NEVER))
    deployment.pipeline().plan("vpc_dns", run_key="never staged")
    s3.delete_object(Bucket=bucket, Key=dns_key("0010", account=NEVER))
    s3.put_object(Bucket=bucket, Key=dns_key("0015", account=LATE), Body=dns_body(2, account=LATE))
    deployment.warehouse.table("vpc_dns").delete(EqualTo("p_account", ROBBED))
    return replace(deployment, until=EVENING + timedelta(days=10))


def reconciled(deployment: Deployment) -> Any:
    """What a reconciliation gives, but for the number of objects that it was the first to miss; and the ledger then."""
    done = reconcile(deployment.pipeline(), LogType.VPC_DNS, run_key="daily", days=[DAY])
    with Database(deployment.settings["ledger"]).read() as connection:
        known = [
            sorted(str(row) for row in connection.execute(select(*[c for c in table.c if c.name != "id"])))
            for table in (objects, partitions, certificates, findings)
        ]
    return replace(done, gone=0).to_json(), known


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("everywhere", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_killed_reconciliation_finds_the_same_when_repeated(everywhere, old, forker, tmp_path):
    numbers = itertools.count()

    def copied() -> Deployment:
        """The same with a ledger of its own; the tables are only read."""
        file = tmp_path / f"copy-{next(numbers)}.db"
        with sqlite3.connect(str(make_url(old.settings["ledger"]).database)) as source, sqlite3.connect(file) as target:
            source.backup(target)
        return replace(old, settings=old.settings | {"ledger": f"sqlite:///{file}"})

    what = {"job": "reconcile_day", "day": f"{DAY}"}
    points = steps(copied(), forker, tmp_path / "points", **what)
    expected = reconciled(copied())
    assert expected[0]["reload"] == [partition_key(LATE), partition_key(ROBBED)]
    assert expected[0]["announce"] == [partition_key(ACCOUNT), partition_key(NEVER)]
    assert [key for key, _ in expected[0]["mismatched"]] == [partition_key(ROBBED)]
    chosen = list(enumerate(points, 1))[:: 1 if everywhere else 5]
    for number, point in chosen:
        deployment = copied()
        killed = deployment.start(forker, "daily", die_at=number, **what)
        assert killed.wait() == -9, killed.errors

        assert reconciled(deployment) == expected, f"killed {point} (step {number})"
    print(f"killed {len(chosen)} reconciliations of {len(points)} steps")
