"""The content of each view, from the ledger's queries that the command uses too."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from vpclogs.ledger import Ledger
from vpclogs.ledger.conditions import Condition, Row, cells, grid
from vpclogs.ledger.history import Run
from vpclogs.partitions import LogType, Partition

__all__ = ["Filters", "batch", "log_type_of", "overview", "partition", "run"]

_ROWS_PER_PAGE = 50
_OBJECTS_PER_PAGE = 100


class Filters(BaseModel):
    """The choices of the overview, as they stand in its address."""

    log: LogType | None = None
    account: str = Field("", max_length=12)
    region: str = Field("", max_length=40)
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
    statuses = ledger.partitions.status(
        log_type, since=since, until=until, account=chosen.account or None, region=chosen.region or None
    )
    certified = ledger.certificates.complete(log_type, since=since, until=until)
    found = cells(statuses, certified=certified, now=now)
    counts = Counter(cell.condition for cell in found)
    rows = grid(found)
    if chosen.state is not None:
        rows = [row for row in rows if any(cell.condition is chosen.state for cell in row.cells.values())]
    rows.sort(key=lambda row: (list(Condition).index(row.worst), row.account, row.region))
    first = (chosen.page - 1) * _ROWS_PER_PAGE
    return {
        "chosen": chosen,
        "log_type": log_type,
        "logs": logs,
        "days": [since + timedelta(days=number) for number in range(chosen.days)],
        "rows": rows[first : first + _ROWS_PER_PAGE],
        "count": len(rows),
        "pages": -(-len(rows) // _ROWS_PER_PAGE),
        "conditions": [(condition, counts[condition]) for condition in Condition],
        "totals": _totals(rows),
        "records": sum(row.rows for row in rows),
        "quarantined": sum(cell.status.certificate.quarantined for row in rows for cell in row.cells.values()),
        "alerts": ledger.alerts.all(),
        "now": now,
    }


def _totals(rows: Sequence[Row]) -> Counter[date]:
    totals = Counter[date]()
    for row in rows:
        totals.update({day: cell.status.certificate.rows for day, cell in row.cells.items()})
    return totals


def partition(chosen: Partition, *, after: int = 0) -> dict[str, Any]:
    """Return the state, counts, findings, objects and runs of a partition.

    Raises:
        HTTPException: the ledger does not know it.
    """
    now = datetime.now(UTC)
    ledger = _ledger()
    statuses = ledger.partitions.status(chosen.log_type, only=[chosen])
    if not statuses:
        raise HTTPException(404)
    certified = ledger.certificates.complete(chosen.log_type, since=chosen.day, until=chosen.day)
    (cell,) = cells(statuses, certified=certified, now=now)
    listed = ledger.history.objects(chosen, after=after, limit=_OBJECTS_PER_PAGE)
    return {
        "partition": chosen,
        "cell": cell,
        "findings": _newest_of_each(ledger.partitions.findings(chosen, limit=200)),
        "objects": listed,
        "next": listed[-1].id if len(listed) == _OBJECTS_PER_PAGE else None,
        "runs": [(one, *_airflow_run(one)) for one in ledger.history.runs(chosen)],
        "now": now,
    }


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
    days = [one.day for one in planned]
    wanted = set(planned)
    statuses = ledger.partitions.status(found.log_type, only=planned, since=min(days), until=max(days))
    certified = ledger.certificates.complete(found.log_type, since=min(days), until=max(days))
    rows = cells([one for one in statuses if one.partition in wanted], certified=certified, now=names["now"])
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
