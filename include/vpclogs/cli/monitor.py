"""``vpclogs monitor``: run the monitors and SQL checks in this process, without Airflow."""

from __future__ import annotations

import argparse
import os

from vpclogs.cli.alerts import print_finding
from vpclogs.cli.terminal import Subparsers, report, report_failure
from vpclogs.quantities import many

__all__ = ["register"]


def register(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "monitor",
        parents=[common],
        help="run the monitors and your SQL checks now",
        description="Look for silence, stale or missing data, odd volumes, lag, refused records, schema drift, and "
        "accounts that no source covers; then run the SQL files of checks_folder. What is found is kept as alerts. "
        "Sends no notifications; the DAG vpclogs_monitors does. Exit code 1 if something of severity error is found.",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the findings, errors first."""
    from vpclogs.config.settings import load_settings
    from vpclogs.findings import Severity
    from vpclogs.monitors.checking import run_checks
    from vpclogs.monitors.running import run as run_monitors
    from vpclogs.pipeline import Pipeline
    from vpclogs.s3.clients import client_for

    pipeline = Pipeline(load_settings(arguments.config, os.environ), client_for=client_for)
    found = [*run_monitors(pipeline).findings, *run_checks(pipeline).findings]
    for finding in sorted(found, key=lambda one: (-list(Severity).index(one.severity), one.key)):
        print_finding(finding.severity, finding.key, finding.message)
    errors = sum(finding.severity is Severity.ERROR for finding in found)
    if errors:
        report_failure(f"{many(errors, 'error')} found; docs/quality.md says what to do")
    elif not found:
        report("nothing found")
    return int(errors > 0)
