"""What a monitor is: a rule over a scene, with all that people need to know about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from vpclogs.audits.finding import Severity
from vpclogs.monitors.places import Place
from vpclogs.monitors.scene import Scene

__all__ = ["Monitor", "Sighting", "span"]


@dataclass(frozen=True, slots=True)
class Sighting:
    """Something that a monitor saw at a place. ``about`` tells two at the same place apart.

    ``severity`` is set where it differs from the monitor's own.
    """

    place: Place
    message: str
    about: str = ""
    example: str | None = None
    severity: Severity | None = None


@dataclass(frozen=True, slots=True)
class Monitor:
    """``threshold`` names the settings it obeys; ``action`` is what to do at 3 a.m.

    Without ``look`` it is found elsewhere, while monitors or the users' checks run. The
    end of an alert is told, but not of one that only says that something has changed.
    """

    name: str
    severity: Severity
    look: Callable[[Scene], Iterator[Sighting]] | None
    finds: str
    why: str
    action: str
    threshold: tuple[str, ...] = ()
    tells_end: bool = True


def span(hours: float) -> str:
    """Hours for people: ``5 hours``, ``3 days``."""
    if hours < 48:
        return f"{hours:.0f} hour" + ("" if round(hours) == 1 else "s")
    return f"{hours / 24:.0f} days"
