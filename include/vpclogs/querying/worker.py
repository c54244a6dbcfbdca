"""The process of one query. `vpclogs.querying.process` starts it, and ends it if it must.

It reads a request from stdin as one line of JSON, and writes lines of JSON to stdout: an object with
the names of the columns, an array for each row, and an object for the end or an error. It ends when
its stdin does, so it never survives the process that started it.
"""

from __future__ import annotations

import ipaddress
import json
import os
import resource
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

JsonObject = dict[str, Any]

_ROWS = 250  # fetched at a time


def main() -> None:
    """Run the query of the request."""
    results = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # libraries may print, and results are no place for that
    request = json.loads(sys.stdin.readline())
    folder = Path(request["folder"])
    threading.Thread(target=_end_with_parent, args=(folder,), daemon=True).start()
    _limit(request["limits"])
    try:
        for messages in _answer(request, folder):
            _write(results, *messages)
        _write(results, {"end": True})
    except BrokenPipeError:
        pass  # enough was read
    except Exception as error:
        _write(results, {"error": _error(error)})
    # The interpreter's orderly end waits for threads that may still read files.
    os._exit(0)


def _answer(request: JsonObject, folder: Path) -> Iterator[list[Any]]:
    # Imported late, so that an import that fails is an answer too.
    from vpclogs.config.settings import QuerySettings
    from vpclogs.querying.engine import duckdb_errors, open_tables
    from vpclogs.querying.judge import judge
    from vpclogs.warehouse.tables import Warehouse

    statement = judge(request["sql"])
    limits = QuerySettings.model_validate(request["limits"])
    _limit_arrow(limits.threads)
    namespace = request["namespace"]
    catalog = Warehouse(request["catalog"], namespace=namespace).catalog
    with open_tables(catalog, namespace=namespace, folder=folder, limits=limits) as tables:
        with duckdb_errors():
            result = tables.execute(statement)
        columns = result.description or []
        yield [{"columns": [column[0] for column in columns]}]
        addresses = [index for index, column in enumerate(columns) if "INET" in str(column[1])]
        left = request["max_rows"]
        while left is None or left > 0:
            with duckdb_errors():
                rows = result.fetchmany(_ROWS if left is None else min(_ROWS, left))
            if not rows:
                return
            left = None if left is None else left - len(rows)
            yield [_plain_row(row, addresses, request["max_text"]) for row in rows]


def _plain_row(row: tuple[Any, ...], addresses: list[int], max_text: int | None) -> list[Any]:
    from vpclogs.querying.json_values import plain

    values = list(row)
    for index in addresses:
        values[index] = _address_text(values[index])
    return [plain(value) if max_text is None else str(plain(value))[:max_text] for value in values]


def _address_text(value: Any) -> Any:
    """Return an address of DuckDB's type INET as it is written, at any depth of a value."""
    match value:
        case {"ip_type": int() as kind, "address": int() as number, "mask": int() as mask}:
            if kind == 1:
                return _with_mask(str(ipaddress.IPv4Address(number)), mask, 32)
            # DuckDB keeps the 128 bits as a signed number whose sign is flipped, so that addresses sort.
            return _with_mask(str(ipaddress.IPv6Address(number + (1 << 127))), mask, 128)
        case dict():
            return {_address_text(key): _address_text(member) for key, member in value.items()}
        case list() | tuple():
            return [_address_text(member) for member in value]
        case _:
            return value


def _with_mask(address: str, mask: int, whole: int) -> str:
    return address if mask == whole else f"{address}/{mask}"


def _limit(limits: JsonObject) -> None:
    """Limit what the engine does not: no core file, no file without end, and the first to go when memory is short."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits["temporary_bytes"], resource.RLIM_INFINITY))
    with suppress(OSError):  # only Linux has it
        Path("/proc/self/oom_score_adj").write_text("1000")


def _limit_arrow(threads: int) -> None:
    import pyarrow as pa

    pa.set_cpu_count(threads)


def _error(error: Exception) -> JsonObject:
    from vpclogs.errors import VpcLogsError
    from vpclogs.foreign_text import shown_lines

    if isinstance(error, VpcLogsError):
        return {"kind": type(error).__name__, "lines": list(error.args)}
    first, *others = shown_lines(error)
    return {"kind": "", "lines": [f"{type(error).__name__}: {first}", *others]}


def _write(results: TextIO, *messages: Any) -> None:
    for message in messages:
        results.write(json.dumps(message) + "\n")
    results.flush()


def _end_with_parent(folder: Path) -> None:
    sys.stdin.read()
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


if __name__ == "__main__":
    main()
