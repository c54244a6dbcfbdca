"""`make demo-put`: a file of the user's own gets a key that AWS could have given it, and disturbs no count."""

from __future__ import annotations

import gzip
import shutil
from datetime import UTC, date, datetime

import pytest

from demo.counts import Counts
from demo.options import DemoError, Options
from demo.putting import key_for
from demo.sample import DNS, Sample
from demo.stack import Stack
from tests.hostile.corpus import HEADER
from tests.pipelines import event, make_pipeline, rows, run_hour
from vpclogs.object_keys import Placed, parse_key
from vpclogs.partitions import LogType

NOW = datetime(2026, 1, 16, 9, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "data", "log_type"),
    [
        ("mine.log.gz", gzip.compress(event()), LogType.VPC_DNS),
        ("mine.json", b"\xef\xbb\xbf\n" + event(), LogType.VPC_DNS),
        ("mine.txt", HEADER, LogType.VPC_FLOW),
        ("mine.gz", gzip.compress(HEADER), LogType.VPC_FLOW),
        ("mine.parquet", b"PAR1", LogType.VPC_FLOW),
        ("broken.gz", b"\x1f\x8bnothing", LogType.VPC_FLOW),
        (
            "vpc-0a1b2c3d_vpcdnsquerylogs_123456789012_20260114T0900Z_0123abcd.log.gz",
            b"",
            LogType.VPC_DNS,
        ),
        (
            "123456789012_vpcflowlogs_us-west-2_fl-1234abcd_20260114T0900Z_0123abcd.log.gz",
            b"",
            LogType.VPC_FLOW,
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_file_gets_a_key_of_its_layout(name, data, log_type):
    found, key = key_for(name, data, now=NOW)

    placed = parse_key(key, "", log_type)
    assert found is log_type
    assert isinstance(placed, Placed)
    assert placed.day == (date(2026, 1, 14) if "123456789012" in name else NOW.date())


def test_file_of_the_user_changes_no_count_of_the_sample(s3, bucket, tmp_path):
    sample = Sample(seed=7, days=(date(2026, 1, 14), date(2026, 1, 15)), scale=0.02)
    truth = sample.write(s3, bucket)
    _, key = key_for("mine.json", event(), now=NOW)
    s3.put_object(Bucket=bucket, Key=key, Body=gzip.compress(event() + b"\nbroken\n"))
    pipeline = make_pipeline(tmp_path, bucket, s3, clock=lambda: NOW)

    run_hour(pipeline, "run", LogType.VPC_DNS)

    assert key in {row["p_source_key"] for row in rows(pipeline, "vpc_dns", "p_source_key")}
    assert list(Counts.found(pipeline.settings, DNS, truth).differences(Counts.expected(truth, DNS))) == []


def test_a_demo_that_was_moved_is_named_at_once(tmp_path):
    stack = Stack(Options(tmp_path / "old" / "demo", scale=0.05), now=NOW)
    assert stack.sample.seed == 7  # writes the state
    shutil.copytree(tmp_path / "old", tmp_path / "new")

    with pytest.raises(DemoError, match=rf"belongs to the demo in {tmp_path}/old/demo.*rm -r {tmp_path}/new/demo"):
        Stack(Options(tmp_path / "new" / "demo"), now=NOW)
    Stack(Options(tmp_path / "old" / "demo"), now=NOW)
