"""The column chunks and page headers of a Parquet file, read without decompressing any page.

Arrow allocates as much as page headers announce, and has no interface to see them beforehand. Its interface to the
footer's column chunks aborts the process if some of them are damaged. Both are structs of Thrift's compact protocol,
see https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

__all__ = ["DELTA_BYTE_ARRAY", "BadPage", "Chunk", "Page", "pages", "row_groups"]

DELTA_BYTE_ARRAY = 7
"""The encoding whose values repeat the beginnings of others, so their stored size does not bound their text."""

_FIRST_READ = 512
_MAX_HEADER = 1 << 20  # statistics hold two values of the column at most
_MAX_DEPTH = 8

_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)
_Fields = dict[int, "int | _Fields | list[_Fields]"]

_DATA, _DICTIONARY, _DATA_V2 = 0, 2, 3  # types of pages
_HEADER_OF = {_DATA: 5, _DICTIONARY: 7, _DATA_V2: 8}  # the field of the page header that describes one
_ENCODING_IN = {_DATA: 2, _DICTIONARY: 2, _DATA_V2: 4}


class BadPage(Exception):
    """Raised for a footer or a page header that cannot be read."""


class _Incomplete(Exception):
    """Raised where the available bytes end."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page: its size when decompressed, its values, their encoding."""

    size: int
    values: int
    encoding: int
    is_dictionary: bool


@dataclass(frozen=True, slots=True)
class Chunk:
    """One column of one row group: the position and size of its pages in the file, and its values."""

    start: int
    length: int
    values: int


def row_groups(footer: bytes) -> list[list[Chunk]]:
    """Return the column chunks of each row group, from the footer's struct.

    Raises:
        BadPage: the footer is damaged.
    """
    try:
        metadata = _Reader(footer).struct(0)
    except _Incomplete:
        raise BadPage("the footer is cut off") from None
    return [[_chunk(column) for column in _structs(group, 1)] for group in _structs(metadata, 4)]


def _chunk(column: _Fields) -> Chunk:
    described = column.get(3)
    if not isinstance(described, dict):
        raise BadPage("a column chunk lacks its description")
    start = _number(described, 9)
    dictionary = described.get(11)
    if isinstance(dictionary, int) and 0 < dictionary < start:
        start = dictionary
    return Chunk(start, _number(described, 7), _number(described, 5))


def _structs(fields: _Fields, field: int) -> list[_Fields]:
    value = fields.get(field)
    if not isinstance(value, list):
        raise BadPage(f"field {field} of the footer is not a list")
    return value


def pages(file: IO[bytes], start: int, length: int, values: int) -> Iterator[Page]:
    """Yield the pages of a column chunk that Arrow would read: up to its number of values.

    Raises:
        BadPage: a header is damaged, or goes beyond the chunk.
    """
    place, seen = start, 0
    while seen < values and place < start + length:
        fields, size = _header(file, place, start + length)
        kind, unpacked, packed = _number(fields, 1), _number(fields, 2), _number(fields, 3)
        place += size + packed
        if place > start + length:
            raise BadPage("a page goes beyond its column chunk")
        if kind not in _HEADER_OF:
            yield Page(unpacked, 0, 0, is_dictionary=False)
            continue
        inner = fields.get(_HEADER_OF[kind])
        if not isinstance(inner, dict):
            raise BadPage("a page header lacks its description")
        count = _number(inner, 1)
        yield Page(unpacked, count, _number(inner, _ENCODING_IN[kind]), is_dictionary=kind == _DICTIONARY)
        if kind != _DICTIONARY:
            seen += count


def _header(file: IO[bytes], place: int, end: int) -> tuple[_Fields, int]:
    size = _FIRST_READ
    while True:
        file.seek(place)
        data = file.read(min(size, end - place))
        reader = _Reader(data)
        try:
            return reader.struct(0), reader.place
        except _Incomplete:
            if size >= _MAX_HEADER or len(data) < size:
                raise BadPage("a page header is cut off or too long") from None
            size *= 8


def _number(fields: _Fields, field: int) -> int:
    value = fields.get(field)
    if not isinstance(value, int) or value < 0:
        raise BadPage(f"field {field} of a header is not a size")
    return value


class _Reader:
    """Reads Thrift's compact protocol; keeps integers, structs and lists of structs, and skips everything else."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.place = 0

    def struct(self, depth: int) -> _Fields:
        if depth > _MAX_DEPTH:
            raise BadPage("a header is nested too deep")
        fields: _Fields = {}
        field = 0
        while head := self._byte():
            field = field + (head >> 4) if head >> 4 else self._zigzag()
            value = self._value(head & 15, depth)
            if value is not None:
                fields[field] = value
        return fields

    def _value(self, kind: int, depth: int) -> int | _Fields | list[_Fields] | None:
        if kind in (_I16, _I32, _I64):
            return self._zigzag()
        if kind == _STRUCT:
            return self.struct(depth + 1)
        if kind == _BYTE:
            self._skip(1)
        elif kind == _DOUBLE:
            self._skip(8)
        elif kind == _BINARY:
            self._skip(self._varint())
        elif kind in (_LIST, _SET):
            return self._elements(depth)
        elif kind not in (_TRUE, _FALSE):
            raise BadPage(f"a header has a field of type {kind}")
        return None

    def _elements(self, depth: int) -> list[_Fields] | None:
        head = self._byte()
        count = self._varint() if head >> 4 == 15 else head >> 4
        if head & 15 == _STRUCT:
            return [self.struct(depth + 1) for _ in range(count)]
        for _ in range(count):
            if head & 15 in (_TRUE, _FALSE):
                self._skip(1)
            else:
                self._value(head & 15, depth + 1)
        return None

    def _byte(self) -> int:
        self._skip(1)
        return self._data[self.place - 1]

    def _skip(self, count: int) -> None:
        self.place += count
        if self.place > len(self._data):
            raise _Incomplete

    def _varint(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise BadPage("a number in a header is too long")

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
