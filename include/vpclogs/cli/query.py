"""``vpclogs query``: SQL over the tables."""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from vpclogs.cli.terminal import RESULTS, Subparsers, UsageError, json_text, print_table, report
from vpclogs.foreign_text import escaped

__all__ = ["register"]

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_TABLE_ROWS = 1000  # of the table format, which must hold them all to align them


def register(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "query",
        parents=[common],
        help="run SQL over the tables",
        description="Run one SQL statement that reads, by DuckDB, over the tables vpc_dns, vpc_flow and quarantine. "
        "Times with a time zone are in UTC. The settings limit memory, temporary space and time (query).",
    )
    parser.add_argument("sql", metavar="SQL", help='such as "select count(*) from vpc_dns", or - for stdin')
    parser.add_argument(
        "--format",
        choices=["table", "json", "csv"],
        default="table",
        help=f"table: for people, the first {_TABLE_ROWS} rows; json: one object a line; csv (default: table)",
    )
    parser.add_argument(
        "--spreadsheet",
        action="store_true",
        help="with csv: put ' before text that a spreadsheet would run as a formula",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the result of the query."""
    if arguments.spreadsheet and arguments.format != "csv":
        raise UsageError("--spreadsheet needs --format csv")
    from vpclogs.config.settings import load_settings
    from vpclogs.querying.process import Tables, run_query

    settings = load_settings(arguments.config, os.environ)
    sql = sys.stdin.read() if arguments.sql == "-" else arguments.sql
    with run_query(sql, Tables(settings.catalog, settings.namespace), settings.query) as result:
        writer = _write_spreadsheet if arguments.spreadsheet else _WRITERS[arguments.format]
        writer(_distinct(result.columns), result.rows)
    return 0


def _write_table(headers: Sequence[str], rows: Iterator[list[Any]]) -> None:
    listed = [row for _, row in zip(range(_TABLE_ROWS), rows, strict=False)]
    print_table(headers, listed)
    if next(rows, None) is not None:
        report(f"only the first {_TABLE_ROWS} rows are shown; --format csv or json gives all")


def _write_json(headers: Sequence[str], rows: Iterator[list[Any]]) -> None:
    for row in rows:
        print(json_text(dict(zip(headers, row, strict=True))), file=RESULTS)


def _write_csv(headers: Sequence[str], rows: Iterator[list[Any]], *, harmless: Callable[[str], str] = str) -> None:
    """Write CSV: exact to a file or a pipe, escaped to a terminal. ``harmless`` changes each text."""
    writer = csv.writer(_CsvLines())
    writer.writerow(map(harmless, headers))
    for row in rows:
        cells = (_csv_cell(value) for value in row)
        writer.writerow([harmless(cell) if isinstance(cell, str) else cell for cell in cells])


def _write_spreadsheet(headers: Sequence[str], rows: Iterator[list[Any]]) -> None:
    _write_csv(headers, rows, harmless=lambda text: f"'{text}" if text.startswith(_FORMULA_STARTS) else text)


class _CsvLines:
    """Where a CSV writer's rows go. It ends them with CRLF, so that it quotes a lone CR; we end them with LF."""

    def __init__(self) -> None:
        self._terminal = RESULTS.isatty()

    def write(self, row: str) -> None:
        line = row.removesuffix("\r\n")
        print(escaped(line) if self._terminal else line, file=RESULTS)


def _csv_cell(value: Any) -> Any:
    match value:
        case dict() | list():
            return json.dumps(value, ensure_ascii=False)
        case bool():
            return str(value).lower()
        case _:
            return value


def _distinct(names: Sequence[str]) -> list[str]:
    """Column names with a number where one repeats, because JSON keeps one value per name."""
    seen: dict[str, int] = {}
    result = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        result.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return result


_WRITERS = {"table": _write_table, "json": _write_json, "csv": _write_csv}
