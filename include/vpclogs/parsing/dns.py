"""DNS query logs: blocks of JSON lines to rows."""

from __future__ import annotations

from collections.abc import Sequence, Set

import numpy as np

from vpclogs.parsing.blocks import Block, BlockResult
from vpclogs.parsing.coded import Codes, Positions
from vpclogs.parsing.dns_columns import DnsColumns
from vpclogs.parsing.dns_fast import FastReader
from vpclogs.parsing.dns_origin import ObjectRegions
from vpclogs.parsing.dns_records import DnsRecord, MajorVersion, read_record
from vpclogs.parsing.model import ObjectState, ObjectUnreadable, ParseLimits, Refused
from vpclogs.parsing.strict_json import BadRecord

__all__ = ["DnsParser"]

_BLANK = b" \t\r"


class DnsParser:
    """Parses DNS query logs: most lines on the fast path, each other one as a whole.

    If ``whole`` objects are parsed, records that name another region than their object are refused.
    """

    def __init__(self, limits: ParseLimits, *, whole: bool = True) -> None:
        self._limits = limits
        self._fast = FastReader()
        self._regions = ObjectRegions() if whole else None

    def parse(self, block: Block) -> BlockResult:
        """Judge every line. A line of blanks is no record."""
        parts, rest = self._fast.read(block)
        records, refused, unreadable = self._read_lines(block, rest)
        if records or not parts:
            parts.append(DnsColumns.of(list(records), list(records.values())))
        columns = DnsColumns.join(parts)
        objects = block.line_objects[columns.lines]
        if self._regions and (foreign := self._regions.foreign(objects, columns.texts["region"])):
            lines = columns.lines[list(foreign)].tolist()
            refused += [
                block.refuse(line, "foreign_region", "region", why, self._limits)
                for line, why in zip(lines, foreign.values(), strict=True)
            ]
            columns = columns.pick(np.delete(np.arange(len(objects)), list(foreign)))
            objects = block.line_objects[columns.lines]
        versions = columns.texts["version"].values.to_pylist()
        return BlockResult(
            rows=columns.table(),
            objects=objects,
            lines=block.line_numbers[columns.lines],
            refused=refused,
            unreadable=unreadable,
            versions=_by_object(objects, columns.texts["version"].codes, [{text} for text in versions]),
            unknown_fields=_by_object(objects, columns.extras.codes, columns.extras.names()),
        )

    def _read_lines(
        self, block: Block, lines: Positions
    ) -> tuple[dict[int, DnsRecord], list[Refused], dict[int, ObjectUnreadable]]:
        """Judge single lines: the records by line, the refusals, the objects to refuse whole."""
        records: dict[int, DnsRecord] = {}
        refused: list[Refused] = []
        unreadable: dict[int, ObjectUnreadable] = {}
        for index, ordinal in zip(lines.tolist(), block.line_objects[lines].tolist(), strict=True):
            line = block.line(index)
            if ordinal in unreadable or not line.strip(_BLANK):
                continue
            try:
                records[index] = read_record(line)
            except BadRecord as bad:
                refused.append(block.refuse(index, bad.reason, bad.field, bad.detail, self._limits))
            except MajorVersion as other:
                detail = f"line {block.line_numbers[index]} is of version {other.version}; this release reads 1.x"
                unreadable[ordinal] = ObjectUnreadable(ObjectState.REFUSED, "version_major", detail)
        return records, refused, unreadable


def _by_object(objects: Codes, codes: Codes, names: Sequence[Set[str]]) -> dict[int, set[str]]:
    """Return the names that occur in each object; ``codes`` index ``names``, -1 is none."""
    found: dict[int, set[str]] = {}
    if names:
        changes = np.flatnonzero((np.diff(objects, prepend=-1) != 0) | (np.diff(codes, prepend=-2) != 0))
        for ordinal, code in zip(objects[changes].tolist(), codes[changes].tolist(), strict=True):
            if code >= 0:
                found.setdefault(ordinal, set()).update(names[code])
    return found
