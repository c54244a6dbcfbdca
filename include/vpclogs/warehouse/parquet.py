"""A Parquet file of one partition, written before any table knows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from vpclogs.partitions import Partition
from vpclogs.schemas.tables import PARTITION_COLUMNS
from vpclogs.staged import StagedFile
from vpclogs.warehouse.columns import with_field_ids
from vpclogs.warehouse.tables import Warehouse, table_schema

__all__ = ["ParquetFile"]

_ROW_GROUP = 128_000
"""Rows buffered and written together: enough to compress and skip well, and some 50 MB in memory."""

# Mostly distinct values: a dictionary of them is larger than the values.
_DISTINCT = ("p_row_id", "p_source_line", "bytes", "srcPort")
# Integers of a narrow or rising range, which pack to a few bits.
_AS_DIFFERENCES = ("p_source_line", "bytes", "srcPort")
_PRUNING = (
    *PARTITION_COLUMNS,
    "p_log_type",
    "p_event_time",
    "p_parse_time",
    "p_source_key",
    "query_timestamp",
    "start",
    "region",  # prunes nothing, but proves from the metadata that the rows are in their partition
)


class ParquetFile:
    """Collects rows and writes them in row groups, in the order in which they come. Opened on the first row.

    They are not sorted: inside a row group that prunes nothing, costs a copy of every column,
    and separates similar neighboring lines of an object. Compaction sorts a whole day.

    Columns without any value are left out: a flow log of version 2 fills a third of the
    table's columns. A value in one of them later begins another file.

    Each column, nested ones included, has the type and the field id of the table's current
    schema, which readers go by.
    """

    def __init__(self, warehouse: Warehouse, table: str, partition: Partition, stem: str) -> None:
        self._warehouse = warehouse
        self._name = table
        self._partition = partition
        self._stem = stem
        self._buffer: list[pa.Table] = []
        self._buffered = 0
        self._finished: list[StagedFile] = []
        self._current: _Current | None = None
        self.schema = table_schema(table)

    def write(self, rows: pa.Table) -> None:
        """Add rows, with all columns of `schema` or of the table, columns that another engine added included."""
        if not len(rows):
            return
        self._buffer.append(rows)
        self._buffered += len(rows)
        if self._buffered >= _ROW_GROUP:
            self._flush()

    @property
    def size(self) -> int:
        """The bytes written so far. Rows are written some 128,000 at a time."""
        return sum(file.bytes for file in self._finished) + (self._current.stream.tell() if self._current else 0)

    def close(self) -> list[StagedFile]:
        """Finish the files: mostly one, none if no row came."""
        self._flush()
        self._finish()
        return self._finished

    def discard(self) -> None:
        """Discard the rows and remove the files that were written."""
        self._buffer = []
        self._finish()
        for file in self._finished:
            self._warehouse.delete_file(self._warehouse.table(self._name), file.path)
        self._finished = []

    def _flush(self) -> None:
        if not self._buffer:
            return
        # One dictionary per column and row group: without it, each batch would repeat its texts.
        rows = _joined(self._buffer)
        # Emptied before the write, so that both copies are never in memory for long.
        self._buffer, self._buffered = [], 0
        filled = [f.name for f, column in zip(rows.schema, rows.columns, strict=True) if _is_filled(f, column)]
        # A file's columns are fixed when it is opened.
        if self._current is not None and not set(filled) <= set(self._current.schema.names):
            self._finish()
        if self._current is None:
            self._current = self._open(rows.select(filled).schema)
        rows = rows.select(self._current.schema.names)
        if not rows.schema.equals(self._current.schema):
            rows = rows.cast(self._current.schema)  # of columns whose type in the table is wider
        # One row group for each flush; Arrow would cut it at its own default otherwise.
        self._current.writer.write_table(rows, row_group_size=len(rows))
        self._current.rows += len(rows)

    def _finish(self) -> None:
        if self._current is None:
            return
        self._current.writer.close()
        # Known only after the footer, and asked of the stream: S3 would need another request.
        size = self._current.stream.tell()
        self._current.stream.close()
        self._finished.append(StagedFile(self._name, self._partition.key, self._current.path, self._current.rows, size))
        self._current = None

    def _open(self, schema: pa.Schema) -> _Current:
        table = self._warehouse.table(self._name)
        schema = with_field_ids(schema, table)
        path = self._warehouse.new_file(table, self._partition, self._stem)
        stream = self._warehouse.create_file(table, path)
        writer = pq.ParquetWriter(
            stream,
            schema,
            compression="zstd",
            # a higher level costs much of the writing time, and gains little on dictionaries and packed integers
            compression_level=1,
            max_rows_per_page=_ROW_GROUP * 2,  # a page for each 20,000 rows has a price too
            # where most values are distinct, a dictionary would be built and thrown away
            use_dictionary=[leaf for field in schema if field.name not in _DISTINCT for leaf in _leaves(field)],
            column_encoding={name: "DELTA_BINARY_PACKED" for name in _AS_DIFFERENCES if name in schema.names},
            # bounds of other columns prune nothing, and cost a third of the writing
            write_statistics=[name for name in schema.names if name in _PRUNING],
            # without Arrow's own schema in the file, a dictionary column reads back as the plain type it is
            store_schema=False,
        )
        return _Current(path, stream, writer, schema)


@dataclass
class _Current:
    """The file that is being written."""

    path: str
    stream: IO[bytes]
    writer: pq.ParquetWriter
    schema: pa.Schema
    rows: int = 0


def _joined(tables: list[pa.Table]) -> pa.Table:
    """One table, with one dictionary for each text that repeats."""
    return pa.concat_tables(tables, promote_options="permissive").unify_dictionaries()


def _is_filled(field: pa.Field, column: pa.ChunkedArray) -> bool:
    # Columns with bounds are always written: a missing one would prune nothing.
    kept = (field.name in _PRUNING and field.name != "region") or _is_hard_to_fill(field.type)
    return not field.nullable or kept or column.null_count < len(column)


def _is_hard_to_fill(kind: pa.DataType) -> bool:
    """Return True if some readers, such as iceberg-rust 0.10, cannot read an absent column of the type as nulls."""
    return bool(pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _leaves(field: pa.Field, prefix: str = "") -> list[str]:
    """The paths under which Parquet stores a column: of its leaves, if it is nested."""
    path, kind = prefix + field.name, field.type
    if pa.types.is_struct(kind):
        return [leaf for child in kind for leaf in _leaves(child, f"{path}.")]
    if pa.types.is_map(kind):
        pair = (kind.key_field.with_name("key"), kind.item_field.with_name("value"))
        return [leaf for child in pair for leaf in _leaves(child, f"{path}.key_value.")]
    if pa.types.is_list(kind):
        return _leaves(kind.value_field.with_name("element"), f"{path}.list.")
    return [path]
