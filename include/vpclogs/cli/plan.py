"""``vpclogs plan``: a dry run of a load."""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from vpclogs.cli.listings import listing_notes, nothing_new
from vpclogs.cli.ranges import add_range, wanted
from vpclogs.cli.terminal import Subparsers, print_table, report, report_failure
from vpclogs.quantities import many, size_text

if TYPE_CHECKING:
    from vpclogs.objects import LogObject

__all__ = ["register"]


def register(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "plan",
        parents=[common],
        help="show what a load would do",
        description="A dry run of load: lists S3, and shows the partitions with objects that are not loaded yet. The "
        "days are those of the objects' paths, which is when AWS delivered them (UTC).",
    )
    add_range(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the partitions, and the total work."""
    from vpclogs.config.settings import load_settings

    settings = load_settings(arguments.config, os.environ)
    options = wanted(arguments, settings)
    # Imported after the options are validated, so that a mistake is reported at once.
    from vpclogs.pipeline import Pipeline
    from vpclogs.planning.batches import plan_batches
    from vpclogs.s3.clients import client_for
    from vpclogs.s3.prefetch import read_requests

    found = Pipeline(settings, client_for=client_for).survey_days(arguments.log_type, **options)
    objects = found.objects
    batches = plan_batches(
        objects,
        max_bytes=settings.limits.batch_bytes,
        max_objects=settings.limits.batch_objects,
        max_batches=settings.limits.max_batches,
    )
    print_table(["partition", "objects", "bytes"], _by_partition(objects))
    partitions = many(len({item.partition for item in objects}), "partition")
    size = size_text(sum(item.size for item in objects))
    report(
        f"{partitions}, {many(len(objects), 'object')} to load of {found.listed} listed, {size}, "
        f"{many(len(batches), 'batch', 'batches')}"
    )
    report(f"S3 requests of this load: {found.requests} to list, about {read_requests(objects)} to read")
    if not found.listed and not found.failures:
        report(nothing_new(found, settings, arguments))
    for line in listing_notes(found, settings):
        report(line)
    for failure in found.failures:
        report_failure(f"{failure.label}: {failure.detail}")
    return 1 if found.failures else 0


def _by_partition(objects: Sequence[LogObject]) -> list[tuple[str, int, int]]:
    counts, sizes = Counter[str](), Counter[str]()
    for item in objects:
        counts[item.partition.key] += 1
        sizes[item.partition.key] += item.size
    return [(key, counts[key], sizes[key]) for key in sorted(counts)]
