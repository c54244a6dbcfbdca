"""Stage a batch: fetch, parse, and write Parquet files that no table knows yet."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from itertools import groupby
from operator import attrgetter

import numpy as np
import pyarrow as pa

from vpclogs.objects import LogObject
from vpclogs.parsing import parse
from vpclogs.parsing.model import Event, ObjectEnd, ObjectInput, ObjectState, Parsed, ParseLimits, Refused
from vpclogs.partitions import UNKNOWN_REGION, LogType, Partition
from vpclogs.profile.statistics import merge
from vpclogs.staged import LEFT_OUT, BatchResult, LearnedRegion, ObjectOutcome, StatisticsJson
from vpclogs.staging.homes import Home, homes_of
from vpclogs.staging.outputs import Output, Target
from vpclogs.warehouse.rewrite import relocated
from vpclogs.warehouse.tables import Warehouse

__all__ = ["Covers", "Progress", "stage"]

Fetch = Callable[[str, Sequence[LogObject]], Iterable[ObjectInput]]
"""(source name, objects) -> their bytes, in order."""

Covers = Callable[[LogObject, str], bool]
"""(object, region that its records name) -> True if its source reads the region."""

Progress = Callable[[int, int], None]
"""Called with (objects, records) as they are done."""

_MAX_OPEN = 32  # outputs of partitions that no object was planned for
_OBJECT = attrgetter("object")


def stage(
    objects: Sequence[LogObject],
    *,
    log_type: LogType,
    stem: str,
    fetch: Fetch,
    warehouse: Warehouse,
    limits: ParseLimits,
    now: datetime,
    covers: Covers = lambda item, region: True,
    progress: Progress = lambda objects, records: None,
) -> BatchResult:
    """Write the rows and refused records of the objects to new files, one or more per partition.

    A DNS object goes to the partition of the region that its records name; without a good
    record it stays in the one that it was planned for. ``stem`` begins each file's name. Every
    object gets exactly one outcome. An error of the warehouse is raised; files written so far
    are then left for the clean-up.
    """
    result = BatchResult(files=[], outcomes=[], statistics={}, learned=[])
    # One source at a time: each has its own client, role and account filter.
    for source, group in groupby(sorted(objects, key=attrgetter("source")), key=attrgetter("source")):
        # By partition, so that one partition's output can be closed before the next is opened.
        listed = sorted(group, key=lambda item: (item.partition, item.key))
        target = Target(log_type, stem, warehouse, now)
        stager = _Stager(listed, target, result, progress, covers)
        stager.run(partial(_parse, log_type, source, fetch, limits))
    return result


def _parse(
    log_type: LogType, source: str, fetch: Fetch, limits: ParseLimits, objects: Sequence[LogObject]
) -> Iterator[Event]:
    return parse(log_type, fetch(source, objects), limits=limits)


@dataclass
class _Stager:
    """Sends the events of one source's objects to the outputs of the partitions where they belong.

    ``homes`` are those of the objects under way that do not belong where they were planned, or
    may go on in the next event; ``early`` are the refused records of objects of which no good
    record was seen yet. ``starts`` are the indexes of each partition's first readable object.
    """

    listed: list[LogObject]
    target: Target
    result: BatchResult
    progress: Progress
    covers: Covers
    outputs: dict[Partition, Output] = field(default_factory=dict)
    provisional: list[Output] = field(default_factory=list)
    left: Counter[Partition] = field(default_factory=Counter)
    homes: dict[int, Home | None] = field(default_factory=dict)
    early: defaultdict[int, list[Refused]] = field(default_factory=lambda: defaultdict(list))
    starts: list[int] = field(default_factory=list)

    def run(self, parse_objects: Callable[[list[LogObject]], Iterator[Event]]) -> None:
        # Archived objects and unknown layouts are settled without a request.
        readable = [item for item in self.listed if item.problem is None]
        self.starts = _starts(readable)
        self.left = Counter(item.partition for item in self.listed)
        for item in self.listed:
            if item.problem is not None:
                self._end(item, ObjectEnd(-1, ObjectState.REFUSED, reason=item.problem, detail=_problem(item)))
        for event in parse_objects(readable):
            if isinstance(event, ObjectEnd):
                self._end(readable[event.object], event, readable)
            # The object may still turn out broken, and then none of its rows may count.
            elif event.provisional:
                self._add_provisional(event, readable)
            else:
                self._add(event, readable)
        self._close_all(self.outputs.keys())

    def _add(self, parsed: Parsed, listed: list[LogObject]) -> None:
        for planned, part in _by_partition(parsed, listed, self.starts):
            for partition, routed in self._routed(part, listed, planned):
                self._output(partition).add(routed, listed)

    def _routed(self, part: Parsed, listed: list[LogObject], planned: Partition) -> Iterator[tuple[Partition, Parsed]]:
        """Split the rows planned for one partition by the partitions to which they belong."""
        # The parser has refused flow records of a region other than the key's.
        if self.target.log_type is LogType.VPC_FLOW:
            yield planned, part
            return
        part = self._with_early(part)
        found = homes_of(part, listed, planned) if len(part.rows) else {}
        # Nearly every event: all rows are at home, and nothing is split.
        if not found and not any(self.homes.get(record.object) for record in part.refused):
            self._remember_last(part)
            yield planned, part
            return
        self.homes |= found
        self._remember_last(part)
        # An object may have refused records only.
        ordinals = {*np.unique(part.objects).tolist(), *(record.object for record in part.refused)}
        together: defaultdict[Partition, list[int]] = defaultdict(list)
        for ordinal in sorted(ordinals):
            if self._is_wanted(listed[ordinal], place := self._place(ordinal, planned)):
                together[place].append(ordinal)
        for place, mine in sorted(together.items()):
            yield place, _only(part, mine)

    def _with_early(self, part: Parsed) -> Parsed:
        """Keep back refused records until their object's home is known, and give those whose home is known now."""
        if not part.refused and not self.early:
            return part
        placed = {*np.unique(part.objects).tolist(), *self.homes}
        for record in part.refused:
            if record.object not in placed:
                self.early[record.object].append(record)
        now_known = [record for ordinal in sorted(placed & self.early.keys()) for record in self.early.pop(ordinal)]
        known = [record for record in part.refused if record.object in placed]
        return replace(part, refused=[*now_known, *known])

    def _remember_last(self, part: Parsed) -> None:
        """Only the last object can go on in the next event."""
        if len(part.objects):
            self.homes.setdefault(int(part.objects[-1]), None)

    def _place(self, ordinal: int, planned: Partition) -> Partition:
        home = self.homes.get(ordinal)
        return home.partition if home else planned

    def _is_wanted(self, item: LogObject, place: Partition) -> bool:
        return place == item.partition or self.covers(item, place.region)

    def _add_provisional(self, parsed: Parsed, listed: list[LogObject]) -> None:
        """Add records of one large object. Those that came before its home was known move there in the end."""
        ordinals = [*parsed.objects[:1].tolist(), *(record.object for record in parsed.refused[:1])]
        if not ordinals:
            return
        planned = listed[ordinals[0]].partition
        is_dns = self.target.log_type is LogType.VPC_DNS
        if is_dns and len(parsed.rows) and ordinals[0] not in self.homes:
            self.homes[ordinals[0]] = homes_of(parsed, listed, planned).get(ordinals[0])
        place = self._place(ordinals[0], planned)
        # A second output begins once the first good record names another region.
        if not self.provisional or self.provisional[-1].partition != place:
            self.provisional.append(Output(self.target, place))
        if self._is_wanted(listed[ordinals[0]], place):
            self.provisional[-1].add(parsed, listed)

    def _end(self, item: LogObject, end: ObjectEnd, listed: Sequence[LogObject] = ()) -> None:
        home = self.homes.pop(end.object, None)
        loaded = end.state is ObjectState.LOADED
        place = home.partition if home and loaded else item.partition
        wanted = self._is_wanted(item, place)
        self._end_provisional(place, keep=loaded and wanted)
        early = self.early.pop(end.object, [])
        if wanted:
            output = self._output(place)
            output.add(_only_refused(early if loaded else []), listed)
            if end.state is ObjectState.REFUSED:
                output.refuse([(item, None, end.reason or "", end.detail)])
            output.statistics.observe_end(item, end)
        self.result.outcomes.append(self._outcome(item, end, place, wanted=wanted))
        # Records of a VPC that another account shares do not place the rest of the folder.
        if home and loaded and item.region == UNKNOWN_REGION and home.account == item.account:
            self.result.learned.append(LearnedRegion(item.account, item.scope, place.region, item.key))
        self.progress(1, end.records)
        # Files close as soon as their partition is complete: memory follows open partitions, not the batch.
        self.left[item.partition] -= 1
        if not self.left[item.partition]:
            del self.left[item.partition]
            self._close_all([item.partition])
        if len(self.outputs.keys() - self.left.keys()) > _MAX_OPEN:
            self._close_all(self.outputs.keys() - self.left.keys())

    def _end_provisional(self, place: Partition, *, keep: bool) -> None:
        for output in self.provisional:
            if keep:
                self._close(output, place)
            else:
                output.discard()
        self.provisional = []

    def _output(self, partition: Partition) -> Output:
        if partition not in self.outputs:
            self.outputs[partition] = Output(self.target, partition)
        return self.outputs[partition]

    def _close_all(self, partitions: Iterable[Partition]) -> None:
        for partition in sorted(partitions):
            if partition in self.outputs:
                self._close(self.outputs.pop(partition), partition)

    def _close(self, output: Output, partition: Partition) -> None:
        """Close an output, whose content belongs to the partition."""
        files = output.close()
        if output.partition != partition:
            files = relocated(self.target.warehouse, files, partition, stem=self.target.stem)
        self.result.files.extend(files)
        # A partition may be closed more than once, if objects planned elsewhere reach it later.
        parts: list[StatisticsJson] = [output.statistics.to_json()]
        if partition.key in self.result.statistics:
            parts.append(self.result.statistics[partition.key])
        self.result.statistics[partition.key] = merge(parts)

    def _outcome(self, item: LogObject, end: ObjectEnd, place: Partition, *, wanted: bool) -> ObjectOutcome:
        if not wanted:
            detail = f"its records name {place.region}, which the source's list of regions leaves out"
            return ObjectOutcome(item.identity, item.partition.key, LEFT_OUT, raw_bytes=end.raw_bytes, detail=detail)
        loaded = end.state is ObjectState.LOADED
        return ObjectOutcome(
            identity=item.identity,
            partition=place.key,
            state=end.state.value,
            rows=end.rows if loaded else 0,
            # an object refused whole is one row of the quarantine
            refused=end.refused if loaded else int(end.state is ObjectState.REFUSED),
            raw_bytes=end.raw_bytes,
            reason=end.reason,
            detail=end.detail,
        )


