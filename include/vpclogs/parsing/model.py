"""The results of parsing, the same for every log and container.

A parse is a stream of events over an ordered list of objects, each named by its
ordinal in that list: `Parsed` carries rows and refused records, `ObjectEnd` closes
one object. For every object: records = rows + refused, always.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = [
    "Event",
    "ObjectEnd",
    "ObjectInput",
    "ObjectState",
    "ObjectUnreadable",
    "ParseLimits",
    "Parsed",
    "Refused",
]


class ObjectState(StrEnum):
    """How reading one object ended."""

    LOADED = "loaded"  # its rows and refused records are all there is
    REFUSED = "refused"  # refused whole: none of its rows count
    EMPTY = "empty"  # zero bytes, or a container without records
    GONE = "gone"  # deleted between listing and reading
    CHANGED = "changed"  # rewritten between listing and reading; the next listing has the new version
    FAILED = "failed"  # could not be read now; the partition fails, a rerun tries again


class ObjectUnreadable(Exception):
    """Raised while one object is read or parsed, if none of its records can count.

    A chunk iterator raises it for failed reads (gone, changed, denied, throttled); a
    container or a parser for an object that it refuses whole. The driver turns it into
    the object's `ObjectEnd` and goes on with the next object. ``reason`` is a code of
    `vpclogs.reasons`, ``detail`` one sentence.
    """

    def __init__(self, state: ObjectState, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.state = state
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class ObjectInput:
    """One object to parse: its place in the list, its key, its bytes as stored (compressed).

    Flow records that name another region than ``region`` are refused; None accepts all. For DNS
    it has no meaning, because their region is that of the object's first good record.
    """

    ordinal: int
    name: str
    chunks: Iterator[bytes]
    region: str | None = None


@dataclass(frozen=True, slots=True)
class ParseLimits:
    """Bounds that keep a hostile object from taking the worker down. Sizes in bytes.

    The limits of an object are far above any log that AWS writes, and low enough that
    input beyond them costs little before it is refused.
    """

    max_line_bytes: int = 1 << 20
    max_object_bytes: int = 16 << 30  # decompressed
    # Decompressed bytes per stored byte, from 4 MiB on. Logs have 4 to 15; one client that repeats one query has 50.
    max_object_ratio: int = 200
    # The largest objects of AWS have about five million.
    max_object_lines: int = 500_000_000
    # On average, of an object with more than 10,000 lines. The shortest flow record that loads has 25.
    min_line_bytes: int = 8
    # Refused records, if they are more than a tenth; blank lines, if they are more than two of three. AWS writes none.
    max_object_refused: int = 1000
    # AWS writes one; a tool that joins objects writes one for each, bgzip one for every 64 KiB.
    max_object_members: int = 100_000
    max_kept_raw_bytes: int = 64 << 10  # raw text kept per refused record; longer ones keep a pointer
    block_bytes: int = 16 << 20  # decompressed bytes parsed at a time
    whole_object_bytes: int = 64 << 20  # up to here an object is decompressed whole before parsing


@dataclass(frozen=True, slots=True)
class Refused:
    """One record that the schema refuses.

    ``line`` is 1-based in the decompressed object (for Parquet: the row).
    ``start`` and ``end`` are the half-open byte range in the decompressed object
    (-1 for Parquet). ``raw`` may be cut to `ParseLimits.max_kept_raw_bytes`; then
    ``end - start`` is larger than ``len(raw)``. ``header`` is the header line that a flow
    record in text belongs to, without which it cannot be read again.
    """

    object: int
    line: int
    reason: str
    field: str | None
    detail: str
    raw: bytes
    start: int
    end: int
    header: str | None = None


@dataclass(frozen=True, slots=True)
class Parsed:
    """Rows of one or more objects, in object and line order.

    ``rows`` has the columns of the log type's schema plus ``p_event_time``,
    ``p_any_*`` and ``p_extra``; ``objects`` (int32) and ``lines`` (int64) say where
    each row came from. If ``provisional``, all rows are of one large object that is
    still being decompressed: they count only if its `ObjectEnd` is LOADED.
    """

    rows: pa.Table
    objects: npt.NDArray[np.int32]
    lines: npt.NDArray[np.int64]
    refused: list[Refused] = field(default_factory=list)
    provisional: bool = False


@dataclass(frozen=True, slots=True)
class ObjectEnd:
    """The fate of one object. Comes after the last `Parsed` that holds its records.

    ``records`` = ``rows`` + ``refused`` for LOADED, 0 otherwise. ``raw_bytes`` is the
    decompressed size as far as it was read. ``reason`` (a code) and ``detail`` (a
    sentence) are set unless the object is LOADED. ``versions`` are the format
    versions seen; ``unknown_fields`` the field names that the schema does not have, up
    to a limit of distinct names; ``further_fields`` counts the names beyond it, each
    once per block of the object.
    """

    object: int
    state: ObjectState
    rows: int = 0
    refused: int = 0
    raw_bytes: int = 0
    reason: str | None = None
    detail: str = ""
    versions: frozenset[str] = frozenset()
    unknown_fields: frozenset[str] = frozenset()
    further_fields: int = 0

    @property
    def records(self) -> int:
        return self.rows + self.refused


Event = Parsed | ObjectEnd
