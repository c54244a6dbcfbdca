"""When to give an object up because too few of its lines are records that load.

Judging one line that is refused costs as much as reading many good ones, and a kilobyte
of gzip holds a million of them. So an object is refused whole as soon as more than
`ParseLimits.max_object_refused` of its records are refused and they are more than a tenth
of those so far, or as many lines are blank or headers and they are more than twice as many.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from vpclogs.parsing.blocks import Block
from vpclogs.parsing.model import ObjectState, ObjectUnreadable, ParseLimits

__all__ = ["Allowance", "Counts", "Patience"]

_REFUSED_OF = 10  # one refused record in so many costs about as much as the others
_IDLE_FOR = 2  # blank lines for one record; text whose line ends were doubled has one


@dataclass(slots=True)
class Counts:
    """The lines of one object so far. ``idle`` lines are blank, or headers."""

    rows: int = 0
    refused: int = 0
    idle: int = 0


class Allowance:
    """Refused records of each object, up to as many as show that it is to be refused whole."""

    def __init__(self, most: int, lines: Counter[int], before: Callable[[int], Counts]) -> None:
        self._most, self._lines, self._before = most, lines, before
        self._left: dict[int, int] = {}

    def take(self, ordinal: int) -> bool:
        """Count one more refused record. Return True if its text is worth keeping."""
        left = self._left.get(ordinal)
        if left is None:
            left = _worth(self._most, self._before(ordinal), self._lines[ordinal])
        self._left[ordinal] = left - 1
        return left > 0

    def is_spent(self, ordinal: int) -> bool:
        """Return True if the object must be refused whole."""
        return self._left.get(ordinal, 1) <= 0


class Patience:
    """Counts lines object by object; remembers the object that the last block ended in."""

    def __init__(self, limits: ParseLimits) -> None:
        self._most = limits.max_object_refused
        self._last = -1
        self._counts = Counts()

    @property
    def most(self) -> int:
        """Return the number of records of an object that may be refused regardless of its other lines."""
        return self._most

    def before(self, ordinal: int) -> Counts:
        """Return the counts of an object's lines in earlier blocks."""
        return replace(self._counts) if ordinal == self._last else Counts()

    def allowance(self, block: Block) -> Allowance:
        """Return how many more records of each object of the block are worth refusing one by one."""
        return Allowance(self._most, _lines_of(block), self.before)

    def check(self, counts: Counts) -> None:
        """Raise if an object with these counts is to be refused whole.

        Raises:
            ObjectUnreadable: too few of its lines load.
        """
        if fate := self._fate(counts):
            raise fate

    def settle(
        self, block: Block, objects: npt.NDArray[np.int32], refused: Iterable[int]
    ) -> dict[int, ObjectUnreadable]:
        """Count a block that was read and return the fates of the objects to be refused whole.

        ``objects`` are those of its rows, in order, ``refused`` those of the refused
        records among its lines.
        """
        lines = _lines_of(block)
        bad, long = Counter(refused), Counter(one.object for one in block.refused)
        ordinals = np.array(sorted(lines.keys() | long.keys()), np.int32)
        made = np.searchsorted(objects, ordinals, "right") - np.searchsorted(objects, ordinals, "left")
        fates: dict[int, ObjectUnreadable] = {}
        for ordinal, rows in zip(ordinals.tolist(), made.tolist(), strict=True):
            counts = self.before(ordinal)
            counts.rows += rows
            counts.refused += bad[ordinal] + long[ordinal]
            counts.idle += lines[ordinal] - rows - bad[ordinal]
            if fate := self._fate(counts):
                fates[ordinal] = fate
            self._last, self._counts = ordinal, counts
        return fates

    def _fate(self, counts: Counts) -> ObjectUnreadable | None:
        records = counts.rows + counts.refused
        if counts.refused > self._most and counts.refused * _REFUSED_OF > records:
            detail = f"{counts.refused:,} of its first {records:,} records are refused"
        elif counts.idle > self._most and counts.idle > _IDLE_FOR * records:
            detail = f"{counts.idle:,} of its first {records + counts.idle:,} lines are blank or headers"
        else:
            return None
        detail += f" (limits.max_object_refused is {self._most:,})"
        return ObjectUnreadable(ObjectState.REFUSED, "too_many_refused", detail)


def _worth(most: int, counts: Counts, lines: int) -> int:
    tenth = (lines + counts.rows + counts.refused) // _REFUSED_OF
    return max(most, tenth) + 1 - counts.refused


def _lines_of(block: Block) -> Counter[int]:
    """Return the number of lines of each object, without those that were too long."""
    lines: Counter[int] = Counter()
    for part, count in zip(block.parts, np.diff(block.part_lines).tolist(), strict=True):
        lines[part.object] += count
    return lines
