"""The verdict of a run: its counts, or the partitions that it did not publish."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vpclogs.errors import PartitionsFailed
from vpclogs.ledger.intents import Committed
from vpclogs.manifests import Manifest

__all__ = ["verdict"]


def verdict(manifest: Manifest, outcome: Mapping[str, Any], committed: Committed) -> dict[str, Any]:
    """Return the counts of a run that published all its partitions.

    They count the run's own commits and nothing that another run published meanwhile. ``planned``
    counts the objects of the manifest, ``objects`` those that the run settled, and ``moved`` those
    of them that were in a partition of another region before.

    Raises:
        PartitionsFailed: names each partition, and each part of a source, that was not loaded.
    """
    failed = [(key, why) for key, why in outcome["failed"]]
    undecided = {p.key for p in manifest.partitions} - {*outcome["published"], *(key for key, _ in failed)}
    failed += [(key, "was not published: see the run's audit and publish tasks") for key in sorted(undecided)]
    failed += [(failure.label, failure.detail) for failure in manifest.listing_failures]
    if failed:
        raise PartitionsFailed(failed)
    return {
        "planned": len(manifest.objects),
        "partitions": len(committed.brought),
        "objects": committed.objects,
        "moved": committed.rehomed,
        "rows": committed.rows,
        "quarantined": committed.quarantined,
    }
