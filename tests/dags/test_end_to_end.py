"""The DAGs as users run them: Airflow, its connection, a real S3 server, catalog and ledger."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from demo.seaweed import READER, Seaweed
from vpclogs.config.settings import load_settings
from vpclogs.pipeline import Pipeline

EVENING = datetime(2022, 10, 7, 23, 30, tzinfo=UTC)
KEY = "123456789012|us-west-2|2022-10-07"
EVENT = (
    b'{"version":"1.100000","account_id":"123456789012","region":"us-west-2","vpc_id":"vpc-c26c48ba",'
    b'"query_timestamp":"2022-10-07T21:39:49Z","query_name":"ec2messages.us-west-2.amazonaws.com.",'
    b'"query_type":"A","query_class":"IN","rcode":"NOERROR","answers":[{"Rdata":"52.94.176.105","Type":"A",'
    b'"Class":"IN"}],"srcaddr":"172.31.46.187","srcport":"52635","transport":"UDP",'
    b'"srcids":{"instance":"i-09d9aa4e31675db61"}}'
)

Put = Callable[..., None]


@pytest.fixture
def put(s3: Any, bucket: str) -> Put:
    """Delivers one DNS object with the given lines."""

    def deliver(
        hour: int, *lines: bytes, account: str = "123456789012", vpc: str = "vpc-c26c48ba", day: str = "07"
    ) -> None:
        name = f"{vpc}_vpcdnsquerylogs_{account}_202210{day}T{hour:02}00Z_0123abcd.log.gz"
        key = f"AWSLogs/{account}/vpcdnsquerylogs/{vpc}/2022/10/{day}/{name}"
        s3.put_object(Bucket=bucket, Key=key, Body=gzip.compress(b"\n".join(lines) + b"\n"))

    return deliver


@pytest.fixture
def deployment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seaweed: Seaweed, bucket: str) -> Pipeline:
    """A configuration that Airflow's tasks will find, and the library over the same ledger and tables."""
    config = tmp_path / "vpclogs.yaml"
    config.write_text(f"""
ledger: sqlite:///ledger.db
catalog: {{type: sql, uri: "sqlite:///catalog.db", warehouse: "file://warehouse"}}
sources: [{{name: dns, log_type: vpc_dns, bucket: {bucket}, connection: logs}}]
""")
    extra = {"endpoint_url": seaweed.endpoint, "region_name": "us-east-1"}
    connection = {"conn_type": "aws", "login": READER, "password": seaweed.secrets[READER], "extra": extra}
    monkeypatch.setenv("VPCLOGS_CONFIG", str(config))
    monkeypatch.setenv("AIRFLOW_CONN_LOGS", json.dumps(connection))
    return Pipeline(load_settings(config, {}), client_for=lambda source: seaweed.client())


@pytest.fixture
def run(impatient_dags: Any) -> Callable[..., Any]:
    def start(kind: str = "hourly", *, at: datetime | None = EVENING, conf: dict[str, Any] | None = None) -> Any:
        return impatient_dags[f"vpc_dns_{kind}"].test(logical_date=at, run_conf=conf)

    return start


def sources_of(deployment: Pipeline, table: str = "vpc_dns") -> list[str]:
    """The hour in the object's name, and the line, of every row that a reader sees."""
    rows = deployment.warehouse.table(table).scan().to_arrow().to_pylist()
    return sorted(f"{row['p_source_key'].split('_')[3]}:{row['p_source_line']}" for row in rows)


def failed_keys(dag_run: Any) -> list[str]:
    from airflow.models.asset import AssetEvent
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        events = session.scalars(select(AssetEvent).where(AssetEvent.source_run_id == dag_run.run_id))
        return [e.partition_key for e in events if e.asset.name == "vpc_dns_failed_partitions"]


def test_an_hour_is_loaded_and_clearing_its_run_changes_nothing(deployment, put, run):
    put(21, EVENT, b"not json")
    put(22, EVENT, EVENT)

    states = [run().state, run().state]

    assert states == ["success", "success"]
    assert sources_of(deployment) == ["20221007T2100Z:1", "20221007T2200Z:1", "20221007T2200Z:2"]
    assert sources_of(deployment, "quarantine") == ["20221007T2100Z:2"]


def test_late_object_of_yesterday_is_loaded_by_the_next_hour(deployment, put, run):
    put(22, EVENT)
    run()
    put(5, EVENT, day="06")

    run(at=EVENING + timedelta(hours=1))

    assert sources_of(deployment) == ["20221006T0500Z:1", "20221007T2200Z:1"]


def test_denied_account_stops_no_other_and_is_reported(deployment, put, run, seaweed, bucket, capfd):
    put(22, EVENT)
    put(22, EVENT, account="210987654321", vpc="vpc-0a")
    seaweed.deny(bucket, "AWSLogs/210987654321/")

    ended = run()

    assert ended.state == "failed"
    assert ended.get_task_instance("publish").state == "success"
    assert sources_of(deployment) == ["20221007T2200Z:1"]
    assert "210987654321" in capfd.readouterr().out


def test_partition_that_fails_its_audit_is_repaired_by_its_run(deployment, put, run):
    put(22, EVENT)
    run()
    put(23, *[b"garbage"] * 200)

    hour = run(at=EVENING + timedelta(hours=1))
    held_back = sources_of(deployment)
    put(23, EVENT, EVENT)  # the cause is removed
    reload = run("partition", at=None, conf={"partition": KEY})

    assert (hour.state, failed_keys(hour), held_back) == ("failed", [KEY], ["20221007T2200Z:1"])
    assert reload.state == "success"
    assert sources_of(deployment) == ["20221007T2200Z:1", "20221007T2300Z:1", "20221007T2300Z:2"]
    assert sources_of(deployment, "quarantine") == []
