"""Rebuild the ledger from the tables and a listing, when it was lost or a backup of it is too old.

Nothing is loaded. Objects whose rows are in the tables become settled, publishes that
the tables remember become known, and until the last of that is written, no run can
publish with this ledger; afterwards runs go on as if the ledger had never been away.
Objects that were empty left no row: they are read once more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from vpclogs.census import Census, FoundObject, FoundPublish
from vpclogs.errors import LedgerMismatch, PublishConflict
from vpclogs.layouts import ROOT, Placed, parse_key
from vpclogs.ledger.restoring import Changes, Restoration
from vpclogs.manifests import ListingFailure
from vpclogs.objects import LogObject
from vpclogs.partitions import UNKNOWN_REGION, LogType, Partition

if TYPE_CHECKING:
    from vpclogs.pipeline import Pipeline

__all__ = ["Rebuilt", "rebuild"]

_ATTEMPTS = 5
_DAYS_AT_ONCE = 7  # what is held in memory: the objects of so many days

_HALF_DONE = "a publish that crashed may have changed the quarantine and not the table; rerun the partition"


@dataclass
class Rebuilt:
    """What a rebuild changed, or would. ``suspects`` are partitions that must be rerun: see their detail."""

    changes: Changes = field(default_factory=Changes)
    publishes: int = 0
    suspects: list[Partition] = field(default_factory=list)
    failures: list[ListingFailure] = field(default_factory=list)


def rebuild(
    pipeline: Pipeline, *, run_key: str, dry_run: bool = False, progress: Callable[[str], None] = lambda text: None
) -> Rebuilt:
    """Add to the ledger what it misses. A dry run changes nothing but what is learned of the VPCs' regions.

    Raises:
        PublishConflict: runs kept publishing meanwhile.
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
        self._census = Census(pipeline.warehouse)
        self._restoration = Restoration(
            pipeline.ledger.database,
            unchanged=self._census.unchanged,
            run_key=run_key,
            now=pipeline.clock(),
            dry_run=dry_run,
        )
        self.rebuilt = Rebuilt()

    def run(self) -> bool:
        """Whether it came to its end; if not, a run published meanwhile."""
        publishes = self._census.publishes()
        unknown = self._restoration.unknown(publishes)
        doubtful = self._resolve_open(publishes, behind=bool(unknown))
        days = self._census.days()
        for start in range(0, len(days), _DAYS_AT_ONCE):
            if not self._restore(days[start : start + _DAYS_AT_ONCE]):
                return False
        suspects = self._suspects(publishes, {publish.id for publish in unknown}).union(doubtful)
        if not self._restoration.record_publishes(unknown, dict.fromkeys(suspects, _HALF_DONE)):
            return False
        self.rebuilt.publishes, self.rebuilt.suspects = len(unknown), sorted(suspects)
        return self._complete_open()

    def _resolve_open(self, publishes: Sequence[FoundPublish], *, behind: bool) -> list[Partition]:
        """See to the publishes that crashed. With a ledger that is behind the tables none can be under way."""
        if not behind and self._complete_open():
            return []
        by_id = {publish.id: publish for publish in publishes}
        return self._restoration.resolve_open(by_id, remembered=self._census.remembers, for_good=not behind)

    def _complete_open(self) -> bool:
        """Whether no publish is left half done, except for one that nobody can complete."""
        try:
            for log_type in () if self._dry_run else LogType:
                self._pipeline.publisher.complete_open(log_type)
        except LedgerMismatch:
            return False
        return True

    def _restore(self, days: Sequence[date]) -> bool:
        self._progress(f"{days[0]} to {days[-1]}: reading the tables")
        found = self._census.objects(days)
        self._learn_regions(found)
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

    def _learn_regions(self, found: Mapping[str, FoundObject]) -> None:
        """The regions of VPCs from their rows, which spares the listing reading their objects."""
        keys: dict[tuple[str, str], FoundObject] = {}
        for one in found.values():
            if one.partition.log_type is LogType.VPC_DNS and one.partition.region != UNKNOWN_REGION:
                placed = parse_key(one.key, one.key.partition(ROOT)[0], LogType.VPC_DNS)
                if isinstance(placed, Placed):
                    keys.setdefault((placed.account, placed.scope), one)
        for (account, scope), one in keys.items():
            self._pipeline.ledger.objects.learn_region(account, scope, one.partition.region, learned_from=one.key)

    def _suspects(self, publishes: Sequence[FoundPublish], unknown: set[str]) -> set[Partition]:
        """What the last publish of each log changed, if only the quarantine has it: the first of its two commits."""
        decided: set[LogType] = set()
        suspects: set[Partition] = set()
        for publish in publishes:
            last = decided.isdisjoint(publish.log_types)
            if last and publish.id in unknown and not publish.tables.issuperset(publish.changes):
                suspects |= self._census.touched(publish)
            decided.update(publish.log_types)
        return suspects
