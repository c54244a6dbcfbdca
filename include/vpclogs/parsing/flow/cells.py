"""Cells of Parquet columns as texts: with checked encoding, which Arrow leaves unchecked, and ``-`` as null."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vpclogs.parsing.flow.columns import Mask, codes_of, from_codes, numpy_of

__all__ = ["cell_bytes", "clean_texts", "compact", "is_text", "raw_cell"]


def is_text(kind: pa.DataType) -> bool:
    """Return True if a column of this type holds texts: plain or dictionary, marked as UTF-8 or not."""
    if pa.types.is_dictionary(kind):
        return is_text(kind.value_type)
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
    )


def clean_texts(column: pa.Array) -> tuple[pa.DictionaryArray, Mask | None]:
    """Return the column as texts, and a mask of rows with a NUL or invalid UTF-8 (None: there are none).

    Raises:
        pyarrow.ArrowInvalid: an index of a damaged file points outside the dictionary.
    """
    if not pa.types.is_dictionary(column.type):
        column = (column if is_text(column.type) else column.cast(pa.string())).dictionary_encode()
    elif len(distinct := column.dictionary.unique()) < len(column.dictionary):  # a file may repeat a value there
        # not decoded: a few long texts may represent any number of rows
        places = pc.index_in(column.dictionary, value_set=distinct)
        column = pa.DictionaryArray.from_arrays(places.take(column.indices), distinct)
    texts, broken = _decoded(column.dictionary)
    # A NUL could not be stored in PostgreSQL or shown on a terminal; the text form refuses it too.
    broken |= numpy_of(pc.match_substring(texts, "\0"))
    none = numpy_of(pc.equal(texts, "-"))
    codes = codes_of(column).astype(np.int32)
    if len(codes) and not -1 <= np.min(codes) <= np.max(codes) < len(texts):
        raise pa.ArrowInvalid("an index points outside the dictionary")
    if none.any():
        codes = np.where(np.append(none, False)[codes], -1, codes)
    bad = np.append(broken, False)[codes] if broken.any() else None
    return from_codes(codes, texts), bad


def raw_cell(column: pa.Array, row: int) -> bytes | None:
    """Return the bytes of a text, the digits of a number, None for null."""
    if not column[row].is_valid:
        return None
    if pa.types.is_dictionary(column.type):
        return raw_cell(column.dictionary, column.indices[row].as_py())
    if is_text(column.type):
        return column[row].as_buffer().to_pybytes()  # type: ignore[no-any-return]
    return str(column[row].as_py()).encode()


def cell_bytes(column: pa.Array) -> npt.NDArray[np.int64]:
    """Return the number of bytes of each cell, of a text or of a number; 0 for null."""
    if not pa.types.is_dictionary(column.type):
        return np.full(len(column), 8, np.int64)
    lengths = numpy_of(pc.binary_length(column.dictionary)).astype(np.int64)
    taken: npt.NDArray[np.int64] = np.append(lengths, 0)[codes_of(column)]
    return taken


def compact(column: pa.Array, gone: Mask | None = None) -> pa.Array:
    """Return the column without texts in its dictionary that no row has, with null in the rows that are ``gone``."""
    if not pa.types.is_dictionary(column.type):
        return column
    codes = codes_of(column)
    if gone is not None:
        codes = np.where(gone, -1, codes)
    # A batch keeps the dictionary of its whole row group, which may be far larger than its rows.
    used = np.unique(codes[codes >= 0])
    places = np.where(codes < 0, -1, np.searchsorted(used, codes)).astype(np.int32)
    return from_codes(places, column.dictionary.take(pa.array(used)))


def _decoded(values: pa.Array) -> tuple[pa.StringArray, Mask]:
    """Return the values as strings, empty where they are invalid UTF-8, and a mask of those."""
    values = values.cast(pa.binary())
    try:
        return values.cast(pa.string()), np.zeros(len(values), np.bool_)
    except pa.ArrowInvalid:
        pass
    broken = np.array([not _is_utf8(value) for value in values.to_pylist()])
    return pc.if_else(pa.array(broken), b"", values).cast(pa.string()), broken


def _is_utf8(value: bytes | None) -> bool:
    try:
        (value or b"").decode()
    except UnicodeDecodeError:
        return False
    return True
