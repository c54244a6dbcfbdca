"""Indicators of DNS records: extracted once per distinct value, collected per record."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import compress

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vpclogs.parsing.coded import Coded, Positions, look_up, offsets
from vpclogs.parsing.indicators import ANSWERS, SCANNERS
from vpclogs.schemas.model import Indicator
from vpclogs.schemas.vpc_dns import VPC_DNS

__all__ = ["indicator_columns"]

Scan = Callable[[str], str | None]

_LONGEST_NAME = 255  # the limit of DNS; longer texts are not cached, because they could fill the memory

_MARKED: Sequence[tuple[str, Indicator]] = [
    *((field.name, field.indicator) for field in VPC_DNS.fields if field.indicator),
    *((f"srcids.{field.name}", field.indicator) for field in VPC_DNS.by_key["srcids"].fields if field.indicator),
]
# Names repeat from block to block, and a scan in Python costs more than parsing the line.
_REMEMBERED: Mapping[Scan, Scan] = {
    scan: lru_cache(1 << 16)(scan) for scan in {*SCANNERS.values(), *(scan for _, scan in ANSWERS.values())}
}


def indicator_columns(
    texts: Mapping[str, Coded], counts: Positions, answers: Mapping[str, Coded]
) -> dict[str, pa.ListArray]:
    """Return the columns ``p_any_*``: sorted, distinct, null where empty. Arguments are as in `DnsColumns`."""
    everyone = np.arange(len(counts))
    found: dict[Indicator, list[tuple[Positions, Coded]]] = {kind: [] for kind in Indicator}
    for name, kind in _MARKED:
        found[kind].append((everyone, _scan(texts[name], SCANNERS[kind])))
    answering = np.repeat(everyone, counts)
    for kind, scan, places in _answers_by_rule(answers["Type"]):
        found[kind].append((answering[places], _scan(answers["Rdata"].pick(places), scan)))
    return {kind: _collect(len(counts), entries) for kind, entries in found.items()}


def _answers_by_rule(types: Coded) -> Iterator[tuple[Indicator, Scan, Positions]]:
    """Yield each rule that applies to some answers, with those answers."""
    rules = [ANSWERS.get(text) for text in types.values.to_pylist()]
    for rule in {rule for rule in rules if rule}:
        applies = np.array([other == rule for other in rules], np.bool_)
        yield *rule, np.flatnonzero(applies.take(types.codes))


def _scan(column: Coded, scan: Scan) -> Coded:
    """Return the indicator of each row, computed from the distinct values."""
    # Blocks share dictionaries, so values may be unused here.
    occurs = np.zeros(len(column.values), np.bool_)
    occurs[column.codes[column.codes >= 0]] = True
    texts = column.values.filter(pa.array(occurs))
    longest = pc.max(pc.binary_length(texts)).as_py() or 0
    find = _REMEMBERED[scan] if longest <= _LONGEST_NAME else scan
    asked = texts.to_pylist()
    answered = list(map(find, asked))
    some = np.array([text is not None for text in answered], np.bool_)
    # every text may be its own indicator: then the values stay distinct
    if all(map(operator.is_, compress(asked, some), compress(answered, some))):
        found = Coded(np.where(some, np.cumsum(some) - 1, -1).astype(np.int32), texts.filter(pa.array(some)))
    else:
        found = Coded.of(answered)
    codes = np.full(len(column.values), -1, np.int32)
    codes[occurs] = found.codes
    return Coded(look_up(codes, column.codes), found.values)


def _collect(records: int, entries: Sequence[tuple[Positions, Coded]]) -> pa.ListArray:
    """Return one list per record of the values in ``entries``: (record of each row, value of each row)."""
    if len(entries) == 1:  # at most one value per record
        column = entries[0][1]
        counts = (column.codes >= 0).astype(np.int64)
        return _lists(counts, Coded(column.codes[column.codes >= 0], column.values))
    joined = Coded.join([column for _, column in entries])
    owners = np.concatenate([rows for rows, _ in entries])
    # Ranks, so that one sort of integers orders and deduplicates the lists of all records.
    order = pc.sort_indices(joined.values)
    ranks = np.empty(len(order), np.int64)
    ranks[order.to_numpy()] = np.arange(len(order))
    some = joined.codes >= 0
    bits = max(1, len(order).bit_length())
    # smaller numbers sort faster
    kind = np.uint32 if bits + records.bit_length() <= 32 else np.int64
    keys = np.sort(((owners[some] << bits) | ranks.take(joined.codes[some])).astype(kind))
    first = np.ones(len(keys), np.bool_)
    first[1:] = keys[1:] != keys[:-1]
    keys = keys[first]
    counts = np.bincount(keys >> bits, minlength=records)
    codes = (keys & ((1 << bits) - 1)).astype(np.int32)
    return _lists(counts, Coded(codes, joined.values.take(order)))


def _lists(counts: Positions, column: Coded) -> pa.ListArray:
    return pa.ListArray.from_arrays(offsets(counts), column.array(), mask=pa.array(counts == 0))
