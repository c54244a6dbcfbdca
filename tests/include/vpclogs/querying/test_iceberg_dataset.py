"""Iceberg tables as Arrow datasets: files left out by partition and bounds, deletes, changed schemas."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.types import LongType, StringType

from tests.fault_proxy import FaultProxy
from tests.include.vpclogs.querying.conftest import DAYS, ROWS, Open, catalog_in, make_table, make_table_by_day, rows_of

if TYPE_CHECKING:
    from demo.seaweed import Seaweed


def opened(proxy: FaultProxy) -> set[str]:
    """Return the data files that were read through a proxy."""
    return {one.split()[1].partition("?")[0] for one in proxy.requests if one.startswith("GET") and "/data/" in one}


@pytest.mark.parametrize(
    ("condition", "files"),
    [
        pytest.param("p_day = '2022-10-08'", 1, id="a day"),
        pytest.param("p_day >= DATE '2022-10-08'", 2, id="from a day"),
        pytest.param("p_day IN ('2022-10-07', '2022-10-09')", 2, id="two days"),
        pytest.param("p_day BETWEEN '2022-10-08' AND '2022-10-08' AND query_name = 'aws.com.'", 1, id="and more"),
        pytest.param("p_event_time >= '2022-10-09 00:00:00Z'", 1, id="by time"),
        pytest.param("p_event_time < '2022-10-08 06:00:00Z'", 1, id="before a time"),
        pytest.param("p_day = '2023-01-01'", 0, id="another day"),
        pytest.param("query_name = 'aws.com.'", 3, id="all days"),
    ],
)
def test_only_files_that_can_match_are_opened(
    seaweed: Seaweed, bucket: str, tmp_path: Path, engine: Open, condition: str, files: int
) -> None:
    place = {"warehouse": f"s3://{bucket}/lake"}
    make_table_by_day(catalog_in(tmp_path, **place, **seaweed.file_properties()))

    with FaultProxy(seaweed.endpoint) as proxy:
        properties = seaweed.file_properties() | {"s3.endpoint": proxy.endpoint}
        with engine(catalog_in(tmp_path, **place, **properties)) as connection:
            assert opened(proxy) == set()
            rows = connection.execute(f"SELECT query_name, p_day FROM vpc_dns WHERE {condition}").fetchall()

        assert len(opened(proxy)) == files
    assert sorted(rows) == expected_rows(condition)


def expected_rows(condition: str) -> list[tuple[object, ...]]:
    """Return the rows that DuckDB finds when all of them are in memory."""
    with duckdb.connect() as plain:
        plain.execute("SET TimeZone = 'UTC'")
        plain.register("whole", pa.concat_tables(map(rows_of, DAYS)))
        return sorted(plain.execute(f"SELECT query_name, p_day FROM whole WHERE {condition}").fetchall())


def test_rows_of_positional_deletes_are_left_out(catalog: Catalog, engine: Open, tmp_path: Path) -> None:
    table = make_table_by_day(catalog).load_table("logs.vpc_dns")
    delete_first_row(catalog, tmp_path, str(DAYS[1]))

    with engine(catalog) as connection:
        everything = connection.execute("SELECT p_day, query_name FROM vpc_dns ORDER BY ALL").fetchall()
        day = connection.execute(f"SELECT query_name FROM vpc_dns WHERE p_day = '{DAYS[1]}'").fetchall()
        count = connection.execute("SELECT count(*) FROM vpc_dns WHERE query_name = 'example.com.'").fetchone()

    assert len(everything) == 5
    assert (DAYS[1], "example.com.") not in everything
    assert day == [("aws.com.",)]
    assert count == (2,)
    assert table.scan().to_arrow().num_rows == 6  # as of before


def delete_first_row(catalog: Catalog, folder: Path, day: str) -> None:
    """Delete the first row of a day's file by a positional delete file, as other engines do."""
    table = catalog.load_table("logs.vpc_dns")
    [task] = table.scan(row_filter=f"p_day = '{day}'").plan_files()
    path = f"{table.location()}/data/deletes.parquet"
    with table.io.new_output(path).create() as file:
        ids = {"file_path": b"2147483546", "pos": b"2147483545"}
        schema = pa.schema(
            [
                pa.field(name, kind, nullable=False, metadata={b"PARQUET:field_id": ids[name]})
                for name, kind in (("file_path", pa.string()), ("pos", pa.int64()))
            ]
        )
        pq.write_table(pa.table({"file_path": [task.file.file_path], "pos": [0]}, schema=schema), file)
    deletes = DataFile.from_args(
        content=DataFileContent.POSITION_DELETES,
        file_path=path,
        file_format=FileFormat.PARQUET,
        partition=task.file.partition,
        record_count=1,
        file_size_in_bytes=len(table.io.new_input(path)),
        spec_id=task.file.spec_id,
    )
    deletes.spec_id = task.file.spec_id
    with table.transaction() as transaction, transaction.update_snapshot().fast_append() as update:
        update.append_data_file(deletes)


def test_a_column_added_later_is_null_in_old_files(catalog: Catalog, engine: Open) -> None:
    table = make_table(catalog).load_table("logs.vpc_dns")
    with table.update_schema() as update:
        update.add_column("rank", LongType())
        update.add_column(("answers", "Type"), StringType())
    kind = pa.list_(pa.struct([("Rdata", pa.string()), ("Type", pa.string())]))
    answers = pa.array([[{"Rdata": "x", "Type": "A"}], []], kind)
    table.append(ROWS.append_column("rank", pa.array([7, 8])).set_column(1, "answers", answers))

    with engine(catalog) as connection:
        rows = connection.execute("SELECT rank, answers FROM vpc_dns ORDER BY rank NULLS FIRST, query_name").fetchall()

    assert rows == [
        (None, []),
        (None, [{"Rdata": "10.0.0.1", "Type": None}]),
        (7, [{"Rdata": "x", "Type": "A"}]),
        (8, []),
    ]


def test_a_renamed_column_keeps_its_values(catalog: Catalog, engine: Open) -> None:
    table = make_table(catalog).load_table("logs.vpc_dns")
    with table.update_schema() as update:
        update.rename_column("query_name", "name")
    table.append(ROWS.rename_columns(["name", *ROWS.column_names[1:]]))

    with engine(catalog) as connection:
        names = connection.execute("SELECT name FROM vpc_dns WHERE name > 'b' ORDER BY ALL").fetchall()

    assert names == [("example.com.",), ("example.com.",)]


def test_a_column_dropped_and_added_again_starts_empty(catalog: Catalog, engine: Open) -> None:
    table = make_table(catalog).load_table("logs.vpc_dns")
    with table.update_schema(allow_incompatible_changes=True) as update:
        update.delete_column("query_name")
    with table.update_schema() as update:
        update.add_column("query_name", StringType())

    with engine(catalog) as connection:
        assert connection.execute("SELECT query_name FROM vpc_dns").fetchall() == [(None,), (None,)]
