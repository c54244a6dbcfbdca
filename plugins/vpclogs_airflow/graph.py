"""The task graph of every load: plan, stage per batch, audit, publish, verdict.

Tasks pass references and counts, never rows. The state of a run is in the ledger under its key, so a task that is
retried or cleared continues from there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, cast

from airflow.sdk import XComArg, task
from airflow.sdk.configuration import conf
from airflow.sdk.log import mask_secret
from msgspec import Struct, convert, to_builtins

from vpclogs.errors import InvalidPartition
from vpclogs.foreign_text import logger
from vpclogs.partitions import LogType
from vpclogs.redaction import known_secrets
from vpclogs.runs import BatchRef
from vpclogs_airflow.assets import FAILED_PARTITIONS, TABLES
from vpclogs_airflow.defaults import POOL
from vpclogs_airflow.failures import retry_only_transient

if TYPE_CHECKING:
    from vpclogs.config.settings import Settings
    from vpclogs.pipeline import Pipeline

__all__ = [
    "BATCH_LABEL",
    "FAILED_LABEL",
    "RUN_KEY",
    "as_dict",
    "as_dicts",
    "load",
    "open_pipeline",
    "plan_hour",
    "plan_partition",
    "reload",
    "reload_failed",
]
__all__ += ["stage", "start_reloads"]

_LOG = logger(__name__)

RUN_KEY: Final = "{{ dag.dag_id }}/{{ run_id }}"
BATCH_LABEL: Final = "{{ task.op_kwargs['batch']['label'] }}"
CHANGED_LABEL: Final = (
    "{% set c = task.op_kwargs['counts'] %}{{ c['changed'] }} partitions, {{ '{:,}'.format(c['rows']) }} rows, "
    "{{ '{:,}'.format(c['quarantined']) }} quarantined, {{ c['failed'] }} failed"
)
FAILED_LABEL: Final = "{{ task.op_kwargs['keys'] | length }} partitions"


def load(log_type: LogType, *, plan: Callable[..., XComArg], stage_with: Any = None) -> XComArg:
    """Plan with `plan`, stage (with ``stage_with`` instead of `stage`, if given), audit, publish and announce.

    Return the output of the publish task.
    """
    batches = plan(log_type=log_type.value, run_key=RUN_KEY)
    staged = (stage_with or stage).expand(batch=batches)
    published = publish(run_key=RUN_KEY)
    announce.override(outlets=[TABLES[log_type]]).partial(log_type=log_type.value).expand(counts=published)
    staged >> audit(run_key=RUN_KEY) >> published >> verdict(run_key=RUN_KEY)
    # audit runs after failed batches too, but a run whose plan failed must not end green
    batches >> published
    return published


def reload_failed(log_type: LogType, published: XComArg) -> None:
    """Start a run of the partition DAG for each partition that newly failed in this run."""
    failed = find_failed(run_key=RUN_KEY)
    published >> failed
    reload(log_type, failed)


def reload(log_type: LogType, keys: XComArg) -> None:
    """Start a run of the partition DAG for each key. ``keys`` is one list of keys in a list, or an empty list."""
    start_reloads.override(outlets=[FAILED_PARTITIONS[log_type]]).partial(log_type=log_type.value).expand(keys=keys)


@task(task_id="plan", pool=POOL)
def plan_hour(log_type: str, run_key: str, data_interval_end: datetime | None = None) -> list[dict[str, Any]]:
    """List the objects that are not loaded yet, up to the end of the hour or to now, and split them into batches."""
    with open_pipeline() as pipeline:
        return as_dicts(pipeline.plan(log_type, run_key=run_key, until=data_interval_end))


@task(task_id="plan", pool=POOL)
def plan_partition(
    log_type: str,
    run_key: str,
    partition_key: str | None = None,
    params: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """List the whole partition, loaded or not, and split it into batches."""
    with open_pipeline() as pipeline:
        return as_dicts(pipeline.plan_partition(log_type, chosen_key(partition_key, params or {}), run_key=run_key))


@task(pool=POOL, map_index_template=BATCH_LABEL)
def stage(batch: dict[str, Any]) -> dict[str, Any]:
    """Parse one batch: good records to staging, refused ones to the staged quarantine."""
    with open_pipeline() as pipeline:
        return as_dict(pipeline.stage(convert(batch, BatchRef)))


# all_done: a failed batch must not hold back the partitions of other batches, and a reload may have no batch at all,
# when all objects of its partition are gone.
@task(trigger_rule="all_done")
def audit(run_key: str) -> dict[str, Any]:
    """Check the staged data, partition by partition."""
    with open_pipeline() as pipeline:
        return as_dict(pipeline.audit(run_key))


@task
def publish(run_key: str) -> list[dict[str, int]]:
    """Commit the partitions that passed. Return the counts of the run if it changed a partition, else nothing."""
    with open_pipeline() as pipeline:
        result = pipeline.publish(run_key)
        if not result.changed:
            return []
        counts = pipeline.counts(run_key)
    partitions = {name: len(keys) for name, keys in as_dict(result).items()}
    return [partitions | {"rows": counts.rows, "quarantined": counts.quarantined}]


# A task that succeeds sends an event for each asset that it updates. These two are therefore mapped over one item or
# none: without an item Airflow skips them, and consumers of the asset do not run for nothing.
@task(map_index_template=CHANGED_LABEL)
def announce(log_type: str, counts: dict[str, int], outlet_events: Any = None) -> None:
    """Update the asset of the table, with the run's counts, for DAGs that are scheduled on it."""
    outlet_events[TABLES[LogType(log_type)]].extra = counts


