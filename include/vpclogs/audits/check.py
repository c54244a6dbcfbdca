"""A check: a rule over one partition, with its documentation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from vpclogs.audits.context import Context
from vpclogs.findings import Severity

__all__ = ["Check", "Seen", "percent"]

Seen = tuple[str, str | None]
"""(message, key of an example object)"""


@dataclass(frozen=True, slots=True)
class Check:
    """One rule. ``threshold`` names the settings it uses; ``action`` is the first thing to do when it fails."""

    name: str
    severity: Severity
    look: Callable[[Context], Iterator[Seen]]
    expects: str
    why: str
    action: str
    threshold: tuple[str, ...] = ()


def percent(share: float) -> str:
    """Format a share as a percentage: ``0.05`` as ``5 %``, with enough digits to distinguish it from 0."""
    return f"{share:.2g} %" if (share := share * 100) < 10 else f"{share:.0f} %"
