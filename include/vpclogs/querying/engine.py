"""The DuckDB of one query: it sees the tables as Arrow datasets, and can reach nothing else.

It has no file system, no network, no extension but ``inet``, no credentials, and no setting that
SQL can change. Even a statement that `judge` lets through by mistake finds nothing to write to, to
send to, or to steal; it can only fill its own temporary folder, which goes with the query.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError

from vpclogs.config.settings import QuerySettings
from vpclogs.querying.errors import QueryLimitExceeded, QueryRefused, TableMissing
from vpclogs.querying.iceberg_dataset import IcebergDataset
from vpclogs.querying.judge import TABLES

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

__all__ = ["duckdb_errors", "open_tables"]

_MEMORY_SHARE = 0.5  # of a query's memory; the rest is for reading files, for rows on their way out, and for Python


@contextmanager
def open_tables(
    catalog: Catalog, *, namespace: str, folder: Path, limits: QuerySettings
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a connection with a view for each table that exists, as of now.

    Later publishes are not seen: open again. Times come out in UTC. ``folder`` is the engine's own.
    """
    with _connect(folder, limits) as connection:
        for name in TABLES:
            try:
                table = catalog.load_table((namespace, name))
            except (NoSuchTableError, NoSuchNamespaceError):
                continue
            connection.register(name, IcebergDataset(table))
        # After the extension is loaded, and before the statement: neither can be undone by SQL.
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        yield connection


@contextmanager
def duckdb_errors() -> Iterator[None]:
    """Raise DuckDB's errors, while a statement runs or its rows are fetched, as ours.

    Raises:
        QueryRefused: the statement fails.
        TableMissing: it names a table that no load has created yet.
        QueryLimitExceeded: it needs more memory or temporary space than it may take.
    """
    try:
        yield
    except duckdb.Error as error:
        raise _explained(str(error)) from None


def _connect(folder: Path, limits: QuerySettings) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            # Beside the temporary folder: in that one DuckDB may write, and INSTALL would go on to download.
            "extension_directory": str(folder / "extensions"),
            "secret_directory": str(folder / "secrets"),
            "temp_directory": str(folder / "temporary"),
            "python_enable_replacements": "false",  # a table's name must not find a Python variable
            "memory_limit": f"{int(limits.memory_bytes * _MEMORY_SHARE)}B",
            "threads": limits.threads,
        }
    )
    # Loaded by the path of the file in its wheel: INSTALL would copy it to the home folder, or download it.
    extension = str(_extension("inet")).replace("'", "''")
    connection.execute(f"LOAD '{extension}'")
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"SET max_temp_directory_size = '{limits.temporary_bytes}B'")  # without effect in the config
    return connection


def _extension(name: str) -> Path:
    spec = find_spec(f"duckdb_extension_{name}")
    for folder in (spec.submodule_search_locations if spec else None) or ():
        path = Path(folder) / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
        if path.is_file():
            return path
    raise QueryRefused(
        f"DuckDB {duckdb.__version__} needs its extension {name} in the same version: "
        f"install duckdb-extension-{name}=={duckdb.__version__}"
    )


def _explained(message: str) -> QueryRefused:
    missing = re.search(r"Table with name (\w+) does not exist", message)
    if missing and missing[1].lower() in TABLES:
        return TableMissing(f"there is no table {missing[1].lower()} yet: the first load that publishes creates it")
    if "max_temp_directory_size" in message or "No space left on device" in message:
        return QueryLimitExceeded(
            "the query needs more temporary space than query.temporary_bytes allows, or the disk has: "
            "read fewer days (p_day) or columns, or raise the setting"
        )
    if message.startswith("Out of Memory Error"):
        return QueryLimitExceeded(
            "the query needs more memory than query.memory_bytes allows: "
            "read fewer days (p_day) or columns, or raise the setting"
        )
    return QueryRefused(message)
