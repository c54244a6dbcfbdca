"""``vpclogs maintain``: the daily maintenance in this process, without Airflow."""

from __future__ import annotations

import argparse
import os
from datetime import date, timedelta
from typing import TYPE_CHECKING

from vpclogs.cli.ranges import add_log_type, day
from vpclogs.cli.terminal import Subparsers, UsageError, error_lines, print_lines, report, report_failure
from vpclogs.errors import VpcLogsError
from vpclogs.maintenance.steps import STEPS
from vpclogs.partitions import LogType
from vpclogs.quantities import many

if TYPE_CHECKING:
    from vpclogs.pipeline import Pipeline

__all__ = ["register"]

_RECONCILE = "reconcile"


def register(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "maintain",
        parents=[common],
        help="check that all is there; keep tables and ledger small",
        description="Without steps, all of them in this order: "
        f"{', '.join([_RECONCILE, *STEPS])}. Each can be stopped and run again, and runs beside Airflow's runs. "
        "Reconcile starts no reload: it prints the partitions to rerun.",
    )
    parser.add_argument("steps", nargs="*", metavar="STEP", help="only these steps")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="show what would be done (retire, compact, expire, clean_up; the others are left out)",
    )
    add_log_type(parser, required=False)
    parser.add_argument("--from", type=day, metavar="DAY", dest="first", help="reconcile from this day on")
    parser.add_argument("--to", type=day, metavar="DAY", dest="last", help="to this day, included (default: today)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the steps; one that fails stops no other."""
    if unknown := set(arguments.steps) - {_RECONCILE, *STEPS}:
        raise UsageError(f"{', '.join(sorted(unknown))}: the steps are {', '.join([_RECONCILE, *STEPS])}")
    from vpclogs.config.settings import load_settings
    from vpclogs.pipeline import Pipeline
    from vpclogs.s3.clients import client_for

    pipeline = Pipeline(load_settings(arguments.config, os.environ), client_for=client_for)
    days = _days(arguments, pipeline.clock().date())
    failed = False
    for step in arguments.steps or [_RECONCILE, *STEPS]:
        if arguments.dry_run and step in (_RECONCILE, "prune"):
            continue
        try:
            if step == _RECONCILE:
                failed |= not _reconcile(pipeline, arguments.log_type, days)
            else:
                _maintenance(pipeline, step, dry_run=arguments.dry_run)
        except VpcLogsError as error:
            failed = True
            report_failure(*error_lines(error, step))
    return int(failed)


def _days(arguments: argparse.Namespace, today: date) -> list[date] | None:
    if arguments.first is None:
        if arguments.last is not None:
            raise UsageError("--to needs --from")
        return None
    last = arguments.last or today
    if last < arguments.first:
        raise UsageError(f"--to {last} is before --from {arguments.first}")
    return [arguments.first + timedelta(days=number) for number in range((last - arguments.first).days + 1)]


def _reconcile(pipeline: Pipeline, log_type: str | None, days: list[date] | None) -> bool:
    from vpclogs.maintenance.reconciliation import reconcile

    good = True
    run_key = f"vpclogs maintain/{pipeline.clock():%Y-%m-%dT%H:%M:%SZ}"
    for kind in [LogType(log_type)] if log_type else list(LogType):
        if not pipeline.settings.sources_for(kind):
            continue
        done = reconcile(pipeline, kind, run_key=run_key, days=days)
        print_lines(f"{kind}: {many(done.partitions, 'partition')} reconciled, {done.complete} complete")
        for key, why in (*done.mismatched, *done.unlisted):
            report_failure(f"{kind} {key}: {why}")
        for key in done.reload:
            report(f"{kind} {key} must be rebuilt: vpclogs rerun '{key}'")
        good &= not (done.mismatched or done.unlisted or done.reload)
    return good


def _maintenance(pipeline: Pipeline, step: str, *, dry_run: bool) -> None:
    from vpclogs.maintenance.steps import run_step

    for line in run_step(pipeline, step, dry_run=dry_run).lines(dry_run=dry_run):
        print_lines(f"{step}: {line}")
