"""What staged files hold, read back through the table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.factories import NOW, PARTITION, dns_rows, field_ids, make_object, make_warehouse
from vpclogs.partitions import LogType
from vpclogs.schemas import schema_for
from vpclogs.staging.lineage import with_lineage
from vpclogs.warehouse.parquet import ParquetFile
from vpclogs.warehouse.tables import Warehouse, table_schema


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return make_warehouse(tmp_path)


def rows_of(name: str, action: str | None) -> pa.Table:
    rows = dns_rows(2)
    place = rows.schema.get_field_index("firewall_rule_action")
    rows = rows.set_column(place, rows.schema.field(place), pa.array([action, action], pa.string()))
    return with_lineage(
        rows,
        np.zeros(2, np.int32),
        np.arange(1, 3),
        listed=[make_object(name)],
        partition=PARTITION,
        schema=schema_for(LogType.VPC_DNS),
        table=table_schema("vpc_dns"),
        now=NOW,
    )


def test_columns_without_values_are_omitted_until_a_value_comes(warehouse, monkeypatch):
    monkeypatch.setattr("vpclogs.warehouse.parquet._ROW_GROUP", 2)
    file = ParquetFile(warehouse, "vpc_dns", PARTITION, "t")
    for name, action in (("a", None), ("b", "BLOCK"), ("c", None)):
        file.write(rows_of(name, action))

    staged = file.close()

    assert [one.rows for one in staged] == [2, 4]
    names = [pq.read_schema(one.path.removeprefix("file://")).names for one in staged]
    assert ["firewall_rule_action" in one for one in names] == [False, True]
    with warehouse.table("vpc_dns").transaction() as transaction:
        transaction.add_files([one.path for one in staged])
    actions = warehouse.table("vpc_dns").scan().to_arrow().column("firewall_rule_action").to_pylist()
    assert sorted(actions, key=str) == ["BLOCK", "BLOCK", None, None, None, None]


def test_a_staged_file_has_the_field_ids_of_its_table(warehouse):
    file = ParquetFile(warehouse, "vpc_dns", PARTITION, "t")
    file.write(rows_of("a", None))

    (staged,) = file.close()

    schema = pq.read_schema(staged.path.removeprefix("file://"))
    columns = warehouse.table("vpc_dns").schema()
    written = [name for name in columns.column_names if name.split(".")[0] in schema.names]
    assert set(field_ids(schema)) == {columns.find_field(name).field_id for name in written}


def test_a_discarded_file_leaves_nothing_behind(warehouse, tmp_path):
    file = ParquetFile(warehouse, "vpc_dns", PARTITION, "t")
    file.write(rows_of("a", None))

    file.discard()

    assert list(tmp_path.rglob("*.parquet")) == []


def test_nested_texts_and_repeated_texts_are_stored_as_dictionaries(warehouse):
    file = ParquetFile(warehouse, "vpc_dns", PARTITION, "t")
    file.write(rows_of("a", "ALERT"))

    (staged,) = file.close()

    group = pq.ParquetFile(staged.path.removeprefix("file://")).metadata.row_group(0)
    plain = {
        group.column(i).path_in_schema
        for i in range(group.num_columns)
        if not {"RLE_DICTIONARY", "PLAIN_DICTIONARY"} & set(group.column(i).encodings)
    }
    assert plain == {"p_row_id", "p_source_line"}
