"""Complete a claimed publish: commit it to its tables and settle it, exactly once, in any process.

Completing is idempotent. It loads the table, asks the ledger whether the intent is still open, searches the table's
history for the intent's id, and only then commits on top of exactly the snapshot that it searched; Iceberg refuses
the commit if another one came between. Therefore neither a crash at any point nor two processes completing the same
intent can lose or repeat a row.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.expressions import AlwaysFalse, And, BooleanExpression, Or
from pyiceberg.table import Table

from vpclogs.config.settings import MaintenanceSettings
from vpclogs.errors import LedgerMismatch, VpcLogsError
from vpclogs.intents import Intent, Removal
from vpclogs.ledger import Ledger
from vpclogs.partitions import LogType, Partition
from vpclogs.warehouse.commit_retry import UNDECIDED, commit
from vpclogs.warehouse.expiry import expire
from vpclogs.warehouse.snapshots import INTENT_PROPERTY, FastTransaction, history, intent_of, merging
from vpclogs.warehouse.tables import QUARANTINE, Warehouse, equals, in_partition, one_of

__all__ = ["Completer"]

_ATTEMPTS = 200
_UNREADABLE = (FileNotFoundError, pa.ArrowInvalid)


class Completer:
    """Completes intents, or abandons those that can never be completed."""

    def __init__(
        self,
        ledger: Ledger,
        warehouse: Warehouse,
        *,
        clock: Callable[[], datetime],
        sleep: Callable[[float], None] = time.sleep,
        maintenance: MaintenanceSettings | None = None,
    ) -> None:
        self._ledger = ledger
        self._warehouse = warehouse
        self._clock = clock
        self._sleep = sleep
        self._maintenance = maintenance or MaintenanceSettings()

    def bases(self, log_type: LogType) -> dict[str, int]:
        """Return the tables' last sequence numbers: an intent claimed after this can only appear in later snapshots.

        Raises:
            LedgerMismatch: a table holds a publish that the ledger does not have.
        """
        tables = {name: self._warehouse.table(name) for name in (log_type.value, QUARANTINE)}
        for table in tables.values():
            self._check_known(table, next((found for s in history(table) if (found := intent_of(s))), None))
        return {name: table.last_sequence_number for name, table in tables.items()}

    def complete(self, intent: Intent) -> None:
        """Commit the changes of the intent, unless that is done already, and settle it."""
        # The quarantine first: a reader who sees a row in the table finds its refused neighbors.
        for name in (QUARANTINE, intent.log_type.value):
            if not self._commit(intent, name):
                return
        self._ledger.intents.settle(intent, now=self._clock())

    def give_up(self, intent: Intent) -> bool:
        """Abandon an intent that can never be completed because a staged file is missing or unreadable.

        Its objects become free again and load as if nothing had been staged. Return True if it was abandoned.

        Raises:
            LedgerMismatch: one table has the intent already and the other never will.
        """
        lost = {name: path for name, paths in intent.plan.files.items() if (path := self._lost(name, paths))}
        # Load the tables only after checking the files, so that a commit and compaction in between is seen.
        tables = {name: self._warehouse.table(name) for name in intent.plan.files} if lost else {}
        done = {name for name, table in tables.items() if self._is_in(table, intent)}
        path = next((path for name, path in lost.items() if name not in done), None)
        if path is None:
            return False
        if done:
            raise LedgerMismatch(
                f"run {intent.plan.run_key} crashed between its two tables and its staged file {path} is gone. "
                f"Restore the file, or run `vpclogs ledger rebuild` and rerun {', '.join(intent.plan.partitions)}."
            )
        self._ledger.intents.abandon(intent)
        return True

    def _lost(self, name: str, paths: Sequence[str]) -> str | None:
        """Return the first file that is missing or truncated, as after a power cut."""
        io = self._warehouse.table(name).io

        def is_lost(path: str) -> bool:
            try:
                with io.new_input(path).open() as stream:
                    pq.read_metadata(stream)
            except _UNREADABLE:
                return True
            return False

        # Only footers are read, but each is a request to S3.
        with ThreadPoolExecutor(8, "look") as pool:
            return next((path for path, lost in zip(paths, pool.map(is_lost, paths), strict=True) if lost), None)

    def _commit(self, intent: Intent, name: str) -> bool:
        """Commit the intent's changes to one table. Return False if the intent is no longer open."""
        if not intent.plan.files.get(name) and not intent.plan.removals_in(name):
            return True
        what = f"run {intent.plan.run_key}: the commit to {name}"
        return commit(lambda: self._attempt(intent, name), what, attempts=_ATTEMPTS, sleep=self._sleep)

    def _attempt(self, intent: Intent, name: str) -> bool:
        # This order matters, see the module's docstring: load, ask the ledger, search, commit.
        table = self._warehouse.table(name)
        if not self._ledger.intents.is_open(intent.seq):
            return False
        if self._is_in(table, intent):
            return True
        try:
            _change(table, intent, name)
        except _UNREADABLE as error:
            raise VpcLogsError(
                f"run {intent.plan.run_key}: a staged file cannot be read when it is to be published ({error}). "
                f"Clear the run's stage tasks, so that they write it again."
            ) from error
        self._shorten(table)
        return True

    def _shorten(self, table: Table) -> None:
        """Expire snapshots of a long history, which would slow down every publish."""
        if len(table.metadata.snapshots) > self._maintenance.max_snapshots:
            # A conflict leaves them to the next publish.
            with suppress(*UNDECIDED):
                expire(table, self._ledger, keep=self._maintenance.keep_snapshots)

    def _is_in(self, table: Table, intent: Intent) -> bool:
        """Return True if the table has the intent, which can only be in snapshots after the intent's base."""
        base = oldest = intent.plan.bases.get(table.name()[-1], 0)
        for snapshot in history(table):
            oldest = snapshot.sequence_number or 0
            if oldest <= base:
                return False
            if intent_of(snapshot) == intent.id:
                return True
        # pyiceberg's expiration leaves no trace in the oldest remaining snapshot but its number
        if oldest <= base + 1:
            return False
        raise LedgerMismatch(
            f"the history of {'.'.join(table.name())} was expired since run {intent.plan.run_key} began to publish and "
            f"crashed, so its outcome cannot be determined. Run `vpclogs ledger rebuild` and rerun "
            f"{', '.join(intent.plan.partitions)}."
        )

    def _check_known(self, table: Table, newest: str | None) -> None:
        if newest and not self._ledger.intents.known(newest):
            raise LedgerMismatch(
                f"the newest publish in {'.'.join(table.name())} is not in the ledger: the ledger is older "
                f"than the table, or of another deployment. Run `vpclogs ledger rebuild`, then run this again."
            )


