"""Records parsed again from the text that was kept of them."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from tests.include.vpclogs.parsing.flow_fates import V2
from tests.pipelines import event
from vpclogs.parsing.driver import parse
from vpclogs.parsing.kept import KeptRecord, parse_kept
from vpclogs.parsing.model import ObjectInput, Parsed, ParseLimits
from vpclogs.partitions import LogType

DNS, FLOW = LogType.VPC_DNS, LogType.VPC_FLOW
LIMITS = ParseLimits()


def kept(log_type: LogType, records: list[KeptRecord], limits: ParseLimits = LIMITS) -> list[tuple[int, int]]:
    """Object and line of the records that parse."""
    parsed = list(parse_kept(log_type, records, limits))
    return [place for one in parsed for place in zip(one.objects.tolist(), one.lines.tolist(), strict=True)]


def test_replayed_records_keep_their_object_and_line():
    texts = [(0, 7, event()), (0, 9, b"{"), (2, 4_000_000_000, event()), (3, 1, b"[]")]

    assert kept(DNS, [KeptRecord(item, line, 0, raw) for item, line, raw in texts]) == [(0, 7), (2, 4_000_000_000)]


def test_records_beyond_one_block_all_come():
    records = [KeptRecord(n // 10, n % 10 + 1, 0, event()) for n in range(100)]

    assert len(kept(DNS, records, ParseLimits(block_bytes=1000))) == 100


def test_record_that_refuses_its_object_keeps_its_neighbors():
    records = [KeptRecord(0, 1, 0, event()), KeptRecord(0, 2, 0, event(version="2.0")), KeptRecord(1, 1, 0, event())]

    assert kept(DNS, records) == [(1, 1)]


@pytest.mark.parametrize("block_bytes", [1, 8 << 20], ids=["a line a block", "one block"])
def test_flow_records_give_the_rows_that_their_file_gives(block_bytes):
    record = "2 123456789012 eni-1 10.0.0.1 10.0.0.2 40000 443 6 10 840 1665178000 1665178060 ACCEPT OK"
    other, reversed_record = (" ".join(reversed(text.split())) for text in (V2, record))
    files = [[V2, record, other, reversed_record, reversed_record], [other, reversed_record], [V2, record]]

    headers = [[None, V2, None, other, other], [None, other], [None, V2]]
    records = [
        KeptRecord(item, line, 0, text.encode(), header)
        for item, lines in enumerate(files)
        for line, (text, header) in enumerate(zip(lines, headers[item], strict=True), start=1)
        if header
    ]

    limits = ParseLimits(block_bytes=block_bytes)
    assert rows(parse_kept(FLOW, records, limits)) == rows(parse(FLOW, map(as_object, range(3), files)))


def as_object(ordinal: int, lines: list[str]) -> ObjectInput:
    return ObjectInput(ordinal, "f", iter([gzip.compress("\n".join(lines).encode())]))


def rows(events: Any) -> list[tuple[int, int, dict[str, Any]]]:
    return [
        row
        for one in events
        if isinstance(one, Parsed)
        for row in zip(one.objects.tolist(), one.lines.tolist(), one.rows.to_pylist(), strict=True)
    ]
