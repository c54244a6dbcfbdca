"""Cutting decompressed pieces into whole lines, and joining lines into blocks.

Memory is bounded even for one line of many gigabytes: of a line longer than
`ParseLimits.max_line_bytes` only the part that a refusal keeps is held.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from vpclogs.parsing.blocks import Block, Part
from vpclogs.parsing.model import ObjectState, ObjectUnreadable, ParseLimits, Refused

__all__ = ["BlockBuilder", "Stretch", "cut_lines"]

_MIN_STEP = 4096
_SOME_LINES = 10_000  # from here on their average length is judged
_MAX_LINES = 1 << 17  # in a block: if all of them are refused, that is some 50 MB


@dataclass(frozen=True, slots=True)
class Stretch:
    """Whole lines of one object, the last one ended by a newline too.

    ``first_line`` is 1-based, ``offset`` the place of the text in the decompressed object.
    """

    text: bytes
    lines: int
    first_line: int
    offset: int


def cut_lines(ordinal: int, pieces: Iterable[bytes], limits: ParseLimits) -> Iterator[Stretch | Refused]:
    """Cut one object's decompressed bytes at the last newline of each piece. A byte order mark is skipped.

    Raises:
        ObjectUnreadable: there are too many lines.
    """
    cutter = _Cutter(ordinal, limits)
    pieces = iter(pieces)
    yield from cutter.feed(cutter.skip_mark(pieces))
    for piece in pieces:
        yield from cutter.feed(piece)
    yield from cutter.finish()


class _Cutter:
    def __init__(self, ordinal: int, limits: ParseLimits) -> None:
        self._ordinal = ordinal
        self._limits = limits
        self._line = 1  # number of the line that the carry begins
        self._offset = 0  # of the carry
        self._carry = b""  # the begun line; if it is too long, the part of it that is kept
        self._length = 0  # of a line that is too long, so far; 0 if it is not

    def skip_mark(self, pieces: Iterator[bytes]) -> bytes:
        """Return the first piece without the byte order mark, which editors put before a text."""
        first = next(pieces, b"")
        while len(first) < len(BOM_UTF8) and BOM_UTF8.startswith(first) and (piece := next(pieces, None)) is not None:
            first += piece
        if not first.startswith(BOM_UTF8):
            return first
        self._offset = len(BOM_UTF8)
        return first[len(BOM_UTF8) :]

    def feed(self, piece: bytes) -> Iterator[Stretch | Refused]:
        if self._length:
            end = piece.find(b"\n")
            self._skip(piece if end < 0 else piece[:end])
            if end < 0:
                return
            yield self._too_long()
            piece = piece[end + 1 :]
        # Only the last newline matters here; the parser finds the others in one pass over the block.
        cut = piece.rfind(b"\n") + 1
        if cut:
            # A memoryview spares one copy of the piece.
            yield self._stretch(self._carry + memoryview(piece)[:cut])
            self._carry = piece[cut:]
        else:
            self._carry += piece
        if len(self._carry) > self._limits.max_line_bytes:
            begun, self._carry = self._carry, b""
            self._skip(begun)

    def _check(self) -> None:
        """Raise if there are more lines than a log has, or shorter ones."""
        lines, limits = self._line - 1, self._limits
        if lines > limits.max_object_lines:
            raise _too_many_lines(f"more than {limits.max_object_lines:,} lines (limits.max_object_lines)")
        if lines > _SOME_LINES and self._offset < lines * limits.min_line_bytes:
            detail = f"its first {lines:,} lines have {self._offset:,} bytes; on average, a line must have "
            raise _too_many_lines(f"{detail}{limits.min_line_bytes} (limits.min_line_bytes)")

    def finish(self) -> Iterator[Stretch | Refused]:
        if self._length:
            yield self._too_long()
        elif self._carry:
            yield self._stretch(self._carry + b"\n")

    def _stretch(self, text: bytes) -> Stretch:
        # numpy counts several times faster than bytes.count
        lines = np.count_nonzero(np.frombuffer(text, np.uint8) == ord("\n"))
        stretch = Stretch(text, int(lines), self._line, self._offset)
        self._line += stretch.lines
        self._offset += len(text)
        self._check()
        return stretch

    def _skip(self, text: bytes) -> None:
        self._carry += text[: max(0, self._limits.max_kept_raw_bytes - len(self._carry))]
        self._length += len(text)

    def _too_long(self) -> Refused:
        refused = Refused(
            object=self._ordinal,
            line=self._line,
            reason="line_too_long",
            field=None,
            detail=_too_long(self._length, self._limits),
            raw=self._carry,
            start=self._offset,
            end=self._offset + self._length,
        )
        self._line += 1
        self._offset += self._length + 1
        self._carry, self._length = b"", 0
        return refused


class BlockBuilder:
    """Collects stretches of one or more objects until they are worth parsing."""

    def __init__(self, limits: ParseLimits) -> None:
        self._limits = limits
        self._clear()

    @property
    def full(self) -> bool:
        """True if the block is large enough to `take`."""
        return self._weight >= self._limits.block_bytes or self._lines >= _MAX_LINES

    def _clear(self) -> None:
        self._size = self._lines = self._weight = 0
        self._next = (-1, 0, 0)  # object, line and place that would continue the last part
        self._texts: list[bytes] = []
        self._parts: list[Part] = []
        self._refused: list[Refused] = []

    def add(self, ordinal: int, item: Stretch | Refused) -> None:
        """Append a result of `cut_lines` for object ``ordinal``."""
        if isinstance(item, Refused):
            self._refused.append(item)
            # Refused lines count too: otherwise an object of overlong lines alone would never fill a block.
            self._weight += len(item.raw)
            return
        end = self._size + len(item.text)
        # Adjacent stretches of one object become one part: blocks have few parts.
        if self._parts and self._next == (ordinal, item.first_line, item.offset):
            self._parts[-1] = replace(self._parts[-1], end=end)
        else:
            self._parts.append(Part(ordinal, self._size, end, item.first_line, item.offset))
        self._next = (ordinal, item.first_line + item.lines, item.offset + len(item.text))
        self._texts.append(item.text)
        self._size = end
        self._weight += len(item.text)
        self._lines += item.lines

    def extend(self, other: BlockBuilder) -> None:
        """Append the content of another builder."""
        shift, self._next = self._size, other._next
        self._parts += [replace(part, start=part.start + shift, end=part.end + shift) for part in other._parts]
        self._texts += other._texts
        self._refused += other._refused
        self._size += other._size
        self._weight += other._weight
        self._lines += other._lines

    def take(self) -> Block:
        """The block collected so far, without lines that are too long. Begins the next."""
        block = Block(b"".join(self._texts), tuple(self._parts), tuple(self._refused))
        self._clear()
        return _without_long_lines(block, self._limits)


def _has_short_lines(data: bytes, limit: int) -> bool:
    """Return True if the sizes alone show that no line is too long, without searching every line."""
    step = limit // 2  # a line beyond the limit covers one of the steps whole
    if step < _MIN_STEP:
        return False
    return all(data.find(b"\n", start, start + step) >= 0 for start in range(0, len(data) - step, step))


def _without_long_lines(block: Block, limits: ParseLimits) -> Block:
    # Honest logs end here, after 32 searches per block of 16 MiB.
    if _has_short_lines(block.data, limits.max_line_bytes):
        return block
    lengths = block.line_ends - block.line_starts
    long = np.flatnonzero(lengths > limits.max_line_bytes)
    if not len(long):
        return block
    texts: list[bytes] = []
    parts: list[Part] = []
    refused = list(block.refused)
    size = 0

    def keep(first: int, last: int, part: Part) -> None:
        """Keep lines first..last-1 of ``part``."""
        nonlocal size
        if first == last:
            return
        start, end = int(block.line_starts[first]), int(block.line_ends[last - 1]) + 1
        texts.append(block.data[start:end])
        line, offset = int(block.line_numbers[first]), part.offset + start - part.start
        parts.append(Part(part.object, size, size + end - start, line, offset))
        size += end - start

    for part, first, last in zip(block.parts, block.part_lines[:-1], block.part_lines[1:], strict=True):
        for index in long[(long >= first) & (long < last)]:
            keep(first, index, part)
            detail = _too_long(int(lengths[index]), limits)
            refused.append(block.refuse(int(index), "line_too_long", None, detail, limits))
            first = index + 1
        keep(first, last, part)
    return Block(b"".join(texts), tuple(parts), tuple(refused))


def _too_many_lines(detail: str) -> ObjectUnreadable:
    return ObjectUnreadable(ObjectState.REFUSED, "too_many_lines", detail)


def _too_long(length: int, limits: ParseLimits) -> str:
    return f"{length:,} bytes, the limit is {limits.max_line_bytes:,} (limits.max_line_bytes)"
