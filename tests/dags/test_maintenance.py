"""The daily maintenance as Airflow runs it, on a real S3 server, catalog and ledger."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from demo.seaweed import READER, Seaweed
from tests.factories import DAY
from tests.pipelines import KEY, dns_key, event
from vpclogs.config.settings import load_settings
from vpclogs.partitions import LogType
from vpclogs.pipeline import Pipeline
from vpclogs.warehouse.tables import in_partition

OTHER = KEY.replace("us-west-2", "eu-west-1")
RANGE = {"from": DAY.isoformat(), "to": DAY.isoformat()}


@pytest.fixture
def deployment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seaweed: Seaweed, bucket: str) -> Pipeline:
    """Two partitions of one day, years ago; an object of the second came after the look-back."""
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
    pipeline = Pipeline(load_settings(config, {}), client_for=lambda source: seaweed.client())
    put(seaweed, bucket, "0000")
    put(seaweed, bucket, "0000", vpc="vpc-0e", region="eu-west-1")
    batches = pipeline.plan_days(LogType.VPC_DNS, run_key="load", days=[DAY])
    for batch in batches:
        pipeline.stage(batch)
    pipeline.audit("load")
    pipeline.publish("load")
    put(seaweed, bucket, "2300", vpc="vpc-0e", region="eu-west-1")
    return pipeline


def put(seaweed: Seaweed, bucket: str, name: str, *, vpc: str = "vpc-c26c48ba", region: str = "us-west-2") -> None:
    body = gzip.compress(event(vpc_id=vpc, region=region) + b"\n")
    seaweed.client().put_object(Bucket=bucket, Key=dns_key(name, vpc=vpc), Body=body)


def maintain(dags: dict[str, Any]) -> tuple[str, dict[str, str], list[tuple[str, str | None]]]:
    """Run it; the run's state, its tasks' states, and the asset events by name and partition key."""
    from airflow.models.asset import AssetEvent
    from airflow.utils.session import create_session
    from sqlalchemy import select

    run = dags["vpclogs_maintenance"].test(run_conf=RANGE)
    with create_session() as session:
        events = session.scalars(select(AssetEvent).where(AssetEvent.source_run_id == run.run_id))
        told = sorted((event.asset.name, event.partition_key) for event in events)
    return run.state.value, {task.task_id: task.state for task in run.get_task_instances()}, told


def test_complete_days_are_announced_and_late_ones_reloaded(impatient_dags, deployment):
    state, tasks, told = maintain(impatient_dags)

    assert told == [("vpc_dns_complete", KEY), ("vpc_dns_failed_partitions", OTHER)]
    assert (state, tasks["clean_up"], tasks["announce_vpc_flow"]) == ("success", "success", "skipped")


def test_lost_rows_fail_the_run_and_start_a_reload(impatient_dags, deployment):
    (status, _) = deployment.ledger.partitions.status(LogType.VPC_DNS)
    deployment.warehouse.table("vpc_dns").delete(in_partition(status.partition, "vpc_dns"))

    state, tasks, told = maintain(impatient_dags)

    assert ("vpc_dns_failed_partitions", status.partition.key) in told
    assert (state, tasks["verdict"], tasks["clean_up"]) == ("failed", "failed", "success")
