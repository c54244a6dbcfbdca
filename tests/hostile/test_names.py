"""Folders, ids, regions and keys of any length and of any characters."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tests.include.vpclogs.cli.conftest import deploy, keys
from tests.pipelines import dns_key, event, flow_key, make_pipeline, put_lines, run_hour
from vpclogs.monitors.finding import MonitorFinding
from vpclogs.monitors.running import run
from vpclogs.partitions import LogType
from vpclogs.pipeline import Pipeline

if TYPE_CHECKING:
    from demo.seaweed import Seaweed

ACCOUNT = "123456789012"
FORGED = "moon\x1b[2K\nvpclogs: published 5 partitions"


def test_plan_and_status_name_the_folders_that_no_layout_has(seaweed: Seaweed, s3: Any, bucket, tmp_path):
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    s3.put_object(Bucket=bucket, Key=f"AWSLogs/{ACCOUNT}/vpcdnsquerylogs/{FORGED}/x", Body=b"x")
    put_lines(s3, bucket, dns_key("0000", day=today.replace("-", "/")), [event()])
    deployment = deploy(tmp_path, bucket, seaweed.endpoint, **keys(seaweed))
    days = ("--log-type", "vpc_dns", "--from", today, "--to", today)

    plan, load, status = (
        deployment.vpclogs("plan", *days),
        deployment.vpclogs("load", *days),
        deployment.vpclogs("status"),
    )

    assert load.returncode == 0, load.stderr
    for done in (plan, status):
        (line,) = [line for line in done.stderr.splitlines() if "not understood" in line]
        assert f"(source dns): 1 folder: AWSLogs/{ACCOUNT}/vpcdnsquerylogs/moon\\x1b[2K\\nvpclogs: " in line


def test_a_monitor_names_the_folders_of_the_newest_listing(s3: Any, bucket, tmp_path):
    pipeline = make_pipeline(tmp_path, bucket, s3)
    put_lines(s3, bucket, flow_key("2100"), [b"version account-id", b"2 123456789012"])

    run_hour(pipeline, "without the folder", LogType.VPC_FLOW)
    before = unread(pipeline)
    s3.put_object(Bucket=bucket, Key=f"AWSLogs/{ACCOUNT}/vpcflowlogs/{FORGED}/x", Body=b"x")
    run_hour(pipeline, "with the folder", LogType.VPC_FLOW)
    (after,) = unread(pipeline)

    assert before == []
    assert after.key == "unread_folders/flow"
    assert "1 folder: AWSLogs/123456789012/vpcflowlogs/moon\\x1b[2K\\nvpclogs: " in after.message


def unread(pipeline: Pipeline) -> list[MonitorFinding]:
    return [one for one in run(pipeline).findings if one.monitor == "unread_folders"]
