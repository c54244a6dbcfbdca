"""Published rows that a reload keeps, because S3 does not have their objects any more."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Row

from vpclogs.identifiers import is_region
from vpclogs.ledger.objects import log_object
from vpclogs.parsing.model import Refused
from vpclogs.partitions import LogType, Partition
from vpclogs.staged import ObjectOutcome, StagedFile
from vpclogs.staging.lineage import quarantine_rows
from vpclogs.warehouse.rewrite import identities_of, of_objects, with_all_columns, within, write_rows
from vpclogs.warehouse.tables import QUARANTINE, Warehouse, in_partition, table_schema

__all__ = ["Carried", "carry_over"]

_QUARANTINE = table_schema(QUARANTINE)


@dataclass
class Carried:
    """Published rows that a reload keeps. ``outcomes`` are of the objects whose rows belong to another partition."""

    files: list[StagedFile] = field(default_factory=list)
    outcomes: list[ObjectOutcome] = field(default_factory=list)

    def add(self, other: Carried) -> None:
        """Add another partition's."""
        self.files += other.files
        self.outcomes += other.outcomes


def carry_over(warehouse: Warehouse, partition: Partition, kept: Sequence[Row[Any]], *, stem: str) -> Carried:
    """Return new files with the published rows of the given objects, for a reload that must not lose them.

    ``kept`` are rows of the ledger. Rows that name another region move there.
    """
    if not kept:
        return Carried()
    # Two scans of one partition, filtered by object afterwards: the list may be too long for a row filter.
    good, refused = (
        warehouse.table(name).scan(row_filter=in_partition(partition, name)).to_arrow()
        for name in (partition.log_type.value, QUARANTINE)
    )
    identities = [row.identity for row in kept]
    good, refused = good.filter(of_objects(good, identities)), refused.filter(of_objects(refused, identities))
    carrier = _Carrier(warehouse, partition, stem, kept)
    carrier.find_homes(good)
    return carrier.carry(good, refused)


class _Carrier:
    def __init__(self, warehouse: Warehouse, partition: Partition, stem: str, kept: Sequence[Row[Any]]) -> None:
        self._warehouse = warehouse
        self._partition = partition
        self._stem = stem
        self._kept = {row.identity: row for row in kept}
        self._homes: dict[str, str] = {}  # the regions of the objects whose rows lie at the wrong place
        self._foreign = Counter[str]()

    def find_homes(self, rows: pa.Table) -> None:
        """Find the objects that belong to the region of their first row. A flow object's is that of its key."""
        if self._partition.log_type is LogType.VPC_FLOW or not len(rows):
            return
        wrong = rows.filter(pc.not_equal(rows.column("region"), self._partition.region))
        suspects = pc.unique(identities_of(wrong)).to_pylist()
        # In line order, so that the first record decides here as it does in the parser.
        ordered = rows.filter(of_objects(rows, suspects)).select(["p_row_id", "region"]).sort_by("p_row_id")
        regions = ordered.column("region").to_pylist()
        for identity, region in zip(identities_of(ordered).to_pylist(), regions, strict=True):
            if is_region(region):
                self._homes.setdefault(identity, region)
        self._homes = {one: region for one, region in self._homes.items() if region != self._partition.region}

    def carry(self, rows: pa.Table, refused: pa.Table) -> Carried:
        """Write the rows of each place."""
        carried = Carried()
        name = self._partition.log_type.value
        for region in sorted({self._partition.region, *self._homes.values()}):
            place = replace(self._partition, region=region)
            here, foreign = self._split_foreign(self._at(rows, region), region)
            parts = [with_all_columns(self._at(refused, region), _QUARANTINE), *foreign]
            records = pa.concat_tables(parts, promote_options="permissive")  # other engines may have added columns
            carried.files += write_rows(self._warehouse, name, place, within(here, place), self._stem)
            carried.files += write_rows(self._warehouse, QUARANTINE, place, within(records, place), self._stem)
        carried.outcomes = [self._outcome(identity) for identity in sorted({*self._homes, *self._foreign})]
        return carried

    def _at(self, rows: pa.Table, region: str) -> pa.Table:
        """The rows of the objects that belong to a region."""
        if region == self._partition.region:
            return rows.filter(pc.invert(of_objects(rows, self._homes)))
        return rows.filter(of_objects(rows, [one for one, home in self._homes.items() if home == region]))

    def _split_foreign(self, rows: pa.Table, region: str) -> tuple[pa.Table, list[pa.Table]]:
        """The rows, and as rows of the quarantine those that name another region than their object."""
        foreign = pc.fill_null(pc.not_equal(rows.column("region"), region), False)
        if not pc.any(foreign).as_py():
            return rows, []
        place = replace(self._partition, region=region)
        records = []
        # Rows of releases before foreign records were refused; there are few, so Python is fast enough.
        for row in rows.filter(foreign).to_pylist():
            item = log_object(self._kept[row["p_row_id"][:24]])
            record = _foreign_record(row, region)
            records.append((item, record, record.reason, record.detail))
            self._foreign[item.identity] += 1
        now = max(row["p_parse_time"] for row in rows.filter(foreign).select(["p_parse_time"]).to_pylist())
        written = quarantine_rows(records, partition=place, table=_QUARANTINE, now=now)
        return rows.filter(pc.invert(foreign)), [written]

    def _outcome(self, identity: str) -> ObjectOutcome:
        row, foreign = self._kept[identity], self._foreign[identity]
        region = self._homes.get(identity, self._partition.region)
        return ObjectOutcome(
            identity=identity,
            partition=replace(self._partition, region=region).key,
            state=row.state,
            rows=row.rows - foreign,
            refused=row.refused + foreign,
            raw_bytes=row.raw_bytes,
            reason=row.reason,
            detail=row.detail or "",
        )


def _foreign_record(row: dict[str, Any], region: str) -> Refused:
    """Return the refusal of a row that belongs to another region; its text is the row's as JSON."""
    shown = {name: value for name, value in row.items() if value is not None and not name.startswith("p_")}
    return Refused(
        object=0,
        line=row["p_source_line"],
        reason="foreign_region",
        field="region",
        detail=f"region is {row['region']!r}, but its object is of {region}",
        raw=json.dumps(shown, default=str).encode(),
        start=-1,
        end=-1,
    )
