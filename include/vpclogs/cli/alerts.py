"""``vpclogs alerts``: print the alerts of the monitors, and acknowledge one."""

from __future__ import annotations

import argparse
import getpass
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from vpclogs.cli.terminal import Subparsers, UsageError, print_lines, report
from vpclogs.quantities import many

if TYPE_CHECKING:
    from vpclogs.findings import Severity
    from vpclogs.ledger import Ledger
    from vpclogs.ledger.alerts import Alert

__all__ = ["register", "print_finding"]


def register(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "alerts",
        parents=[common],
        help="show the alerts of the monitors, or acknowledge one",
        description="The open alerts, errors first. What to do about each is in docs/quality.md, under its monitor's "
        "name. `vpclogs alerts ack ID --note TEXT` records that somebody has seen an alert: it stays open, and "
        "notifiers do not repeat it. Times are UTC.",
    )
    parser.add_argument("action", nargs="?", choices=["ack"], help="acknowledge the open alert with this number")
    parser.add_argument("id", nargs="?", type=int, metavar="ID", help="the number of an alert")
    parser.add_argument("--note", default="", metavar="TEXT", help="with ack: what is known, and who looks into it")
    parser.add_argument("--all", action="store_true", help="include resolved alerts")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the alerts."""
    from vpclogs.config.settings import load_settings
    from vpclogs.ledger import Ledger

    if arguments.action is not None and arguments.id is None:
        raise UsageError("ack needs the number of an alert: vpclogs alerts lists them")
    ledger = Ledger(load_settings(arguments.config, os.environ).ledger)
    if arguments.action is not None:
        return _acknowledge(ledger, arguments.id, arguments.note)
    found = ledger.alerts.all(only_open=not arguments.all)
    for one in found:
        print_finding(one.severity, one.key, one.message, when=f" {_times(one)}", number=one.id)
        if one.acknowledged_at:
            note = f": {one.note}" if one.note else ""
            print_lines(f"  acknowledged by {one.acknowledged_by} {_time(one.acknowledged_at)}{note}")
    still_open = sum(one.open for one in found)
    if still_open:
        report(f"{many(still_open, 'alert is', 'alerts are')} open; docs/quality.md says what to do about each")
    else:
        report(f"no alert is open at {datetime.now(UTC):%Y-%m-%d %H:%M} UTC")
    return 0


def _acknowledge(ledger: Ledger, number: int, note: str) -> int:
    if not ledger.alerts.acknowledge(number, by=getpass.getuser(), note=note, now=datetime.now(UTC)):
        report(f"no alert with the number {number} is open: vpclogs alerts lists them")
        return 1
    report(f"alert {number} is acknowledged: it stays open, and notifiers do not repeat it")
    return 0


def print_finding(severity: Severity, key: str, message: str, *, when: str = "", number: int | None = None) -> None:
    """Print a monitor's finding on two lines."""
    print_lines(f"{severity:<8} {'' if number is None else f'#{number} '}{key}{when}", f"  {message}")


def _times(alert: Alert) -> str:
    over = f", over since {_time(alert.resolved_at)}" if alert.resolved_at else ""
    told = f", notified {_time(alert.told_at)}" if alert.told_at else ", not notified yet"
    failed = "".join(f", not sent to {name}: {one['failed']}" for name, one in alert.told.items() if one.get("failed"))
    return f"(since {_time(alert.first_seen)}{over}{told}{failed})"


def _time(value: datetime) -> str:
    return f"{value:%Y-%m-%d %H:%M}"
