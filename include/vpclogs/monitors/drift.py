"""Schema drift: versions, fields and columns that are new in a source, or that disappeared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any

from vpclogs.findings import Severity
from vpclogs.ledger.schema_features import SchemaFeature
from vpclogs.monitors.entities import Entity
from vpclogs.monitors.monitor import Observation
from vpclogs.monitors.snapshot import Snapshot
from vpclogs.partitions import LogType, Partition
from vpclogs.profile.counter import OTHERS, NameCounter
from vpclogs.profile.expectations import EXPECTATIONS
from vpclogs.profile.partition_statistics import PartitionStatistics

__all__ = ["Kind", "drifts", "features_in"]

_NEWS = timedelta(days=2)  # how long a change counts as new, and how long a source does
_FEWEST_DAYS = 3
_USUAL = 0.9  # share of days: columns filled less often may be missing
_FEWEST_RECORDS = 1000


class Kind(StrEnum):
    """The kind of a trait."""

    RECORDS = "records"  # the presence of any records; its name is empty
    VERSION = "version"
    UNKNOWN_FIELD = "unknown_field"  # a field that the schema does not have
    COLUMN = "column"  # a column of the schema with a value in some record


def features_in(
    log_type: str, statistics: Mapping[str, Mapping[str, Any]], sources: Mapping[Partition, str]
) -> Iterator[tuple[SchemaFeature, date, str | None]]:
    """Yield the traits in a batch's statistics (by partition key), each with its path day and an example."""
    for key, data in statistics.items():
        partition = Partition.parse(key, log_type)
        seen = PartitionStatistics.from_json({name: value for name, value in data.items() if name != "sample"})
        if partition not in sources or not seen.rows:
            continue
        entity = (log_type, sources[partition], partition.account, partition.region)
        yield SchemaFeature(*entity, Kind.RECORDS, ""), partition.day, None
        for kind, tally in (
            (Kind.VERSION, seen.versions),
            (Kind.UNKNOWN_FIELD, seen.unknown_fields),
            (Kind.COLUMN, seen.filled),
        ):
            yield from ((SchemaFeature(*entity, kind, name), partition.day, example) for name, example in _names(tally))


def _names(tally: NameCounter) -> Iterator[tuple[str, str | None]]:
    return ((name, entry.example) for name, entry in tally.names.items())


def drifts(snapshot: Snapshot) -> Iterator[Observation]:
    """Yield new traits of the last two days, and columns that no longer have a value."""
    by_source: defaultdict[Entity, list[Any]] = defaultdict(list)
    for row in snapshot.traits:
        by_source[Entity(row.log_type, row.source)].append(row)
    for entity, traits in sorted(by_source.items()):
        yield from _new(snapshot, entity, traits)
        yield from _dropped(snapshot, entity, traits)


def _new(snapshot: Snapshot, entity: Entity, traits: Sequence[Any]) -> Iterator[Observation]:
    began = min(row.noticed_at for row in traits)
    newest_first = sorted(traits, key=_when_and_where, reverse=True)
    first = {(row.kind, row.name): row for row in newest_first}
    for (kind, name), row in sorted(first.items()):
        unknown = kind == Kind.UNKNOWN_FIELD or (
            kind == Kind.VERSION and name not in EXPECTATIONS[LogType(entity.log_type)].versions
        )
        # In the first days of a source everything is new; only what the schema does not know is news then.
        if row.noticed_at > snapshot.now - _NEWS and (unknown or row.noticed_at >= began + _NEWS) and name:
            yield Observation(
                entity,
                f"{entity.log_type} of the source {entity.source}: {_words(kind, name)} is new, "
                f"first in {row.account} {row.region} on {row.first_day}",
                about=f"{kind}/{name}",
                example=row.example,
                # a value that the schema knows has a column already
                severity=None if unknown else Severity.INFO,
            )


def _when_and_where(row: Any) -> tuple[datetime, date, str, str]:
    return row.noticed_at, row.first_day, row.account, row.region


def _words(kind: str, name: str) -> str:
    match Kind(kind):
        case Kind.UNKNOWN_FIELD if name == OTHERS:
            return "a field beyond the first 200 that the schema does not have (all are kept in p_extra)"
        case Kind.UNKNOWN_FIELD:
            return f"the field {name}, which the schema does not have (it is kept in p_extra),"
        case Kind.VERSION:
            return f"the format version {name}"
        case _:
            return f"the column {name}"


def _dropped(snapshot: Snapshot, entity: Entity, traits: Sequence[Any]) -> Iterator[Observation]:
    """Yield columns filled on nearly all days but not on the last whole day."""
    whole_days = _last_whole_days(snapshot, entity)
    records = {(row.account, row.region): row for row in traits if row.kind == Kind.RECORDS}
    gone: defaultdict[str, list[str]] = defaultdict(list)
    for row in (row for row in traits if row.kind == Kind.COLUMN and row.days >= _FEWEST_DAYS):
        where = (row.account, row.region)
        day = whole_days.get(where)
        # A column that disappeared longer ago was reported then.
        if day is not None and row.last_day < day <= row.last_day + _NEWS:
            days_since = (records[where].last_day - row.last_day).days
            if row.days >= _USUAL * (records[where].days - days_since):
                gone[row.name].append(f"{row.account} {row.region} since {row.last_day}")
    for name, entities in sorted(gone.items()):
        more = f" and {len(entities) - 3} more" if len(entities) > 3 else ""
        yield Observation(
            entity,
            f"{entity.log_type} of the source {entity.source}: the column {name} has no value any more in "
            f"{', '.join(entities[:3])}{more}; it had one on nearly every day",
            about=f"dropped/{name}",
        )


def _last_whole_days(snapshot: Snapshot, entity: Entity) -> dict[tuple[str | None, str | None], date]:
    """Return, by account and region, the last day before today with enough records to judge."""
    midnight = datetime.combine(snapshot.now.date(), time(), UTC)
    last: dict[tuple[str | None, str | None], date] = {}
    for back in range(_NEWS.days + 1, 0, -1):
        begin = midnight - timedelta(days=back)
        regions = snapshot.grids[LogType(entity.log_type)].between(begin, begin + timedelta(days=1)).wider()
        if regions is not None:
            for one, rows in zip(regions.entities, regions.rows.sum(axis=1), strict=True):
                if one.source == entity.source and rows >= _FEWEST_RECORDS:
                    last[one.account, one.region] = begin.date()
    return last
