"""Gzip and plain text, with and without a byte order mark, load and parse alike for both logs."""

from __future__ import annotations

import codecs
import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.include.vpclogs.parsing.flow_fates import V2
from tests.pipelines import dns_key, event, flow_key, make_pipeline, rows, run_hour
from vpclogs.parsing.driver import parse
from vpclogs.parsing.model import ObjectEnd, ObjectInput
from vpclogs.partitions import LogType

FLOW = f"{V2}\n2 123456789012 eni-1 10.0.0.1 10.0.0.2 1 2 6 1 40 1665178000 1665178060 ACCEPT OK\n".encode()
TEXTS = {LogType.VPC_DNS: event() + b"\n", LogType.VPC_FLOW: FLOW}
KEYS = {LogType.VPC_DNS: dns_key("2100"), LogType.VPC_FLOW: flow_key("2100")}
LOADED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "gzip of two members": lambda text: gzip.compress(text[:9]) + gzip.compress(text[9:]),
    "plain text": bytes,
    "plain text with a mark": lambda text: codecs.BOM_UTF8 + text,
    "gzip of text with a mark": lambda text: gzip.compress(codecs.BOM_UTF8 + text),
}
REFUSED: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "zip": (lambda text: b"PK\x03\x04" + text, "a zip archive"),
    "UTF-16": (lambda text: text.decode().encode("utf-16"), "UTF-16 text"),
    "binary": (lambda text: bytes(100) + text, "binary data"),
}


def parsed(log_type: LogType, body: bytes) -> list[tuple[str, str | None, int, int]]:
    """The outcome of the object as ``vpclogs parse`` has it."""
    events = list(parse(log_type, [ObjectInput(0, "object", iter([body[:2], body[2:]]))]))
    return [(end.state.value, end.reason, end.rows, end.refused) for end in events if isinstance(end, ObjectEnd)]


@pytest.mark.parametrize("log_type", LogType)
@pytest.mark.parametrize("name", LOADED)
def test_every_form_of_text_is_parsed_and_loaded(log_type, name, tmp_path: Path, bucket: str, s3: Any):
    body = LOADED[name](TEXTS[log_type])
    s3.put_object(Bucket=bucket, Key=KEYS[log_type], Body=body)

    done = run_hour(make_pipeline(tmp_path, bucket, s3), "hour", log_type)

    assert (done.rows, done.quarantined) == (1, 0)
    assert parsed(log_type, body) == [("loaded", None, 1, 0)]


@pytest.mark.parametrize("log_type", LogType)
@pytest.mark.parametrize("name", REFUSED)
def test_other_formats_are_refused_whole_and_named(log_type, name, tmp_path: Path, bucket: str, s3: Any):
    form, words = REFUSED[name]
    body = form(TEXTS[log_type])
    s3.put_object(Bucket=bucket, Key=KEYS[log_type], Body=body)
    pipeline = make_pipeline(tmp_path, bucket, s3)

    done = run_hour(pipeline, "hour", log_type)

    (row,) = rows(pipeline, "quarantine", "reason", "detail")
    assert (done.rows, row["reason"]) == (0, "not_gzip")
    assert words in row["detail"]
    assert parsed(log_type, body) == [("refused", "not_gzip", 0, 0)]


def test_file_of_security_lake_is_named(tmp_path: Path):
    table = pa.table({name: [1] for name in ("class_uid", "category_uid", "activity_id", "type_uid", "time")})
    pq.write_table(table, tmp_path / "ocsf.parquet")

    assert parsed(LogType.VPC_FLOW, (tmp_path / "ocsf.parquet").read_bytes()) == [("refused", "ocsf", 0, 0)]


@pytest.mark.parametrize("header", ["timestamp,message", '"timestamp","message"', "@timestamp,@message"])
def test_table_of_timestamp_and_message_is_named(header):
    text = f"{header}\n1665178000000,2 123456789012 eni-1\n".encode()

    assert parsed(LogType.VPC_FLOW, text) == [("refused", "cloudwatch_export", 0, 0)]


def test_place_of_a_long_record_counts_the_byte_order_mark(tmp_path: Path, bucket: str, s3: Any):
    long = event(query_name="a" * 500)
    s3.put_object(Bucket=bucket, Key=dns_key("2100"), Body=codecs.BOM_UTF8 + event() + b"\n" + long + b"\n")
    pipeline = make_pipeline(tmp_path, bucket, s3, max_line_bytes=len(event()) + 9)

    run_hour(pipeline, "hour")

    (row,) = rows(pipeline, "quarantine", "reason", "start")
    assert (row["reason"], row["start"]) == ("line_too_long", len(codecs.BOM_UTF8) + len(event()) + 1)
