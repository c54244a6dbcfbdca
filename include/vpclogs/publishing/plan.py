"""The changes that the publish of a manifest makes to its tables, planned from the current state of the ledger."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from vpclogs.intents import Brought, Plan, Removal
from vpclogs.ledger import Ledger
from vpclogs.ledger.states import SETTLED
from vpclogs.manifests import Manifest, Mode
from vpclogs.objects import LogObject
from vpclogs.partitions import UNKNOWN_REGION, Partition
from vpclogs.publishing.carry_over import Carried, carry_over
from vpclogs.publishing.replay_plan import plan_moves
from vpclogs.staged import BatchResult, ObjectOutcome, StagedFile
from vpclogs.warehouse.rewrite import without_objects
from vpclogs.warehouse.tables import QUARANTINE, Warehouse

__all__ = ["Draft"]


class Draft:
    """The files and outcomes that a publish of the ``passed`` partitions would bring.

    The manifest's objects are in the partitions that their records name. Rows of the same
    objects that lie elsewhere leave in the same commit. An object that was gone, changed or
    unreadable when it was staged brings nothing and takes nothing out: the rows of an
    earlier version stay.
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
        results = list(staged)
        self._manifest = manifest.placed(results)
        self._listed: defaultdict[str, list[LogObject]] = defaultdict(list)
        for item in self._manifest.objects:
            self._listed[item.partition.key].append(item)
        self.passed = passed
        self.files = [file for result in results for file in result.files if file.partition in passed]
        self._staged = [
            outcome
            for result in results
            for outcome in result.outcomes
            # the objects of a replay are settled already
            if outcome.partition in passed and outcome.state in SETTLED and manifest.mode is not Mode.REPLAY
        ]
        self._carried = Carried()
        # Files that are written again get a stem of their own, so they never overwrite those that were staged.
        self._stem = f"{manifest.hash[:12]}-x"
        self._all_dropped = False

    @property
    def outcomes(self) -> list[ObjectOutcome]:
        """The outcomes of the objects that this publish settles."""
        return [*self._staged, *self._carried.outcomes]

    def drop(self, identities: Collection[str]) -> None:
        """Leave out objects, because another run has published them, or a newer version, meanwhile."""
        if not identities:
            return
        # Only files of partitions with a dropped object are written again.
        keys = {outcome.partition for outcome in self._staged if outcome.identity in identities}
        touched = [file for file in self.files if file.partition in keys]
        self.files = [file for file in self.files if file.partition not in keys] + without_objects(
            self._warehouse, touched, identities, log_type=self._manifest.log_type, stem=self._stem
        )
        self._staged = [outcome for outcome in self._staged if outcome.identity not in identities]
        self._all_dropped = not self._staged

    def plan(self) -> Plan | None:
        """The plan, yet without ``bases``; None if nothing is left to publish."""
        if self._manifest.mode is Mode.REPLAY:
            return plan_moves(self._warehouse, self._manifest, self.files, stem=self._stem)
        partitions = [partition for partition in self._manifest.partitions if partition.key in self.passed]
        if self._manifest.mode is Mode.RELOAD:
            return self._swap(partitions)
        return self._addition(partitions)

    def _addition(self, partitions: Sequence[Partition]) -> Plan | None:
        stale = _Stale()
        for partition in partitions:
            self._find_stale(partition, stale)
        return None if self._all_dropped else self._planned(partitions, stale, self.files)

    def _swap(self, partitions: Sequence[Partition]) -> Plan:
        # a reload that an earlier release planned swaps all that it lists
        swapped = [one for one in partitions if one in (self._manifest.targets or partitions)]
        stale = _Stale(swapped=frozenset(one.key for one in swapped))
        for partition in partitions:
            self._find_stale(partition, stale)
        self._carried = Carried()
        # Every row of a swapped partition leaves, so whatever cannot be staged again must be carried over.
        for partition in swapped:
            # S3 has these objects no longer, or not as they were listed: their rows cannot be made again
            made = {outcome.identity for outcome in self._staged} | stale.identities
            kept = [row for row in self._ledger.objects.settled_in(partition) if row.identity not in made]
            kept = self._without_outdated(partition, kept, stale)
            self._carried.add(carry_over(self._warehouse, partition, kept, stem=self._stem))
        return self._planned(partitions, stale, [*self.files, *self._carried.files])

    def _planned(self, partitions: Sequence[Partition], stale: _Stale, files: Sequence[StagedFile]) -> Plan:
        keys = [partition.key for partition in partitions]
        touched = {*stale.elsewhere, *(file.partition for file in files)}
        return Plan(
            mode=self._manifest.mode,
            run_key=self._manifest.run_key,
            manifest_hash=self._manifest.hash,
            partitions=keys,
            files={
                name: [file.path for file in files if file.table == name]
                for name in (self._manifest.log_type.value, QUARANTINE)
            },
            removals=stale.removals,
            replaced=stale.replaced,
            # The claim compares versions of these partitions too, since rows leave or reach them.
            others=sorted(touched - set(keys)),
            rehomed=sorted({*stale.misplaced, *(outcome.identity for outcome in self._carried.outcomes)}),
            objects=len(self._staged),
            brought=_brought(files),
        )

    def _find_stale(self, partition: Partition, stale: _Stale) -> None:
        """Return the settled rows that the objects of a partition replace. Objects with a newer version are dropped."""
        mine = self._by_key(partition)
        rows = self._ledger.objects.settled_versions(partition, [key for _, key in mine])
        found = [(row, mine[row.bucket, row.key]) for row in rows if (row.bucket, row.key) in mine]
        newer = {
            item.identity
            for row, item in found
            if row.identity != item.identity and row.last_modified > item.last_modified
        }
        self.drop(newer)
        for row, item in found:
            place = Partition(partition.log_type, row.account, row.region, row.day)
            # Another run has settled a later version of this key meanwhile: this one would bring back old content.
            if item.identity in newer:
                continue
            # The key was overwritten in S3: rows of the earlier version leave in the commit that brings the new ones.
            if row.identity != item.identity:
                stale.replace(row, place)
            elif place != partition or (row.region == UNKNOWN_REGION and row.rows):
                stale.misplace(row, place)
            # The same version again: only a reload replaces its own rows.
            elif self._manifest.mode is Mode.RELOAD:
                stale.remove(row, place)

    def _without_outdated(self, partition: Partition, kept: Sequence[Any], stale: _Stale) -> list[Any]:
        """Return the objects without those that have a newer version settled in another region."""
        # A key may be settled under several regions if an earlier release misread one of them.
        newest: dict[tuple[str, str], Any] = {}
        for row in self._ledger.objects.settled_versions(partition, [row.key for row in kept]):
            place = (row.bucket, row.key)
            if place not in newest or row.last_modified > newest[place].last_modified:
                newest[place] = row
        current = []
        for row in kept:
            latest = newest[row.bucket, row.key]
            if latest.identity == row.identity or latest.last_modified <= row.last_modified:
                current.append(row)
            else:
                stale.replace(row, partition)
        return current

    def _by_key(self, partition: Partition) -> dict[tuple[str, str], LogObject]:
        settled = {outcome.identity for outcome in self._staged}
        mine = [item for item in self._listed.get(partition.key, ()) if item.identity in settled]
        return {(item.bucket, item.key): item for item in mine}


