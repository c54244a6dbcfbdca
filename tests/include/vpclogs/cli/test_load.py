"""`vpclogs plan`, `load`, `status` and `query` over the sample in the real S3 server."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from demo.sample import DNS, Sample
from demo.sample.truth import Truth
from demo.seaweed import READER, Seaweed
from tests.include.vpclogs.cli.conftest import COMMAND, Deployment, deploy, keys

DAYS = ("--log-type", "vpc_dns", "--from", "2026-01-14", "--to", "2026-01-15")


@pytest.fixture(scope="module")
def bucket_of_sample(s3: Any) -> tuple[str, Truth]:
    s3.create_bucket(Bucket="command-sample")
    truth = Sample(seed=7, days=(date(2026, 1, 14), date(2026, 1, 15)), scale=0.02).write(s3, "command-sample")
    return "command-sample", truth


@pytest.fixture
def fresh(tmp_path: Path, seaweed: Seaweed, bucket_of_sample: tuple[str, Truth]) -> Deployment:
    """The sample in S3, nothing loaded."""
    return deploy(tmp_path, bucket_of_sample[0], seaweed.endpoint, **keys(seaweed))


@pytest.fixture(scope="module")
def truth(bucket_of_sample: tuple[str, Truth]) -> Truth:
    return bucket_of_sample[1]


@pytest.fixture(scope="module")
def loaded(
    tmp_path_factory: pytest.TempPathFactory, seaweed: Seaweed, bucket_of_sample: tuple[str, Truth]
) -> Deployment:
    """The sample loaded by the command."""
    deployment = deploy(tmp_path_factory.mktemp("loaded"), bucket_of_sample[0], seaweed.endpoint, **keys(seaweed))
    done = deployment.vpclogs("load", *DAYS)
    assert done.returncode == 0, done.stderr
    return deployment


def rows(deployment: Deployment, sql: str) -> list[dict[str, Any]]:
    done = deployment.vpclogs("query", sql, "--format", "json")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_plan_shows_the_work_and_does_none(fresh: Deployment, truth: Truth) -> None:
    done = fresh.vpclogs("plan", *DAYS)

    totals = truth.totals(DNS)
    shown = [line.split() for line in done.stdout.splitlines()[1:]]
    assert (done.returncode, done.stdout.split()[:3]) == (0, ["partition", "objects", "bytes"])
    assert [line[0] for line in shown] == sorted(truth.partitions(DNS))
    assert sum(int(line[1]) for line in shown) == totals.objects
    assert f"{totals.objects} objects to load of {totals.objects} listed" in done.stderr
    assert "S3 requests of this load: " in done.stderr
    assert not list(fresh.folder.glob("var/vpclogs/warehouse/**/*.parquet"))


def test_a_load_puts_every_record_into_a_table_once(loaded: Deployment, truth: Truth) -> None:
    totals = truth.totals(DNS)

    again = loaded.vpclogs("load", *DAYS)
    counts = rows(loaded, "SELECT (SELECT count(*) FROM vpc_dns) AS good, (SELECT count(*) FROM quarantine) AS bad")

    assert (again.returncode, again.stdout) == (0, "")
    where = f"s3://{loaded.bucket}/AWSLogs/ (source dns)"
    assert f"nothing new: {totals.objects} objects listed under {where}, all of them loaded" in again.stderr
    assert counts == [{"good": totals.good, "bad": totals.quarantine_rows}]


def test_account_region_and_days_narrow_it(fresh: Deployment, truth: Truth) -> None:
    key = min(truth.partitions(DNS))
    account, region, day = key.split("|")

    narrow = ("--from", day, "--to", day, "--account", account, "--region", region, "--source", "dns")
    done = fresh.vpclogs("plan", "--log-type", "vpc_dns", *narrow)

    assert [line.split()[0] for line in done.stdout.splitlines()[1:]] == [key]


def test_failed_listing_is_named_and_the_rest_is_loaded(fresh: Deployment, truth: Truth, seaweed: Seaweed) -> None:
    denied = min(truth.partitions(DNS)).split("|")[0]
    seaweed.deny(fresh.bucket, f"AWSLogs/{denied}/", user=READER)

    try:
        done = fresh.vpclogs("load", *DAYS)
    finally:
        seaweed.deny(fresh.bucket, user=READER)

    assert done.returncode == 1
    assert f"source dns {denied}: S3 refuses s3:ListBucket" in done.stderr
    loaded = {row["p_account"] for row in rows(fresh, "SELECT DISTINCT p_account FROM vpc_dns")}
    assert loaded == {key.split("|")[0] for key in truth.partitions(DNS)} - {denied}


def test_a_terminal_gets_a_progress_bar(fresh: Deployment) -> None:
    outer, inner = pty.openpty()
    with subprocess.Popen([COMMAND, "load", *DAYS], cwd=fresh.folder, env=fresh.env, stderr=inner) as running:
        os.close(inner)
        shown = b""
        while chunk := _read(outer):
            shown += chunk
    os.close(outer)

    assert running.returncode == 0
    assert b"staging" in shown
    assert b"\x1b[" in shown


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except OSError:  # the other end is closed
        return b""


def test_status_adds_up(loaded: Deployment, truth: Truth) -> None:
    done = loaded.vpclogs("status")

    header, *lines = [line.split() for line in done.stdout.splitlines()]
    assert header[:4] == ["log", "partition", "state", "listed"]
    assert {line[1] for line in lines} == set(truth.partitions(DNS))
    assert {line[2] for line in lines} == {"published"}
    for line in lines:
        listed, *parts = map(int, line[3:9])
        assert listed == sum(parts) == truth.totals(DNS, partition=line[1]).objects


def test_status_of_one_partition_tells_all_of_it(loaded: Deployment, truth: Truth) -> None:
    key = next(key for key in truth.partitions(DNS) if truth.totals(DNS, partition=key).refused_objects)

    done = loaded.vpclogs("status", "--log-type", "vpc_dns", "--partition", key)

    totals = truth.totals(DNS, partition=key)
    assert f"{totals.objects} listed = {totals.loaded} loaded + {totals.refused_objects} refused" in done.stdout
    assert f"{totals.good} rows, {totals.quarantine_rows} quarantined" in done.stdout
    assert "by the run vpclogs load/" in done.stdout
    assert "refused_objects: " in done.stdout


def test_status_does_not_know_a_partition_that_never_was(here: Deployment) -> None:
    done = here.vpclogs("status", "--partition", "999999999999|us-east-1|2026-01-14")

    assert done.returncode == 1
    assert "does not know the partition 999999999999|us-east-1|2026-01-14" in done.stderr


def test_a_failed_partition_is_shown_with_its_reason(fresh: Deployment) -> None:
    fresh.configure(**{"max_quarantined_share: 1": "max_quarantined_share: 0, min_records: 1"})

    done, status = fresh.vpclogs("load", *DAYS), fresh.vpclogs("status", "--failed")

    failed = [line.split()[1:3] for line in status.stdout.splitlines()[1:]]
    assert done.returncode == 1
    assert failed
    for key, state in failed:
        assert state == "failed"
        assert f"  {key}: " in done.stderr
        assert f"vpc_dns {key} failed: " in status.stderr


@pytest.mark.parametrize(
    ("changes", "options", "words"),
    [
        pytest.param({}, ("--region", "eusc-de-east-1"), "no object of vpc_dns region eusc-de-east-1 on", id="region"),
        pytest.param({"log_type": "prefix: lgos, log_type"}, (), "/lgos/AWSLogs/ (source dns)", id="mistyped prefix"),
    ],
)
def test_nothing_listed_is_not_reported_as_all_loaded(
    changes: dict[str, str], options: tuple[str, ...], words: str, fresh: Deployment
) -> None:
    fresh.configure(**changes)

    load, plan = fresh.vpclogs("load", *DAYS, *options), fresh.vpclogs("plan", *DAYS, *options)

    for done in (load, plan):
        assert done.returncode == 0
        (line,) = [line for line in done.stderr.splitlines() if "nothing to load" in line]
        assert words in line
        assert "2026-01-14 to 2026-01-15" in line
    assert "all of them loaded" not in load.stderr
