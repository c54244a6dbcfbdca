"""Checks that users write: each SQL file of a folder is one, and each row that it returns a violation.

The file starts with comments that set the severity and the message:

    -- severity: warning
    -- message: names that were looked up and do not exist, more than 10,000 times
    -- log_type: vpc_dns

``severity`` and ``message`` are required. With ``log_type`` the check runs only where a
source of that log is configured. The SQL is a query of `vpclogs.querying`: it only reads, in a
process of its own with limits, so a check that fails, hangs or takes memory costs only itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vpclogs.errors import ConfigError
from vpclogs.findings import MonitorFinding, Severity
from vpclogs.partitions import LogType

if TYPE_CHECKING:
    from vpclogs.config.settings import QuerySettings
    from vpclogs.querying.process import Tables

__all__ = ["SqlCheck", "check_files", "read_check", "run_check"]

_KEYS = {"severity": tuple(Severity), "message": (), "log_type": tuple(LogType)}
_REQUIRED = ("severity", "message")
_HEADER = re.compile(r"--\s*([A-Za-z_]+)\s*:\s*(.*?)\s*")
_NAME = re.compile(r"[a-z0-9_]{1,60}")

_COUNTED = 1000
_SHOWN = 3
_SHOWN_TEXT = 80


@dataclass(frozen=True, slots=True)
class SqlCheck:
    """One file. ``name`` is the file's, without the suffix."""

    name: str
    path: Path
    severity: Severity
    message: str
    sql: str
    log_type: LogType | None = None


def check_files(folder: Path) -> list[Path]:
    """The files of the checks, sorted.

    Raises:
        ConfigError: the folder does not exist.
    """
    if not folder.is_dir():
        raise ConfigError(f"checks_folder: {folder} is not a folder; make it, or remove the setting")
    return sorted(folder.glob("*.sql"))


def read_check(path: Path) -> SqlCheck:
    """Read a file.

    Raises:
        ConfigError: it cannot be used; names the file and the line.
    """
    if not _NAME.fullmatch(path.stem):
        raise ConfigError(f"{path}: name the file with small letters, digits and _, such as many_refused.sql")
    try:
        sql = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    header = _header(path, sql)
    for key in _REQUIRED:
        if key not in header:
            raise ConfigError(f"{path}:1: the header has no line `-- {key}: …`; it goes before the SQL")
    return SqlCheck(
        name=path.stem,
        path=path,
        severity=Severity(header["severity"]),
        message=header["message"],
        sql=sql,
        log_type=LogType(header["log_type"]) if "log_type" in header else None,
    )


def run_check(check: SqlCheck, tables: Tables, limits: QuerySettings) -> MonitorFinding | None:
    """Return the violations that a check finds in the tables, with some rows as examples.

    Raises:
        QueryRefused: the SQL does more than read, fails, or exceeds a limit.
        TableMissing: it names a table that no load has created yet.
        CatalogUnavailable: the catalog cannot be reached.
    """
    from vpclogs.querying.process import run_query  # not needed to read a check

    with run_query(check.sql, tables, limits, max_rows=_COUNTED + 1, max_text=_SHOWN_TEXT) as result:
        columns, rows = result.columns, list(result.rows)
    if not rows:
        return None
    count = f"more than {_COUNTED} rows" if len(rows) > _COUNTED else f"{len(rows)} row" + "s" * (len(rows) > 1)
    shown = "; ".join(_row(columns, row) for row in rows[:_SHOWN])
    message = f"{check.message}: {count}, such as {shown}"
    return MonitorFinding(f"sql/{check.name}", f"sql/{check.name}", check.severity, message)


def _header(path: Path, sql: str) -> Mapping[str, str]:
    """Return the `-- key: value` comments before the first line of SQL. Other comments between them are ignored."""
    header: dict[str, str] = {}
    for number, line in enumerate(sql.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("--"):
            break
        match = _HEADER.fullmatch(line.strip())
        if match is None:
            continue
        key, value = match.groups()
        if key not in _KEYS:
            raise ConfigError(f"{path}:{number}: the header has no key {key!r}; its keys are {', '.join(_KEYS)}")
        if key in header:
            raise ConfigError(f"{path}:{number}: {key} is a duplicate")
        if not value or (_KEYS[key] and value not in _KEYS[key]):
            allowed = " or ".join(_KEYS[key]) or "what a violation means"
            raise ConfigError(f"{path}:{number}: {key} is {value!r}; write {allowed}")
        header[key] = value
    return header


def _row(columns: Sequence[str], row: Sequence[str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in zip(columns, row, strict=True))
