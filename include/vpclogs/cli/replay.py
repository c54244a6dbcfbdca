"""``vpclogs replay``: move quarantined records that parse after a parser fix to the tables."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

from vpclogs.cli.ranges import add_log_type
from vpclogs.cli.reloads import parse_budget, parse_keys, reload_here, within_budget
from vpclogs.cli.terminal import Subparsers, UsageError, print_table, report, report_failure
from vpclogs.errors import VpcLogsError
from vpclogs.partitions import LogType, Partition
from vpclogs.quantities import many, size_text

if TYPE_CHECKING:
    from vpclogs.pipeline import Pipeline
    from vpclogs.recovery.replay import Held
    from vpclogs.reloads.backfill import BackfillPlan

__all__ = ["register"]


def register(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "replay",
        parents=[common],
        help="load quarantined records that parse now",
        description="After an upgrade that reads more: parse the records of the quarantine again. Those that parse now "
        "move to the table, the others stay as they are. Objects that were refused whole, and records whose text was "
        "not kept, have to be read from S3 again: their partitions are reloaded.",
    )
    add_log_type(parser, required=True)
    parser.add_argument("--reason", metavar="CODE", help="only what was refused for this reason, such as bad_port")
    parser.add_argument("--partition", metavar="KEY", help="only this partition, 'account|region|day'")
    parser.add_argument("--dry-run", action="store_true", help="parse and show what would move; change nothing")
    parser.add_argument("--no-reload", action="store_true", help="leave out what must be read from S3 again")
    parser.add_argument("--budget", metavar="SIZE", help="raise the limit on bytes to reload, such as 2TB")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the content of the quarantine; then replay it and reload the rest."""
    from vpclogs.reasons import REASONS

    log_type, reason = LogType(arguments.log_type), arguments.reason
    (only,) = parse_keys([arguments.partition], log_type) if arguments.partition else [None]
    if reason is not None and reason not in REASONS:
        raise UsageError(f"--reason {reason} is not a reason code; see the list in docs/schemas.md")
    budget = parse_budget(arguments.budget)
    from vpclogs.config.settings import load_settings
    from vpclogs.pipeline import Pipeline
    from vpclogs.recovery.replay import survey_quarantine
    from vpclogs.s3.clients import client_for

    pipeline = Pipeline(load_settings(arguments.config, os.environ), client_for=client_for)
    held = survey_quarantine(pipeline, log_type, reason=reason, partition=only)
    _show(pipeline, held, reason, count=arguments.dry_run)
    reloads = [] if arguments.no_reload else [one.partition for one in held if one.needs_reload]
    plan = _plan_reloads(pipeline, reloads)
    if arguments.dry_run or not held:
        return 0
    if plan is not None and not within_budget(plan, pipeline.settings, budget):
        return 1
    failed = _replay(pipeline, log_type, reason, only) if any(one.kept for one in held) else 0
    failed += reload_here(pipeline, reloads, command="replay")
    return min(1, failed)


def _show(pipeline: Pipeline, held: Sequence[Held], reason: str | None, *, count: bool) -> None:
    from vpclogs.recovery.replay import count_movable

    headers = ["partition", "records with text", "without", "whole objects"]
    rows = [[one.partition.key, one.kept.total(), one.cut.total(), one.whole.total()] for one in held]
    if count:
        headers.append("parse now")
        rows = [[*row, count_movable(pipeline, one, reason=reason)] for row, one in zip(rows, held, strict=True)]
    print_table(headers, rows)
    if not held:
        report("the quarantine holds nothing of that kind")


def _plan_reloads(pipeline: Pipeline, partitions: Sequence[Partition]) -> BackfillPlan | None:
    if not partitions:
        return None
    from vpclogs.reloads.backfill import plan_reloads

    plan = plan_reloads(pipeline, partitions)
    report(
        f"{many(len(partitions), 'partition')} must be read from S3 again: {many(plan.objects, 'object')}, "
        f"{size_text(plan.bytes)} (--no-reload leaves that out)"
    )
    return plan


def _replay(pipeline: Pipeline, log_type: LogType, reason: str | None, only: Partition | None) -> int:
    """Replay the quarantine. Return 1 if it failed."""
    from vpclogs.cli.progress import run_here
    from vpclogs.recovery.replay import plan_replay, stage_replay

    run_key = f"vpclogs replay/{pipeline.clock():%Y-%m-%dT%H:%M:%SZ}/{uuid4().hex[:6]}"
    batches = plan_replay(pipeline, log_type, run_key=run_key, reason=reason, partition=only)
    try:
        done = run_here(pipeline, batches, run_key, stage=partial(stage_replay, pipeline))
    except VpcLogsError as error:
        report_failure(*error.lines)
        return 1
    report(f"{many(done.rows, 'record')} moved from the quarantine to {log_type}")
    return 0
