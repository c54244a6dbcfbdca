"""``vpclogs check``: run SQL checks from files without keeping alerts."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from vpclogs.cli.terminal import Subparsers, UsageError, error_lines, print_lines, report, report_failure
from vpclogs.errors import VpcLogsError

__all__ = ["register"]


def register(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "check",
        parents=[common],
        help="try your SQL checks",
        description="Run checks over the tables and print what they find. Findings are neither stored nor sent. "
        "Exit code 1 if a check finds something or cannot run.",
    )
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="default: all of checks_folder")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run each; one that cannot run stops no other."""
    from vpclogs.config.settings import load_settings
    from vpclogs.monitors.sql_checks import check_files, read_check, run_check
    from vpclogs.querying.process import Tables

    settings = load_settings(arguments.config, os.environ)
    files = arguments.files
    if not files:
        if settings.checks_folder is None:
            raise UsageError("name files, or set checks_folder in the settings")
        files = check_files(settings.checks_folder)
    tables = Tables(settings.catalog, settings.namespace)
    bad = False
    for path in files:
        try:
            finding = run_check(read_check(path), tables, settings.query)
        except VpcLogsError as error:
            bad = True
            report_failure(*error_lines(error, str(path)))
            continue
        if finding is None:
            report(f"{path.stem}: nothing found")
        else:
            bad = True
            print_lines(f"{path.stem} {finding.severity}: {finding.message}")
    return int(bad)
