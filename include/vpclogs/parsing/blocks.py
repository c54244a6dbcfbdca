"""A block: whole lines of one or more objects, with the origin of each line.

Small objects share a block, so that many of them cost about as much as one. numpy finds all lines once; the object,
number and byte offset of a line are computed only for lines that need them.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vpclogs.parsing.model import ObjectUnreadable, ParseLimits, Refused

__all__ = ["Block", "BlockResult", "Part", "TextParser"]

# Fits into the second-level cache of common processors.
_PIECE = 1 << 18


@dataclass(frozen=True, slots=True)
class Part:
    """Consecutive whole lines of one object inside a block.

    ``start`` and ``end`` are a half-open range of ``Block.data``. ``first_line`` is the 1-based number of its first
    line in the object, ``offset`` the position of ``start`` in the decompressed object.
    """

    object: int
    start: int
    end: int
    first_line: int
    offset: int


@dataclass(frozen=True)
class Block:
    """Lines to parse. Every line ends in a newline, including an object's last one.

    ``parts`` cover ``data`` without gaps, in object and line order. An object may have several parts (when an
    overlong line was dropped between them), or none in one block and more in the next. ``refused`` are the lines
    already refused for their length. Lines are counted from 0 within the block.
    """

    data: bytes
    parts: tuple[Part, ...]
    refused: tuple[Refused, ...] = ()

    @cached_property
    def line_ends(self) -> npt.NDArray[np.int64]:
        """Position of each line's newline."""
        return np.flatnonzero(np.frombuffer(self.data, np.uint8) == 10)

    def know_lines(self, line_ends: npt.NDArray[np.int64]) -> None:
        """Set the line ends that another search found already, to save a pass."""
        self.__dict__["line_ends"] = line_ends

    @cached_property
    def line_starts(self) -> npt.NDArray[np.int64]:
        """Position of each line's first byte."""
        starts = np.empty_like(self.line_ends)
        if len(starts):
            starts[0] = 0
            starts[1:] = self.line_ends[:-1] + 1
        return starts

    @cached_property
    def part_lines(self) -> npt.NDArray[np.int64]:
        """Index of each part's first line, followed by the total number of lines."""
        starts = np.array([part.start for part in self.parts] + [len(self.data)], np.int64)
        return np.searchsorted(self.line_starts, starts)

    @cached_property
    def line_objects(self) -> npt.NDArray[np.int32]:
        """The object of each line."""
        return np.repeat(np.array([p.object for p in self.parts], np.int32), np.diff(self.part_lines))

    @cached_property
    def line_numbers(self) -> npt.NDArray[np.int64]:
        """The 1-based number of each line in its object."""
        shift = np.array([p.first_line for p in self.parts], np.int64) - self.part_lines[:-1]
        return np.arange(len(self.line_ends)) + np.repeat(shift, np.diff(self.part_lines))

    def beyond_ascii(self, *, but_utf8: bool = False) -> npt.NDArray[np.int64]:
        """Return positions of bytes outside ASCII; with ``but_utf8`` only those near invalid UTF-8.

        Searches in steps small enough to stay in the processor's cache.
        """
        found = [np.empty(0, np.int64)]
        start = 0
        while start < len(self.data):
            piece = self.data[start : start + _PIECE]
            # isascii checks eight bytes at a time; numpy is needed only where something is found.
            good = len(piece) if piece.isascii() else _utf8_bytes(piece) if but_utf8 else 0
            if not good:
                found.append(np.flatnonzero(np.frombuffer(piece, np.uint8) >= 0x80) + start)
            start += good or len(piece)
        return np.concatenate(found)

    def only(self, ordinal: int) -> Block:
        """Return the block reduced to one object's lines."""
        texts = [self.data[part.start : part.end] for part in self.parts if part.object == ordinal]
        parts, size = [], 0
        for part in self.parts:
            if part.object == ordinal:
                parts.append(replace(part, start=size, end=size + part.end - part.start))
                size = parts[-1].end
        return Block(b"".join(texts), tuple(parts), tuple(r for r in self.refused if r.object == ordinal))

    def line(self, index: int) -> bytes:
        """Return one line without its newline."""
        return self.data[self.line_starts[index] : self.line_ends[index]]

    def refuse(
        self,
        index: int,
        reason: str,
        field: str | None,
        detail: str,
        limits: ParseLimits,
        *,
        header: str | None = None,
    ) -> Refused:
        """Return the refusal of one line, with its object, number and byte range."""
        part = self.parts[int(np.searchsorted(self.part_lines, index, side="right")) - 1]
        first, last = int(self.line_starts[index]), int(self.line_ends[index])
        start = part.offset + first - part.start
        return Refused(
            object=part.object,
            line=int(self.line_numbers[index]),
            reason=reason,
            field=field,
            detail=detail,
            raw=self.data[first : min(last, first + limits.max_kept_raw_bytes)],
            start=start,
            end=start + last - first,
            header=header,
        )


def _utf8_bytes(text: bytes) -> int:
    """Return the length of the text's valid UTF-8, without a character cut at the end; 0 if it is invalid."""
    try:
        return codecs.utf_8_decode(text, "strict", False)[1]
    except UnicodeDecodeError:
        return 0


@dataclass(frozen=True, slots=True)
class BlockResult:
    """The result of parsing one block (or one slice of a Parquet file).

    ``rows``, ``objects``, ``lines`` and ``refused`` are as in `Parsed`; refused lines may be in any order.
    ``unreadable`` are the objects to refuse whole; the driver removes their rows. ``versions`` and ``unknown_fields``
    are by object.
    """

    rows: pa.Table
    objects: npt.NDArray[np.int32]
    lines: npt.NDArray[np.int64]
    refused: list[Refused] = field(default_factory=list)
    unreadable: dict[int, ObjectUnreadable] = field(default_factory=dict)
    versions: Mapping[int, Set[str]] = field(default_factory=dict)
    unknown_fields: Mapping[int, Set[str]] = field(default_factory=dict)


class TextParser(Protocol):
    """Parses the text of one log. Created for each parse, so it may keep state.

    Blocks come in order: all lines of an object before those of the next, whichever blocks they are in. After an
    object is found unreadable, its later blocks may or may not come.
    """

    def parse(self, block: Block) -> BlockResult:
        """Return rows and refusals for every line of the block, except ``block.refused``."""
