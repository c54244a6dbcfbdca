"""Mutated input of every kind: nothing crashes, every record is accounted for, memory stays bounded."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.hostile.fuzz import LOADS, dns_text, flow_text, records_of
from tests.pipelines import dns_key, flow_key, make_pipeline, put_lines, rows, run_hour
from vpclogs.partitions import LogType
from vpclogs.warehouse.tables import QUARANTINE

FEW = {"keys": 20_000, "dns": 8_000, "flow": 8_000, "gzip": 4_000, "parquet": 1_000}
MANY = {"keys": 300_000, "dns": 320_000, "flow": 320_000, "gzip": 50_000, "parquet": 20_000}
CEILING_MIB = 600
"""Of a process that parses small objects, pyarrow and the parsers included."""

# Seeds of loads that found something, and what it was.
FOUND = [
    ("parquet", 21, "a column name in the footer that is not UTF-8 made the object fail at each attempt"),
    ("parquet", 374, "a damaged page header made the reader allocate 2 GB"),
    ("parquet", 1044, "an index beyond the end of a dictionary"),
    ("parquet", 1182, "an index beyond the end of a dictionary, of a longer one"),
]


def fuzz(folder: Path, kind: str, cases: int, first: int = 0) -> dict[str, Any]:
    """Run cases in a process of their own, which a crash of the interpreter ends alone."""
    trace = folder / "trace"
    command = [sys.executable, "-m", "tests.hostile.fuzz", kind, str(cases), str(first), "--trace", str(trace)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{trace.read_text()}{done.stderr[-3000:]}"
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["cases"] >= cases
    assert found["peak_mib"] < CEILING_MIB
    return found


@pytest.mark.parametrize("kind", LOADS)
def test_mutated_input_is_accounted_for(tmp_path, kind):
    fuzz(tmp_path, kind, FEW[kind])


@pytest.mark.parametrize(("kind", "seed", "found"), FOUND)
def test_loads_that_once_found_a_fault_pass(kind, seed, found):
    LOADS[kind](random.Random(f"{kind} {seed}"))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", LOADS)
def test_a_million_mutated_cases_are_accounted_for(tmp_path, kind):
    assert sum(MANY.values()) >= 1_000_000
    fuzz(tmp_path, kind, MANY[kind], first=1_000_000)


def test_every_mutated_record_is_in_the_table_or_in_quarantine(tmp_path, s3, bucket):
    choose = random.Random("pipeline")
    pipeline = make_pipeline(tmp_path, bucket, s3)
    for log_type, make, key in ((LogType.VPC_DNS, dns_text, dns_key), (LogType.VPC_FLOW, flow_text, flow_key)):
        texts = {key(f"{hour:02}00"): make(choose, 60) for hour in range(8)}
        for name, text in texts.items():
            put_lines(s3, bucket, name, [text])

        run_hour(pipeline, f"{log_type} run", log_type)

        for name, text in texts.items():
            assert lines_of(pipeline, name) in (records_of(log_type, text), [None]), name


def lines_of(pipeline: Any, key: str) -> Sequence[int | None]:
    """The lines of an object in all tables; None stands for the object that was refused whole."""
    columns = ("p_source_key", "p_source_line")
    found = [row for table in (*LogType, QUARANTINE) for row in rows(pipeline, str(table), *columns)]
    return sorted(row["p_source_line"] for row in found if row["p_source_key"] == key)
