"""Backfill: the partitions of a range of days to reload, and the cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import TYPE_CHECKING

from vpclogs.manifests import ListingFailure
from vpclogs.objects import LogObject
from vpclogs.partitions import LogType, Partition
from vpclogs.planning.batches import plan_batches
from vpclogs.planning.survey import Survey, started
from vpclogs.s3.prefetch import read_requests

if TYPE_CHECKING:
    from vpclogs.config.settings import Limits
    from vpclogs.pipeline import Pipeline

__all__ = ["BackfillPlan", "PartitionWork", "plan_backfill", "plan_reloads"]


@dataclass(frozen=True, slots=True)
class PartitionWork:
    """A partition to reload: all its objects in S3, those not loaded, and its state in the ledger."""

    partition: Partition
    objects: int
    bytes: int
    pending: int
    state: str


@dataclass(frozen=True, slots=True)
class BackfillPlan:
    """The work of a backfill. ``done`` counts the complete partitions, which are left out.

    ``requests_to_list`` were made for this plan, and the runs make them once more.
    """

    work: tuple[PartitionWork, ...]
    done: int
    batches: int
    requests_to_list: int
    requests_to_read: int
    failures: tuple[ListingFailure, ...]

    @property
    def objects(self) -> int:
        """The number of objects to read."""
        return sum(one.objects for one in self.work)

    @property
    def bytes(self) -> int:
        """The bytes to read, as stored."""
        return sum(one.bytes for one in self.work)

    @property
    def keys(self) -> list[str]:
        """The partitions' keys, in order."""
        return [one.partition.key for one in self.work]

    def beyond(self, limits: Limits, *, budget: int | None) -> str | None:
        """Return how the plan exceeds the budget (bytes, or else the settings' limits), or None."""
        if budget is not None:
            return f"{self.bytes:,} bytes are more than --budget" if self.bytes > budget else None
        if self.bytes > limits.backfill_max_bytes:
            return f"{self.bytes:,} bytes are more than {limits.backfill_max_bytes:,} (limits.backfill_max_bytes)"
        if self.objects > limits.backfill_max_objects:
            return (
                f"{self.objects:,} objects are more than {limits.backfill_max_objects:,} (limits.backfill_max_objects)"
            )
        return None


def plan_backfill(
    pipeline: Pipeline,
    log_type: LogType,
    days: Sequence[date],
    *,
    account: str | None = None,
    region: str | None = None,
    everything: bool = False,
) -> BackfillPlan:
    """List the days and plan a reload of each partition that is incomplete, or of ``everything``.

    A partition is complete if every listed object is settled and its last run did not fail. Changes nothing except
    learned regions of VPCs.
    """
    found = pipeline.survey(
        log_type, lambda source: started(days, source), account=account, region=region, all_objects=True
    )
    return _plan(pipeline, log_type, found, everything=everything)


def plan_reloads(pipeline: Pipeline, partitions: Sequence[Partition]) -> BackfillPlan:
    """Plan a reload of each of these partitions, all of one log type."""
    found: list[LogObject] = []
    failures: list[ListingFailure] = []
    requests = 0
    for one in partitions:
        survey = pipeline.survey_partition(one)
        found += survey.objects
        failures += survey.failures
        requests += survey.requests
    whole = Survey(tuple(found), tuple(failures), len(found), requests)
    return _plan(pipeline, partitions[0].log_type, whole, everything=True)


def _plan(pipeline: Pipeline, log_type: LogType, found: Survey, *, everything: bool) -> BackfillPlan:
    pending = {item.identity for item in pipeline.ledger.objects.new(found.objects)}
    days = [item.day for item in found.objects]
    known = pipeline.ledger.partitions.status(log_type, since=min(days), until=max(days)) if days else []
    states = {status.partition: status.state for status in known}
    work: list[PartitionWork] = []
    wanted: list[LogObject] = []
    done = 0
    for partition, group in groupby(sorted(found.objects, key=lambda o: o.partition), key=lambda o: o.partition):
        items = list(group)
        waiting = sum(item.identity in pending for item in items)
        state = states.get(partition, "pending")
        if not everything and not waiting and state == "published":
            done += 1
            continue
        work.append(PartitionWork(partition, len(items), sum(item.size for item in items), waiting, state))
        wanted += items
    limits = pipeline.settings.limits
    # each partition is a run of its own and shares no batch
    batches = sum(
        len(
            plan_batches(
                group,
                max_bytes=limits.batch_bytes,
                max_objects=limits.batch_objects,
                max_batches=limits.max_batches,
            )
        )
        for _, group in groupby(wanted, key=lambda item: item.partition)
    )
    return BackfillPlan(tuple(work), done, batches, found.requests, read_requests(wanted), found.failures)
