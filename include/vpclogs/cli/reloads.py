"""Reloads of partitions, in Airflow or in this process: the common part of rerun, backfill and replay."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import uuid4

from vpclogs.cli.terminal import UsageError, print_table, report, report_error, report_failure
from vpclogs.errors import ConfigError, InvalidPartition
from vpclogs.foreign_text import shown
from vpclogs.partitions import LogType, Partition
from vpclogs.quantities import many, size_text

if TYPE_CHECKING:
    from vpclogs.config.settings import Settings
    from vpclogs.pipeline import Pipeline
    from vpclogs.reloads.airflow_api import DagRun
    from vpclogs.reloads.backfill import BackfillPlan
    from vpclogs.reloads.partition_runs import PartitionRuns

__all__ = ["airflow_runs", "confirm", "follow", "parse_budget", "parse_keys", "reload_here", "show_plan"]
__all__ += ["within_budget"]


def parse_keys(keys: Sequence[str], log_type: LogType) -> list[Partition]:
    """Return the partitions of the keys, each once, in the given order.

    Raises:
        UsageError: a key is malformed.
    """
    try:
        return list(dict.fromkeys(Partition.parse(key, log_type) for key in keys))
    except InvalidPartition as error:
        raise UsageError(f"{error} (quote the key, because it contains |)") from None


def parse_budget(text: str | None) -> int | None:
    """Return the bytes in text such as ``2TB``.

    Raises:
        UsageError: it is not a size.
    """
    from vpclogs.config.settings import size_in_bytes

    try:
        return None if text is None else int(size_in_bytes(text))
    except ValueError as error:
        raise UsageError(f"--budget {text}: {error}") from None


def airflow_runs(settings: Settings, log_type: LogType, *, note: str) -> PartitionRuns:
    """Return the partition runs of the configured Airflow.

    Raises:
        ConfigError: none is configured, or there is no login for it.
    """
    from vpclogs.reloads.airflow_api import AirflowApi
    from vpclogs.reloads.partition_runs import PartitionRuns

    if settings.airflow is None:
        raise ConfigError(
            "no Airflow is configured: add `airflow: {url: ...}` to the settings, or run in this process with --local"
        )
    return PartitionRuns(AirflowApi(settings.airflow.with_login(os.environ)), log_type, note=note)


def follow(runs: PartitionRuns, keys: Sequence[str], *, at_once: int, wait: bool) -> int:
    """Start a run per partition, at most ``at_once`` at a time, report each, and return the number of failed ones.

    Without ``wait`` it returns when all have started.
    """
    failed = 0
    try:
        for run in runs.start(keys, at_once=at_once):
            failed += _report_run(run)
        while wait and runs.under_way:
            for run in runs.ended():
                failed += _report_run(run)
    except KeyboardInterrupt:
        report("", f"stopped; still under way in Airflow: {', '.join(runs.under_way) or 'nothing'}")
        raise
    return failed


def _report_run(run: DagRun) -> bool:
    """Report a run. Return True if it failed."""
    from vpclogs.reloads.airflow_api import ACTIVE

    failed = run.state not in (*ACTIVE, "success")
    if failed:
        report_failure(f"{run.key}: the run has {run.state}: {run.url}")
    else:
        report(f"{run.key}: {'done' if run.state == 'success' else f'{run.state}, {run.url}'}")
    return failed


def reload_here(pipeline: Pipeline, partitions: Sequence[Partition], *, command: str) -> int:
    """Reload the partitions one after another in this process; return the number of failed ones."""
    from vpclogs.cli.progress import run_here

    failed = 0
    for number, partition in enumerate(partitions, start=1):
        report(f"{partition.key}: reloading, {number} of {len(partitions)}")
        run_key = f"vpclogs {command}/{partition.key}/{pipeline.clock():%Y-%m-%dT%H:%M:%SZ}/{uuid4().hex[:6]}"
        try:
            batches = pipeline.plan_partition(partition.log_type, partition.key, run_key=run_key)
            run_here(pipeline, batches, run_key)
        except Exception as error:  # Any error costs this partition only.
            report_error(error, partition.key)
            failed += 1
        else:
            _report_reload(pipeline, run_key, partition)
    return failed


def _report_reload(pipeline: Pipeline, run_key: str, partition: Partition) -> None:
    """Report the partition's counts after a reload, and those that it added to others because its records name them."""
    manifest = pipeline.ledger.manifests.latest(run_key)
    if not manifest.targets:
        kept = pipeline.ledger.partitions.status(partition.log_type, only=[partition], since=partition.day)
        rows, quarantined = (kept[0].certificate.rows, kept[0].certificate.quarantined) if kept else (0, 0)
        report(
            f"{partition.key}: nothing to reload, S3 no longer has its objects; "
            f"{many(rows, 'row')}, {quarantined} quarantined are kept"
        )
        return
    committed = pipeline.ledger.intents.committed(manifest.id)
    swapped = {one.key for one in manifest.targets} | {partition.key}
    for key in [partition.key, *sorted(committed.brought.keys() - {partition.key})]:
        one = committed.of(key)
        counts = f"{many(one.rows, 'row')}, {one.quarantined} quarantined"
        report(f"{key}: {counts}" if key in swapped else f"{key}: {counts}, added to what it held")


def show_plan(plan: BackfillPlan) -> None:
    """Print the partitions on stdout, the total cost on stderr."""
    rows = [[one.partition.key, one.state, one.objects, one.pending, one.bytes] for one in plan.work]
    print_table(["partition", "state", "objects", "not loaded", "bytes"], rows)
    report(
        f"{many(len(plan.work), 'partition')} to reload, {plan.done} left out as complete; "
        f"{many(plan.objects, 'object')}, {size_text(plan.bytes)}, {many(plan.batches, 'batch', 'batches')}"
    )
    report(f"S3 requests of the runs: about {plan.requests_to_list} to list, {plan.requests_to_read} to read")
    for failure in plan.failures:
        report_failure(f"{failure.label}: {failure.detail}")


def within_budget(plan: BackfillPlan, settings: Settings, budget: int | None) -> bool:
    """Return True if the plan is within the budget; otherwise report the excess."""
    excess = plan.beyond(settings.limits, budget=budget)
    if excess:
        report_failure(
            f"not started: {excess}. Take fewer days, or raise the limit with --budget, such as --budget 2TB"
        )
    return excess is None


def confirm(question: str, *, sure: bool) -> bool:
    """Ask for confirmation on the terminal, unless ``sure``.

    Raises:
        UsageError: stdin is not a terminal.
    """
    if sure:
        return True
    if not sys.stdin.isatty():
        raise UsageError("confirmation required, but stdin is not a terminal: pass --yes")
    print(f"{shown(question)} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
