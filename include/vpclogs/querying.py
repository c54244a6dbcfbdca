"""SQL over the tables: DuckDB reads the Iceberg tables where they lie, and can do nothing else.

The DuckDB of a query never downloads an extension, writes no file but its own spill
in a temporary folder, reads no file outside the tables, and takes one reading
statement at a time.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError

from vpclogs.errors import VpcLogsError
from vpclogs.foreign_text import shown_lines

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

__all__ = ["TABLES", "QueryRefused", "open_tables", "select"]

TABLES = ("vpc_dns", "vpc_flow", "quarantine")

# Loaded by the path of the file in its wheel, in this order: Iceberg needs the other
# two. INSTALL would copy them to the home folder, or download them.
_EXTENSIONS = ("avro", "httpfs", "iceberg")

_EXPLAIN = re.compile(r"\s*EXPLAIN\s+(ANALYZE\s+)?(\(\s*(?:ANALYZE|FORMAT)[^)]*\))?", re.IGNORECASE)


class QueryRefused(VpcLogsError):
    """Raised when a statement is not one that reads, or DuckDB cannot run it."""

    def __init__(self, *texts: str) -> None:
        # DuckDB's messages have several lines and quote values of the tables, line breaks and all
        super().__init__(*(line for text in texts for line in shown_lines(text)))


@contextmanager
def open_tables(catalog: Catalog, *, namespace: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with a view for each table that exists, as of now.

    Later publishes are not seen: open again. Times come out in UTC.
    """
    with tempfile.TemporaryDirectory(prefix="vpclogs-query-") as folder, _connect(folder) as connection:
        folders = set()
        for name in TABLES:
            try:
                table = catalog.load_table((namespace, name))
            except (NoSuchTableError, NoSuchNamespaceError):
                continue
            _allow_s3(connection, name, table)
            # names are ours, the location is quoted, and DuckDB takes no parameters in DDL
            view = f"CREATE VIEW {name} AS SELECT * FROM iceberg_scan({_text(table.metadata_location)})"  # noqa: S608
            connection.execute(view)
            folders.add(table.location().rstrip("/") + "/")
        _lock(connection, folders)
        yield connection


def select(connection: duckdb.DuckDBPyConnection, sql: str) -> duckdb.DuckDBPyConnection:
    """Run one statement that reads; the result is fetched from what is returned.

    Raises:
        QueryRefused: it is more than one statement, or does not only read, or fails.
    """
    try:
        _require_reading(connection, sql)
        return connection.execute(sql)
    except duckdb.Error as error:
        raise QueryRefused(_advised(str(error), connection)) from None


def _connect(folder: str) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "extension_directory": folder,
            "secret_directory": folder,
            "temp_directory": folder,
            "python_enable_replacements": "false",  # a table's name must not find a Python variable
        }
    )
    for name in _EXTENSIONS:
        connection.execute(f"LOAD {_text(str(_extension(name)))}")
    connection.execute("SET TimeZone = 'UTC'")
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


def _lock(connection: duckdb.DuckDBPyConnection, folders: set[str]) -> None:
    """From here on the connection reaches these folders only and no setting can be changed."""
    connection.execute(f"SET allowed_directories = [{', '.join(_text(folder) for folder in sorted(folders))}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _require_reading(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    statements = connection.extract_statements(sql)
    if len(statements) == 1 and statements[0].type == duckdb.StatementType.EXPLAIN:
        # EXPLAIN ANALYZE runs what it explains, so that has to be a reading statement too.
        statements = connection.extract_statements(_EXPLAIN.sub("", sql, count=1))
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise QueryRefused(
            "a query is one statement that reads: SELECT, WITH, DESCRIBE, SHOW, SUMMARIZE, or EXPLAIN of one of these"
        )


def _allow_s3(connection: duckdb.DuckDBPyConnection, name: str, table: Table) -> None:
    """Give DuckDB the credentials with which pyiceberg reads the table, for its bucket alone."""
    bucket = re.match(r"s3[an]?://[^/]+/?", table.location())
    if bucket is None:
        return
    options = _s3_options(table.io.properties) | {"SCOPE": bucket[0]}
    listed = ", ".join(f"{key} {_text(value)}" for key, value in options.items())
    connection.execute(f"CREATE SECRET {name}_s3 (TYPE s3, PROVIDER config, {listed})")


def _s3_options(properties: Mapping[str, str]) -> dict[str, str]:
    def given(key: str) -> str:
        return properties.get(f"s3.{key}") or properties.get(f"client.{key}") or ""

    options = {"KEY_ID": given("access-key-id"), "SECRET": given("secret-access-key")}
    options |= {"SESSION_TOKEN": given("session-token"), "REGION": given("region")}
    if not options["KEY_ID"]:
        options |= _default_credentials(given("profile-name") or None, options["REGION"])
    if endpoint := given("endpoint"):
        scheme, _, host = endpoint.rstrip("/").partition("://")
        options |= {"ENDPOINT": host, "USE_SSL": str(scheme == "https").lower(), "URL_STYLE": "path"}
    return {key: value for key, value in options.items() if value}


def _default_credentials(profile: str | None, region: str) -> dict[str, str]:
    """What boto3 would use. DuckDB's own search for credentials needs an extension that has no wheel."""
    import boto3  # slow to import, and only a warehouse in S3 without keys in its settings needs it

    session = boto3.Session(profile_name=profile)
    options = {"REGION": region or session.region_name or ""}
    if credentials := session.get_credentials():
        key = credentials.get_frozen_credentials()
        options |= {"KEY_ID": key.access_key or "", "SECRET": key.secret_key or "", "SESSION_TOKEN": key.token or ""}
    return options


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _advised(message: str, connection: duckdb.DuckDBPyConnection) -> str:
    missing = re.search(r"Table with name (\w+) does not exist", message)
    if missing is None:
        return message
    if missing[1] in TABLES:
        return f"there is no table {missing[1]} yet: it comes with the first load that publishes"
    views = connection.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal ORDER BY ALL").fetchall()
    return f"there is no table {missing[1]}; the tables are {', '.join(row[0] for row in views) or 'not there yet'}"
