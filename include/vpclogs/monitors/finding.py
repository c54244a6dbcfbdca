"""The finding of a monitor."""

from __future__ import annotations

from dataclasses import dataclass

from vpclogs.audits.finding import Severity

__all__ = ["MonitorFinding"]


@dataclass(frozen=True, slots=True)
class MonitorFinding:
    """``key`` starts with the monitor's name and stays the same while the cause does.

    ``message`` states the place, the observed and the normal value; ``example`` is an object's key.
    """

    key: str
    monitor: str
    severity: Severity
    message: str
    example: str | None = None
