"""Stage a batch: fetch, parse, and write Parquet files that no table knows yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from vpclogs.audits.statistics import Statistics, merge
from vpclogs.batch_results import BatchResult, ObjectOutcome, StagedFile
from vpclogs.lineage import quarantine_rows, with_lineage
from vpclogs.objects import LogObject
from vpclogs.parquet import ParquetFile
from vpclogs.parsing import parse
from vpclogs.parsing.model import Event, ObjectEnd, ObjectInput, ObjectState, Parsed, ParseLimits, Refused
from vpclogs.partitions import LogType, Partition
from vpclogs.schemas import schema_for
from vpclogs.warehouse import QUARANTINE, Warehouse

__all__ = ["Output", "Progress", "Target", "stage"]

Fetch = Callable[[str, Sequence[LogObject]], Iterable[ObjectInput]]
"""(source name, objects) -> their bytes, in order."""

Progress = Callable[[int, int], None]
"""Called with (objects, records) as they are done."""


def stage(
    objects: Sequence[LogObject],
    *,
    log_type: LogType,
    stem: str,
    fetch: Fetch,
    warehouse: Warehouse,
    limits: ParseLimits,
    now: datetime,
    progress: Progress = lambda objects, records: None,
) -> BatchResult:
    """Write the rows and refused records of the objects to new files, one or more per partition.

    ``stem`` begins each file's name. Every object gets exactly one outcome. An error of
    the warehouse is raised; files written so far are then left for the clean-up.
    """
    result = BatchResult(files=[], outcomes=[], statistics={})
    for source, group in groupby(sorted(objects, key=attrgetter("source")), key=attrgetter("source")):
        listed = sorted(group, key=lambda item: (item.partition, item.key))
        stager = _Stager(listed, Target(log_type, stem, warehouse, now), result, progress)
        stager.run(partial(_parse, log_type, source, fetch, limits))
    return result


def _parse(
    log_type: LogType, source: str, fetch: Fetch, limits: ParseLimits, objects: Sequence[LogObject]
) -> Iterator[Event]:
    return parse(log_type, fetch(source, objects), limits=limits)


@dataclass(frozen=True)
class Target:
    """Where staged rows go. ``stem`` begins each file's name."""

    log_type: LogType
    stem: str
    warehouse: Warehouse
    now: datetime

    def file(self, table: str, partition: Partition) -> ParquetFile:
        return ParquetFile(self.warehouse, table, partition, self.stem)


class Output:
    """Rows and refused records of one partition, or of one large object of it."""

    def __init__(self, target: Target, partition: Partition) -> None:
        self._target = target
        self.partition = partition
        self._schema = schema_for(target.log_type)
        self._rows = target.file(target.log_type.value, partition)
        self._refused = target.file(QUARANTINE, partition)
        self.statistics = Statistics(partition, self._schema)

    def add(self, parsed: Parsed, listed: Sequence[LogObject]) -> None:
        """Write rows and refused records, whose objects are indexes into ``listed``."""
        if len(parsed.rows):
            table = with_lineage(
                parsed.rows,
                parsed.objects,
                parsed.lines,
                listed=listed,
                partition=self.partition,
                schema=self._schema,
                table=self._rows.schema,
                now=self._target.now,
            )
            self._rows.write(table)
        self.refuse([(listed[r.object], r, r.reason, r.detail) for r in parsed.refused])
        self.statistics.observe(parsed, listed)

    def refuse(self, refused: Sequence[tuple[LogObject, Refused | None, str, str]]) -> None:
        """Write rows of the quarantine, see `quarantine_rows`."""
        if refused:
            schema = self._refused.schema
            self._refused.write(quarantine_rows(refused, partition=self.partition, table=schema, now=self._target.now))

    def close(self) -> list[StagedFile]:
        """End the files; none if nothing came."""
        return [*self._rows.close(), *self._refused.close()]

    def discard(self) -> None:
        """Give all rows up and remove the files."""
        self._rows.discard()
        self._refused.discard()


