"""`vpclogs rerun`, `backfill`, `replay` and `ledger rebuild`, each as a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.fake_airflow import PASSWORD, FakeAirflow, fake_airflow
from tests.include.vpclogs.cli.conftest import Deployment
from tests.pipelines import KEY, dns_key, event, make_pipeline, put_lines
from vpclogs.cli.reloads import parse_keys, reload_here
from vpclogs.partitions import LogType
from vpclogs.pipeline import Pipeline
from vpclogs.runs import BatchRef

pytestmark = pytest.mark.server

OTHER = "222222222222|us-west-2|2022-10-07"
DAYS = ("--log-type", "vpc_dns", "--from", "2022-10-07", "--to", "2022-10-07")
LOGIN = {"VPCLOGS_AIRFLOW_USERNAME": "me", "VPCLOGS_AIRFLOW_PASSWORD": PASSWORD}
LONG = event(query_name="a-name-that-makes-its-line-too-long-for-the-first-load.example.com.")


@pytest.fixture
def airflow() -> Iterator[FakeAirflow]:
    with fake_airflow() as server:
        yield server


@pytest.fixture
def delivered(deployment: Deployment, s3: Any) -> Deployment:
    """Two partitions in S3, nothing loaded."""
    for account in (KEY[:12], OTHER[:12]):
        put_lines(s3, deployment.bucket, dns_key("2100", account=account), [event(), LONG, b"{"])
    return deployment


def settings(deployment: Deployment, *lines: str) -> None:
    path = deployment.folder / "vpclogs.yaml"
    path.write_text("\n".join([path.read_text(), *lines, ""]))


def count(deployment: Deployment, table: str) -> int:
    done = deployment.vpclogs("query", f"select count(*) from {table}", "--format", "csv")
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[1])


def test_rerun_starts_a_run_per_partition_and_reports_it(here: Deployment, airflow: FakeAirflow) -> None:
    settings(here, f"airflow: {{url: '{airflow.url}'}}")
    airflow.ends[OTHER] = "failed"

    done = here.vpclogs("rerun", KEY, OTHER, "--log-type", "vpc_dns", "--wait", **LOGIN)

    assert done.returncode == 1
    assert [run["partition_key"] for run in airflow.runs] == [KEY, OTHER]
    assert f"{KEY}: done" in done.stderr
    (_, failed) = (run["dag_run_id"] for run in airflow.runs)
    assert failed.startswith("reload__222222222222_us-west-2_2022-10-07__")
    assert f"{OTHER}: the run has failed: {airflow.url}/dags/vpc_dns_partition/runs/{quote(failed)}" in done.stderr


def test_open_prints_the_address_of_the_page(here: Deployment) -> None:
    assert "no Airflow is configured" in here.vpclogs("open", KEY, "--log-type", "vpc_flow").stderr
    settings(here, "airflow: {url: 'https://airflow.example.com/site/'}")

    done = here.vpclogs("open", KEY, "--log-type", "vpc_flow")

    address = "https://airflow.example.com/site/plugin/vpclogs/vpclogs/vpc_flow/123456789012/us-west-2/2022-10-07\n"
    assert (done.returncode, done.stdout) == (0, address)


def test_rerun_says_what_is_missing_to_reach_airflow(here: Deployment, airflow: FakeAirflow) -> None:
    nowhere = here.vpclogs("rerun", KEY, "--log-type", "vpc_dns")
    settings(here, f"airflow: {{url: '{airflow.url}'}}")
    nobody = here.vpclogs("rerun", KEY, "--log-type", "vpc_dns")
    unquoted = here.vpclogs("rerun", "123456789012", "--log-type", "vpc_dns")

    assert [done.returncode for done in (nowhere, nobody, unquoted)] == [1, 1, 2]
    assert "--local" in nowhere.stderr
    assert "VPCLOGS_AIRFLOW_PASSWORD" in nobody.stderr
    assert "quote the key, because it contains |" in unquoted.stderr


def test_backfill_shows_the_cost_keeps_the_budget_and_asks(delivered: Deployment, airflow: FakeAirflow) -> None:
    settings(delivered, f"airflow: {{url: '{airflow.url}'}}", "limits: {backfill_max_bytes: 10}")

    dry = delivered.vpclogs("backfill", *DAYS, "--dry-run")
    beyond = delivered.vpclogs("backfill", *DAYS, "--yes", **LOGIN)
    unasked = delivered.vpclogs("backfill", *DAYS, "--budget", "1MB", **LOGIN)

    assert [line.split()[0] for line in dry.stdout.splitlines()] == ["partition", KEY, OTHER]
    assert "2 partitions to reload" in dry.stderr
    assert (dry.returncode, beyond.returncode, unasked.returncode, airflow.runs) == (0, 1, 2, [])
    assert "--budget" in beyond.stderr

    done = delivered.vpclogs("backfill", *DAYS, "--budget", "1MB", "--yes", "--rate", "1", **LOGIN)
    assert (done.returncode, [run["partition_key"] for run in airflow.runs]) == (0, [KEY, OTHER])


def test_local_backfill_loads_and_then_skips_complete_partitions(delivered: Deployment) -> None:
    first = delivered.vpclogs("backfill", *DAYS, "--local", "--yes")
    again = delivered.vpclogs("backfill", *DAYS, "--local", "--yes")

    assert (first.returncode, again.returncode) == (0, 0), first.stderr
    assert "0 partitions to reload, 2 left out as complete" in again.stderr
    assert (count(delivered, "vpc_dns"), count(delivered, "quarantine")) == (4, 2)


def test_any_error_of_one_partition_costs_only_that_partition(
    tmp_path: Path, bucket: str, s3: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    class OnePartitionFails(Pipeline):
        def plan_partition(self, log_type: LogType, key: str, *, run_key: str) -> list[BatchRef]:
            if key == KEY:
                raise ConnectionResetError("the server has closed the connection")
            return super().plan_partition(log_type, key, run_key=run_key)

    made = make_pipeline(tmp_path, bucket, s3)
    pipeline = OnePartitionFails(made.settings, client_for=lambda source: s3, clock=made.clock)
    for account in (KEY[:12], OTHER[:12]):
        put_lines(s3, bucket, dns_key("2100", account=account), [event()])

    failed = reload_here(pipeline, parse_keys([KEY, OTHER], LogType.VPC_DNS), command="rerun")

    printed = capsys.readouterr().err
    assert failed == 1
    assert f"vpclogs: {KEY}: ConnectionResetError: the server has closed the connection" in printed
    assert f"{OTHER}: 1 row, 0 quarantined" in printed


def test_replay_previews_its_moves_and_reloads_the_rest(delivered: Deployment, s3: Any) -> None:
    s3.put_object(Bucket=delivered.bucket, Key=dns_key("2110"), Body=b"PK\x03\x04")
    settings(delivered, f"limits: {{max_line_bytes: {len(LONG) - 1}}}")
    delivered.vpclogs("load", *DAYS)
    delivered.configure(**{f"limits: {{max_line_bytes: {len(LONG) - 1}}}": ""})

    dry = delivered.vpclogs("replay", "--log-type", "vpc_dns", "--dry-run")
    before = count(delivered, "vpc_dns")
    done = delivered.vpclogs("replay", "--log-type", "vpc_dns")

    assert [line.split()[1:] for line in dry.stdout.splitlines()[1:]] == [["2", "0", "1", "1"], ["2", "0", "0", "1"]]
    assert "1 partition must be read from S3 again: 2 objects" in dry.stderr
    assert (before, done.returncode, count(delivered, "vpc_dns"), count(delivered, "quarantine")) == (2, 0, 4, 3)
    assert "2 records moved from the quarantine to vpc_dns" in done.stderr
    assert delivered.vpclogs("replay", "--log-type", "vpc_dns", "--reason", "bad_prot").returncode == 2


def test_ledger_rebuild_makes_a_deployment_without_its_ledger_work_again(delivered: Deployment) -> None:
    delivered.vpclogs("load", *DAYS)
    for file in (delivered.folder / "var/vpclogs").glob("ledger.db*"):
        file.unlink()

    dry = delivered.vpclogs("ledger", "rebuild", "--dry-run")
    done = delivered.vpclogs("ledger", "rebuild")
    again = delivered.vpclogs("ledger", "rebuild")
    load = delivered.vpclogs("load", *DAYS)

    assert [one.returncode for one in (dry, done, again, load)] == [0, 0, 0, 0], done.stderr
    assert "would add 2 objects" in dry.stderr
    assert "added 2 objects (2 loaded; 0 that S3 did not list)" in done.stderr
    assert "nothing to add" in again.stderr
    assert "nothing new" in load.stderr
    assert count(delivered, "vpc_dns") == 4
