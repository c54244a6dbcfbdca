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
from vpclogs.parsing.containers import check_size
from vpclogs.parsing.flow.cells import cell_bytes, clean_texts, compact, is_text, raw_cell
from vpclogs.parsing.flow.columns import Mask
from vpclogs.parsing.flow.header import FlowHeader, make_header, shortened
from vpclogs.parsing.flow.parquet_limits import BUFFER_BYTES, read_footer, rows_at_a_time
from vpclogs.parsing.flow.parquet_pages import BadPage
from vpclogs.parsing.flow.rows import foreign_rows, make_rows, versions
from vpclogs.parsing.flow.rules import REGION, Violation, judge
from vpclogs.parsing.model import ObjectState, ObjectUnreadable, ParseLimits, Refused
from vpclogs.parsing.patience import Counts, Patience

__all__ = ["parse_parquet"]


def parse_parquet(
    ordinal: int, file: IO[bytes], limits: ParseLimits, region: str | None = None
) -> Iterator[BlockResult]:
    """Yield rows and refusals, tens of thousands of rows at a time. A record's line is its row, from 1.

    Records that name another region than ``region`` are refused; None accepts all.

    Raises:
        ObjectUnreadable: the file is damaged, beyond a limit, or not a VPC flow log that can load.
        MemoryError: the process has no memory left, which is no fault of the file.
    """
    try:
        read_footer(file)  # before Arrow decodes it
        stored = file.seek(0, 2)
        file.seek(0)
        metadata = pq.read_metadata(file)
        schema = metadata.schema.to_arrow_schema()
        header = make_header([name.replace("_", "-") for name in schema.names])
        _check_types(header, schema)
        step = rows_at_a_time(file, metadata.num_rows, limits)
        parquet = pq.ParquetFile(
            file,
            metadata=metadata,
            # Texts repeat: as dictionaries they are decoded, checked and converted once each.
            read_dictionary=[column.name for column in schema if is_text(column.type)],
            buffer_size=BUFFER_BYTES,
            # Arrow would otherwise read whole row groups ahead, whatever their size.
            pre_buffer=False,
            page_checksum_verification=True,
        )
        slices = _Slices(ordinal, header, limits, stored, region)
        for batch in parquet.iter_batches(batch_size=step):
            yield from slices.results(batch)
    except MemoryError:
        raise
    except (pa.ArrowException, OSError, UnicodeDecodeError, BadPage) as error:
        detail = " ".join(str(error).split())
        raise ObjectUnreadable(ObjectState.REFUSED, "parquet_corrupt", shortened(detail, 200)) from error


def _check_types(header: FlowHeader, schema: pa.Schema) -> None:
    for name, field, column in zip(header.names, header.fields, schema, strict=True):
        number = pa.types.is_integer(column.type) and (field is None or name in header.numbers)
        loose = field is None and (pa.types.is_floating(column.type) or pa.types.is_boolean(column.type))
        if not (number or loose or is_text(column.type)):
            detail = f"column {shortened(column.name)} is {shortened(str(column.type))}"
            raise ObjectUnreadable(ObjectState.REFUSED, "parquet_type", detail)


