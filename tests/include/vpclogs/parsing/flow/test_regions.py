"""Flow records that name another region than their object's key are refused, in text and in Parquet."""

from __future__ import annotations

import pyarrow as pa
import pytest

from tests.include.vpclogs.parsing.flow_fates import V2, parquet, zipped
from vpclogs.parsing import ObjectEnd, ObjectInput, Parsed, ParseLimits, parse
from vpclogs.partitions import LogType

NAMES = f"{V2} region"
RECORD = "4 123456789012 eni-1 10.0.0.1 10.0.0.2 443 1024 6 10 8000 1665178740 1665178790 ACCEPT OK"
WEST, EAST = "us-west-2", "us-east-1"


def text(regions: list[str]) -> bytes:
    return zipped("\n".join([NAMES, *(f"{RECORD} {region}" for region in regions)]))


def columns(regions: list[str]) -> bytes:
    records = [f"{RECORD} {region}".split() for region in regions]
    names = NAMES.replace("-", "_").split()
    return parquet(pa.table({name: [record[i] for record in records] for i, name in enumerate(names)}))


FORMS = pytest.mark.parametrize("form", [text, columns])


def read(objects: list[tuple[bytes, str | None]], limits: ParseLimits | None = None) -> list[Parsed | ObjectEnd]:
    inputs = [ObjectInput(i, f"object {i}", iter([data]), region) for i, (data, region) in enumerate(objects)]
    return list(parse(LogType.VPC_FLOW, inputs, limits))


def refusals(events: list[Parsed | ObjectEnd]) -> list[tuple[int, int, str, str | None]]:
    found = [one for event in events if isinstance(event, Parsed) for one in event.refused]
    return [(one.object, one.line, one.reason, one.field) for one in found]


def rows(events: list[Parsed | ObjectEnd]) -> list[tuple[int, int, str | None]]:
    return [
        row
        for event in events
        if isinstance(event, Parsed)
        for row in zip(
            event.objects.tolist(), event.lines.tolist(), event.rows.column("region").to_pylist(), strict=True
        )
    ]


@FORMS
def test_foreign_records_of_an_object(form):
    regions = [WEST] * 30 + [EAST, "-"]

    events = read([(form(regions), WEST)])

    line = 32 if form is text else 31  # a header comes first
    assert refusals(events) == [(0, line, "foreign_region", "region")]
    assert [region for _, _, region in rows(events)] == [WEST] * 30 + [None]


@FORMS
def test_each_object_has_its_own_region(form):
    mixed, known = [EAST, WEST, "-"], [WEST, EAST, None, "eu-west-1"]

    events = read([(form(mixed), region) for region in known])

    assert [(number, region) for number, _, region in rows(events)] == [
        *[(0, WEST), (0, None), (1, EAST), (1, None), (2, EAST), (2, WEST), (2, None), (3, None)]
    ]
    first = 2 if form is text else 1
    assert [(number, line - first) for number, line, _, _ in refusals(events)] == [(0, 0), (1, 1), (3, 0), (3, 1)]


@FORMS
def test_object_of_another_region_is_refused_whole(form):
    events = read([(form([EAST] * 5_000), WEST), (form([WEST] * 10), WEST)])

    ends = [event for event in events if isinstance(event, ObjectEnd)]
    assert [(end.state.value, end.reason, end.rows, end.refused) for end in ends] == [
        ("refused", "too_many_refused", 0, 0),
        ("loaded", None, 10, 0),
    ]
    assert refusals(events) == []


def test_refused_record_keeps_its_line_and_header():
    odd = f"{RECORD} {EAST}"

    (one,) = (r for e in read([(text([WEST] * 20 + [EAST]), WEST)]) if isinstance(e, Parsed) for r in e.refused)

    start = len(NAMES) + 1 + 20 * (len(RECORD) + len(WEST) + 2)
    assert (one.raw, one.header, one.start, one.end) == (odd.encode(), NAMES, start, start + len(odd))
    assert one.detail == "region is 'us-east-1', but its object is of us-west-2"


def test_a_bad_value_comes_before_the_region():
    bad = RECORD.replace(" 443 ", " 99999 ")

    events = read([(zipped(f"{NAMES}\n{bad} {EAST}\n{RECORD} {WEST}"), WEST)])

    assert refusals(events) == [(0, 2, "bad_port", "srcPort")]
