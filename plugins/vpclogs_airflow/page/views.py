"""The content of each view, from the ledger's queries that the command uses too."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException

from vpclogs.ledger import Ledger
from vpclogs.ledger.conditions import Condition
from vpclogs.ledger.history import Run
from vpclogs.ledger.partitions import Selection
from vpclogs.partitions import LogType, Partition
from vpclogs.reasons import REASONS
from vpclogs_airflow.page.sums import RecentSums

if TYPE_CHECKING:
    from vpclogs.ledger.alerts import Alert
    from vpclogs.profile.partition_statistics import PartitionStatistics
    from vpclogs.profile.refused_samples import RefusedSample

__all__ = ["Filters", "acknowledge", "batch", "log_type_of", "overview", "partition", "run"]

_LOG = logging.getLogger(__name__)

_ROWS_PER_PAGE = 50
_OBJECTS_PER_PAGE = 100
_SUMS = RecentSums(timedelta(seconds=15), most=32)


class Filters(BaseModel):
    """The choices of the overview, as they stand in its address."""

    log: LogType | None = None
    account: str = Field("", max_length=12)
    region: str = Field("", max_length=40)
    text: str = Field("", max_length=100)
    state: Condition | None = None
    days: int = Field(14, ge=1, le=60)
    until: date | None = None
    page: int = Field(1, ge=1)


def log_type_of(dag_id: str) -> LogType | None:
    """Return the log that a DAG of vpclogs loads, or None for any other DAG."""
    found = [log_type for log_type in LogType if dag_id.startswith(f"{log_type.value}_")]
    return found[0] if found else None


def overview(chosen: Filters, logs: Sequence[LogType]) -> dict[str, Any]:
    """Return the partitions by account and region against days, with totals, and the open alerts."""
    now = datetime.now(UTC)
    ledger = _ledger()
    log_type = chosen.log or logs[0]
    until = chosen.until or now.date()
    since = until - timedelta(days=chosen.days - 1)
    selection = Selection(
        log_type, since, until, chosen.account or None, chosen.region or None, text=chosen.text.strip() or None
    )
    sums = _SUMS.of(ledger, selection, chosen.state, now)
    first = (chosen.page - 1) * _ROWS_PER_PAGE
    lines = sums.lines[first : first + _ROWS_PER_PAGE]
    total = sums.total
    return {
        "chosen": chosen,
        "log_type": log_type,
        "logs": logs,
        "days": [since + timedelta(days=number) for number in range(chosen.days)],
        "lines": lines,
        "cells": ledger.overview.cells_by_line(selection, lines, now=now) if lines else {},
        "count": len(sums.lines),
        "pages": -(-len(sums.lines) // _ROWS_PER_PAGE),
        "conditions": [(condition, total.conditions[condition]) for condition in Condition],
        "totals": sums.days,
        "total": total,
        "requests": ledger.overview.requests(log_type, since=now - timedelta(days=30)),
        "unread": ledger.watching.unread(log_type),
        "unlisted": ledger.watching.unlisted(log_type),
        "alerts": _visible(ledger, logs),
        "now": now,
    }


def partition(chosen: Partition, *, after: int = 0) -> dict[str, Any]:
    """Return the state, counts, findings, objects and runs of a partition.

    Raises:
        HTTPException: the ledger does not know it.
    """
    now = datetime.now(UTC)
    ledger = _ledger()
    found = ledger.overview.cells_of(chosen.log_type, [chosen], now=now)
    if not found:
        raise HTTPException(404)
    listed = ledger.history.objects(chosen, after=after, limit=_OBJECTS_PER_PAGE)
    return {
        "partition": chosen,
        "cell": found[0],
        "hours": ledger.history.hours(chosen),
        "reasons": _reasons(ledger.statistics.so_far(chosen)),
        "refused_objects": ledger.history.refused_objects(chosen),
        "meanings": REASONS,
        "findings": _newest_of_each(ledger.partitions.findings(chosen, limit=200)),
        "objects": listed,
        "next": listed[-1].id if len(listed) == _OBJECTS_PER_PAGE else None,
        "runs": [(one, *_airflow_run(one)) for one in ledger.history.runs(chosen)],
        "now": now,
    }


def _reasons(statistics: PartitionStatistics) -> list[tuple[str, int, list[RefusedSample]]]:
    """Return the reasons of refused records with their numbers and samples, the most frequent first."""
    counts = sorted(statistics.reasons.names.items(), key=lambda one: -one[1].count)
    return [(name, entry.count, statistics.refused_samples.reasons.get(name, [])) for name, entry in counts]


def acknowledge(alert: int, *, by: str, note: str) -> None:
    """Record that a user has seen an alert.

    Raises:
        HTTPException: there is no such open alert, or the page may not write to the ledger.
    """
    try:
        known = _ledger().alerts.acknowledge(alert, by=by, note=note, now=datetime.now(UTC))
    except DBAPIError as error:
        _LOG.warning("alert %d cannot be acknowledged: %s", alert, error.orig)
        hint = f"The page's login may only read the ledger. Run `vpclogs alerts ack {alert} --note TEXT` instead."
        raise HTTPException(409, hint) from None
    if not known:
        raise HTTPException(404)


def _visible(ledger: Ledger, logs: Sequence[LogType]) -> list[Alert]:
    """Return the open alerts about sources of the logs that the user may see; all of them if those are all logs."""
    found = ledger.alerts.all()
    if len(logs) == len(LogType):
        return found
    names = {*logs, *ledger.deliveries.sources(logs)}
    return [one for one in found if names.intersection(one.key.split("/")[1:2])]


def _newest_of_each(found: Sequence[Any]) -> list[tuple[Any, int]]:
    """Return the newest finding of each check, and how often the check made one; every rerun repeats them."""
    times = Counter(one.check for one in found)
    newest = {one.check: one for one in reversed(found)}
    return [(one, times[one.check]) for one in found if newest[one.check] is one]


def run(dag_id: str, run_id: str) -> dict[str, Any]:
    """Return the partitions that a run planned, with their state now."""
    ledger = _ledger()
    found = ledger.history.run(f"{dag_id}/{run_id}")
    names: dict[str, Any] = {"dag_id": dag_id, "run_id": run_id, "found": found, "now": datetime.now(UTC)}
    if found is None:
        return names
    planned = ledger.history.partitions_of(found)
    if not planned:
        return names | {"rows": [], "counts": []}
    rows = ledger.overview.cells_of(found.log_type, planned, now=names["now"])
    counts = Counter(cell.condition for cell in rows)
    rows.sort(key=lambda cell: list(Condition).index(cell.condition))
    return names | {"rows": rows[:500], "counts": [(one, counts[one]) for one in Condition if counts[one]]}


def batch(dag_id: str, run_id: str, number: int) -> dict[str, Any]:
    """Return the objects of one batch of a run, with their state now."""
    ledger = _ledger()
    found = ledger.history.run(f"{dag_id}/{run_id}")
    listed = [] if found is None else ledger.history.batch(found.manifest, number)
    return {"dag_id": dag_id, "run_id": run_id, "number": number, "objects": listed}


def _airflow_run(one: Run) -> tuple[str, str]:
    """Return the DAG and run of Airflow, or nothing for runs of the command."""
    dag, slash, run_id = one.key.partition("/")
    return (dag, run_id) if slash and log_type_of(dag) else ("", one.key)


def _ledger() -> Ledger:
    # The API server needs no settings and no AWS credentials if it has a login of its own for the ledger.
    url = os.environ.get("VPCLOGS_PAGE_LEDGER")
    if url:
        return _opened(url, read_only=True)
    from vpclogs.config.settings import load_settings

    return _opened(load_settings(None, os.environ).ledger, read_only=False)


@lru_cache(maxsize=4)
def _opened(url: str, *, read_only: bool) -> Ledger:
    return Ledger(url, read_only=read_only)