class _Slices:
    """Cuts batches where their cells get too many bytes, and counts records and bytes of the object."""

    def __init__(self, ordinal: int, header: FlowHeader, limits: ParseLimits, stored: int, region: str | None) -> None:
        self._ordinal, self._header, self._limits, self._stored = ordinal, header, limits, stored
        self._region = region
        self._patience = Patience(limits)
        self._counts = Counts()
        self._bytes = 0
        self._first = 1

    def results(self, batch: pa.RecordBatch) -> Iterator[BlockResult]:
        """Yield the rows and refusals of a batch.

        Raises:
            ObjectUnreadable: the object is beyond a limit.
        """
        columns, marked = self._columns(batch)
        sizes = np.sum([cell_bytes(columns[name]) for name in self._header.names], axis=0)
        too_long = sizes > self._limits.max_line_bytes
        if too_long.any():
            sizes[too_long] = 0
            columns = {name: compact(column, too_long) for name, column in columns.items()}
        # A dictionary lets a small file stand for any amount of text: cells are counted as if written out.
        ends = np.cumsum(sizes)
        first = 0
        while first < len(batch):
            start = ends[first - 1] if first else 0
            last = max(first + 1, int(np.searchsorted(ends, start + self._limits.whole_object_bytes, "right")))
            self._bytes += int(ends[last - 1] - start)
            check_size(self._bytes, self._stored, self._limits)
            part = slice(first, last)
            whole = last - first == len(batch)
            yield self._result(
                batch.slice(first, last - first),
                {name: column if whole else compact(column[part]) for name, column in columns.items()},
                {name: mask[part] for name, mask in marked.items() if mask[part].any()},
                too_long[part],
            )
            first = last

    def _columns(self, batch: pa.RecordBatch) -> tuple[dict[str, pa.Array], dict[str, Mask]]:
        columns: dict[str, pa.Array] = {}
        marked: dict[str, Mask] = {}
        for name, column in zip(self._header.names, batch.columns, strict=True):
            if name in self._header.numbers and pa.types.is_integer(column.type):
                columns[name] = column
                continue
            columns[name], bad = clean_texts(column)
            if bad is not None:
                marked[name] = bad
        return columns, marked

    def _result(
        self, batch: pa.RecordBatch, columns: dict[str, pa.Array], marked: dict[str, Mask], too_long: Mask
    ) -> BlockResult:
        if too_long.any():
            name = self._header.names[0]
            marked[name] = marked[name] | too_long if name in marked else too_long
        every = np.full(len(batch), self._ordinal, np.int32)
        if REGION in columns:
            foreign = foreign_rows(columns[REGION], every, {self._ordinal: self._region})
            if foreign is not None:
                marked[REGION] = marked[REGION] | foreign if REGION in marked else foreign
        rows, marked = make_rows(self._header, columns, marked)
        good = np.ones(len(batch), np.bool_)
        for bad in marked.values():
            good &= ~bad
        objects = every[: len(rows)]
        wrong = np.flatnonzero(~good)
        self._counts.rows += len(rows)
        self._counts.refused += len(wrong)
        self._patience.check(self._counts)  # before each refusal costs its text
        refused = [
            _refused(
                self._ordinal,
                self._first,
                self._header,
                batch,
                int(row),
                self._limits,
                self._region,
                too_long=bool(too_long[row]),
            )
            for row in wrong
        ]
        lines = np.flatnonzero(good) + self._first
        self._first += len(batch)
        return BlockResult(
            rows=rows,
            objects=objects,
            lines=lines,
            refused=refused,
            versions=versions(rows, objects),
            unknown_fields={self._ordinal: self._header.unknown} if self._header.unknown else {},
        )


def _refused(
    ordinal: int,
    first: int,
    header: FlowHeader,
    batch: pa.RecordBatch,
    row: int,
    limits: ParseLimits,
    region: str | None,
    *,
    too_long: bool,
) -> Refused:
    cells = [raw_cell(column, row) for column in batch.columns]
    verdict = _too_long(cells, limits) if too_long else _verdict(header, cells, region)
    if verdict is None:
        raise AssertionError(f"a check flagged a row that is good: {cells!r}")
    shown = {
        name: cell if cell is None else cell[: limits.max_kept_raw_bytes].decode("utf-8", "backslashreplace")
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


def _too_long(cells: list[bytes | None], limits: ParseLimits) -> Violation:
    size = sum(len(cell or b"") for cell in cells)
    detail = f"{size:,} bytes, the limit is {limits.max_line_bytes:,} (limits.max_line_bytes)"
    return Violation("line_too_long", None, detail)


def _verdict(header: FlowHeader, cells: list[bytes | None], region: str | None) -> Violation | None:
    for name, cell in zip(header.names, cells, strict=True):
        if cell is not None and b"\0" in cell:
            return Violation("nul_character", None, f"a NUL in {name}")
    values: list[str | None] = []
    for name, cell in zip(header.names, cells, strict=True):
        try:
            values.append(None if cell is None else cell.decode())
        except UnicodeDecodeError as error:
            return Violation("invalid_utf8", None, f"byte {error.start} of {name} is not UTF-8: {error.reason}")
    return judge(header, values, region)
