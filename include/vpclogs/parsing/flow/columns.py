"""Conversion of a flow log's columns to the schema's types, with a mask of refused rows.

The rules are those of `vpclogs.parsing.flow.rules`, applied to whole columns or to each distinct text. A cell that
breaks one only marks its row; the violation then has the reason.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vpclogs.parsing.flow.rules import LATEST_SECOND, is_account, is_null, judge_value, largest
from vpclogs.schemas.model import TIMESTAMP, Field

__all__ = ["MAX_DIGITS", "TEXT", "Mask", "codes_of", "convert", "from_codes", "merged", "numpy_of", "recode"]

TEXT = pa.dictionary(pa.int32(), pa.string())
"""The type of text columns: few texts are distinct, and Parquet writes the dictionary as it is."""

Mask = npt.NDArray[np.bool_]

MAX_DIGITS = 19  # this many always fit in 64 bits
_NO_NUMBER = "x"  # replaces a text that is too long to be a number
_ZERO = np.uint8(ord("0"))


def convert(field: Field, column: pa.Array) -> tuple[pa.Array, Mask | None]:
    """Return the column with the field's type, and a mask of rows that cannot have it (None: all can).

    Texts come as `TEXT`, numbers as integers of any type or as `TEXT`; null represents ``-``. The content of the
    column is undefined in a marked row.
    """
    if field.type == pa.string():
        column, bad = _texts(field, column)
    elif pa.types.is_dictionary(column.type):
        numbers, bad = _numbers(field, *_digits(column.dictionary))
        bad = None if bad is None else np.append(bad, False).take(codes_of(column))
        column = numbers.take(column.indices)
    else:
        column, bad = _numbers(field, column)
    if field.required and column.null_count:
        bad = merged(bad, ~_valid(column))
    return column, bad


def recode(column: pa.DictionaryArray, keep: Callable[[str], bool]) -> tuple[pa.DictionaryArray, Mask | None]:
    """Return the column with null for every text to drop, and a mask of those rows (None: none)."""
    kept = np.fromiter(map(keep, column.dictionary.to_pylist()), np.bool_, len(column.dictionary))
    if kept.all():
        return column, None
    codes = codes_of(column)
    dropped = ~np.append(kept, True).take(codes)
    return from_codes(np.where(dropped, -1, codes), column.dictionary), dropped


def codes_of(column: pa.DictionaryArray) -> npt.NDArray[np.int32]:
    """Return each row's index in the dictionary, -1 for null."""
    indices = column.indices
    return numpy_of(indices.fill_null(-1) if indices.null_count else indices)


def from_codes(codes: npt.NDArray[np.int32], dictionary: pa.Array) -> pa.DictionaryArray:
    """Return the inverse of `codes_of`."""
    null = codes < 0
    indices = pa.array(codes.astype(np.int32, copy=False), mask=null if null.any() else None)
    return pa.DictionaryArray.from_arrays(indices, dictionary, safe=False)


def _texts(field: Field, column: pa.DictionaryArray) -> tuple[pa.Array, Mask | None]:
    # Other texts are free: a new value of AWS's must load before this release knows it.
    if not is_account(field):
        return column, None
    column, _ = recode(column, lambda text: not is_null(field, text))
    return recode(column, lambda text: judge_value(field, text) is None)


def _numbers(field: Field, column: pa.Array, bad: Mask | None = None) -> tuple[pa.Array, Mask | None]:
    bounds = pc.min_max(column)
    low, high = bounds["min"].as_py() or 0, bounds["max"].as_py() or 0
    if high > largest(field):
        bad = merged(bad, _true(pc.greater(column, pa.scalar(largest(field), column.type))))
    if low < 0:
        bad = merged(bad, _true(pc.less(column, pa.scalar(0, column.type))))
    # A view, not a cast: values beyond 63 bits are marked bad already, and a cast would raise for them.
    numbers = column.view(pa.int64()) if column.type == pa.uint64() else column.cast(pa.int64())
    if field.type == TIMESTAMP:
        return _times(numbers, high), bad
    return numbers.cast(field.type, safe=False), bad


def _digits(texts: pa.StringArray) -> tuple[pa.UInt64Array, Mask | None]:
    """Convert distinct texts to numbers; null where a text is not digits that fit in 64 bits."""
    offsets = _offsets(texts)
    long = np.diff(offsets) > MAX_DIGITS
    # Leading zeros are digits too: 000…05 is a number, however long.
    if long.any():
        stripped = [text.lstrip("0") or "0" for text in texts.filter(pa.array(long)).to_pylist()]
        short = [text if len(text) <= MAX_DIGITS else _NO_NUMBER for text in stripped]
        texts = pc.replace_with_mask(texts, pa.array(long), pa.array(short, pa.string()))
        offsets = _offsets(texts)
    characters = np.frombuffer(texts.buffers()[2] or b"", np.uint8)[offsets[0] : offsets[-1]]
    bad = np.diff(offsets) == 0
    bad[np.searchsorted(offsets, np.flatnonzero(characters - _ZERO > 9) + offsets[0], side="right") - 1] = True
    if not bad.any():
        return texts.cast(pa.uint64()), None
    return pc.if_else(pa.array(bad), None, texts).cast(pa.uint64()), bad


def _offsets(texts: pa.StringArray) -> npt.NDArray[np.int32]:
    return np.frombuffer(texts.buffers()[1], np.int32)[texts.offset : texts.offset + len(texts) + 1]


def _times(numbers: pa.Int64Array, latest: int) -> pa.Array:
    """Convert seconds or milliseconds since 1970, each by its size, to microseconds."""
    units = numpy_of(numbers.fill_null(0) if numbers.null_count else numbers)
    # Seconds as AWS documents them; Parquet files of some regions have milliseconds.
    scale = 1_000_000 if latest <= LATEST_SECOND else np.where(units > LATEST_SECOND, 1_000, 1_000_000)
    micros = units * scale
    return pa.array(micros, mask=~_valid(numbers) if numbers.null_count else None).view(TIMESTAMP)


def numpy_of(column: pa.Array) -> npt.NDArray[Any]:
    """Return the values of a column without nulls."""
    values: npt.NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return values


def _valid(column: pa.Array) -> Mask:
    return numpy_of(column.is_valid())


def _true(condition: pa.BooleanArray) -> Mask:
    return numpy_of(condition.fill_null(False))


def merged(left: Mask | None, right: Mask | None) -> Mask | None:
    """Return the rows that either mask marks."""
    return left if right is None else right if left is None else left | right
