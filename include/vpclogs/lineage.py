"""The columns that every row gets: where it came from, its identity, its partition."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vpclogs.objects import LogObject
from vpclogs.parsing.model import Refused
from vpclogs.partitions import Partition
from vpclogs.schemas import schema_for
from vpclogs.schemas.model import TIMESTAMP, LogSchema

__all__ = ["quarantine_rows", "row_ids", "with_lineage"]

_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)


def row_ids(identities: Sequence[str], objects: npt.NDArray[np.int32], lines: npt.NDArray[np.int64]) -> pa.Array:
    """``p_row_id`` of each row: 24 hex digits of its object, 8 of its line. Strings of 32.

    ``objects`` are indexes into ``identities``. The same input gives the same ids for ever.
    """
    names = np.frombuffer("".join(identities).encode(), np.uint8).reshape(len(identities), 24)
    digits = np.empty((len(lines), 32), np.uint8)
    digits[:, :24] = names[objects]
    for place in range(8):
        digits[:, 31 - place] = _HEX[(lines >> (4 * place)) & 15]
    offsets = np.arange(len(lines) + 1, dtype=np.int32) * 32
    return pa.StringArray.from_buffers(len(lines), pa.py_buffer(offsets), pa.py_buffer(digits))


def with_lineage(
    rows: pa.Table,
    objects: npt.NDArray[np.int32],
    lines: npt.NDArray[np.int64],
    *,
    listed: Sequence[LogObject],
    partition: Partition,
    schema: LogSchema,
    table: pa.Schema,
    now: datetime,
) -> pa.Table:
    """Parsed rows of one partition with all columns of ``table``, in its order.

    Texts that repeat are dictionaries: Parquet keeps them as such, at a fraction of the cost.
    """
    count = len(rows)
    used, inverse = np.unique(objects, return_inverse=True)
    places = inverse.astype(np.int32)
    items = [listed[ordinal] for ordinal in used]
    columns = {name: rows.column(name) for name in rows.column_names} | {
        "p_log_type": _constant(schema.title, count),
        "p_row_id": row_ids([item.identity for item in items], places, lines),
        "p_parse_time": _repeated(now, TIMESTAMP, count),
        "p_schema_version": _repeated(schema.version, table.field("p_schema_version").type, count),
        "p_source_label": _constant(items[0].source if items else "", count),
        "p_source_bucket": pa.DictionaryArray.from_arrays(places, pa.array([i.bucket for i in items], pa.string())),
        "p_source_key": pa.DictionaryArray.from_arrays(places, pa.array([i.key for i in items], pa.string())),
        "p_source_line": pa.array(lines),
        "p_account": _constant(partition.account, count),
        "p_region": _constant(partition.region, count),
        "p_day": _repeated(partition.day, pa.date32(), count),
    }
    fields = [pa.field(f.name, _written_as(columns[f.name].type, f.type), f.nullable) for f in table]
    arrays = [columns[f.name] if columns[f.name].type == f.type else columns[f.name].cast(f.type) for f in fields]
    return pa.table(arrays, schema=pa.schema(fields))


def _written_as(found: pa.DataType, wanted: pa.DataType) -> pa.DataType:
    """The type to write: texts may be dictionaries, also in lists and structs."""
    if pa.types.is_dictionary(found):
        return found
    if pa.types.is_list(found):
        field = wanted.value_field
        return pa.list_(field.with_type(_written_as(found.value_type, field.type)))
    if pa.types.is_struct(found):
        return pa.struct([field.with_type(_written_as(found.field(field.name).type, field.type)) for field in wanted])
    return wanted


def quarantine_rows(
    refused: Sequence[tuple[LogObject, Refused | None, str, str]],
    *,
    partition: Partition,
    table: pa.Schema,
    now: datetime,
) -> pa.Table:
    """Rows of the quarantine for (object, refused record or None for the whole object, reason, detail)."""
    return pa.Table.from_pylist(
        [_quarantine_row(item, record, reason, detail, partition, now) for item, record, reason, detail in refused],
        schema=table,
    )


def _quarantine_row(
    item: LogObject, record: Refused | None, reason: str, detail: str, partition: Partition, now: datetime
) -> dict[str, object]:
    row: dict[str, object] = {
        "p_log_type": schema_for(partition.log_type).title,
        "p_row_id": f"{item.identity}{record.line if record else 0:08x}",
        "p_account": partition.account,
        "p_region": partition.region,
        "p_day": partition.day,
        "p_source_label": item.source,
        "p_source_bucket": item.bucket,
        "p_source_key": item.key,
        "p_source_etag": item.etag,
        "p_parse_time": now,
        "reason": reason,
        "detail": detail,
        "raw_complete": False,
    }
    if record is None:
        return row
    # bytes that are not UTF-8 are shown escaped, and kept as they are beside it for a replay
    exact = record.raw.decode("utf-8", "backslashreplace")
    is_text = exact.encode("utf-8", "surrogatepass") == record.raw
    return row | {
        "p_source_line": record.line,
        "field": record.field,
        "raw": exact,
        "raw_bytes": None if is_text else record.raw,
        "header": record.header,
        "raw_complete": record.start < 0 or record.end - record.start == len(record.raw),
        # a row of a Parquet object has no place in bytes
        "start": None if record.start < 0 else record.start,
        "end": None if record.start < 0 else record.end,
    }


def _constant(value: str, count: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(np.zeros(count, np.int32), pa.array([value], pa.string()))


def _repeated(value: object, kind: pa.DataType, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(value, kind), count)
