"""Small real Iceberg tables, and the engine of a query over them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog, load_catalog

from vpclogs.config.settings import QuerySettings
from vpclogs.querying.engine import open_tables

DAYS = (date(2022, 10, 7), date(2022, 10, 8), date(2022, 10, 9))

ROWS = pa.table(
    {
        "query_name": ["example.com.", "aws.com."],
        "answers": pa.array([[{"Rdata": "10.0.0.1"}], []], pa.list_(pa.struct([("Rdata", pa.string())]))),
        "p_day": [DAYS[0]] * 2,
        "p_event_time": pa.array([datetime(2022, 10, 7, 21, 39, 49, tzinfo=UTC)] * 2, pa.timestamp("us", "UTC")),
        "p_extra": pa.array([[("is_delayed", "true")], None], pa.map_(pa.string(), pa.string())),
    }
)

Open = Callable[[Catalog], AbstractContextManager[duckdb.DuckDBPyConnection]]


def make_table(catalog: Catalog, name: str = "vpc_dns") -> Catalog:
    """Make a table of two rows."""
    catalog.create_namespace_if_not_exists("logs")
    catalog.create_table(f"logs.{name}", schema=ROWS.schema).append(ROWS)
    return catalog


def rows_of(day: date) -> pa.Table:
    """Return the two rows, moved to another day."""
    time = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    moved = ROWS.set_column(2, "p_day", pa.array([day] * 2))
    return moved.set_column(3, "p_event_time", pa.array([time] * 2, pa.timestamp("us", "UTC")))


def make_table_by_day(catalog: Catalog) -> Catalog:
    """Make a table with one file for each of `DAYS`, partitioned by day."""
    catalog.create_namespace_if_not_exists("logs")
    table = catalog.create_table("logs.vpc_dns", schema=ROWS.schema)
    with table.update_spec() as spec:
        spec.add_identity("p_day")
    for day in DAYS:
        table.append(rows_of(day))
    return catalog


def catalog_in(folder: Path, **properties: str) -> Catalog:
    """Return a catalog whose tables are in ``folder`` unless the properties name another warehouse."""
    given = {"warehouse": f"file://{folder}/lake"} | properties
    return load_catalog("test", type="sql", uri=f"sqlite:///{folder}/c.db", **given)


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return catalog_in(tmp_path)


@pytest.fixture
def engine(tmp_path: Path) -> Open:
    """Opens the engine of a query over a catalog's tables, with a folder of its own for what it spills."""

    @contextmanager
    def open_engine(catalog: Catalog) -> Iterator[duckdb.DuckDBPyConnection]:
        folder = tmp_path / "spill"
        folder.mkdir(exist_ok=True)
        with open_tables(catalog, namespace="logs", folder=folder, limits=QuerySettings()) as connection:
            yield connection

    return open_engine
