"""The typed results of a run's verbs, which its tasks pass on and the ledger keeps as JSON."""

from __future__ import annotations

import logging

import msgspec

__all__ = ["AuditDecision", "BatchRef", "RunCounts", "RunOutcome", "StageCounts", "Watcher"]

_log = logging.getLogger(__name__)


class BatchRef(msgspec.Struct, frozen=True):
    """A reference to one batch of a manifest. ``label`` names its mapped task, ``reason`` limits a replay."""

    manifest: int
    batch: int
    label: str
    reason: str | None = None


class StageCounts(msgspec.Struct, frozen=True):
    """The counts of one staged batch. ``unread`` counts the objects that could not be read."""

    objects: int
    records: int
    rows: int
    refused: int
    unread: int


class AuditDecision(msgspec.Struct, frozen=True):
    """The partitions that may be published, and those that may not, with the reason.

    ``staged`` is the fingerprint of the staging results that were audited.
    """

    passed: list[str] = []
    failed: list[tuple[str, str]] = []
    staged: str = ""


class RunOutcome(msgspec.Struct, frozen=True):
    """The keys of the partitions of a run after its publish.

    ``published`` hold all of the run's objects, ``changed`` were changed by this run, ``failed`` come
    with the reason, and ``newly_failed`` had not failed before this run.
    """

    published: list[str] = []
    changed: list[str] = []
    failed: list[tuple[str, str]] = []
    newly_failed: list[str] = []


class RunCounts(msgspec.Struct, frozen=True):
    """The counts of a run that published all its partitions.

    They count the run's own commits and nothing that another run published meanwhile. ``planned``
    counts the objects of the manifest, ``objects`` those that the run settled, and ``moved`` those
    of them that were in a partition of another region before.
    """

    planned: int
    partitions: int
    objects: int
    moved: int
    rows: int
    quarantined: int


class Watcher:
    """Follows a run in this process. This one logs the batches that could not be staged."""

    def progress(self, objects: int, records: int) -> None:
        """Take the number of objects and records that were staged since the last call."""

    def staged(self, batch: BatchRef, counts: StageCounts) -> None:
        """Take a staged batch."""

    def not_staged(self, batch: BatchRef, error: Exception) -> None:
        """Take a batch that could not be staged. Its partitions fail their audit, those of other batches continue."""
        _log.error("%s: not staged: %s", batch.label, error)

    def published(self, outcome: RunOutcome) -> None:
        """Take the outcome of the publish, before a failed partition ends the run with an error."""
