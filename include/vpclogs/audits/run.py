"""Audit the staged data of a run, partition by partition, before publishing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

from vpclogs.audits.audit import audit
from vpclogs.config.settings import AuditSettings
from vpclogs.findings import Finding, Severity
from vpclogs.manifests import Manifest
from vpclogs.objects import LogObject
from vpclogs.partitions import UNKNOWN_REGION, Partition
from vpclogs.profile.statistics import merge
from vpclogs.runs import AuditDecision
from vpclogs.staged import BatchResult, ObjectOutcome, StatisticsJson

__all__ = ["audit_staged", "decision"]


def audit_staged(
    manifest: Manifest,
    staged: Mapping[int, BatchResult],
    settings: AuditSettings,
    *,
    regions: Mapping[tuple[str, str], str],
) -> dict[Partition, list[Finding]]:
    """Return the findings of each partition of the manifest. Batches that were not staged are missing in ``staged``.

    Staged objects are audited in the partition that their records name, others where they were planned.
    ``regions`` are those of the VPCs, by account and VPC, that became known after the plan.
    """
    expected: defaultdict[Partition, list[LogObject]] = defaultdict(list)
    placed = manifest.placed(staged.values())
    for partition in placed.partitions:
        expected[partition] = []
    for item, planned in zip(placed.objects, manifest.objects, strict=True):
        learned = regions.get((item.account, item.scope)) if planned.region == UNKNOWN_REGION else None
        expected[item.partition].append(replace(planned, region=learned) if learned else planned)
    outcomes: defaultdict[str, list[ObjectOutcome]] = defaultdict(list)
    statistics: defaultdict[str, list[StatisticsJson]] = defaultdict(list)
    for result in staged.values():
        for outcome in result.outcomes:
            outcomes[outcome.partition].append(outcome)
        for key, part in result.statistics.items():
            statistics[key].append(part)
    return {
        partition: audit(
            partition,
            expected=objects,
            outcomes=outcomes[partition.key],
            statistics=merge(statistics[partition.key]),
            settings=settings,
        )
        for partition, objects in sorted(expected.items())
    }


def decision(findings: Mapping[Partition, list[Finding]], *, staged: str) -> AuditDecision:
    """Return the decision on the audited partitions. ``staged`` is the fingerprint of the staging results."""
    errors = {
        partition.key: "; ".join(finding.message for finding in found if finding.severity is Severity.ERROR)
        for partition, found in findings.items()
    }
    return AuditDecision(
        passed=[key for key, why in errors.items() if not why],
        failed=[(key, why) for key, why in errors.items() if why],
        staged=staged,
    )
