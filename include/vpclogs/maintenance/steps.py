"""The steps of the daily maintenance, for the DAG and the command: plain data in, plain data out.

Each can be killed at any point and run again, and runs beside publishing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from vpclogs.errors import PublishConflict
from vpclogs.partitions import LogType

if TYPE_CHECKING:
    from vpclogs.pipeline import Pipeline

__all__ = ["STEPS", "run_step"]

_ATTEMPTS = 10


def run_step(pipeline: Pipeline, name: str, *, dry_run: bool = False) -> dict[str, Any]:
    """Run one of `STEPS`. A dry run changes nothing and returns the work to do.

    Raises:
        LedgerMismatch: the ledger is older than the tables, so unused data cannot be determined.
    """
    for log_type in LogType:
        if pipeline.settings.sources_for(log_type) and not dry_run:
            pipeline.publisher.require_current_ledger(log_type)
    return STEPS[name](pipeline, dry_run)


def _retire(pipeline: Pipeline, dry_run: bool) -> dict[str, Any]:
    from vpclogs.maintenance.retention import retire

    return asdict(retire(pipeline, dry_run=dry_run))


def _compact(pipeline: Pipeline, dry_run: bool) -> dict[str, Any]:
    from vpclogs.maintenance.compaction import compact

    done = {}
    for name in pipeline.warehouse.names():
        one = compact(
            pipeline.warehouse,
            name,
            settings=pipeline.settings,
            today=pipeline.clock().date(),
            dry_run=dry_run,
        )
        done[name] = asdict(one) | {"partitions": len(one.partitions), "given_up": [p.key for p in one.given_up]}
    return done


def _expire(pipeline: Pipeline, dry_run: bool) -> dict[str, Any]:
    """Snapshots expired, by table."""
    from vpclogs.warehouse.expiry import expire, expired

    maintenance = pipeline.settings.maintenance
    since = pipeline.clock() - timedelta(hours=maintenance.keep_hours)
    done: dict[str, Any] = {}
    for name in pipeline.warehouse.names():
        for _ in range(_ATTEMPTS):
            table = pipeline.warehouse.table(name)
            limits: dict[str, Any] = {
                "keep": maintenance.keep_snapshots,
                "since": since,
                "most": maintenance.max_snapshots,
            }
            waiting = len(expired(table, pipeline.ledger, **limits))
            done[name] = waiting if dry_run else expire(table, pipeline.ledger, **limits)
            if done[name] == waiting:
                break
        else:
            raise PublishConflict(f"the history of {name} kept changing while its snapshots were expired; try again")
    return done


def _prune(pipeline: Pipeline, dry_run: bool) -> dict[str, Any]:
    from vpclogs.maintenance.retention import prune

    return {} if dry_run else asdict(prune(pipeline))


def _clean_up(pipeline: Pipeline, dry_run: bool) -> dict[str, Any]:
    from vpclogs.maintenance.cleanup import clean_up

    return asdict(clean_up(pipeline, dry_run=dry_run))


STEPS: dict[str, Callable[[Pipeline, bool], dict[str, Any]]] = {
    "retire": _retire,
    "compact": _compact,
    "expire": _expire,
    "prune": _prune,
    "clean_up": _clean_up,
}
"""The steps by name, in the most useful order."""
