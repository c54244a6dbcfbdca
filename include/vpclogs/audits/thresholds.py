"""The configuration of audits: where each check says no, and how loudly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from vpclogs.audits.finding import Severity

__all__ = ["AuditSettings", "AuditThresholds"]

Share = Annotated[float, Field(ge=0, le=1)]
"""0 to 1 of a partition's records, unless it says objects."""

Level = Severity | Literal["off"]


class AuditThresholds(BaseModel):
    """Where an audit says no. Shares of records are judged from ``min_records`` on, of objects from ``min_objects``.

    ``severities`` changes how loud a check is, by the check's name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_records: int = Field(default=100, ge=1)
    min_objects: int = Field(default=10, ge=1)
    max_quarantined_share: Share = 0.05
    max_refused_objects_share: Share = 0.5  # of objects
    max_empty_objects_share: Share = 0.5  # of objects
    max_repeated_share: Share = 0.01
    max_null_share: Share = 0.05
    max_event_age_hours: int = Field(default=24, ge=0)  # before the partition's day begins
    max_event_ahead_hours: int = Field(default=1, ge=0)  # after it ends
    max_off_day_share: Share = 0.01
    max_misdated_share: Share = 0.01
    max_foreign_region_share: Share = 0.01
    max_skipdata_share: Share = 0.01
    severities: Mapping[str, Level] = Field(default_factory=dict)


class AuditSettings(AuditThresholds):
    """The thresholds of all sources, and what differs by source name."""

    per_source: Mapping[str, AuditThresholds] = Field(default_factory=dict)

    def for_source(self, name: str) -> AuditThresholds:
        """The thresholds that hold for the source `name`."""
        own = self.per_source.get(name, AuditThresholds())
        values = {
            key: getattr(own if key in own.model_fields_set else self, key) for key in AuditThresholds.model_fields
        }
        return AuditThresholds(**values | {"severities": {**self.severities, **own.severities}})
