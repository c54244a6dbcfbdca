"""A Parquet file of one partition, written before any table knows it."""

from __future__ import annotations

from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from vpclogs.batch_results import StagedFile
from vpclogs.partitions import Partition
from vpclogs.schemas.tables import PARTITION_COLUMNS
from vpclogs.warehouse import QUARANTINE, Warehouse, table_schema

__all__ = ["ParquetFile"]

_ROW_GROUP = 256_000
"""Rows buffered and written together: large enough to compress and skip well, some 100 MB in memory."""

_DISTINCT = ("p_row_id", "p_source_line")
_PRUNING = (
    *PARTITION_COLUMNS,
    "p_log_type",
    "p_event_time",
    "p_parse_time",
    "p_source_key",
    "query_timestamp",
    "start",
)


class ParquetFile:
    """Collects rows and writes them in row groups, each sorted by time. Opened on the first row."""

    def __init__(self, warehouse: Warehouse, table: str, partition: Partition, stem: str) -> None:
        self._warehouse = warehouse
        self._name = table
        self._partition = partition
        self._stem = stem
        self._time = "p_parse_time" if table == QUARANTINE else "p_event_time"
        self._buffer: list[pa.Table] = []
        self._buffered = 0
        self._rows = 0
        self._path = ""
        self._stream: IO[bytes] | None = None
        self._writer: pq.ParquetWriter | None = None
        self.schema = table_schema(table)

    def write(self, rows: pa.Table) -> None:
        """Add rows, all columns of the table in its order."""
        self._buffer.append(rows)
        self._buffered += len(rows)
        if self._buffered >= _ROW_GROUP:
            self._flush()

    def close(self) -> list[StagedFile]:
        """Finish the file; nothing if no row came."""
        self._flush()
        if self._writer is None or self._stream is None:
            return []
        self._writer.close()
        size = self._stream.tell()
        self._stream.close()
        return [StagedFile(self._name, self._partition.key, self._path, self._rows, size)]

    def discard(self) -> None:
        """Give the rows up and remove the file."""
        self._buffer = []
        if self._writer is not None and self._stream is not None:
            self._writer.close()
            self._stream.close()
            self._warehouse.delete_file(self._warehouse.table(self._name), self._path)

    def _flush(self) -> None:
        if not self._buffer:
            return
        rows = pa.concat_tables(self._buffer, promote_options="permissive").unify_dictionaries().combine_chunks()
        self._buffer, self._buffered = [], 0
        times = rows.column(self._time)
        if not _sorted(times):
            rows = rows.take(pc.sort_indices(rows.column(self._time)))
        self._open(rows.schema).write_table(rows, row_group_size=len(rows))
        self._rows += len(rows)

    def _open(self, schema: pa.Schema) -> pq.ParquetWriter:
        if self._writer is None:
            table = self._warehouse.table(self._name)
            self._path = self._warehouse.new_file(table, self._partition, self._stem)
            self._stream = self._warehouse.create_file(table, self._path)
            self._writer = pq.ParquetWriter(
                self._stream,
                schema,
                compression="zstd",
                compression_level=1,
                # each value occurs once: a dictionary would be built and thrown away
                use_dictionary=[path for field in schema if field.name not in _DISTINCT for path in _leaves(field)],
                column_encoding={"p_source_line": "DELTA_BINARY_PACKED"},
                # bounds of other columns prune nothing, and cost a third of the writing
                write_statistics=[name for name in schema.names if name in _PRUNING],
                # without Arrow's own schema in the file, a dictionary column reads back as the plain type it is
                store_schema=False,
            )
        return self._writer


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


def _sorted(times: pa.ChunkedArray) -> bool:
    whole = times.combine_chunks() if times.num_chunks != 1 else times.chunk(0)
    return len(whole) < 2 or bool(pc.all(pc.less_equal(whole[:-1], whole[1:])).as_py())
