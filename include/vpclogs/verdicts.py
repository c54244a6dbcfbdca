"""The verdict of a run: its counts, or the partitions that it did not publish."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vpclogs.batch_results import BatchResult
from vpclogs.errors import PartitionsFailed
from vpclogs.manifests import Manifest

__all__ = ["verdict"]


def verdict(manifest: Manifest, outcome: Mapping[str, Any], staged: Mapping[int, BatchResult]) -> dict[str, Any]:
    """Return the counts of a run that published all its partitions.

    Raises:
        PartitionsFailed: names each partition, and each part of a source, that was not loaded.
    """
    failed = [(key, why) for key, why in outcome["failed"]]
    undecided = {p.key for p in manifest.partitions} - {*outcome["published"], *(key for key, _ in failed)}
    failed += [(key, "was not published: see the run's audit and publish tasks") for key in sorted(undecided)]
    failed += [(failure.label, failure.detail) for failure in manifest.listing_failures]
    if failed:
        raise PartitionsFailed(failed)
    outcomes = [each for result in staged.values() for each in result.outcomes]
    return {
        "partitions": len(outcome["published"]),
        "objects": len(manifest.objects),
        "rows": sum(each.rows for each in outcomes),
        "quarantined": sum(each.refused for each in outcomes),
    }
