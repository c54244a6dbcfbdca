"""Rewrite staged files in the rare cases in which a publish changed the rows that they may hold."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from vpclogs.partitions import LogType, Partition
from vpclogs.staged import StagedFile
from vpclogs.warehouse.parquet import ParquetFile
from vpclogs.warehouse.tables import Warehouse

__all__ = ["identities_of", "of_objects", "relocated", "with_all_columns", "within", "without_objects", "write_rows"]


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
        mine = pc.invert(of_objects(rows, identities))
        if pc.all(mine).as_py():
            # Untouched files keep their name, so a second attempt finds and reuses them.
            kept.append(file)
            continue
        kept += write_rows(warehouse, file.table, Partition.parse(file.partition, log_type), rows.filter(mine), stem)
    return kept


def relocated(
    warehouse: Warehouse, files: Iterable[StagedFile], partition: Partition, *, stem: str
) -> list[StagedFile]:
    """Return new files with the rows of staged files, for another partition. The old files are removed."""
    moved: list[StagedFile] = []
    for file in files:
        table = warehouse.table(file.table)
        with table.io.new_input(file.path).open() as stream:
            rows = pq.read_table(stream)
        moved += write_rows(warehouse, file.table, partition, within(rows, partition), stem)
        warehouse.delete_file(table, file.path)
    return moved


def within(rows: pa.Table, partition: Partition) -> pa.Table:
    """Return the rows as rows of the partition's region."""
    place = rows.schema.get_field_index("p_region")
    # Plain text: the column's dictionary holds the region that the rows leave.
    column = pa.array([partition.region]).take(pa.array(np.zeros(len(rows), np.int8)))
    return rows.set_column(place, rows.schema.field(place).with_type(pa.string()), column)


def identities_of(rows: pa.Table) -> pa.ChunkedArray:
    return pc.utf8_slice_codeunits(rows.column("p_row_id"), 0, 24)


def of_objects(rows: pa.Table, identities: Collection[str]) -> pa.ChunkedArray:
    """Which rows are of the given objects."""
    return pc.is_in(identities_of(rows), pa.array(list(identities), pa.string()))


def write_rows(warehouse: Warehouse, table: str, partition: Partition, rows: pa.Table, stem: str) -> list[StagedFile]:
    """Write rows to new files of a partition; none if there is no row."""
    file = ParquetFile(warehouse, table, partition, stem)
    file.write(with_all_columns(rows, file.schema))
    return file.close()


def with_all_columns(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the rows with all columns of the schema, in its order, and then those that it lacks.

    Staged files omit columns without values. Published rows may have columns that another
    engine added; the types are left as they are, so that nothing inside of them is lost.
    """
    for field in schema:
        if field.name not in rows.column_names:
            rows = rows.append_column(field, pa.nulls(len(rows), field.type))
    return rows.select([*schema.names, *(name for name in rows.column_names if name not in schema.names)])
