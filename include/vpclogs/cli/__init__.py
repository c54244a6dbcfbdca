"""The ``vpclogs`` command.

Each command is a module of this package with ``register(commands)``: it adds a parser and sets ``run``, a function
from the parsed arguments to the exit code. Slow imports are inside ``run``, so that ``--help`` is instant.
"""

from __future__ import annotations

import argparse
import os
import select
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from vpclogs.cli import (
    alerts,
    backfill,
    check,
    doctor,
    drift,
    ledger,
    load,
    maintain,
    monitor,
    page,
    parse,
    plan,
    query,
    replay,
    rerun,
    status,
)
from vpclogs.cli.terminal import (
    NOTES,
    RESULTS,
    GuardedStream,
    Parser,
    UsageError,
    report_error,
    report_failure,
)

__all__ = ["COMMANDS", "main", "make_parser"]

COMMANDS = (
    doctor,
    parse,
    plan,
    load,
    status,
    page,
    rerun,
    backfill,
    replay,
    query,
    monitor,
    alerts,
    drift,
    check,
    maintain,
    ledger,
)
"""The command modules, in the order of the help. To add a command, add its module here."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Return 0 for success, 1 if something failed, 2 for wrong usage."""
    with redirect_stderr(GuardedStream(NOTES)):
        return _run(make_parser().parse_args(argv))


def _run(arguments: argparse.Namespace) -> int:
    try:
        with redirect_stdout(sys.stderr):
            code: int = arguments.run(arguments)
        RESULTS.flush()
    except BrokenPipeError as error:
        if not _closed_by_reader(RESULTS.fileno()):
            report_error(error, trace=arguments.traceback)
            return 1
        # The reader of the output has closed it (head, less). Python would print an error at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), RESULTS.fileno())
        return 0
    except KeyboardInterrupt:
        report_failure("interrupted")
        return 130
    except UsageError as error:
        report_failure(str(error), f"see vpclogs {arguments.command} --help")
        return 2
    except Exception as error:
        report_error(error, trace=arguments.traceback)
        return 1
    return code


def _closed_by_reader(descriptor: int) -> bool:
    """Return True if nothing can read from the other end of a pipe any more."""
    output = select.poll()
    output.register(descriptor, 0)
    return any(events & (select.POLLERR | select.POLLHUP) for _, events in output.poll(0))


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = Parser(
        prog="vpclogs",
        description="AWS VPC DNS query logs and VPC Flow Logs, from S3 to audited Iceberg tables.",
        epilog="Exit codes: 0 done, 1 something failed and is named on stderr, 2 wrong usage.",
    )
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="settings (default: $VPCLOGS_CONFIG, then vpclogs.yaml, then config/vpclogs.yaml)",
    )
    common.add_argument("--traceback", action="store_true", help="show a stack trace when something fails")
    commands = parser.add_subparsers(title="commands", dest="command", required=True, metavar="COMMAND")
    for module in COMMANDS:
        module.register(commands, common)
    return parser
