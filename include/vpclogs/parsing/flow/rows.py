"""Rows of a flow log from the columns of its records: checked, typed, with derived columns."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from itertools import pairwise
from operator import or_
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vpclogs.parsing.flow.columns import TEXT, Mask, codes_of, convert
from vpclogs.parsing.flow.derived import LISTS, extra, id_list, ip_list
from vpclogs.parsing.flow.header import FlowHeader
from vpclogs.schemas.model import Indicator
from vpclogs.schemas.vpc_flow import VPC_FLOW

__all__ = ["ROWS", "foreign_rows", "make_rows", "versions"]


def _column_type(field: pa.Field) -> pa.DataType:
    return LISTS if pa.types.is_list(field.type) else TEXT if field.type == pa.string() else field.type


ROWS = pa.schema([field.with_type(_column_type(field)) for field in VPC_FLOW.parsed])
"""The columns of rows: those of the schema, with dictionary-encoded texts."""

_longest_nulls: dict[pa.DataType, pa.Array] = {}


def make_rows(
    header: FlowHeader, columns: Mapping[str, pa.Array], marked: Mapping[str, Mask] = MappingProxyType({})
) -> tuple[pa.Table, dict[str, Mask]]:
    """Return the rows that the schema accepts, and masks over all records of those that it refuses.

    ``columns`` and masks are keyed by the header's names; `convert` describes the columns. ``marked`` are masks of
    records that are refused already.
    """
    typed: dict[str, pa.Array] = {}
    marked = dict(marked)
    for name, field in zip(header.names, header.fields, strict=True):
        if field is not None:
            typed[field.name], bad = convert(field, columns[name])
            if bad is not None:
                marked[name] = marked[name] | bad if name in marked else bad
    unknown = {name: columns[name] for name in header.names if name in header.unknown}
    if marked:
        good = pa.array(~reduce(or_, marked.values()))
        typed = {name: column.filter(good) for name, column in typed.items()}
        unknown = {name: column.filter(good) for name, column in unknown.items()}
    return _table(typed, unknown, len(typed[VPC_FLOW.event_time])), marked


def foreign_rows(
    column: pa.DictionaryArray, objects: npt.NDArray[np.int32], regions: Mapping[int, str | None]
) -> Mask | None:
    """Return a mask of the rows whose region is not their object's, None if there are none.

    ``objects`` are those of the rows, one after another. Objects without a region accept every row.
    """
    if not len(column):
        return None
    texts, codes = column.dictionary.to_pylist(), codes_of(column)
    edges = np.flatnonzero(np.diff(objects, prepend=-1))
    expected = [regions.get(ordinal) for ordinal in objects[edges].tolist()]
    places = {text: place for place, text in enumerate(texts)}
    if texts == expected[:1] and len(set(expected)) == 1:
        return None  # as AWS writes them
    # -1 represents a null region, which is never foreign, and -2 one that no row of the columns names
    own = np.array([-1 if region is None else places.get(region, -2) for region in expected], np.int64)
    own_codes = np.repeat(own, np.diff([*edges.tolist(), len(objects)]))
    foreign: Mask = (codes != own_codes) & (codes >= 0) & (own_codes != -1)
    return foreign if foreign.any() else None


def versions(rows: pa.Table, objects: npt.NDArray[np.int32]) -> dict[int, frozenset[str]]:
    """Return the versions in the rows of each object; objects come one after another."""
    column = rows.column("version")
    edges = [*np.flatnonzero(np.diff(objects, prepend=-1)).tolist(), len(objects)]
    ordinals = objects[edges[:-1]].tolist()
    if not column.null_count and len(every := _texts(column)) == 1:
        return dict.fromkeys(ordinals, every)
    found = [_texts(column.slice(start, end - start)) for start, end in pairwise(edges)]
    return dict(zip(ordinals, found, strict=True))


def _texts(column: pa.ChunkedArray) -> frozenset[str]:
    """Return the distinct values as texts."""
    return frozenset(str(value) for value in pc.unique(column).to_pylist() if value is not None)


def _table(typed: dict[str, pa.Array], unknown: dict[str, pa.Array], count: int) -> pa.Table:
    columns = typed | {"p_event_time": typed[VPC_FLOW.event_time]}
    for indicator, collect in (
        (Indicator.IP, ip_list),
        (Indicator.ACCOUNT, id_list),
        (Indicator.INSTANCE, id_list),
    ):
        marked = [field.name for field in VPC_FLOW.fields if field.indicator is indicator and field.name in typed]
        if marked:
            columns[indicator.value] = collect(indicator, [typed[name] for name in marked])
    if unknown:
        columns["p_extra"] = extra(unknown)
    return pa.table([columns[f.name] if f.name in columns else _nulls(f.type, count) for f in ROWS], schema=ROWS)


def _nulls(kind: pa.DataType, count: int) -> pa.Array:
    """Return `count` nulls backed by one shared array: most files lack most columns."""
    known = _longest_nulls.get(kind)
    if known is None or len(known) < count:
        known = _longest_nulls[kind] = pa.nulls(count, kind)
    return known.slice(0, count)
