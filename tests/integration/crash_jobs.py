"""What the processes of the crash and race tests do. They are forked by `tests.forking`."""

from __future__ import annotations

import inspect
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pyarrow.parquet as pq
from botocore.config import Config
from pyiceberg.catalog.sql import SqlCatalog

from tests.factories import NOW, freeze, make_object, stage_objects
from vpclogs.config.settings import Settings
from vpclogs.errors import PartitionsFailed
from vpclogs.ledger import Ledger
from vpclogs.ledger.database import Database
from vpclogs.maintenance.reconciliation import reconcile
from vpclogs.manifests import Mode
from vpclogs.partitions import LogType, Partition
from vpclogs.pipeline import Pipeline
from vpclogs.publishing.publisher import Publisher
from vpclogs.recovery.replay import plan_replay, stage_replay
from vpclogs.warehouse.tables import Warehouse

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def make_pipeline(settings: dict[str, Any], *, endpoint: str, until: str, user: str) -> Pipeline:
    """A pipeline over the S3 server at ``endpoint``, at a fixed time. Its waits are a tenth as long."""
    return Pipeline(
        Settings.model_validate(settings),
        client_for=lambda source: _client(endpoint, user),
        clock=lambda: datetime.fromisoformat(until),
        sleep=lambda seconds: time.sleep(seconds / 10),
    )


@cache
def _client(endpoint: str, user: str) -> S3Client:
    config = Config(s3={"addressing_style": "path"}, max_pool_connections=16, retries={"total_max_attempts": 1})
    session = boto3.Session(user, f"{user}secret", region_name="us-east-1")
    return session.client("s3", endpoint_url=endpoint, config=config)


def run_pipeline(pipeline: Pipeline, run_key: str, *, reload: str | None = None, replay: bool = False) -> None:
    """One run as its DAG does it. Partitions that fail their audit are no error here."""
    if replay:
        batches = plan_replay(pipeline, "vpc_dns", run_key=run_key)
    elif reload:
        batches = pipeline.plan_partition("vpc_dns", reload, run_key=run_key)
    else:
        batches = pipeline.plan("vpc_dns", run_key=run_key)
    try:
        pipeline.run(batches, run_key, stage=partial(stage_replay, pipeline) if replay else None)
    except PartitionsFailed as failed:
        print(failed)


def run(job: dict[str, Any]) -> None:
    """A run that dies at its kill point number ``die_at``, or writes the names of all points to ``points``."""
    pipeline = make_pipeline(job["settings"], endpoint=job["endpoint"], until=job["until"], user=job["user"])
    with _dying(job):
        run_pipeline(pipeline, job["run_key"], reload=job.get("reload"), replay=job.get("replay", False))


def reconcile_day(job: dict[str, Any]) -> None:
    """A reconciliation of one day, the job's ``day``, that dies as `run` does."""
    pipeline = make_pipeline(job["settings"], endpoint=job["endpoint"], until=job["until"], user=job["user"])
    with _dying(job):
        reconcile(pipeline, LogType.VPC_DNS, run_key=job["run_key"], days=[date.fromisoformat(job["day"])])


@contextmanager
def _dying(job: dict[str, Any]) -> Iterator[None]:
    passed: list[str] = []

    def at(point: str) -> None:
        passed.append(point)
        if len(passed) == job.get("die_at"):
            os.kill(os.getpid(), signal.SIGKILL)

    set_kill_points(at)
    yield
    if "points" in job:
        Path(job["points"]).write_text("\n".join(passed))


def set_kill_points(at: Callable[[str], None]) -> None:
    """Call ``at`` before and after everything that others could see afterwards."""
    for owner, names in (
        (SqlCatalog, ("commit_table", "_write_metadata")),
        (Warehouse, ("create_file", "delete_file", "_create")),
        (pq.ParquetWriter, ("write_table", "close")),
        (Pipeline, ("plan", "plan_partition", "stage", "audit", "publish", "verdict")),
    ):
        for name in names:
            between = _between(getattr(owner, name), name, at)
            static = isinstance(inspect.getattr_static(owner, name), staticmethod)
            setattr(owner, name, staticmethod(between) if static else between)
    Database.write = _write_between(Database.write, at)  # type: ignore[method-assign]


def _between(function: Callable[..., Any], name: str, at: Callable[[str], None]) -> Callable[..., Any]:
    def between(*args: Any, **kwargs: Any) -> Any:
        at(f"before {name}")
        result = function(*args, **kwargs)
        at(f"after {name}")
        return result

    return between


def _write_between(write: Callable[..., Any], at: Callable[[str], None]) -> Callable[..., Any]:
    @contextmanager
    def between(self: Database) -> Iterator[Any]:
        at("before a ledger transaction")
        with write(self) as connection:
            yield connection
            at("before a ledger commit")
        at("after a ledger commit")

    return between


def publish_runs(job: dict[str, Any]) -> None:
    """Publish made-up objects: ``runs`` name their key, mode and objects as (name, partition key)."""
    ledger, warehouse = Ledger(job["ledger"]), Warehouse(job["catalog"], namespace=job["namespace"])
    publisher = Publisher(ledger, warehouse, clock=lambda: NOW)
    for one in job["runs"]:
        objects = [make_object(name, partition=Partition.parse(key, "vpc_dns")) for name, key in one["objects"]]
        manifest = freeze(ledger, objects, run_key=one["key"], mode=Mode(one["mode"]))
        publisher.publish(manifest, {0: stage_objects(warehouse, objects)}, sorted({o.partition.key for o in objects}))
