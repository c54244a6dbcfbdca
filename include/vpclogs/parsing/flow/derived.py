"""Columns derived from a flow log: lists of indicators, and the map of unknown fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vpclogs.parsing import indicators
from vpclogs.parsing.flow.columns import TEXT, codes_of, numpy_of, recode
from vpclogs.schemas.model import Indicator

__all__ = ["LISTS", "extra", "id_list", "ip_list"]

LISTS = pa.list_(TEXT)
"""The type of an indicator column."""

_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = rf"^(?:{_OCTET}\.){{3}}{_OCTET}$"
_ip = lru_cache(maxsize=1 << 16)(indicators.ip)  # addresses recur from block to block


def id_list(indicator: Indicator, columns: Sequence[pa.DictionaryArray]) -> pa.ListArray:
    """Return lists of one id each, null where the column has none. There is one column."""
    scan = indicators.SCANNERS[indicator]
    (column,) = columns
    ids, _ = recode(column, lambda text: scan(text) is not None)
    if not ids.null_count:
        return pa.ListArray.from_arrays(np.arange(len(ids) + 1, dtype=np.int32), ids)
    present = codes_of(ids) >= 0
    offsets = np.append(np.int32(0), np.cumsum(present, dtype=np.int32))
    return pa.ListArray.from_arrays(pa.array(offsets), ids.drop_null(), mask=pa.array(~present))


def ip_list(indicator: Indicator, columns: Sequence[pa.DictionaryArray]) -> pa.ListArray:
    """Return the distinct addresses of each row, sorted as text, null where there is none."""
    chunks = pa.chunked_array(columns).unify_dictionaries().chunks
    dictionary = chunks[0].dictionary
    order = numpy_of(pc.sort_indices(dictionary))
    valid = _addresses(dictionary)
    # rank of each address among all in order; _NONE, which sorts last, for null and non-addresses
    ranks = np.full(len(dictionary) + 1, _NONE, np.int32)
    ranks[order] = np.where(valid[order], np.arange(len(dictionary)), _NONE)
    ranked: list[npt.NDArray[np.int32]] = []
    for chunk in chunks:
        column = ranks.take(codes_of(chunk))
        if not any(np.array_equal(column, other) for other in ranked):  # packet addresses mostly equal the flow's
            ranked.append(column)
    return _lists(_sorted_rows(ranked), dictionary.take(pa.array(order)))


_NONE = np.int32(2**31 - 1)


def _addresses(texts: pa.StringArray) -> npt.NDArray[np.bool_]:
    valid = numpy_of(pc.match_substring_regex(texts, _IPV4))
    if valid.all():
        return valid
    valid = valid.copy()
    others = np.flatnonzero(~valid)
    # IPv6 and oddities: too many spellings for a regular expression, and rare enough to check one by one.
    valid[others] = [_ip(text) is not None for text in texts.take(pa.array(others)).to_pylist()]
    return valid


def _sorted_rows(columns: list[npt.NDArray[np.int32]]) -> list[npt.NDArray[np.int32]]:
    """Sort across the columns, row by row (bubble sort: there are one to four of them)."""
    for end in range(len(columns) - 1, 0, -1):
        for i in range(end):
            low, high = columns[i], columns[i + 1]
            columns[i], columns[i + 1] = np.minimum(low, high), np.maximum(low, high)
    return columns


def _lists(columns: list[npt.NDArray[np.int32]], dictionary: pa.Array) -> pa.ListArray:
    """Return lists from sorted columns of ranks, without repetitions and `_NONE`."""
    table = np.column_stack(columns)
    kept = table != _NONE
    kept[:, 1:] &= table[:, 1:] != table[:, :-1]
    counts = _counts(kept)
    offsets = np.append(np.int32(0), np.cumsum(counts, dtype=np.int32))
    values = pa.DictionaryArray.from_arrays(pa.array(table[kept]), dictionary, safe=False)
    empty = counts == 0
    return pa.ListArray.from_arrays(pa.array(offsets), values, mask=pa.array(empty) if empty.any() else None)


def _counts(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.int32]:
    """Count the true values in each row, column by column: numpy sums short rows ten times slower."""
    counts = np.zeros(len(mask), np.int32)
    for column in mask.T:
        counts += column
    return counts


def extra(columns: Mapping[str, pa.DictionaryArray]) -> pa.MapArray:
    """Return maps of the values that each row has, by name; null where it has none."""
    names = pa.array(list(columns), pa.string())
    present = np.column_stack([codes_of(column) >= 0 for column in columns.values()])
    rows, places = np.nonzero(present)
    values = pa.concat_arrays([column.dictionary_decode() for column in columns.values()])
    counts = _counts(present)
    return pa.MapArray.from_arrays(
        pa.array(np.append(np.int32(0), np.cumsum(counts, dtype=np.int32))),
        names.take(pa.array(places)),
        values.take(pa.array(places * len(present) + rows)),
        mask=pa.array(counts == 0),
    )