def _only(part: Parsed, ordinals: Sequence[int]) -> Parsed:
    """Of the events those of the given objects."""
    mine = np.isin(part.objects, ordinals)
    wanted = frozenset(ordinals)
    refused = [record for record in part.refused if record.object in wanted]
    if mine.all():
        return replace(part, refused=refused)
    return replace(
        part, rows=part.rows.filter(pa.array(mine)), objects=part.objects[mine], lines=part.lines[mine], refused=refused
    )


def _only_refused(records: list[Refused]) -> Parsed:
    return Parsed(pa.table({}), np.empty(0, np.int32), np.empty(0, np.int64), records)


def _starts(listed: Sequence[LogObject]) -> list[int]:
    """Return the index of the first object of each partition; objects come in partition order."""
    return [i for i, item in enumerate(listed) if not i or item.partition != listed[i - 1].partition]


def _by_partition(
    parsed: Parsed, listed: Sequence[LogObject], starts: Sequence[int]
) -> Iterator[tuple[Partition, Parsed]]:
    """Cut events where the partition changes; rows and refused records come in object order."""
    ordinals = {*np.unique(parsed.objects).tolist(), *(record.object for record in parsed.refused)}
    touched = sorted({bisect_right(starts, ordinal) - 1 for ordinal in ordinals})
    if len(touched) == 1:
        yield listed[starts[touched[0]]].partition, parsed
        return
    for place in touched:
        first = starts[place]
        last = starts[place + 1] if place + 1 < len(starts) else len(listed)
        start, end = np.searchsorted(parsed.objects, [first, last])
        refused = (bisect_left(parsed.refused, ordinal, key=_OBJECT) for ordinal in (first, last))
        yield (
            listed[first].partition,
            Parsed(
                rows=parsed.rows.slice(start, end - start),
                objects=parsed.objects[start:end],
                lines=parsed.lines[start:end],
                refused=parsed.refused[slice(*refused)],
            ),
        )


def _problem(item: LogObject) -> str:
    if item.problem == "archived":
        return "the object is in an archive storage class; restore it, then reload the partition"
    return f"the key does not fit the documented layout of {item.log_type} objects, so nothing of it was read"
