"""``vpclogs open``: print the address of a partition's page in Airflow."""

from __future__ import annotations

import argparse
import os

from vpclogs.cli.ranges import add_log_type
from vpclogs.cli.reloads import parse_keys
from vpclogs.cli.terminal import Subparsers, print_lines
from vpclogs.errors import ConfigError
from vpclogs.partitions import LogType

__all__ = ["register"]

_VIEW = "plugin/vpclogs/vpclogs"  # Airflow's view of the page, and the page's own path


def register(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "open",
        parents=[common],
        help="print the address of a partition's page in Airflow",
        description="Print the address at which Airflow shows a partition: its state, counts, findings, objects and "
        "runs, with a button that reloads it. Begins with airflow.url of the settings.",
    )
    parser.add_argument("key", metavar="KEY", help="'account|region|day', quoted, because it contains |")
    add_log_type(parser, required=True)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the address."""
    (partition,) = parse_keys([arguments.key], LogType(arguments.log_type))
    from vpclogs.config.settings import load_settings

    settings = load_settings(arguments.config, os.environ)
    if settings.airflow is None:
        raise ConfigError("no Airflow is configured: add `airflow: {url: ...}` to the settings")
    parts = (_VIEW, partition.log_type.value, partition.account, partition.region, partition.day.isoformat())
    print_lines("/".join((settings.airflow.url.rstrip("/"), *parts)))
    return 0
