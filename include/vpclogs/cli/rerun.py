"""``vpclogs rerun``: reload partitions from S3 through runs of their DAG in Airflow."""

from __future__ import annotations

import argparse
import os

from vpclogs.cli.ranges import add_log_type
from vpclogs.cli.reloads import airflow_runs, follow, parse_keys, reload_here
from vpclogs.cli.terminal import Subparsers
from vpclogs.partitions import LogType

__all__ = ["register"]


def register(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "rerun",
        parents=[common],
        help="rebuild partitions from S3",
        description="Start a run of the partition DAG in Airflow for each partition: it is rebuilt from what S3 has "
        "now and swapped in. A partition that has a run already is not started again. Always safe to repeat.",
    )
    parser.add_argument("keys", nargs="+", metavar="KEY", help="'account|region|day', quoted, because it contains |")
    add_log_type(parser, required=True)
    parser.add_argument("--wait", action="store_true", help="wait for the ends; exit code 1 if a run fails")
    parser.add_argument("--local", action="store_true", help="in this process, one after the other, without Airflow")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Start the runs, or reload in this process."""
    log_type = LogType(arguments.log_type)
    partitions = parse_keys(arguments.keys, log_type)
    from vpclogs.config.settings import load_settings

    settings = load_settings(arguments.config, os.environ)
    if arguments.local:
        from vpclogs.pipeline import Pipeline
        from vpclogs.s3.clients import client_for

        return min(1, reload_here(Pipeline(settings, client_for=client_for), partitions, command="rerun"))
    runs = airflow_runs(settings, log_type, note="started by vpclogs rerun")
    keys = [partition.key for partition in partitions]
    return min(1, follow(runs, keys, at_once=len(keys), wait=arguments.wait))
