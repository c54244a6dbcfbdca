"""The rows of one partition in any table of the ledger that has its four columns."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Row, Table, and_

from vpclogs.partitions import LogType, Partition

__all__ = ["columns_of", "partition_of", "rows_of"]


def rows_of(table: Table, partition: Partition) -> ColumnElement[bool]:
    """Return the condition that selects the rows of a partition."""
    return and_(*(table.c[name] == value for name, value in columns_of(partition).items()))


def columns_of(partition: Partition) -> dict[str, object]:
    """Return the values of the columns that name a partition."""
    return {
        "log_type": partition.log_type.value,
        "account": partition.account,
        "region": partition.region,
        "day": partition.day,
    }


def partition_of(row: Row[Any]) -> Partition:
    """Return the partition that a row names."""
    return Partition(LogType(row.log_type), row.account, row.region, row.day)
