"""VPC Flow Logs in text: a header line, then one record a line.

A block is parsed once for each header that occurs in it. What the columns' checks flag
is judged again line by line, for the exact reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, reduce
from operator import or_

import numpy as np
import pyarrow as pa

from vpclogs.parsing.blocks import Block, BlockResult
from vpclogs.parsing.flow.csv import empty_texts, not_numbers, read_columns
from vpclogs.parsing.flow.header import FlowHeader, first_header, is_header, next_header
from vpclogs.parsing.flow.lines import ControlFinder, Lines, OddLines, Segment, apart, join_lines
from vpclogs.parsing.flow.preview import preview
from vpclogs.parsing.flow.rows import ROWS, foreign_rows, make_rows, versions
from vpclogs.parsing.flow.rules import REGION, Violation, judge
from vpclogs.parsing.model import ObjectUnreadable, ParseLimits
from vpclogs.parsing.patience import Patience

__all__ = ["FlowTextParser"]

_first_header = lru_cache(maxsize=256)(first_header)  # the objects of one flow log share theirs


@dataclass
class _Reading:
    """The part of a block under one header. ``headers`` are the header lines among its lines."""

    header: FlowHeader
    rows: pa.Table
    lines: Lines
    refused: list[tuple[int, Violation]] = field(default_factory=list)
    headers: dict[int, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the last block ended: the object, its header if that has come, or that it is refused whole."""

    object: int
    header: FlowHeader | None
    unreadable: bool = False


class _SpacesTooMany(Exception):
    """A record has more spaces than values; the block must be read again with care."""


