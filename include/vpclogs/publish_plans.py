"""What one publish of a manifest does to its tables, planned from what the ledger says now."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from vpclogs.batch_results import BatchResult, StagedFile
from vpclogs.ledger import Ledger
from vpclogs.ledger.intents import Plan, Removal
from vpclogs.ledger.objects import SETTLED
from vpclogs.manifests import Manifest, Mode
from vpclogs.moves import plan_moves
from vpclogs.objects import LogObject
from vpclogs.partitions import Partition
from vpclogs.restaging import carry_over, without_objects
from vpclogs.warehouse import QUARANTINE, Warehouse

__all__ = ["Draft"]


class Draft:
    """The files and outcomes that a publish of the ``passed`` partitions would bring.

    An object that was gone, changed or unreadable when it was staged brings nothing and
    takes nothing out: the rows of an earlier version stay.
    """

    def __init__(
        self,
        ledger: Ledger,
        warehouse: Warehouse,
        manifest: Manifest,
        staged: Iterable[BatchResult],
        passed: frozenset[str],
    ) -> None:
        self._ledger = ledger
        self._warehouse = warehouse
        self._manifest = manifest
        self.passed = passed
        results = list(staged)
        self.files = [file for result in results for file in result.files if file.partition in passed]
        self.outcomes = [
            outcome
            for result in results
            for outcome in result.outcomes
            # the objects of a replay are settled already
            if outcome.partition in passed and outcome.state in SETTLED and manifest.mode is not Mode.REPLAY
        ]
        self._stem = f"{manifest.hash[:12]}-x"
        self._all_dropped = False

    def drop(self, identities: Collection[str]) -> None:
        """Leave out objects, because another run has published them, or a newer version, meanwhile."""
        if not identities:
            return
        keys = {outcome.partition for outcome in self.outcomes if outcome.identity in identities}
        touched = [file for file in self.files if file.partition in keys]
        self.files = [file for file in self.files if file.partition not in keys] + without_objects(
            self._warehouse, touched, identities, log_type=self._manifest.log_type, stem=self._stem
        )
        self.outcomes = [outcome for outcome in self.outcomes if outcome.identity not in identities]
        self._all_dropped = not self.outcomes

    def plan(self) -> Plan | None:
        """The plan, yet without ``bases``; None if nothing is left to publish."""
        if self._manifest.mode is Mode.REPLAY:
            return plan_moves(self._warehouse, self._manifest, self.files, stem=self._stem)
        partitions = [partition for partition in self._manifest.partitions if partition.key in self.passed]
        if self._manifest.mode is Mode.RELOAD:
            return self._swap(partitions)
        return self._addition(partitions)

    def _addition(self, partitions: Sequence[Partition]) -> Plan | None:
        older = {partition: self._other_versions(partition) for partition in partitions}
        if self._all_dropped:
            return None
        removals = [
            Removal(partition.key, sorted({(row.bucket, row.key) for row in rows}))
            for partition, rows in older.items()
            if rows
        ]
        replaced = [row.id for rows in older.values() for row in rows]
        return self._planned(partitions, self.files, removals, replaced)

    def _swap(self, partitions: Sequence[Partition]) -> Plan:
        replaced: list[int] = []
        carried: list[StagedFile] = []
        for partition in partitions:
            older = self._other_versions(partition)
            replaced += [row.id for row in older]
            # S3 has these objects no longer, or not as they were listed: their rows cannot be made again
            made = {outcome.identity for outcome in self.outcomes} | {row.identity for row in older}
            kept = [row.identity for row in self._ledger.objects.settled_in(partition) if row.identity not in made]
            carried += carry_over(self._warehouse, partition, kept, stem=self._stem)
        removals = [Removal(partition.key) for partition in partitions]
        return self._planned(partitions, [*self.files, *carried], removals, replaced)

    def _planned(
        self,
        partitions: Sequence[Partition],
        files: Sequence[StagedFile],
        removals: Sequence[Removal],
        replaced: Sequence[int],
    ) -> Plan:
        return Plan(
            mode=self._manifest.mode,
            run_key=self._manifest.run_key,
            manifest_hash=self._manifest.hash,
            partitions=[partition.key for partition in partitions],
            files={
                name: [file.path for file in files if file.table == name]
                for name in (self._manifest.log_type.value, QUARANTINE)
            },
            removals=list(removals),
            replaced=list(replaced),
        )

    def _other_versions(self, partition: Partition) -> list[Any]:
        """The settled older versions of what is to be published. What has a newer one is dropped."""
        mine = self._by_key(partition)
        rows = self._ledger.objects.settled_in(partition, keys=[key for _, key in mine])
        others = [
            (row, mine[row.bucket, row.key])
            for row in rows
            if (row.bucket, row.key) in mine and row.identity != mine[row.bucket, row.key].identity
        ]
        newer = {item.identity for row, item in others if row.last_modified > item.last_modified}
        self.drop(newer)
        return [row for row, item in others if item.identity not in newer]

    def _by_key(self, partition: Partition) -> dict[tuple[str, str], LogObject]:
        listed = {item.identity: item for item in self._manifest.objects}
        mine = [listed[outcome.identity] for outcome in self.outcomes if outcome.partition == partition.key]
        return {(item.bucket, item.key): item for item in mine}
