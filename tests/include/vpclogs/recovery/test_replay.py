"""Records that parse after a fix move from the quarantine to the table, on a real S3 server and catalog."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.include.vpclogs.parsing.flow_fates import V2
from tests.pipelines import KEY, dns_key, event, flow_key, make_pipeline, put_lines, rows, run_hour
from vpclogs.errors import LedgerMismatch
from vpclogs.ledger import Ledger
from vpclogs.partitions import LogType, Partition
from vpclogs.pipeline import Pipeline
from vpclogs.recovery.replay import count_movable, plan_replay, stage_replay, survey_quarantine
from vpclogs.runs import RunCounts

DNS = Partition.parse(KEY, LogType.VPC_DNS)
FLOW = Partition.parse(KEY, LogType.VPC_FLOW)

LONG = event(query_name="a-name-that-makes-its-line-too-long-for-the-first-load.example.com.")
SHORT_LINES = {"max_line_bytes": len(LONG) - 1}


def replay(pipeline: Pipeline, run_key: str, log_type: LogType = LogType.VPC_DNS, **how: Any) -> RunCounts:
    batches = plan_replay(pipeline, log_type, run_key=run_key, **how)
    return pipeline.run(batches, run_key, stage=partial(stage_replay, pipeline))


def certificate(pipeline: Pipeline, log_type: LogType = LogType.VPC_DNS) -> tuple[int, int, bool]:
    (status,) = pipeline.ledger.partitions.status(log_type)
    return status.certificate.rows, status.certificate.quarantined, status.certificate.complete


def test_replay_moves_parsable_records_once_and_keeps_the_rest(tmp_path: Path, bucket, s3):
    put_lines(s3, bucket, dns_key("2100"), [event(), LONG, b"{no json", LONG])
    run_hour(make_pipeline(tmp_path, bucket, s3, **SHORT_LINES), "hour")
    fixed = make_pipeline(tmp_path, bucket, s3)
    assert certificate(fixed) == (1, 3, True)

    assert replay(fixed, "replay").rows == 2
    assert replay(fixed, "replay").rows == 0

    lines = ("p_source_line", "p_source_label", "p_source_key", "p_account", "p_region")
    assert [[row[name] for name in lines] for row in rows(fixed, "vpc_dns", *lines)] == [
        [line, "dns", dns_key("2100"), "123456789012", "us-west-2"] for line in (1, 2, 4)
    ]
    assert [(row["p_source_line"], row["reason"]) for row in rows(fixed, "quarantine", "p_source_line", "reason")] == [
        (3, "not_json")
    ]
    assert certificate(fixed) == (3, 1, True)
    assert run_hour(fixed, "next hour").objects == 0


def test_replay_with_postgresql_moves_each_record_once(tmp_path: Path, bucket, s3, postgres):
    ledger = postgres.create("replaying")
    put_lines(s3, bucket, dns_key("2100"), [event(), LONG, b"{no json", LONG])
    run_hour(make_pipeline(tmp_path, bucket, s3, ledger=ledger, **SHORT_LINES), "hour")
    fixed = make_pipeline(tmp_path, bucket, s3, ledger=ledger)

    assert [replay(fixed, "replay").rows, replay(fixed, "again").rows] == [2, 0]

    assert len(rows(fixed, "vpc_dns")) == 3
    assert certificate(fixed) == (3, 1, True)


def test_replayed_row_equals_the_row_of_a_load(tmp_path: Path, bucket, s3):
    put_lines(s3, bucket, dns_key("2100"), [event(), LONG])
    run_hour(make_pipeline(tmp_path / "first", bucket, s3, **SHORT_LINES), "hour")
    replay(replayed := make_pipeline(tmp_path / "first", bucket, s3), "replay")
    run_hour(loaded := make_pipeline(tmp_path / "second", bucket, s3), "hour")

    columns = [field.name for field in loaded.warehouse.table("vpc_dns").schema().fields]
    assert rows(replayed, "vpc_dns", *columns) == rows(loaded, "vpc_dns", *columns)


def test_flow_records_are_read_by_the_header_they_stood_under(tmp_path: Path, bucket, s3, monkeypatch):
    first = b"2 123456789012 eni-1 10.0.0.1 10.0.0.2 40000 443 6 10 840 1665178000 1665178060 ACCEPT OK"
    second = b"OK REJECT 1665178060 1665178000 40 1 6 443 40001 10.0.0.4 10.0.0.3 eni-2 123456789012 2"
    lines = [V2.encode(), first, b"short line", " ".join(reversed(V2.split())).encode(), second]
    put_lines(s3, bucket, flow_key("2100"), lines)
    pipeline = make_pipeline(tmp_path, bucket, s3)
    with monkeypatch.context() as patch:
        patch.setattr("vpclogs.parsing.flow.rules._MAX_PORT", 9999)
        run_hour(pipeline, "hour", LogType.VPC_FLOW)
    assert certificate(pipeline, LogType.VPC_FLOW) == (0, 3, True)

    replay(pipeline, "replay", LogType.VPC_FLOW)

    moved = rows(pipeline, "vpc_flow", "p_source_line", "srcAddr", "srcPort", "action")
    assert [(row["p_source_line"], row["srcAddr"], row["srcPort"], row["action"]) for row in moved] == [
        (2, "10.0.0.1", 40000, "ACCEPT"),
        (5, "10.0.0.3", 40001, "REJECT"),
    ]
    assert certificate(pipeline, LogType.VPC_FLOW) == (2, 1, True)


def test_survey_separates_replayable_records_from_those_needing_reloads(tmp_path: Path, bucket, s3):
    put_lines(s3, bucket, dns_key("2100"), [event(), LONG, LONG])
    s3.put_object(Bucket=bucket, Key=dns_key("2110"), Body=b"PK\x03\x04")
    run_hour(make_pipeline(tmp_path, bucket, s3, **SHORT_LINES, max_kept_raw_bytes=40), "hour")
    put_lines(s3, bucket, dns_key("2120"), [LONG, b"{"])
    run_hour(make_pipeline(tmp_path, bucket, s3, **SHORT_LINES), "later")
    pipeline = make_pipeline(tmp_path, bucket, s3)

    (held,) = survey_quarantine(pipeline, LogType.VPC_DNS)

    assert held.partition == DNS
    assert (held.kept, held.cut, held.whole) == (
        {"line_too_long": 1, "not_json": 1},
        {"line_too_long": 2},
        {"not_gzip": 1},
    )
    assert held.needs_reload
    assert count_movable(pipeline, held) == 1
    assert survey_quarantine(pipeline, LogType.VPC_FLOW) == []


def test_one_reason_or_one_partition_can_be_replayed_alone(tmp_path: Path, bucket, s3):
    put_lines(s3, bucket, dns_key("2100"), [event(), LONG, b"{"])
    put_lines(s3, bucket, dns_key("2100", account="222222222222"), [event(), LONG])
    run_hour(make_pipeline(tmp_path, bucket, s3, **SHORT_LINES), "hour")
    pipeline = make_pipeline(tmp_path, bucket, s3)

    assert replay(pipeline, "1", reason="not_json").rows == 0
    assert replay(pipeline, "2", reason="line_too_long", partition=DNS).rows == 1

    assert {row["p_account"] for row in rows(pipeline, "quarantine", "p_account")} == {"123456789012", "222222222222"}
    assert [
        held.partition.account for held in survey_quarantine(pipeline, LogType.VPC_DNS, reason="line_too_long")
    ] == ["222222222222"]


def test_bytes_that_are_no_text_are_replayed_as_they_were(tmp_path: Path, bucket, s3, monkeypatch):
    put_lines(s3, bucket, dns_key("2100"), [event(), event(query_name="caf\xe9.").replace(b"\\u00e9", b"\xe9")])
    pipeline = make_pipeline(tmp_path, bucket, s3)
    run_hour(pipeline, "hour")
    seen = []
    monkeypatch.setattr(
        "vpclogs.recovery.replay.parse_kept", lambda log_type, records, limits: seen.extend(records) or []
    )

    replay(pipeline, "replay")

    (record,) = seen
    assert (record.line, record.raw) == (2, event(query_name="caf\xe9.").replace(b"\\u00e9", b"\xe9"))


def test_ledger_without_the_objects_is_refused_with_advice(tmp_path: Path, bucket, s3):
    put_lines(s3, bucket, dns_key("2100"), [event(), b"{"])
    run_hour(make_pipeline(tmp_path, bucket, s3), "hour")
    pipeline = make_pipeline(tmp_path, bucket, s3)
    pipeline.ledger = Ledger(f"sqlite:///{tmp_path}/other.db")

    with pytest.raises(LedgerMismatch, match="vpclogs ledger rebuild"):
        plan_replay(pipeline, LogType.VPC_DNS, run_key="replay")
