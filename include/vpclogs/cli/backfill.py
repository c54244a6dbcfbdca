"""``vpclogs backfill``: reload a range of days, partition by partition."""

from __future__ import annotations

import argparse
import os

from vpclogs.cli.ranges import add_days, wanted
from vpclogs.cli.reloads import airflow_runs, confirm, follow, parse_budget, reload_here, show_plan, within_budget
from vpclogs.cli.terminal import Subparsers, report
from vpclogs.partitions import LogType

__all__ = ["register"]


def register(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "backfill",
        parents=[common],
        help="reload a range of days, a run per partition",
        description="Lists the days, shows partitions, objects, bytes, batches and S3 requests, and then starts a run "
        "of the partition DAG in Airflow for each partition that is not complete, only so many at once. It can be "
        "stopped and started again: what is complete is left out. The days are those of the objects' paths, which is "
        "when AWS delivered them (UTC).",
    )
    add_days(parser)
    parser.add_argument("--all", action="store_true", help="also partitions that are complete")
    parser.add_argument("--dry-run", action="store_true", help="show the plan and its cost, start nothing")
    parser.add_argument(
        "--rate", type=positive_number, default=4, metavar="N", help="runs in Airflow at the same time (default: 4)"
    )
    parser.add_argument("--budget", metavar="SIZE", help="raise the limit on bytes to reload, such as 2TB")
    parser.add_argument("--yes", action="store_true", help="start without asking")
    parser.add_argument("--local", action="store_true", help="in this process, one after the other, without Airflow")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the plan; then start the runs and follow them."""
    from vpclogs.config.settings import load_settings

    settings = load_settings(arguments.config, os.environ)
    options = wanted(arguments, settings)
    log_type, budget = LogType(arguments.log_type), parse_budget(arguments.budget)
    runs = None
    if not (arguments.local or arguments.dry_run):
        runs = airflow_runs(settings, log_type, note="started by vpclogs backfill")
    from vpclogs.pipeline import Pipeline
    from vpclogs.reloads.backfill import plan_backfill
    from vpclogs.s3.clients import client_for

    pipeline = Pipeline(settings, client_for=client_for)
    report("listing S3 ...")
    days, account, region = options["days"], options["account"], options["region"]
    plan = plan_backfill(pipeline, log_type, days, account=account, region=region, everything=arguments.all)
    show_plan(plan)
    unlisted = min(1, len(plan.failures))
    if arguments.dry_run or not plan.work:
        return unlisted
    if not within_budget(plan, settings, budget):
        return 1
    if not confirm("start?", sure=arguments.yes):
        return 1
    try:
        if runs is None:
            failed = reload_here(pipeline, [one.partition for one in plan.work], command="backfill")
        else:
            failed = follow(runs, plan.keys, at_once=arguments.rate, wait=True)
    except KeyboardInterrupt:
        report("the same command goes on where this one stopped")
        raise
    report(f"{len(plan.work) - failed} of {len(plan.work)} partitions reloaded")
    return 1 if failed else unlisted


def positive_number(text: str) -> int:
    """Parse a positive number. argparse reports the ValueError as wrong usage."""
    if (count := int(text)) < 1:
        raise ValueError
    return count
