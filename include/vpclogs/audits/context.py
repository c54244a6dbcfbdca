"""The input of a check: one partition of one manifest, with outcomes and statistics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from vpclogs.config.audit_thresholds import AuditThresholds
from vpclogs.objects import LogObject
from vpclogs.parsing.model import ObjectState
from vpclogs.partitions import Partition
from vpclogs.profile.expectations import EXPECTATIONS, Expectations
from vpclogs.profile.partition_statistics import PartitionStatistics
from vpclogs.staged import ObjectOutcome

__all__ = ["NOT_OURS", "OTHER_LOGS", "Context"]

OTHER_LOGS = frozenset({"transit_gateway", "cloudwatch_export"})
"""Reasons to refuse an object that is sound, but another kind of log under the same prefix."""

NOT_OURS = OTHER_LOGS | {"key_layout", "archived"}
"""Reasons unrelated to the format of the log, however many objects they refuse."""


@dataclass(frozen=True)
class Context:
    """One partition of one manifest."""

    partition: Partition
    expected: Sequence[LogObject]
    outcomes: Sequence[ObjectOutcome]
    seen: PartitionStatistics
    limits: AuditThresholds

    @property
    def expect(self) -> Expectations:
        return EXPECTATIONS[self.partition.log_type]

    @cached_property
    def objects(self) -> dict[str, LogObject]:
        """The objects of the manifest, by identity."""
        return {item.identity: item for item in self.expected}

    @property
    def records(self) -> int:
        """The number of rows and refused records of the loaded objects."""
        return self.seen.rows + self.seen.refused

    @property
    def enough_records(self) -> bool:
        """True if there are enough records to judge a share of them."""
        return self.records >= self.limits.min_records

    def ended(self, state: ObjectState) -> list[ObjectOutcome]:
        """Return the outcomes in one state."""
        return [outcome for outcome in self.outcomes if outcome.state == state]

    def key(self, outcome: ObjectOutcome) -> str | None:
        """Return the key of an outcome's object."""
        item = self.objects.get(outcome.identity)
        return item.key if item else None

    def find(self, begin: str) -> LogObject | None:
        """Return the object whose identity starts with ``begin``."""
        # Once per finding, so that a scan of the objects is cheap enough.
        return next((item for identity, item in self.objects.items() if identity.startswith(begin)), None)