class _Stale:
    """Rows that leave the tables. Of the ``swapped`` partitions (keys) all do."""

    def __init__(self, *, swapped: Collection[str] = ()) -> None:
        self._swapped = swapped
        self._keys: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
        self.replaced: list[int] = []
        self.misplaced: set[str] = set()
        self.identities: set[str] = set()

    def replace(self, row: Any, place: Partition) -> None:
        """Take out another version of an object."""
        self.replaced.append(row.id)
        self.remove(row, place)

    def misplace(self, row: Any, place: Partition) -> None:
        """Take out rows of an object that belong to another partition."""
        self.misplaced.add(row.identity)
        self.remove(row, place)

    def remove(self, row: Any, place: Partition) -> None:
        """Take out the rows of an object."""
        self.identities.add(row.identity)
        self._keys[place.key].add((row.bucket, row.key))

    @property
    def elsewhere(self) -> Collection[str]:
        """Keys of the partitions that rows leave."""
        return self._keys.keys()

    @property
    def removals(self) -> list[Removal]:
        """The removals, one for each partition."""
        single = [Removal(key, sorted(keys)) for key, keys in self._keys.items() if key not in self._swapped]
        return [*(Removal(key) for key in sorted(self._swapped)), *single]


def _brought(files: Sequence[StagedFile]) -> dict[str, Brought]:
    rows, quarantined = Counter[str](), Counter[str]()
    for file in files:
        (quarantined if file.table == QUARANTINE else rows)[file.partition] += file.rows
    return {key: Brought(rows[key], quarantined[key]) for key in sorted({*rows, *quarantined})}