@task
def find_failed(run_key: str) -> list[list[str]]:
    """Return one list of the partitions that failed in this run and had not failed before, or nothing."""
    with open_pipeline() as pipeline:
        keys = pipeline.newly_failed(run_key)
    return [keys] if keys else []


@task(map_index_template=FAILED_LABEL)
def start_reloads(log_type: str, keys: list[str], outlet_events: Any = None) -> None:
    """Add the newly failed partitions to the asset of the partition DAG, which starts a run for each."""
    outlet_events[FAILED_PARTITIONS[LogType(log_type)]].add_partitions(keys)


@task(retries=0)
def verdict(run_key: str) -> dict[str, Any]:
    """Fail the run if a partition is not published, naming each with its reason."""
    with open_pipeline() as pipeline:
        return as_dict(pipeline.verdict(run_key))


@contextmanager
def open_pipeline() -> Iterator[Pipeline]:
    """Provide the pipeline of this deployment. Errors inside decide about retries."""
    # Only running tasks need these imports: they load the data libraries and the AWS SDK.
    from vpclogs.config.settings import load_settings
    from vpclogs.pipeline import Pipeline
    from vpclogs_airflow.clients import client_for

    with retry_only_transient():
        settings = load_settings(None, os.environ)
        for secret in known_secrets():
            mask_secret(secret)  # in the log of this task, also where other libraries write it
        yield Pipeline(within_map_length(settings), client_for=client_for)


def within_map_length(settings: Settings) -> Settings:
    """Return the settings with no more batches than Airflow maps a task over.

    The API server refuses a longer list when the plan task has ended, with an error that names neither setting. Its
    value counts, so all parts of Airflow need the same.
    """
    longest = conf.getint("core", "max_map_length")
    if longest >= settings.limits.max_batches:
        return settings
    _LOG.info(
        "batches per run: %d, the [core] max_map_length of Airflow, which is lower than limits.max_batches (%d)",
        longest,
        settings.limits.max_batches,
    )
    limits = settings.limits.model_copy(update={"max_batches": longest})
    return settings.model_copy(update={"limits": limits})


def as_dict(value: Struct) -> dict[str, Any]:
    """Return a result of the library as XComs hold it."""
    return cast("dict[str, Any]", to_builtins(value))


def as_dicts(values: Iterable[Struct]) -> list[dict[str, Any]]:
    """Return results of the library as XComs hold them."""
    return [as_dict(value) for value in values]


def chosen_key(partition_key: str | None, params: Mapping[str, Any]) -> str:
    """Return the partition of a run: its native key or, in a run triggered by hand, the form's.

    Raises:
        InvalidPartition: neither is given, or both are and they differ.
    """
    keys = {key.strip() for key in (partition_key, params.get("partition")) if key and key.strip()}
    if len(keys) != 1:
        problem = f"names two partitions, {' and '.join(sorted(keys))}" if keys else "names no partition"
        raise InvalidPartition(
            f"this run {problem}: start it with one partition key, such as 123456789012|us-west-2|2022-10-07"
        )
    return keys.pop()
