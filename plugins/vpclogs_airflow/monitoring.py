"""The tasks of the monitors DAG: monitors, SQL checks, notifications, verdict."""

from __future__ import annotations

from typing import Any

from airflow.sdk import get_current_context, task

from vpclogs_airflow.defaults import POOL
from vpclogs_airflow.graph import open_pipeline

__all__ = ["monitor"]


def monitor() -> None:
    """Notify of all findings, even if one of the two could not run; the run is then red."""
    looks = [watch(), check()]
    looks >> notify()
    looks >> verdict()


@task(pool=POOL)
def watch() -> dict[str, int]:
    """Run the monitors, and keep their findings as alerts in the ledger."""
    from vpclogs.monitors.running import run

    with open_pipeline() as pipeline:
        return counted(run(pipeline).findings)


@task
def check() -> dict[str, int]:
    """Run the SQL files of `checks_folder` over the tables."""
    from vpclogs.monitors.checking import run_checks

    with open_pipeline() as pipeline:
        return counted(run_checks(pipeline).findings)


@task(trigger_rule="all_done")
def notify() -> dict[str, int]:
    """Send new, resolved and long open alerts to each notifier of the settings."""
    from vpclogs_airflow.notifying import send_all

    with open_pipeline() as pipeline:
        return send_all(pipeline, dict(get_current_context()), now=pipeline.clock())


@task(retries=0)
def verdict() -> None:
    """Fail the run if an error is open for which no run was red yet, or not recently."""
    from vpclogs.errors import AlertsOpen
    from vpclogs.monitors.notifications import errors_for_run

    with open_pipeline() as pipeline:
        errors = errors_for_run(pipeline.ledger.alerts, pipeline.settings.monitors, now=pipeline.clock())
        if errors:
            raise AlertsOpen([(one.key, one.message) for one in errors])


def counted(findings: Any) -> dict[str, int]:
    """Return the number of findings of each severity."""
    counts: dict[str, int] = {}
    for finding in findings:
        counts[finding.severity.value] = counts.get(finding.severity.value, 0) + 1
    return counts
