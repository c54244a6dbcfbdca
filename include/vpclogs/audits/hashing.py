"""64-bit hashes of rows, by numpy over Arrow's own memory. The same in every process and release."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["Words", "row_hashes", "tail_words"]

Words = npt.NDArray[np.uint64]

_STEP = np.uint64(0x9E3779B97F4A7C15)  # splitmix64's constants
_MIX = np.uint64(0xBF58476D1CE4E5B9)
_SHIFT = np.uint64(31)


def row_hashes(columns: Sequence[pa.Array | None], count: int, *, whole_texts: bool) -> Words:
    """One hash per row over all columns. A column that is None counts as null on every row.

    Of a text only its last eight bytes count unless ``whole_texts``, which is cheaper.
    """
    hashes = np.zeros(count, np.uint64)
    for column in columns:
        hashes += _STEP
        if column is None:
            continue
        for words in _words(column, whole_texts):
            hashes ^= words
            hashes *= _MIX
            hashes ^= hashes >> _SHIFT
    return hashes


def tail_words(ends: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64], data: npt.NDArray[np.uint8]) -> Words:
    """The last eight bytes before each end, zeros in front of a shorter text. ``data`` has 8 or more bytes."""
    windows = np.ndarray((len(data) - 7,), "<u8", data, strides=(1,))
    missing = np.maximum(8 - ends, 0)  # only where a text lies at the very begin of the data
    words = windows[np.maximum(ends - 8, 0)]
    if missing.any():
        words = words << (missing.astype(np.uint64) << np.uint64(3))
    short = ((8 - np.clip(lengths, 0, 8)) << 3).astype(np.uint64)
    # A shift by all 64 bits is undefined, so it is done in two halves.
    half = short >> np.uint64(1)
    return np.asarray((words >> half) >> (short - half), np.uint64)


def _words(column: pa.Array, whole_texts: bool) -> list[Words]:
    """The column as one or more 64-bit words per row. Nulls are zeros."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode() if whole_texts else column
    if pa.types.is_dictionary(column.type):
        [words] = _words(column.dictionary, whole_texts=False)
        indices = pc.fill_null(column.indices, 0).to_numpy(zero_copy_only=False)
        taken = words[indices] if len(words) else np.zeros(len(column), np.uint64)
        if column.null_count:
            taken[column.is_null().to_numpy(zero_copy_only=False)] = 0
        return [taken]
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return _text_words(column, whole_texts)
    if pa.types.is_timestamp(column.type):
        column = column.view(pa.int64())
    filled = pc.fill_null(column, 0) if column.null_count else column
    return [filled.to_numpy(zero_copy_only=False).astype(np.int64, copy=False).view(np.uint64)]


def _text_words(column: pa.Array, whole_texts: bool) -> list[Words]:
    _, offset_buffer, data_buffer = column.buffers()
    kind = np.int64 if pa.types.is_large_string(column.type) else np.int32
    offsets = np.frombuffer(offset_buffer, kind)[column.offset : column.offset + len(column) + 1].astype(np.int64)
    lengths = np.diff(offsets)
    ends = offsets[1:]
    data = np.frombuffer(data_buffer, np.uint8) if data_buffer is not None else np.zeros(0, np.uint8)
    if len(data) < 8:
        data = np.concatenate([data, np.zeros(8 - len(data), np.uint8)])
    if not whole_texts:
        return [tail_words(ends, lengths, data)]
    longest = int(lengths.max(initial=0))
    return [lengths.view(np.uint64), *(tail_words(ends - step, lengths - step, data) for step in range(0, longest, 8))]
