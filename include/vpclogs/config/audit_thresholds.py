"""Settings of audits: the limits of each check and its severity."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

__all__ = ["CHECK_NAMES", "AuditSettings", "AuditThresholds"]

Share = Annotated[float, Field(ge=0, le=1)]
"""0 to 1 of a partition's records, unless marked as objects."""

CHECK_NAMES = (
    "missing_objects",
    "failed_objects",
    "repeated_row_ids",
    "lost_records",
    "mostly_refused",
    "refused_objects",
    "other_logs",
    "gone_objects",
    "changed_objects",
    "contradicting_regions",
    "empty_objects",
    "copied_objects",
    "quarantined_share",
    "nothing_loaded",
    "repeated_records",
    "null_values",
    "late_events",
    "early_events",
    "misdated_events",
    "foreign_accounts",
    "foreign_regions",
    "unknown_versions",
    "unknown_fields",
    "unknown_values",
    "skipdata_share",
)
"""Every check. The checks themselves are slow to import, and settings are read often."""


def _check_name(name: str) -> str:
    if name not in CHECK_NAMES:
        close = difflib.get_close_matches(name, CHECK_NAMES, 1)
        raise ValueError(f"no check has this name{f', did you mean {close[0]}' if close else ''}: see docs/quality.md")
    return name


CheckName = Annotated[str, AfterValidator(_check_name)]
Level = Annotated[
    Literal["info", "warning", "error", "off"], BeforeValidator(lambda value: "off" if value is False else value)
]
"""A severity or none. Plain ``off`` is false in YAML."""


class AuditThresholds(BaseModel):
    """Limits of the checks.

    Shares of records apply from ``min_records`` on, shares of objects from ``min_objects`` on. ``severities``
    overrides the severity of a check, by the check's name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_records: int = Field(default=100, ge=1)
    min_objects: int = Field(default=10, ge=1)
    max_quarantined_share: Share = 0.05
    max_refused_objects_share: Share = 0.5  # of objects
    max_empty_objects_share: Share = 0.5  # of objects
    max_repeated_share: Share = 0.01
    max_null_share: Share = 0.05
    max_event_age_hours: int = Field(default=24, ge=0)  # before the partition's day starts
    max_event_ahead_hours: int = Field(default=1, ge=0)  # after it ends
    max_off_day_share: Share = 0.01
    max_misdated_share: Share = 0.01
    max_foreign_region_share: Share = 0.01
    max_skipdata_share: Share = 0.01
    severities: Mapping[CheckName, Level] = Field(default_factory=dict)


class AuditSettings(AuditThresholds):
    """The thresholds of all sources, with overrides by source name."""

    per_source: Mapping[str, AuditThresholds] = Field(default_factory=dict)

    def for_source(self, name: str) -> AuditThresholds:
        """Return the thresholds that apply to the source `name`."""
        own = self.per_source.get(name, AuditThresholds())
        values = {
            # Only what the source sets itself: its defaults must not hide the settings for all sources.
            key: getattr(own if key in own.model_fields_set else self, key)
            for key in AuditThresholds.model_fields
        }
        return AuditThresholds(**values | {"severities": {**self.severities, **own.severities}})
