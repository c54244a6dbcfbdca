"""Rebuild a lost or outdated ledger from the tables and a listing.

Nothing is loaded. Objects with rows in the tables become settled and publishes in the tables' history become known.
Until the last of that is written, no run can publish with this ledger; afterwards runs continue as before. Empty
objects left no row, so they are read once more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from vpclogs.errors import LedgerMismatch, PublishConflict
from vpclogs.manifests import ListingFailure
from vpclogs.objects import LogObject
from vpclogs.partitions import LogType, Partition
from vpclogs.recovery.restore import Changes, Restoration
from vpclogs.recovery.table_scan import FoundPublish, TableScan

if TYPE_CHECKING:
    from vpclogs.pipeline import Pipeline

__all__ = ["Rebuilt", "rebuild"]

_ATTEMPTS = 5
_DAYS_AT_ONCE = 7  # days whose objects are held in memory together

_HALF_DONE = "a publish that crashed may have changed the quarantine and not the table; rerun the partition"


@dataclass
class Rebuilt:
    """The changes of a rebuild. ``suspects`` are partitions that must be rerun; their detail is the reason."""

    changes: Changes = field(default_factory=Changes)
    publishes: int = 0
    suspects: list[Partition] = field(default_factory=list)
    failures: list[ListingFailure] = field(default_factory=list)


def rebuild(
    pipeline: Pipeline, *, run_key: str, dry_run: bool = False, progress: Callable[[str], None] = lambda text: None
) -> Rebuilt:
    """Add everything missing to the ledger. A dry run changes nothing except learned regions of VPCs.

    Raises:
        PublishConflict: concurrent runs kept publishing.
    """
    for _ in range(_ATTEMPTS):
        attempt = _Attempt(pipeline, run_key=run_key, dry_run=dry_run, progress=progress)
        if attempt.run():
            return attempt.rebuilt
        progress("a run published meanwhile: starting again")
    raise PublishConflict("runs keep publishing: pause the DAGs, wait until their runs have ended, then run this again")


class _Attempt:
    """One pass over the tables as they are now."""

    def __init__(self, pipeline: Pipeline, *, run_key: str, dry_run: bool, progress: Callable[[str], None]) -> None:
        self._pipeline = pipeline
        self._dry_run = dry_run
        self._progress = progress
        self._census = TableScan(pipeline.warehouse)
        self._restoration = Restoration(
            pipeline.ledger.database,
            unchanged=self._census.unchanged,
            run_key=run_key,
            now=pipeline.clock(),
            dry_run=dry_run,
        )
        self.rebuilt = Rebuilt()
        self._days: defaultdict[str, set[date]] = defaultdict(set)  # by source

    def run(self) -> bool:
        """Return True if the pass completed, False if a run published meanwhile."""
        publishes = self._census.publishes()
        unknown = self._restoration.unknown(publishes)
        doubtful = self._resolve_open(publishes, behind=bool(unknown))
        days = self._census.days()
        # Objects of a few days at a time: years of them would not fit into memory.
        for start in range(0, len(days), _DAYS_AT_ONCE):
            if not self._restore(days[start : start + _DAYS_AT_ONCE]):
                return False
        suspects = self._suspects(publishes, {publish.id for publish in unknown}).union(doubtful)
        if not self._restoration.record_publishes(unknown, dict.fromkeys(suspects, _HALF_DONE)):
            return False
        if not self._dry_run:
            for source, seen in self._days.items():
                self._pipeline.ledger.listings.assume(source, min(seen), max(seen))
        self.rebuilt.publishes, self.rebuilt.suspects = len(unknown), sorted(suspects)
        return self._complete_open()

    def _resolve_open(self, publishes: Sequence[FoundPublish], *, behind: bool) -> list[Partition]:
        """Resolve publishes that crashed. If the ledger is behind the tables, none can be in progress."""
        if not behind and self._complete_open():
            return []
        by_id = {publish.id: publish for publish in publishes}
        return self._restoration.resolve_open(by_id, remembered=self._census.remembers, for_good=not behind)

    def _complete_open(self) -> bool:
        """Return True if no publish is half done, except one that cannot be completed."""
        try:
            for log_type in () if self._dry_run else LogType:
                self._pipeline.publisher.complete_open(log_type)
        except LedgerMismatch:
            return False
        return True

    def _restore(self, days: Sequence[date]) -> bool:
        self._progress(f"{days[0]} to {days[-1]}: reading the tables")
        found = self._census.objects(days)
        for one in found.values():
            self._days[one.source].add(one.partition.day)
        self._progress(f"{days[0]} to {days[-1]}: {len(found)} objects in the tables, listing S3")
        listed: dict[str, LogObject] = {}
        for log_type in LogType:
            survey = self._pipeline.survey(log_type, lambda source: days, all_objects=True)
            listed |= {item.identity: item for item in survey.objects}
            self.rebuilt.failures += survey.failures
        changes = self._restoration.restore_objects(found, listed, days)
        if changes is not None:
            self.rebuilt.changes.update(changes)
        return changes is not None

    def _suspects(self, publishes: Sequence[FoundPublish], unknown: set[str]) -> set[Partition]:
        """Return the changes of each log's last publish if only the quarantine has it: the first of its two commits."""
        decided: set[LogType] = set()
        suspects: set[Partition] = set()
        for publish in publishes:
            last = decided.isdisjoint(publish.log_types)
            # Only the last publish can be half done: each completes the one before it.
            if last and publish.id in unknown and not publish.tables.issuperset(publish.changes):
                suspects |= self._census.touched(publish)
            decided.update(publish.log_types)
        return suspects
