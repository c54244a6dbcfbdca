"""Findings: the results of audit checks and of monitors."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Finding", "MonitorFinding", "Severity"]


class Severity(StrEnum):
    """The severity of a finding, lowest first."""

    INFO = "info"  # informational; no action
    WARNING = "warning"  # published, but needs attention
    ERROR = "error"  # the partition is not published


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding.

    ``message`` states the expected and the observed value and the next step; ``example`` is an object's key.
    ``action`` is the advice of the check.
    """

    check: str
    severity: Severity
    message: str
    example: str | None = None
    action: str | None = None


@dataclass(frozen=True, slots=True)
class MonitorFinding:
    """``key`` starts with the monitor's name and stays the same while the cause does.

    ``message`` states the place, the observed and the normal value; ``example`` is an object's key. ``action`` is the
    advice of the monitor.
    """

    key: str
    monitor: str
    severity: Severity
    message: str
    example: str | None = None
    action: str | None = None
