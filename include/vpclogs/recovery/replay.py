"""Replay: quarantined records that parse after a parser fix move to their table.

A run like any other (plan, stage, audit, publish, verdict), except that its stage reads the text kept in the
quarantine instead of S3. Anything that needs more than that text requires a reload of the partition: objects refused
whole, records whose text was too long to keep, rows of Parquet objects.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.expressions import And, BooleanExpression

from vpclogs.errors import LedgerMismatch, VpcLogsError
from vpclogs.ledger.objects import log_object
from vpclogs.manifests import Mode
from vpclogs.objects import LogObject
from vpclogs.parsing.kept import KeptRecord, parse_kept
from vpclogs.parsing.model import Parsed
from vpclogs.partitions import UNKNOWN_REGION, LogType, Partition
from vpclogs.planning.survey import Survey
from vpclogs.reloads.backfill import plan_reloads
from vpclogs.runs import BatchRef, StageCounts
from vpclogs.schemas import schema_for
from vpclogs.staged import BatchResult, ObjectOutcome
from vpclogs.staging.outputs import Output, Target
from vpclogs.staging.stage import Progress
from vpclogs.warehouse.tables import QUARANTINE, equals, in_partition

if TYPE_CHECKING:
    from vpclogs.pipeline import Pipeline

__all__ = ["Held", "count_movable", "find_reloads", "plan_replay", "stage_replay", "survey_quarantine"]

_PLACE = ("p_account", "p_region", "p_day")
_HOW = ("p_row_id", "p_source_line", "raw_complete", "start", "header", "reason")
_TEXT = ("p_row_id", "p_source_line", "raw_complete", "start", "header", "raw", "raw_bytes")


@dataclass(frozen=True)
class Held:
    """The quarantined content of one partition, by reason.

    ``kept`` records can be parsed again from their text, ``cut`` records cannot, ``whole`` objects were refused
    whole. ``identities`` are the objects with records in ``kept``.
    """

    partition: Partition
    kept: Counter[str] = field(default_factory=Counter)
    cut: Counter[str] = field(default_factory=Counter)
    whole: Counter[str] = field(default_factory=Counter)
    identities: set[str] = field(default_factory=set)

    @property
    def needs_reload(self) -> bool:
        """True if some of it can only be recovered by reading the partition's objects again.

        Objects of the region ``unknown`` move to their region once their records can be read.
        """
        return bool(self.cut or self.whole or self.partition.region == UNKNOWN_REGION)


def survey_quarantine(
    pipeline: Pipeline, log_type: LogType, *, reason: str | None = None, partition: Partition | None = None
) -> list[Held]:
    """Return the content of the quarantine by partition, all or of one reason or partition. Changes nothing."""
    found: dict[Partition, Held] = {}
    for rows in _scan(pipeline, _where(log_type, reason, partition), (*_PLACE, *_HOW)):
        kept, whole = _is_kept(rows, log_type), pc.is_null(rows.column("p_source_line"))
        rows = rows.append_column("kept", kept).append_column("whole", whole)
        rows = rows.append_column("identity", pc.if_else(kept, _identities(rows), None))
        groups = rows.group_by([*_PLACE, "reason", "kept", "whole"]).aggregate(
            [("p_row_id", "count"), ("identity", "distinct")]
        )
        for group in groups.to_pylist():
            place = Partition(log_type, *(group[name] for name in _PLACE))
            held = found.setdefault(place, Held(place))
            counts = held.whole if group["whole"] else held.kept if group["kept"] else held.cut
            counts[group["reason"]] += group["p_row_id_count"]
            held.identities.update(filter(None, group["identity_distinct"]))
    return [found[place] for place in sorted(found)]


def plan_replay(
    pipeline: Pipeline,
    log_type: LogType | str,
    *,
    run_key: str,
    reason: str | None = None,
    partition: Partition | None = None,
) -> list[BatchRef]:
    """Freeze the objects whose records can be parsed from the quarantine; return one reference per batch.

    Raises:
        LedgerMismatch: the quarantine has records of an object that the ledger does not have.
    """
    kind = LogType(log_type)
    pipeline.publisher.complete_open(kind)
    held = survey_quarantine(pipeline, kind, reason=reason, partition=partition)
    objects = [item for one in held for item in _objects(pipeline, one)]
    found = Survey(tuple(objects), (), len(objects), 0)
    batches = pipeline.freeze(kind, found, run_key=run_key, mode=Mode.REPLAY)
    return [msgspec.structs.replace(batch, reason=reason) for batch in batches]


def stage_replay(
    pipeline: Pipeline, batch: BatchRef, *, progress: Progress = lambda objects, records: None
) -> StageCounts:
    """Parse the kept records of a batch's objects and write the rows of those that parse now."""
    objects = pipeline.ledger.manifests.batch(batch.manifest, batch.batch)
    result = BatchResult(files=[], outcomes=[], statistics={})
    target = Target(objects[0].log_type, f"{batch.manifest}-{batch.batch:04d}", pipeline.warehouse, pipeline.clock())
    for partition, listed in _by_partition(objects):
        output, rows = Output(target, partition), Counter[int]()
        for parsed in _parsed(pipeline, partition, listed, batch.reason):
            output.add(parsed, listed)
            rows.update(parsed.objects.tolist())
        result.files.extend(output.close())
        result.statistics[partition.key] = output.statistics.to_json()
        progress(len(listed), rows.total())
        result.outcomes.extend(
            ObjectOutcome(item.identity, partition.key, "loaded", rows=rows[ordinal])
            for ordinal, item in enumerate(listed)
        )
    pipeline.ledger.manifests.keep_staged(batch.manifest, batch.batch, result, now=pipeline.clock())
    rows_moved = sum(outcome.rows for outcome in result.outcomes)
    return StageCounts(objects=len(objects), records=rows_moved, rows=rows_moved, refused=0, unread=0)


