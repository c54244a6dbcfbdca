"""A finding: what one check has to say about one partition."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Finding", "Severity"]


class Severity(StrEnum):
    """How much a finding matters, from least to most."""

    INFO = "info"  # good to know; nothing to do now
    WARNING = "warning"  # published, and somebody should look
    ERROR = "error"  # the partition is not published


@dataclass(frozen=True, slots=True)
class Finding:
    """``message`` says what was expected, what was seen and what to do; ``example`` is an object's key."""

    check: str
    severity: Severity
    message: str
    example: str | None = None
