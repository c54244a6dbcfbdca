"""The tasks of the maintenance DAG: reconcile each log, announce complete partitions, then the steps."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from itertools import pairwise
from typing import Any, Final

from airflow.sdk import Param, XComArg, task

from vpclogs.maintenance.steps import STEPS
from vpclogs.partitions import LogType
from vpclogs_airflow.assets import COMPLETE_PARTITIONS, FAILED_PARTITIONS
from vpclogs_airflow.defaults import POOL
from vpclogs_airflow.graph import FAILED_LABEL, RUN_KEY, open_pipeline, start_reloads

__all__ = ["PARAMS", "maintain"]

PARAMS: Final = {
    "from": Param(None, type=["null", "string"], format="date", title="From", description="First day to reconcile."),
    "to": Param(None, type=["null", "string"], format="date", title="To", description="Last day; empty: today."),
}
"""The trigger form."""


def maintain() -> None:
    """Reconcile, then run each step regardless of the one before; at the end judge them all."""
    results = [reconciled(log_type) for log_type in LogType]
    steps = [run_step_of.override(task_id=name)(name) for name in STEPS]
    results >> steps[0]
    for step, later in pairwise(steps):
        step >> later
    [*results, *steps] >> verdict(results)


def reconciled(log_type: LogType) -> XComArg:
    """Reconcile a log, then start reloads of late partitions and announce complete ones."""
    result = reconcile.override(task_id=f"reconcile_{log_type}")(log_type=log_type.value, run_key=RUN_KEY)
    late = named.override(task_id=f"late_{log_type}")(result, "reload")
    failed = start_reloads.override(task_id=f"start_reloads_{log_type}", outlets=[FAILED_PARTITIONS[log_type]])
    failed.partial(log_type=log_type.value).expand(keys=late)
    complete = named.override(task_id=f"complete_{log_type}")(result, "announce")
    told = announce.override(task_id=f"announce_{log_type}", outlets=[COMPLETE_PARTITIONS[log_type]])
    told.partial(log_type=log_type.value).expand(keys=complete)
    return result


@task(pool=POOL)
def reconcile(log_type: str, run_key: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """List the last days again, compare S3, ledger and tables, and write certificates."""
    from vpclogs.maintenance import reconciliation

    with open_pipeline() as pipeline:
        days = chosen_days(params or {}, pipeline.clock().date())
        return reconciliation.reconcile(pipeline, LogType(log_type), run_key=run_key, days=days).to_json()


@task
def named(result: Any, which: str) -> list[list[str]]:
    """Return one list of keys, or none: a task mapped over none is skipped, and its asset gets no event."""
    return [result[which]] if result[which] else []


@task(map_index_template=FAILED_LABEL)
def announce(log_type: str, keys: list[str], outlet_events: Any = None) -> None:
    """Announce complete partitions to waiting DAGs. A repeated task announces them again."""
    outlet_events[COMPLETE_PARTITIONS[LogType(log_type)]].add_partitions(keys)
    with open_pipeline() as pipeline:
        pipeline.ledger.certificates.announced(LogType(log_type), keys)


# all_done: one failed step must not keep the next from running
@task(trigger_rule="all_done")
def run_step_of(step: str) -> list[str]:
    """Run one step of the maintenance. Return its result in words."""
    from vpclogs.maintenance.steps import run_step

    with open_pipeline() as pipeline:
        return run_step(pipeline, step).lines(dry_run=False)


@task(retries=0)
def verdict(results: Any) -> None:
    """Fail the run if S3 could not be listed, or if tables and ledger differ, naming each."""
    from vpclogs.errors import PartitionsFailed

    wrong = [(key, why) for result in results for key, why in (*result["mismatched"], *result["unlisted"])]
    if wrong:
        raise PartitionsFailed(wrong)


def chosen_days(params: Mapping[str, Any], today: date) -> list[date] | None:
    """Return the days that the form names, or None."""
    if not params.get("from"):
        return None
    first, last = (date.fromisoformat(params.get(name) or today.isoformat()) for name in ("from", "to"))
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]
