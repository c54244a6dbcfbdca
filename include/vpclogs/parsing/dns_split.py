"""Splitting many lines at once into the values and pieces of `vpclogs.parsing.dns_pieces`.

The ends of all string values in a block are found in one pass; from them, where each
value begins and ends is arithmetic. Splitting only guesses by the template: every byte
of a line that is split lies in a span, so that reading the spans strictly shows each
wrong guess.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vpclogs.parsing.blocks import Block
from vpclogs.parsing.coded import Coded, Mask, Positions, encode_spans
from vpclogs.parsing.dns_pieces import AFTER_CLIENT, AFTER_TIME, CLIENT, FIRST, NEXT, Template

__all__ = ["MarkFinder", "Marks", "Split", "split_lines"]

_QUOTE, _COMMA, _BRACE, _BRACKET, _BACKSLASH, _NEWLINE = (ord(mark) for mark in '",}]\\\n')
_SPACE, _ZERO = ord(" "), ord("0")
_STEP = 1 << 18
_PORTS = pa.array(map(str, range(1 << 16)), pa.string())
_ANSWER_MARKS = 3  # {"Rdata":"…","Type":"…","Class":"…"}


@dataclass(frozen=True, slots=True)
class Marks:
    """The quotes that end string values, closing brackets and line ends of a block, in one order.

    A quote ends a value if a comma or a closing brace comes next. ``at`` are the marks'
    positions in the block. Per line: ``first`` is the ordinal of its first mark, ``end`` of
    its newline, ``bracket`` of its first closing bracket (-1: none). ``plain``: it has no
    control characters, nothing beyond ASCII, and no mark behind several backslashes.
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
        self._is_brace = np.empty(_STEP, np.bool_)
        self._at = np.empty(0, np.int32)
        self._kinds = np.empty(0, np.uint8)

    def find(self, block: Block) -> Marks:
        """The marks, in one pass over the block. They hold until the next call."""
        at, kinds, odd = self._scan(np.frombuffer(block.data, np.uint8))
        end = np.flatnonzero(kinds == _NEWLINE)
        block.know_lines(at[end].astype(np.int64))
        first = np.concatenate(([0], end[:-1] + 1))
        brackets = _first_in_line(np.flatnonzero(kinds == _BRACKET), first, end)
        return Marks(at, first, end, brackets, _plain(block, at, kinds, odd))

    def _scan(
        self, letters: npt.NDArray[np.uint8]
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8], list[Positions]]:
        """Positions and letters of all marks, control characters among them; marks behind several backslashes."""
        found = 0
        odd = []
        for start in range(0, len(letters), _STEP):  # small enough to stay in the cache
            places = self._marks_of(letters[start : start + _STEP], letters[start + 1 : start + 1 + _STEP])
            places += start
            escaped = letters.take(places - 1, mode="clip") == _BACKSLASH
            if escaped.any():
                escaped &= letters[places] == _QUOTE  # a backslash changes nothing before a line end or a bracket
                odd.append(places[escaped & (letters.take(places - 2, mode="clip") == _BACKSLASH)])
                places = places[~escaped]
            total = found + len(places)
            self._make_room(total)
            self._at[found:total] = places
            letters.take(places, out=self._kinds[found:total], mode="clip")
            found = total
        return self._at[:found], self._kinds[:found], odd

    def _marks_of(self, part: npt.NDArray[np.uint8], following: npt.NDArray[np.uint8]) -> Positions:
        """The marks of a part; ``following`` holds the letter after each, but after the last of all."""
        count = len(part)
        is_mark, is_other, is_brace = self._is_mark[:count], self._is_other[:count], self._is_brace[:count]
        is_other[-1] = is_brace[-1] = False
        np.equal(following, _COMMA, out=is_other[: len(following)])
        np.equal(following, _BRACE, out=is_brace[: len(following)])
        np.logical_or(is_other, is_brace, out=is_other)
        np.equal(part, _QUOTE, out=is_mark)
        np.logical_and(is_mark, is_other, out=is_mark)
        np.equal(part, _BRACKET, out=is_other)
        np.logical_or(is_mark, is_other, out=is_mark)
        np.less(part, _SPACE, out=is_other)
        np.logical_or(is_mark, is_other, out=is_mark)
        return np.flatnonzero(is_mark)

    def _make_room(self, count: int) -> None:
        if count > len(self._at):
            self._at = np.concatenate((self._at, np.empty(count, np.int32)))
            self._kinds = np.concatenate((self._kinds, np.empty(count, np.uint8)))


