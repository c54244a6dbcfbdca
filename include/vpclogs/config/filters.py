"""Entries of a source's lists of accounts and regions that match nothing: most often they are mistyped."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from vpclogs.config.sources import Source

__all__ = ["SeenNames", "UnmatchedEntry", "known_regions", "unmatched_entries"]


@dataclass(frozen=True, slots=True)
class SeenNames:
    """The accounts and regions that a listing saw, read or not. ``accounts`` is None if it could not see them all."""

    accounts: frozenset[str] | None
    regions: frozenset[str]


@dataclass(frozen=True, slots=True)
class UnmatchedEntry:
    """An entry of the list ``key`` of a source that nothing in S3 matches. ``nearest`` is the most similar name."""

    source: str
    key: str
    entry: str
    nearest: str | None

    @property
    def label(self) -> str:
        """The entry and, if there is one, the nearest name."""
        return f"{self.key}: {self.entry}" + (f" (nearest: {self.nearest})" if self.nearest else "")


def unmatched_entries(source: Source, seen: SeenNames) -> Iterator[UnmatchedEntry]:
    """Yield the entries of a source's ``accounts`` and ``regions`` that none of the names matches."""
    if seen.accounts is not None:
        for entry in sorted({*(source.accounts.allow or ()), *source.accounts.deny} - seen.accounts):
            yield UnmatchedEntry(source.name, "accounts", entry, _nearest(entry, seen.accounts))
    missing = sorted({*(source.regions.allow or ()), *source.regions.deny} - seen.regions)
    for entry in missing:
        regions = known_regions()
        # a region that exists may have no logs yet: then no other name is meant
        nearest = None if entry in regions else _nearest(entry, seen.regions | regions)
        yield UnmatchedEntry(source.name, "regions", entry, nearest)


def known_regions() -> frozenset[str]:
    """Return the regions of all AWS clouds that the installed botocore knows."""
    import botocore.session  # slow, and seldom needed

    session = botocore.session.get_session()
    return frozenset(
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("ec2", partition)
    )


def _nearest(entry: str, names: Collection[str]) -> str | None:
    close = difflib.get_close_matches(entry, sorted(names), 5)
    # swapped letters, which difflib weighs like wrong ones, are the likeliest mistake
    return min(close, key=lambda name: sorted(name) != sorted(entry), default=None)
