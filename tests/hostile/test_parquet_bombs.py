"""Parquet files that would take much memory are refused before it is allocated; long cells are refused as lines are."""

from __future__ import annotations

import io
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.hostile.corpus import CORPUS, packed, parquet, shared
from tests.pipelines import flow_key, make_pipeline, rows, run_hour
from vpclogs.parsing import ObjectEnd, ObjectInput, Parsed, ParseLimits, parse
from vpclogs.parsing.flow.parquet import parse_parquet
from vpclogs.parsing.flow.parquet_pages import BadPage, pages
from vpclogs.partitions import LogType

CEILING_MIB = 2048  # docs/performance.md
REASONS = {
    "dictionary_bomb": "too_many_refused",
    "dictionary_of_good_cells": "ratio_too_high",
    "one_huge_cell": "parquet_too_wide",
    "repeated_beginnings": "parquet_too_wide",
    "one_repeated_row": "ratio_too_high",
    "very_many_columns": "parquet_too_wide",
}
STAGE = """
import re, sys, tempfile
from pathlib import Path
from benchmarks.jobs import whole

with tempfile.TemporaryDirectory() as folder:
    rows = whole("flow", [Path(sys.argv[1])], Path(folder))
# not getrusage: its peak includes that of the process that started this one
print(rows, int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) >> 10)
"""


def events(data: bytes, limits: ParseLimits | None = None) -> list[Parsed | ObjectEnd]:
    return list(parse(LogType.VPC_FLOW, [ObjectInput(0, "object", iter([data]))], limits))


def fate(data: bytes, limits: ParseLimits | None = None) -> tuple[str, str | None, int, int]:
    (end,) = (one for one in events(data, limits) if isinstance(one, ObjectEnd))
    return end.state.value, end.reason, end.rows, end.refused


def test_every_parquet_file_of_the_corpus_is_refused():
    found = {name.removesuffix(".parquet"): fate(CORPUS[name]())[1] for name in CORPUS if name.endswith(".parquet")}

    assert found == REASONS


def staged(path: Path) -> tuple[int, int]:
    """Stage one file in a process of its own, and return the rows written and the peak of its memory in MiB."""
    found = subprocess.run([sys.executable, "-c", STAGE, str(path)], capture_output=True, text=True, check=True)
    written, peak = found.stdout.split()
    return int(written), int(peak)


@pytest.mark.parametrize("name", REASONS)
def test_staging_a_bomb_takes_no_more_memory_than_a_log(name, tmp_path):
    path = tmp_path / f"{name}.parquet"
    path.write_bytes(CORPUS[path.name]())

    written, peak = staged(path)

    assert written == 0
    assert peak < 600


def test_staging_long_cells_that_load_stays_below_the_ceiling(tmp_path):
    path = tmp_path / "long_cells.parquet"
    choose = random.Random(1)
    cells = pa.array([choose.randbytes(4000).hex() for _ in range(12_000)])
    path.write_bytes(parquet(12_000, {"odd": cells}, use_dictionary=["action"]))

    written, peak = staged(path)

    assert written == 12_000
    assert peak < CEILING_MIB


@pytest.mark.parametrize("use_dictionary", [True, False])
@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.binary(), pa.large_binary()])
def test_a_row_obeys_the_limit_of_a_line(kind, use_dictionary):
    limits = ParseLimits(max_line_bytes=10_000)
    cells = pa.array(["x" * size for size in (9000, 10_001, 3, 20_000, 9000)]).cast(kind)

    parsed = events(parquet(5, {"odd": cells}, use_dictionary=use_dictionary), limits)

    refused = [one for event in parsed if isinstance(event, Parsed) for one in event.refused]
    assert [(one.line, one.reason) for one in refused] == [(2, "line_too_long"), (4, "line_too_long")]
    loaded = [dict(extra) for one in parsed if isinstance(one, Parsed) for extra in one.rows["p_extra"].to_pylist()]
    assert [len(extra["odd"]) for extra in loaded] == [9000, 3, 9000]


def test_many_cells_of_a_row_are_as_long_as_one():
    cells = {f"c{number}": pa.array(["x" * 4000, "x"]) for number in range(3)}

    assert fate(parquet(2, cells), ParseLimits(max_line_bytes=10_000)) == ("loaded", None, 1, 1)


def test_what_is_too_long_reaches_no_table():
    limits = ParseLimits(max_line_bytes=100_000)
    data = parquet(3, {"odd": pa.array(["y" * 300_000, "a", "b"])})

    for parsed in events(data, limits):
        if isinstance(parsed, Parsed):
            assert parsed.rows.nbytes < 100_000
            assert [len(one.raw) for one in parsed.refused] == [limits.max_kept_raw_bytes]


def test_rows_with_much_text_come_in_slices():
    limits = ParseLimits(whole_object_bytes=1_000_000, max_object_ratio=10**6)
    data = parquet(1000, {"odd": shared("x" * 10_000, 1000)})

    parsed = [one for one in events(data, limits) if isinstance(one, Parsed)]

    assert len(parsed) > 8
    assert max(one.rows.nbytes for one in parsed) < 2_000_000
    assert [line for one in parsed for line in one.lines.tolist()] == list(range(1, 1001))


def test_a_dictionary_that_repeats_itself_is_not_expanded():
    texts = pa.DictionaryArray.from_arrays(pa.array([0, 1] * 20_000, pa.int8()), pa.array(["x" * 1000] * 2))
    data = parquet(40_000, {"odd": texts})

    assert fate(data, ParseLimits(max_object_ratio=10**6)) == ("loaded", None, 40_000, 0)


