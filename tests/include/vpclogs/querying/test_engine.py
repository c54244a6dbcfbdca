"""The engine over real Iceberg tables: what it reads, and what it cannot do whatever the statement."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest
from pyiceberg.catalog import Catalog

from tests.include.vpclogs.querying.conftest import ROWS, Open, catalog_in, make_table
from vpclogs.config.settings import QuerySettings
from vpclogs.querying.engine import duckdb_errors, open_tables
from vpclogs.querying.errors import QueryLimitExceeded, QueryRefused, TableMissing

if TYPE_CHECKING:
    from demo.seaweed import Seaweed

pytestmark = pytest.mark.server


def test_rows_come_back_with_their_types_and_times_in_utc(catalog: Catalog, engine: Open) -> None:
    with engine(make_table(catalog)) as connection:
        rows = connection.execute("SELECT * FROM vpc_dns ORDER BY query_name").fetchall()
        count = connection.execute("SELECT count(*) FROM vpc_dns").fetchone()

    day, time = date(2022, 10, 7), datetime(2022, 10, 7, 21, 39, 49, tzinfo=UTC)
    assert rows == [
        ("aws.com.", [], day, time, None),
        ("example.com.", [{"Rdata": "10.0.0.1"}], day, time, {"is_delayed": "true"}),
    ]
    assert count == (2,)


def test_a_query_sees_what_was_published_before_it_was_opened(catalog: Catalog, engine: Open) -> None:
    make_table(catalog)
    with engine(catalog) as before:
        catalog.load_table("logs.vpc_dns").append(ROWS)
        catalog.load_table("logs.vpc_dns").delete("query_name = 'aws.com.'")

        with engine(catalog) as after:
            assert after.execute("SELECT count(*) FROM vpc_dns").fetchone() == (2,)
        assert before.execute("SELECT count(*) FROM vpc_dns").fetchone() == (2,)
        assert before.execute("SELECT count(*) FROM vpc_dns WHERE query_name = 'aws.com.'").fetchone() == (1,)


def test_a_table_without_rows_is_empty(catalog: Catalog, engine: Open) -> None:
    catalog.create_namespace("logs")
    catalog.create_table("logs.quarantine", schema=ROWS.schema)

    with engine(catalog) as connection:
        assert connection.execute("FROM quarantine").fetchall() == []


def test_addresses_are_filtered_by_network_without_a_download(catalog: Catalog, engine: Open) -> None:
    sql = "SELECT a FROM (VALUES ('10.1.2.3'), ('11.1.2.3'), ('fe80::1')) t(a) WHERE a::inet <<= '10.0.0.0/8'::inet"

    with engine(catalog) as connection:
        assert connection.execute(sql).fetchall() == [("10.1.2.3",)]


def test_a_table_that_no_load_has_made_is_named(catalog: Catalog, engine: Open) -> None:
    with (
        engine(make_table(catalog)) as connection,
        pytest.raises(TableMissing, match="no table vpc_flow yet: the first load"),
        duckdb_errors(),
    ):
        connection.execute("SELECT * FROM vpc_flow")


def test_a_mistake_in_the_sql_is_shown_where_it_is(catalog: Catalog, engine: Open) -> None:
    with (
        engine(make_table(catalog)) as connection,
        pytest.raises(QueryRefused, match='"query_nam" not found'),
        duckdb_errors(),
    ):
        connection.execute("SELECT query_nam FROM vpc_dns")


@pytest.mark.parametrize(
    ("limits", "setting"),
    [
        pytest.param({"temporary_bytes": 1 << 40}, "query.memory_bytes", id="memory"),
        pytest.param({"temporary_bytes": 1 << 20}, "query.temporary_bytes", id="temporary space"),
    ],
)
def test_a_limit_that_stops_a_query_is_named(
    catalog: Catalog, tmp_path: Path, limits: dict[str, int], setting: str
) -> None:
    # Groups go to disk; one long list cannot.
    groups = "SELECT count(*) FROM (SELECT DISTINCT repeat(range::VARCHAR, 40) FROM range(2_000_000))"
    sql = groups if "temporary" in setting else "SELECT length(list(range)) FROM range(60_000_000)"
    settings = QuerySettings(memory_bytes=512 << 20, threads=2, **limits)

    with (
        open_tables(catalog, namespace="logs", folder=tmp_path, limits=settings) as connection,
        pytest.raises(QueryLimitExceeded, match=setting),
        duckdb_errors(),
    ):
        connection.execute(sql).fetchall()


@pytest.mark.parametrize(
    "sql",
    [
        "COPY (SELECT 1) TO '{lake}/x.csv'",
        "COPY (SELECT 1) TO '{file}' (FORMAT parquet)",
        "EXPLAIN ANALYZE COPY vpc_dns TO '{lake}/x.csv'",
        "EXPORT DATABASE '{lake}'",
        "ATTACH '{lake}/x.db'",
        "IMPORT DATABASE '{lake}'",
        "SELECT * FROM read_text('{lake}/*')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_parquet('{file}')",
        "SELECT * FROM parquet_metadata('{file}')",
        "SELECT * FROM read_duckdb('{lake}/x.db')",
        "SELECT * FROM sniff_csv('/etc/passwd')",
        "SELECT * FROM glob('{lake}/*')",
        "SELECT * FROM '{file}'",
        "SELECT * FROM query('FROM read_text(''/etc/passwd'')')",
        "LOAD httpfs",
        "INSTALL httpfs",
        "INSTALL httpfs FROM '{lake}'",
        "INSTALL x FROM 'http://127.0.0.1:{port}'",
        "FORCE INSTALL x FROM 'http://127.0.0.1:{port}'",
        "SET enable_external_access = true",
        "SET allowed_directories = ['{lake}']",
        "SET TimeZone = 'Asia/Tokyo'",
        "SET threads = 64",
        "RESET memory_limit",
        "PRAGMA memory_limit = '64GB'",
        "PRAGMA profile_output = '{lake}/x.json'",
        "PRAGMA enable_profiling = 'json'",
        "CREATE SECRET x (TYPE s3)",
        "SELECT * FROM read_text('http://127.0.0.1:{port}/x')",
        "SELECT * FROM read_text('s3://bucket/x?s3_endpoint=127.0.0.1:{port}&s3_use_ssl=false')",
    ],
)
def test_engine_alone_reaches_no_files_network_or_settings(
    catalog: Catalog, engine: Open, tmp_path: Path, sql: str
) -> None:
    lake = tmp_path / "lake" / "logs" / "vpc_dns"
    with engine(make_table(catalog)) as connection:
        [file] = lake.rglob("*.parquet")
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

        refusals = r"disabled by configuration|disabled through|has been locked|Secret type"
        with pytest.raises(duckdb.Error, match=refusals):
            connection.execute(sql.format(lake=lake, file=file, port=9)).fetchall()

        assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_the_engine_holds_no_credentials(
    seaweed: Seaweed, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: Open
) -> None:
    properties = seaweed.file_properties()
    canaries = ["AKIACANARY", "canary-secret", "canary-token"]
    for name, canary in zip(("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"), canaries, strict=True):
        monkeypatch.setenv(f"AWS_{name}", canary)
    warehouse = catalog_in(tmp_path, warehouse=f"s3://{bucket}/lake", **properties)

    with engine(make_table(warehouse)) as connection:
        assert connection.execute("SELECT count(*), min(query_name) FROM vpc_dns").fetchone() == (2, "aws.com.")
        shown = "".join(
            str(connection.execute(sql).fetchall())
            for sql in ("FROM duckdb_settings()", "FROM duckdb_views()", "FROM duckdb_logs()")
        )

    assert not [one for one in [*canaries, properties["s3.secret-access-key"]] if one in shown]


def test_tables_in_s3_are_read_with_boto3s_default_credentials(
    seaweed: Seaweed, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: Open
) -> None:
    properties = seaweed.file_properties()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", properties.pop("s3.access-key-id"))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", properties.pop("s3.secret-access-key"))
    warehouse = catalog_in(tmp_path, warehouse=f"s3://{bucket}/lake", **properties)

    with engine(make_table(warehouse)) as connection:
        assert connection.execute("SELECT count(*) FROM vpc_dns").fetchone() == (2,)


def test_nothing_is_written_to_home_or_here(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: Open
) -> None:
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "home")

    with engine(make_table(catalog)) as connection:
        connection.execute("SELECT count(*) FROM vpc_dns").fetchall()

    assert list((tmp_path / "home").iterdir()) == []
