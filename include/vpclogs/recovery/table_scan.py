"""The objects and publishes recorded in the tables themselves, read without a ledger."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.exceptions import NoSuchNamespaceError
from pyiceberg.expressions import In
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot

from vpclogs.intents import Plan
from vpclogs.partitions import LogType, Partition
from vpclogs.schemas import schema_for
from vpclogs.warehouse.snapshots import INTENT_PROPERTY
from vpclogs.warehouse.tables import QUARANTINE, Warehouse

__all__ = ["TableScan", "FoundObject", "FoundPublish"]

_ROW = ("p_row_id", "p_source_label", "p_source_bucket", "p_source_key", "p_account", "p_region", "p_day")
_REFUSED = (*_ROW, "p_log_type", "p_source_etag", "p_source_line", "reason", "detail")
_LOG_TYPES = {schema_for(log_type).title: log_type for log_type in LogType}
_EPOCH = date(1970, 1, 1)


@dataclass(slots=True)
class FoundObject:
    """An object that has rows in the tables. ``etag`` is None where no row records it.

    ``rows`` and ``refused`` count records. For an object refused whole, ``refused`` is 1 and ``reason`` is set.
    """

    identity: str
    partition: Partition
    source: str
    bucket: str
    key: str
    etag: str | None = None
    rows: int = 0
    refused: int = 0
    reason: str | None = None
    detail: str = ""


@dataclass(slots=True)
class FoundPublish:
    """A publish in the history of the tables: ``tables`` contain it, ``changes`` are the tables it is meant for."""

    id: str
    run_key: str
    manifest_hash: str
    changes: frozenset[str]
    at: datetime
    tables: set[str]

    @property
    def log_types(self) -> list[LogType]:
        """The log types whose tables it is meant for; none if only the quarantine."""
        return [log_type for log_type in LogType if log_type.value in self.changes]


class TableScan:
    """Reads the tables of a warehouse as of its creation."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self._tables = _tables(warehouse)

    def unchanged(self) -> bool:
        """Return True while the tables are as they were."""
        return _snapshots(self._tables) == _snapshots(_tables(self._warehouse))

    def days(self) -> list[date]:
        """Return the days that have rows."""
        found: set[date] = set()
        for table in self._tables.values():
            if table.current_snapshot() is not None:  # an empty table has no snapshot
                found |= {place["p_day"] for place in table.inspect.partitions().column("partition").to_pylist()}
        return sorted(found)

    def objects(self, days: Sequence[date]) -> dict[str, FoundObject]:
        """Return the objects of both logs under the days, by identity. Reads a few columns of all their rows."""
        objects: dict[str, FoundObject] = {}
        for name, table in self._tables.items():
            log_type = None if name == QUARANTINE else LogType(name)
            for rows in _scan(table, days, _REFUSED if log_type is None else _ROW):
                _count(objects, rows, log_type)
        return objects

    def publishes(self) -> list[FoundPublish]:
        """Return all publishes in the tables' history, newest first."""
        found: dict[str, FoundPublish] = {}
        for name, table in self._tables.items():
            for snapshot in table.metadata.snapshots:
                said = _said(snapshot)
                if intent := said.get(INTENT_PROPERTY):
                    at = datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC)
                    run, manifest = said.get("vpclogs.run", ""), said.get("vpclogs.manifest", "")
                    changes = frozenset(said.get("vpclogs.tables", name).split(","))
                    publish = found.setdefault(intent, FoundPublish(intent, run, manifest, changes, at, set()))
                    publish.tables.add(name)
                    publish.at = max(publish.at, at)
        return sorted(found.values(), key=lambda publish: publish.at, reverse=True)

    def remembers(self, plan: Plan) -> bool:
        """Return True if the history reaches back before the plan, so that a publish missing in it never happened."""
        for name in plan.tables:
            if (table := self._tables.get(name)) is not None:
                numbers = [snapshot.sequence_number or 0 for snapshot in table.metadata.snapshots]
                if min(numbers, default=table.last_sequence_number) > plan.bases.get(name, 0) + 1:
                    return False
        return True

    def touched(self, publish: FoundPublish) -> set[Partition]:
        """Return the partitions whose quarantine a publish changed."""
        table = self._tables[QUARANTINE]
        mine = [s for s in table.metadata.snapshots if _said(s).get(INTENT_PROPERTY) == publish.id]
        ids = {snapshot.snapshot_id for snapshot in mine}
        touched: set[Partition] = set()
        for manifest in {m.manifest_path: m for snapshot in mine for m in snapshot.manifests(table.io)}.values():
            names = [field.name for field in table.specs()[manifest.partition_spec_id].fields]
            # A replay takes rows out of the quarantine: its entries are deletions.
            for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=False):
                if entry.snapshot_id in ids:
                    place = {name: entry.data_file.partition[position] for position, name in enumerate(names)}
                    log_type, day = _LOG_TYPES[place["p_log_type"]], _day(place["p_day"])
                    touched.add(Partition(log_type, place["p_account"], place["p_region"], day))
        return touched


def _tables(warehouse: Warehouse) -> dict[str, Table]:
    """Return the tables that exist."""
    existing: list[str] = []
    with suppress(NoSuchNamespaceError):
        existing = warehouse.names()
    names = [log_type.value for log_type in LogType]
    return {name: warehouse.table(name) for name in (*names, QUARANTINE) if name in existing}


def _snapshots(tables: Mapping[str, Table]) -> dict[str, int | None]:
    currents = {name: table.current_snapshot() for name, table in tables.items()}
    return {name: current.snapshot_id if current else None for name, current in currents.items()}


def _scan(table: Table, days: Sequence[date], columns: tuple[str, ...]) -> Iterator[pa.Table]:
    # pyiceberg converts names and values itself, but its types do not declare it
    where = In("p_day", days)  # type: ignore
    scan = table.scan(row_filter=where, selected_fields=columns)
    for batch in scan.to_arrow_batch_reader():
        if len(batch):
            rows = pa.Table.from_batches([batch])
            yield rows.append_column("identity", pc.utf8_slice_codeunits(rows.column("p_row_id"), 0, 24))


def _count(objects: dict[str, FoundObject], rows: pa.Table, log_type: LogType | None) -> None:
    """Count rows of a log's table, or of the quarantine (None)."""
    # All rows of an object share them, so the first one is as good as any.
    same = [name for name in rows.column_names if name not in ("p_row_id", "identity")]
    groups = rows.group_by("identity", use_threads=False).aggregate(
        [("p_row_id", "count"), *((name, "first") for name in same)]
    )
    for group in groups.to_pylist():
        found = objects.get(group["identity"])
        if found is None:
            kind = log_type or _LOG_TYPES[group["p_log_type_first"]]
            found = objects[group["identity"]] = FoundObject(
                identity=group["identity"],
                partition=Partition(kind, group["p_account_first"], group["p_region_first"], group["p_day_first"]),
                source=group["p_source_label_first"],
                bucket=group["p_source_bucket_first"],
                key=group["p_source_key_first"],
            )
        if log_type is not None:
            found.rows += group["p_row_id_count"]
            continue
        found.refused += group["p_row_id_count"]
        found.etag = group["p_source_etag_first"]
        if group["p_source_line_first"] is None:
            found.reason, found.detail = group["reason_first"], group["detail_first"]


def _said(snapshot: Snapshot) -> Mapping[str, str]:
    return snapshot.summary.additional_properties if snapshot.summary else {}


def _day(value: date | int) -> date:
    """Return a day stored in a manifest as a date or as days since 1970."""
    return value if isinstance(value, date) else _EPOCH + timedelta(days=value)
