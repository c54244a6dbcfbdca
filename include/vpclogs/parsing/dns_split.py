"""Splitting many lines at once into the values and pieces of `vpclogs.parsing.dns_pieces`.

The positions of all quotes in a block are found in one pass; from them, where each
value begins and ends is arithmetic. Splitting only guesses by the template: every byte
of a line that is split lies in a span or in a text that is compared, so that reading the
spans strictly shows each wrong guess.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vpclogs.parsing.blocks import Block
from vpclogs.parsing.coded import Coded, Mask, Positions, encode_spans
from vpclogs.parsing.dns_pieces import AFTER_CLIENT, AFTER_TIME, Template

__all__ = ["MarkFinder", "Marks", "Split", "split_lines"]

_QUOTE, _BACKSLASH, _BRACKET, _NEWLINE = (ord(mark) for mark in '"\\]\n')
_SPACE, _ZERO = ord(" "), ord("0")
_STEP = 1 << 18
_FEW = 20_000
_PORTS = pa.array(map(str, range(1 << 16)), pa.string())
_ANSWER_QUOTES = 12  # {"Rdata":"…","Type":"…","Class":"…"}


@dataclass(frozen=True, slots=True)
class Marks:
    """The quotes that delimit strings, closing brackets and line ends of a block, in one order.

    ``at`` are their positions in the block. Per line: ``first`` is the ordinal of its first
    mark, ``end`` of its newline, ``bracket`` of its first closing bracket (-1: none).
    ``plain``: it has no control characters and nothing beyond ASCII.
    """

    at: npt.NDArray[np.int32]
    first: Positions
    end: Positions
    bracket: Positions
    plain: Mask


@dataclass(frozen=True, slots=True)
class Split:
    """Lines split by a template: the texts of each span, one row per line.

    ``lines`` are counted from 0 in the block. ``counts`` says how many answers a line has;
    ``data`` and ``gaps`` have one row per answer. A code is -1 where the line does not fit:
    of a port, where it is not the usual spelling of one.
    """

    lines: Positions
    head: Coded
    time: Coded
    name: Coded
    middle: Coded
    counts: Positions
    data: Coded
    gaps: Coded
    client: Coded
    port: Coded
    tail: Coded


class MarkFinder:
    """Finds the marks of blocks. Keeps its arrays: fresh memory costs as much as the search."""

    def __init__(self) -> None:
        self._is_mark = np.empty(_STEP, np.bool_)
        self._is_other = np.empty(_STEP, np.bool_)
        self._at = np.empty(0, np.int32)
        self._kinds = np.empty(0, np.uint8)

    def find(self, block: Block) -> Marks:
        """The marks, in one pass over the block. They hold until the next call."""
        at, kinds = self._scan(np.frombuffer(block.data, np.uint8), _escaped_quotes(block.data))
        end = np.flatnonzero(kinds == _NEWLINE)
        block.know_lines(at[end].astype(np.int64))
        first = np.concatenate(([0], end[:-1] + 1))
        brackets = _first_in_line(np.flatnonzero(kinds == _BRACKET), first, end)
        return Marks(at, first, end, brackets, _plain(block, at, kinds))

    def _scan(
        self, letters: npt.NDArray[np.uint8], escaped: Positions
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8]]:
        """Positions and letters of all marks; control characters among them."""
        found = 0
        for start in range(0, len(letters), _STEP):  # small enough to stay in the cache
            part = letters[start : start + _STEP]
            is_mark, is_other = self._is_mark[: len(part)], self._is_other[: len(part)]
            np.less(part, _SPACE, out=is_mark)
            for letter in (_QUOTE, _BRACKET):
                np.equal(part, letter, out=is_other)
                np.logical_or(is_mark, is_other, out=is_mark)
            is_mark[escaped[slice(*np.searchsorted(escaped, (start, start + len(part))))] - start] = False
            places = np.flatnonzero(is_mark)
            total = found + len(places)
            self._make_room(total)
            np.add(places, start, out=self._at[found:total], casting="unsafe")
            part.take(places, out=self._kinds[found:total], mode="clip")
            found = total
        return self._at[:found], self._kinds[:found]

    def _make_room(self, count: int) -> None:
        if count > len(self._at):
            self._at = np.concatenate((self._at, np.empty(count, np.int32)))
            self._kinds = np.concatenate((self._kinds, np.empty(count, np.uint8)))


def _escaped_quotes(data: bytes) -> Positions:
    """The quotes with a backslash before them that is not itself escaped."""
    slashes = _backslashes(data)
    letters = np.frombuffer(data, np.uint8)
    starts_run = np.diff(slashes, prepend=-2) > 1
    run_start = slashes[np.flatnonzero(starts_run)][np.cumsum(starts_run) - 1]
    after = slashes[(slashes - run_start) % 2 == 0] + 1
    escaped: Positions = after[letters[after] == _QUOTE]
    return escaped


def _backslashes(data: bytes) -> Positions:
    found: list[int] = []
    place = data.find(b"\\")
    while place >= 0:  # as they are few, this is quicker than looking at every byte with numpy
        found.append(place)
        if len(found) > _FEW:
            return np.flatnonzero(np.frombuffer(data, np.uint8) == _BACKSLASH)
        place = data.find(b"\\", place + 1)
    return np.array(found, np.int64)


def _first_in_line(marks: Positions, first: Positions, end: Positions) -> Positions:
    """The first of ``marks`` in each line, -1 if it has none."""
    if len(marks) == len(first) and (marks >= first).all() and (marks < end).all():  # the usual case
        return marks
    place = np.searchsorted(marks, first)
    found = np.append(marks, np.iinfo(np.int64).max)[place]
    return np.where(found < end, found, -1)


def _plain(block: Block, at: Positions, kinds: npt.NDArray[np.uint8]) -> Mask:
    plain = np.ones(len(block.line_ends), np.bool_)
    odd = at[(kinds < _SPACE) & (kinds != _NEWLINE)]
    if not block.data.isascii():
        odd = np.concatenate((odd, np.flatnonzero(np.frombuffer(block.data, np.uint8) >= 0x80)))
    plain[np.searchsorted(block.line_ends, odd)] = False
    return plain


def split_lines(block: Block, marks: Marks, lines: Positions, template: Template) -> Split | None:
    """Split those of ``lines`` that may fit the template. None if none does."""
    lines = lines[_may_fit(marks, lines, template)]
    if not len(lines):
        return None
    at, data = marks.at, pa.py_buffer(block.data)
    time = marks.first[lines] + template.time
    answers, bracket = marks.first[lines] + template.answers, marks.bracket[lines]
    counts = (bracket - answers) // _ANSWER_QUOTES
    client = at[bracket + 3] + 1

    quotes = np.repeat(answers - _ANSWER_QUOTES * (np.cumsum(counts) - counts), counts)
    quotes += _ANSWER_QUOTES * np.arange(len(quotes))  # the first of each answer
    data_start, data_end = at[quotes + 2] + 1, at[quotes + 3]
    gap_end = np.append(data_start[1:], 0)
    gap_end[np.cumsum(counts)[counts > 0] - 1] = client[counts > 0]
    middle_end = client.copy()
    middle_end[counts > 0] = at[answers[counts > 0] + 2] + 1
    return Split(
        lines=lines,
        head=_heads(block, data, lines, at[time] + 1),
        time=_without(AFTER_TIME, encode_spans(data, at[time] + 1, at[time + 4] + 1)),
        name=encode_spans(data, at[time + 4] + 1, at[time + 5]),
        middle=encode_spans(data, at[time + 5], middle_end),
        counts=counts,
        data=encode_spans(data, data_start, data_end),
        gaps=encode_spans(data, data_end, gap_end),
        client=_without(AFTER_CLIENT, encode_spans(data, client, at[bracket + 7] + 1)),
        port=_ports(block.data, at[bracket + 7] + 1, at[bracket + 8]),
        tail=encode_spans(data, at[bracket + 8], block.line_ends[lines]),
    )


def _may_fit(marks: Marks, lines: Positions, template: Template) -> Mask:
    """Which lines have enough quotes in the right places."""
    in_answers = marks.bracket[lines] - marks.first[lines] - template.answers
    fits: Mask = marks.plain[lines] & (in_answers >= 0) & (in_answers % _ANSWER_QUOTES == 0)
    return fits & (marks.bracket[lines] + 8 < marks.end[lines])


def _heads(block: Block, data: pa.Buffer, lines: Positions, ends: Positions) -> Coded:
    """The texts from the beginning of each line. In one object they are all the same, and long."""
    starts = block.line_starts[lines]
    first = block.data[starts[0] : ends[0]]
    if len(block.parts) == 1 and (ends - starts == len(first)).all():
        bounds = np.append(block.line_starts, len(block.data)).astype(np.int32)
        texts = pa.BinaryArray.from_buffers(pa.binary(), len(bounds) - 1, [None, pa.py_buffer(bounds), data])
        if np.array(pc.starts_with(texts, first))[lines].all():
            return Coded(np.zeros(len(lines), np.int32), pa.array([first.decode()]))
    return encode_spans(data, starts, ends)


def _without(end: bytes, column: Coded) -> Coded:
    """The column of the texts without their common end; -1 where a text has another end."""
    ends = pc.ends_with(column.values, end.decode())
    if not pc.all(ends).as_py():
        column = column.only(ends)
    return Coded(column.codes, pc.utf8_slice_codeunits(column.values, 0, -len(end)))


def _ports(data: bytes, starts: Positions, ends: Positions) -> Coded:
    """Most ports are distinct, so they are read as numbers: quicker than looking for equal texts."""
    letters = np.frombuffer(data, np.uint8)
    lengths = ends - starts
    usual = (lengths >= 1) & (lengths <= 5) & ((letters[starts] != _ZERO) | (lengths == 1))
    numbers = np.zeros(len(starts), np.int64)
    for place in range(5):
        there = place < lengths
        digits = letters[starts + np.where(there, place, 0)].astype(np.int64) - _ZERO
        usual &= (digits >= 0) & (digits <= 9)
        numbers = np.where(there, numbers * 10 + digits, numbers)
    usual &= numbers < len(_PORTS)
    occurs = np.zeros(len(_PORTS), np.bool_)
    occurs[numbers[usual]] = True
    places = (np.cumsum(occurs) - 1).astype(np.int32)
    codes = np.full(len(starts), -1, np.int32)
    codes[usual] = places[numbers[usual]]
    return Coded(codes, _PORTS.filter(pa.array(occurs)))
