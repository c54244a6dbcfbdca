"""A monitor: a rule over a scene, with its documentation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from vpclogs.findings import Severity
from vpclogs.monitors.entities import Entity
from vpclogs.monitors.snapshot import Snapshot

__all__ = ["Monitor", "Observation", "span"]


@dataclass(frozen=True, slots=True)
class Observation:
    """One observation at a place. ``about`` distinguishes several at the same place.

    ``severity`` is set where it differs from the monitor's own.
    """

    entity: Entity
    message: str
    about: str = ""
    example: str | None = None
    severity: Severity | None = None


@dataclass(frozen=True, slots=True)
class Monitor:
    """One rule. ``threshold`` names the settings it uses; ``action`` is the first thing to do when it fires.

    Findings of a monitor without ``look`` come from elsewhere, while monitors or SQL checks run. The resolution of an
    alert is announced, except for monitors that only report a change.
    """

    name: str
    severity: Severity
    look: Callable[[Snapshot], Iterator[Observation]] | None
    finds: str
    why: str
    action: str
    threshold: tuple[str, ...] = ()
    tells_end: bool = True


def span(hours: float) -> str:
    """Format hours: ``5 hours``, ``3 days``."""
    if hours < 48:
        return f"{hours:.0f} hour" + ("" if round(hours) == 1 else "s")
    return f"{hours / 24:.0f} days"
