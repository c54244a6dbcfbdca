"""The output of the commands: rows on stdout, everything else on stderr.

Nothing here needs text that is already safe: `print_lines`, `report`, `report_failure` and `print_table`
escape what they print. Each argument is one line, so a line break is escaped too.
"""

from __future__ import annotations

import argparse
import io
import sys
import traceback
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn, TextIO, TypeAlias

from vpclogs.errors import VpcLogsError
from vpclogs.foreign_text import escaped, printable, shown, shown_json, shown_lines
from vpclogs.querying.json_values import plain

__all__ = [
    "NOTES",
    "RESULTS",
    "GuardedStream",
    "Parser",
    "Subparsers",
    "UsageError",
    "report_failure",
    "error_lines",
    "json_text",
    "outside",
    "print_table",
    "report",
    "shortened_list",
    "print_lines",
    "trace_lines",
]


Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""The collection of parsers that a command's ``register`` adds to. Only type checkers can subscript the class."""


# Libraries whose errors are about the world outside (a server, a file, a credential),
# so that their message helps more than a stack trace.
_OUTSIDE = {"_duckdb", "boto3", "botocore", "duckdb", "psycopg2", "pyiceberg", "requests", "sqlalchemy", "sqlite3"}


RESULTS: TextIO = sys.stdout
"""Where results go. ``main`` points ``sys.stdout`` at stderr while a command runs, because Airflow, which is
imported for a source that names a connection, logs to the current ``sys.stdout``."""

NOTES: TextIO = sys.stderr
"""The terminal's own stderr, for progress bars. ``main`` points ``sys.stderr`` at a `GuardedStream` over it."""


class GuardedStream(io.TextIOBase):
    """A stream that escapes characters that do not print, except line breaks and tabs.

    For text that other libraries write to stderr: warnings, log records, tracebacks.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write escaped text. Return the number of characters that were given."""
        self._stream.write(printable(text))
        return len(text)

    def flush(self) -> None:
        """Flush the stream."""
        self._stream.flush()

    def fileno(self) -> int:
        """Return the descriptor of the stream."""
        return self._stream.fileno()

    def isatty(self) -> bool:
        """Return True if the stream is a terminal."""
        return self._stream.isatty()


class Parser(argparse.ArgumentParser):
    """A parser whose complaints quote arguments escaped."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and the message, and exit with code 2."""
        super().error(shown(message))


class UsageError(Exception):
    """Raised when the arguments parse but make no sense together. The exit code is 2."""


def outside(error: Exception) -> bool:
    """Return True if an error is raised on purpose or by the environment, and is no bug."""
    return isinstance(error, OSError | VpcLogsError) or type(error).__module__.partition(".")[0] in _OUTSIDE


def print_lines(*lines: str) -> None:
    """Print lines of the result."""
    for line in lines:
        print(shown(line), file=RESULTS)


def report(*lines: str) -> None:
    """Print lines for the person at the terminal."""
    print("\n".join(map(shown, lines)), file=sys.stderr, flush=True)


def report_failure(*lines: str) -> None:
    """Print a failure, prefixed with the command's name so that it can be found in a log."""
    report(f"vpclogs: {lines[0]}", *lines[1:])


def report_error(error: Exception, label: str = "", *, trace: bool = False) -> None:
    """Print an error, after ``label`` if it is given, with a stack trace if requested or if the error is unexpected."""
    if trace or not outside(error):
        report(*trace_lines(error))
    if isinstance(error, VpcLogsError):
        report_failure(*error.lines)
    else:
        hint = [] if trace or not outside(error) else ["(--traceback shows where)"]
        kind = type(error).__name__
        report_failure(*error_lines(error, f"{label}: {kind}" if label else kind), *hint)


def error_lines(error: Exception, label: str = "") -> list[str]:
    """Return the lines of an error's message, after ``label`` and a colon if it is given."""
    first, *others = error.lines if isinstance(error, VpcLogsError) else shown_lines(error)
    return [f"{label}: {first}" if label else first, *others]


def trace_lines(error: BaseException) -> list[str]:
    """Return the stack trace of an error. All lines but the first are indented."""
    return shown_lines("".join(traceback.format_exception(error)))


def shortened_list(names: Sequence[str], most: int = 10) -> str:
    """Return the first names, and how many more there are."""
    more = [f"and {len(names) - most} more"] if len(names) > most else []
    return ", ".join([*names[:most], *more])


def print_table(headers: Sequence[str], rows: Iterable[Sequence[Any]], *, out: TextIO | None = None) -> None:
    """Columns for people: drawn on a terminal, aligned text otherwise. Numbers to the right."""
    out = out or RESULTS
    listed = [list(row) for row in rows]
    numeric = [any(isinstance(row[i], int | float) for row in listed) for i in range(len(headers))]
    titles = [escaped(header) for header in headers]
    cells = [[one_line(value) for value in row] for row in listed]
    if out.isatty():
        _draw(titles, cells, numeric, out)
        return
    widths = [max(len(line[i]) for line in [titles, *cells]) for i in range(len(titles))]
    for line in [titles, *cells]:
        padded = (c.rjust(w) if n else c.ljust(w) for c, w, n in zip(line, widths, numeric, strict=True))
        print("  ".join(padded).rstrip(), file=out)


def _draw(headers: Sequence[str], cells: list[list[str]], numeric: list[bool], out: TextIO) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for header, right in zip(headers, numeric, strict=True):
        table.add_column(Text(header), justify="right" if right else "left", no_wrap=True)
    for line in cells:
        table.add_row(*(Text(cell) for cell in line))  # Text: brackets in the data are no markup
    console = Console(file=out)
    # A wide table is left to the terminal to wrap: a name that is cut into lines here cannot be copied.
    wide = console.measure(table, options=console.options.update(max_width=1 << 20)).maximum
    Console(file=out, width=max(console.width, wide)).print(table)


def one_line(value: Any) -> str:
    """Return a value of a table as text without line breaks and escape sequences. Data are not redacted."""
    value = plain(value)
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case dict() | list():
            return json_text(value)
        case _:
            return escaped(str(value))


def json_text(value: Any) -> str:
    """Return a result of `plain` as JSON on one line. Characters that do not print are escaped as JSON escapes them."""
    import json

    return shown_json(json.dumps(value, ensure_ascii=False))
