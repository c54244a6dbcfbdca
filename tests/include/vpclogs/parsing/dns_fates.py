"""DNS query logs through the real parser, in the form that the reference parser gives."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from typing import Any

from vpclogs.parsing.driver import parse
from vpclogs.parsing.model import ObjectEnd, ObjectInput, ObjectState, Parsed, ParseLimits
from vpclogs.partitions import LogType
from vpclogs.schemas.vpc_dns import VPC_DNS

Fate = str | list[tuple[int, Any]]
"""Of an object: why it was refused whole, or each record's line and row or (reason, field)."""


def fates(texts: Sequence[bytes], limits: ParseLimits | None = None) -> list[Fate]:
    """What becomes of each object, given decompressed."""
    inputs = [ObjectInput(i, f"object {i}", iter([gzip.compress(text, 1)])) for i, text in enumerate(texts)]
    found: list[list[tuple[int, Any]]] = [[] for _ in texts]
    ends = []
    for event in parse(LogType.VPC_DNS, inputs, limits):
        if isinstance(event, ObjectEnd):
            ends.append(event)
        else:
            collect(event, texts, found)
    assert [end.object for end in ends] == list(range(len(texts)))
    for end, records in zip(ends, found, strict=True):
        rows = sum(isinstance(fate, dict) for _, fate in records)
        if end.state is ObjectState.LOADED:
            assert (end.rows, end.refused) == (rows, len(records) - rows)
            assert end.versions == {fate["version"] for _, fate in records if isinstance(fate, dict)}
    refused = ObjectState.REFUSED
    return [str(end.reason) if end.state is refused else sorted_fates(f) for end, f in zip(ends, found, strict=True)]


def sorted_fates(records: list[tuple[int, Any]]) -> list[tuple[int, Any]]:
    lines = [line for line, _ in records]
    assert len(set(lines)) == len(lines)
    return sorted(records, key=lambda record: record[0])


def collect(parsed: Parsed, texts: Sequence[bytes], found: list[list[tuple[int, Any]]]) -> None:
    """Take the rows and refusals of one event; check what holds for any event."""
    parsed.rows.validate(full=True)
    places = list(zip(parsed.objects.tolist(), parsed.lines.tolist(), strict=True))
    assert places == sorted(places)
    rows = parsed.rows.cast(VPC_DNS.parsed).to_pylist()
    for (item, line), row in zip(places, rows, strict=True):
        found[item].append((line, row | {"p_extra": row["p_extra"] and dict(row["p_extra"])}))
    for one in parsed.refused:
        assert texts[one.object][one.start : one.end].startswith(one.raw)
        assert texts[one.object].count(b"\n", 0, one.start) == one.line - 1
        found[one.object].append((one.line, (one.reason, one.field)))


def same(actual: Fate, expected: Fate) -> bool:
    """Equal, but for fields where the reference says ``...``."""
    if isinstance(actual, str) or isinstance(expected, str) or len(actual) != len(expected):
        return actual == expected
    return all(
        a == e or (a[0] == e[0] and e[1][1:] == (...,) and a[1][0] == e[1][0])
        for a, e in zip(actual, expected, strict=True)
    )
