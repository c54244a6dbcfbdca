"""``vpclogs alerts``: what the monitors have found."""

from __future__ import annotations

import argparse
import os
from datetime import UTC, datetime

from vpclogs.cli.terminal import Subparsers, print_table, say

__all__ = ["register"]


def register(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "alerts",
        parents=[common],
        help="show what the monitors have found",
        description="The open alerts, errors first. What to do about each is in docs/quality.md, under its monitor's "
        "name. Times are UTC.",
    )
    parser.add_argument("--all", action="store_true", help="also those that are over")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the alerts."""
    from vpclogs.ledger import Ledger
    from vpclogs.settings import load_settings

    ledger = Ledger(load_settings(arguments.config, os.environ).ledger)
    found = ledger.alerts.all(only_open=not arguments.all)
    rows = [
        [one.severity.value, _time(one.first_seen), _time(one.resolved_at), _time(one.told_at), one.key, one.message]
        for one in found
    ]
    print_table(("severity", "since", "over", "told", "alert", "message"), rows)
    if not found:
        say(f"no alert is open at {datetime.now(UTC):%Y-%m-%d %H:%M} UTC" if not arguments.all else "no alerts yet")
    return 0


def _time(value: datetime | None) -> str:
    return "" if value is None else f"{value:%Y-%m-%d %H:%M}"
