"""Publish: make the audited partitions of a manifest visible, exactly once.

1. Claim. One ledger transaction writes the intent (what will be committed) and claims
   its objects. Two publishes can therefore never both hold an object.
2. Commit. Per table one Iceberg transaction, with the intent's id in the snapshot.
3. Settle. One ledger transaction says that it is done.

Anyone who meets an open intent completes it (steps 2 and 3) before claiming anything.
Completing is idempotent: the table is loaded, then the ledger is asked whether the
intent is still open, then the table's history is searched for the intent's id, and
only then it is committed on top of exactly the snapshot that was searched; Iceberg
refuses the commit if anything came between. So neither a crash at any point nor two
processes completing the same intent can lose or repeat a row, and no lease, clock or
heartbeat is involved.
"""

from __future__ import annotations

import random
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from pyiceberg.exceptions import CommitFailedException
from pyiceberg.expressions import AlwaysFalse, And, BooleanExpression, Or
from pyiceberg.table import Table

from vpclogs.batch_results import BatchResult, StagedFile
from vpclogs.errors import LedgerMismatch, PublishConflict, VpcLogsError
from vpclogs.ledger import Ledger
from vpclogs.ledger.intents import Intent, Plan, Removal
from vpclogs.ledger.objects import SETTLED
from vpclogs.manifests import Manifest, Mode
from vpclogs.moves import plan_moves
from vpclogs.partitions import LogType, Partition
from vpclogs.restaging import carry_over, without_objects
from vpclogs.warehouse import QUARANTINE, Warehouse, equals, in_partition

__all__ = ["INTENT_PROPERTY", "Publisher"]

INTENT_PROPERTY = "vpclogs.intent"
_ATTEMPTS = 200
_PATIENCE = 6
"""How many times (two seconds or so in all) an open intent is left to its own publisher
before another completes it. Only a courtesy that saves work: completing it earlier
would be just as right."""


