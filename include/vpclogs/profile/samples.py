"""A sample of a partition's records, to find records delivered in two objects.

Content alone decides whether a record is in the sample, so either all copies of a record are or none, across batches
too. Up to `CAPACITY` records the sample holds all of them; above that, a share that shrinks as the partition grows.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vpclogs.profile.columns import Mask, valid_mask, value_mask
from vpclogs.profile.expectations import Expectations
from vpclogs.profile.hashing import Words, exact, spread
from vpclogs.staged import StatisticsJson

__all__ = ["CAPACITY", "Repeats", "Sample"]

CAPACITY = 1024
"""Records kept. Each takes twelve bytes in the ledger, for every batch of a partition."""

_MOST_HALVINGS = 32  # the upper half has bits for no more
_LOWER = np.uint64(0xFFFFFFFF)

Columns = Callable[[str], pa.Array]
Rows = npt.NDArray[np.int64]
Objects = npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Repeats:
    """The result of a comparison: ``repeated`` of ``compared`` sampled records were in another object too.

    ``objects`` are two objects with a common record, each by the first 8 digits of its identity.
    """

    compared: int
    repeated: int
    objects: tuple[str, str] | None

    @property
    def share(self) -> float:
        """The estimated share of repeated records in the partition."""
        return self.repeated / self.compared if self.compared else 0.0


class Sample:
    """Hashes of records, each with its object. Halves itself when it exceeds `CAPACITY`.

    The upper 32 bits of a hash come from cheap columns and decide whether the record is kept. The lower 32 come from
    all columns and are computed only for records that are kept.
    """

    def __init__(self, halvings: int = 0, hashes: Words | None = None, objects: Objects | None = None) -> None:
        self._halvings = halvings
        self._hashes = np.zeros(0, np.uint64) if hashes is None else hashes
        self._objects = np.zeros(0, np.uint32) if objects is None else objects

    def add(self, columns: Columns, expect: Expectations, begins: Callable[[Rows], Objects]) -> None:
        """Add rows. ``begins`` returns, for some rows, the first 32 bits of their objects' identities."""
        # Cheap columns first: of a large partition nearly every record is dropped here.
        hashes = spread(columns(name) for name in expect.spread)
        kept = np.flatnonzero(hashes < self._limit)
        while len(kept) + len(self._hashes) > CAPACITY and self._halvings < _MOST_HALVINGS:
            self._halve()
            kept = kept[hashes[kept] < self._limit]
        if len(kept) == 0:
            return
        picked = {name: columns(name) for name in (*expect.record, *expect.comparable)}
        if len(kept) < len(hashes):
            places = pa.array(kept)
            picked = {name: column.take(places) for name, column in picked.items()}
        fit = _comparable(picked, expect)
        lower = exact(picked[name] for name in expect.record) & _LOWER
        self._hashes = np.append(self._hashes, ((hashes[kept] & ~_LOWER) | lower)[fit])
        self._objects = np.append(self._objects, begins(kept)[fit])

    def update(self, other: Sample) -> None:
        """Add the content of another sample."""
        self._hashes = np.concatenate([self._hashes, other._hashes])
        self._objects = np.concatenate([self._objects, other._objects])
        # Both samples must have the same limit; halving once more applies it to both.
        self._halvings = max(self._halvings, other._halvings) - 1
        self._halve()
        while len(self._hashes) > CAPACITY and self._halvings < _MOST_HALVINGS:
            self._halve()

    def repeats(self) -> Repeats:
        """Count the records that are in two objects. Copies within one object do not count."""
        order = np.lexsort((self._objects, self._hashes))
        hashes, objects = self._hashes[order], self._objects[order]
        same = hashes[1:] == hashes[:-1]
        again = np.flatnonzero(same & (objects[1:] != objects[:-1]))
        within = int(np.count_nonzero(same)) - len(again)
        pair = (f"{objects[again[0]]:08x}", f"{objects[again[0] + 1]:08x}") if len(again) else None
        return Repeats(compared=len(hashes) - within, repeated=len(again), objects=pair)

    def to_json(self) -> StatisticsJson:
        """Return the form that the ledger stores."""
        return {
            "halvings": self._halvings,
            "hashes": base64.b64encode(self._hashes.astype("<u8").tobytes()).decode(),
            "objects": base64.b64encode(self._objects.astype("<u4").tobytes()).decode(),
        }

    @classmethod
    def from_json(cls, data: StatisticsJson) -> Self:
        """Return a sample from `to_json`."""
        hashes = np.frombuffer(base64.b64decode(data["hashes"]), "<u8").astype(np.uint64)
        objects = np.frombuffer(base64.b64decode(data["objects"]), "<u4").astype(np.uint32)
        return cls(data["halvings"], hashes, objects)

    @property
    def _limit(self) -> np.uint64:
        return np.uint64(((1 << 64) - 1) >> self._halvings)

    def _halve(self) -> None:
        self._halvings += 1
        keep = self._hashes < self._limit
        self._hashes, self._objects = self._hashes[keep], self._objects[keep]


def _comparable(columns: Mapping[str, pa.Array], expect: Expectations) -> Mask:
    """Return a mask of the rows that have every value needed to compare two records."""
    # Records that lack a value look equal without being copies.
    fit = np.ones(len(columns[expect.record[0]]), np.bool_)
    lacking = [name for name in expect.comparable if columns[name].null_count]
    if lacking:
        idle = ~value_mask(columns[expect.status], "OK") if expect.status else ~fit
        for name in lacking:
            fit &= valid_mask(columns[name]) | (idle if name in expect.filled_by_traffic else False)
    return fit
