"""Small objects that would cost much are refused whole, early, and named; what is merely odd still loads."""

from __future__ import annotations

import gzip
import sys
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from types import FrameType

import pytest

from tests.hostile.corpus import CORPUS, HEADER, flow_records, packed
from tests.pipelines import event, flow_key, make_pipeline, rows, run_hour
from vpclogs.config.settings import Limits
from vpclogs.parsing import ObjectEnd, ObjectInput, Parsed, ParseLimits, parse
from vpclogs.parsing.dns.records import read_record
from vpclogs.parsing.flow.rules import judge
from vpclogs.partitions import LogType

DNS, FLOW = LogType.VPC_DNS, LogType.VPC_FLOW
CHUNK = 1 << 20
MIXED = 12_000  # records of a mixed object


def read(log_type: LogType, *objects: bytes, limits: ParseLimits | None = None) -> list[Parsed | ObjectEnd]:
    """Parse objects whose bytes come in chunks of 1 MiB."""
    inputs = [
        ObjectInput(number, f"object {number}", iter([data[i : i + CHUNK] for i in range(0, len(data), CHUNK)]))
        for number, data in enumerate(objects)
    ]
    return list(parse(log_type, inputs, limits))


def the_end(log_type: LogType, data: bytes, limits: ParseLimits | None = None) -> ObjectEnd:
    (end,) = (one for one in read(log_type, data, limits=limits) if isinstance(one, ObjectEnd))
    return end


def fate(log_type: LogType, data: bytes, limits: ParseLimits | None = None) -> tuple[str, str | None, int, int]:
    end = the_end(log_type, data, limits)
    return end.state.value, end.reason, end.rows, end.refused


def calls_of(functions: list[Callable[..., object]], work: Callable[[], object]) -> int:
    """Count the calls of some functions during ``work``."""
    codes, count = {function.__code__ for function in functions}, 0

    def watch(frame: FrameType, kind: str, argument: object) -> None:
        nonlocal count
        count += kind == "call" and frame.f_code in codes

    sys.setprofile(watch)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


BOMBS = [
    pytest.param(FLOW, HEADER + b"\n" * (16 << 20), "too_many_lines", id="flow-line-breaks"),
    pytest.param(DNS, b"\n" * (16 << 20), "too_many_lines", id="dns-line-breaks"),
    pytest.param(FLOW, HEADER + b"\r\n" * (4 << 20), "too_many_lines", id="flow-crlf"),
    pytest.param(FLOW, HEADER + b"x\n" * (1 << 20), "too_many_lines", id="flow-tiny"),
    pytest.param(DNS, b"{}\n" * (1 << 20), "too_many_lines", id="dns-tiny"),
    pytest.param(
        FLOW, HEADER + b" " * 15 + b"\n" + (b" " * 15 + b"\n") * (1 << 20), "too_many_refused", id="flow-blank"
    ),
    pytest.param(FLOW, HEADER + b"no record at all\n" * (1 << 20), "too_many_refused", id="flow-words"),
    pytest.param(FLOW, HEADER + b"a line\0of NULs\n" * (1 << 20), "too_many_refused", id="flow-nul"),
    pytest.param(FLOW, HEADER + b"not \xff\xff UTF-8\n" * (1 << 20), "too_many_refused", id="flow-not-utf8"),
    pytest.param(DNS, b'{"version":"1.1"}\n' * (1 << 20), "too_many_refused", id="dns-incomplete"),
    pytest.param(DNS, b"no record at all\n" * (1 << 20), "too_many_refused", id="dns-words"),
    pytest.param(FLOW, HEADER * 200_000, "ratio_too_high", id="flow-headers"),
    pytest.param(DNS, (event() + b"\n") * 100_000, "ratio_too_high", id="dns-one-record"),
    pytest.param(FLOW, HEADER + b"x" * (64 << 20), "ratio_too_high", id="flow-one-line"),
]