def find_reloads(
    pipeline: Pipeline, log_type: LogType, *, reason: str | None = None, partition: Partition | None = None
) -> list[str]:
    """Return the keys of partitions that must be read from S3 again because their kept text is incomplete.

    Raises:
        VpcLogsError: they exceed the limits of a backfill.
    """
    held = survey_quarantine(pipeline, log_type, reason=reason, partition=partition)
    partitions = [one.partition for one in held if one.needs_reload]
    # One command could otherwise start reloads of a whole year.
    if partitions and (excess := plan_reloads(pipeline, partitions).beyond(pipeline.settings.limits, budget=None)):
        raise VpcLogsError(
            f"{len(partitions)} partitions must be read from S3 again, and {excess}: start with one reason or "
            f"partition, without reloads, or raise limits.backfill_max_bytes or backfill_max_objects"
        )
    return [one.key for one in partitions]


def count_movable(pipeline: Pipeline, held: Held, *, reason: str | None = None) -> int:
    """Return the number of a partition's kept records that parse now. Writes nothing."""
    listed = [item for _, group in _by_partition(_objects(pipeline, held)) for item in group]
    return sum(len(parsed.rows) for parsed in _parsed(pipeline, held.partition, listed, reason))


def _objects(pipeline: Pipeline, held: Held) -> list[LogObject]:
    """Return the objects of the kept records, from the ledger."""
    known = {row.identity: log_object(row) for row in pipeline.ledger.objects.settled_in(held.partition)}
    if missing := held.identities - known.keys():
        raise LedgerMismatch(
            f"{held.partition.label}: the quarantine has records of {len(missing)} objects that the ledger does not "
            f"have as loaded. Run `vpclogs ledger rebuild`, then run this again."
        )
    return [known[identity] for identity in sorted(held.identities)]