class Publisher:
    """Publishes manifests. ``sleep`` (seconds) and ``clock`` (aware UTC) can be replaced in tests."""

    def __init__(
        self,
        ledger: Ledger,
        warehouse: Warehouse,
        *,
        clock: Callable[[], datetime],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._ledger = ledger
        self._warehouse = warehouse
        self._clock = clock
        self._sleep = sleep

    def publish(self, manifest: Manifest, staged: Mapping[int, BatchResult], passed: Sequence[str]) -> Intent | None:
        """Publish the given partitions of a manifest; None if there is nothing to publish.

        Publishing a manifest again completes what the first time began.

        Raises:
            PublishConflict: other publishers were faster too many times (transient).
            LedgerMismatch: the tables hold a publish that the ledger does not know.
        """
        intent = self._ledger.intents.of_manifest(manifest.id)
        if intent is None and passed:
            intent = self._claim(manifest, list(staged.values()), frozenset(passed))
        if intent is not None and intent.open:
            self._complete(intent)
        return intent

    def complete_open(self, log_type: LogType) -> None:
        """Complete the open intent of a log type, if there is one: whoever wrote it may have crashed."""
        for attempt in range(_ATTEMPTS):
            intent = self._ledger.intents.open(log_type)
            if intent is None:
                return
            if attempt < _PATIENCE:
                self._wait(attempt)
            elif not self._given_up(intent):
                self._complete(intent)
        raise PublishConflict(f"{log_type} has had an open publish all the time; try again later")

    def _claim(self, manifest: Manifest, staged: Sequence[BatchResult], passed: frozenset[str]) -> Intent | None:
        files = [file for result in staged for file in result.files if file.partition in passed]
        outcomes = [
            outcome
            for result in staged
            for outcome in result.outcomes
            if outcome.partition in passed and outcome.state in SETTLED
        ]
        if manifest.mode is Mode.REPLAY:
            outcomes = []  # its objects are settled already
        for _ in range(_ATTEMPTS):
            self.complete_open(manifest.log_type)
            versions = self._ledger.intents.versions(manifest.log_type, sorted(passed))
            plan = self._plan(manifest, files, passed)
            if plan is None:
                return None
            claimed = self._ledger.intents.claim(
                plan,
                outcomes,
                manifest=manifest.id,
                log_type=manifest.log_type,
                versions={key: versions[key] for key in plan.partitions},
                now=self._clock(),
            )
            if isinstance(claimed, Intent):
                return claimed
            if claimed.identities:
                files = without_objects(
                    self._warehouse, files, claimed.identities, log_type=manifest.log_type, stem=_stem(manifest)
                )
                outcomes = [outcome for outcome in outcomes if outcome.identity not in claimed.identities]
                if not outcomes:
                    return None
        raise PublishConflict(f"run {manifest.run_key}: other publishers were faster {_ATTEMPTS} times; try again")

    def _plan(self, manifest: Manifest, files: Sequence[StagedFile], passed: frozenset[str]) -> Plan | None:
        if manifest.mode is Mode.REPLAY:
            return plan_moves(self._warehouse, manifest, files, stem=_stem(manifest))
        partitions = [partition for partition in manifest.partitions if partition.key in passed]
        by_table = {name: [f.path for f in files if f.table == name] for name in (manifest.log_type, QUARANTINE)}
        removals: list[Removal] = []
        replaced: list[int] = []
        if manifest.mode is Mode.RELOAD:
            for partition in partitions:
                kept, gone = self._old_objects(manifest, partition)
                for file in carry_over(self._warehouse, partition, kept, stem=_stem(manifest)):
                    by_table[file.table].append(file.path)
                removals.append(Removal(partition.key))
                replaced += gone
        else:
            listed = [item for item in manifest.objects if item.partition.key in passed]
            for row in self._ledger.objects.rewritten(listed):
                key = Partition(manifest.log_type, row.account, row.region, row.day).key
                removals.append(Removal(key, [(row.bucket, row.key)]))
                replaced.append(row.id)
        return Plan(
            mode=manifest.mode,
            run_key=manifest.run_key,
            manifest_hash=manifest.hash,
            partitions=[partition.key for partition in partitions],
            files={str(name): paths for name, paths in by_table.items()},
            removals=removals,
            replaced=replaced,
        )

    def _old_objects(self, manifest: Manifest, partition: Partition) -> tuple[list[str], list[int]]:
        """Of what a partition holds: identities to keep, because S3 no longer has the object
        and its rows cannot be made again; ids of objects that a newer version replaces."""
        keys = {(item.bucket, item.key) for item in manifest.objects}
        identities = {item.identity for item in manifest.objects}
        kept, replaced = [], []
        for row in self._ledger.objects.settled_in(partition):
            if (row.bucket, row.key) not in keys:
                kept.append(row.identity)
            elif row.identity not in identities:
                replaced.append(row.id)
        return kept, replaced

    def _given_up(self, intent: Intent) -> bool:
        """Whether an abandoned intent can never be completed, because its staged files are gone.

        Then its objects are free again, and load as if nothing had been staged.

        Raises:
            LedgerMismatch: one table has the intent already and the other never will.
        """
        tables = {name: self._warehouse.table(name) for name in intent.plan.files}
        missing = [
            path
            for name, table in tables.items()
            for path in intent.plan.files[name]
            if not self._is_in(table, intent.id) and not table.io.new_input(path).exists()
        ]
        if not missing:
            return False
        if any(self._is_in(table, intent.id) for table in tables.values()):
            raise LedgerMismatch(
                f"run {intent.plan.run_key} crashed between its two tables and its staged file {missing[0]} is gone. "
                f"Restore the file, or run `vpclogs ledger rebuild` and rerun {', '.join(intent.plan.partitions)}."
            )
        self._ledger.intents.abandon(intent)
        return True

    def _complete(self, intent: Intent) -> None:
        """Commit what the intent says, unless that has been done, and settle it."""
        for name in (QUARANTINE, intent.log_type.value):
            if not self._commit(intent, name):
                return
        self._ledger.intents.settle(intent, now=self._clock())

    def _commit(self, intent: Intent, name: str) -> bool:
        """Whether the intent is still open afterwards, with its changes to this table committed."""
        files, removals = intent.plan.files.get(name, []), intent.plan.removals_in(name)
        if not files and not removals:
            return True
        for attempt in range(_ATTEMPTS):
            # This order matters, see the module's docstring: load, ask the ledger, search, commit.
            table = self._warehouse.table(name)
            if not self._ledger.intents.is_open(intent.seq):
                return False
            if self._is_in(table, intent.id):
                return True
            properties = {
                INTENT_PROPERTY: intent.id,
                "vpclogs.manifest": intent.plan.manifest_hash,
                "vpclogs.run": intent.plan.run_key,
            }
            try:
                with table.transaction() as transaction, warnings.catch_warnings():
                    if removals:
                        warnings.filterwarnings("ignore", "Delete operation did not match")  # that is fine
                        condition = _removed(removals, intent.log_type, name)
                        transaction.delete(condition, snapshot_properties=properties)
                    if files:
                        transaction.add_files(files, snapshot_properties=properties, check_duplicate_files=False)
                return True
            except CommitFailedException:
                self._wait(attempt)
            except FileNotFoundError as error:
                raise VpcLogsError(
                    f"run {intent.plan.run_key}: a staged file is gone before it was published ({error}). "
                    f"Clear the run's stage tasks, so that they write it again."
                ) from error
        raise PublishConflict(f"run {intent.plan.run_key}: the commit to {name} kept conflicting; try again")

    def _is_in(self, table: Table, intent_id: str) -> bool:
        """Whether the table's history has the intent. The newest publish in it must be one the ledger knows."""
        newest = True
        snapshot = table.current_snapshot()
        while snapshot is not None:
            found = snapshot.summary.additional_properties.get(INTENT_PROPERTY) if snapshot.summary else None
            if found == intent_id:
                return True
            if found and newest:
                newest = False
                if not self._ledger.intents.known(found):
                    raise LedgerMismatch(
                        f"the newest publish in {'.'.join(table.name())} is not in the ledger: the ledger is older "
                        f"than the table, or of another deployment. Run `vpclogs ledger rebuild`, then run this again."
                    )
            parent = snapshot.parent_snapshot_id
            snapshot = None if parent is None else table.snapshot_by_id(parent)
        return False

    def _wait(self, attempt: int) -> None:
        self._sleep(random.uniform(0.02, min(0.05 * 2**attempt, 1.0)))  # noqa: S311 - jitter, no secret


def _removed(removals: Sequence[Removal], log_type: LogType, table: str) -> BooleanExpression:
    condition: BooleanExpression = AlwaysFalse()
    for removal in removals:
        rows = in_partition(Partition.parse(removal.partition, log_type), table)
        if removal.keys is not None:
            of: BooleanExpression = AlwaysFalse()
            for bucket, key in removal.keys:
                of = Or(of, And(equals("p_source_bucket", bucket), equals("p_source_key", key)))
            rows = And(rows, of)
        condition = Or(condition, rows)
    return condition


def _stem(manifest: Manifest) -> str:
    return f"{manifest.hash[:12]}-x"
