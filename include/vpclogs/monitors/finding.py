"""What a monitor has found."""

from __future__ import annotations

from dataclasses import dataclass

from vpclogs.audits.finding import Severity

__all__ = ["MonitorFinding"]


@dataclass(frozen=True, slots=True)
class MonitorFinding:
    """``key`` begins with the monitor's name and stays the same as long as the cause does.

    ``message`` says where, what was seen and what is normal; ``example`` is an object's key.
    """

    key: str
    monitor: str
    severity: Severity
    message: str
    example: str | None = None