def _first_in_line(marks: Positions, first: Positions, end: Positions) -> Positions:
    """The first of ``marks`` in each line, -1 if it has none."""
    if len(marks) == len(first) and (marks >= first).all() and (marks < end).all():  # the usual case
        return marks
    place = np.searchsorted(marks, first)
    found = np.append(marks, np.iinfo(np.int64).max)[place]
    return np.where(found < end, found, -1)


def _plain(block: Block, at: Positions, kinds: npt.NDArray[np.uint8], odd: list[Positions]) -> Mask:
    plain = np.ones(len(block.line_ends), np.bool_)
    is_control = kinds < _SPACE
    if np.count_nonzero(is_control) > len(plain):
        odd = [*odd, at[is_control & (kinds != _NEWLINE)]]
    if not block.data.isascii():
        odd = [*odd, np.flatnonzero(np.frombuffer(block.data, np.uint8) >= 0x80)]
    for places in odd:
        plain[np.searchsorted(block.line_ends, places)] = False
    return plain


def split_lines(block: Block, marks: Marks, lines: Positions, template: Template) -> Split | None:
    """Split those of ``lines`` that may fit the template. None if none does."""
    lines = lines[_may_fit(marks, lines, template)]
    if not len(lines):
        return None
    at, data = marks.at, pa.py_buffer(block.data)
    first, bracket = marks.first[lines], marks.bracket[lines]
    time = at[first + template.time - 1] + template.to_time
    name, name_end = at[first + template.time] + len(AFTER_TIME), at[first + template.time + 1]
    client, port = at[bracket] + len(CLIENT), at[bracket + 1] + len(AFTER_CLIENT)
    port_end = at[bracket + 2]

    answers = first + template.answers
    counts = (bracket - answers) // _ANSWER_MARKS
    middle_end = np.where(counts > 0, at[answers - 1] + (template.to_answers + len(FIRST)), client)
    data_start, data_end, gap_end = _answer_spans(at, answers, counts, middle_end, client)

    fits = (time <= name) & (name <= name_end) & (client <= port) & (port <= port_end)
    fits[np.repeat(np.arange(len(lines)), counts)[data_start > data_end]] = False
    if not fits.all():
        return split_lines(block, marks, lines[fits], template)
    return Split(
        lines=lines,
        head=_heads(block, data, lines, time),
        time=_without(AFTER_TIME, encode_spans(data, time, name)),
        name=encode_spans(data, name, name_end),
        middle=encode_spans(data, name_end, middle_end),
        counts=counts,
        data=encode_spans(data, data_start, data_end),
        gaps=encode_spans(data, data_end, gap_end),
        client=_without(AFTER_CLIENT, encode_spans(data, client, port)),
        port=_ports(block.data, port, port_end),
        tail=encode_spans(data, port_end, block.line_ends[lines]),
    )


def _answer_spans(
    at: npt.NDArray[np.int32], answers: Positions, counts: Positions, begin: Positions, end: Positions
) -> tuple[Positions, Positions, Positions]:
    """Where each answer's data begins and ends, and where the gap behind it ends: with ``end`` after a line's last.

    Per line, ``answers`` is the ordinal of the first answer's first mark, ``begin`` where that answer's data begins.
    """
    some, ends = counts > 0, np.cumsum(counts)
    marks = np.repeat(answers - _ANSWER_MARKS * (ends - counts), counts)
    marks += np.arange(0, _ANSWER_MARKS * len(marks), _ANSWER_MARKS)  # the first of each answer
    gap_end = at[marks + 2] + len(NEXT)
    gap_end[ends[some] - 1] = end[some]
    data_start = np.empty_like(gap_end)
    data_start[1:] = gap_end[:-1]
    data_start[(ends - counts)[some]] = begin[some]
    return data_start, at[marks], gap_end


def _may_fit(marks: Marks, lines: Positions, template: Template) -> Mask:
    """Which lines have enough marks in the right places."""
    in_answers = marks.bracket[lines] - marks.first[lines] - template.answers
    fits: Mask = marks.plain[lines] & (in_answers >= 0) & (in_answers % _ANSWER_MARKS == 0)
    return fits & (marks.bracket[lines] + 2 < marks.end[lines])


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
