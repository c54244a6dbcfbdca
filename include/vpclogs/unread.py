"""Folders between an account and its days whose names no layout has: nothing below them is listed."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

from vpclogs.foreign_text import shown

__all__ = ["MOST_NAMED", "FolderTally", "UnreadFolders"]

MOST_NAMED = 20
"""Folders of a source that are kept by name. All are counted, but whoever writes to the bucket chooses their number."""


@dataclass(frozen=True, slots=True, order=True)
class UnreadFolders:
    """The folders of a source that no layout has. ``names`` are the first `MOST_NAMED` keys of them, escaped."""

    source: str
    count: int
    names: tuple[str, ...]

    @property
    def label(self) -> str:
        """Return the number and the names of the folders."""
        more = f" and {self.count - len(self.names)} more" if self.count > len(self.names) else ""
        return f"{self.count} folder{'' if self.count == 1 else 's'}: {', '.join(self.names)}{more}"


@dataclass(slots=True)
class FolderTally:
    """Counts folders and keeps the first names, in memory that does not grow with their number."""

    count: int = 0
    names: list[str] = field(default_factory=list)

    def add(self, folder: str) -> None:
        """Add one folder."""
        self.join(FolderTally(1, [folder]))

    def join(self, other: FolderTally) -> None:
        """Add the folders of another tally."""
        self.count += other.count
        self.names = heapq.nsmallest(MOST_NAMED, [*self.names, *other.names])

    def of(self, source: str) -> UnreadFolders | None:
        """Return the folders as those of a source, or None if there are none."""
        return UnreadFolders(source, self.count, tuple(map(shown, self.names))) if self.count else None