@dataclass
class _Stager:
    """Sends the events of one source's objects to the outputs of their partitions."""

    listed: list[LogObject]
    target: Target
    result: BatchResult
    progress: Progress
    outputs: dict[Partition, Output] = field(default_factory=dict)
    provisional: Output | None = None
    left: Counter[Partition] = field(default_factory=Counter)

    def run(self, parse_objects: Callable[[list[LogObject]], Iterator[Event]]) -> None:
        readable = [item for item in self.listed if item.problem is None]
        self.left = Counter(item.partition for item in self.listed)
        for item in self.listed:
            if item.problem is not None:
                self._end(item, ObjectEnd(-1, ObjectState.REFUSED, reason=item.problem, detail=_problem(item)))
        for event in parse_objects(readable):
            if isinstance(event, ObjectEnd):
                self._end(readable[event.object], event)
            elif event.provisional:
                self._add_provisional(event, readable)
            else:
                self._add(event, readable)

    def _add(self, parsed: Parsed, listed: list[LogObject]) -> None:
        for partition, part in _by_partition(parsed, listed):
            self._output(partition).add(part, listed)

    def _add_provisional(self, parsed: Parsed, listed: list[LogObject]) -> None:
        ordinals = [*parsed.objects[:1].tolist(), *(record.object for record in parsed.refused[:1])]
        if not ordinals:
            return
        if self.provisional is None:
            self.provisional = Output(self.target, listed[ordinals[0]].partition)
        self.provisional.add(parsed, listed)

    def _end(self, item: LogObject, end: ObjectEnd) -> None:
        if self.provisional is not None:
            if end.state is ObjectState.LOADED:
                self._close(self.provisional)
            else:
                self.provisional.discard()
            self.provisional = None
        output = self._output(item.partition)
        if end.state is ObjectState.REFUSED:
            output.refuse([(item, None, end.reason or "", end.detail)])
        output.statistics.observe_end(item, end)
        self.result.outcomes.append(_outcome(item, end))
        self.progress(1, end.records)
        self.left[item.partition] -= 1
        if not self.left[item.partition]:
            self._close(self.outputs.pop(item.partition))

    def _output(self, partition: Partition) -> Output:
        if partition not in self.outputs:
            self.outputs[partition] = Output(self.target, partition)
        return self.outputs[partition]

    def _close(self, output: Output) -> None:
        self.result.files.extend(output.close())
        key = output.partition.key
        parts: list[dict[str, Any]] = [output.statistics.to_json()]
        if key in self.result.statistics:
            parts.append(self.result.statistics[key])
        self.result.statistics[key] = merge(parts)


def _by_partition(parsed: Parsed, listed: Sequence[LogObject]) -> Iterator[tuple[Partition, Parsed]]:
    """Cut events where the partition changes; rows come in object order, objects in partition order."""
    ordinals = {*np.unique(parsed.objects).tolist(), *(record.object for record in parsed.refused)}
    touched = sorted({listed[ordinal].partition for ordinal in ordinals})
    if len(touched) == 1:
        yield touched[0], parsed
        return
    for partition in touched:
        mine = _ordinals(partition, listed)
        start, end = np.searchsorted(parsed.objects, [mine.start, mine.stop])
        yield (
            partition,
            Parsed(
                rows=parsed.rows.slice(start, end - start),
                objects=parsed.objects[start:end],
                lines=parsed.lines[start:end],
                refused=[r for r in parsed.refused if r.object in mine],
            ),
        )


def _ordinals(partition: Partition, listed: Sequence[LogObject]) -> range:
    places: npt.NDArray[np.int64] = np.flatnonzero([item.partition == partition for item in listed])
    return range(int(places[0]), int(places[-1]) + 1)


def _outcome(item: LogObject, end: ObjectEnd) -> ObjectOutcome:
    loaded = end.state is ObjectState.LOADED
    return ObjectOutcome(
        identity=item.identity,
        partition=item.partition.key,
        state=end.state.value,
        rows=end.rows if loaded else 0,
        # an object refused whole is one row of the quarantine
        refused=end.refused if loaded else int(end.state is ObjectState.REFUSED),
        raw_bytes=end.raw_bytes,
        reason=end.reason,
        detail=end.detail,
    )


def _problem(item: LogObject) -> str:
    if item.problem == "archived":
        return "the object is in an archive storage class; restore it, then reload the partition"
    return f"the key does not fit the documented layout of {item.log_type} objects, so nothing of it was read"
