"""The sample is the same for the same seed, adds up, and has every kind of fault."""

from __future__ import annotations

import gzip
import io
import json
from datetime import date

import numpy as np
import pyarrow.parquet as pq
import pytest

from demo.sample import DNS, FLOW, Sample, dns_lines, flow_lines
from demo.sample.faults import DNS_FAULTS, LONG_LINE, flow_faults
from demo.sample.flow_formats import flow_fields
from demo.sample.objects import DNS_BREAKS, FLOW_BREAKS
from demo.sample.truth import EMPTY, LOADED, REFUSED, Truth

DAYS = (date(2026, 1, 14), date(2026, 1, 15))


@pytest.fixture(scope="module")
def sample():
    return Sample(seed=7, days=DAYS, scale=0.05)


@pytest.fixture(scope="module")
def objects(sample):
    return list(sample.objects())


@pytest.fixture(scope="module")
def truth(objects):
    return Truth("logs", tuple(truth for truth, _ in objects))


def test_same_seed_gives_the_same_bytes(sample, objects):
    again = Sample(seed=7, days=DAYS, scale=0.05)

    assert list(again.objects()) == objects


def test_another_seed_gives_another_network():
    assert Sample(seed=8, days=DAYS).world != Sample(seed=7, days=DAYS).world


def test_the_full_sample_has_the_promised_size():
    planned = Sample(seed=7, days=DAYS).planned
    good = [one for one in planned if not one.broken]

    assert sum(one.records for one in good if one.log_type == DNS) == 300_000
    assert sum(one.records for one in good if one.log_type == FLOW) == 150_000
    assert 290 <= sum(one.log_type == DNS for one in planned) <= 310
    assert len({one.vpc.account for one in planned}) >= 3
    assert len({one.vpc.region for one in planned}) >= 4
    assert len({one.vpc.vpc_id for one in planned}) >= 6
    assert {one.at.date() for one in planned} == set(DAYS)
    assert sum(one.faults for one in good) / 450_000 == pytest.approx(0.001)


@pytest.mark.parametrize("log_type", [DNS, FLOW])
def test_counts_add_up(truth, log_type):
    whole = truth.totals(log_type)
    parts = [truth.totals(log_type, partition=key) for key in truth.partitions(log_type)]

    assert whole.objects == whole.loaded + whole.refused_objects + whole.empty
    assert whole.records == {DNS: 15_000, FLOW: 7_500}[log_type]
    assert sum(truth.reasons(log_type).values()) == whole.quarantine_rows
    for name in ("objects", "loaded", "refused_objects", "empty", "good", "refused"):
        assert sum(getattr(part, name) for part in parts) == getattr(whole, name)
        punctual, late = truth.totals(log_type, late=False), truth.totals(log_type, late=True)
        assert getattr(punctual, name) + getattr(late, name) == getattr(whole, name)


def test_every_kind_of_broken_record_occurs(truth):
    assert {fault.reason for fault in (*DNS_FAULTS, LONG_LINE)} <= truth.reasons(DNS).keys()
    assert {fault.reason for fault in flow_faults(flow_fields(2))} <= truth.reasons(FLOW).keys()


def test_every_kind_of_broken_object_occurs(truth):
    expected = {*DNS_BREAKS, *FLOW_BREAKS} - {"zero_bytes", "no_lines", "header_only"}

    assert {one.reason for one in truth.objects if one.state == REFUSED} == expected
    assert sum(one.state == EMPTY for one in truth.objects) == 4


def test_loaded_objects_hold_as_many_records_as_the_truth_says(objects):
    for truth, body in objects:
        if truth.state == LOADED:
            assert count_records(truth.key, body) == truth.records, truth.key


def test_keys_are_unique_and_in_the_folder_of_their_day(truth):
    keys = [one.key for one in truth.objects]

    assert len(set(keys)) == len(keys)
    for one in truth.objects:
        year, month, day = one.day.split("-")
        assert f"/{year}/{month}/{day}/" in one.key or f"/year={year}/month={month}/day={day}/" in one.key


def test_all_four_flow_layouts_and_parquet_occur(truth):
    keys = [one.key for one in truth.of(FLOW)]

    assert any("/day=15/hour=" in key for key in keys)
    assert any("/day=15/2" in key and "hour=" not in key for key in keys)
    assert any(key.split("/2026/01/15/")[-1][2:3] == "/" for key in keys if "/2026/01/15/" in key)
    assert any(key.split("/2026/01/15/")[-1][12:13] == "_" for key in keys if "/2026/01/15/" in key)
    assert any(key.endswith(".parquet") for key in keys)
    assert any("/o-" in key for key in keys)


def test_truth_survives_saving(truth, tmp_path):
    truth.save(tmp_path / "truth.json")

    assert Truth.load(tmp_path / "truth.json") == truth


@pytest.mark.parametrize("fault", [*DNS_FAULTS, LONG_LINE], ids=lambda fault: fault.name)
def test_each_dns_fault_changes_any_record(fault):
    lines = dns_lines(np.random.default_rng(1), 300, dirty=0).splitlines()

    assert all(fault.apply(line) != line for line in lines)


@pytest.mark.parametrize("version", [2, 3, 5, 7, 11])
def test_clean_flow_lines_fit_their_header(version):
    header, *rows = flow_lines(np.random.default_rng(1), 500, version, dirty=0).splitlines()

    assert len(rows) == 500
    assert {len(row.split()) for row in rows} == {len(header.split())}


def test_clean_dns_lines_are_json_with_the_required_members():
    records = [json.loads(line) for line in dns_lines(np.random.default_rng(1), 500, dirty=0).splitlines()]

    required = {"version", "account_id", "query_timestamp", "query_name", "answers", "srcaddr", "srcport", "srcids"}
    assert all(required <= record.keys() for record in records)
    assert any(not record["answers"] for record in records)
    assert any(not record["srcids"] for record in records)


def count_records(key: str, body: bytes) -> int:
    if key.endswith(".parquet"):
        return int(pq.read_metadata(io.BytesIO(body)).num_rows)
    lines = [line for line in gzip.decompress(body).split(b"\n") if line]
    return len(lines) - lines.count(lines[0]) if "vpcflowlogs" in key else len(lines)
