"""Run SQL in a process of its own, within limits.

A query is text that somebody wrote. In the same process, one that takes all memory, never ends, or
makes the engine abort (SIGABRT) would take its caller and the other checks with it; an interrupt
reaches DuckDB only between two pieces of work. A process can always be ended from outside, so a
query that fails, hangs or takes memory costs only itself, and Ctrl-C stops it at once.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

import psutil

from vpclogs.config.settings import QuerySettings
from vpclogs.errors import CatalogUnavailable, VpcLogsError
from vpclogs.foreign_text import shown_lines
from vpclogs.querying.errors import QueryLimitExceeded, QueryRefused, TableMissing

__all__ = ["QueryResult", "Tables", "run_query"]

_POLL_SECONDS = 0.05  # between two checks of memory and time
_READ_BYTES = 1 << 20
_SHOWN_BYTES = 2000  # of what a process wrote to stderr before it crashed

_ERRORS = {one.__name__: one for one in (QueryRefused, TableMissing, QueryLimitExceeded, CatalogUnavailable)}
_FOREIGN_SETTINGS = (
    "AIRFLOW",
    "VPCLOGS_",
)  # variables that hold secrets of other parts, and nothing that a query needs


@dataclass(frozen=True, slots=True)
class Tables:
    """Where the tables are: the properties of `pyiceberg.catalog.load_catalog`, and the namespace."""

    catalog: Mapping[str, str]
    namespace: str


@dataclass(frozen=True, slots=True)
class QueryResult:
    """The column names of a query, and its rows of JSON values (`json_values.plain`) as they arrive."""

    columns: Sequence[str]
    rows: Iterator[list[Any]]


@contextmanager
def run_query(
    sql: str,
    tables: Tables,
    limits: QuerySettings,
    *,
    max_rows: int | None = None,
    max_text: int | None = None,
) -> Iterator[QueryResult]:
    """Run one statement that reads the tables, as they are now. Its process ends with the ``with`` block.

    With ``max_text`` each value comes as text of at most so many characters.

    Raises:
        QueryRefused: the statement does more than read, fails, or its process crashes. While rows are read, too.
        QueryLimitExceeded: it takes more than `limits` allow; the message names the limit.
        TableMissing: it names a table that no load has created yet.
        CatalogUnavailable: the catalog cannot be reached.
    """
    with tempfile.TemporaryDirectory(prefix="vpclogs-query-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        request = {
            "catalog": dict(tables.catalog),
            "namespace": tables.namespace,
            "sql": sql,
            "limits": limits.model_dump(),
            "folder": str(folder / "spill"),
            "max_rows": max_rows,
            "max_text": max_text,
        }
        (folder / "spill").mkdir()
        process = _start(folder / "stderr")
        try:
            messages = _messages(process, request, limits, folder / "stderr")
            yield QueryResult(next(messages)["columns"], messages)
        finally:
            # Not terminate: DuckDB may be in a loop that handles no signal.
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                with suppress(BrokenPipeError):
                    stream.close()  # type: ignore[union-attr]


def _start(stderr: Path) -> subprocess.Popen[bytes]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(_FOREIGN_SETTINGS)}
    # This very package, however it was found, and nothing from the working folder (-P).
    paths = [str(Path(__file__).parents[2]), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    with stderr.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "vpclogs.querying.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=file,
            env=environment,
            start_new_session=True,  # Ctrl-C is for us, and we end it
        )


def _messages(
    process: subprocess.Popen[bytes], request: Mapping[str, Any], limits: QuerySettings, stderr: Path
) -> Iterator[Any]:
    """Yield an object with the columns, then the rows, and raise the error of the process."""
    assert process.stdin is not None  # noqa: S101 - it is a pipe
    with suppress(BrokenPipeError):  # it has crashed, and `_lines` finds out
        process.stdin.write(json.dumps(request).encode() + b"\n")
        process.stdin.flush()
    for line in _lines(process, limits):
        message = json.loads(line)
        match message:
            case {"error": {"kind": kind, "lines": lines}}:
                raise _ERRORS.get(kind, VpcLogsError)(*lines)
            case {"end": True}:
                return
        yield message
    _raise_crash(process, stderr)


def _lines(process: subprocess.Popen[bytes], limits: QuerySettings) -> Iterator[bytes]:
    """Yield lines as they come, and watch memory and time while waiting for them."""
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    os.set_blocking(process.stdout.fileno(), False)
    watched = psutil.Process(process.pid)
    waited, parts = 0.0, [b""]
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            since = time.monotonic()
            ready = selector.select(_POLL_SECONDS)
            # Only time spent waiting counts: a reader that is slow to take rows is not the query's fault.
            waited += time.monotonic() - since
            _require_limits(watched, waited, limits)
            chunk = _read(process.stdout) if ready else None
            if chunk == b"":
                return
            if chunk:
                first, *others = chunk.split(b"\n")
                parts.append(first)
                for part in others:
                    yield b"".join(parts)
                    parts = [part]


def _read(stream: IO[bytes]) -> bytes:
    return os.read(stream.fileno(), _READ_BYTES)


def _require_limits(process: psutil.Process, seconds: float, limits: QuerySettings) -> None:
    if seconds > limits.seconds:
        raise QueryLimitExceeded(
            f"the query took longer than {limits.seconds} seconds (query.seconds): "
            "read fewer days (p_day) or columns, or raise the setting"
        )
    with suppress(psutil.Error):  # it has ended
        # RLIMIT_AS would count mapped files, and DuckDB aborts the process when it is hit.
        if process.memory_info().rss > limits.memory_bytes:
            raise QueryLimitExceeded(
                f"the query took more memory than {limits.memory_bytes >> 20} MiB (query.memory_bytes): "
                "read fewer days (p_day) or columns, or raise the setting"
            )


def _raise_crash(process: subprocess.Popen[bytes], stderr: Path) -> NoReturn:
    code = process.wait()
    how = f"with exit code {code}" if code >= 0 else f"by {signal.Signals(-code).name}"
    hint = ["the system may have run out of memory"] if code == -signal.SIGKILL else []
    written = stderr.read_bytes()[-_SHOWN_BYTES:].decode(errors="replace").strip()
    raise QueryRefused(f"the process of the query ended {how}", *hint, *(shown_lines(written) if written else []))
