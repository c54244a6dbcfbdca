"""VPC Flow Logs in Parquet: AWS's types, names with underscores. The rows are those of the text form.

A column may have any type that its values can be read from: numbers are integers of any
width or texts of digits, and ``-`` is null as it is in text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vpclogs.parsing.blocks import BlockResult
from vpclogs.parsing.flow_cells import clean_texts, is_text, raw_cell
from vpclogs.parsing.flow_columns import Mask
from vpclogs.parsing.flow_header import FlowHeader, make_header, shortened
from vpclogs.parsing.flow_rows import make_rows, versions
from vpclogs.parsing.flow_verdicts import Verdict, judge
from vpclogs.parsing.model import ObjectState, ObjectUnreadable, ParseLimits, Refused

__all__ = ["parse_parquet"]

_BATCH_ROWS = 1 << 16
_BUFFER_BYTES = 1 << 20  # of a column at a time, so that a large row group is never held whole


def parse_parquet(ordinal: int, file: IO[bytes], limits: ParseLimits) -> Iterator[BlockResult]:
    """Rows and refusals, some ten thousand rows at a time. A record's line is its row, from 1.

    Raises:
        ObjectUnreadable: the file is damaged, too large, or not a VPC flow log that can load.
    """
    try:
        metadata = pq.read_metadata(file)
        _check_size(metadata, limits)
        schema = metadata.schema.to_arrow_schema()
        header = make_header([name.replace("_", "-") for name in schema.names])
        _check_types(header, schema)
        parquet = pq.ParquetFile(
            file,
            metadata=metadata,
            read_dictionary=[column.name for column in schema if is_text(column.type)],
            buffer_size=_BUFFER_BYTES,
            pre_buffer=False,
            page_checksum_verification=True,
        )
        first = 1
        for batch in parquet.iter_batches(batch_size=_BATCH_ROWS):
            yield _result(ordinal, first, header, batch, limits)
            first += len(batch)
    except (pa.ArrowException, OSError) as error:
        detail = " ".join(str(error).split())
        raise ObjectUnreadable(ObjectState.REFUSED, "parquet_corrupt", shortened(detail, 200)) from error


def _check_size(metadata: pq.FileMetaData, limits: ParseLimits) -> None:
    size = sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))
    if size > limits.max_object_bytes:
        detail = f"decompresses to {size:,} bytes, more than {limits.max_object_bytes:,} (limits.max_object_bytes)"
        raise ObjectUnreadable(ObjectState.REFUSED, "object_too_large", detail)


def _check_types(header: FlowHeader, schema: pa.Schema) -> None:
    for name, field, column in zip(header.names, header.fields, schema, strict=True):
        number = pa.types.is_integer(column.type) and (field is None or name in header.numbers)
        loose = field is None and (pa.types.is_floating(column.type) or pa.types.is_boolean(column.type))
        if not (number or loose or is_text(column.type)):
            detail = f"column {shortened(column.name)} is {shortened(str(column.type))}"
            raise ObjectUnreadable(ObjectState.REFUSED, "parquet_type", detail)


def _result(ordinal: int, first: int, header: FlowHeader, batch: pa.RecordBatch, limits: ParseLimits) -> BlockResult:
    columns: dict[str, pa.Array] = {}
    marked: dict[str, Mask] = {}
    for name, column in zip(header.names, batch.columns, strict=True):
        if name in header.numbers and pa.types.is_integer(column.type):
            columns[name] = column
            continue
        columns[name], bad = clean_texts(column)
        if bad is not None:
            marked[name] = bad
    rows, marked = make_rows(header, columns, marked)
    good = np.ones(len(batch), np.bool_)
    for bad in marked.values():
        good &= ~bad
    objects = np.full(len(rows), ordinal, np.int32)
    return BlockResult(
        rows=rows,
        objects=objects,
        lines=np.flatnonzero(good) + first,
        refused=[_refused(ordinal, first, header, batch, int(row), limits) for row in np.flatnonzero(~good)],
        versions=versions(rows, objects),
        unknown_fields={ordinal: header.unknown} if header.unknown else {},
    )


def _refused(
    ordinal: int, first: int, header: FlowHeader, batch: pa.RecordBatch, row: int, limits: ParseLimits
) -> Refused:
    cells = [raw_cell(column, row) for column in batch.columns]
    verdict = _verdict(header, cells)
    if verdict is None:
        raise AssertionError(f"a check flagged a row that is good: {cells!r}")
    shown = {
        name: cell if cell is None else cell.decode("utf-8", "backslashreplace")
        for name, cell in zip(batch.schema.names, cells, strict=True)
    }
    return Refused(
        object=ordinal,
        line=first + row,
        reason=verdict.reason,
        field=verdict.field,
        detail=verdict.detail,
        raw=json.dumps(shown).encode()[: limits.max_kept_raw_bytes],
        start=-1,
        end=-1,
    )


def _verdict(header: FlowHeader, cells: list[bytes | None]) -> Verdict | None:
    for name, cell in zip(header.names, cells, strict=True):
        if cell is not None and b"\0" in cell:
            return Verdict("nul_character", None, f"a NUL in {name}")
    values: list[str | None] = []
    for name, cell in zip(header.names, cells, strict=True):
        try:
            values.append(None if cell is None else cell.decode())
        except UnicodeDecodeError as error:
            return Verdict("invalid_utf8", None, f"byte {error.start} of {name} is not UTF-8: {error.reason}")
    return judge(header, values)
