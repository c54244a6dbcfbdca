"""Rows that lie in the partition of another region than the one that they name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.expressions import And, BooleanExpression, NotEqualTo
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table

from vpclogs.partitions import LogType, Partition
from vpclogs.warehouse.partition_files import files_by_partition, on_days
from vpclogs.warehouse.tables import Warehouse, in_partition

__all__ = ["misplaced_on", "misplaced_rows"]

_REGION = "region"


def misplaced_rows(warehouse: Warehouse, partition: Partition) -> Counter[str]:
    """Return how many rows of a partition name another region, by that region."""
    where = in_partition(partition, partition.log_type.value)
    return _misplaced(warehouse, partition.log_type, where).get(partition, Counter())


def misplaced_on(warehouse: Warehouse, log_type: LogType, days: Sequence[date]) -> dict[Partition, Counter[str]]:
    """Return how many rows of each partition of the days name another region, by that region."""
    return _misplaced(warehouse, log_type, on_days(days))


def _misplaced(warehouse: Warehouse, log_type: LogType, where: BooleanExpression) -> dict[Partition, Counter[str]]:
    """Reads no file whose bounds show that all its rows name one region, and of others one column."""
    table = warehouse.table(log_type.value)
    found: dict[Partition, Counter[str]] = {}
    for partition, files in files_by_partition(table, where).items():
        # Sound partitions, nearly all, cost no read of data.
        if all(_is_sound(table, task.file, partition.region) for task in files.tasks):
            continue
        if counts := _count(table, partition):
            found[partition] = counts
    return found


def _count(table: Table, partition: Partition) -> Counter[str]:
    # pyiceberg converts names and values itself, but its types do not say so
    elsewhere = And(in_partition(partition, partition.log_type.value), NotEqualTo(_REGION, partition.region))  # type: ignore
    counts: Counter[str] = Counter()
    for batch in table.scan(row_filter=elsewhere, selected_fields=(_REGION,)).to_arrow_batch_reader():
        rows = pa.Table.from_batches([batch]).column(_REGION).drop_null()
        for pair in pc.value_counts(rows.combine_chunks()).to_pylist():
            counts[pair["values"]] += pair["counts"]
    return counts


def _is_sound(table: Table, file: DataFile, region: str) -> bool:
    """Return True if the file's metadata shows that none of its rows names another region."""
    field = table.schema().find_field(_REGION)
    # A file of another engine may have no statistics, which proves nothing. With statistics, a column that
    # is absent from them has no region that could differ.
    if field.field_id not in (file.value_counts or {}):
        return bool(file.value_counts)  # the file lacks the column
    wanted = region.encode()  # long bounds are truncated: then the rows are read
    bounds = [(found or {}).get(field.field_id) for found in (file.lower_bounds, file.upper_bounds)]
    return all(bound == wanted for bound in bounds)