class FlowTextParser:
    """Parses flow log text. Keeps the header of the object that the last block ended in.

    ``regions`` are those of the objects, by ordinal; it may change between blocks.
    """

    def __init__(self, limits: ParseLimits, regions: Mapping[int, str | None]) -> None:
        self._limits = limits
        self._regions = regions
        self._place = _Place(-1, None)
        self._as_text: frozenset[str] = frozenset()  # number columns in which other things were found
        self._careful = False  # True once repeated spaces were found
        self._finder = ControlFinder()
        self._patience = Patience(limits)

    def parse(self, block: Block) -> BlockResult:
        """See `TextParser`."""
        before = self._place
        try:
            try:
                return self._parse(block, OddLines(block, self._finder, careful=self._careful))
            except _SpacesTooMany:
                self._place, self._careful = before, True
                return self._parse(block, OddLines(block, self._finder, careful=True))
        except BaseException:
            self._place = before  # the block may come again, object by object
            raise

    def _parse(self, block: Block, odd: OddLines) -> BlockResult:
        unreadable: dict[int, ObjectUnreadable] = {}
        segments = list(self._segments(block, unreadable))
        readings = self._read_all(block, segments, odd)
        if any(names != reading.header.names for reading in readings for names in reading.headers.values()):
            found = {line: names for reading in readings for line, names in reading.headers.items()}
            segments = list(self._split(segments, found, unreadable))
            readings = self._read_all(block, segments, odd)
        rows, lines = _in_order(readings)
        objects = block.line_objects[lines]
        refused = block.line_objects[[line for reading in readings for line, _ in reading.refused]]
        unreadable = self._patience.settle(block, objects, refused.tolist()) | unreadable
        return BlockResult(
            rows=rows,
            objects=objects,
            lines=block.line_numbers[lines],
            refused=[
                block.refuse(
                    line, verdict.reason, verdict.field, verdict.detail, self._limits, header=reading.header.text
                )
                for reading in readings
                for line, verdict in reading.refused
                if not unreadable or int(block.line_objects[line]) not in unreadable
            ],
            unreadable=unreadable,
            versions=versions(rows, objects),
            unknown_fields=_unknown_fields(segments),
        )

    def _segments(self, block: Block, unreadable: dict[int, ObjectUnreadable]) -> Iterator[Segment]:
        """The parts of the block less the header lines that objects begin with."""
        bounds = block.part_lines.tolist()
        for part, first, last in zip(block.parts, bounds[:-1], bounds[1:], strict=True):
            if part.object != self._place.object:
                self._place = _Place(part.object, None)
            if self._place.unreadable:
                continue
            if self._place.header is None:
                while first < last and not block.line(first).strip():
                    first += 1
                if first == last:
                    continue
                try:
                    self._place = _Place(part.object, _first_header(block.line(first)))
                except ObjectUnreadable as fate:
                    unreadable[part.object] = fate
                    self._place = _Place(part.object, None, unreadable=True)
                    continue
                first += 1
            if self._place.header is None:
                continue
            segment = Segment(first, last, part.object, self._place.header)
            try:
                preview(block, segment, self._regions.get(part.object), self._patience)
            except ObjectUnreadable as fate:
                unreadable[part.object] = fate
                self._place = _Place(part.object, None, unreadable=True)
                continue
            yield segment

    def _split(
        self, segments: Iterable[Segment], found: dict[int, tuple[str, ...]], unreadable: dict[int, ObjectUnreadable]
    ) -> Iterator[Segment]:
        """Cut segments at header lines among their lines; each holds up to the next."""
        header: FlowHeader | None = None
        previous = -1
        lines = sorted(found)
        different: set[tuple[str, ...]] = set()
        for segment in segments:
            if segment.object != previous:
                header, previous, different = segment.header, segment.object, set()
            first = segment.first
            for line in segment.among(lines):
                if header is None:
                    break
                yield Segment(first, line, segment.object, header)
                different.add(found[line])
                try:
                    header = next_header(found[line], len(different))
                except ObjectUnreadable as fate:
                    unreadable[segment.object] = fate
                    header = None
                first = line + 1
            if header is not None:
                yield Segment(first, segment.last, segment.object, header)
        if previous == self._place.object:
            self._place = _Place(previous, header, unreadable=header is None)

    def _read_all(self, block: Block, segments: Iterable[Segment], odd: OddLines) -> list[_Reading]:
        groups: dict[tuple[FlowHeader, bool], list[Segment]] = {}
        for segment in apart(block, list(segments)):
            groups.setdefault((segment.header, segment.exact), []).append(segment)
        return [self._read(block, header, group, odd, exact=exact) for (header, exact), group in groups.items()]

    def _read(
        self, block: Block, header: FlowHeader, segments: list[Segment], odd: OddLines, *, exact: bool
    ) -> _Reading:
        pieces, lines, refused = join_lines(block, segments, odd)
        if not len(lines):
            return _Reading(header, ROWS.empty_table(), lines, refused)
        columns, uneven = self._read_columns(pieces, header, header.numbers if exact else self._as_text)
        kept = np.delete(lines, uneven) if uneven else lines
        rows, bad = self._rows(columns, header, block, kept)
        reading = _Reading(header, rows, kept, refused)
        flagged = [*lines[uneven].tolist(), *kept[bad].tolist()]
        if len(bad):
            reading.lines = np.delete(kept, bad)
        left = self._patience.allowance(block)
        for line, ordinal in zip(flagged, block.line_objects[flagged].tolist(), strict=True):
            if left.is_spent(ordinal):
                continue
            values = [value.decode() for value in block.line(line).split()]
            if is_header(values):
                reading.headers[line] = tuple(values)
            elif values and (verdict := judge(header, values, self._regions.get(ordinal))):
                refused.append((line, verdict))
                left.take(ordinal)
            elif self._careful:
                raise AssertionError(f"a check flagged a record that is good: {block.line(line)!r}")
            else:
                raise _SpacesTooMany
        return reading

    def _rows(
        self, columns: dict[str, pa.Array], header: FlowHeader, block: Block, lines: Lines
    ) -> tuple[pa.Table, Lines]:
        """The rows of these columns, and the places of those to be judged one by one."""
        marked = empty_texts(columns)
        if REGION in columns:
            foreign = foreign_rows(columns[REGION], block.line_objects[lines], self._regions)
            if foreign is not None:
                marked[REGION] = marked[REGION] | foreign if REGION in marked else foreign
        rows, marked = make_rows(header, columns, marked)
        return rows, np.flatnonzero(reduce(or_, marked.values())) if marked else np.empty(0, np.int64)

    def _read_columns(
        self, pieces: Sequence[bytes | memoryview], header: FlowHeader, as_text: frozenset[str]
    ) -> tuple[dict[str, pa.Array], list[int]]:
        longest = self._limits.max_line_bytes + 1
        try:
            return read_columns(pieces, header, as_text, longest)
        except pa.ArrowInvalid:  # raised for one number after all were read; the next block may have bad ones too
            columns, uneven = read_columns(pieces, header, header.numbers, longest)
            self._as_text |= not_numbers(columns, header.numbers)
            return columns, uneven


def _in_order(readings: list[_Reading]) -> tuple[pa.Table, Lines]:
    readings = [reading for reading in readings if len(reading.lines)]
    if len(readings) < 2:
        return (readings[0].rows, readings[0].lines) if readings else (ROWS.empty_table(), np.empty(0, np.int64))
    rows = pa.concat_tables([reading.rows for reading in readings]).unify_dictionaries().combine_chunks()
    lines = np.concatenate([reading.lines for reading in readings])
    order = np.argsort(lines)
    return rows.take(pa.array(order)), lines[order]


def _unknown_fields(segments: Iterable[Segment]) -> dict[int, frozenset[str]]:
    unknown: dict[int, frozenset[str]] = {}
    for segment in segments:
        if segment.header.unknown:
            unknown[segment.object] = unknown.get(segment.object, frozenset()) | segment.header.unknown
    return unknown
