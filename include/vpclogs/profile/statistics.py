"""Statistics gathered while staging, so that the audit does not read the data again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from vpclogs.objects import LogObject
from vpclogs.parsing.model import ObjectEnd, ObjectState, Parsed
from vpclogs.partitions import Partition
from vpclogs.profile.counter import OTHERS
from vpclogs.profile.observing import Observed, observe_rows
from vpclogs.profile.partition_statistics import PartitionStatistics
from vpclogs.schemas.model import LogSchema
from vpclogs.staged import StatisticsJson

__all__ = ["Statistics", "merge"]


class Statistics:
    """Collects the statistics of one partition within one batch.

    Rows of an object that is still being read need a collector of their own, which counts only if the object is
    loaded in the end.
    """

    def __init__(self, partition: Partition, schema: LogSchema) -> None:
        self._partition = partition
        self._schema = schema
        self._seen = PartitionStatistics()
        self._last = (-1, -1)  # ordinal and line of the last row

    def observe(self, parsed: Parsed, listed: Sequence[LogObject]) -> None:
        """Add rows and refused records, all of this partition and in parsing order.

        ``parsed.objects`` and ``Refused.object`` are indexes into ``listed``.
        """
        for record in parsed.refused:
            self._seen.reasons.add(record.reason, 1, listed[record.object].key)
            self._seen.refused_samples.add(record, listed[record.object])
        self._seen.refused += len(parsed.refused)
        if len(parsed.rows):
            self._observe_order(parsed)
            observe_rows(self._seen, Observed(self._partition, parsed.rows, parsed.objects, listed), self._schema)

    def observe_end(self, item: LogObject, end: ObjectEnd) -> None:
        """Add the outcome of one object."""
        if end.state is ObjectState.LOADED:
            for version in sorted(end.versions):
                self._seen.versions.add(version, 1, item.key)
            for name in sorted(end.unknown_fields):
                self._seen.unknown_fields.add(name, 1, item.key)
            if end.further_fields:
                self._seen.unknown_fields.add(OTHERS, end.further_fields, item.key)

    def to_json(self) -> StatisticsJson:
        """Return the form that the ledger stores and `merge` reads."""
        return self._seen.to_json()

    def _observe_order(self, parsed: Parsed) -> None:
        """Count rows out of order. Rows in strict order of object and line never share a row id."""
        objects, lines = parsed.objects, parsed.lines
        # An independent check of the parser: row ids are made of object and line.
        steps = np.diff(objects)
        disordered = np.count_nonzero((steps < 0) | ((steps == 0) & (np.diff(lines) <= 0)))
        first, last = (int(objects[0]), int(lines[0])), (int(objects[-1]), int(lines[-1]))
        self._seen.disordered += int(disordered) + (first <= self._last)
        self._last = last


def merge(parts: Iterable[StatisticsJson]) -> StatisticsJson:
    """Return the statistics of a partition, merged over its batches."""
    return PartitionStatistics.merged(parts).to_json()
