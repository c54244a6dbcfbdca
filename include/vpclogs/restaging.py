"""Staged files made again, on the rare occasions when a publish changed what they may hold."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from vpclogs.batch_results import StagedFile
from vpclogs.parquet import ParquetFile
from vpclogs.partitions import LogType, Partition
from vpclogs.warehouse import QUARANTINE, Warehouse, in_partition

__all__ = ["carry_over", "with_all_columns", "without_objects"]


def without_objects(
    warehouse: Warehouse,
    files: Iterable[StagedFile],
    identities: Collection[str],
    *,
    log_type: LogType,
    stem: str,
) -> list[StagedFile]:
    """The files without the rows of the given objects, which another run has published meanwhile."""
    kept: list[StagedFile] = []
    for file in files:
        table = warehouse.table(file.table)
        with table.io.new_input(file.path).open() as stream:
            rows = pq.read_table(stream)
        mine = pc.invert(_of(rows, identities))
        if pc.all(mine).as_py():
            kept.append(file)
            continue
        kept += _write(warehouse, file.table, Partition.parse(file.partition, log_type), rows.filter(mine), stem)
    return kept


def carry_over(warehouse: Warehouse, partition: Partition, identities: Sequence[str], *, stem: str) -> list[StagedFile]:
    """New files with the published rows of the given objects, for a reload that must not lose them."""
    if not identities:
        return []
    files: list[StagedFile] = []
    for name in (partition.log_type.value, QUARANTINE):
        rows = warehouse.table(name).scan(row_filter=in_partition(partition, name)).to_arrow()
        files += _write(warehouse, name, partition, rows.filter(_of(rows, identities)), stem)
    return files


def _of(rows: pa.Table, identities: Collection[str]) -> pa.ChunkedArray:
    return pc.is_in(pc.utf8_slice_codeunits(rows.column("p_row_id"), 0, 24), pa.array(list(identities), pa.string()))


def _write(warehouse: Warehouse, table: str, partition: Partition, rows: pa.Table, stem: str) -> list[StagedFile]:
    file = ParquetFile(warehouse, table, partition, stem)
    if len(rows):
        file.write(with_all_columns(rows, file.schema))
    return file.close()


def with_all_columns(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """The rows with the columns of the schema, in its order: a staged file leaves those without values out."""
    for field in schema:
        if field.name not in rows.column_names:
            rows = rows.append_column(field, pa.nulls(len(rows), field.type))
    return rows.select(schema.names).cast(schema)
