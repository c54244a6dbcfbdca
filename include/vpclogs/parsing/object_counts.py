"""Per-object counts kept while parsing, so that records = rows + refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from heapq import nsmallest
from operator import attrgetter

import numpy as np

from vpclogs.parsing.blocks import BlockResult
from vpclogs.parsing.model import ObjectEnd, ObjectState, ObjectUnreadable, Parsed, Refused

__all__ = ["Account", "settle"]

_MAX_NAMES = 100  # versions and unknown fields kept per object; a hostile object can have any number
_NO_RECORDS = ObjectUnreadable(ObjectState.EMPTY, "no_records", "the object holds no record")


@dataclass(slots=True)
class Account:
    """One object's counts so far. ``fate`` is set once none of its records can count."""

    ordinal: int
    rows: int = 0
    refused: int = 0
    raw_bytes: int = 0
    fate: ObjectUnreadable | None = None
    versions: set[str] = field(default_factory=set)
    unknown_fields: set[str] = field(default_factory=set)
    further_fields: int = 0

    def count(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the pieces unchanged, counting their bytes."""
        for piece in pieces:
            self.raw_bytes += len(piece)
            yield piece

    def end(self) -> ObjectEnd:
        """Return the object's outcome."""
        fate = self.fate or (None if self.rows + self.refused else _NO_RECORDS)
        return ObjectEnd(
            object=self.ordinal,
            state=fate.state if fate else ObjectState.LOADED,
            rows=0 if fate else self.rows,
            refused=0 if fate else self.refused,
            raw_bytes=self.raw_bytes,
            reason=fate.reason if fate else None,
            detail=fate.detail if fate else "",
            versions=frozenset(self.versions),
            unknown_fields=frozenset(self.unknown_fields),
            further_fields=self.further_fields,
        )


def settle(result: BlockResult, refused: Iterable[Refused], accounts: Sequence[Account]) -> Iterator[Parsed]:
    """Add a result to the counts of its objects and yield the part of it that counts, if any.

    ``refused`` are the refusals that the parser did not see.
    """
    by_ordinal = {account.ordinal: account for account in accounts}
    for ordinal, fate in result.unreadable.items():
        by_ordinal[ordinal].fate = by_ordinal[ordinal].fate or fate
    for ordinal, names in result.versions.items():
        _remember(by_ordinal[ordinal].versions, names)
    for ordinal, names in result.unknown_fields.items():
        by_ordinal[ordinal].further_fields += _remember(by_ordinal[ordinal].unknown_fields, names)
    # After the fates of this result: its rows of an object refused just now do not count either.
    parsed = _without(result, refused, [account.ordinal for account in accounts if account.fate])
    if not (parsed.rows.num_rows or parsed.refused):
        return
    for ordinal, count in zip(*np.unique(parsed.objects, return_counts=True), strict=True):
        by_ordinal[int(ordinal)].rows += int(count)
    for one in parsed.refused:
        by_ordinal[one.object].refused += 1
    yield parsed


def _without(result: BlockResult, refused: Iterable[Refused], unreadable: list[int]) -> Parsed:
    """Return the result without records of unreadable objects, with refusals in order."""
    kept = sorted((r for r in (*refused, *result.refused) if r.object not in unreadable), key=_POSITION)
    if not unreadable or not (gone := np.isin(result.objects, unreadable)).any():
        return Parsed(result.rows, result.objects, result.lines, kept)
    return Parsed(result.rows.filter(~gone), result.objects[~gone], result.lines[~gone], kept)


_POSITION = attrgetter("object", "line")


def _remember(names: set[str], more: Set[str]) -> int:
    """Add names up to the limit and return the number of those beyond it."""
    new = more - names
    room = _MAX_NAMES - len(names)
    if len(new) <= room:
        names.update(new)
        return 0
    # The smallest, not the first: sets have no order, and counts must not depend on it.
    names.update(nsmallest(room, new))
    return len(new) - room