@pytest.mark.parametrize(("log_type", "text", "reason"), BOMBS)
def test_a_bomb_is_refused_whole_and_early(log_type, text, reason):
    data = packed(text)

    end = the_end(log_type, data)

    assert (end.state, end.reason, end.rows, end.refused) == ("refused", reason, 0, 0)
    assert "limits." in end.detail
    assert end.raw_bytes <= max(8 << 20, ParseLimits().max_object_ratio * len(data))


@pytest.mark.parametrize(("log_type", "text", "reason"), BOMBS)
def test_few_lines_of_a_bomb_are_judged(log_type, text, reason):
    data = packed(text)

    judged = calls_of([judge, read_record], lambda: the_end(log_type, data))

    assert judged <= 2 * ParseLimits().max_object_refused


def mixed_dns(odd: bytes, every: int) -> bytes:
    lines = []
    for number in range(MIXED):
        if number % every == 0:
            lines.append(odd)
        lines.append(event(srcport=str(number), query_name=f"h{number * 7919 % 99991}.example.com.") + b"\n")
    return b"".join(lines)


@pytest.mark.parametrize("every", [1, 3, 8])
@pytest.mark.parametrize("odd", [b"no record\n", b"2 - - - - - - - - - - - - -\n", b"a\0b\n", b"\xff\n"])
def test_more_than_a_tenth_of_bad_records_is_too_many(odd, every):
    data = packed(flow_records(MIXED, odd=odd, every=every))

    judged = calls_of([judge], lambda: None if fate(FLOW, data)[1] == "too_many_refused" else pytest.fail("loaded"))

    lines = MIXED + MIXED // every
    assert judged <= 3 * ParseLimits().max_object_refused + lines // 10 + 10  # and a sample
    assert fate(DNS, packed(mixed_dns(odd, every)))[1] == "too_many_refused"


@pytest.mark.parametrize("odd", [b"no record\n", b"2 - - - - - - - - - - - - -\n", b"a\0b\n", b"\xff\n"])
def test_a_share_of_bad_records_is_kept_record_by_record(odd):
    expected = ("loaded", None, MIXED, MIXED // 10)

    assert fate(FLOW, packed(flow_records(MIXED, odd=odd, every=10))) == expected
    assert fate(DNS, packed(mixed_dns(odd, 10))) == expected


@pytest.mark.parametrize("bad", [999, 1000, 1001])
def test_a_thousand_bad_records_are_kept_whatever_else_there_is(bad):
    expected = ("loaded", None, 1, bad) if bad <= 1000 else ("refused", "too_many_refused", 0, 0)

    assert fate(FLOW, packed(flow_records(1) + b"no record at all\n" * bad)) == expected
    assert fate(DNS, packed(event() + b"\n" + b"no record at all\n" * bad)) == expected


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(flow_records(MIXED, odd=b"\n"), id="blank"),
        pytest.param(flow_records(MIXED, odd=b"\r\n"), id="crlf"),
        pytest.param(flow_records(MIXED, odd=HEADER), id="headers"),
        pytest.param(flow_records(MIXED).replace(b" ", b"\t"), id="tabs"),
        pytest.param(flow_records(MIXED).replace(b" ", b"  "), id="spaces"),
        pytest.param(flow_records(MIXED).replace(b"\n", b"\r\n"), id="carriage-returns"),
    ],
)
def test_oddly_spaced_logs_load(text):
    assert fate(FLOW, packed(text)) == ("loaded", None, MIXED, 0)


def test_long_lines_count_as_refused_records():
    line = bytes(range(33, 127)) * 40 + b"\n"
    data = packed(line * 1200)
    limits = ParseLimits(max_line_bytes=2000, max_object_ratio=10_000)

    assert fate(DNS, data, limits) == ("refused", "too_many_refused", 0, 0)


def test_a_bomb_between_good_objects_costs_itself_only():
    good = [packed(flow_records(50)), packed(flow_records(70))]
    bomb = packed(flow_records(10) + b"no record at all\n" * 1500)

    events = read(FLOW, good[0], bomb, good[1])

    ends = [(one.state.value, one.rows) for one in events if isinstance(one, ObjectEnd)]
    assert ends == [("loaded", 50), ("refused", 0), ("loaded", 70)]
    assert sum(one.rows.num_rows for one in events if isinstance(one, Parsed)) == 120
    assert not [r for one in events if isinstance(one, Parsed) for r in one.refused]


