"""How much of a Parquet file can be read at a time, or why none of it is.

Arrow decompresses a page at once and decodes as many rows as it is asked for, whatever
their size. So the page headers are read first: from them follows how many bytes the
pages of a number of rows have.
"""

from __future__ import annotations

import struct
from typing import IO

import numpy as np

from vpclogs.parsing.containers import too_large, too_many_members
from vpclogs.parsing.flow.parquet_pages import DELTA_BYTE_ARRAY, BadPage, Chunk, Page, pages, row_groups
from vpclogs.parsing.model import ObjectState, ObjectUnreadable, ParseLimits

__all__ = ["BUFFER_BYTES", "read_footer", "rows_at_a_time"]

BUFFER_BYTES = 1 << 20
"""Bytes buffered of each column, so that a large row group is never held whole."""

_TRAILER = 8  # the footer's size, then PAR1
_MAX_FOOTER = 8 << 20  # its structs take some twenty times as much; AWS's have a few kB
_MAX_OPEN = 128 << 20  # decompressed pages at a time; those of AWS's files have some 20 MB
_ROWS = (1 << 16, 1 << 13)  # fewer at a time would cost several times as much per row


def rows_at_a_time(file: IO[bytes], rows: int, limits: ParseLimits) -> int:
    """Return how many of the file's ``rows`` can be read at a time, whatever they hold.

    Raises:
        ObjectUnreadable: the file is beyond a limit of an object, or even a few thousand rows are too much.
        BadPage: the footer or a page header is damaged.
    """
    if rows > limits.max_object_lines:
        detail = f"{rows:,} rows, more than {limits.max_object_lines:,} (limits.max_object_lines)"
        raise ObjectUnreadable(ObjectState.REFUSED, "too_many_lines", detail)
    total = count = 0
    step = _ROWS[0]
    for group in row_groups(read_footer(file)):
        count += len(group)
        open_bytes = dict.fromkeys(_ROWS, 0)
        for chunk in group:
            column = _pages_of(file, chunk, limits, count)
            count += len(column)
            total += sum(page.size for page in column)
            if total > limits.max_object_bytes:
                raise too_large(limits)
            for candidate in _ROWS:
                open_bytes[candidate] += _open_bytes(column, candidate)
        fitting = [candidate for candidate in _ROWS if open_bytes[candidate] <= _MAX_OPEN]
        if not fitting:
            detail = f"{_ROWS[-1]:,} of its rows may take {open_bytes[_ROWS[-1]]:,} bytes; the limit is {_MAX_OPEN:,}"
            raise _too_wide(detail)
        step = min(step, fitting[0])
    return step


def read_footer(file: IO[bytes]) -> bytes:
    """Return the file's footer.

    Raises:
        ObjectUnreadable: it is so large that decoding it would take too much memory.
        BadPage: the file has none.
    """
    size = file.seek(0, 2)
    if size < _TRAILER:
        raise BadPage("the file is too short for a footer")
    file.seek(-_TRAILER, 2)
    (footer,) = struct.unpack("<I", file.read(4))
    if footer > size - _TRAILER:
        raise BadPage("the footer begins before the file")
    if footer > _MAX_FOOTER:
        raise _too_wide(f"its footer has {footer:,} bytes; the limit is {_MAX_FOOTER:,}")
    file.seek(-_TRAILER - footer, 2)
    return file.read(footer)


def _pages_of(file: IO[bytes], chunk: Chunk, limits: ParseLimits, before: int) -> list[Page]:
    found: list[Page] = []
    for page in pages(file, chunk.start, chunk.length, chunk.values):
        if len(found) + before >= limits.max_object_members:
            raise too_many_members(limits, "Parquet pages")
        found.append(page)
    return found


def _open_bytes(column: list[Page], rows: int) -> int:
    """Return the most bytes that the pages of so many rows in a row have, with the buffer and the dictionary."""
    data = [page for page in column if not page.is_dictionary]
    fixed = BUFFER_BYTES + sum(page.size for page in column if page.is_dictionary)
    if not data:
        return fixed
    sizes = np.array([_unpacked(page) for page in data], np.float64)
    ends = np.cumsum([page.values for page in data], dtype=np.int64)
    starts = ends - [page.values for page in data]
    # a slice of rows holds the page that it begins in, and all that begin within
    last = np.searchsorted(starts, ends - 1 + rows, "left")
    sums = np.append(0.0, np.cumsum(sizes))
    return fixed + int((sums[np.maximum(last, np.arange(1, len(data) + 1))] - sums[: len(data)]).max())


def _unpacked(page: Page) -> int:
    """Return how many bytes the values of a page can have."""
    return page.size * max(1, page.values) if page.encoding == DELTA_BYTE_ARRAY else page.size


def _too_wide(detail: str) -> ObjectUnreadable:
    return ObjectUnreadable(ObjectState.REFUSED, "parquet_too_wide", detail)
