"""The records that a replay moves from the quarantine to its table, as the plan of a publish.

The rows were staged a while ago: only those move whose record is in the quarantine
still. The quarantine of each partition is written anew without them and swapped in,
which drops whole files and rewrites none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from vpclogs.intents import Brought, Plan, Removal
from vpclogs.manifests import Manifest
from vpclogs.partitions import LogType, Partition
from vpclogs.staged import StagedFile
from vpclogs.warehouse.parquet import ParquetFile
from vpclogs.warehouse.rewrite import with_all_columns
from vpclogs.warehouse.tables import QUARANTINE, Warehouse, in_partition

__all__ = ["plan_moves"]


def plan_moves(warehouse: Warehouse, manifest: Manifest, staged: Sequence[StagedFile], *, stem: str) -> Plan | None:
    """The plan that moves the records of the staged rows; None if none of them is in the quarantine now."""
    moves = _Moves(warehouse, manifest.log_type, stem)
    by_partition = attrgetter("partition")
    for key, files in groupby(sorted(staged, key=by_partition), key=by_partition):
        moves.add(Partition.parse(key, manifest.log_type), list(files))
    if not moves.counts:
        return None
    tables = (manifest.log_type.value, QUARANTINE)
    return Plan(
        mode=manifest.mode,
        run_key=manifest.run_key,
        manifest_hash=manifest.hash,
        partitions=moves.partitions,
        files={name: [file.path for file in moves.files if file.table == name] for name in tables},
        removals=[Removal(key, table=QUARANTINE) for key in moves.partitions],
        moved=dict(moves.counts),
        objects=len(moves.counts),
        brought={key: Brought(rows=count) for key, count in moves.rows.items()},
    )


class _Moves:
    def __init__(self, warehouse: Warehouse, log_type: LogType, stem: str) -> None:
        self._warehouse = warehouse
        self._log_type = log_type
        self._stem = stem
        self.files: list[StagedFile] = []
        self.partitions: list[str] = []
        self.counts: Counter[str] = Counter()  # records by the identity of their object
        self.rows: Counter[str] = Counter()  # records by partition

    def add(self, partition: Partition, staged: Sequence[StagedFile]) -> None:
        # One snapshot for both reads below; the bases of the intent fail the commit if it is outdated by then.
        scan = self._warehouse.table(QUARANTINE).scan(row_filter=in_partition(partition, QUARANTINE))
        present = scan.select("p_row_id").to_arrow().column("p_row_id").combine_chunks()
        moved = [ids for file in staged if (ids := self._move(file, partition, present)) is not None]
        if not moved:
            return
        taken = pa.chunked_array(moved).combine_chunks()
        rest = ParquetFile(self._warehouse, QUARANTINE, partition, self._stem)
        # A quarantine can be larger than memory after a change of format: it is filtered batch by batch.
        for batch in scan.to_arrow_batch_reader():
            rows = pa.Table.from_batches([batch])
            if len(staying := rows.filter(pc.invert(_are_in(rows, taken)))):
                rest.write(staying)
        self.files += rest.close()
        self.partitions.append(partition.key)
        self.rows[partition.key] += len(taken)
        self.counts.update(pc.utf8_slice_codeunits(taken, 0, 24).to_pylist())

    def _move(self, file: StagedFile, partition: Partition, present: pa.Array) -> pa.Array | None:
        """The row ids of a staged file that move, None if none do. If some stay, the file is made again."""
        with self._warehouse.table(file.table).io.new_input(file.path).open() as stream:
            rows = pq.read_table(stream)
        here = _are_in(rows, present)
        if not pc.any(here).as_py():
            return None
        # Records left the quarantine since they were staged, by a reload or another replay.
        if not pc.all(here).as_py():
            rows = rows.filter(here)
            output = ParquetFile(self._warehouse, file.table, partition, self._stem)
            output.write(with_all_columns(rows, output.schema))
            self.files += output.close()
        else:
            self.files.append(file)
        return rows.column("p_row_id").combine_chunks().cast(pa.string())


def _are_in(rows: pa.Table, ids: pa.Array) -> pa.ChunkedArray:
    return pc.is_in(rows.column("p_row_id").cast(pa.string()), ids.cast(pa.string()))
