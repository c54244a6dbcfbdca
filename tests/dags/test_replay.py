"""A replay as users run it: Airflow, a real S3 server, catalog and ledger."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from demo.seaweed import READER, Seaweed
from tests.pipelines import EVENING, KEY, dns_key, event, put_lines
from vpclogs.config.settings import load_settings
from vpclogs.pipeline import Pipeline

SETTINGS = """
ledger: sqlite:///ledger.db
catalog: {{type: sql, uri: "sqlite:///catalog.db", warehouse: "file://warehouse"}}
limits: {{max_line_bytes: {longest}}}
sources: [{{name: dns, log_type: vpc_dns, bucket: {bucket}, connection: logs}}]
"""
LONG = event(query_name="a-name-that-makes-its-line-too-long-for-the-first-load.example.com.")


@pytest.fixture
def configure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seaweed: Seaweed, bucket: str
) -> Callable[..., Pipeline]:
    """Writes the configuration that Airflow's tasks find; gives the library over the same ledger and tables."""
    extra = {"endpoint_url": seaweed.endpoint, "region_name": "us-east-1"}
    connection = {"conn_type": "aws", "login": READER, "password": seaweed.secrets[READER], "extra": extra}
    config = tmp_path / "vpclogs.yaml"
    monkeypatch.setenv("AIRFLOW_CONN_LOGS", json.dumps(connection))
    monkeypatch.setenv("VPCLOGS_CONFIG", str(config))

    def write(longest: int) -> Pipeline:
        config.write_text(SETTINGS.format(bucket=bucket, longest=longest))
        return Pipeline(load_settings(config, {}), client_for=lambda source: seaweed.client())

    return write


def lines(deployment: Pipeline, table: str) -> list[tuple[str, int | None]]:
    found = deployment.warehouse.table(table).scan().to_arrow().to_pylist()
    return sorted((row["p_source_key"].split("T")[1][:4], row["p_source_line"]) for row in found)


def named(dag_run: Any) -> list[str]:
    """The partitions that the run named to the partition DAG."""
    from airflow.models.asset import AssetEvent
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        events = session.scalars(select(AssetEvent).where(AssetEvent.source_run_id == dag_run.run_id))
        return [e.partition_key for e in events if e.asset.name == "vpc_dns_failed_partitions"]


def test_replay_moves_records_and_starts_reloads_of_the_rest(configure, impatient_dags, s3, bucket):
    put_lines(s3, bucket, dns_key("2100"), [event(), LONG, b"{"])
    s3.put_object(Bucket=bucket, Key=dns_key("2110"), Body=b"PK\x03\x04")
    configure(len(LONG) - 1)
    impatient_dags["vpc_dns_hourly"].test(logical_date=EVENING)
    deployment = configure(1 << 20)

    one = impatient_dags["vpc_dns_replay"].test(run_conf={"reason": "line_too_long"})
    moved = lines(deployment, "vpc_dns"), lines(deployment, "quarantine")
    # within one process `dag.test` keeps the form of the run before
    again = impatient_dags["vpc_dns_replay"].test(run_conf={"reason": None, "partition": KEY})

    assert [run.state for run in (one, again)] == ["success", "success"]
    assert moved == ([("2100", 1), ("2100", 2)], [("2100", 3), ("2110", None)])
    assert (lines(deployment, "vpc_dns"), lines(deployment, "quarantine")) == moved
    assert (named(one), named(again)) == ([], [KEY])


def test_a_form_that_makes_no_sense_fails_at_once(configure, impatient_dags, capfd):
    configure(1 << 20)

    ended = impatient_dags["vpc_dns_replay"].test(run_conf={"reason": "bad_prot", "partition": None})

    assert ended.state == "failed"
    assert "is not a reason code" in capfd.readouterr().out
