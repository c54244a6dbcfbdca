"""``vpclogs load``: the load in this process, without Airflow."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING
from uuid import uuid4

from vpclogs.cli.listings import listing_notes, nothing_new
from vpclogs.cli.progress import run_here
from vpclogs.cli.ranges import add_range, wanted
from vpclogs.cli.terminal import Subparsers, report
from vpclogs.quantities import many

if TYPE_CHECKING:
    from vpclogs.planning.survey import Survey

__all__ = ["register"]


def register(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "load",
        parents=[common],
        help="load what is not loaded yet",
        description="Plan, stage, audit and publish in this process, without Airflow. What is loaded already is left "
        "out, so it can be repeated, and beside Airflow's runs. The days are those of the objects' paths, which is "
        "when AWS delivered them (UTC).",
    )
    add_range(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Load, naming every partition that was not published."""
    from vpclogs.config.settings import load_settings

    settings = load_settings(arguments.config, os.environ)
    options = wanted(arguments, settings)
    # Imported after the options are validated, so that a mistake is reported at once.
    from vpclogs.deployment import utc_now
    from vpclogs.pipeline import Pipeline
    from vpclogs.s3.clients import client_for

    pipeline = Pipeline(settings, client_for=client_for)
    run_key = f"vpclogs load/{utc_now():%Y-%m-%dT%H:%M:%SZ}/{uuid4().hex[:6]}"
    report("listing S3 ...")
    listed: list[Survey] = []
    batches = pipeline.plan_days(arguments.log_type, run_key=run_key, report=listed.append, **options)
    (found,) = listed
    for line in listing_notes(found, settings):
        report(line)
    try:
        done = run_here(pipeline, batches, run_key)
    except KeyboardInterrupt:
        report("", "interrupted: nothing more was published; run the same command again to continue")
        raise
    if done.objects:
        report(f"loaded {many(done.objects, 'object')}: {many(done.rows, 'row')}, {done.quarantined} quarantined")
    elif done.planned:
        report("loaded nothing: other runs have published these objects, or S3 no longer has them")
    else:
        report(nothing_new(found, settings, arguments))
    if done.moved:
        report(f"{many(done.moved, 'object')} moved to the partition of the region that the records name")
    return 0
