"""The locked requirements, as the tests of this folder read them."""

from __future__ import annotations

import re
from pathlib import Path

from packaging.requirements import Requirement

__all__ = ["ROOT", "locked"]

ROOT = Path(__file__).parents[2]


def locked(name: str) -> dict[str, tuple[Requirement, list[str]]]:
    """Return what a lock pins: package → requirement and sha256 hashes. Markers may pin a package more than once."""
    pins = {}
    for entry in re.split(r"\n(?=\S)", (ROOT / name).read_text()):
        lines = [line.strip(" \\") for line in entry.splitlines()]
        lines = [line for line in lines if line and not line.startswith("#")]
        if lines:
            requirement = Requirement(lines[0])
            pins[f"{requirement.name};{requirement.marker or ''}"] = (requirement, lines[1:])
    return pins
