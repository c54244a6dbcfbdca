"""Hourly runs that are not over in time: Airflow's own deadline, kept as an alert."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from airflow.sdk import AsyncCallback, DeadlineAlert, DeadlineReference  # type: ignore[attr-defined]

__all__ = ["LATE_RUN", "run_is_late"]


async def run_is_late(context: Mapping[str, Any] | None = None) -> None:
    """Called by the triggerer with the run as it was when its deadline passed: keep an alert, which monitors tell."""
    run = (context or {}).get("dag_run", {})
    # Airflow drops the deadline of a run that succeeds, but not of one that fails. The hours of a backfill are
    # queued all at once, and wait for one another.
    if run["end_date"] is None and run["run_type"] != "backfill":
        await asyncio.to_thread(_keep, run["dag_id"], run["dag_run_id"], datetime.fromisoformat(run["queued_at"]))


def _keep(dag_id: str, run_id: str, queued_at: datetime) -> None:
    # Only the triggerer needs these, and only now: a DAG file that is read loads no data libraries.
    from vpclogs.ledger import Ledger
    from vpclogs.monitors.late_runs import keep_late_run
    from vpclogs.pipeline import utc_now
    from vpclogs.settings import load_settings

    settings = load_settings(None, os.environ)
    keep_late_run(
        Ledger(settings.ledger), settings.monitors, dag_id=dag_id, run_id=run_id, queued_at=queued_at, now=utc_now()
    )


LATE_RUN: Final = DeadlineAlert(
    reference=DeadlineReference.DAGRUN_QUEUED_AT,
    interval=timedelta(hours=2),
    callback=AsyncCallback(run_is_late),
    name="vpclogs run is late",
)
"""For the hourly DAGs. It needs a triggerer."""
