"""An Iceberg table as an Arrow dataset, which DuckDB reads without a file system of its own.

DuckDB hands a dataset the columns and the filter that it needs. Arrow then reads only the files
whose partition and bounds can match, and of them only those columns and row groups, with
pyiceberg's file system and credentials. The engine that runs the SQL holds neither.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, reduce
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from pyarrow.fs import LocalFileSystem
from pyiceberg.conversions import from_bytes
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.io.pyarrow import ArrowScan, PyArrowFileIO
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import DateType, NestedField, PrimitiveType, TimestampType, TimestamptzType

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem
    from pyiceberg.table import FileScanTask, Table

__all__ = ["IcebergDataset"]

_FORMAT = ds.ParquetFileFormat()
_BOUNDED = (DateType, TimestampType, TimestamptzType)  # columns that queries filter by, besides the partition columns

# Arrow's defaults read 16 batches of 4 files ahead: of our widest rows, gigabytes.
_READING = {"batch_size": 32_768, "batch_readahead": 4, "fragment_readahead": 2}


class IcebergDataset(ds.Dataset):  # type: ignore[misc]
    """The current snapshot of ``table``. Files are planned when the first query scans it.

    DuckDB takes any subclass of Arrow's dataset, and calls `schema` and `scanner` of it.
    """

    def __init__(self, table: Table) -> None:
        # Arrow's own constructor refuses to be called: its datasets come from factories.
        self._table = table

    @cached_property
    def schema(self) -> pa.Schema:
        """The columns, with strings and lists of 32-bit offsets, as Arrow reads them from Parquet."""
        fields = self._table.schema().as_arrow()
        return pa.schema([pa.field(field.name, _plain_type(field.type)) for field in fields])

    def scanner(
        self,
        columns: list[str] | None = None,
        filter: pc.Expression | None = None,  # noqa: A002 - Arrow's name
        **_: Any,
    ) -> ds.Scanner:
        """Return a scanner of these columns (default: all) of the rows that match a filter."""
        names = self.schema.names if columns is None else list(columns)
        if not self._merged:
            return self._direct.scanner(columns=names, filter=filter, **_READING)
        schema = pa.schema([self.schema.field(name) for name in names])
        return ds.Scanner.from_batches(self._all_batches(names, filter), schema=schema)

    @cached_property
    def _tasks(self) -> tuple[list[FileScanTask], list[FileScanTask]]:
        """The files that Arrow can read by itself, and those in which pyiceberg must merge something."""
        direct: list[FileScanTask] = []
        merged: list[FileScanTask] = []
        readable = isinstance(self._table.io, PyArrowFileIO) and _same_names_in_all_schemas(self._table)
        for task in self._table.scan().plan_files():
            # Arrow alone knows neither deletes of single rows nor columns that were renamed.
            (merged if task.delete_files or not readable else direct).append(task)
        return direct, merged

    @property
    def _merged(self) -> list[FileScanTask]:
        return self._tasks[1]

    @cached_property
    def _direct(self) -> ds.FileSystemDataset:
        fragments = []
        for task in self._tasks[0]:
            system, path = self._place(task.file.file_path)
            size = task.file.file_size_in_bytes  # or Arrow asks S3 for it, file by file
            fragments.append(_FORMAT.make_fragment(path, system, self._known(task), file_size=size))
        return ds.FileSystemDataset(fragments, self.schema, _FORMAT)

    def _place(self, location: str) -> tuple[FileSystem, str]:
        io = self._table.io
        assert isinstance(io, PyArrowFileIO)  # noqa: S101 - `_tasks` has seen to it
        scheme, host, path = io.parse_location(location, io.properties)
        return io.fs_by_scheme(scheme, host), path

    def _known(self, task: FileScanTask) -> pc.Expression:
        """Return what holds for every row of a file by its manifest: its partition, and bounds of its times."""
        schema, file = self._table.schema(), task.file
        known = [pc.scalar(True)]
        # By the file's own partition spec, which may be older than the table's.
        for place, part in enumerate(self._table.metadata.specs()[file.spec_id].fields):
            name = schema.find_column_name(part.source_id)
            if name is not None and name in self.schema.names and isinstance(part.transform, IdentityTransform):
                value = file.partition[place]
                same = ds.field(name).is_null() if value is None else ds.field(name) == self._scalar(name, value)
                known.append(same)
        known += [self._bounds(task, field) for field in schema.fields if isinstance(field.field_type, _BOUNDED)]
        return reduce(lambda one, other: one & other, known)

    def _bounds(self, task: FileScanTask, field: NestedField) -> pc.Expression:
        lower, upper = (task.file.lower_bounds or {}), (task.file.upper_bounds or {})
        if field.field_id not in lower or field.field_id not in upper:
            return pc.scalar(True)
        kind = field.field_type
        assert isinstance(kind, PrimitiveType)  # noqa: S101 - one of _BOUNDED
        low, high = (self._scalar(field.name, from_bytes(kind, one[field.field_id])) for one in (lower, upper))
        column = ds.field(field.name)
        # In this form alone Arrow draws conclusions from bounds of a column that may be null.
        return ((column >= low) | column.is_null()) & ((column <= high) | column.is_null())

    def _scalar(self, column: str, value: Any) -> pa.Scalar:
        """Return a value of a manifest: days since 1970 for dates, microseconds for times."""
        kind = self.schema.field(column).type
        if isinstance(value, int) and pa.types.is_date(kind):
            return pa.scalar(value, pa.int32()).cast(kind)
        if isinstance(value, int) and pa.types.is_timestamp(kind):
            return pa.scalar(value, pa.int64()).cast(kind)
        return pa.scalar(value, kind)

    def _all_batches(self, names: list[str], wanted: pc.Expression | None) -> Iterator[pa.RecordBatch]:
        yield from self._direct.scanner(columns=names, filter=wanted, **_READING).to_batches()
        scan = ArrowScan(self._table.metadata, self._table.io, self._table.schema(), AlwaysTrue())
        for task in self._possible(wanted):
            for batch in scan.to_record_batches([task]):
                rows = pa.Table.from_batches([batch]).select(self.schema.names).cast(self.schema)
                yield from (rows if wanted is None else rows.filter(wanted)).select(names).to_batches()

    def _possible(self, wanted: pc.Expression | None) -> list[FileScanTask]:
        """Return the files to merge that a filter leaves, by their partitions and bounds."""
        # Empty fragments stand for the files: Arrow's own pruning decides, as it does for those that it reads itself.
        parts = [
            _FORMAT.make_fragment(str(n), LocalFileSystem(), self._known(one)) for n, one in enumerate(self._merged)
        ]
        found = ds.FileSystemDataset(parts, self.schema, _FORMAT).get_fragments(wanted)
        return [self._merged[int(part.path)] for part in found]


def _plain_type(kind: pa.DataType) -> pa.DataType:
    """Return a type of pyiceberg's with 32-bit offsets in place of 64-bit ones, at every depth."""
    if pa.types.is_large_string(kind):
        return pa.string()
    if pa.types.is_large_binary(kind):
        return pa.binary()
    if pa.types.is_map(kind):
        return pa.map_(_plain_type(kind.key_type), _plain_type(kind.item_type))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(kind.value_field.with_type(_plain_type(kind.value_type)))
    if pa.types.is_struct(kind):
        return pa.struct([member.with_type(_plain_type(member.type)) for member in kind])
    return kind


def _same_names_in_all_schemas(table: Table) -> bool:
    """Return True if every file has the column under its name: it was never renamed, or dropped and added again."""
    names: dict[int, str] = {}
    for schema in table.schemas().values():
        for number in schema.field_ids:
            if names.setdefault(number, schema.find_column_name(number) or "") != schema.find_column_name(number):
                return False
    return len(set(names.values())) == len(names)
