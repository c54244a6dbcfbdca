"""Counts by name in bounded memory, each with one object as an example."""

from __future__ import annotations

import msgspec

__all__ = ["OTHERS", "Counted", "NameCounter"]

_MOST_NAMES = 200
_LONGEST_NAME = 100  # names come from the log, where one may be a megabyte long

OTHERS = "(others)"
"""The name under which all names beyond the first 200 are counted."""


class Counted(msgspec.Struct, array_like=True):
    """A count, with the key of an object as an example."""

    count: int = 0
    example: str | None = None


class NameCounter(msgspec.Struct):
    """Counts by name."""

    names: dict[str, Counted] = {}

    def add(self, name: str, count: int = 1, example: str | None = None) -> None:
        """Add to the count of a name."""
        name = name[:_LONGEST_NAME]
        # Names come from the log too: a hostile one could have a new name in every record.
        if name not in self.names and len(self.names) >= _MOST_NAMES:
            name = OTHERS
        entry = self.names.setdefault(name, Counted())
        entry.count += count
        entry.example = entry.example or example

    def update(self, other: NameCounter) -> None:
        """Add all counts of another tally."""
        for name, entry in other.names.items():
            self.add(name, entry.count, entry.example)

    def of(self, name: str) -> int:
        """Return the count of one name."""
        return self.names[name].count if name in self.names else 0

    @property
    def total(self) -> int:
        """The sum of all counts."""
        return sum(entry.count for entry in self.names.values())

    @property
    def example(self) -> str | None:
        """The key of an object with the most frequent name."""
        return max(self.names.values(), key=lambda entry: entry.count).example if self.names else None

    def __bool__(self) -> bool:
        return bool(self.names)

    def __str__(self) -> str:
        most = sorted(self.names.items(), key=lambda item: (-item[1].count, item[0]))
        told = ", ".join(f"{name} ({entry.count})" for name, entry in most[:5])
        return told + (f" and {len(most) - 5} more" if len(most) > 5 else "")
