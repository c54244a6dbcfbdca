"""Records that were refused once, parsed again from the text that was kept of them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from vpclogs.parsing.blocks import Block, TextParser
from vpclogs.parsing.driver import text_parser
from vpclogs.parsing.lines import BlockBuilder, Stretch
from vpclogs.parsing.model import Parsed, ParseLimits
from vpclogs.partitions import LogType

__all__ = ["KeptRecord", "parse_kept"]


@dataclass(frozen=True, slots=True)
class KeptRecord:
    """One refused record: its object (an index), its line and first byte in it, its whole text.

    ``header`` is the header line of the record, or None for logs without headers.
    """

    object: int
    line: int
    start: int
    raw: bytes
    header: str | None = None


def parse_kept(log_type: LogType, records: Iterable[KeptRecord], limits: ParseLimits) -> Iterator[Parsed]:
    """Yield the rows of the records that parse now, and nothing for the others.

    The records come in the order of object and line, and so do the rows.
    """
    limits = replace(limits, max_object_refused=sys.maxsize)  # all of them were refused once
    parser, builder = text_parser(log_type, limits, whole=False), BlockBuilder(limits)
    under: tuple[int, str | None] = (-1, None)
    for record in records:
        if (record.object, record.header) != under:
            under = (record.object, record.header)
            # Line 0 is before every line of an object, so the header does not shift their numbers.
            if record.header is not None:
                builder.add(record.object, Stretch(record.header.encode() + b"\n", 1, 0, 0))
        builder.add(record.object, Stretch(record.raw + b"\n", 1, record.line, record.start))
        if builder.full:
            yield from _rows(parser, builder.take())
    yield from _rows(parser, builder.take())


def _rows(parser: TextParser, block: Block) -> Iterator[Parsed]:
    if not block.parts:
        return
    result = parser.parse(block)
    # a record that makes its whole object unreadable is for a reload to judge
    good = ~np.isin(result.objects, list(result.unreadable))
    if good.any():
        yield Parsed(result.rows.filter(pa.array(good)), result.objects[good], result.lines[good])
