"""The parser against a slow and obviously right one, over generated files."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.include.vpclogs.parsing.flow_fates import V2, V3, V5, fates, reference_fate, zipped
from vpclogs.parsing.model import ParseLimits
from vpclogs.schemas.vpc_flow import VPC_FLOW

EVERY = " ".join(field.key for field in VPC_FLOW.fields)
HEADERS = [V2, V3, V5, EVERY, "log-status end start", "srcaddr new-field start end log-status other", V2 + " dstaddr"]
FOREIGN = ["tgw-id start end log-status", "version account-id", '{"a": 1}', "2024-01-01T00:00:00Z 2 -", "2 - -", "\x00"]

GOOD = {
    "int": ["0", "7", "443", "007", "65535", "1" * 9],
    "time": ["1700000000", "1700000060", "1700000000123", "0", "2147483647", "2147483648", "253402300799999"],
    "status": ["OK", "NODATA", "SKIPDATA", "NEW"],
    "account": ["123456789012", "000000000001", "unknown"],
    "text": [
        "10.0.0.1",
        "10.0.0.10",
        "10.0.0.9",
        "2001:db8::1",
        "::ffff:1.2.3.4",
        "i-0ab",
        "eni-1",
        "0x1F",
        "é",
        "a\x01b",
    ],
}
BAD = [
    "x",
    "0x1F",
    "0X2",
    "-1",
    "-0",
    "+1",
    "1.0",
    "1e3",
    "1_0",
    "65536",
    "32768",
    "9" * 18,
    "9" * 19,
    "9" * 20,
    "9" * 40,
]
BAD += [
    "0" * 30 + "5",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551616",
    "253402300800000",
    "²",
    "-",
]
BAD += ["1234567890123", "12345678901é", "start", "srcaddr", "\ufeff1", "unknown", "a\x00b", '"1"', "1\\", "1,2"]

KINDS = {field.key: str(field.type) for field in VPC_FLOW.fields}


def good_value(name: str, choose: random.Random) -> str:
    if name == "account-id":
        return choose.choice(GOOD["account"])
    if name == "log-status":
        return choose.choice(GOOD["status"])
    kind = KINDS.get(name, "string")
    pool = GOOD["time"] if kind.startswith("timestamp") else GOOD["text"] if kind == "string" else GOOD["int"][:4]
    return choose.choice(pool) if kind.startswith("timestamp") or choose.random() < 0.8 else "-"


def record(header: list[str], choose: random.Random, dirt: float) -> bytes:
    values = [good_value(name, choose) for name in header]
    if choose.random() < dirt:
        values[choose.randrange(len(values))] = choose.choice(BAD)
    if choose.random() < dirt / 4:
        values.insert(choose.randrange(len(values)), choose.choice(BAD))
    if choose.random() < dirt / 4:
        del values[choose.randrange(len(values))]
    space = choose.choice(["  ", "\t", " \x0b", "\r", " \x0c "]) if choose.random() < dirt / 4 else " "
    line = space.join(values).encode()
    if choose.random() < dirt / 4:
        line = choose.choice([b" " + line, line + b" ", line + b"\r", b"\t" + line, b"\xef\xbb\xbf" + line])
    if choose.random() < dirt / 8:
        cut = choose.randrange(len(line) + 1)
        line = line[:cut] + choose.choice([b"\xff", b"\xed\xa0\x80", b"\x00", b"\xc3"]) + line[cut:]
    return line


def make_file(seed: int, size: int) -> bytes:
    choose = random.Random(seed)
    dirt = choose.choice([0.0, 0.05, 0.5, 1.0])
    header = choose.choice(HEADERS[:-1]).split()
    if choose.random() < 0.3:
        choose.shuffle(header)
    lines = [" ".join(header).encode()]
    if choose.random() < 0.1:
        lines[0] = choose.choice([*FOREIGN, HEADERS[-1], "\ufeff" + V2, " " + V2 + "  ", V2 + "\r"]).encode()
    for _ in range(choose.randrange(size)):
        place = choose.random()
        if place < dirt / 20:
            lines.append(choose.choice([b"", b" ", b"\t\r", " ".join(header).encode(), "  ".join(header).encode()]))
        elif place < dirt / 15:
            header = choose.choice([choose.choice(HEADERS).split(), header[::-1]])
            lines.append(" ".join(header).encode())
        elif place < dirt / 14 and choose.random() < 0.1:
            lines.append(choose.choice(FOREIGN).encode())
        else:
            lines.append(record(header, choose, dirt))
    end = choose.choice([b"\n", b"\n", b"\r\n"]) if dirt else b"\n"
    return end.join(lines) + choose.choice([b"", end])


@settings(max_examples=60, deadline=None)
@given(seeds=st.lists(st.integers(0, 2**40), min_size=1, max_size=4), block=st.sampled_from([300, 2_000, 8 << 20]))
def test_every_record_matches_the_reference_parser(seeds, block):
    files = [make_file(seed, 60) for seed in seeds]
    limits = ParseLimits(block_bytes=block)

    assert fates([zipped(file) for file in files], limits) == [reference_fate(file) for file in files]


@settings(max_examples=60, deadline=None)
@given(lines=st.lists(st.binary(max_size=60) | st.sampled_from([V2.encode(), b"\n", b" ", b"2 - -"]), max_size=20))
def test_arbitrary_bytes_lose_no_record(lines):
    file = b"\n".join([b"start end log-status srcport", *lines])

    assert fates([zipped(file)]) == [reference_fate(file)]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(120))
def test_three_million_records_agree_with_the_reference_parser(seed):
    file = make_file(seed, 50_000)  # at most; half of that on average
    # The reference judges every record, however many are refused.
    limits = ParseLimits(block_bytes=(1 << 20) if seed % 2 else (16 << 20), max_object_refused=1 << 60)

    assert fates([zipped(file)], limits) == [reference_fate(file)]