def _by_partition(objects: Iterable[LogObject]) -> Iterator[tuple[Partition, list[LogObject]]]:
    ordered = sorted(objects, key=lambda item: (item.partition, item.source, item.key))
    for partition, group in groupby(ordered, key=lambda item: item.partition):
        yield partition, list(group)


def _parsed(
    pipeline: Pipeline, partition: Partition, listed: Sequence[LogObject], reason: str | None
) -> Iterator[Parsed]:
    """Yield the records of the listed objects that parse now, in the order of object and line."""
    places = pa.array([item.identity for item in listed], pa.string())
    pieces = []
    for rows in _scan(pipeline, _where(partition.log_type, reason, partition), _TEXT):
        ordinals = pc.index_in(_identities(rows), value_set=places)
        wanted = pc.and_(_is_kept(rows, partition.log_type), pc.is_valid(ordinals))
        pieces.append(rows.append_column("object", ordinals).filter(wanted))
    if not pieces:
        return
    # The parser expects objects and lines in order; the quarantine's files have the order of their publishes.
    ordered = pa.concat_tables(pieces).sort_by([("object", "ascending"), ("p_source_line", "ascending")])
    limits = pipeline.settings.limits.parsing
    for parsed in parse_kept(partition.log_type, _records(ordered), limits):
        yield from _by_source(_of_region(parsed, partition.region), listed)


def _of_region(parsed: Parsed, region: str) -> Parsed:
    """The records less those that name another region: these stay in the quarantine."""
    mine = np.asarray(pc.fill_null(pc.equal(parsed.rows.column("region").cast(pa.string()), region), True))
    return (
        parsed if mine.all() else Parsed(parsed.rows.filter(pa.array(mine)), parsed.objects[mine], parsed.lines[mine])
    )


def _records(rows: pa.Table) -> Iterator[KeptRecord]:
    for batch in rows.to_batches(max_chunksize=10_000):
        for row in batch.to_pylist():
            raw = row["raw_bytes"] if row["raw_bytes"] is not None else row["raw"].encode()
            yield KeptRecord(row["object"], row["p_source_line"], row["start"], raw, row["header"])


def _by_source(parsed: Parsed, listed: Sequence[LogObject]) -> Iterator[Parsed]:
    """Split where the source changes: rows get their lineage one source at a time."""
    sources = np.array([item.source for item in listed])[parsed.objects]
    cuts = [0, *(np.flatnonzero(sources[1:] != sources[:-1]) + 1).tolist(), len(sources)]
    for start, end in pairwise(cuts):
        yield Parsed(parsed.rows.slice(start, end - start), parsed.objects[start:end], parsed.lines[start:end])


def _scan(pipeline: Pipeline, where: BooleanExpression, columns: Sequence[str]) -> Iterator[pa.Table]:
    table = pipeline.warehouse.table(QUARANTINE)
    for batch in table.scan(row_filter=where, selected_fields=tuple(columns)).to_arrow_batch_reader():
        if len(batch):
            yield pa.Table.from_batches([batch]).select(columns)


def _where(log_type: LogType, reason: str | None, partition: Partition | None) -> BooleanExpression:
    if partition is not None:
        where = in_partition(partition, QUARANTINE)
    else:
        where = equals("p_log_type", schema_for(log_type).title)
    return where if reason is None else And(where, equals("reason", reason))


def _is_kept(rows: pa.Table, log_type: LogType) -> pa.ChunkedArray:
    """Return a mask of records that can be parsed again from the kept text."""
    kept = pc.and_(rows.column("raw_complete"), pc.is_valid(rows.column("p_source_line")))
    kept = pc.and_(kept, pc.is_valid(rows.column("start")))  # null for a row of a Parquet object
    return pc.and_(kept, pc.is_valid(rows.column("header"))) if log_type is LogType.VPC_FLOW else kept


def _identities(rows: pa.Table) -> pa.ChunkedArray:
    return pc.utf8_slice_codeunits(rows.column("p_row_id"), 0, 24)
