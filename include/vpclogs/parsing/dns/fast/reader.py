"""The fast path of DNS logs: lines that fit a template, read by their distinct texts.

It accepts a line only if its result equals that of `vpclogs.parsing.dns.records`, and leaves every other line,
refused or merely unusual, to that module.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from vpclogs.parsing.blocks import Block
from vpclogs.parsing.coded import Coded, Mask, Positions, as_bytes
from vpclogs.parsing.dns.columns import TEXTS, DnsColumns
from vpclogs.parsing.dns.fast.pieces import (
    Reader,
    Separator,
    Template,
    read_head,
    read_middle,
    read_separator,
    read_tail,
    template_of,
)
from vpclogs.parsing.dns.fast.shared import SharedPieces, Sharing
from vpclogs.parsing.dns.fast.split import MarkFinder, Split, split_lines
from vpclogs.parsing.dns.fast_json import unescape
from vpclogs.parsing.timestamps import rfc3339_column

__all__ = ["FastReader"]

_WORTH = 256  # lines; fewer are faster one by one
_MAX_TEMPLATES = 4
_SAMPLES = 8

T = TypeVar("T")


class FastReader:
    """Reads the lines that fit a template. Keeps templates and pieces from block to block."""

    def __init__(self) -> None:
        self._marks = MarkFinder()
        self._templates: list[Template] = []
        self._head = Reader(read_head)
        self._middle = Reader(read_middle)
        self._tail = Reader(read_tail)
        self._gap = Reader(read_separator)

    def read(self, block: Block) -> tuple[list[DnsColumns], Positions]:
        """Return the records of some lines, and the other lines, counted from 0 in the block."""
        marks = self._marks.find(block)
        is_left = np.ones(len(block.line_ends), np.bool_)
        rest = np.arange(len(is_left))
        parts = []
        known = iter(tuple(self._templates))
        for _ in range(_MAX_TEMPLATES):
            # The fixed cost of a template pays off from some hundred lines on.
            template = (next(known, None) or self._learn(block, rest)) if len(rest) >= _WORTH else None
            if template is None:
                break
            split = split_lines(block, marks, rest, template)
            if split is not None:
                parts.append(self._columns(split, template))
                is_left[parts[-1].lines] = False
                rest = np.flatnonzero(is_left)
        return parts, rest

    def _learn(self, block: Block, lines: Positions) -> Template | None:
        """Return a new template that some line fits, or None."""
        # Samples from the whole block: formats change between objects, not between lines.
        for index in lines[:: len(lines) // _SAMPLES]:
            template = template_of(block.line(index))
            if template is not None and template not in self._templates:
                self._templates = [template, *self._templates][:_MAX_TEMPLATES]
                return template
        return None

    def _columns(self, split: Split, template: Template) -> DnsColumns:
        """Return the records of the lines whose pieces and values are all valid."""
        heads, middles, tails = (
            list(map(reader, as_bytes(column.values)))
            for reader, column in ((self._head, split.head), (self._middle, split.middle), (self._tail, split.tail))
        )
        shared = SharedPieces(
            [
                Sharing(split.head.codes, heads, template.head),
                Sharing(split.middle.codes, middles, template.middle),
                Sharing(split.tail.codes, tails, template.tail, optional=True),
            ]
        )
        separators = list(map(self._gap, as_bytes(split.separators.values)))
        data = unescape(split.data)
        own = {"query_name": unescape(split.name), "srcaddr": unescape(split.client), "srcport": split.port}
        times, exist = (np.append(column, 0).take(split.time.codes) for column in rfc3339_column(split.time.values))

        # Whatever is not good goes to the strict reader; nothing is refused here.
        good = shared.good() & exist.astype(np.bool_) & _answers_good(split, data, separators)
        good &= _true(middles, lambda middle: middle.answered).take(split.middle.codes) == (split.counts > 0)
        for column in own.values():
            good &= column.codes >= 0
        columns = DnsColumns(
            lines=split.lines,
            times=times,
            texts={name: own.get(name) or shared.text(name) for name in TEXTS},
            counts=split.counts,
            answers={
                "Rdata": data,
                "Type": Coded.of([separator.type if separator else None for separator in separators]).through(
                    split.separators.codes
                ),
                "Class": Coded.of([separator.klass if separator else None for separator in separators]).through(
                    split.separators.codes
                ),
            },
            extras=shared.extras(),
        )
        return columns if good.all() else columns.pick(np.flatnonzero(good))


def _answers_good(split: Split, data: Coded, separators: Sequence[Separator | None]) -> Mask:
    """Return a mask of lines whose answers and gaps are all valid, with the final gap only at the end."""
    last = np.zeros(len(split.separators.codes), np.bool_)
    last[np.cumsum(split.counts)[split.counts > 0] - 1] = True
    right = _true(separators, lambda separator: True).take(split.separators.codes) & (data.codes >= 0)
    right &= _true(separators, lambda separator: separator.last).take(split.separators.codes) == last
    good = np.ones(len(split.lines), np.bool_)
    good[np.repeat(np.arange(len(good)), split.counts)[~right]] = False
    return good


def _true(items: Sequence[T | None], condition: Callable[[T], bool]) -> Mask:
    return np.array([item is not None and condition(item) for item in items], np.bool_)
