"""Independent readers find in the tables what pyiceberg finds, nested fields included (docs/reading.md)."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.table.name_mapping import create_mapping_from_schema

from tests.factories import add_column, forget_field_ids
from tests.integration.readers import READERS
from tests.pipelines import dns_key, event, flow_key, make_pipeline, put_lines, run_hour
from vpclogs.maintenance.compaction import compact
from vpclogs.partitions import LogType
from vpclogs.pipeline import Pipeline
from vpclogs.warehouse.tables import QUARANTINE

TABLES = ("vpc_dns", "vpc_flow", QUARANTINE)
NAME_MAPPING = "schema.name-mapping.default"

ANSWERS = [
    {"Rdata": "a.example.", "Type": "CNAME", "Class": "IN"},
    {"Rdata": "2001:db8::1", "Type": "AAAA", "Class": "IN"},
]
DNS = [
    event(),
    event(answers=[], rcode="NXDOMAIN", srcids={"resolver_endpoint": "rslvr-in-1"}),
    event(answers=ANSWERS, new={"x": 1}),
    b'{"broken',
    b"\xff\xfe",
]
FLOW = [
    b"version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action "
    b"log-status traffic-path pkt-srcaddr new-field",
    b"5 123456789012 eni-1 10.0.0.1 10.0.0.2 443 1 6 10 100 1665178000 1665178060 ACCEPT OK 7 10.0.0.9 x",
    b"5 123456789012 eni-1 - - - - - - - 1665178000 1665178060 - NODATA - - -",
    b"broken",
]


@dataclass(frozen=True)
class Snapshot:
    """A table at some time: the path of its metadata file, and its rows as pyiceberg reads them."""

    metadata: str
    rows: list[dict[str, Any]]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory, s3: Any) -> dict[str, dict[str, Snapshot]]:
    """Each table in each state, without the name mapping unless its files need it."""
    s3.create_bucket(Bucket="readers")
    pipeline = make_pipeline(tmp_path_factory.mktemp("readers"), "readers", s3)
    steps = {
        "loaded": lambda table: None,
        "older": lambda table: forget_field_ids(pipeline.warehouse, table),
        "extended": lambda table: add_column(pipeline.warehouse, table, "foreign"),
        "compacted": lambda table: compact_all(pipeline, table),
    }
    found = {}
    for state, step in steps.items():
        if state in ("loaded", "compacted"):
            load_hour(pipeline, s3, "2100" if state == "loaded" else "2200")
        for table in TABLES:
            step(table)
        found[state] = {table: snapshot(pipeline, table, mapped=state == "older") for table in TABLES}
    return found


def load_hour(pipeline: Pipeline, s3: Any, hour: str) -> None:
    put_lines(s3, "readers", dns_key(hour), DNS)
    put_lines(s3, "readers", flow_key(hour), FLOW)
    run_hour(pipeline, f"dns {hour}")
    run_hour(pipeline, f"flow {hour}", LogType.VPC_FLOW)


def compact_all(pipeline: Pipeline, table: str) -> None:
    later = pipeline.clock().date() + timedelta(days=30)
    assert compact(pipeline.warehouse, table, settings=pipeline.settings, today=later).files_after


def snapshot(pipeline: Pipeline, table: str, *, mapped: bool) -> Snapshot:
    with pipeline.warehouse.table(table).transaction() as transaction:
        mapping = create_mapping_from_schema(transaction.table_metadata.schema()).model_dump_json()
        transaction.set_properties({NAME_MAPPING: mapping})
        if not mapped:
            transaction.remove_properties(NAME_MAPPING)
    loaded = pipeline.warehouse.table(table)
    return Snapshot(loaded.metadata_location, sorted_rows(loaded.scan().to_arrow()))


def sorted_rows(rows: pa.Table) -> list[dict[str, Any]]:
    return list(rows.sort_by("p_row_id").to_pylist())


def test_the_tables_hold_what_the_readers_are_tested_with(lake):
    dns, flow, quarantine = (lake["compacted"][table].rows for table in TABLES)

    assert [len(dns), len(flow), len(quarantine)] == [6, 4, 6]
    assert [row["answers"] for row in dns][1:3] == [[], ANSWERS]
    assert dns[2]["p_extra"] == [("new", '{"x": 1}')]
    assert {row["foreign"] is None for row in dns + flow + quarantine} == {True, False}


@pytest.mark.parametrize("state", ["loaded", "extended", "compacted"])
@pytest.mark.parametrize("reader", ["duckdb", "datafusion"])
def test_readers_without_name_mapping_find_every_value(lake, reader, state):
    for table, expected in lake[state].items():
        assert sorted_rows(READERS[reader](expected.metadata)) == expected.rows, table


def test_duckdb_reads_files_without_field_ids(lake):
    for table, expected in lake["older"].items():
        assert sorted_rows(READERS["duckdb"](expected.metadata)) == expected.rows, table


@pytest.mark.slow
@pytest.mark.parametrize("state", ["loaded", "extended", "compacted"])
@pytest.mark.parametrize("reader", ["polars", "daft"])
def test_readers_of_their_own_environment_find_every_value(lake, tmp_path, reader, state):
    python = Path("var/readers/venv/bin/python")
    assert python.is_file(), "make var/readers/venv"
    tables = {table: expected.metadata for table, expected in lake[state].items()}
    (tmp_path / "tables.json").write_text(json.dumps(tables))

    subprocess.run([python, "tests/integration/readers.py", reader, tmp_path], check=True, timeout=120)

    for table, expected in lake[state].items():
        with pa.OSFile(str(tmp_path / f"{table}.arrow")) as file:
            assert sorted_rows(pa.ipc.open_file(file).read_all()) == expected.rows, table
