"""Settings of monitors: thresholds, severities, and notifiers."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from vpclogs.config.audit_thresholds import Level, Share
from vpclogs.findings import Severity

__all__ = ["MONITOR_NAMES", "MonitorSettings", "MonitorThresholds", "Notify"]

MONITOR_NAMES = (
    "no_runs",
    "unlisted_days",
    "freshness",
    "silence",
    "volume_drop",
    "volume_rise",
    "ingest_lag",
    "quarantine_rise",
    "refused_objects_rise",
    "schema_drift",
    "uncovered_accounts",
    "uncovered_regions",
    "unread_folders",
    "failed_monitors",
    "broken_checks",
)
"""Every monitor. The monitors themselves are slow to import, and settings are read often."""


def _monitor_name(name: str) -> str:
    if name not in MONITOR_NAMES:
        close = difflib.get_close_matches(name, MONITOR_NAMES, 1)
        raise ValueError(
            f"no monitor has this name{f', did you mean {close[0]}' if close else ''}: see docs/quality.md"
        )
    return name


def _class_path(path: str) -> str:
    if "." not in path or not all(part.isidentifier() for part in path.split(".")):
        raise ValueError(
            "write the class with its module, such as airflow.providers.smtp.notifications.smtp.SmtpNotifier"
        )
    return path


MonitorName = Annotated[str, AfterValidator(_monitor_name)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MonitorThresholds(_Frozen):
    """Limits of the monitors. Patterns are learned for each VPC or flow log, region and account.

    ``severities`` overrides the severity of a monitor, by the monitor's name.
    """

    min_history_days: int = Field(default=8, ge=2)  # a week and a day, so that it includes a weekend
    silence_hours: int = Field(default=3, ge=1)
    false_alarm_odds: int = Field(default=100_000, ge=100)  # an absence less likely than 1 in this number is an alert
    give_up_days: int = Field(default=7, ge=1)
    waiting_hours: int = Field(default=6, ge=1)
    unlisted_hours: int = Field(default=3, ge=1)
    max_lag_minutes: int = Field(default=180, ge=1)
    volume_drop: Share = 0.5
    volume_rise: float = Field(default=5, gt=1)
    volume_deviations: float = Field(default=6, gt=0)
    min_hourly_records: int = Field(default=1000, ge=1)
    min_quarantined_share: Share = 0.0005
    min_quarantined_records: int = Field(default=20, ge=1)
    quarantine_rise: float = Field(default=3, ge=1)
    min_refused_objects: int = Field(default=3, ge=1)
    severities: Mapping[MonitorName, Level] = Field(default_factory=dict)


class Notify(_Frozen):
    """One Airflow notifier, created with ``kwargs``.

    It receives alerts of at least ``severity``, all in one message or, with ``each``, one message per alert. ``name``
    distinguishes two notifiers of the same class.
    """

    notifier: Annotated[str, AfterValidator(_class_path)]
    kwargs: Mapping[str, Any] = Field(default_factory=dict, repr=False)  # may hold a password
    name: str = Field(default="", max_length=100)
    severity: Severity = Severity.WARNING
    each: bool = False

    @property
    def label(self) -> str:
        """The name, or the class."""
        return self.name or self.notifier.rpartition(".")[2]


class MonitorSettings(MonitorThresholds):
    """The thresholds of all sources, with overrides by source name, and the notifiers."""

    learn_days: int = Field(default=28, ge=14, le=90)
    max_run_gap_hours: int = Field(default=3, ge=1)
    quiet_hours: int = Field(default=2, ge=0)
    retell_hours: int = Field(default=24, ge=1)
    ignore: tuple[str, ...] = ()
    notify: tuple[Notify, ...] = ()
    per_source: Mapping[str, MonitorThresholds] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _notifiers_apart(self) -> Self:
        labels = Counter(one.label for one in self.notify)
        for label, count in labels.items():
            if count > 1:
                raise ValueError(f"{count} notifiers are called {label}: give each a `name`, by which it is remembered")
        return self

    def for_source(self, name: str | None) -> MonitorThresholds:
        """Return the thresholds that apply to the source `name`."""
        own = self.per_source.get(name or "", MonitorThresholds())
        values = {
            key: getattr(own if key in own.model_fields_set else self, key) for key in MonitorThresholds.model_fields
        }
        return MonitorThresholds(**values | {"severities": {**self.severities, **own.severities}})
