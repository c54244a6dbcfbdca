"""A failed partition and its mending, in a real Airflow with its scheduler and its REST API."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from demo.airflow_server import AirflowServer
from demo.seaweed import Seaweed
from tests.dags.live_airflow import ended, eventually, log, make_lake, run_path, runs, started_airflow, switch_on
from vpclogs.config.settings import load_settings
from vpclogs.warehouse.tables import Warehouse

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)
KEY = f"123456789012|us-west-2|{YESTERDAY}"
FOLDER = f"AWSLogs/123456789012/vpcdnsquerylogs/vpc-c26c48ba/{YESTERDAY:%Y/%m/%d}"
EVENT = {
    "version": "1.100000",
    "account_id": "123456789012",
    "region": "us-west-2",
    "vpc_id": "vpc-c26c48ba",
    "query_timestamp": f"{YESTERDAY}T21:39:49Z",
    "query_name": "example.com.",
    "query_type": "A",
    "query_class": "IN",
    "rcode": "NOERROR",
    "answers": [],
    "srcaddr": "172.31.46.187",
    "srcport": "52635",
    "transport": "UDP",
    "srcids": {"instance": "i-09d9aa4e31675db61"},
}


@pytest.fixture(scope="module")
def lake(seaweed: Seaweed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a configuration, its ledger and its tables; the bucket ``scheduled`` is its source."""
    folder = tmp_path_factory.mktemp("lake")
    make_lake(seaweed, folder, "scheduled")
    return folder


@pytest.fixture(scope="module")
def airflow(seaweed: Seaweed, lake: Path) -> Iterator[AirflowServer]:
    with started_airflow(seaweed, lake) as server:
        yield server


def deliver(seaweed: Seaweed, *lines: bytes) -> None:
    name = f"vpc-c26c48ba_vpcdnsquerylogs_123456789012_{YESTERDAY:%Y%m%d}T2300Z_0123abcd.log.gz"
    body = gzip.compress(b"\n".join(lines) + b"\n")
    seaweed.client().put_object(Bucket="scheduled", Key=f"{FOLDER}/{name}", Body=body)


def rows(lake: Path) -> int:
    settings = load_settings(lake / "vpclogs.yaml", {})
    return int(Warehouse(settings.catalog, namespace=settings.namespace).table("vpc_dns").scan().count())


def clear(airflow: AirflowServer, dag: str, run_id: str) -> None:
    airflow.api.post(f"{run_path(dag, run_id)}/clear", {"dry_run": False})


def started(airflow: AirflowServer, dag: str, **body: Any) -> str:
    return str(airflow.api.post(f"dags/{dag}/dagRuns", {"logical_date": None, **body})["dag_run_id"])


def command(airflow: AirflowServer, *arguments: str) -> str:
    run = subprocess.run(
        [sys.executable, "-m", "airflow", *arguments], env=airflow.environment(), capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_failed_partition_gets_its_own_run_which_can_be_cleared(airflow, seaweed, lake):
    good = json.dumps(EVENT).encode()
    deliver(seaweed, *[b"garbage"] * 200, good)
    switch_on(airflow)

    hour = eventually(lambda: runs(airflow, "vpc_dns_hourly"), "the hour is scheduled")[0]
    assert ended(airflow, "vpc_dns_hourly", hour["dag_run_id"]) == "failed"
    own = eventually(lambda: runs(airflow, "vpc_dns_partition"), "the partition's own run")[0]
    assert own["partition_key"] == KEY
    assert ended(airflow, "vpc_dns_partition", own["dag_run_id"]) == "failed"
    assert rows(lake) == 0

    deliver(seaweed, good, good)  # the cause is removed
    clear(airflow, "vpc_dns_partition", own["dag_run_id"])
    assert ended(airflow, "vpc_dns_partition", own["dag_run_id"]) == "success"
    assert rows(lake) == 2

    # The next hour has nothing left to do, and nothing started the partition a second time.
    assert ended(airflow, "vpc_dns_hourly", started(airflow, "vpc_dns_hourly")) == "success"
    assert [run["dag_run_id"] for run in runs(airflow, "vpc_dns_partition")] == [own["dag_run_id"]]
    assert rows(lake) == 2


def test_partition_is_reloaded_by_key_or_by_form(airflow, seaweed, lake):
    good = json.dumps(EVENT).encode()
    deliver(seaweed, good, good, good)

    by_key = started(airflow, "vpc_dns_partition", partition_key=KEY)
    assert ended(airflow, "vpc_dns_partition", by_key) == "success"
    trigger = ["trigger", "vpc_dns_partition", "--run-id", "form", "--conf", json.dumps({"partition": KEY})]
    command(airflow, "dags", *trigger)
    assert ended(airflow, "vpc_dns_partition", "form") == "success"
    command(airflow, "dags", "clear", "vpc_dns_partition", "--partition-key", KEY, "--yes")
    assert ended(airflow, "vpc_dns_partition", by_key) == "success"

    assert rows(lake) == 3


def test_reload_without_a_partition_fails_with_an_example(airflow):
    run_id = started(airflow, "vpc_dns_partition")

    assert ended(airflow, "vpc_dns_partition", run_id) == "failed"
    said = log(airflow, "vpc_dns_partition", run_id, "plan")
    assert "this run names no partition: start it with one partition key" in said


def test_airflow_backfill_runs_only_the_requested_hours(airflow):
    hours = ["2022-10-07T05:00:00+00:00", "2022-10-07T06:00:00+00:00"]
    window = ["--from-date", hours[0], "--to-date", hours[1], "--max-active-runs", "1"]

    command(airflow, "backfill", "create", "--dag-id", "vpc_dns_hourly", *window)

    def backfilled() -> list[dict[str, Any]]:
        return [run for run in runs(airflow, "vpc_dns_hourly") if run["run_type"] == "backfill"]

    eventually(lambda: [run["state"] for run in backfilled()] == ["success", "success"], "the backfill")
    intervals = [(run["data_interval_start"], run["data_interval_end"]) for run in backfilled()]
    assert intervals == [
        ("2022-10-07T05:00:00Z", "2022-10-07T06:00:00Z"),
        ("2022-10-07T06:00:00Z", "2022-10-07T07:00:00Z"),
    ]
