"""Objects to events: exactly one end per object, whatever becomes of it."""

from __future__ import annotations

import gzip
import itertools
import logging
import tracemalloc
from collections.abc import Iterable, Iterator

import pytest

from tests.pipelines import event
from vpclogs.parsing import driver
from vpclogs.parsing.dns import parser
from vpclogs.parsing.driver import parse
from vpclogs.parsing.model import Event, ObjectEnd, ObjectInput, ObjectState, ObjectUnreadable, Parsed, ParseLimits
from vpclogs.partitions import LogType

GOOD = event()
SMALL = ParseLimits(block_bytes=20_000, whole_object_bytes=60_000, max_line_bytes=5000)


def lines(count: int, text: bytes = GOOD) -> bytes:
    return gzip.compress((text + b"\n") * count, 1)


def inputs(*objects: bytes | Iterator[bytes]) -> list[ObjectInput]:
    chunks = [iter([data]) if isinstance(data, bytes) else data for data in objects]
    return [ObjectInput(ordinal, f"object {ordinal}", data) for ordinal, data in enumerate(chunks)]


def run(*objects: bytes | Iterator[bytes], limits: ParseLimits = SMALL) -> list[Event]:
    return list(parse(LogType.VPC_DNS, inputs(*objects), limits))


def ends(events: Iterable[Event]) -> list[ObjectEnd]:
    return [one for one in events if isinstance(one, ObjectEnd)]


def fates(*objects: bytes | Iterator[bytes], limits: ParseLimits = SMALL) -> list[tuple[str, str | None, int, int]]:
    return [(end.state.value, end.reason, end.rows, end.refused) for end in ends(run(*objects, limits=limits))]


