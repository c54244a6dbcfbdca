"""DNS query logs: blocks of JSON lines to rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set

import numpy as np

from vpclogs.parsing.blocks import Block, BlockResult
from vpclogs.parsing.coded import Codes, Positions
from vpclogs.parsing.dns.columns import DnsColumns
from vpclogs.parsing.dns.fast.reader import FastReader
from vpclogs.parsing.dns.origin import ObjectRegions
from vpclogs.parsing.dns.records import DnsRecord, MajorVersion, read_record
from vpclogs.parsing.dns.strict_json import BadRecord
from vpclogs.parsing.model import ObjectState, ObjectUnreadable, ParseLimits, Refused
from vpclogs.parsing.patience import Counts, Patience

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
        self._patience = Patience(limits)

    def parse(self, block: Block) -> BlockResult:
        """Judge every line. A line of blanks is no record."""
        parts, rest = self._fast.read(block)
        records, refused, unreadable = self._read_lines(block, parts, rest)
        # An empty part gives the result its columns even if no line is a record.
        if records or not parts:
            parts.append(DnsColumns.of(list(records), list(records.values())))
        columns = DnsColumns.join(parts)
        objects = block.line_objects[columns.lines]
        if self._regions and (foreign := self._regions.foreign(objects, columns.texts["region"])):
            refused += self._refuse_foreign(block, columns.lines[list(foreign)], foreign.values())
            columns = columns.pick(np.delete(np.arange(len(objects)), list(foreign)))
            objects = block.line_objects[columns.lines]
        versions = columns.texts["version"].values.to_pylist()
        return BlockResult(
            rows=columns.table(),
            objects=objects,
            lines=block.line_numbers[columns.lines],
            refused=refused,
            unreadable=self._patience.settle(block, objects, [one.object for one in refused]) | unreadable,
            versions=_by_object(objects, columns.texts["version"].codes, [{text} for text in versions]),
            unknown_fields=_by_object(objects, columns.extras.codes, columns.extras.names()),
        )

    def _read_lines(
        self, block: Block, read: Sequence[DnsColumns], lines: Positions
    ) -> tuple[dict[int, DnsRecord], list[Refused], dict[int, ObjectUnreadable]]:
        """Judge single lines: the records by line, the refusals, the objects to refuse whole.

        ``read`` are the records of the other lines.
        """
        records: dict[int, DnsRecord] = {}
        refused: list[Refused] = []
        unreadable: dict[int, ObjectUnreadable] = {}
        ordinals = block.line_objects[lines]
        starts = np.flatnonzero(np.diff(ordinals, prepend=-1))
        for own in np.split(lines, starts[1:]) if len(lines) else ():
            ordinal = int(block.line_objects[own[0]])
            counts = self._patience.before(ordinal)
            # Only an object that could run out of patience needs its good rows counted now.
            if len(own) + counts.refused > self._patience.most:
                counts.rows += sum(int(np.count_nonzero(block.line_objects[part.lines] == ordinal)) for part in read)
            try:
                refused += self._read_object(block, own.tolist(), counts, records)
            except ObjectUnreadable as fate:
                unreadable[ordinal] = fate
        return records, refused, unreadable

    def _read_object(
        self, block: Block, lines: Sequence[int], counts: Counts, records: dict[int, DnsRecord]
    ) -> list[Refused]:
        """Judge lines of one object, enter its records, and return its refusals.

        Raises:
            ObjectUnreadable: a line shows that it must be refused whole.
        """
        refused: list[Refused] = []
        for index in lines:
            line = block.line(index)
            try:
                if line.strip(_BLANK):
                    records[index] = read_record(line)
                    counts.rows += 1
            except BadRecord as bad:
                refused.append(block.refuse(index, bad.reason, bad.field, bad.detail, self._limits))
                counts.refused += 1
                self._patience.check(counts)
            except MajorVersion as other:
                detail = f"line {block.line_numbers[index]} is of version {other.version}; this release reads 1.x"
                raise ObjectUnreadable(ObjectState.REFUSED, "version_major", detail) from None
        return refused

    def _refuse_foreign(self, block: Block, lines: Positions, reasons: Iterable[str]) -> list[Refused]:
        """Return the refusals of records of foreign regions, as many as decide on their object."""
        refused: list[Refused] = []
        left = self._patience.allowance(block)
        for line, ordinal, why in zip(lines.tolist(), block.line_objects[lines].tolist(), reasons, strict=True):
            if left.take(ordinal):
                refused.append(block.refuse(line, "foreign_region", "region", why, self._limits))
        return refused


def _by_object(objects: Codes, codes: Codes, names: Sequence[Set[str]]) -> dict[int, set[str]]:
    """Return the names that occur in each object; ``codes`` index ``names``, -1 is none."""
    found: dict[int, set[str]] = {}
    if names:
        changes = np.flatnonzero((np.diff(objects, prepend=-1) != 0) | (np.diff(codes, prepend=-2) != 0))
        for ordinal, code in zip(objects[changes].tolist(), codes[changes].tolist(), strict=True):
            if code >= 0:
                found.setdefault(ordinal, set()).update(names[code])
    return found
