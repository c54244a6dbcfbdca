"""Containers of objects, recognized by their first bytes: gzip, plain text, Parquet.

Memory is bounded: text is decompressed and passed on in pieces of at most ``PIECE_BYTES``, up to
`ParseLimits.max_object_bytes`.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from itertools import chain

from isal import igzip_lib

from vpclogs.parsing.model import ObjectState, ObjectUnreadable, ParseLimits

__all__ = [
    "GZIP_MAGIC",
    "PIECE_BYTES",
    "Container",
    "check_size",
    "foreign_format",
    "gunzip",
    "plain_text",
    "sniff",
    "too_large",
    "too_many_members",
]

PIECE_BYTES = 256 << 10

_RATIO_FROM = 4 << 20  # decompressed bytes; less of anything costs little, and a file of a few equal lines is no bomb
_FIRST_PORTION = 4 << 10
_MOST_PORTION = 1 << 20

GZIP_MAGIC = b"\x1f\x8b"
_PARQUET_MAGIC = b"PAR1"
_HEAD_BYTES = 1 << 10  # enough to tell text from binary data
_MOST_CONTROLS = 0.1  # of the characters of a text; damaged records are refused one by one, binary data whole
_FOREIGN = {
    b"PK\x03\x04": "a zip archive",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x04\x22\x4d\x18": "lz4",
    b"\xff\x06\x00\x00sNaPpY": "snappy",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"\x1f\x9d": "compress (.Z)",
    b"ORC": "an ORC file",
    b"Obj\x01": "an Avro file",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
    b"PAR1": "a Parquet file",
}
"""Formats that other programs write, by their first bytes. None of them is loaded; Parquet only of flow logs."""
_IsalError: type[Exception] = igzip_lib.IsalError  # type: ignore[assignment]  # its stub says instance, not class


class Container(StrEnum):
    """The container of an object, judged by its first bytes."""

    EMPTY = "empty"
    GZIP = "gzip"
    PARQUET = "parquet"
    TEXT = "text"
    OTHER = "other"


def sniff(chunks: Iterator[bytes]) -> tuple[Container, bytes, Iterator[bytes]]:
    """Return the container, the first bytes that it was judged by, and all bytes from the start."""
    head = b""
    while len(head) < _HEAD_BYTES and (chunk := next(chunks, None)) is not None:
        head += chunk
        if head.startswith(GZIP_MAGIC):
            break
    return _container(head), head[:_HEAD_BYTES], chain((head,), chunks)


def _container(head: bytes) -> Container:
    if not head:
        return Container.EMPTY
    if head.startswith(GZIP_MAGIC):
        return Container.GZIP
    if head.startswith(_PARQUET_MAGIC):
        return Container.PARQUET
    return Container.TEXT if foreign_format(head) is None else Container.OTHER


def foreign_format(head: bytes) -> str | None:
    """Return the format of an object that is neither gzip nor plain text, or None if ``head`` is text."""
    for magic, name in _FOREIGN.items():
        if head.startswith(magic):
            return name
    # Invalid bytes in a few records are refused line by line; only a text full of them is binary.
    text = head[:_HEAD_BYTES].decode("utf-8", "replace")
    controls = sum(character == "\ufffd" or (character < " " and character not in "\t\n\r\f") for character in text)
    return "binary data" if "\0" in text or controls > 1 + len(text) * _MOST_CONTROLS else None


def plain_text(chunks: Iterator[bytes], limits: ParseLimits) -> Iterator[bytes]:
    """Yield the text of an object that is not compressed, in pieces of at most ``PIECE_BYTES``.

    Raises:
        ObjectUnreadable: it is larger than an object may be decompressed.
    """
    total = 0
    for chunk in chunks:
        total += len(chunk)
        if total > limits.max_object_bytes:
            raise too_large(limits)
        # Chunks of S3 have up to 8 MiB; the next steps are sized for pieces that stay in the cache.
        for start in range(0, len(chunk), PIECE_BYTES):
            yield chunk[start : start + PIECE_BYTES]


def gunzip(chunks: Iterator[bytes], limits: ParseLimits) -> Iterator[bytes]:
    """Decompress gzip of one or more members, each verified by its length and CRC.

    Zero bytes after the last member are padding; anything else there is damage.

    Raises:
        ObjectUnreadable: truncated, corrupt, or beyond one of the limits of an object.
    """
    total = size = 0
    pending: list[bytes] = []  # members of a few bytes each would make as many pieces
    try:
        for piece, read in _members(chunks, limits):
            total += len(piece)
            check_size(total, read, limits)
            if size + len(piece) > PIECE_BYTES:
                yield b"".join(pending)
                pending, size = [], 0
            pending.append(piece)
            size += len(piece)
    except ObjectUnreadable:
        if pending:
            yield b"".join(pending)
        raise
    if pending:
        yield b"".join(pending)


def too_large(limits: ParseLimits) -> ObjectUnreadable:
    """The fate of an object beyond the bomb limit."""
    detail = f"more than {limits.max_object_bytes:,} bytes decompressed (limits.max_object_bytes)"
    return ObjectUnreadable(ObjectState.REFUSED, "object_too_large", detail)


def check_size(total: int, read: int, limits: ParseLimits) -> None:
    """Raise if ``read`` bytes have grown to a ``total`` that no log has."""
    if total > limits.max_object_bytes:
        raise too_large(limits)
    if total > _RATIO_FROM and total > read * limits.max_object_ratio:
        detail = f"{read:,} bytes decompress to more than {total:,}, over {limits.max_object_ratio} times as many"
        raise ObjectUnreadable(ObjectState.REFUSED, "ratio_too_high", f"{detail} (limits.max_object_ratio)")


def _members(chunks: Iterator[bytes], limits: ParseLimits) -> Iterator[tuple[bytes, int]]:
    """Yield the text of the members, piece by piece, each with the number of bytes read so far.

    A member gets its input in growing portions: input left over at its end is
    copied, so that large portions would make a row of small members costly.
    """
    member = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
    read, members, portion = 0, 1, _FIRST_PORTION
    for chunk in chunks:
        place = 0
        while place < len(chunk):
            if member.eof:
                place = _after_padding(chunk, place)
                if place == len(chunk):
                    break
                if not GZIP_MAGIC.startswith(chunk[place : place + 2]):
                    raise _corrupt("something other than gzip after the end", read + len(chunk))
                members += 1
                if members > limits.max_object_members:
                    raise too_many_members(limits, "gzip members")
                member = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
                portion = _FIRST_PORTION
            given = chunk[place : place + portion]
            place += len(given)
            try:
                piece = member.decompress(given, PIECE_BYTES)
                # Output is limited per call, so a bomb is judged piece by piece and never held.
                while piece or not (member.needs_input or member.eof):
                    yield piece, read + place
                    piece = b"" if member.needs_input or member.eof else member.decompress(b"", PIECE_BYTES)
            except _IsalError as error:
                raise _corrupt(error, read + place) from error
            if member.eof:
                # The rest of this portion belongs to the next member.
                place -= len(member.unused_data)
            portion = min(2 * portion, _MOST_PORTION)
        read += len(chunk)
    if not member.eof:
        raise ObjectUnreadable(ObjectState.REFUSED, "gzip_truncated", "the gzip stream ends before its end marker")


def _after_padding(chunk: bytes, place: int) -> int:
    """Return the place of the first byte from ``place`` on that is not zero, or the end."""
    while place < len(chunk):
        part = chunk[place : place + _FIRST_PORTION]
        rest = part.lstrip(b"\0")
        place += len(part) - len(rest)
        if rest:
            break
    return place


def too_many_members(limits: ParseLimits, what: str) -> ObjectUnreadable:
    """Return the fate of an object of too many parts."""
    detail = f"more than {limits.max_object_members:,} {what} (limits.max_object_members)"
    return ObjectUnreadable(ObjectState.REFUSED, "too_many_members", detail)


def _corrupt(what: object, read: int) -> ObjectUnreadable:
    return ObjectUnreadable(ObjectState.REFUSED, "gzip_corrupt", f"in the first {read:,} bytes of the object: {what}")
