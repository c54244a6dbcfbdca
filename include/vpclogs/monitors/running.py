"""Run all monitors over one snapshot of the ledger, and record their findings as alerts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from vpclogs.config.monitor_settings import MonitorSettings
from vpclogs.errors import VpcLogsError
from vpclogs.findings import MonitorFinding, Severity
from vpclogs.foreign_text import logger
from vpclogs.monitors.catalogue import MONITORS
from vpclogs.monitors.monitor import Monitor, Observation
from vpclogs.monitors.reading import read_snapshot, read_uncovered
from vpclogs.monitors.snapshot import Snapshot, Uncovered

if TYPE_CHECKING:
    from vpclogs.pipeline import Pipeline

__all__ = ["Report", "keep", "look", "run"]

_LOG = logger(__name__)
_ACTIONS = {monitor.name: monitor.action for monitor in MONITORS}


@dataclass
class Report:
    """The findings, and the names of the monitors that ran."""

    findings: list[MonitorFinding] = field(default_factory=list)
    judged: set[str] = field(default_factory=set)


def run(pipeline: Pipeline, *, now: datetime | None = None) -> Report:
    """Run every monitor over the ledger and the sources, and keep the alerts."""
    now = now or pipeline.clock()
    uncovered: Sequence[Uncovered] = ()
    failures: dict[str, Exception] = {}
    try:
        uncovered = read_uncovered(pipeline.settings, client_for=pipeline.client, today=now.date())
    except VpcLogsError as error:
        failures["uncovered_accounts"] = error
    snapshot = read_snapshot(pipeline.ledger, pipeline.settings, now=now, uncovered=uncovered)
    report = look(snapshot, failures)
    keep(pipeline, report, now=now)
    return report


def look(snapshot: Snapshot, failures: dict[str, Exception] | None = None) -> Report:
    """Return the findings of all monitors. A monitor that fails becomes a finding and stops no other."""
    report, failures = Report(judged={"failed_monitors"}), dict(failures or {})
    for monitor in MONITORS:
        if monitor.look is None or monitor.name in failures:
            continue
        try:
            report.findings += _findings(monitor, monitor.look(snapshot), snapshot.settings.monitors)
            report.judged.add(monitor.name)
        except Exception as error:  # a bug in one monitor must not blind the others
            _LOG.exception("the monitor %s failed", monitor.name)
            failures[monitor.name] = error
    for name, failure in failures.items():
        message = f"the monitor {name} failed: {type(failure).__name__}: {failure}"
        report.findings.append(MonitorFinding(f"failed_monitors/{name}", "failed_monitors", Severity.ERROR, message))
    return report


def keep(pipeline: Pipeline, report: Report, *, now: datetime) -> None:
    """Record the findings in the ledger, except those that the settings ignore."""
    settings = pipeline.settings.monitors
    found = [one for one in report.findings if not any(fnmatchcase(one.key, pattern) for pattern in settings.ignore)]
    quiet = timedelta(hours=settings.quiet_hours)
    found = [replace(one, action=_ACTIONS.get(one.monitor)) for one in found]
    pipeline.ledger.alerts.keep(found, judged=report.judged, now=now, quiet=quiet)


def _findings(
    monitor: Monitor, sightings: Iterable[Observation], settings: MonitorSettings
) -> Iterator[MonitorFinding]:
    for one in sightings:
        severity = settings.for_source(one.entity.source).severities.get(monitor.name)
        if severity != "off":
            yield MonitorFinding(
                key="/".join(part for part in (monitor.name, one.entity.key, one.about) if part),
                monitor=monitor.name,
                severity=one.severity or Severity(severity or monitor.severity),
                message=one.message,
                example=one.example,
            )
