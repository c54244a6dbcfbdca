"""Run the user's SQL checks over the tables and keep their findings as alerts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from vpclogs.errors import ConfigError
from vpclogs.findings import MonitorFinding, Severity
from vpclogs.monitors.running import Report, keep
from vpclogs.monitors.sql_checks import SqlCheck, check_files, read_check, run_check

if TYPE_CHECKING:
    from vpclogs.pipeline import Pipeline

__all__ = ["run_checks"]


def run_checks(pipeline: Pipeline, *, now: datetime | None = None) -> Report:
    """Run each check of the folder and keep the alerts. A check that cannot run is a finding and stops no other.

    Raises:
        ConfigError: the folder named in the settings does not exist.
    """
    report = Report(judged={"broken_checks"})
    folder = pipeline.settings.checks_folder
    files = [] if folder is None else check_files(folder)
    checks = list(_readable(files, report))
    wanted = [one for one in checks if one.log_type is None or pipeline.settings.sources_for(one.log_type)]
    if wanted:
        _run(pipeline, wanted, report)
    # A check whose file was deleted can never be judged again, so its alert would stay open for ever.
    report.judged |= _without_file(pipeline, files)
    keep(pipeline, report, now=now or pipeline.clock())
    return report


def _run(pipeline: Pipeline, checks: list[SqlCheck], report: Report) -> None:
    from vpclogs.querying.errors import QueryRefused, TableMissing
    from vpclogs.querying.process import Tables  # most have no checks

    tables = Tables(pipeline.settings.catalog, pipeline.settings.namespace)
    for check in checks:
        try:
            finding = run_check(check, tables, pipeline.settings.query)
        except TableMissing:
            continue  # it comes with the first load, and a check before that is not broken
        except QueryRefused as error:
            report.findings.append(
                _broken(check.path, f"{check.path}: its SQL fails: {' '.join(' '.join(error.lines).split())}")
            )
            continue
        report.judged.add(f"sql/{check.name}")
        if finding is not None:
            report.findings.append(finding)


def _readable(files: list[Path], report: Report) -> Iterator[SqlCheck]:
    for path in files:
        try:
            yield read_check(path)
        except ConfigError as error:
            report.findings.append(_broken(path, str(error)))


def _broken(path: Path, message: str) -> MonitorFinding:
    return MonitorFinding(f"broken_checks/{path.stem}", "broken_checks", Severity.ERROR, message)


def _without_file(pipeline: Pipeline, files: list[Path]) -> set[str]:
    """Return checks with an open alert whose file is gone: their alerts are resolved."""
    known = {f"sql/{path.stem}" for path in files}
    return {one.monitor for one in pipeline.ledger.alerts.all() if one.monitor.startswith("sql/")} - known
