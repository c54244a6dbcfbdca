"""One DNS object is of one VPC, and so of one region: the one that its first good record names."""

from __future__ import annotations

import numpy as np

from vpclogs.identifiers import is_region
from vpclogs.parsing.coded import Coded, Codes

__all__ = ["ObjectRegions"]


class ObjectRegions:
    """Finds the records that name another region than their object.

    Blocks come in order, so only the last object of a block can go on in the next one.
    """

    def __init__(self) -> None:
        self._last: tuple[int, str | None] = (-1, None)  # the last object, and its region if a record named one

    def foreign(self, objects: Codes, regions: Coded) -> dict[int, str]:
        """Return why the foreign rows of a block are foreign, one sentence each, by row.

        ``objects`` has the object of each row, in ascending order.
        """
        if not len(objects):
            return {}
        codes, texts = regions.codes, regions.values
        first, last = int(objects[0]), int(objects[-1])
        begun = self._last[1] if self._last[0] == first else None
        if np.min(codes) == np.max(codes):  # nearly always
            name = texts[int(codes[0])].as_py()
            if is_region(name) and begun in (None, name):
                self._last = last, name
                return {}
        return self._compare(objects, codes, texts.to_pylist(), {first: begun} if begun else {})

    def _compare(self, objects: Codes, codes: Codes, names: list[str], homes: dict[int, str]) -> dict[int, str]:
        good = np.array([is_region(name) for name in names], np.bool_)[codes]
        placed, starts = np.unique(objects[good], return_index=True)
        named = codes[good][starts]
        homes = {int(one): names[code] for one, code in zip(placed, named, strict=True)} | homes
        last = int(objects[-1])
        self._last = last, homes.get(last)
        code_of = {name: code for code, name in enumerate(names)}
        ordinals, counts = np.unique(objects, return_counts=True)
        wanted = np.repeat([code_of.get(homes.get(int(one), ""), -1) for one in ordinals], counts)
        return {
            row: _why(names[codes[row]], homes.get(int(objects[row])))
            for row in np.flatnonzero((codes != wanted) | ~good).tolist()
        }


def _why(name: str, home: str | None) -> str:
    shown = repr(name if len(name) <= 60 else f"{name[:60]}...")
    if not is_region(name):
        return f"{shown} is not the name of a region"
    return f"{shown}, but the first record of the object names {home!r}"
