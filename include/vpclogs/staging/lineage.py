"""The columns that every row gets: its origin, identity and partition."""

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

# 256 KiB; formatting each line number in Python would take longer than parsing the line.
_FOUR_DIGITS = np.frombuffer("".join(f"{number:04x}" for number in range(1 << 16)).encode(), np.uint32)
"""The hexadecimal digits of each number of 16 bits."""


def row_ids(identities: Sequence[str], objects: npt.NDArray[np.int32], lines: npt.NDArray[np.int64]) -> pa.Array:
    """Return ``p_row_id`` of each row: 24 hex digits of its object and 8 of its line, as strings of 32.

    ``objects`` are indexes into ``identities``. The same input always results in the same ids.
    """
    # 24 hex digits are three words of 64 bits: one gather copies them for all rows.
    names = np.frombuffer("".join(identities).encode(), np.uint64).reshape(len(identities), 3)
    digits = np.empty((len(lines), 4), np.uint64)
    digits[:, :3] = names.take(objects, axis=0)
    # The fourth word holds the line: two halves of four digits, looked up instead of formatted.
    halves = digits.view(np.uint32)
    halves[:, 6] = _FOUR_DIGITS.take((lines >> 16) & 0xFFFF)
    halves[:, 7] = _FOUR_DIGITS.take(lines & 0xFFFF)
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
    """Return parsed rows of one partition with all columns of ``table``, in its order.

    Repeated texts are dictionaries: Parquet writes them as dictionaries, at a fraction of the cost.
    """
    count = len(rows)
    used, places = _runs(objects)
    items = [listed[ordinal] for ordinal in used]
    columns = {name: rows.column(name) for name in rows.column_names} | {
        "p_log_type": _constant(schema.title, count),
        "p_row_id": row_ids([item.identity for item in items], places, lines),
        "p_parse_time": _repeated(now, TIMESTAMP, count),
        "p_schema_version": _repeated(schema.version, table.field("p_schema_version").type, count),
        "p_source_label": _constant(items[0].source if items else "", count),
        "p_source_bucket": _coded(places, [item.bucket for item in items]),
        "p_source_key": _coded(places, [item.key for item in items]),
        # No dictionary: lines rarely repeat, and Parquet packs ascending integers well.
        "p_source_line": pa.array(lines),
        "p_account": _constant(partition.account, count),
        "p_region": _constant(partition.region, count),
        "p_day": _repeated(partition.day, pa.date32(), count),
    }
    # A parser may return narrower types than the table has, such as an integer of 16 bits; the table decides.
    fields = [pa.field(f.name, _written_as(columns[f.name].type, f.type), f.nullable) for f in table]
    arrays = [columns[f.name] if columns[f.name].type == f.type else columns[f.name].cast(f.type) for f in fields]
    return pa.table(arrays, schema=pa.schema(fields))


def _written_as(found: pa.DataType, wanted: pa.DataType) -> pa.DataType:
    """Return the type to write: texts may be dictionaries, also in lists and structs."""
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
    """Return rows of the quarantine for (object, refused record or None for the whole object, reason, detail)."""
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
    # invalid UTF-8 is shown escaped, and stored unchanged in another column for a replay
    exact = record.raw.decode("utf-8", "backslashreplace")
    is_text = exact.encode("utf-8", "surrogatepass") == record.raw
    return row | {
        "p_source_line": record.line,
        "field": record.field,
        "raw": exact,
        "raw_bytes": None if is_text else record.raw,
        "header": record.header,
        "raw_complete": record.start < 0 or record.end - record.start == len(record.raw),
        # a row of a Parquet object has no byte range
        "start": None if record.start < 0 else record.start,
        "end": None if record.start < 0 else record.end,
    }


def _runs(objects: npt.NDArray[np.int32]) -> tuple[list[int], npt.NDArray[np.int32]]:
    """Return the distinct objects in order, and for each row its index among them."""
    # Rows of one object follow each other, so runs are objects. Sorting or hashing them would be slower.
    first = np.flatnonzero(np.diff(objects, prepend=-1))
    places = np.repeat(np.arange(len(first), dtype=np.int32), np.diff(first, append=len(objects)))
    return objects[first].tolist(), places


def _coded(codes: npt.NDArray[np.int32], values: Sequence[str]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(values, pa.string()), safe=False)


def _constant(value: str, count: int) -> pa.DictionaryArray:
    return _coded(np.zeros(count, np.int32), [value])


def _repeated(value: object, kind: pa.DataType, count: int) -> pa.Array:
    """Return `count` copies of a number or time; numpy fills several times faster than Arrow repeats."""
    one = np.frombuffer(pa.array([value], kind).buffers()[1], f"u{kind.bit_width // 8}", 1)
    return pa.Array.from_buffers(kind, count, [None, pa.py_buffer(np.full(count, one))])
