"""Any number of unknown fields: every value is kept, names beyond a limit are counted, cost stays linear."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.factories import PARTITION, make_object
from tests.hostile.corpus import new_field_per_record, packed
from tests.pipelines import event
from vpclogs.ledger import Ledger
from vpclogs.ledger.schema_features import SchemaFeature
from vpclogs.parsing import ObjectEnd, ObjectInput, Parsed, ParseLimits, parse
from vpclogs.partitions import LogType
from vpclogs.profile.counter import OTHERS
from vpclogs.profile.statistics import Statistics
from vpclogs.schemas.vpc_dns import VPC_DNS

NOW = datetime(2026, 1, 14, tzinfo=UTC)


def read(data: bytes, limits: ParseLimits | None = None) -> Iterator[Parsed | ObjectEnd]:
    return parse(LogType.VPC_DNS, [ObjectInput(0, "object", iter([data]))], limits)


def extras(data: bytes) -> list[dict[str, str]]:
    tables = [one.rows for one in read(data) if isinstance(one, Parsed)]
    return [dict(pairs or ()) for rows in tables for pairs in rows.column("p_extra").to_pylist()]


def the_end(data: bytes, limits: ParseLimits | None = None) -> ObjectEnd:
    return next(one for one in read(data, limits) if isinstance(one, ObjectEnd))


def test_every_value_is_kept_however_many_names_there_are():
    assert extras(packed(new_field_per_record(20_000))) == [{f"u{number}": "1"} for number in range(20_000)]


def test_names_beyond_the_limit_are_counted():
    end = the_end(packed(new_field_per_record(20_000)))

    assert (end.rows, len(end.unknown_fields), end.further_fields) == (20_000, 100, 19_900)


@pytest.mark.parametrize("records", [300, 20_000])
def test_statistics_stay_small_and_count_what_is_left_out(records):
    end = the_end(packed(new_field_per_record(records)))
    statistics = Statistics(PARTITION, VPC_DNS)

    statistics.observe_end(make_object("a"), end)

    names = statistics.to_json()["unknown_fields"]["names"]
    assert len(names) == 101
    assert names[OTHERS][0] == records - 100


def test_the_ledger_keeps_a_bounded_number_of_names(tmp_path):
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    place = ("vpc_dns", "dns", "123456789012", "us-west-2", "unknown_field")
    for start in range(0, 1000, 100):
        seen = [(SchemaFeature(*place, f"u{number}"), NOW.date(), None) for number in range(start, start + 100)]
        ledger.traits.keep(seen, staged_at=NOW, now=NOW)

    names = [row.name for row in ledger.traits.all()]
    assert len(names) == 201
    assert OTHERS in names


@pytest.mark.parametrize(
    "value",
    [
        b"1",
        b"-1.5e300",
        b"true",
        b"null",
        b'"text"',
        b'""',
        b"1.0",
        b"[]",
        b"[1,2]",
        b'{"a":{}}',
        b'"\\u00e9"',
        b'"\xc3\xa9"',
    ],
)
@pytest.mark.parametrize("place", ["first", "last"])
def test_an_unknown_value_is_kept_as_written(value, place):
    record = event()
    field = b'"new":' + value
    line = record[:-1] + b"," + field + b"}" if place == "last" else b"{" + field + b"," + record[1:]

    # one record takes the general path, a thousand take the fast one
    for count in (1, 1000):
        assert extras(packed((line + b"\n") * count)) == [{"new": value.decode()}] * count


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        (b'"new":1,"new":2', "duplicate_key"),
        (b'"new":"a","new":1', "duplicate_key"),
        (b'"rcode":"NOERROR"', "duplicate_key"),
        (b'"rcode":null', "duplicate_key"),
        (b'"new":NaN', "not_json"),
        (b'"new":01', "not_json"),
        (b'"new":{"a":1,"a":1}', "duplicate_key"),
        (b'"new":"\\ud800"', "lone_surrogate"),
        (b'"new":"\\u0000"', "nul_character"),
        (b'"ne\\u0000w":1', "nul_character"),
        (b'"new":' + b"[" * 100 + b"]" * 100, "too_deep"),
    ],
)
def test_an_unknown_field_is_judged_as_strictly_as_others(field, reason):
    line = event()[:-1] + b"," + field + b"}\n"

    for count in (1, 1000):
        refused = [r.reason for one in read(packed(line * count)) if isinstance(one, Parsed) for r in one.refused]
        assert refused == [reason] * count


@pytest.mark.slow
def test_the_cost_of_new_fields_is_linear():
    def cost(records: int) -> float:
        data = packed(new_field_per_record(records))
        start = time.process_time()
        the_end(data)
        return time.process_time() - start

    cost(1000)

    assert min(cost(100_000) for _ in range(3)) < 15 * min(cost(10_000) for _ in range(3))
