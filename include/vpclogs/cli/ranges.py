"""Shared options of plan, load and backfill: log type, days, account, region, source."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from vpclogs.cli.terminal import UsageError
from vpclogs.identifiers import is_account, is_region
from vpclogs.partitions import UNKNOWN_REGION, LogType

if TYPE_CHECKING:
    from vpclogs.config.settings import Settings

__all__ = ["add_days", "add_log_type", "add_range", "day", "wanted"]


def day(text: str) -> date:
    """Parse a day argument."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a date: write it as YYYY-MM-DD, such as 2026-01-14"
        ) from None


def add_log_type(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Add ``--log-type``."""
    parser.add_argument("--log-type", required=required, choices=[log_type.value for log_type in LogType])


def add_range(parser: argparse.ArgumentParser) -> None:
    """Add the options that select a part of S3."""
    add_days(parser)
    parser.add_argument("--source", metavar="NAME", help="only this source of the settings")


def add_days(parser: argparse.ArgumentParser) -> None:
    """Add the options that select partitions, of all sources."""
    parser.set_defaults(source=None)
    add_log_type(parser, required=True)
    parser.add_argument("--from", required=True, type=day, metavar="DAY", dest="first", help="such as 2026-01-14")
    parser.add_argument("--to", required=True, type=day, metavar="DAY", dest="last", help="the last day, included")
    parser.add_argument("--account", metavar="ACCOUNT", help="only this account, 12 digits")
    parser.add_argument("--region", metavar="REGION", help="only this region, such as us-west-2")


def wanted(arguments: argparse.Namespace, settings: Settings) -> Mapping[str, Any]:
    """Return keyword arguments for `Pipeline.plan_days` and `Pipeline.survey_days`.

    Raises:
        UsageError: the options match nothing in the settings.
    """
    if arguments.last < arguments.first:
        raise UsageError(f"--to {arguments.last} is before --from {arguments.first}")
    sources = [source.name for source in settings.sources_for(arguments.log_type)]
    if arguments.source is not None and arguments.source not in sources:
        known = ", ".join(sources) or "none"
        raise UsageError(f"--source {arguments.source} is no source of {arguments.log_type}; there is {known}")
    if not sources:
        raise UsageError(f"the settings have no source of {arguments.log_type}")
    if arguments.account is not None and not is_account(arguments.account):
        raise UsageError(f"--account {arguments.account} is not 12 digits")
    if arguments.region is not None and arguments.region != UNKNOWN_REGION and not is_region(arguments.region):
        raise UsageError(f"--region {arguments.region} does not look like a region such as us-west-2")
    days = [arguments.first + timedelta(days=n) for n in range((arguments.last - arguments.first).days + 1)]
    return {"days": days, "account": arguments.account, "region": arguments.region, "source": arguments.source}
