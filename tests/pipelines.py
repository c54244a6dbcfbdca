"""A deployment over one bucket of the test's S3 server, and its runs, in few words."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vpclogs.config.settings import Settings
from vpclogs.partitions import LogType
from vpclogs.pipeline import Pipeline
from vpclogs.runs import BatchRef, RunCounts

EVENING = datetime(2022, 10, 7, 23, tzinfo=UTC)
KEY = "123456789012|us-west-2|2022-10-07"

EVENT = {
    "version": "1.100000",
    "account_id": "123456789012",
    "region": "us-west-2",
    "vpc_id": "vpc-c26c48ba",
    "query_timestamp": "2022-10-07T21:39:49Z",
    "query_name": "ec2messages.us-west-2.amazonaws.com.",
    "query_type": "A",
    "query_class": "IN",
    "rcode": "NOERROR",
    "answers": [{"Rdata": "52.94.176.105", "Type": "A", "Class": "IN"}],
    "srcaddr": "172.31.46.187",
    "srcport": "52635",
    "transport": "UDP",
    "srcids": {"instance": "i-09d9aa4e31675db61"},
}


def make_pipeline(
    folder: Path,
    bucket: str,
    client: Any,
    *,
    clock: Callable[[], datetime] = lambda: EVENING,
    ledger: str | None = None,
    **limits: Any,
) -> Pipeline:
    """The pipeline whose catalog and warehouse, and ledger unless it is given, are in ``folder``; any audit passes."""
    settings = Settings.model_validate(
        {
            "ledger": ledger or f"sqlite:///{folder}/ledger.db",
            "catalog": {"type": "sql", "uri": f"sqlite:///{folder}/catalog.db", "warehouse": f"file://{folder}/lake"},
            "limits": limits,
            "audit": {
                "max_quarantined_share": 1,
                "max_refused_objects_share": 1,
                "max_misdated_share": 1,
                "max_foreign_region_share": 1,
            },
            "sources": [
                {"name": "dns", "log_type": "vpc_dns", "bucket": bucket},
                {"name": "flow", "log_type": "vpc_flow", "bucket": bucket},
            ],
        }
    )
    return Pipeline(settings, client_for=lambda source: client, clock=clock, sleep=lambda seconds: None)


def dns_key(name: str, *, account: str = "123456789012", vpc: str = "vpc-c26c48ba", day: str = "2022/10/07") -> str:
    """A key as AWS makes it; ``name`` is four digits."""
    file = f"{vpc}_vpcdnsquerylogs_{account}_{day.replace('/', '')}T{name}Z_0123abcd.log.gz"
    return f"AWSLogs/{account}/vpcdnsquerylogs/{vpc}/{day}/{file}"


def flow_key(name: str, *, account: str = "123456789012", region: str = "us-west-2", day: str = "2022/10/07") -> str:
    """A key as AWS makes it; ``name`` is four digits."""
    file = f"{account}_vpcflowlogs_{region}_fl-1234abcd_{day.replace('/', '')}T{name}Z_0123abcd.log.gz"
    return f"AWSLogs/{account}/vpcflowlogs/{region}/{day}/{file}"


def event(**changes: Any) -> bytes:
    """One DNS record."""
    return json.dumps(EVENT | changes).encode()


def put_lines(s3: Any, bucket: str, key: str, lines: Sequence[bytes]) -> None:
    """Put a gzipped object of these lines."""
    s3.put_object(Bucket=bucket, Key=key, Body=gzip.compress(b"\n".join(lines) + b"\n"))


def run_hour(pipeline: Pipeline, run_key: str, log_type: LogType = LogType.VPC_DNS) -> RunCounts:
    """One hourly run, as the DAG does it."""
    return finish(pipeline, run_key, pipeline.plan(log_type, run_key=run_key))


def reload(pipeline: Pipeline, key: str, run_key: str, log_type: LogType = LogType.VPC_DNS) -> RunCounts:
    """One run of the partition DAG."""
    return finish(pipeline, run_key, pipeline.plan_partition(log_type, key, run_key=run_key))


def finish(pipeline: Pipeline, run_key: str, batches: Sequence[BatchRef]) -> RunCounts:
    """All of a run after its plan."""
    return pipeline.run(batches, run_key)


def rows(pipeline: Pipeline, table: str, *columns: str) -> list[dict[str, Any]]:
    """The columns of all rows of a table, in the order of the row ids."""
    found = pipeline.warehouse.table(table).scan(selected_fields=("p_row_id", *columns)).to_arrow()
    return list(found.sort_by("p_row_id").to_pylist())


def contents(pipeline: Pipeline) -> dict[str, list[dict[str, Any]]]:
    """Everything in the tables but the times of parsing, sorted."""
    found = {}
    for name in ("vpc_dns", "vpc_flow", "quarantine"):
        table = pipeline.warehouse.table(name).scan().to_arrow().drop_columns(["p_parse_time"])
        found[name] = table.sort_by("p_row_id").to_pylist()
    return found
