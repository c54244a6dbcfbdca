"""Publish: make the audited partitions of a manifest visible, exactly once.

1. Claim. One ledger transaction writes the intent (the changes to commit) and claims its objects. Two publishes can
   therefore never hold one object.
2. Commit. One Iceberg transaction per table, with the intent's id in the snapshot.
3. Settle. One ledger transaction records that it is done.

Any process that finds an open intent completes it (steps 2 and 3, `vpclogs.publishing.commit`) before it claims. A
claim is refused if its partitions were published to since it was planned, or a table's history was expired since the
table was read; it is then planned again. Neither a crash at any point nor any number of concurrent publishers can
lose or repeat a row, and no lease, clock or heartbeat is involved.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import msgspec

from vpclogs.config.settings import MaintenanceSettings
from vpclogs.errors import PublishConflict
from vpclogs.intents import Intent
from vpclogs.ledger import Ledger
from vpclogs.manifests import Manifest
from vpclogs.partitions import LogType
from vpclogs.publishing.commit import Completer
from vpclogs.publishing.plan import Draft
from vpclogs.staged import BatchResult
from vpclogs.warehouse.commit_retry import backoff
from vpclogs.warehouse.tables import Warehouse

__all__ = ["Publisher"]

# Each attempt waits for at most one publish of the same log, so 200 queued runs still get through.
_ATTEMPTS = 200
_PATIENCE = 6
"""Polls (about two seconds in all) during which an open intent is left to its own publisher before another process
completes it. Waiting only saves work; completing it at once would be just as correct.
"""


class Publisher:
    """Publishes manifests. ``sleep`` (seconds) and ``clock`` (aware UTC) can be replaced in tests."""

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
        self._completer = Completer(ledger, warehouse, clock=clock, sleep=sleep, maintenance=maintenance)

    def publish(self, manifest: Manifest, staged: Mapping[int, BatchResult], passed: Sequence[str]) -> None:
        """Publish the given partitions of a manifest.

        Called again, it completes an interrupted publish and publishes only the rest.

        Raises:
            PublishConflict: other publishers were faster too many times (transient).
            LedgerMismatch: the tables hold a publish that the ledger does not have.
        """
        draft: Draft | None = None
        for _ in range(_ATTEMPTS):
            # Bases and versions are only meaningful while no intent is open.
            self.complete_open(manifest.log_type, mine=manifest.id)
            # An earlier attempt of this run may have published some partitions before it was killed.
            rest = frozenset(passed) - self._ledger.intents.published(manifest.id)
            if not rest:
                return
            # A draft remembers which objects it dropped, and the files it wrote for that: keep it while it fits.
            if draft is None or draft.passed != rest:
                draft = Draft(self._ledger, self._warehouse, manifest, staged.values(), rest)
            claimed = self._claim(manifest, draft)
            if isinstance(claimed, Intent):
                self._completer.complete(claimed)
            if claimed is None or isinstance(claimed, Intent):
                return
        raise PublishConflict(f"run {manifest.run_key}: other publishers were faster {_ATTEMPTS} times; try again")

    def complete_open(self, log_type: LogType, *, mine: int | None = None) -> None:
        """Complete the open intent of a log type, if any: its writer may have crashed.

        An intent of the manifest ``mine`` is completed at once, without waiting for its writer.
        """
        for _ in range(_ATTEMPTS):
            intent = self._ledger.intents.open(log_type)
            if intent is None:
                return
            if intent.manifest != mine and self._ends_by_itself(intent):
                continue
            if not self._completer.give_up(intent):
                self._completer.complete(intent)
        raise PublishConflict(f"{log_type} had an open publish the whole time; try again later")

    def require_current_ledger(self, log_type: LogType) -> None:
        """Complete the open intent, and check that the ledger is as new as the tables.

        Raises:
            LedgerMismatch: a table holds a publish that the ledger does not have.
        """
        self.complete_open(log_type)
        self._completer.bases(log_type)

    def _ends_by_itself(self, intent: Intent) -> bool:
        for attempt in range(_PATIENCE):
            self._sleep(backoff(attempt))
            if not self._ledger.intents.is_open(intent.seq):
                return True
        return False

    def _claim(self, manifest: Manifest, draft: Draft) -> Intent | bool | None:
        """Return the intent if it was claimed, False if it must be tried again, None if there is nothing to publish."""
        # Read the versions before planning: the plan depends on the state after them.
        versions = self._ledger.intents.versions(manifest.log_type, sorted(draft.passed))
        plan = draft.plan()
        if plan is None:
            return None
        # Read the counts before the bases: an expiration after them could remove history that the bases rely on.
        cuts = self._ledger.cuts.counts()
        plan = msgspec.structs.replace(plan, bases=self._completer.bases(manifest.log_type))
        claimed = self._ledger.intents.claim(
            plan,
            draft.outcomes,
            manifest=manifest.id,
            log_type=manifest.log_type,
            versions=versions,
            cuts=cuts,
            now=self._clock(),
        )
        if isinstance(claimed, Intent):
            return claimed
        # The claim was refused for these objects; without them the next claim can succeed.
        draft.drop(claimed.identities)
        return False
