"""``vpclogs status``: the partitions as recorded in the ledger."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from vpclogs.cli.ranges import add_log_type, day
from vpclogs.cli.terminal import Subparsers, UsageError, print_lines, print_table, report
from vpclogs.errors import InvalidPartition
from vpclogs.partitions import LogType, Partition
from vpclogs.quantities import size_text

if TYPE_CHECKING:
    from vpclogs.ledger import Ledger
    from vpclogs.ledger.partitions import PartitionStatus

__all__ = ["register"]

_OBJECTS = ("listed", "loaded", "refused", "empty", "gone", "pending")
_HEADERS = ("log", "partition", "state", *_OBJECTS, "rows", "quarantined", "lag", "updated")


def register(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "status",
        parents=[common],
        help="show partitions and their state",
        description="The partitions that the ledger knows: listed = loaded + refused + empty + gone + pending, in "
        "objects; rows and quarantined in records. lag is how long the oldest pending object has been in S3. Nothing "
        "is listed anew: plan does that.",
    )
    add_log_type(parser, required=False)
    parser.add_argument("--failed", action="store_true", help="only partitions that failed, with the reason")
    parser.add_argument("--partition", metavar="KEY", help="one partition (account|region|day) with its findings")
    parser.add_argument("--from", type=day, metavar="DAY", dest="first", help="only days from this one on")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the partitions; with ``--partition``, all details of one."""
    log_types = [LogType(arguments.log_type)] if arguments.log_type else list(LogType)
    only = _partitions(arguments.partition, log_types)
    from vpclogs.config.settings import load_settings
    from vpclogs.ledger import Ledger

    now = datetime.now(UTC)
    ledger = Ledger(load_settings(arguments.config, os.environ).ledger)
    found = [
        status
        for log_type in log_types
        for status in ledger.partitions.status(log_type, only=only, since=arguments.first)
        if status.state == "failed" or not arguments.failed
    ]
    if only is not None:
        return _print_details(ledger, found, arguments.partition)
    print_table(_HEADERS, [_row(status, now) for status in found])
    for status in found:
        if status.state == "failed":
            report(f"{status.partition.log_type} {status.partition.key} failed: {status.detail}")
    for log_type in log_types:
        for one in ledger.watching.unread(log_type):
            report(f"{log_type}: not understood, so nothing below is listed (source {one.source}): {one.label}")
    if not found:
        report("no partition has failed" if arguments.failed else "the ledger has no partitions yet")
    return 0


def _partitions(key: str | None, log_types: Sequence[LogType]) -> list[Partition] | None:
    try:
        return None if key is None else [Partition.parse(key, log_type) for log_type in log_types]
    except InvalidPartition as error:
        raise UsageError(str(error)) from None


def _row(status: PartitionStatus, now: datetime) -> list[Any]:
    count = status.certificate
    counts = [getattr(count, name) for name in _OBJECTS]
    lag = "" if count.pending_since is None else _duration(now - count.pending_since)
    partition = status.partition
    updated = "" if status.updated_at is None else _time(status.updated_at)
    return [partition.log_type.value, partition.key, status.state, *counts, count.rows, count.quarantined, lag, updated]


def _print_details(ledger: Ledger, found: Sequence[PartitionStatus], key: str) -> int:
    if not found:
        report(f"the ledger does not know the partition {key}")
        return 1
    for status in found:
        for line in _details(status):
            print_lines(line)
        for finding in ledger.partitions.findings(status.partition):
            example = f" (such as {finding.example})" if finding.example else ""
            print_lines(f"  {_time(finding.created_at)} {finding.severity} {finding.check}: {finding.message}{example}")
    return 0


def _details(status: PartitionStatus) -> Iterator[str]:
    count = status.certificate
    yield f"{status.partition.log_type} {status.partition.key}: {status.state}"
    if status.detail:
        yield f"  {status.detail}"
    if status.updated_at is not None:
        yield f"  last changed {_time(status.updated_at)} by the run {status.run_key}"
    parts = (f"{getattr(count, name)} {name}" for name in _OBJECTS[1:])
    yield f"  objects: {count.listed} listed = {' + '.join(parts)}"
    yield f"  bytes: {size_text(count.bytes_listed)} listed, {size_text(count.bytes_settled)} settled"
    yield f"  records: {count.rows} rows, {count.quarantined} quarantined"
    if count.pending_since is not None:
        yield f"  the oldest pending object has been in S3 since {_time(count.pending_since)}"


def _time(value: datetime) -> str:
    return f"{value:%Y-%m-%dT%H:%M:%SZ}"


def _duration(span: timedelta) -> str:
    hours, minutes = divmod(int(span.total_seconds()) // 60, 60)
    return f"{hours // 24} d {hours % 24} h" if hours >= 48 else f"{hours} h {minutes:02} min"
