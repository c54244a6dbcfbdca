"""What a check is: a rule over a case, with all that people need to know about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from vpclogs.audits.case import Case
from vpclogs.audits.finding import Severity

__all__ = ["Check", "Seen", "percent"]

Seen = tuple[str, str | None]
"""(message, key of an example object)"""


@dataclass(frozen=True, slots=True)
class Check:
    """``threshold`` names the settings it obeys; ``action`` is what to do at 3 a.m."""

    name: str
    severity: Severity
    look: Callable[[Case], Iterator[Seen]]
    expects: str
    why: str
    action: str
    threshold: tuple[str, ...] = ()


def percent(share: float) -> str:
    """``0.05`` as ``5 %``, with as many digits as it takes to tell it from 0."""
    return f"{share:.2g} %" if (share := share * 100) < 10 else f"{share:.0f} %"
