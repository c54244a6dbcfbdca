"""Text columns as codes into distinct values: each value is decoded, checked and written once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = [
    "CODED",
    "Codes",
    "Coded",
    "Mask",
    "Positions",
    "as_bytes",
    "coded_type",
    "encode",
    "look_up",
    "offsets",
]

Codes = npt.NDArray[np.int32]
Positions = npt.NDArray[np.signedinteger]
Mask = npt.NDArray[np.bool_]

# 32 bits of code: the distinct values of a block may exceed 65,536, and Arrow reads int32 without a cast.
CODED = pa.dictionary(pa.int32(), pa.string())


@dataclass(frozen=True, slots=True)
class Coded:
    """A text column: ``codes`` index ``values``, -1 is null. Values are distinct; some may be unused."""

    codes: Codes
    values: pa.StringArray

    @classmethod
    def of(cls, texts: Sequence[str | None]) -> Coded:
        """Return the column of the given texts."""
        return encode(pa.array(texts, pa.string()))

    @classmethod
    def join(cls, columns: Sequence[Coded]) -> Coded:
        """Concatenate columns."""
        # Nearly always: joining is for objects with several header lines.
        if len(columns) == 1:
            return columns[0]
        values = encode(pa.concat_arrays([column.values for column in columns]))
        codes, shift = [], 0
        for column in columns:
            codes.append(look_up(values.codes[shift : shift + len(column.values)], column.codes))
            shift += len(column.values)
        return cls(np.concatenate(codes), values.values)

    def pick(self, rows: Positions | Mask) -> Coded:
        """Return the given rows, in their order."""
        return Coded(self.codes[rows], self.values)

    def through(self, codes: Codes) -> Coded:
        """Return a column whose rows take this column's values at ``codes``."""
        return Coded(self.codes.take(codes), self.values)

    def used(self) -> Coded:
        """Return the same column without unused values. The column has no null."""
        occurs = np.zeros(len(self.values), np.bool_)
        occurs[self.codes] = True
        used = np.flatnonzero(occurs)
        places = np.empty(len(self.values), np.int32)
        places[used] = np.arange(len(used), dtype=np.int32)
        return Coded(places.take(self.codes), self.values.take(pa.array(used)))

    def only(self, kept: pa.BooleanArray) -> Coded:
        """Return the column with null for every value outside the mask."""
        keep = np.array(kept, np.bool_)
        places = np.where(keep, np.cumsum(keep) - 1, -1).astype(np.int32)
        return Coded(look_up(places, self.codes), self.values.filter(kept))

    def array(self) -> pa.DictionaryArray:
        """Return the Arrow array."""
        null = self.codes < 0
        return pa.DictionaryArray.from_arrays(
            pa.array(self.codes, mask=null if null.any() else None), self.values, safe=False
        )


def encode(texts: pa.StringArray) -> Coded:
    """Return the distinct texts with a code for each row."""
    encoded = texts.dictionary_encode()
    indices = encoded.indices
    codes = (indices.fill_null(-1) if indices.null_count else indices).to_numpy(zero_copy_only=True)
    return Coded(codes, encoded.dictionary)


def as_bytes(texts: pa.StringArray) -> list[bytes]:
    """Return the texts as UTF-8 bytes."""
    encoded: list[bytes] = texts.cast(pa.binary()).to_pylist()
    return encoded


def coded_type(kind: pa.DataType) -> pa.DataType:
    """Return the type with every text in it dictionary-encoded. Maps stay as they are."""
    if pa.types.is_string(kind):
        return CODED
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(coded_type(field.type)) for field in kind])
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(coded_type(kind.value_type)))
    return kind


def offsets(counts: Positions) -> pa.Array:
    """Return the start of each list of ``counts[i]`` elements, followed by the end of the last."""
    bounds = np.zeros(len(counts) + 1, np.int32)
    np.cumsum(counts, out=bounds[1:])
    return pa.array(bounds)


def look_up(table: Codes, codes: Codes) -> Codes:
    """Return ``table[codes]``, keeping -1."""
    # Index -1 is the appended element, so nulls need no mask.
    return np.append(table, np.int32(-1)).take(codes)
