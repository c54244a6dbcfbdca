"""A sample of a partition's records, to find those that were delivered in two objects.

A record is in the sample or not by its content alone, so if one copy is, all are, also
across batches. Up to `CAPACITY` records the sample is all of them; above, a part that
shrinks as the partition grows.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vpclogs.audits.columns import Mask, contiguous, value_mask
from vpclogs.audits.expectations import Expectations
from vpclogs.audits.hashing import Words, row_hashes

__all__ = ["CAPACITY", "Repeats", "Sample"]

CAPACITY = 1024
"""Records kept. Each is twelve bytes that go through the ledger, for every batch of a partition."""

_UPPER, _LOWER = np.uint64(32), np.uint64(0xFFFFFFFF)
_Objects = npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Repeats:
    """Of ``compared`` records in a sample, ``repeated`` had been in another object already.

    ``objects`` are two objects with a record in common, by the first 8 digits of their identities.
    """

    compared: int
    repeated: int
    objects: tuple[str, str] | None

    @property
    def share(self) -> float:
        """The repeated share of all records, about."""
        return self.repeated / self.compared if self.compared else 0.0


class Sample:
    """Hashes of records, each with its object. Halves itself whenever it outgrows `CAPACITY`.

    The upper 32 bits of a hash are of cheap columns and decide whether the record is
    kept; the lower 32 are of all columns, and are made only for what is kept.
    """

    def __init__(self, halvings: int = 0, hashes: Words | None = None, objects: _Objects | None = None) -> None:
        self.halvings = halvings
        self.hashes = np.zeros(0, np.uint64) if hashes is None else hashes
        self.objects = np.zeros(0, np.uint32) if objects is None else objects

    def add(self, rows: pa.Table, objects: _Objects, expect: Expectations) -> None:
        """Take rows into account; ``objects`` has the begin of the identity of each row's object."""
        upper = row_hashes([contiguous(rows, name) for name in expect.spread], len(rows), whole_texts=False) >> _UPPER
        kept = np.flatnonzero(upper < self._limit)
        while len(kept) + len(self.hashes) > CAPACITY and self.halvings < 32:
            self._halve()
            kept = kept[upper[kept] < self._limit]
        if len(kept) == 0:
            return
        picked = rows.select([name for name in expect.record if name in rows.column_names]).take(pa.array(kept))
        lower = row_hashes([contiguous(picked, name) for name in expect.record], len(kept), whole_texts=True) & _LOWER
        fit = _comparable(picked, expect)
        self.hashes = np.concatenate([self.hashes, ((upper[kept] << _UPPER) | lower)[fit]])
        self.objects = np.concatenate([self.objects, objects[kept][fit]])

    def update(self, other: Sample) -> None:
        """Take over what another sample holds."""
        self.hashes = np.concatenate([self.hashes, other.hashes])
        self.objects = np.concatenate([self.objects, other.objects])
        self.halvings = max(self.halvings, other.halvings) - 1
        self._halve()
        while len(self.hashes) > CAPACITY and self.halvings < 32:
            self._halve()

    def repeats(self) -> Repeats:
        """Count the records that are in two objects. Copies within one object are not meant."""
        order = np.lexsort((self.objects, self.hashes))
        hashes, objects = self.hashes[order], self.objects[order]
        same = hashes[1:] == hashes[:-1]
        again = np.flatnonzero(same & (objects[1:] != objects[:-1]))
        within = int(np.count_nonzero(same)) - len(again)
        pair = (f"{objects[again[0]]:08x}", f"{objects[again[0] + 1]:08x}") if len(again) else None
        return Repeats(compared=len(hashes) - within, repeated=len(again), objects=pair)

    def to_json(self) -> dict[str, Any]:
        """For the ledger."""
        return {
            "halvings": self.halvings,
            "hashes": base64.b64encode(self.hashes.astype("<u8").tobytes()).decode(),
            "objects": base64.b64encode(self.objects.astype("<u4").tobytes()).decode(),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Read `to_json` back."""
        hashes = np.frombuffer(base64.b64decode(data["hashes"]), "<u8").astype(np.uint64)
        objects = np.frombuffer(base64.b64decode(data["objects"]), "<u4").astype(np.uint32)
        return cls(data["halvings"], hashes, objects)

    @property
    def _limit(self) -> np.uint64:
        return np.uint64(1 << (32 - self.halvings))

    def _halve(self) -> None:
        self.halvings += 1
        keep = (self.hashes >> _UPPER) < self._limit
        self.hashes, self.objects = self.hashes[keep], self.objects[keep]


def _comparable(rows: pa.Table, expect: Expectations) -> Mask:
    """Rows with all that it takes to tell two records apart."""
    fit = _filled(rows, expect.comparable)
    if expect.status is None or (status := contiguous(rows, expect.status)) is None:
        return fit
    return fit & (_filled(rows, expect.comparable_traffic) | ~value_mask(status, "OK"))


def _filled(rows: pa.Table, names: tuple[str, ...]) -> Mask:
    filled = np.ones(len(rows), np.bool_)
    for name in names:
        column = contiguous(rows, name)
        if column is None:
            return np.zeros(len(rows), np.bool_)
        if column.null_count:
            filled &= column.is_valid().to_numpy(zero_copy_only=False)
    return filled
