"""Field ids of data files, and tables that another engine changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.schema import Schema
from pyiceberg.table.update.schema import UpdateSchema
from pyiceberg.types import IntegerType, LongType, StringType

from tests.factories import field_ids, make_warehouse
from vpclogs.errors import TableChanged
from vpclogs.warehouse.columns import missing_columns, with_field_ids
from vpclogs.warehouse.tables import QUARANTINE, Warehouse, table_schema


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return make_warehouse(tmp_path)


def change(warehouse: Warehouse, step: Callable[[UpdateSchema], object], name: str = "vpc_dns") -> None:
    with warehouse.table(name).update_schema(allow_incompatible_changes=True) as update:
        step(update)


@pytest.mark.parametrize("name", ["vpc_dns", "vpc_flow", QUARANTINE])
def test_every_field_has_the_id_of_the_table(warehouse, name):
    table = warehouse.table(name)

    schema = with_field_ids(table_schema(name), table)

    assert sorted(field_ids(schema)) == sorted(all_ids(table.schema()))
    assert schema.names == table_schema(name).names


def test_ids_follow_names_not_positions(warehouse):
    change(warehouse, lambda update: update.move_first("rcode"))
    table = warehouse.table("vpc_dns")

    schema = with_field_ids(pa.schema([table_schema("vpc_dns").field("rcode")]), table)

    assert field_ids(schema) == [table.schema().find_field("rcode").field_id]


def test_a_widened_column_is_written_in_the_wider_type(warehouse):
    change(warehouse, lambda update: update.update_column("p_schema_version", LongType()))

    schema = with_field_ids(table_schema("vpc_dns"), warehouse.table("vpc_dns"))

    assert schema.field("p_schema_version").type == pa.int64()


def test_missing_optional_columns_come_back(warehouse):
    change(warehouse, lambda update: update.delete_column("firewall_rule_action"))
    change(warehouse, lambda update: update.delete_column(("srcids", "instance")))

    table = warehouse.table("vpc_dns")

    assert missing_columns(table, table_schema("vpc_dns")) == []
    assert {"firewall_rule_action", "srcids.instance"} <= set(table.schema().column_names)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (lambda update: update.rename_column("rcode", "code"), "column rcode is now called code; rename it back"),
        (lambda update: update.delete_column("rcode"), "column rcode is missing; add it as an optional string"),
        (
            lambda update: update.add_column("team", StringType(), required=True, default_value="x"),
            "column team is required, but vpclogs does not write it; make it optional",
        ),
        (
            lambda update: update.update_column("firewall_rule_action", required=True),
            "column firewall_rule_action is required, but vpclogs writes nulls to it; make it optional",
        ),
        (
            lambda update: update.delete_column(("answers", "element", "Rdata")),
            "column answers.element.Rdata is missing; add it as an optional string",
        ),
    ],
)
def test_table_that_rows_do_not_fit_is_refused_with_advice(warehouse, step, message):
    change(warehouse, step)

    with pytest.raises(TableChanged) as caught:
        warehouse.table("vpc_dns")

    assert message in str(caught.value)


def test_a_retyped_column_is_refused(warehouse):
    change(warehouse, lambda update: update.delete_column("srcport"))
    with warehouse.catalog.load_table(("vpclogs", "vpc_dns")).update_schema() as update:
        update.add_column("srcport", IntegerType())

    with pytest.raises(TableChanged, match="srcport has the type int, but vpclogs writes string; change the type back"):
        warehouse.table("vpc_dns")


def all_ids(schema: Schema) -> list[int]:
    return [schema.find_field(name).field_id for name in schema.column_names]
