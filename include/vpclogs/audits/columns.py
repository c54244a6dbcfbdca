"""Cheap facts about one Arrow column: nanoseconds per row while all is as expected."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["Mask", "all_equal", "contiguous", "unexpected", "value_counts", "value_mask"]

Mask = npt.NDArray[np.bool_]


def contiguous(rows: pa.Table, name: str) -> pa.Array | None:
    """A column as one array, None if the table does not have it. Copies only if it has several chunks."""
    index = rows.schema.get_field_index(name)
    if index < 0:
        return None
    column = rows.column(index)
    if column.num_chunks == 1:
        return column.chunk(0)
    if pa.types.is_dictionary(column.type):
        column = column.unify_dictionaries()
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def all_equal(column: pa.Array, value: str) -> bool:
    """Whether each value that is not null equals `value`. May say no where it is yes, never the reverse."""
    if pa.types.is_dictionary(column.type):
        return all(entry in (value, None) for entry in column.dictionary.to_pylist())
    if column.null_count == len(column):
        return True
    if not pa.types.is_string(column.type):
        return False
    # The texts lie side by side, so comparing them is comparing memory, once the lengths are right.
    text = value.encode()
    _, ends, data = column.buffers()
    offsets = np.frombuffer(ends, np.int32)[column.offset : column.offset + len(column) + 1]
    lengths = np.diff(offsets)
    if lengths.max() != len(text) or lengths.sum() != len(text) * (len(column) - column.null_count):
        return False
    seen: bytes = data.slice(int(offsets[0]), int(offsets[-1] - offsets[0])).to_pybytes()
    return seen == text * (len(column) - column.null_count)


def value_counts(column: pa.Array) -> dict[str, int]:
    """How often each value occurs; nulls are not counted. For columns of few values."""
    if pa.types.is_dictionary(column.type):
        indices = column.indices.drop_null() if column.null_count else column.indices
        counts = np.bincount(indices.to_numpy(zero_copy_only=False), minlength=len(column.dictionary))
        found: dict[str, int] = {}
        for value, count in zip(column.dictionary.to_pylist(), counts.tolist(), strict=True):
            if count and value is not None:
                found[str(value)] = found.get(str(value), 0) + count
        return found
    pairs = pc.value_counts(column)
    counted = zip(pairs.field("values").to_pylist(), pairs.field("counts").to_pylist(), strict=True)
    return {str(value): count for value, count in counted if value is not None}


def unexpected(column: pa.Array, values: Collection[str]) -> dict[str, int]:
    """The values that are not among `values`, and how often each occurs."""
    if column.null_count == len(column):
        return {}
    if not pa.types.is_dictionary(column.type):
        inside = pc.is_in(column, pa.array(sorted(values), column.type), skip_nulls=True)
        if inside.true_count == len(column) - column.null_count:
            return {}
    return {value: count for value, count in value_counts(column).items() if value not in values}


def value_mask(column: pa.Array, value: str) -> Mask:
    """Where the column has `value`."""
    if pa.types.is_dictionary(column.type):
        column = pc.take(column.dictionary, column.indices)
    return np.asarray(pc.fill_null(pc.equal(column, pa.scalar(value, column.type)), False))
