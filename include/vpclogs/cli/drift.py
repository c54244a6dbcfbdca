"""``vpclogs drift``: print the features seen in each source's records."""

from __future__ import annotations

import argparse
import os
from typing import Any

from vpclogs.cli.terminal import Subparsers, print_table, report

__all__ = ["register"]

_HEADERS = ("source", "account", "region", "what", "name", "first day", "last day", "days", "noticed")


def register(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "drift",
        parents=[common],
        help="show versions, unknown fields and columns by source",
        description="The formats that the monitors have seen, per source: versions, fields that the schema does not "
        "have, and with --columns the columns that have values; each with its first and last day.",
    )
    parser.add_argument("--source", metavar="NAME", help="only this source")
    parser.add_argument("--columns", action="store_true", help="also the columns of the schema that have values")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the features."""
    from vpclogs.config.settings import load_settings
    from vpclogs.ledger import Ledger

    ledger = Ledger(load_settings(arguments.config, os.environ).ledger)
    found = [
        one
        for one in ledger.traits.all()
        if one.name and arguments.source in (None, one.source) and (arguments.columns or one.kind != "column")
    ]
    print_table(_HEADERS, sorted(map(_row, found)))
    if not found:
        report("the monitors have not seen any records yet: run `vpclogs monitor`")
    return 0


def _row(one: Any) -> list[Any]:
    place = [one.source, one.account, one.region, one.kind.replace("_", " "), one.name]
    return [*place, str(one.first_day), str(one.last_day), one.days, f"{one.noticed_at:%Y-%m-%d %H:%M}"]
