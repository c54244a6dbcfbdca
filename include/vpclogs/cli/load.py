"""``vpclogs load``: the load in this process, without Airflow."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from vpclogs.cli.listings import listing_notes, nothing_new
from vpclogs.cli.progress import progress
from vpclogs.cli.ranges import add_range, wanted
from vpclogs.cli.terminal import Subparsers, error_lines, many, say, size_text
from vpclogs.errors import VpcLogsError

if TYPE_CHECKING:
    from vpclogs.ledger import Ledger
    from vpclogs.planning import Survey

__all__ = ["register", "stage_all"]


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
    from vpclogs.settings import load_settings

    settings = load_settings(arguments.config, os.environ)
    options = wanted(arguments, settings)
    # Imported after the options are validated, so that a mistake is reported at once.
    from vpclogs.clients import client_for
    from vpclogs.deployment import utc_now
    from vpclogs.pipeline import Pipeline

    pipeline = Pipeline(settings, client_for=client_for)
    run_key = f"vpclogs load/{utc_now():%Y-%m-%dT%H:%M:%SZ}/{uuid4().hex[:6]}"
    say("listing S3 ...")
    listed: list[Survey] = []
    batches = pipeline.plan_days(arguments.log_type, run_key=run_key, report=listed.append, **options)
    (found,) = listed
    for line in listing_notes(found, settings):
        say(line)
    try:
        stage_all(pipeline.ledger, batches, run_key, pipeline.stage)
    except KeyboardInterrupt:
        say("", "stopped: nothing of this load is published; the same command starts again where the tables are")
        raise
    pipeline.audit(run_key)
    published = pipeline.publish(run_key)
    if published["changed"]:
        say(f"published {many(len(published['changed']), 'partition')}")
    done = pipeline.verdict(run_key)
    if done["objects"]:
        say(f"loaded {many(done['objects'], 'object')}: {many(done['rows'], 'row')}, {done['quarantined']} quarantined")
    elif done["planned"]:
        say("loaded nothing: other runs published these objects meanwhile, or they are not to be had any more")
    else:
        say(nothing_new(found, settings, arguments))
    if done["moved"]:
        say(f"{many(done['moved'], 'object')} moved to the partition of the region that the records name")
    return 0


def stage_all(
    ledger: Ledger, batches: Sequence[dict[str, Any]], run_key: str, stage: Callable[..., dict[str, Any]]
) -> None:
    """Stage the batches of a run one after another, showing progress."""
    objects = ledger.manifests.latest(run_key).objects
    if not objects:
        return
    size = size_text(sum(item.size for item in objects))
    say(f"{many(len(objects), 'object')} to load, {size}, {many(len(batches), 'batch', 'batches')}")
    with progress(len(objects)) as advance:
        for batch in batches:
            try:
                done = stage(batch, progress=advance)
            except (VpcLogsError, OSError) as error:
                # The partitions of this batch fail their audit; those of the others continue.
                advance.complain(*error_lines(error, batch["label"]))
                continue
            advance.batch(batch["label"], done)
