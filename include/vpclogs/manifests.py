"""A manifest: the frozen, sorted, hashed list of the objects that one run will load."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import sha256

from vpclogs.listed_days import Listed
from vpclogs.objects import LogObject
from vpclogs.partitions import LogType, Partition
from vpclogs.staged import BatchResult

__all__ = ["ListingFailure", "Manifest", "Mode", "manifest_hash", "unrecorded"]


class Mode(StrEnum):
    """The way in which a publish changes a partition."""

    ADD = "add"  # new objects join the existing ones
    RELOAD = "reload"  # the partition is rebuilt and replaced
    REPLAY = "replay"  # quarantined records that parse now move to the table


@dataclass(frozen=True, slots=True)
class ListingFailure:
    """A part of a source that could not be listed: all of it (no account), an account, a region, or a day of one.

    ``reason`` is a code of `vpclogs.reasons`, ``detail`` a sentence with the action to take; ``transient`` is True if
    a retry may help. ``day`` is an ISO date.
    """

    source: str
    account: str | None
    region: str | None
    reason: str
    detail: str
    transient: bool
    day: str | None = None

    @property
    def label(self) -> str:
        """The part that could not be listed, in words."""
        return " ".join(filter(None, [f"source {self.source}", self.account, self.region, self.day]))


@dataclass(frozen=True)
class Manifest:
    """The objects that one run loads. ``batches`` holds the objects of each mapped task, in order.

    The regions are those that the objects were planned for. ``targets`` are the partitions that a
    reload swaps in; manifests of earlier releases name none.
    """

    id: int
    hash: str
    log_type: LogType
    run_key: str
    mode: Mode
    batches: tuple[tuple[LogObject, ...], ...]
    object_ids: dict[str, int]  # by identity
    listing_failures: tuple[ListingFailure, ...] = ()
    targets: tuple[Partition, ...] = ()
    coverage: Listed | None = None

    @property
    def objects(self) -> list[LogObject]:
        return [item for batch in self.batches for item in batch]

    @property
    def partitions(self) -> list[Partition]:
        """The partitions of the manifest, sorted, each once."""
        return sorted({*self.targets, *(item.partition for item in self.objects)})

    def placed(self, staged: Iterable[BatchResult]) -> Manifest:
        """Return the manifest with each staged object in the region that its records name."""
        homes = {one.identity: one.partition for result in staged for one in result.outcomes}
        return replace(self, batches=tuple(tuple(_placed(item, homes) for item in batch) for batch in self.batches))


def _placed(item: LogObject, homes: Mapping[str, str]) -> LogObject:
    home = homes.get(item.identity)
    if home is None or home.split("|")[1] == item.region:
        return item
    return replace(item, region=Partition.parse(home, item.log_type).region)


def unrecorded(objects: Sequence[LogObject], refused: Mapping[str, str]) -> list[ListingFailure]:
    """Return a failure for each partition with objects that the ledger refused, the reasons by identity."""
    together: defaultdict[tuple[str, Partition], list[LogObject]] = defaultdict(list)
    for item in objects:
        if item.identity in refused:
            together[item.source, item.partition].append(item)
    return [
        ListingFailure(
            source,
            partition.account,
            partition.region,
            "ledger_refused",
            f"the ledger rejects {len(items)} objects, such as {items[0].key}: {refused[items[0].identity]}",
            transient=False,
            day=partition.day.isoformat(),
        )
        for (source, partition), items in sorted(together.items(), key=lambda one: one[0])
    ]


def manifest_hash(objects: Sequence[LogObject], mode: Mode) -> str:
    """Return a hash of the objects and the mode that does not depend on order. 64 hex digits."""
    lines = sorted(f"{item.bucket}\0{item.key}\0{item.etag}\0{item.size}" for item in objects)
    return sha256("\n".join([mode.value, *lines]).encode()).hexdigest()
