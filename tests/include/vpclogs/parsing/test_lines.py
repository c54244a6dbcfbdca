"""Pieces to lines, lines to blocks: every byte of every line, numbered and placed."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from vpclogs.parsing.lines import BlockBuilder, Stretch, cut_lines
from vpclogs.parsing.model import ParseLimits, Refused

LIMITS = ParseLimits(max_line_bytes=20, max_kept_raw_bytes=5)


def cut_and_joined(pieces: list[bytes], limits: ParseLimits) -> list[tuple[int, bytes, int]]:
    """Number, text as far as it is kept, and offset of each line."""
    builder = BlockBuilder(limits)
    for item in cut_lines(7, pieces, limits):
        builder.add(7, item)
    block = builder.take()
    lines = [block.refuse(index, "", None, "", ParseLimits()) for index in range(len(block.line_ends))]
    assert all(one.object == 7 for one in (*lines, *block.refused))
    found = [(one.line, one.raw, one.start) for one in (*lines, *block.refused)]
    assert all(one.reason == "line_too_long" and one.end - one.start > limits.max_line_bytes for one in block.refused)
    return sorted(found)


@given(st.lists(st.text("ab\n", max_size=50).map(str.encode), max_size=8), st.integers(1, 5000))
@settings(deadline=None)
def test_lines_are_the_same_however_the_text_is_cut(pieces, limit):
    limits = ParseLimits(max_line_bytes=limit, max_kept_raw_bytes=5)
    whole = b"".join(pieces)

    expected, offset = [], 0
    for number, line in enumerate(whole.split(b"\n"), start=1):
        if line or offset < len(whole):
            expected.append((number, line[:5] if len(line) > limit else line, offset))
        offset += len(line) + 1
    assert cut_and_joined(pieces, limits) == expected


def test_long_line_takes_only_the_memory_that_is_kept():
    items = list(cut_lines(0, (b"x" * 1000 for _ in range(1000)), LIMITS))

    assert [(type(item), len(item.raw), item.end - item.start) for item in items] == [(Refused, 5, 1_000_000)]


def test_objects_share_a_block_and_keep_their_lines_apart():
    builder = BlockBuilder(ParseLimits())
    for ordinal, text in enumerate([b"a\nb\n", b"", b"c", b"\nd\n"]):
        for item in cut_lines(ordinal, [text], ParseLimits()):
            builder.add(ordinal, item)

    block = builder.take()

    assert block.line_objects.tolist() == [0, 0, 2, 3, 3]
    assert block.line_numbers.tolist() == [1, 2, 1, 1, 2]
    assert [block.line(index) for index in range(5)] == [b"a", b"b", b"c", b"", b"d"]
    assert block.only(3).data == b"\nd\n"


def test_block_is_full_by_bytes_or_by_lines():
    small, large, refusing = (BlockBuilder(ParseLimits(block_bytes=100)) for _ in range(3))

    small.add(0, Stretch(b"x\n" * 20, 20, 1, 0))
    large.add(0, Stretch(b"x\n" * 60, 60, 1, 0))
    for line in range(30):
        refusing.add(0, Refused(0, line, "line_too_long", None, "", b"12345", 0, 100))

    assert (small.full, large.full, refusing.full) == (False, True, True)
    few_bytes = BlockBuilder(ParseLimits())
    few_bytes.add(0, Stretch(b"\n" * 300_000, 300_000, 1, 0))
    assert few_bytes.full
