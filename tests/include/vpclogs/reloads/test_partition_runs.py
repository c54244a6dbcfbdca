"""Partition runs are started at a bounded rate and followed to their ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.fake_airflow import FakeAirflow, fake_airflow
from vpclogs.config.settings import AirflowSettings
from vpclogs.partitions import LogType
from vpclogs.reloads.airflow_api import AirflowApi, AirflowUnavailable, DagRun
from vpclogs.reloads.partition_runs import PartitionRuns

DAG = "vpc_dns_partition"
KEYS = [f"{account:012}|us-west-2|2022-10-07" for account in range(5)]


@pytest.fixture
def airflow() -> Iterator[FakeAirflow]:
    with fake_airflow() as server:
        yield server


def make_runs(airflow: FakeAirflow, sleep: Callable[[float], None] = lambda seconds: None) -> PartitionRuns:
    api = AirflowApi(AirflowSettings(url=airflow.url, token="ready"))
    return PartitionRuns(api, LogType.VPC_DNS, note="test", sleep=sleep)


def follow(runs: PartitionRuns, *, at_once: int) -> list[DagRun]:
    told = list(runs.start(KEYS, at_once=at_once))
    while runs.under_way:
        told += runs.ended()
    return told


def test_never_more_than_so_many_are_active_and_all_end(airflow):
    most = []

    told = follow(make_runs(airflow, lambda seconds: most.append(airflow.active())), at_once=2)

    assert max(most) == 2
    assert [run.key for run in told if run.state == "queued"] == KEYS
    assert sorted(run.key for run in told if run.state == "success") == KEYS


def test_a_failed_run_is_told_and_the_others_go_on(airflow):
    airflow.ends[KEYS[0]] = "failed"

    told = follow(make_runs(airflow), at_once=1)

    assert [run.state for run in told if run.state not in ("queued", "running")] == ["failed", *["success"] * 4]


def test_partition_with_an_active_run_gets_no_second_one(airflow):
    airflow.add(DAG, KEYS[3])

    follow(make_runs(airflow), at_once=5)

    assert sorted(run["partition_key"] for run in airflow.runs) == KEYS


def test_airflow_may_be_away_for_a_while(airflow):
    runs = make_runs(airflow, lambda seconds: airflow.answers.append((503, "restarting")))
    list(runs.start(KEYS[:1], at_once=1))

    with pytest.raises(AirflowUnavailable):
        list(runs.ended())
    runs._sleep = lambda seconds: None
    airflow.answers.clear()

    assert [run.state for run in runs.ended()] == ["success"]
