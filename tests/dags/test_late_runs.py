"""Airflow calls when an hourly run is not over in time: a real scheduler and triggerer."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.airflow_server import AirflowServer
from demo.seaweed import Seaweed
from tests.dags.live_airflow import eventually, make_lake, run_path, runs, started_airflow
from vpclogs.ledger import Ledger
from vpclogs.settings import load_settings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def lake(seaweed: Seaweed, tmp_path: Path) -> Path:
    make_lake(seaweed, tmp_path, "late-runs")
    return tmp_path


@pytest.fixture
def airflow(seaweed: Seaweed, lake: Path) -> Iterator[AirflowServer]:
    with started_airflow(seaweed, lake) as server:
        yield server


def let_the_deadline_pass(airflow: AirflowServer) -> None:
    """Two hours in a moment, and wait until Airflow has called."""
    with sqlite3.connect(airflow.home / "airflow.db", timeout=60) as database:
        database.execute("update deadline set deadline_time = '2026-01-01 00:00:00.000000' where not missed")
    eventually(lambda: called(airflow), "the triggerer has called")


def called(airflow: AirflowServer) -> bool:
    with sqlite3.connect(airflow.home / "airflow.db", timeout=60) as database:
        states = [state for (state,) in database.execute("select state from callback")]
    assert "failed" not in states
    return bool(states) and set(states) == {"success"}


def test_a_run_that_hangs_is_an_alert_and_one_that_failed_in_time_is_none(airflow, lake):
    dag, ledger = "vpc_dns_hourly", Ledger(load_settings(lake / "vpclogs.yaml", {}).ledger)
    eventually(lambda: dag in airflow.api.dags(), "the DAG is read")
    # Without a slot no task ever runs.
    airflow.api.patch("pools/default_pool?update_mask=slots", {"name": "default_pool", "slots": 0})
    airflow.api.unpause(dag)
    first = eventually(lambda: runs(airflow, dag), "the hour is scheduled")[0]["dag_run_id"]

    airflow.api.give_up(dag, first, "failed in time")
    let_the_deadline_pass(airflow)
    assert ledger.alerts.all() == []

    second = airflow.api.trigger(dag)
    eventually(lambda: airflow.api.get(run_path(dag, second))["state"] == "running", "the run begins")
    let_the_deadline_pass(airflow)
    assert [alert.key for alert in ledger.alerts.all()] == [f"late_runs/{dag}"]
    assert second in ledger.alerts.all()[0].message
