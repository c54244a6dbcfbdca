"""Runs that Airflow says are late: it has called, and this keeps the alert."""

from __future__ import annotations

from datetime import datetime, timedelta

from vpclogs.audits.finding import Severity
from vpclogs.ledger import Ledger
from vpclogs.monitors.finding import MonitorFinding
from vpclogs.monitors.settings import MonitorSettings

__all__ = ["LATE_RUNS", "keep_late_run"]

LATE_RUNS = "late_runs"


def keep_late_run(
    ledger: Ledger, settings: MonitorSettings, *, dag_id: str, run_id: str, queued_at: datetime, now: datetime
) -> None:
    """Open an alert for a run that should be over by now."""
    key, severity = f"{LATE_RUNS}/{dag_id}", settings.severities.get(LATE_RUNS, Severity.WARNING)
    if severity == "off" or settings.ignores(key):
        return
    message = f"{dag_id}: the run {run_id} was queued at {queued_at:%Y-%m-%d %H:%M} UTC and is not over"
    finding = MonitorFinding(key, LATE_RUNS, Severity(severity), message)
    ledger.alerts.keep([finding], judged=(), now=now, quiet=timedelta())
