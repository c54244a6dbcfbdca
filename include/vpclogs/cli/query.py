"""``vpclogs query``: SQL over the tables."""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from vpclogs.cli.terminal import RESULTS, Subparsers, UsageError, json_text, plain, print_table, say
from vpclogs.foreign_text import shown

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["register"]

_FETCH_ROWS = 1000
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_TABLE_ROWS = 1000  # of the table format, which must hold them all to align them


def register(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "query",
        parents=[common],
        help="run SQL over the tables",
        description="Run one SQL statement that reads, by DuckDB, over the tables vpc_dns, vpc_flow and quarantine. "
        "Times are in UTC.",
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
    from vpclogs.querying import open_tables, select
    from vpclogs.settings import load_settings
    from vpclogs.warehouse import Warehouse

    settings = load_settings(arguments.config, os.environ)
    warehouse = Warehouse(settings.catalog, namespace=settings.namespace)
    sql = sys.stdin.read() if arguments.sql == "-" else arguments.sql
    with open_tables(warehouse.catalog, namespace=settings.namespace) as tables:
        result = select(tables, sql)
        headers = _distinct([column[0] for column in result.description or []])
        writer = _write_spreadsheet if arguments.spreadsheet else _WRITERS[arguments.format]
        writer(headers, _rows(result))
    return 0


def _rows(result: DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    while rows := result.fetchmany(_FETCH_ROWS):
        yield from rows


def _write_table(headers: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> None:
    listed = [row for _, row in zip(range(_TABLE_ROWS), rows, strict=False)]
    print_table(headers, listed)
    if next(rows, None) is not None:
        say(f"only the first {_TABLE_ROWS} rows are shown; --format csv or json gives all")


def _write_json(headers: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> None:
    for row in rows:
        print(json_text(dict(zip(headers, map(plain, row), strict=True))), file=RESULTS)


def _write_csv(
    headers: Sequence[str], rows: Iterator[tuple[Any, ...]], *, harmless: Callable[[str], str] = str
) -> None:
    """Write CSV: exact to a file or a pipe, escaped to a terminal. ``harmless`` changes each text."""
    writer = csv.writer(_CsvLines())
    writer.writerow(map(harmless, headers))
    for row in rows:
        cells = (_csv_cell(plain(value)) for value in row)
        writer.writerow([harmless(cell) if isinstance(cell, str) else cell for cell in cells])


def _write_spreadsheet(headers: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> None:
    _write_csv(headers, rows, harmless=lambda text: f"'{text}" if text.startswith(_FORMULA_STARTS) else text)


class _CsvLines:
    """Where a CSV writer's rows go. It ends them with CRLF, so that it quotes a lone CR; we end them with LF."""

    def __init__(self) -> None:
        self._terminal = RESULTS.isatty()

    def write(self, row: str) -> None:
        line = row.removesuffix("\r\n")
        print(shown(line) if self._terminal else line, file=RESULTS)


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
