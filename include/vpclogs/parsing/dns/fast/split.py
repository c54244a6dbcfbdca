"""Split many lines at once into the values and pieces of `vpclogs.parsing.dns.fast.pieces`.

One pass finds the ends of all string values in a block; from them, arithmetic gives the start and end of each value.
The template is only a guess about each line. Every byte of a line lies in some span, so reading the spans strictly
exposes each wrong guess.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vpclogs.parsing.blocks import Block
from vpclogs.parsing.coded import Coded, Mask, Positions, encode
from vpclogs.parsing.dns.fast.pieces import AFTER_CLIENT, AFTER_TIME, CLIENT, FIRST, NEXT, Template

__all__ = ["MarkFinder", "Marks", "Split", "split_lines"]

_QUOTE, _COMMA, _BRACE, _BRACKET, _BACKSLASH, _NEWLINE = (ord(mark) for mark in '",}]\\\n')
_SPACE, _ZERO = ord(" "), ord("0")
_STEP = 1 << 18
_PORTS = pa.array(map(str, range(1 << 16)), pa.string())
_ANSWER_MARKS = 3  # {"Rdata":"…","Type":"…","Class":"…"}
_ANSWER_SPANS = 2  # data, gap
# head, time, name, middle, client, port, tail, and the space before the next line
_SPANS = 8  # of a line without answers


@dataclass(frozen=True, slots=True)
class Marks:
    """The quotes that end string values, closing brackets and line ends of a block, in order.

    A quote ends a value if a comma or a closing brace follows. ``at`` are the marks' positions in the block. Per
    line, ``first`` is the ordinal of its first mark, ``end`` of its newline, and ``bracket`` of its first closing
    bracket (-1: none). ``plain`` lines have no control character, only ASCII, and no mark after several backslashes.
    """

    at: npt.NDArray[np.int32]
    first: Positions
    end: Positions
    bracket: Positions
    plain: Mask


@dataclass(frozen=True, slots=True)
class Split:
    """Lines split by a template: the texts of each span, one row per line.

    ``lines`` are counted from 0 in the block. ``counts`` is the number of answers per line; ``data`` and ``separators``
    have one row per answer. A code is -1 where the line does not fit, or where a port has an unusual spelling.
    """

    lines: Positions
    head: Coded
    time: Coded
    name: Coded
    middle: Coded
    counts: Positions
    data: Coded
    separators: Coded
    client: Coded
    port: Coded
    tail: Coded


class MarkFinder:
    """Finds the marks of blocks. Reuses its arrays: fresh memory costs as much as the search."""

    def __init__(self) -> None:
        self._is_mark = np.empty(_STEP, np.bool_)
        self._is_other = np.empty(_STEP, np.bool_)
        self._is_brace = np.empty(_STEP, np.bool_)
        self._at = np.empty(0, np.int32)
        self._kinds = np.empty(0, np.uint8)

    def find(self, block: Block) -> Marks:
        """Return the marks, found in one pass over the block. They are valid until the next call."""
        at, kinds, odd = self._scan(np.frombuffer(block.data, np.uint8))
        end = np.flatnonzero(kinds == _NEWLINE)
        block.know_lines(at[end].astype(np.int64))
        first = np.concatenate(([0], end[:-1] + 1))
        brackets = _first_in_line(np.flatnonzero(kinds == _BRACKET), first, end)
        return Marks(at, first, end, brackets, _plain(block, at, kinds, odd))

    def _scan(
        self, letters: npt.NDArray[np.uint8]
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8], list[Positions]]:
        """Return positions and letters of all marks and control characters, and the marks after several backslashes."""
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
        """Return the marks of a part. ``following`` holds the letter after each, except after the very last."""
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
    """Return the first of ``marks`` in each line, -1 for a line without any."""
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
        odd = [*odd, block.beyond_ascii()]
    for places in odd:
        plain[np.searchsorted(block.line_ends, places)] = False
    return plain


def split_lines(block: Block, marks: Marks, lines: Positions, template: Template) -> Split | None:
    """Split those of ``lines`` that may fit the template. Return None if none does."""
    lines = lines[_may_fit(marks, lines, template)]
    if not len(lines):
        return None
    at = marks.at
    first, bracket = marks.first[lines], marks.bracket[lines]
    time = at[first + template.time - 1] + template.to_time
    name, name_end = at[first + template.time] + len(AFTER_TIME), at[first + template.time + 1]
    client, port = at[bracket] + len(CLIENT), at[bracket + 1] + len(AFTER_CLIENT)
    port_end = at[bracket + 2]

    answers = first + template.answers
    counts = (bracket - answers) // _ANSWER_MARKS
    before = np.cumsum(counts) - counts  # answers of the lines before
    of = np.repeat(np.arange(len(lines)), counts)  # the line of each answer
    number = np.arange(len(of))
    mark = (answers - _ANSWER_MARKS * before).take(of) + _ANSWER_MARKS * number  # the first of each answer
    data, data_end = at.take(mark - 1) + len(NEXT), at.take(mark)
    some = counts > 0
    data[before[some]] = at[answers[some] - 1] + (template.to_answers + len(FIRST))

    fits = (time <= name) & (name <= name_end) & (client <= port) & (port <= port_end)
    fits[of[data > data_end]] = False
    if not fits.all():
        return split_lines(block, marks, lines[fits], template)

    head = _SPANS * np.arange(len(lines)) + _ANSWER_SPANS * before
    tail = head + _ANSWER_SPANS * counts + 6
    answer = (head + 4 - _ANSWER_SPANS * before).take(of) + _ANSWER_SPANS * number
    starts = np.empty(_SPANS * len(lines) + _ANSWER_SPANS * len(of), np.int32)
    for place, values in (
        (head, block.line_starts[lines]),
        (head + 1, time),
        (head + 2, name),
        (head + 3, name_end),
        (answer, data),
        (answer + 1, data_end),
        (tail - 2, client),
        (tail - 1, port),
        (tail, port_end),
        (tail + 1, block.line_ends[lines]),
    ):
        starts[place] = values
    is_text = np.ones(len(starts), np.bool_)
    is_text[tail - 1] = is_text[tail + 1] = False
    texts = _encode(block.data, starts, is_text)
    return Split(
        lines=lines,
        head=texts.pick(head).used(),
        time=_without(AFTER_TIME, texts.pick(head + 1).used()),
        name=texts.pick(head + 2).used(),
        middle=texts.pick(head + 3).used(),
        counts=counts,
        data=texts.pick(answer).used(),
        separators=texts.pick(answer + 1).used(),
        client=_without(AFTER_CLIENT, texts.pick(tail - 2).used()),
        port=_ports(block.data, port, port_end),
        tail=texts.pick(tail).used(),
    )


def _encode(data: bytes, starts: npt.NDArray[np.int32], is_text: Mask) -> Coded:
    """Encode spans of ``data`` in place, each up to the next, with null outside the mask.

    Copying the spans of one kind first would cost more than encoding all of them.
    """
    bounds = pa.py_buffer(np.append(starts, np.int32(len(data))))
    validity = pa.py_buffer(np.packbits(is_text, bitorder="little"))
    return encode(pa.StringArray.from_buffers(len(starts), bounds, pa.py_buffer(data), validity))


def _may_fit(marks: Marks, lines: Positions, template: Template) -> Mask:
    """Return a mask of the lines with enough marks in the right places."""
    in_answers = marks.bracket[lines] - marks.first[lines] - template.answers
    fits: Mask = marks.plain[lines] & (in_answers >= 0) & (in_answers % _ANSWER_MARKS == 0)
    return fits & (marks.bracket[lines] + 2 < marks.end[lines])


def _without(end: bytes, column: Coded) -> Coded:
    """Return the column without the texts' common ending; -1 where a text has another ending."""
    ends = pc.ends_with(column.values, end.decode())
    if not pc.all(ends).as_py():
        column = column.only(ends)
    return Coded(column.codes, pc.utf8_slice_codeunits(column.values, 0, -len(end)))


def _ports(data: bytes, starts: Positions, ends: Positions) -> Coded:
    """Read ports as numbers: most are distinct, so searching for equal texts would be slower."""
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
    codes = np.where(usual, numbers, 0).astype(np.int32)
    ports = Coded(codes, _PORTS).used()
    return ports if usual.all() else Coded(np.where(usual, ports.codes, np.int32(-1)), ports.values)
