"""Objects, rows and staged files for tests, in few words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyiceberg.io.pyarrow import parquet_file_to_data_file

from vpclogs.ledger import Ledger
from vpclogs.manifests import Manifest, Mode
from vpclogs.objects import LogObject
from vpclogs.parsing.model import Refused
from vpclogs.partitions import LogType, Partition
from vpclogs.schemas import schema_for
from vpclogs.staged import BatchResult, ObjectOutcome
from vpclogs.staging.lineage import quarantine_rows, with_lineage
from vpclogs.warehouse.columns import FIELD_ID
from vpclogs.warehouse.parquet import ParquetFile
from vpclogs.warehouse.tables import QUARANTINE, Warehouse, table_schema

NOW = datetime(2022, 10, 8, 12, tzinfo=UTC)
DAY = date(2022, 10, 7)
ACCOUNT = "123456789012"
PARTITION = Partition(LogType.VPC_DNS, ACCOUNT, "us-west-2", DAY)


def make_object(
    name: str, *, partition: Partition = PARTITION, etag: str = "e1", size: int = 100, at: datetime = NOW
) -> LogObject:
    return LogObject(
        source="org-dns",
        log_type=partition.log_type,
        bucket="logs",
        key=f"AWSLogs/{partition.account}/{name}",
        etag=etag,
        size=size,
        last_modified=at,
        account=partition.account,
        region=partition.region,
        day=partition.day,
        scope="vpc-1",
    )


def make_warehouse(folder: Path) -> Warehouse:
    catalog = {"type": "sql", "uri": f"sqlite:///{folder}/catalog.db", "warehouse": f"file://{folder}/warehouse"}
    return Warehouse(catalog, namespace="vpclogs")


def dns_rows(count: int, region: str = PARTITION.region) -> pa.Table:
    """Parsed rows of vpc_dns, all columns; the event times run backwards."""
    schema = schema_for(LogType.VPC_DNS).parsed
    row = {
        **{f.name: "x" for f in schema if pa.types.is_string(f.type)},
        "region": region,
        "answers": [{"Rdata": "192.0.2.1", "Type": "A", "Class": "IN"}],
        "srcids": {"instance": "i-1"},
        "p_any_ip_addresses": ["192.0.2.1"],
    }
    times = [NOW - timedelta(seconds=i) for i in range(count)]
    return pa.Table.from_pylist(
        [row | {"query_timestamp": time, "p_event_time": time} for time in times], schema=schema
    )


def stage_objects(warehouse: Warehouse, objects: Sequence[LogObject], *, rows: int = 3, bad: int = 1) -> BatchResult:
    """Stage ``rows`` rows and ``bad`` refused records of each object."""
    files, outcomes = [], []
    for partition in sorted({item.partition for item in objects}):
        mine = [item for item in objects if item.partition == partition]
        good, refused = (
            ParquetFile(warehouse, "vpc_dns", partition, "t"),
            ParquetFile(warehouse, QUARANTINE, partition, "t"),
        )
        for item in mine:
            good.write(
                with_lineage(
                    dns_rows(rows, partition.region),
                    np.zeros(rows, np.int32),
                    np.arange(1, rows + 1),
                    listed=[item],
                    partition=partition,
                    schema=schema_for(LogType.VPC_DNS),
                    table=table_schema("vpc_dns"),
                    now=NOW,
                )
            )
            lines = range(rows + 1, rows + bad + 1)
            records = [Refused(0, line, "not_json", None, "not JSON", b"{", 0, 1) for line in lines]
            if records:
                refused.write(
                    quarantine_rows(
                        [(item, record, record.reason, record.detail) for record in records],
                        partition=partition,
                        table=table_schema(QUARANTINE),
                        now=NOW,
                    )
                )
            outcomes.append(ObjectOutcome(item.identity, partition.key, "loaded", rows, bad))
        files += [*good.close(), *refused.close()]
    return BatchResult(files, outcomes, {})


def freeze(ledger: Ledger, objects: Sequence[LogObject], *, run_key: str = "run", mode: Mode = Mode.ADD) -> Manifest:
    """A manifest with all objects in one batch."""
    return ledger.manifests.freeze(
        [objects],
        log_type=LogType.VPC_DNS,
        run_key=run_key,
        mode=mode,
        listing_failures=[],
        object_ids=ledger.objects.record(objects, now=NOW),
        now=NOW,
    )


def row_ids(warehouse: Warehouse, table: str = "vpc_dns") -> list[str]:
    """All row ids of a table, sorted, as a reader sees them now."""
    return sorted(warehouse.table(table).scan(selected_fields=("p_row_id",)).to_arrow().column(0).to_pylist())


def expected_ids(objects: Sequence[LogObject], first: int, last: int) -> list[str]:
    """The row ids of lines ``first`` to ``last`` of each object, sorted."""
    return sorted(f"{item.identity}{line:08x}" for item in objects for line in range(first, last + 1))


def add_column(warehouse: Warehouse, table: str, name: str, values: pa.Array | None = None) -> None:
    """Add a column as another engine does, and write it to all rows; by default the row id, backwards."""
    loaded = warehouse.table(table)
    rows = loaded.scan().to_arrow()
    column = pc.utf8_reverse(rows.column("p_row_id")) if values is None else values
    with loaded.update_schema() as update:
        update.union_by_name(pa.schema([pa.field(name, column.type)]))
    loaded.overwrite(rows.append_column(name, column))


def foreign_values(warehouse: Warehouse, table: str) -> dict[str, str | None]:
    """The values that `add_column` wrote, by row id."""
    rows = warehouse.table(table).scan(selected_fields=("p_row_id", "foreign")).to_arrow()
    return {row["p_row_id"]: row["foreign"] for row in rows.to_pylist()}


def forget_field_ids(warehouse: Warehouse, table: str) -> None:
    """Replace the data files of a table by files without field ids, named as earlier versions named them."""
    loaded = warehouse.table(table)
    with loaded.transaction() as transaction, transaction.update_snapshot().overwrite() as overwrite:
        for task in loaded.scan().plan_files():
            path = task.file.file_path.removeprefix("file://")
            old = re.sub(r"-([0-9a-f]{8})[0-9a-f]{4}\.parquet$", r"-\1.parquet", path)
            rows = pq.read_table(path)
            plain = pa.schema([table_schema(table).field(name) for name in rows.column_names])
            pq.write_table(rows.cast(plain), old, store_schema=False)
            overwrite.delete_data_file(task.file)
            overwrite.append_data_file(parquet_file_to_data_file(loaded.io, loaded.metadata, f"file://{old}"))


def field_ids(schema: Iterable[pa.Field]) -> list[int | None]:
    """The field id of each field, nested ones included; None for a field without one."""
    found: list[int | None] = []
    for field in schema:
        found.append(int(field.metadata[FIELD_ID]) if field.metadata and FIELD_ID in field.metadata else None)
        kind = field.type
        if pa.types.is_struct(kind):
            found += field_ids(kind)
        elif pa.types.is_list(kind):
            found += field_ids([kind.value_field])
        elif pa.types.is_map(kind):
            found += field_ids([kind.key_field, kind.item_field])
    return found
