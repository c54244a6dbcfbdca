"""The parser against a slow and obviously right one, over generated objects."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.include.vpclogs.parsing.dns_fates import fates, same
from tests.include.vpclogs.parsing.dns_hostile import hostile_object, plain_line
from tests.include.vpclogs.parsing.dns_reference import parse_object
from vpclogs.parsing.blocks import Block, Part
from vpclogs.parsing.dns.fast.reader import FastReader
from vpclogs.parsing.model import ParseLimits

ODD = [0, 0.02, 0.5, 1]


def check(objects: list[bytes], limits: ParseLimits | None = None) -> None:
    """Every record has the fate that the reference gives it."""
    for actual, data in zip(fates(objects, limits), objects, strict=True):
        expected = parse_object(data)
        assert same(actual, expected), first_difference(actual, expected)


def first_difference(actual, expected):
    if isinstance(actual, str) or isinstance(expected, str):
        return actual, expected
    return next(((a, e) for a, e in zip(actual, expected, strict=False) if not same([a], [e])), "other lines")


def several_objects(seed: int) -> list[bytes]:
    r = random.Random(seed)
    return [hostile_object(r, r.choice([1, 5, 300, 700]), r.choice(ODD)) for _ in range(r.choice([1, 3, 8]))]


@pytest.mark.parametrize("seed", range(8))
def test_every_record_has_the_fate_the_reference_gives_it(seed):
    check(several_objects(seed))


@pytest.mark.parametrize("block_bytes", [1, 1000, 100_000])
def test_fates_do_not_depend_on_where_blocks_are_cut(block_bytes):
    check(several_objects(1), ParseLimits(block_bytes=block_bytes))


@given(st.integers(0, 1 << 30), st.sampled_from(ODD), st.binary(max_size=40), st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_no_bytes_anywhere_change_the_fate_of_other_records(seed, odd, noise, place):
    data = hostile_object(random.Random(seed), 300, odd)
    place %= len(data)

    check([data[:place] + noise + data[place:]])


@pytest.mark.parametrize("slashes", [b"\\", b"\\\\", b"\\\\\\"])
@pytest.mark.parametrize("after", [b'"', b'",', b'"}', b"]", b"\n", b"", b"\\", b'\n"'])
def test_backslashes_before_marks_affect_no_other_line(slashes, after):
    r = random.Random(3)
    lines = [plain_line(r) for _ in range(12)]
    inside = lines[4].replace(b'","srcport', slashes + after + b'","srcport')
    at_the_end, alone = lines[7] + slashes + after, slashes + after

    check([b"\n".join([*lines[:4], inside, *lines[5:7], at_the_end, *lines[8:10], alone, *lines[10:], slashes])])


@given(st.lists(st.binary(max_size=60), max_size=20))
@settings(max_examples=50, deadline=None)
def test_bytes_that_are_no_log_at_all_are_each_refused(lines):
    check([b"\n".join(line.replace(b"\n", b"") for line in lines)])


def test_lines_as_aws_writes_them_take_the_fast_path():
    r = random.Random(1)
    lines = [plain_line(r) for _ in range(2000)]
    odd = (b'": ', b'"00053"', b']"', b'[{"', b'"[{"')
    usual = [line for line in lines if line.isascii() and not any(part in line.replace(b":[{", b"") for part in odd)]
    data = b"\n".join(usual) + b"\n"

    parts, rest = FastReader().read(Block(data, (Part(0, 0, len(data), 1, 0),)))

    assert (sum(len(part.lines) for part in parts), len(rest)) == (len(usual), 0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1000, 1200))
def test_a_million_records_have_the_fates_the_reference_gives_them(seed):
    check(several_objects(seed))
