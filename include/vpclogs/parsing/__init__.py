"""Objects in, rows and refused records out. `vpclogs.parsing.model` defines the events."""

from vpclogs.parsing.driver import parse
from vpclogs.parsing.model import (
    Event,
    ObjectEnd,
    ObjectInput,
    ObjectState,
    ObjectUnreadable,
    Parsed,
    ParseLimits,
    Refused,
)

__all__ = [
    "Event",
    "ObjectEnd",
    "ObjectInput",
    "ObjectState",
    "ObjectUnreadable",
    "ParseLimits",
    "Parsed",
    "Refused",
    "parse",
]
