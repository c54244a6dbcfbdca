"""Columns built from pieces that many lines share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import combinations
from operator import and_

import numpy as np

from vpclogs.parsing.coded import Coded, Codes, Mask
from vpclogs.parsing.dns.columns import Extras
from vpclogs.parsing.dns.fast.pieces import Piece

__all__ = ["SharedPieces", "Sharing"]


@dataclass(frozen=True, slots=True)
class Sharing:
    """One kind of piece: ``codes`` gives the index in ``pieces`` for each line.

    ``required`` are the names that each piece must have. If ``optional``, it may have further names of the schema;
    only the last kind may.
    """

    codes: Codes
    pieces: Sequence[Piece | None]
    required: frozenset[str]
    optional: bool = False

    def accepts(self, piece: Piece) -> bool:
        """Return True if the piece can be part of a record."""
        return piece.required == self.required and (self.optional or not piece.optional)


class SharedPieces:
    """All kinds of pieces of some lines. Each name of the schema is in exactly one of them."""

    def __init__(self, kinds: Sequence[Sharing]) -> None:
        unknown = [{name for piece in kind.pieces if piece for name in piece.extra} for kind in kinds]
        # an unknown key in pieces of two kinds may be a duplicate within a record: read such lines strictly
        twice = {name for first, second in combinations(unknown, 2) for name in first & second}
        self._kinds = kinds
        self._pieces: list[list[Piece | None]] = [
            [p if p and kind.accepts(p) and twice.isdisjoint(p.extra) else None for p in kind.pieces] for kind in kinds
        ]

    def good(self) -> Mask:
        """Return a mask of the lines whose pieces are all valid."""
        masks = [
            np.array([piece is not None for piece in pieces], np.bool_).take(kind.codes)
            for kind, pieces in zip(self._kinds, self._pieces, strict=True)
        ]
        return reduce(and_, masks)

    def text(self, name: str) -> Coded:
        """Return one of the columns in `dns_columns.TEXTS`."""
        outer = name.partition(".")[0]
        at = next(i for i, kind in enumerate(self._kinds) if outer in kind.required or kind.optional)
        values = [piece.texts.get(name) if piece else None for piece in self._pieces[at]]
        return Coded.of(values).through(self._kinds[at].codes)

    def extras(self) -> Extras:
        """Return the unknown keys of each line, from all of its pieces."""
        count = len(self._kinds[0].codes)
        if not any(piece and piece.extra for pieces in self._pieces for piece in pieces):
            return Extras(np.full(count, -1, np.int32))
        sizes = [len(kind.pieces) for kind in self._kinds]
        # Few combinations of pieces occur, so dictionaries are merged once per combination.
        distinct, places = np.unique(
            np.ravel_multi_index([kind.codes for kind in self._kinds], sizes), return_inverse=True
        )
        values = []
        for codes in zip(*np.unravel_index(distinct, sizes), strict=True):
            pieces = [pieces[code] for pieces, code in zip(self._pieces, codes, strict=True)]
            extras = [piece.extra for piece in pieces if piece and piece.extra]
            values.append(extras[0] if len(extras) == 1 else {k: text for extra in extras for k, text in extra.items()})
        none = np.array([not value for value in values], np.bool_)[places]
        return Extras(np.where(none, -1, places).astype(np.int32), values)