def _change(table: Table, intent: Intent, name: str) -> None:
    properties = {
        INTENT_PROPERTY: intent.id,
        "vpclogs.manifest": intent.plan.manifest_hash,
        "vpclogs.run": intent.plan.run_key,
        "vpclogs.tables": ",".join(intent.plan.tables),
    }
    files, removals = intent.plan.files.get(name), intent.plan.removals_in(name)
    with FastTransaction(table) as transaction, warnings.catch_warnings():
        if removals:
            warnings.filterwarnings("ignore", "Delete operation did not match")  # expected for a partition without rows
            # One transaction for removals and additions: a reload swaps a partition atomically.
            transaction.delete(_removed(removals, intent.log_type, name), snapshot_properties=properties)
        if files:
            with merging(transaction, table.last_sequence_number):
                # Files have unique names, so pyiceberg need not read all manifests to look for duplicates.
                transaction.add_files(files, snapshot_properties=properties, check_duplicate_files=False)


def _removed(removals: Sequence[Removal], log_type: LogType, table: str) -> BooleanExpression:
    # a chain of conditions would nest as deep as it is long; pyiceberg balances a tree of them
    conditions = [_of_removal(removal, log_type, table) for removal in removals]
    return Or(AlwaysFalse(), AlwaysFalse(), *conditions)


def _of_removal(removal: Removal, log_type: LogType, table: str) -> BooleanExpression:
    rows = in_partition(Partition.parse(removal.partition, log_type), table)
    if removal.keys is None:
        return rows
    conditions = []
    # A key is unique within a bucket only.
    for name in sorted({bucket for bucket, _ in removal.keys}):
        keys = [key for bucket, key in removal.keys if bucket == name]
        conditions.append(And(equals("p_source_bucket", name), one_of("p_source_key", keys)))
    return And(rows, Or(AlwaysFalse(), AlwaysFalse(), *conditions))
