"""Objects are what their first bytes say; a damaged gzip object is refused whole."""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
import random

import pytest

from vpclogs.parsing.containers import PIECE_BYTES, Container, foreign_format, gunzip, plain_text, sniff
from vpclogs.parsing.model import ObjectUnreadable, ParseLimits

TEXT = b"".join(b"%d\n" % number for number in range(20_000))
PACKED = gzip.compress(TEXT)
FOREIGN = {
    "a zip archive": b"PK\x03\x04\x14\x00",
    "zstd": b"\x28\xb5\x2f\xfd\x04",
    "bzip2": bz2.compress(TEXT),
    "xz": lzma.compress(TEXT),
    "a 7z archive": b"7z\xbc\xaf\x27\x1c\x00",
    "UTF-16 text": codecs.BOM_UTF16_LE + "version".encode("utf-16-le"),
    "binary data": random.Random(1).randbytes(4000),
}


def cut(data: bytes, size: int):
    return (data[start : start + size] for start in range(0, len(data), size))


def unpacked(data: bytes, size: int = 1000, limits: ParseLimits | None = None) -> bytes:
    return b"".join(gunzip(cut(data, size), limits or ParseLimits()))


@pytest.mark.parametrize(
    ("data", "container"),
    [
        pytest.param(b"", Container.EMPTY, id="no bytes"),
        pytest.param(PACKED, Container.GZIP, id="gzip"),
        pytest.param(b"PAR1....PAR1", Container.PARQUET, id="Parquet"),
        pytest.param(b'{"version":1}', Container.TEXT, id="plain text"),
        pytest.param(b"\xef\xbb\xbfversion", Container.TEXT, id="text with a byte order mark"),
        pytest.param("名前 ä".encode() * 400, Container.TEXT, id="text of many scripts, cut within a character"),
        pytest.param(b"a line\n\xff\xfe\n" + b"another line\n" * 9, Container.TEXT, id="text with a damaged line"),
        pytest.param(b"\x1f", Container.TEXT, id="half of the gzip mark"),
        pytest.param(b"PAR", Container.TEXT, id="less than the Parquet mark"),
        *(pytest.param(data, Container.OTHER, id=name) for name, data in FOREIGN.items()),
    ],
)
@pytest.mark.parametrize("size", [1, 100])
def test_the_first_bytes_say_what_an_object_is(data, container, size):
    kind, head, chunks = sniff(cut(data, size))

    assert (kind, b"".join(chunks)) == (container, data)
    assert data.startswith(head)


@pytest.mark.parametrize("name", FOREIGN)
def test_format_of_another_program_is_named(name):
    assert foreign_format(FOREIGN[name]) == name


def test_plain_text_has_the_limit_of_decompressed_text():
    pieces = plain_text(iter([b"a" * 3 * PIECE_BYTES]), ParseLimits(max_object_bytes=2 * PIECE_BYTES))
    with pytest.raises(ObjectUnreadable, match="max_object_bytes"):
        list(pieces)

    pieces = plain_text(iter([b"a" * 3 * PIECE_BYTES]), ParseLimits())
    assert [len(piece) for piece in pieces] == [PIECE_BYTES] * 3


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
@pytest.mark.parametrize(
    ("data", "text"),
    [
        pytest.param(PACKED, TEXT, id="one member"),
        pytest.param(PACKED + gzip.compress(b"") + gzip.compress(b"end"), TEXT + b"end", id="several members"),
        pytest.param(PACKED + bytes(1000), TEXT, id="padded with zeros"),
        pytest.param(PACKED + bytes(3) + gzip.compress(b"end"), TEXT + b"end", id="zeros between members"),
        pytest.param(gzip.compress(b""), b"", id="an empty member"),
    ],
)
def test_gzip_is_decompressed_however_it_is_cut(data, text, size):
    assert unpacked(data, size) == text


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(PACKED[:-1], "gzip_truncated", id="without its last byte"),
        pytest.param(PACKED[:5], "gzip_truncated", id="within its header"),
        pytest.param(PACKED + gzip.compress(b"end")[:-1], "gzip_truncated", id="within its last member"),
        pytest.param(PACKED + b"\x1f", "gzip_truncated", id="a second member begun"),
        pytest.param(PACKED + b"more", "gzip_corrupt", id="something after the end"),
        pytest.param(PACKED + bytes(9) + b"more", "gzip_corrupt", id="something after the padding"),
        pytest.param(PACKED[:-8] + bytes(4) + PACKED[-4:], "gzip_corrupt", id="another CRC"),
        pytest.param(PACKED[:-4] + bytes(4), "gzip_corrupt", id="another length"),
        pytest.param(PACKED[:30] + b"\xff" * 30 + PACKED[60:], "gzip_corrupt", id="overwritten in the middle"),
    ],
)
def test_damage_is_told_apart(data, reason, size):
    with pytest.raises(ObjectUnreadable) as caught:
        unpacked(data, size)

    assert caught.value.reason == reason


def test_any_flipped_bit_is_noticed():
    r = random.Random(1)
    for _ in range(200):
        data = bytearray(PACKED)
        # the first ten bytes hold a time and a system's number, which say nothing about the content
        data[r.randrange(10, len(data))] ^= 1 << r.randrange(8)

        with pytest.raises(ObjectUnreadable):
            unpacked(bytes(data))


def test_a_bomb_is_given_up_at_the_limit():
    bomb = gzip.compress(bytes(20 << 20))

    with pytest.raises(ObjectUnreadable) as caught:
        unpacked(bomb, limits=ParseLimits(max_object_bytes=5 << 20, max_object_ratio=2000))

    assert caught.value.reason == "object_too_large"


def test_pieces_are_small_however_much_a_chunk_grows():
    pieces = gunzip(iter([gzip.compress(bytes(20 << 20))]), ParseLimits(max_object_ratio=2000))

    assert max(map(len, pieces)) <= PIECE_BYTES
