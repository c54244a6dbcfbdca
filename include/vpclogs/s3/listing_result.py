"""The result of listing one source."""

from __future__ import annotations

from dataclasses import dataclass

from vpclogs.manifests import ListingFailure
from vpclogs.objects import LogObject
from vpclogs.s3.left_out import LeftOut
from vpclogs.unread import UnreadFolders

__all__ = ["Listing"]


@dataclass(frozen=True, slots=True)
class Listing:
    """All objects of the days, sorted by key; ``requests`` counts the pages asked for.

    ``organizations``, ``accounts`` and ``regions`` are the names of folders that were seen, read or not. DNS logs
    have no folders of regions. ``accounts`` is None if the folders above them could not be listed.
    """

    objects: tuple[LogObject, ...]
    failures: tuple[ListingFailure, ...]
    requests: int
    left_out: tuple[LeftOut, ...] = ()
    unread: UnreadFolders | None = None
    organizations: tuple[str, ...] = ()
    accounts: frozenset[str] | None = None
    regions: frozenset[str] = frozenset()
