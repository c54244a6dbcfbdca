"""The Iceberg tables, in the catalog that the settings name."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import IO, cast
from uuid import uuid4

import pyarrow as pa
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.exceptions import (
    CommitFailedException,
    NamespaceAlreadyExistsError,
    NoSuchTableError,
    TableAlreadyExistsError,
)
from pyiceberg.expressions import And, BooleanExpression, EqualTo, In
from pyiceberg.table import Table
from requests import RequestException
from sqlalchemy import make_url
from sqlalchemy.exc import DatabaseError, IntegrityError

from vpclogs.errors import ConfigError
from vpclogs.partitions import LogType, Partition
from vpclogs.schemas import schema_for, tables
from vpclogs.schemas.tables import PARTITION_COLUMNS
from vpclogs.warehouse.catalog_errors import patiently
from vpclogs.warehouse.columns import missing_columns

__all__ = ["QUARANTINE", "Warehouse", "equals", "in_partition", "one_of", "table_schema"]

QUARANTINE = "quarantine"
"""The name of the table of refused records and objects. The others are named by their log type."""

_PROPERTIES = {
    # Publishing retries conflicts itself, because it must read the published snapshots again first.
    "commit.retry.num-retries": "0",
    # Each commit adds a manifest. Publishing merges them now and then, see `vpclogs.warehouse.snapshots.merging`:
    # merging at every commit would rewrite a manifest of hundreds of entries each time that it is nearly full.
    "commit.manifest-merge.enabled": "false",
    "commit.manifest.min-count-to-merge": "4",
    "commit.manifest.target-size-bytes": str(128 << 10),
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "20",
    "write.parquet.compression-codec": "zstd",
}

_WITHOUT_FIELD_IDS = re.compile(r"-[0-9a-f]{8}\.parquet$")
"""Names of files from before field ids. Later names, and those that other engines give, end differently."""

_LOCK_WAIT_SECONDS = "60"  # for another process's commit to a SQLite catalog; its driver's own default is 5

# It warns of each column that we keep no bounds for, in each file of each commit.
logging.getLogger("pyiceberg.io.pyarrow").addFilter(lambda record: "statistics missing" not in str(record.msg))


class Warehouse:
    """Opens tables and writes files that no table knows yet.

    ``catalog`` are the properties of `pyiceberg.catalog.load_catalog`. A catalog that fails
    for a moment is asked again; ``sleep`` (seconds) can be replaced in tests.

    Raises:
        CatalogUnavailable: the catalog cannot be reached, or keeps failing.
    """

    def __init__(
        self, catalog: Mapping[str, str], *, namespace: str, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._properties = dict(catalog)
        self.namespace = namespace
        self._sleep = sleep

    @cached_property
    def catalog(self) -> Catalog:
        """The catalog; its SQLite file, if it is one, is made on first use."""
        properties = dict(self._properties)
        if properties.get("uri", "").startswith("sqlite"):
            # A folder that is missing would make SQLite report "unable to open database file", which helps nobody.
            url = make_url(properties["uri"])
            if url.database:
                Path(url.database).parent.mkdir(parents=True, exist_ok=True)
            if "timeout" not in url.query:
                properties["uri"] = str(url.update_query_dict({"timeout": _LOCK_WAIT_SECONDS}))

        def load() -> Catalog:
            try:
                return load_catalog("vpclogs", **properties)
            except RequestException:  # some are ValueErrors too, but the catalog may answer better the next time
                raise
            except ValueError as error:
                raise ConfigError(f"`catalog` in the settings cannot be used: {error}") from error

        try:
            return patiently(load, f"the catalog of {self.namespace}", sleep=self._sleep)
        except DatabaseError:  # another process made the catalog's own tables at the same moment
            return load()

    def table(self, name: str) -> Table:
        """Return the table as it is now. Create it if it is absent, and add optional columns that it lacks.

        Raises:
            TableChanged: another engine changed its columns so that our rows do not fit.
        """
        return patiently(lambda: self._table(name), f"table {self.namespace}.{name}", sleep=self._sleep)

    def _table(self, name: str) -> Table:
        try:
            table = self.catalog.load_table((self.namespace, name))
        except NoSuchTableError:
            return self._create(name)
        wanted = table_schema(name)
        # A newer version of vpclogs has more columns. Adding optional ones is safe for files and readers of the older.
        if missing_columns(table, wanted):
            # another process may add the columns just now
            with suppress(CommitFailedException), table.update_schema() as update:
                update.union_by_name(wanted)
            # Load it again: the columns are there now, whoever added them.
            return self._table(name)
        return table

    def names(self) -> list[str]:
        """The tables that exist."""
        listed = patiently(
            lambda: self.catalog.list_tables(self.namespace), f"tables in {self.namespace}", sleep=self._sleep
        )
        return sorted(name for _, name in listed)

    def new_file(self, table: Table, partition: Partition, stem: str) -> str:
        """Return a new path for a data file of the partition. Data files are immutable, so no path comes twice."""
        # Both logs share the quarantine, so its partitions begin with the log.
        log_type = f"/p_log_type={schema_for(partition.log_type).title}" if table.name()[-1] == QUARANTINE else ""
        folder = f"p_account={partition.account}/p_region={partition.region}/p_day={partition.day.isoformat()}"
        return f"{table.location()}/data{log_type}/{folder}/{stem}-{uuid4().hex[:12]}.parquet"

    @staticmethod
    def lacks_field_ids(path: str) -> bool:
        """Return True if a data file was written by a version of vpclogs without field ids, judged by its name."""
        return _WITHOUT_FIELD_IDS.search(path) is not None

    def create_file(self, table: Table, path: str) -> IO[bytes]:
        """A stream that writes a new file."""
        return cast("IO[bytes]", table.io.new_output(path).create())

    def delete_file(self, table: Table, path: str) -> None:
        """Remove a file that no table knows. A missing file is fine."""
        with suppress(FileNotFoundError):
            table.io.delete(path)

    def _create(self, name: str) -> Table:
        with suppress(NamespaceAlreadyExistsError, IntegrityError):  # another process made it just now
            self.catalog.create_namespace(self.namespace)
        columns = PARTITION_COLUMNS if name != QUARANTINE else ("p_log_type", *PARTITION_COLUMNS)
        with (
            suppress(TableAlreadyExistsError, CommitFailedException),  # another process made it just now
            # One commit creates the table and its partitioning: no reader or crash sees an unpartitioned table.
            self.catalog.create_table_transaction(
                (self.namespace, name), schema=table_schema(name), properties=_PROPERTIES
            ) as transaction,
        ):
            if transaction.table_metadata.spec().is_unpartitioned():  # some catalogs begin with the other's table
                with transaction.update_spec() as spec:
                    for column in columns:
                        spec.add_identity(column)
        return self.catalog.load_table((self.namespace, name))


def table_schema(name: str) -> pa.Schema:
    """All columns of a table, in order."""
    return tables.QUARANTINE if name == QUARANTINE else tables.table_schema(LogType(name))


def equals(column: str, value: object) -> BooleanExpression:
    """Rows whose column has the value."""
    # pyiceberg converts names and values itself, but its types do not say so
    return EqualTo(column, value)  # type: ignore


def one_of(column: str, values: Collection[str]) -> BooleanExpression:
    """Rows whose column has one of the values."""
    return In(column, values)  # type: ignore


def in_partition(partition: Partition, table: str) -> BooleanExpression:
    """The rows of one partition, as a filter that a partitioned table answers from metadata."""
    # The three columns are partition columns, so no data file is opened to decide.
    same = And(
        equals("p_account", partition.account), equals("p_region", partition.region), equals("p_day", partition.day)
    )
    return And(same, equals("p_log_type", schema_for(partition.log_type).title)) if table == QUARANTINE else same
