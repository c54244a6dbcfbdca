"""The audit of one partition: run every check and return the findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vpclogs.audits.check import Check
from vpclogs.audits.context import Context
from vpclogs.audits.object_checks import OBJECT_CHECKS
from vpclogs.audits.record_checks import RECORD_CHECKS
from vpclogs.config.audit_thresholds import AuditSettings, AuditThresholds
from vpclogs.findings import Finding, Severity
from vpclogs.objects import LogObject
from vpclogs.partitions import Partition
from vpclogs.profile.partition_statistics import PartitionStatistics
from vpclogs.staged import ObjectOutcome

__all__ = ["CHECKS", "audit"]

CHECKS: tuple[Check, ...] = (*OBJECT_CHECKS, *RECORD_CHECKS)
"""Every check, in the order of its findings."""


def audit(
    partition: Partition,
    *,
    expected: Sequence[LogObject],
    outcomes: Sequence[ObjectOutcome],
    statistics: Mapping[str, Any],
    settings: AuditSettings,
) -> list[Finding]:
    """Return the findings of all checks on one partition of a manifest; an `error` finding blocks its publish.

    ``expected`` are the partition's objects in the manifest, ``outcomes`` their staging outcomes. ``statistics`` are
    merged over the batches, and empty if no batch finished.
    """
    # Two sources may deliver to one partition, and it is published whole or not at all.
    limits = _strictest([settings.for_source(name) for name in sorted({item.source for item in expected})])
    ctx = Context(partition, expected, outcomes, PartitionStatistics.from_json(dict(statistics)), limits)
    return [finding for check in CHECKS for finding in _findings(check, ctx)]


def _findings(check: Check, ctx: Context) -> list[Finding]:
    severity = ctx.limits.severities.get(check.name, check.severity)
    if severity == "off":
        return []
    level = Severity(severity)
    return [Finding(check.name, level, message, example, check.action) for message, example in check.look(ctx)]


def _strictest(limits: Sequence[AuditThresholds]) -> AuditThresholds:
    """Return, for each check, the lowest bound and the highest severity of several sources."""
    if len(limits) <= 1:
        return limits[0] if limits else AuditThresholds()
    numbers = (name for name in AuditThresholds.model_fields if name != "severities")
    lowest = {name: min(getattr(one, name) for one in limits) for name in numbers}
    loudest = {}
    for check in CHECKS:
        levels = [one.severities.get(check.name, check.severity.value) for one in limits]
        loudest[check.name] = max(levels, key=("off", *Severity).index)
    return AuditThresholds(**lowest, severities=loudest)