def broken_off(data: bytes, error: Exception) -> Iterator[bytes]:
    yield data[: len(data) // 2]
    raise error


def test_each_object_has_one_end_in_order():
    gone = broken_off(b"", ObjectUnreadable(ObjectState.GONE, "gone", "deleted"))

    found = fates(
        lines(3), b"", b"PK\x03\x04", lines(2)[:-4], gzip.compress(b""), gzip.compress(b"\n \r\n"), gone, lines(1)
    )

    assert found == [
        ("loaded", None, 3, 0),
        ("empty", "empty_object", 0, 0),
        ("refused", "not_gzip", 0, 0),
        ("refused", "gzip_truncated", 0, 0),
        ("empty", "no_records", 0, 0),
        ("empty", "no_records", 0, 0),
        ("gone", "gone", 0, 0),
        ("loaded", None, 1, 0),
    ]


@pytest.mark.parametrize("count", [10, 200, 1000], ids=["joined", "several blocks", "streamed"])
def test_a_read_that_breaks_off_fails_its_object_only(count, caplog):
    whole = lines(count)

    found = fates(lines(2), broken_off(whole, ConnectionError("reset")), whole)

    assert found == [("loaded", None, 2, 0), ("failed", "read_failed", 0, 0), ("loaded", None, count, 0)]


@pytest.mark.parametrize("count", [10, 100], ids=["joined", "several blocks"])
def test_no_row_of_a_damaged_object_is_given_out(count):
    events = run(lines(count)[:-4], lines(1))

    assert sum(len(one.rows) for one in events if isinstance(one, Parsed)) == 1


def test_rows_of_a_too_large_object_are_provisional():
    events = run(lines(1000), lines(3))

    kinds = [(one.provisional, set(one.objects.tolist())) for one in events if isinstance(one, Parsed)]
    assert kinds[0] == (True, {0})
    assert kinds[-1] == (False, {1})
    assert [end.rows for end in ends(events)] == [1000, 3]


def test_very_many_refusals_are_not_held_back(monkeypatch):
    monkeypatch.setattr(driver, "_MAX_HELD_REFUSED", 1000)
    limits = ParseLimits(block_bytes=1000, max_object_refused=30_000)  # lines come in pieces of PIECE_BYTES

    events = run(lines(30_000, b"x" * 100), limits=limits)

    parsed = [one for one in events if isinstance(one, Parsed)]
    assert all(one.provisional for one in parsed)
    assert max(len(one.refused) for one in parsed) < 3000
    assert ends(events)[0].refused == 30_000


def test_small_objects_are_parsed_together():
    events = run(*[lines(2) for _ in range(20)])

    parsed = [one for one in events if isinstance(one, Parsed)]
    assert len(parsed) == 1
    assert parsed[0].objects.tolist() == [ordinal for ordinal in range(20) for _ in range(2)]
    assert parsed[0].lines.tolist() == [1, 2] * 20


def test_inputs_are_taken_when_they_are_needed():
    taken = []

    def listed() -> Iterator[ObjectInput]:
        for item in inputs(*[lines(100) for _ in range(10)]):
            taken.append(item.ordinal)
            yield item

    next(parse(LogType.VPC_DNS, listed(), SMALL))

    assert taken == [0]


@pytest.mark.parametrize("place", [0, 500, 999])
def test_another_major_version_anywhere_refuses_the_object_whole(place):
    text = [GOOD] * 1000
    text[place] = event(version="2.000000")

    found = fates(lines(1), gzip.compress(b"\n".join(text)), lines(1))

    assert found == [("loaded", None, 1, 0), ("refused", "version_major", 0, 0), ("loaded", None, 1, 0)]


def test_another_major_version_refuses_only_its_object_in_a_block():
    found = fates(lines(2), gzip.compress(GOOD + b"\n" + event(version="2.000000")), lines(2))

    assert [state for state, *_ in found] == ["loaded", "refused", "loaded"]


def test_parser_failure_fails_only_the_object_that_caused_it(monkeypatch, caplog):
    real = parser.read_record

    def failing(line: bytes):
        if b"poison" in line:
            raise ZeroDivisionError
        return real(line)

    monkeypatch.setattr(parser, "read_record", failing)

    with caplog.at_level(logging.CRITICAL):
        found = fates(lines(2), gzip.compress(event(query_name="poison.")), lines(2))

    assert found == [("loaded", None, 2, 0), ("failed", "parser_failed", 0, 0), ("loaded", None, 2, 0)]


def test_a_line_of_fifty_megabytes_costs_itself_only():
    data = gzip.compress(b"x" * 50_000_000 + b"\n" + GOOD, 1)

    tracemalloc.start()
    events = run(data, limits=ParseLimits(max_object_ratio=1000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    (refused,) = [one for parsed in events if isinstance(parsed, Parsed) for one in parsed.refused]
    assert (refused.reason, refused.line, refused.start, refused.end) == ("line_too_long", 1, 0, 50_000_000)
    assert len(refused.raw) == ParseLimits().max_kept_raw_bytes
    assert ends(events)[0].rows == 1
    assert peak < 40_000_000


def test_a_bomb_is_refused_in_bounded_memory():
    data = gzip.compress((b"x" * 10_000 + b"\n") * 3000, 1)
    limits = ParseLimits(max_object_bytes=20_000_000, max_object_ratio=1000, max_object_refused=3000)

    tracemalloc.start()
    found = fates(data, limits=limits)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert found == [("refused", "object_too_large", 0, 0)]
    assert peak < 80_000_000


def test_versions_and_unknown_fields_are_known_per_object():
    odd = event(version="1.200000")[:-1] + b',"delayed":true}'
    answers = b'"answers": [{"TTL": 60, "Rdata": "1.2.3.4", "Type": "A", "Class": "IN"}, '
    nested = event().replace(b'"srcids": {', b'"srcids": {"new":1,').replace(b'"answers": [', answers)

    first, second, third = ends(run(gzip.compress(GOOD + b"\n" + odd), lines(1), gzip.compress(nested)))

    assert (first.versions, first.unknown_fields) == ({"1.100000", "1.200000"}, {"delayed"})
    assert (second.versions, second.unknown_fields) == ({"1.100000"}, set())
    assert third.unknown_fields == {"srcids.new", "answers[].TTL"}


def test_a_hostile_number_of_unknown_fields_is_cut():
    text = b"\n".join(event()[:-1] + b',"x%d":1}' % number for number in range(300))

    (end,) = ends(run(gzip.compress(text), limits=ParseLimits()))

    assert (end.rows, len(end.unknown_fields)) == (300, 100)


def test_bytes_count_as_far_as_they_were_read():
    (whole,), (cut,) = ends(run(lines(10))), ends(run(lines(10)[:-4]))

    assert whole.raw_bytes == cut.raw_bytes == 10 * (len(GOOD) + 1)


def test_ends_do_not_wait_for_a_block_that_never_fills():
    endless = (ObjectInput(ordinal, "", iter([b""])) for ordinal in itertools.count())

    assert isinstance(next(parse(LogType.VPC_DNS, endless, ParseLimits())), ObjectEnd)
