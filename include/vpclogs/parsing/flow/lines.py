"""From the lines of a block to text with exactly one space between values.

AWS already writes this form, so only the lines that differ are rewritten, one by one: lines with other white space,
without values, or with content that no record can have.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from vpclogs.parsing.blocks import Block
from vpclogs.parsing.flow.header import FlowHeader
from vpclogs.parsing.flow.rules import Violation

__all__ = ["ControlFinder", "Lines", "OddLines", "Segment", "apart", "join_lines"]

Lines = npt.NDArray[np.int64]
"""Lines of a block, counted from 0."""

_SPACE = np.uint8(ord(" "))
_NEWLINE = np.uint8(ord("\n"))
_MANY = 1 << 12  # hits of a search one by one, beyond which searching everything is faster
_SMALL = 1 << 12  # bytes of a piece on average, below which joining pieces is faster than handing over each
_APART = 0.01  # share of lines: beyond it, restoring their order costs more than reading all numbers as text


@dataclass(frozen=True, slots=True)
class Segment:
    """Lines ``first`` to ``last - 1`` of a block, of one object, under one header.

    With ``exact``, Arrow must not parse their numbers.
    """

    first: int
    last: int
    object: int
    header: FlowHeader
    exact: bool = False

    def among(self, lines: Sequence[int]) -> Sequence[int]:
        """Return those of ``lines``, which are sorted, that belong to the segment."""
        return lines[bisect_left(lines, self.first) : bisect_left(lines, self.last)]


class ControlFinder:
    """Finds control characters, including newlines. Reuses its array: fresh memory costs as much as the search."""

    def __init__(self) -> None:
        self._is_control = np.empty(0, np.bool_)

    def find(self, data: npt.NDArray[np.uint8]) -> Lines:
        """Return their positions."""
        if len(data) > len(self._is_control):
            self._is_control = np.empty(len(data), np.bool_)
        return np.flatnonzero(np.less(data, _SPACE, out=self._is_control[: len(data)]))


class OddLines:
    """The lines of a block other than single values separated by single spaces.

    Unless ``careful``, lines with extra spaces are left out: counting their values exposes them, and AWS writes none.
    """

    def __init__(self, block: Block, finder: ControlFinder, *, careful: bool) -> None:
        self._block = block
        data = np.frombuffer(block.data, np.uint8)
        control = finder.find(data)
        is_newline = data.take(control) == _NEWLINE
        block.know_lines(control[is_newline])
        found = [control[~is_newline], block.beyond_ascii(but_utf8=True)]
        if careful:
            white = data <= _SPACE
            found += [np.flatnonzero(white[1:] & white[:-1]) + 1, np.flatnonzero(white[:1])]
        blank = np.flatnonzero(block.line_starts == block.line_ends)
        self.lines: Lines = np.unique(np.concatenate([blank, *(block.line_ends.searchsorted(f) for f in found)]))

    def between(self, first: int, last: int) -> Lines:
        """Return those among lines ``first`` to ``last - 1``."""
        if not len(self.lines):
            return self.lines
        start, end = np.searchsorted(self.lines, (first, last))
        return self.lines[start:end]

    def rewritten(self, line: int) -> bytes | Violation:
        """Return the line with single spaces and its newline, nothing if it has no values, or the reason to refuse
        it.
        """
        text = self._block.line(line)
        if b"\0" in text:
            return Violation("nul_character", None, f"a NUL at byte {text.index(0)} of the line")
        try:
            text.decode()
        except UnicodeDecodeError as error:
            return Violation("invalid_utf8", None, f"byte {error.start} of the line is not UTF-8: {error.reason}")
        values = text.split()
        return b" ".join(values) + b"\n" if values else b""


def _places(data: bytes, letter: bytes) -> Lines:
    """Return the positions of a letter. One by one is fast while hits are rare."""
    found, place = list[int](), data.find(letter)
    while place >= 0:
        if len(found) == _MANY:
            return np.flatnonzero(np.frombuffer(data, np.uint8) == letter[0])
        found.append(place)
        place = data.find(letter, place + 1)
    return np.array(found, np.int64)


def _hexadecimal(block: Block) -> Lines:
    """Return the lines with a value that starts with ``0x``, which Arrow parses as a number."""
    data = np.frombuffer(block.data, np.uint8)
    places = np.concatenate([_places(block.data, letter) for letter in (b"x", b"X")])
    # index -1 before the first byte is the last byte, a newline
    begin = places[(data[places - 1] == ord("0")) & (data[places - 2] <= _SPACE)]
    return np.unique(block.line_ends.searchsorted(begin))


def apart(block: Block, segments: Sequence[Segment]) -> list[Segment]:
    """Return the segments with exact lines in segments of their own; if those are many, make all exact."""
    if not segments:
        return []
    lines = _hexadecimal(block).tolist()
    if len(lines) > _APART * len(block.line_ends):
        return [replace(segment, exact=True) for segment in segments]
    pieces = []
    for segment in segments:
        first = segment.first
        for line in segment.among(lines):
            pieces.append(replace(segment, first=first, last=line))
            pieces.append(replace(segment, first=line, last=line + 1, exact=True))
            first = line + 1
        pieces.append(replace(segment, first=first))
    return pieces


def join_lines(
    block: Block, segments: list[Segment], odd: OddLines
) -> tuple[list[bytes | memoryview], Lines, list[tuple[int, Violation]]]:
    """Return the text of the segments in pieces of whole lines, the lines in it, and the lines refused here."""
    view = memoryview(block.data)
    starts, ends = block.line_starts, block.line_ends
    pieces: list[bytes | memoryview] = []
    refused: list[tuple[int, Violation]] = []
    is_kept = np.zeros(len(ends), np.bool_)
    gone: list[int] = []
    for segment in segments:
        if segment.first == segment.last:
            continue
        is_kept[segment.first : segment.last] = True
        place = int(starts[segment.first])
        found = odd.between(segment.first, segment.last)
        for line, start, end in zip(found.tolist(), starts[found].tolist(), ends[found].tolist(), strict=True):
            if place < start:
                pieces.append(view[place:start])
            place = end + 1
            rewritten = odd.rewritten(line)
            if rewritten and not isinstance(rewritten, Violation):
                pieces.append(rewritten)
                continue
            gone.append(line)
            if rewritten:
                refused.append((line, rewritten))
        last = int(ends[segment.last - 1]) + 1
        if place < last:
            pieces.append(view[place:last])
    is_kept[gone] = False
    if len(pieces) * _SMALL > len(view):
        pieces = [b"".join(pieces)]
    return pieces, np.flatnonzero(is_kept), refused
