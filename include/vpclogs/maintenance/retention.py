"""Retention: delete partitions past their retention, and old entries of the ledger.

Rows are deleted first, then the ledger's entries: after an interruption in between, the next run finds no row and
continues. Planning leaves out expired days, so forgotten objects are not loaded again.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING

from pyiceberg.expressions import And, BooleanExpression, LessThan
from pyiceberg.table import Table

from vpclogs.partitions import LogType
from vpclogs.quantities import many
from vpclogs.schemas import schema_for
from vpclogs.warehouse.commit_retry import commit
from vpclogs.warehouse.partition_files import files_by_partition
from vpclogs.warehouse.snapshots import FastTransaction, history, intent_of
from vpclogs.warehouse.tables import QUARANTINE, equals

if TYPE_CHECKING:
    from vpclogs.config.settings import MaintenanceSettings
    from vpclogs.pipeline import Pipeline

__all__ = ["RETENTION_PROPERTY", "Pruned", "Retired", "first_refused", "prune", "retire"]

RETENTION_PROPERTY = "vpclogs.retention"
"""The key, in a snapshot's summary, of the first day that is kept."""

_ATTEMPTS = 50


@dataclass
class Retired:
    """The deleted partitions by table, and the number of objects deleted from the ledger."""

    partitions: dict[str, int] = field(default_factory=dict)
    objects: int = 0

    def lines(self, *, dry_run: bool) -> list[str]:
        """Return the result in words."""
        would = "would be " if dry_run else ""
        gone = [f"{many(count, 'partition')} of {name} {would}deleted" for name, count in self.partitions.items()]
        return [*gone, f"{many(self.objects, 'object')} forgotten"] if gone else ["everything is kept"]


@dataclass
class Pruned:
    """The runs deleted from the ledger, and the publishes whose statistics were added up."""

    publishes: int = 0
    runs: int = 0
    findings: int = 0

    def lines(self, *, dry_run: bool) -> list[str]:
        """Return the result in words."""
        return [f"{many(self.runs, 'run')} and {many(self.findings, 'finding')} forgotten"]


def retire(pipeline: Pipeline, *, dry_run: bool = False) -> Retired:
    """Delete the partitions that are older than their retention."""
    maintenance, today = pipeline.settings.maintenance, pipeline.clock().date()
    done = Retired()
    for log_type in LogType:
        first = maintenance.first_kept_day(log_type, today)
        for name, since in ((QUARANTINE, first_refused(maintenance, log_type, today)), (log_type.value, first)):
            if since is not None:
                count = _delete(pipeline, name, log_type, since, dry_run=dry_run)
                done.partitions[name] = done.partitions.get(name, 0) + count
        if first is not None and not dry_run:
            done.objects += pipeline.ledger.pruning.partitions(log_type, first)
    return done


def prune(pipeline: Pipeline) -> Pruned:
    """Delete old runs from the ledger. Their statistics are added up by partition first."""
    maintenance, now, ledger = pipeline.settings.maintenance, pipeline.clock(), pipeline.ledger
    before = now - timedelta(days=maintenance.keep_runs_days)
    # Before runs are deleted, whose staged batches hold the statistics.
    publishes = ledger.statistics.add_up(now=now)
    ledger.pruning.give_up_staged(now - timedelta(days=maintenance.keep_staged_days), now=now)
    # Intents of snapshots that still exist: publishing compares the newest of them with the ledger.
    needed = {
        intent
        for name in pipeline.warehouse.names()
        for snapshot in history(pipeline.warehouse.table(name))
        if (intent := intent_of(snapshot))
    }
    runs = ledger.pruning.unpublished_runs() + ledger.pruning.published_runs(before, needed=needed)
    return Pruned(publishes, runs, ledger.pruning.findings(before))


def first_refused(maintenance: MaintenanceSettings, log_type: LogType, today: date) -> date | None:
    """Return the first day of the quarantine that is kept: as long as the log, or shorter."""
    first, days = maintenance.first_kept_day(log_type, today), maintenance.retention_days.quarantine
    if days is None:
        return first
    mine = today - timedelta(days=days)
    return mine if first is None else max(first, mine)


def _delete(pipeline: Pipeline, name: str, log_type: LogType, since: date, *, dry_run: bool) -> int:
    """Delete the partitions of a table before a day and return their number. Drops whole files and rewrites none."""
    where = _before(name, log_type, since)
    counts = [0]

    def attempt() -> None:
        table = pipeline.warehouse.table(name)
        counts.append(len(files_by_partition(table, where)))
        if counts[-1] and not dry_run:
            _drop(table, where, since)

    commit(attempt, f"deleting the days before {since} of {name}", attempts=_ATTEMPTS, sleep=pipeline.sleep)
    # The last count is 0 if an earlier attempt succeeded but its answer was lost.
    return max(counts)


def _drop(table: Table, where: BooleanExpression, since: date) -> None:
    with FastTransaction(table) as transaction, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Delete operation did not match")  # a concurrent retention was faster
        transaction.delete(where, snapshot_properties={RETENTION_PROPERTY: since.isoformat()})


def _before(name: str, log_type: LogType, since: date) -> BooleanExpression:
    # pyiceberg converts names and values itself, but its types do not declare it
    older: BooleanExpression = LessThan("p_day", since)  # type: ignore
    return And(older, equals("p_log_type", schema_for(log_type).title)) if name == QUARANTINE else older
