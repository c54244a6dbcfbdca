"""SQL over real Iceberg tables: what it reads, and all that it must not be able to do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog, load_catalog

from vpclogs.querying import QueryRefused, open_tables, select

if TYPE_CHECKING:
    from demo.seaweed import Seaweed

ROWS = pa.table(
    {
        "query_name": ["example.com.", "aws.com."],
        "answers": pa.array([[{"Rdata": "10.0.0.1"}], []], pa.list_(pa.struct([("Rdata", pa.string())]))),
        "p_day": [date(2022, 10, 7)] * 2,
        "p_event_time": pa.array([datetime(2022, 10, 7, 21, 39, 49, tzinfo=UTC)] * 2, pa.timestamp("us", "UTC")),
        "p_extra": pa.array([[("is_delayed", "true")], None], pa.map_(pa.string(), pa.string())),
    }
)


def make_table(catalog: Catalog, name: str = "vpc_dns") -> Catalog:
    catalog.create_namespace_if_not_exists("logs")
    catalog.create_table(f"logs.{name}", schema=ROWS.schema).append(ROWS)
    return catalog


def catalog_in(folder: Path) -> Catalog:
    return load_catalog("test", type="sql", uri=f"sqlite:///{folder}/c.db", warehouse=f"file://{folder}/lake")


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return catalog_in(tmp_path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables")


@pytest.fixture(scope="module")
def tables(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_tables(make_table(catalog_in(folder)), namespace="logs") as connection:
        yield connection


def test_rows_come_back_with_their_types_and_times_in_utc(tables: duckdb.DuckDBPyConnection) -> None:
    rows = select(tables, "SELECT * FROM vpc_dns ORDER BY query_name").fetchall()

    day, time = date(2022, 10, 7), datetime(2022, 10, 7, 21, 39, 49, tzinfo=UTC)
    assert rows == [
        ("aws.com.", [], day, time, None),
        ("example.com.", [{"Rdata": "10.0.0.1"}], day, time, {"is_delayed": "true"}),
    ]
    assert select(tables, "SELECT count(*) FROM vpc_dns").fetchone() == (2,)


def test_a_query_sees_what_was_published_before_it_was_opened(catalog: Catalog) -> None:
    make_table(catalog)
    catalog.load_table("logs.vpc_dns").append(ROWS)
    catalog.load_table("logs.vpc_dns").delete("query_name = 'aws.com.'")

    with open_tables(catalog, namespace="logs") as connection:
        assert select(connection, "SELECT count(*) FROM vpc_dns").fetchone() == (2,)


def test_a_table_without_rows_is_empty(catalog: Catalog) -> None:
    catalog.create_namespace("logs")
    catalog.create_table("logs.quarantine", schema=ROWS.schema)

    with open_tables(catalog, namespace="logs") as connection:
        assert select(connection, "FROM quarantine").fetchall() == []


@pytest.mark.parametrize(
    "sql",
    [
        "WITH d AS (SELECT p_day FROM vpc_dns) SELECT * FROM d",
        "DESCRIBE vpc_dns",
        "SHOW TABLES",
        "SUMMARIZE vpc_dns",
        "EXPLAIN SELECT * FROM vpc_dns",
        "explain analyze select * from vpc_dns",
        "EXPLAIN (FORMAT json) SELECT 1",
        "SELECT 1;",
    ],
)
def test_statements_that_read_are_run(tables: duckdb.DuckDBPyConnection, sql: str) -> None:
    assert select(tables, sql).fetchall()


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "-- nothing",
        "SELECT 1; SELECT 2",
        "COPY vpc_dns TO '{folder}/x.csv'",
        "EXPLAIN ANALYZE COPY vpc_dns TO '{folder}/x.csv'",
        "EXPLAIN (ANALYZE) COPY vpc_dns TO '{folder}/x.csv'",
        "CREATE TABLE x AS SELECT 1",
        "DROP VIEW vpc_dns",
        "INSERT INTO vpc_dns SELECT * FROM vpc_dns",
        "ATTACH '{folder}/x.db'",
        "SET threads = 1",
        "CALL pragma_version()",
        "INSTALL spatial",
        "LOAD spatial",
        "EXPORT DATABASE '{folder}'",
    ],
)
def test_statements_that_do_more_are_refused(tables: duckdb.DuckDBPyConnection, folder: Path, sql: str) -> None:
    before = sorted(folder.rglob("*"))

    with pytest.raises(QueryRefused, match="one statement that reads"):
        select(tables, sql.format(folder=f"{folder}/lake/logs/vpc_dns"))

    assert sorted(folder.rglob("*")) == before


def test_a_comment_hides_no_writing(tables: duckdb.DuckDBPyConnection, folder: Path) -> None:
    target = folder / "lake/logs/vpc_dns/x.csv"

    with pytest.raises(QueryRefused):
        select(tables, f"EXPLAIN /**/ ANALYZE COPY vpc_dns TO '{target}'")

    assert not target.exists()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_text('{folder}/c.db')",
        "SELECT * FROM glob('/*')",
        "SELECT * FROM 'https://example.com/x.parquet'",
    ],
)
def test_files_that_are_no_table_cannot_be_read(tables: duckdb.DuckDBPyConnection, folder: Path, sql: str) -> None:
    with pytest.raises(QueryRefused, match="disabled by configuration"):
        select(tables, sql.format(folder=folder)).fetchall()


def test_the_program_s_own_variables_are_no_tables(tables: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(QueryRefused, match="no table ROWS; the tables are vpc_dns"):
        select(tables, "SELECT * FROM ROWS")


def test_a_table_that_no_load_has_made_is_named(tables: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(QueryRefused, match="no table vpc_flow yet: it comes with the first load"):
        select(tables, "SELECT * FROM vpc_flow")


def test_a_mistake_in_the_sql_is_shown_where_it_is(tables: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(QueryRefused, match='"query_nam" not found'):
        select(tables, "SELECT query_nam FROM vpc_dns")


def test_nothing_is_written_to_home_or_here(catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "home")

    with open_tables(make_table(catalog), namespace="logs") as connection:
        select(connection, "SELECT count(*) FROM vpc_dns").fetchall()

    assert list((tmp_path / "home").iterdir()) == []


def test_tables_in_s3_are_read_with_the_catalog_s_credentials(seaweed: Seaweed, bucket: str, tmp_path: Path) -> None:
    properties = seaweed.file_properties()
    warehouse = load_catalog(
        "s3", type="sql", uri=f"sqlite:///{tmp_path}/c.db", warehouse=f"s3://{bucket}/lake", **properties
    )

    with open_tables(make_table(warehouse), namespace="logs") as connection:
        assert select(connection, "SELECT count(*), min(query_name) FROM vpc_dns").fetchone() == (2, "aws.com.")
        with pytest.raises(QueryRefused, match="disabled by configuration"):
            select(connection, f"SELECT * FROM read_text('s3://{bucket}/other')")
        assert properties["s3.secret-access-key"] not in str(select(connection, "FROM duckdb_secrets()").fetchall())
        with pytest.raises(QueryRefused, match="unredacted"):
            select(connection, "FROM duckdb_secrets(redact = false)")


def test_tables_in_s3_without_keys_in_the_settings_are_read_as_boto3_would(
    seaweed: Seaweed, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    properties = seaweed.file_properties()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", properties.pop("s3.access-key-id"))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", properties.pop("s3.secret-access-key"))
    warehouse = load_catalog(
        "s3", type="sql", uri=f"sqlite:///{tmp_path}/c.db", warehouse=f"s3://{bucket}/lake", **properties
    )

    with open_tables(make_table(warehouse), namespace="logs") as connection:
        assert select(connection, "SELECT count(*) FROM vpc_dns").fetchone() == (2,)
