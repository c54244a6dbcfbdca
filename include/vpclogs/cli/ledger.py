"""``vpclogs ledger rebuild``: rebuild a lost or outdated ledger."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from vpclogs.cli.terminal import Subparsers, report, report_failure
from vpclogs.quantities import many

if TYPE_CHECKING:
    from vpclogs.recovery.rebuild import Rebuilt

__all__ = ["register"]


def register(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    """Add the command."""
    ledger = commands.add_parser("ledger", help="rebuild the ledger from the tables", description="Rebuild the ledger.")
    actions = ledger.add_subparsers(title="actions", dest="action", required=True, metavar="ACTION")
    parser = actions.add_parser(
        "rebuild",
        parents=[common],
        help="add to the ledger what the tables and S3 know and it does not",
        description="For a ledger that was lost, or that is older than the tables. Reads the tables and lists S3, and "
        "adds what is missing: objects, partitions, VPCs' regions, publishes. Loads nothing. Pause the DAGs first.",
    )
    parser.add_argument("--dry-run", action="store_true", help="show what would be added")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Rebuild, then print the changes and the remaining steps."""
    from vpclogs.config.settings import load_settings
    from vpclogs.pipeline import Pipeline
    from vpclogs.recovery.rebuild import rebuild
    from vpclogs.s3.clients import client_for

    pipeline = Pipeline(load_settings(arguments.config, os.environ), client_for=client_for)
    run_key = f"vpclogs ledger rebuild/{pipeline.clock():%Y-%m-%dT%H:%M:%SZ}"
    rebuilt = rebuild(pipeline, run_key=run_key, dry_run=arguments.dry_run, progress=report)
    _say_changes(rebuilt, dry_run=arguments.dry_run)
    return _complain_of_rest(rebuilt)


def _say_changes(rebuilt: Rebuilt, *, dry_run: bool) -> None:
    changes = rebuilt.changes
    if not (changes.added or changes.corrected or changes.partitions or rebuilt.publishes):
        report("nothing to add: the ledger knows all that the tables have")
        return
    counts = ", ".join(f"{count} {state}" for state, count in sorted(changes.added.items())) or "none"
    report(
        f"{'would add' if dry_run else 'added'} {many(changes.added.total(), 'object')} ({counts}; "
        f"{changes.unlisted} that S3 did not list), {'would correct' if dry_run else 'corrected'} "
        f"{changes.corrected.total()}; {many(len(changes.partitions), 'partition')}; "
        f"{many(rebuilt.publishes, 'publish', 'publishes')}"
    )


def _complain_of_rest(rebuilt: Rebuilt) -> int:
    for failure in rebuilt.failures:
        report_failure(f"{failure.label}: {failure.detail}")
    for partition, count in sorted(rebuilt.changes.lost.items()):
        report_failure(
            f"{partition.log_type} {partition.key}: the tables have no row of {count} objects that were loaded"
        )
    for partition in rebuilt.suspects:
        report_failure(f"{partition.log_type} {partition.key}: its last publish may be half done")
    rest = sorted({*rebuilt.changes.lost, *rebuilt.suspects})
    for log_type in sorted({partition.log_type for partition in rest}):
        keys = " ".join(f"'{partition.key}'" for partition in rest if partition.log_type is log_type)
        report_failure(f"now run: vpclogs rerun --log-type {log_type} {keys}")
    return 1 if rest or rebuilt.failures else 0