@pytest.mark.parametrize("blocks", [1, 8])
def test_refused_records_are_counted_across_blocks(blocks):
    text = flow_records(100) + b"no record, but many letters\n" * 3000
    limits = ParseLimits(block_bytes=len(text) // blocks, max_object_refused=2500)

    assert fate(FLOW, packed(text), limits)[1] == "too_many_refused"
    assert fate(DNS, packed(text), limits)[1] == "too_many_refused"


@pytest.mark.parametrize("log_type", LogType)
def test_a_million_empty_members_are_refused_at_the_limit(log_type):
    end = the_end(log_type, packed(b"") * 1_000_000)

    assert (end.state, end.reason, end.raw_bytes) == ("refused", "too_many_members", 0)


def test_members_up_to_the_limit_load():
    limits = ParseLimits(max_object_members=300)
    record = packed(event() + b"\n")

    assert fate(DNS, record * 300, limits) == ("loaded", None, 300, 0)
    assert fate(DNS, record * 301, limits) == ("refused", "too_many_members", 0, 0)


def test_a_member_costs_its_own_bytes_only():
    # what follows a member in its chunk is not copied for each of them
    def copied(members: int) -> int:
        seen = 0

        def watch(frame: FrameType, kind: str, argument: object) -> None:
            nonlocal seen
            if kind == "c_return" and getattr(argument, "__name__", "") == "decompress":
                seen += len(frame.f_locals.get("given", b""))

        data = packed(b"") * members
        sys.setprofile(watch)
        try:
            the_end(DNS, data)
        finally:
            sys.setprofile(None)
        return seen // len(data)

    assert copied(20_000) <= 2 * copied(2000) + 10


def test_every_limit_of_the_parser_is_a_setting():
    internal = {"block_bytes", "whole_object_bytes"}

    assert {field.name for field in fields(ParseLimits)} - internal <= set(Limits.model_fields)
    assert Limits().parsing == ParseLimits()


def test_every_file_of_the_corpus_has_a_fate(tmp_path):
    for name, make in CORPUS.items():
        log_type = DNS if name == "new_field_per_record.log.gz" else FLOW
        end = the_end(log_type, make())
        assert (end.state == "refused") == (log_type is FLOW), name


def test_a_load_names_each_bomb_and_loads_the_rest(s3, bucket, tmp_path: Path):
    bombs = {"line_breaks": "too_many_lines", "bad_lines": "too_many_refused", "empty_members": "too_many_members"}
    for number, name in enumerate(bombs):
        s3.put_object(Bucket=bucket, Key=flow_key(f"000{number}"), Body=CORPUS[f"{name}.log.gz"]())
    s3.put_object(Bucket=bucket, Key=flow_key("0100"), Body=gzip.compress(flow_records(100)))
    pipeline = make_pipeline(tmp_path, bucket, s3)

    run_hour(pipeline, "run", FLOW)

    assert len(rows(pipeline, "vpc_flow")) == 100
    found = {
        row["p_source_key"].rsplit("T", 1)[1][:4]: row["reason"]
        for row in rows(pipeline, "quarantine", "p_source_key", "reason")
    }
    assert found == {f"000{number}": reason for number, reason in enumerate(bombs.values())}


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in CORPUS if "field" not in name])
def test_bomb_costs_at_most_three_times_a_normal_object(name):
    def seconds(data: bytes) -> float:
        start = time.process_time()
        the_end(FLOW, data)
        return time.process_time() - start

    def best(data: bytes) -> float:
        return min(seconds(data) for _ in range(5))

    bomb = CORPUS[name]()
    normal = packed(flow_records(20_000))
    per_byte = best(normal) / len(normal)

    assert best(bomb) < 3 * per_byte * len(bomb) + 0.02  # an object refused record by record may have a thousand
