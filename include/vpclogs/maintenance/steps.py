"""The steps of the daily maintenance, for the DAG and the command.

Each can be killed at any point and run again, and runs beside publishing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Protocol

from vpclogs.partitions import LogType
from vpclogs.quantities import many

if TYPE_CHECKING:
    from vpclogs.maintenance.compaction import Compacted
    from vpclogs.pipeline import Pipeline

__all__ = ["STEPS", "StepResult", "run_step"]

_ATTEMPTS = 10


class StepResult(Protocol):
    """The result of a step."""

    def lines(self, *, dry_run: bool) -> list[str]:
        """Return the result in words, a line per table or total."""


@dataclass(frozen=True)
class CompactedTables:
    """The compactions by table."""

    tables: dict[str, Compacted]

    def lines(self, *, dry_run: bool) -> list[str]:
        """See `StepResult`."""
        return [one.line(name, dry_run=dry_run) for name, one in self.tables.items()]


@dataclass(frozen=True)
class Expired:
    """The number of expired snapshots by table."""

    snapshots: dict[str, int]

    def lines(self, *, dry_run: bool) -> list[str]:
        """See `StepResult`."""
        would = "would be " if dry_run else ""
        return [f"{many(count, 'snapshot')} of {name} {would}expired" for name, count in self.snapshots.items()]


def run_step(pipeline: Pipeline, name: str, *, dry_run: bool = False) -> StepResult:
    """Run one of `STEPS`. A dry run changes nothing and returns the work to do.

    Raises:
        LedgerMismatch: the ledger is older than the tables, so unused data cannot be determined.
    """
    for log_type in LogType:
        if pipeline.settings.sources_for(log_type) and not dry_run:
            pipeline.publisher.require_current_ledger(log_type)
    return STEPS[name](pipeline, dry_run)


def _retire(pipeline: Pipeline, dry_run: bool) -> StepResult:
    from vpclogs.maintenance.retention import retire

    return retire(pipeline, dry_run=dry_run)


def _compact(pipeline: Pipeline, dry_run: bool) -> StepResult:
    from vpclogs.maintenance.compaction import compact

    today, settings = pipeline.clock().date(), pipeline.settings
    run = partial(compact, pipeline.warehouse, settings=settings, today=today, dry_run=dry_run)
    return CompactedTables({name: run(name) for name in pipeline.warehouse.names()})


def _expire(pipeline: Pipeline, dry_run: bool) -> StepResult:
    from vpclogs.warehouse.commit_retry import commit
    from vpclogs.warehouse.expiry import expire, expired

    maintenance, ledger = pipeline.settings.maintenance, pipeline.ledger
    keep, most = maintenance.keep_snapshots, maintenance.max_snapshots
    since = pipeline.clock() - timedelta(hours=maintenance.keep_hours)

    def attempt(name: str) -> int:
        table = pipeline.warehouse.table(name)
        if dry_run:
            return len(expired(table, ledger, keep=keep, since=since, most=most))
        return expire(table, ledger, keep=keep, since=since, most=most)

    return Expired(
        {
            name: commit(
                partial(attempt, name), f"expiring snapshots of {name}", attempts=_ATTEMPTS, sleep=pipeline.sleep
            )
            for name in pipeline.warehouse.names()
        }
    )


def _prune(pipeline: Pipeline, dry_run: bool) -> StepResult:
    from vpclogs.maintenance.retention import Pruned, prune

    return Pruned() if dry_run else prune(pipeline)


def _clean_up(pipeline: Pipeline, dry_run: bool) -> StepResult:
    from vpclogs.maintenance.cleanup import clean_up

    return clean_up(pipeline, dry_run=dry_run)


STEPS: dict[str, Callable[[Pipeline, bool], StepResult]] = {
    "retire": _retire,
    "compact": _compact,
    "expire": _expire,
    "prune": _prune,
    "clean_up": _clean_up,
}
"""The steps by name, in the most useful order."""
