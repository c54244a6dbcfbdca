"""Opening an object: what it is, told by its first bytes, and its decompressed bytes.

Memory is bounded whatever the object holds: decompression goes in pieces of at most
``PIECE_BYTES``, and stops at `ParseLimits.max_object_bytes`.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from itertools import chain

from isal import igzip_lib

from vpclogs.parsing.model import ObjectState, ObjectUnreadable, ParseLimits

__all__ = ["PIECE_BYTES", "Container", "gunzip", "sniff", "too_large"]

PIECE_BYTES = 256 << 10

_GZIP_MAGIC = b"\x1f\x8b"
_PARQUET_MAGIC = b"PAR1"
_IsalError: type[Exception] = igzip_lib.IsalError  # type: ignore[assignment]  # its stub says instance, not class


class Container(StrEnum):
    """What an object's first bytes say it is."""

    EMPTY = "empty"
    GZIP = "gzip"
    PARQUET = "parquet"
    OTHER = "other"


def sniff(chunks: Iterator[bytes]) -> tuple[Container, Iterator[bytes]]:
    """What the object is, and its bytes again from the start."""
    head = b""
    while len(head) < len(_PARQUET_MAGIC) and (chunk := next(chunks, None)) is not None:
        head += chunk
    if not head:
        return Container.EMPTY, iter(())
    return _kind(head), chain((head,), chunks)


def _kind(head: bytes) -> Container:
    if head.startswith(_GZIP_MAGIC):
        return Container.GZIP
    return Container.PARQUET if head.startswith(_PARQUET_MAGIC) else Container.OTHER


def gunzip(chunks: Iterator[bytes], limits: ParseLimits) -> Iterator[bytes]:
    """Decompress gzip of one or more members, each verified by its length and CRC.

    Zero bytes after the last member are padding; anything else there is damage.

    Raises:
        ObjectUnreadable: truncated, corrupt, or larger than ``limits.max_object_bytes``.
    """
    total = 0
    for piece in _members(chunks):
        total += len(piece)
        if total > limits.max_object_bytes:
            raise too_large(limits)
        yield piece


def too_large(limits: ParseLimits) -> ObjectUnreadable:
    """The fate of an object beyond the bomb limit."""
    detail = f"more than {limits.max_object_bytes:,} bytes decompressed (limits.max_object_bytes)"
    return ObjectUnreadable(ObjectState.REFUSED, "object_too_large", detail)


def _members(chunks: Iterator[bytes]) -> Iterator[bytes]:
    member = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
    read = 0
    for chunk in chunks:
        read += len(chunk)
        rest = chunk
        while rest or not (member.needs_input or member.eof):
            if member.eof:
                rest = rest.lstrip(b"\0")
                if not rest:
                    break
                if not _GZIP_MAGIC.startswith(rest[:2]):
                    raise _corrupt("something other than gzip after the end", read)
                member = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
            try:
                piece = member.decompress(rest, PIECE_BYTES)
            except _IsalError as error:
                raise _corrupt(error, read) from error
            rest = member.unused_data if member.eof else b""
            if piece:
                yield piece
    if not member.eof:
        raise ObjectUnreadable(ObjectState.REFUSED, "gzip_truncated", "the gzip stream ends before its end marker")


def _corrupt(what: object, read: int) -> ObjectUnreadable:
    return ObjectUnreadable(ObjectState.REFUSED, "gzip_corrupt", f"in the first {read:,} bytes of the object: {what}")
