"""Mutated keys, records, gzip and Parquet through the real parsers, and what must hold for each of them.

A case is one key, one record or one file. A load is a number of cases that are parsed
together; its seed alone decides them, so a failure is repeated with

    python -m tests.hostile.fuzz KIND CASES FIRST_SEED

which prints what it did as one line of JSON. On failure it prints the seed of the load;
an interpreter that dies leaves the seed in the file that ``--trace`` names.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import random
import re
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.hostile.corpus import HEADER
from tests.include.vpclogs.parsing import dns_fates, dns_reference, flow_fates
from tests.include.vpclogs.parsing.dns_hostile import hostile_object
from tests.pipelines import dns_key, event, flow_key
from vpclogs.identifiers import is_account, is_region
from vpclogs.object_keys import Placed, key_time, parse_key
from vpclogs.parsing import ObjectEnd, ObjectInput, ObjectState, Parsed, ParseLimits, Refused, parse
from vpclogs.parsing.containers import foreign_format
from vpclogs.partitions import LogType, Partition
from vpclogs.reasons import REASONS
from vpclogs.schemas import schema_for
from vpclogs.schemas.vpc_flow import VPC_FLOW

__all__ = ["LOADS", "Outcome", "dns_text", "flow_text", "read_all", "records_of"]

V2 = HEADER.rstrip()
EVERY = " ".join(field.key for field in VPC_FLOW.fields).encode()
HEADERS = (V2, EVERY, b"log-status end start", b"srcaddr new-field start end log-status other")
REQUIRED = {b"start", b"end", b"log-status"}

NOISE = (
    *(b"\x00", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\r", b"\t", b"\x0b", b"\x1b[31m", b"\xe2\x80\xae", b"\xef\xbb\xbf"),
    *(b'"', b"\\", b"{", b"}", b"[", b"]", b":", b",", b"\\u0000", b"\\ud800", b"null", b"NaN", b"1e999", b"-0"),
    *(b"9" * 25, b"-", b" ", b"\n", b"..", b"/", b"%2F", b"=", b"'; DROP TABLE x", b"{{ 1 }}", b"\xf0\x9f\x98\x80"),
)
VALUES = (b"-", b"x", b"0", b"-1", b"65536", b"9" * 19, b"1e3", b"\xc2\xb2", b"OK", b"1700000000123", b"0" * 30, b"::1")
GZIP, PARQUET = b"\x1f\x8b", b"PAR1"


@dataclass
class Outcome:
    """What became of one object: the lines of its rows, its refused records, and its end."""

    lines: list[int] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    end: ObjectEnd | None = None


def read_all(log_type: LogType, objects: Sequence[bytes], limits: ParseLimits | None = None) -> list[Outcome]:
    """Parse objects, given as they are stored, and check what holds for any object.

    No object fails, each ends once, its counts are those of what was yielded, and no
    record comes twice. An object that is refused whole has a reason and no records.
    """
    found = [Outcome() for _ in objects]
    inputs = (ObjectInput(number, f"object {number}", iter([data])) for number, data in enumerate(objects))
    for one in parse(log_type, inputs, limits):
        if isinstance(one, ObjectEnd):
            assert found[one.object].end is None
            found[one.object].end = one
            continue
        take(one, log_type, found)
    for outcome in found:
        check_end(outcome)
    return found


def take(parsed: Parsed, log_type: LogType, found: list[Outcome]) -> None:
    assert parsed.rows.schema.names == schema_for(log_type).parsed.names
    parsed.rows.validate(full=True)
    for number, line in zip(parsed.objects.tolist(), parsed.lines.tolist(), strict=True):
        assert found[number].end is None
        found[number].lines.append(line)
    for one in parsed.refused:
        assert REASONS[one.reason]
        found[one.object].refused.append(one)


def check_end(outcome: Outcome) -> None:
    end = outcome.end
    assert end is not None
    assert end.state in (ObjectState.LOADED, ObjectState.REFUSED, ObjectState.EMPTY), (
        end.state,
        end.reason,
        end.detail,
    )
    if end.state is not ObjectState.LOADED:
        assert end.records == 0
        assert end.reason in REASONS
        return
    assert (end.rows, end.refused) == (len(outcome.lines), len(outcome.refused))
    every = [*outcome.lines, *(one.line for one in outcome.refused)]
    assert len(set(every)) == len(every)


def check_text(outcome: Outcome, log_type: LogType, text: bytes) -> None:
    """Every record of the text is a row or a refused record, which has its bytes."""
    assert outcome.end is not None
    if outcome.end.state is not ObjectState.LOADED:
        assert outcome.end.state is ObjectState.REFUSED or not records_of(log_type, text)
        return
    every = sorted([*outcome.lines, *(one.line for one in outcome.refused)])
    assert every == records_of(log_type, text)
    for one in outcome.refused:
        assert text[one.start : one.end].startswith(one.raw)
        assert text.count(b"\n", 0, one.start) == one.line - 1


def records_of(log_type: LogType, text: bytes) -> list[int]:
    """The lines of the records in a text: all but blank ones and the headers of a flow log."""
    blank = b" \t\r" if log_type is LogType.VPC_DNS else b" \t\r\x0b\x0c"
    lines = [(number, line) for number, line in enumerate(text.split(b"\n"), 1) if line.strip(blank)]
    if log_type is LogType.VPC_DNS:
        return [number for number, _ in lines]
    return [number for number, line in lines[1:] if not is_header(line)]


def is_header(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return b"\0" not in line and set(line.split()) >= REQUIRED


def mutated(choose: random.Random, data: bytes, most: int = 3) -> bytes:
    """Return the bytes with some of them flipped, removed, repeated or replaced by noise."""
    for _ in range(choose.randint(1, most)):
        place, length = choose.randrange(len(data) + 1), choose.choice((0, 1, 1, 2, 8))
        new = choose.choice((b"", bytes([choose.randrange(256)]), choose.choice(NOISE), data[place : place + 9] * 2))
        data = data[:place] + new + data[place + length :]
    return data


def dns_text(choose: random.Random, records: int) -> bytes:
    """Return DNS records: as AWS writes them, odd but right, wrong, and mutated."""
    lines = hostile_object(choose, records, choose.choice((0, 0.02, 0.3))).split(b"\n")
    dirt = choose.choice((0.0, 0.1, 1.0))
    return b"\n".join(mutated(choose, line) if choose.random() < dirt else line for line in lines)


def flow_text(choose: random.Random, records: int) -> bytes:
    """Return a flow log of which records, and now and then the header, are mutated."""
    header = choose.choice(HEADERS)
    names, dirt = header.split(), choose.choice((0.05, 0.3, 1.0))
    good = {b"start": b"1665178000", b"end": b"1665178060", b"log-status": b"OK", b"account-id": b"123456789012"}
    good |= {b"srcaddr": b"10.0.0.1", b"dstaddr": b"2001:db8::1", b"srcport": b"443", b"bytes": b"840"}
    lines = [mutated(choose, header) if choose.random() < 0.05 else header]
    for _ in range(records):
        values = [good.get(name, b"-") for name in names]
        if choose.random() < dirt:
            values[choose.randrange(len(values))] = choose.choice(VALUES)
        line = b" ".join(values)
        lines.append(mutated(choose, line) if choose.random() < dirt else line)
        if choose.random() < 0.005:
            lines.append(choose.choice(HEADERS))
    return choose.choice((b"\n", b"\n", b"\r\n")).join(lines)


def load_of_texts(log_type: LogType, make: Callable[[random.Random, int], bytes], choose: random.Random) -> int:
    """Parse some objects together, cut into blocks of any size."""
    texts = [make(choose, choose.choice((1, 3, 20, 90))) for _ in range(40)]
    limits = ParseLimits(
        block_bytes=choose.choice((300, 5_000, 1 << 24)), whole_object_bytes=choose.choice((900, 1 << 26))
    )
    for outcome, text in zip(read_all(log_type, [gzip.compress(t, 1) for t in texts], limits), texts, strict=True):
        check_text(outcome, log_type, text)
    if choose.random() < 0.05:
        check_against_reference(log_type, texts[:10], limits)
    return sum(len(records_of(log_type, text)) for text in texts)


def check_against_reference(log_type: LogType, texts: Sequence[bytes], limits: ParseLimits) -> None:
    """Every record has the values, or the reason, that a slow and simple parser finds."""
    if log_type is LogType.VPC_DNS:
        for actual, text in zip(dns_fates.fates(texts, limits), texts, strict=True):
            assert dns_fates.same(actual, dns_reference.parse_object(text))
        return
    expected = [flow_fates.reference_fate(text) for text in texts]
    assert flow_fates.fates([flow_fates.zipped(text) for text in texts], limits) == expected


def load_of_keys(choose: random.Random) -> int:
    """Read mutated keys as keys of both logs."""
    account, day = (
        "".join(choose.choices("0123456789", k=12)),
        choose.choice(("2022/10/07", "2024/02/29", "0001/01/01")),
    )
    hive = "aws-account-id={0}/aws-service=vpcflowlogs/aws-region=us-west-2/year=2022/month=10/day=07/hour=03/"
    file = f"{account}_vpcflowlogs_us-west-2_fl-1234abcd_20221007T0300Z_0123abcd.log.parquet"
    good = (
        dns_key("2100", account=account, day=day),
        flow_key("2100", account=account, day=day),
        f"AWSLogs/o-abcde12345/{hive.format(account)}{file}",
    )
    for _ in range(1000):
        key = mutated(choose, choose.choice(good).encode()).decode("utf-8", "replace")
        for log_type in LogType:
            check_key(key, log_type)
    return 1000


def check_key(key: str, log_type: LogType) -> None:
    """A key that is placed says the same in its folders, its file name and its partition."""
    found = parse_key(key, "", log_type)
    key_time(key)
    if not isinstance(found, Placed):
        assert found.why
        return
    assert is_account(found.account)
    assert key.count(found.account) >= 2
    assert found.scope in key.rsplit("/", 1)[1]
    assert (found.region is None) == (log_type is LogType.VPC_DNS)
    region = found.region or "us-west-2"
    assert is_region(region)
    partition = Partition(log_type, found.account, region, found.day)
    assert Partition.parse(partition.key, log_type) == partition
    assert found.day.strftime("%d") in key


def load_of_gzip(choose: random.Random) -> int:
    """Parse damaged and odd gzip files, some hundred together; zlib is asked which of them are sound."""
    stored = [odd_gzip(choose) for _ in range(100)]
    log_type = LogType.VPC_DNS
    for outcome, data in zip(read_all(log_type, stored), stored, strict=True):
        text = gunzipped(data)
        assert outcome.end is not None
        if text is not None:
            check_text(outcome, log_type, text)
        elif data and not data.startswith(GZIP[:2]) and foreign_format(data) is None:
            check_text(outcome, log_type, data)  # so damaged that it is taken for plain text
        else:
            assert outcome.end.state is ObjectState.REFUSED or not data, outcome.end
    return len(stored)


def odd_gzip(choose: random.Random) -> bytes:
    lines = [event(query_name=f"{choose.randrange(1 << 30)}.example.") for _ in range(choose.randint(0, 3))]
    members = [gzip.compress(line + b"\n", choose.choice((0, 1, 9)), mtime=0) for line in lines]
    data = b"".join(members) or gzip.compress(b"", mtime=0)
    match choose.randrange(6):
        case 0:
            return data[: choose.randrange(len(data))]
        case 1:
            return data + choose.choice((b"\0" * 9, b"x", b"\x1f", GZIP, bytes(3) + data, bytes(600)))
        case 2:
            place = choose.randrange(len(data))
            return data[:place] + bytes([data[place] ^ 1 << choose.randrange(8)]) + data[place + 1 :]
        case 3:
            return choose.choice((b"", b"\n", b"{}", b"PAR", GZIP, b"BZh9")) + choose.choice((b"", data))
        case _:
            return mutated(choose, data) if choose.random() < 0.7 else data


def gunzipped(data: bytes) -> bytes | None:
    """The text of sound gzip, as zlib reads it; None if it is damaged or no gzip."""
    text = b""
    while True:
        if not data.startswith(GZIP):
            return None
        data = data[:3] + bytes([data[3] & 0x1F]) + data[4:] if len(data) > 3 else data  # flags that nothing defines
        member = zlib.decompressobj(31)
        try:
            text += member.decompress(data)
        except zlib.error:
            return None
        if not member.eof:
            return None
        data = member.unused_data.lstrip(b"\0")  # padding, also between members
        if not data:
            return text


def load_of_parquet(choose: random.Random) -> int:
    """Parse odd and damaged Parquet files."""
    whole = odd_parquet(choose)
    damaged = [damage(choose, whole) for _ in range(9)]
    sound, *_ = outcomes = read_all(LogType.VPC_FLOW, [whole, *damaged])
    assert sound.end is not None
    if sound.end.state is ObjectState.LOADED:
        assert sound.end.records == pq.read_metadata(io.BytesIO(whole)).num_rows
        assert sorted([*sound.lines, *(one.line for one in sound.refused)]) == list(range(1, sound.end.records + 1))
    return len(outcomes)


def odd_parquet(choose: random.Random) -> bytes:
    """A flow log in Parquet with a column or two of another name, type or value."""
    rows = choose.choice((1, 7, 40))
    columns = {
        "version": pa.array([5] * rows, pa.int32()),
        "account_id": pa.array(["123456789012"] * rows),
        "srcaddr": pa.array([f"10.0.0.{number}" for number in range(rows)]),
        "srcport": pa.array([443] * rows, pa.int32()),
        "bytes": pa.array(range(rows), pa.int64()),
        "start": pa.array([1_665_178_000] * rows, pa.int64()),
        "end": pa.array([1_665_178_060] * rows, pa.int64()),
        "log_status": pa.array(["OK"] * rows),
    }
    for _ in range(choose.randrange(3)):
        name = choose.choice(list(columns))
        columns[name] = choose.choice(
            [
                pa.nulls(rows, choose.choice((pa.int64(), pa.string(), pa.null(), pa.binary(), pa.list_(pa.int8())))),
                pa.array([choose.choice(VALUES).decode() for _ in range(rows)]),
                pa.array([choose.choice(NOISE) for _ in range(rows)]),
                pa.array([choose.choice((-1, 0, 1 << 62, None)) for _ in range(rows)], pa.int64()),
                pa.array([choose.choice((0.5, float("nan"), 1e300)) for _ in range(rows)]),
                pa.array([{"a": number} for number in range(rows)]),
            ]
        )
        if choose.random() < 0.2:
            columns[choose.choice(("new_field", "tgw_id", "", "\x1b[2J"))] = columns.pop(name)
    stream = io.BytesIO()
    codec = choose.choice(("gzip", "snappy", "zstd", "none"))
    pq.write_table(
        pa.table(columns),
        stream,
        compression=codec,
        row_group_size=choose.choice((3, 1000)),
        use_dictionary=choose.random() < 0.5,
        data_page_version=choose.choice(("1.0", "2.0")),
        write_page_checksum=choose.random() < 0.5,
    )
    return stream.getvalue()


def damage(choose: random.Random, data: bytes) -> bytes:
    """Damage pages, headers or the footer; the magic at both ends mostly stays."""
    if choose.random() < 0.05:
        return PARQUET + mutated(choose, data)[4:] or PARQUET
    body = bytearray(data)
    first = choose.choice((4, max(4, len(body) - choose.randint(9, 900))))
    for _ in range(choose.choice((1, 1, 2, 8))):
        body[choose.randrange(first, len(body) - 4)] = choose.choice((0, 0x7F, 0x80, 0xFF, choose.randrange(256)))
    return bytes(body)


LOADS: dict[str, Callable[[random.Random], int]] = {
    "keys": load_of_keys,
    "dns": lambda choose: load_of_texts(LogType.VPC_DNS, dns_text, choose),
    "flow": lambda choose: load_of_texts(LogType.VPC_FLOW, flow_text, choose),
    "gzip": load_of_gzip,
    "parquet": load_of_parquet,
}
"""By kind: run the load that a source of choices decides, and return the number of its cases."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=LOADS)
    parser.add_argument("cases", type=int)
    parser.add_argument("first", type=int, nargs="?", default=0)
    parser.add_argument("--trace", type=Path, default=Path("/dev/null"))
    options = parser.parse_args()
    started, cases, seed = time.monotonic(), 0, options.first
    while cases < options.cases:
        options.trace.write_text(f"{options.kind} {seed}\n")
        try:
            cases += LOADS[options.kind](random.Random(f"{options.kind} {seed}"))
        except BaseException:
            print(f"failed: {options.kind}, seed {seed}", file=sys.stderr)
            raise
        seed += 1
    # not getrusage: its peak includes that of the process that started this one
    peak = int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) >> 10
    spent = round(time.monotonic() - started, 1)
    print(json.dumps({"kind": options.kind, "cases": cases, "seeds": seed, "seconds": spent, "peak_mib": peak}))


if __name__ == "__main__":
    main()
