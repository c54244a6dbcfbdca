"""What the commands write: rows on stdout, all that is said about them on stderr."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, TextIO, TypeAlias

from vpclogs.errors import VpcLogsError

__all__ = [
    "RESULTS",
    "Subparsers",
    "UsageError",
    "complain",
    "many",
    "size_text",
    "outside",
    "plain",
    "print_table",
    "say",
    "shortened_list",
    "tell",
]


Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""What a command's ``register`` adds its parser to. (Only type checkers can subscript the class.)"""


# Libraries whose errors are about the world outside (a server, a file, a credential),
# so that their message says more than a stack trace.
_OUTSIDE = {"_duckdb", "boto3", "botocore", "duckdb", "psycopg2", "pyiceberg", "requests", "sqlalchemy", "sqlite3"}


RESULTS: TextIO = sys.stdout
"""Where results go. ``main`` points ``sys.stdout`` at stderr while a command runs, because Airflow, which is
imported for a source that names a connection, logs to whatever ``sys.stdout`` is."""


class UsageError(Exception):
    """Raised when the arguments parse but make no sense together. The exit code is 2."""


def outside(error: Exception) -> bool:
    """Whether an error is ours on purpose or about the world outside, and no bug."""
    return isinstance(error, OSError | VpcLogsError) or type(error).__module__.partition(".")[0] in _OUTSIDE


def tell(text: str) -> None:
    """A line of the result."""
    print(text, file=RESULTS)


def say(text: str) -> None:
    """A line for the person at the terminal."""
    print(text, file=sys.stderr, flush=True)


def complain(text: str) -> None:
    """What failed, by the command's name so that it can be found in a log."""
    say(f"vpclogs: {text}")


def size_text(count: int) -> str:
    """Bytes for people: ``12.3 MB``, or ``5,120 bytes`` if they are few."""
    return f"{count / 1e6:,.1f} MB" if count >= 50_000 else f"{count:,} bytes"


def many(count: int, thing: str, things: str = "") -> str:
    """A count with its noun: ``1 batch``, ``2 batches``."""
    return f"{count} {thing if count == 1 else things or thing + 's'}"


def plain(value: Any) -> Any:
    """A value of a table as JSON has it: times RFC 3339 in UTC, maps objects, null members left out."""
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case Mapping():
            return {str(key): plain(member) for key, member in value.items() if member is not None}
        case list() | tuple():
            return [plain(member) for member in value]
        case float() if not math.isfinite(value):
            return str(value)
        case None | bool() | int() | float() | str():
            return value
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case bytes():
            return value.decode("utf-8", "backslashreplace")
        case _:
            return str(value)


def shortened_list(names: Sequence[str], most: int = 10) -> str:
    """Return the first names, and how many more there are."""
    more = [f"and {len(names) - most} more"] if len(names) > most else []
    return ", ".join([*names[:most], *more])


def print_table(headers: Sequence[str], rows: Iterable[Sequence[Any]], *, out: TextIO | None = None) -> None:
    """Columns for people: drawn on a terminal, aligned text otherwise. Numbers to the right."""
    out = out or RESULTS
    listed = [list(row) for row in rows]
    numeric = [any(isinstance(row[i], int | float) for row in listed) for i in range(len(headers))]
    cells = [[one_line(value) for value in row] for row in listed]
    if out.isatty():
        _draw(headers, cells, numeric, out)
        return
    widths = [max(len(line[i]) for line in [headers, *cells]) for i in range(len(headers))]
    for line in [headers, *cells]:
        padded = (c.rjust(w) if n else c.ljust(w) for c, w, n in zip(line, widths, numeric, strict=True))
        print("  ".join(padded).rstrip(), file=out)


def _draw(headers: Sequence[str], cells: list[list[str]], numeric: list[bool], out: TextIO) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for header, right in zip(headers, numeric, strict=True):
        table.add_column(Text(header), justify="right" if right else "left", overflow="fold")
    for line in cells:
        table.add_row(*(Text(cell) for cell in line))  # Text: brackets in the data are no markup
    Console(file=out).print(table)


def one_line(value: Any) -> str:
    """A value as text without line breaks and escape sequences: what comes from a log cannot move the cursor."""
    import json

    value = plain(value)
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case dict() | list():
            return json.dumps(value, ensure_ascii=False)
        case _:
            return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(value))
