"""What becomes of the deadline of an hourly run, when it has passed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from vpclogs.ledger import Ledger
from vpclogs_airflow.deadlines import run_is_late

RUN = {
    "dag_id": "vpc_dns_hourly",
    "dag_run_id": "scheduled__2026-01-15T05:00:00+00:00",
    "run_type": "scheduled",
    "queued_at": "2026-01-15T06:00:01.237124Z",
    "end_date": None,
}


@pytest.fixture
def ledger(monkeypatch, tmp_path) -> Ledger:
    """The ledger of the configuration that the triggerer has."""
    config = tmp_path / "vpclogs.yaml"
    config.write_text("ledger: sqlite:///ledger.db\nsources: [{name: logs, log_type: vpc_dns, bucket: logs}]\n")
    monkeypatch.setenv("VPCLOGS_CONFIG", str(config))
    return Ledger(f"sqlite:///{tmp_path}/ledger.db")


def late(**changes: Any) -> None:
    asyncio.run(run_is_late({"dag_run": RUN | changes, "deadline": {}}))


def test_a_run_that_goes_on_is_one_alert_however_many_are_late(ledger):
    late()
    late(dag_run_id="manual", queued_at="2026-01-15T08:10:00Z")

    [alert] = ledger.alerts.all()
    assert (alert.key, alert.severity) == ("late_runs/vpc_dns_hourly", "warning")
    assert alert.message == "vpc_dns_hourly: the run manual was queued at 2026-01-15 08:10 UTC and is not over"


@pytest.mark.parametrize(
    "run",
    [
        pytest.param({"end_date": "2026-01-15T06:04:00Z"}, id="failed in time"),
        pytest.param({"run_type": "backfill"}, id="waits for the other hours of a backfill"),
    ],
)
def test_other_runs_are_not_late(ledger, run):
    late(**run)

    assert ledger.alerts.all() == []


@pytest.mark.parametrize("monitors", ["severities: {late_runs: 'off'}", "ignore: [late_runs/vpc_dns_*]"])
def test_it_can_be_switched_off(ledger, tmp_path, monitors):
    with (tmp_path / "vpclogs.yaml").open("a") as config:
        config.write(f"monitors: {{{monitors}}}\n")

    late()

    assert ledger.alerts.all() == []