def test_bad_rows_are_kept_up_to_the_limit():
    ports = pa.array([str(70_000)] * 1000 + ["1"] * 5)
    more = pa.array([str(70_000)] * 1001 + ["1"] * 5)

    assert fate(parquet(1005, {"srcport": ports})) == ("loaded", None, 5, 1000)
    assert fate(parquet(1006, {"srcport": more})) == ("refused", "too_many_refused", 0, 0)


def test_rows_and_pages_have_the_limits_of_lines_and_members():
    data = parquet(1000)

    assert fate(data, ParseLimits(max_object_lines=999))[1] == "too_many_lines"
    assert fate(data, ParseLimits(max_object_members=20))[1] == "too_many_members"
    assert fate(data, ParseLimits(max_object_bytes=1000))[1] == "object_too_large"


def test_a_footer_that_takes_much_memory_is_not_read():
    data = parquet(10)
    footer = int.from_bytes(data[-8:-4], "little")
    padded = data[:-8] + bytes(20 << 20) + (footer + (20 << 20)).to_bytes(4, "little") + b"PAR1"

    assert fate(padded)[1] == "parquet_too_wide"


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "zstd"])
@pytest.mark.parametrize("use_dictionary", [True, False])
def test_page_headers_agree_with_the_footer(version, compression, use_dictionary):
    cells = pa.array([None if number % 7 == 0 else f"text {number}" for number in range(50_000)])
    options = {"data_page_version": version, "compression": compression, "use_dictionary": use_dictionary}
    data = parquet(50_000, {"odd": cells}, data_page_size=10_000, **options)
    metadata = pq.read_metadata(io.BytesIO(data))
    for group in range(metadata.num_row_groups):
        for place in range(metadata.num_columns):
            chunk = metadata.row_group(group).column(place)
            start = chunk.dictionary_page_offset or chunk.data_page_offset
            found = list(pages(io.BytesIO(data), start, chunk.total_compressed_size, chunk.num_values))
            assert sum(page.values for page in found if not page.is_dictionary) == chunk.num_values
            assert sum(page.is_dictionary for page in found) == chunk.has_dictionary_page
            assert 0 < sum(page.size for page in found) <= chunk.total_uncompressed_size


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"\x15",
        b"\x15\x00" * 3,
        b"\x15\x01\x15\x02\x15\x02\x00",
        b"\x15\x00\x15\x02\x15\x02\x00",
        b"\x1c" * 40,
        b"\x19\xfc\xff\xff\xff\xff\x0f",
        b"\x18\xff\xff\xff\xff\x0f",
        b"\x15" + b"\xff" * 20,
        b"\x1f\x00",
    ],
)
def test_a_damaged_page_header_is_an_error(header):
    with pytest.raises(BadPage):
        list(pages(io.BytesIO(header), 0, len(header) or 1, 10))


def mutated(data: bytes, seeds: range) -> Iterator[bytes]:
    for seed in seeds:
        choose = random.Random(seed)
        changed = bytearray(data)
        for _ in range(choose.randrange(1, 5)):
            changed[choose.randrange(4, len(changed) - 4)] = choose.randrange(256)
        yield bytes(changed)


@pytest.mark.parametrize("count", [200, pytest.param(20_000, marks=pytest.mark.slow)])
def test_damage_anywhere_is_the_fate_of_the_object(count):
    data = parquet(50, {"odd": pa.array([f"text {number}" for number in range(50)])})

    for changed in mutated(data, range(count)):
        state, reason, loaded, refused = fate(changed)
        assert state in ("loaded", "refused", "empty"), reason
        assert (reason is None) == (loaded + refused > 0)


class NoMemory(io.BytesIO):
    """A file of which all but the footer takes more memory than there is."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() < len(self.getvalue()) // 4 and (size or 0) > 1000:
            raise MemoryError
        return super().read(size)


def test_lack_of_memory_is_no_property_of_the_object():
    with pytest.raises(MemoryError):
        list(parse_parquet(0, NoMemory(parquet(50_000, {"odd": pa.array(map(str, range(50_000)))})), ParseLimits()))


@pytest.mark.parametrize("log_type", LogType)
def test_lack_of_memory_fails_the_task(log_type):
    def chunks() -> Iterator[bytes]:
        yield packed(b"")[:10]
        raise MemoryError

    with pytest.raises(MemoryError):
        list(parse(log_type, [ObjectInput(0, "object", chunks())]))


def test_a_load_names_each_parquet_bomb_and_loads_the_rest(s3, bucket, tmp_path):
    for number, name in enumerate(REASONS):
        s3.put_object(Bucket=bucket, Key=flow_key(f"000{number}"), Body=CORPUS[f"{name}.parquet"]())
    s3.put_object(Bucket=bucket, Key=flow_key("0100"), Body=parquet(100))
    pipeline = make_pipeline(tmp_path, bucket, s3)

    run_hour(pipeline, "run", LogType.VPC_FLOW)

    assert len(rows(pipeline, "vpc_flow")) == 100
    found = rows(pipeline, "quarantine", "p_source_key", "reason")
    assert {row["p_source_key"]: row["reason"] for row in found} == {
        flow_key(f"000{number}"): reason for number, reason in enumerate(REASONS.values())
    }
