"""A deployment over a bucket of DNS objects, in this process and in others, in few words."""

from __future__ import annotations

import gzip
import itertools
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from tests.factories import row_ids
from tests.forking import Child, Forker
from tests.integration.crash_jobs import make_pipeline
from tests.pipelines import EVENT
from vpclogs.partitions import LogType
from vpclogs.pipeline import Pipeline
from vpclogs.warehouse.tables import QUARANTINE, Warehouse

EVENING = datetime(2022, 10, 7, 23, tzinfo=UTC)
DAY = date(2022, 10, 7)
ACCOUNT = "111111111111"


def dns_key(name: str, *, account: str = ACCOUNT, day: date = DAY) -> str:
    """The key of a DNS object; ``name`` is its time, as 2140. Each account has one VPC."""
    vpc = f"vpc-{account[:6]}"
    stem = f"{vpc}_vpcdnsquerylogs_{account}_{day:%Y%m%d}T{name}Z_0123abcd.log.gz"
    return f"AWSLogs/{account}/vpcdnsquerylogs/{vpc}/{day:%Y/%m/%d}/{stem}"


def dns_body(good: int, bad: int = 0, *, account: str = ACCOUNT, day: date = DAY, port: int = 1000) -> bytes:
    """``good`` records with ports from ``port`` on, then ``bad`` lines that are none."""
    event = EVENT | {"account_id": account, "query_timestamp": f"{day}T21:39:49Z"}
    lines = [json.dumps(event | {"srcport": str(port + number)}).encode() for number in range(good)]
    return gzip.compress(b"\n".join([*lines, *[b"{broken"] * bad]) + b"\n", mtime=0)


def partition_key(account: str = ACCOUNT, day: date = DAY) -> str:
    return f"{account}|us-west-2|{day}"


@dataclass
class Deployment:
    """Settings over a bucket, with a ledger and a warehouse of their own."""

    settings: dict[str, Any]
    endpoint: str
    user: str
    until: datetime = EVENING
    _runs: Iterator[int] = field(default_factory=itertools.count)

    def pipeline(self, **changes: Any) -> Pipeline:
        """A pipeline in this process; ``until`` and ``endpoint`` may differ."""
        how = {"endpoint": self.endpoint, "until": self.until, "user": self.user} | changes
        return make_pipeline(self.settings, **how | {"until": how["until"].isoformat()})

    def start(self, forker: Forker, run_key: str, *, job: str = "run", **more: Any) -> Child:
        """A run, or another of the jobs in `crash_jobs`, in a process of its own."""
        how = {"settings": self.settings, "endpoint": self.endpoint, "until": self.until.isoformat()}
        return forker.start(f"tests.integration.crash_jobs:{job}", how | {"user": self.user, "run_key": run_key} | more)

    def run(self, *, reload: str | None = None, verdict: bool = True, **changes: Any) -> Pipeline:
        """One run in this process: an hourly one, or the reload of a partition."""
        pipeline, run_key = self.pipeline(**changes), f"run {next(self._runs)}"
        if reload:
            batches = pipeline.plan_partition(LogType.VPC_DNS, reload, run_key=run_key)
        else:
            batches = pipeline.plan(LogType.VPC_DNS, run_key=run_key)
        for batch in batches:
            pipeline.stage(batch)
        pipeline.audit(run_key)
        pipeline.publish(run_key)
        if verdict:
            pipeline.verdict(run_key)
        return pipeline

    @property
    def warehouse(self) -> Warehouse:
        return self.pipeline().warehouse

    def visible(self) -> tuple[Counter[str], Counter[str]]:
        """The row ids that a reader sees in the table and in the quarantine."""
        warehouse = self.warehouse
        return Counter(row_ids(warehouse)), Counter(row_ids(warehouse, QUARANTINE))

    def ports(self) -> list[int]:
        """The source ports in the table, sorted: what tells one made-up record from another."""
        rows = self.warehouse.table("vpc_dns").scan(selected_fields=("srcport",)).to_arrow()
        return sorted(int(port) for port in rows.column("srcport").to_pylist())
