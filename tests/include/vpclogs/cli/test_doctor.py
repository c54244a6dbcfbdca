"""`vpclogs doctor`: a line per check, and what to do where one fails."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from typing import Any

import pytest

from demo.seaweed import READER, Seaweed
from tests.include.vpclogs.cli.conftest import Deployment
from tests.include.vpclogs.cli.test_parse import SEED_EVENT


def put(s3: Any, bucket: str, body: bytes) -> str:
    now = datetime.now(UTC)
    name = f"vpc-c26c48ba_vpcdnsquerylogs_123456789012_{now:%Y%m%dT%H%M}Z_0123abcd.log.gz"
    key = f"AWSLogs/123456789012/vpcdnsquerylogs/vpc-c26c48ba/{now:%Y/%m/%d}/{name}"
    s3.put_object(Bucket=bucket, Key=key, Body=body)
    return key


def marks(text: str) -> list[str]:
    return [line.split(":")[0] if line[:4] != "FAIL" else line for line in text.splitlines()]


def test_all_is_well(deployment: Deployment, s3: Any) -> None:
    key = put(s3, deployment.bucket, gzip.compress(SEED_EVENT))

    done = deployment.vpclogs("doctor")

    assert done.returncode == 0, done.stdout
    assert [line[:4] for line in done.stdout.splitlines()] == ["OK  "] * 7
    assert f"one object: s3://{deployment.bucket}/{key}: 1 rows, 0 refused" in done.stdout
    assert not (deployment.folder / "home/.duckdb").exists()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        pytest.param(b"PK\x03\x04", "not_gzip, it is a zip archive", id="an object that is no log"),
        pytest.param(gzip.compress(b"{}\n{}\n"), "all 2 records of s3://", id="an object without a good record"),
    ],
)
def test_an_object_that_does_not_parse_fails(deployment: Deployment, s3: Any, body: bytes, words: str) -> None:
    put(s3, deployment.bucket, body)

    done = deployment.vpclogs("doctor")

    assert done.returncode == 1
    assert "FAIL  source dns: one object: " in done.stdout
    assert words in done.stdout


def test_a_wrong_prefix_is_found_out(deployment: Deployment, s3: Any) -> None:
    put(s3, deployment.bucket, b"")
    deployment.configure(log_type="prefix: lgos, log_type")

    done = deployment.vpclogs("doctor")

    assert done.returncode == 1
    assert f"there is nothing under s3://{deployment.bucket}/lgos/AWSLogs/: check bucket and prefix" in done.stdout


def test_a_denied_account_and_missing_credentials_say_what_to_do(
    deployment: Deployment, s3: Any, seaweed: Seaweed
) -> None:
    put(s3, deployment.bucket, b"")
    seaweed.deny(deployment.bucket, "AWSLogs/123456789012/", user=READER)

    denied = deployment.vpclogs("doctor")
    nobody = deployment.vpclogs("doctor", AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="", AWS_EC2_METADATA_DISABLED="1")

    assert (denied.returncode, nobody.returncode) == (1, 1)
    assert "FAIL  source dns: listing: 123456789012: S3 refuses s3:ListBucket" in denied.stdout
    assert "allow it in the bucket policy" in denied.stdout
    assert "FAIL  source dns: credentials: there are no usable AWS credentials" in nobody.stdout
    assert "OK    ledger" in nobody.stdout


def test_places_that_cannot_be_written_are_named(deployment: Deployment) -> None:
    (deployment.folder / "file").write_text("in the way")
    where = f"file://{deployment.folder}/file/w"
    (deployment.folder / "vpclogs.yaml").open("a").write(
        f"ledger: sqlite:///file/ledger.db\ncatalog: {{type: sql, uri: 'sqlite:///c.db', warehouse: '{where}'}}\n"
    )

    done = deployment.vpclogs("doctor")

    assert f"FAIL  staging: {where} cannot be written" in done.stdout
    assert f"FAIL  ledger: sqlite:///{deployment.folder}/file/ledger.db cannot be used" in done.stdout


def test_settings_that_are_wrong_end_it(here: Deployment) -> None:
    here.configure(bucket="bukket")

    done = here.vpclogs("doctor")

    assert done.returncode == 1
    assert done.stdout.startswith("FAIL  settings: the configuration cannot be used:")
    assert "did you mean bucket?" in done.stdout


def test_organizations_are_named(deployment: Deployment, s3: Any) -> None:
    key = put(s3, deployment.bucket, gzip.compress(SEED_EVENT))
    for organization in ("o-a1b2c3d4e5", "o-z9y8x7w6v5"):
        s3.put_object(Bucket=deployment.bucket, Key=key.replace("AWSLogs/", f"AWSLogs/{organization}/"), Body=b"")

    free = deployment.vpclogs("doctor")
    deployment.configure(log_type="organization: o-a1b2c3d4e5, log_type")
    pinned = deployment.vpclogs("doctor")
    deployment.configure(**{"o-a1b2c3d4e5": "o-0000000000"})
    missing = deployment.vpclogs("doctor")

    assert "OK    source dns: organizations: read: o-a1b2c3d4e5, o-z9y8x7w6v5; any other" in free.stdout
    assert "OK    source dns: organizations: read: o-a1b2c3d4e5; not read: o-z9y8x7w6v5" in pinned.stdout
    assert "FAIL  source dns: organizations: o-0000000000 has no folder under s3://" in missing.stdout
    assert missing.returncode == 1


REGION = "us-west-2"
DNS, FLOW = "vpc_dns", "vpc_flow"


def put_flow(s3: Any, bucket: str, region: str) -> None:
    now = datetime.now(UTC)
    name = f"123456789012_vpcflowlogs_{region}_fl-1234abcd_{now:%Y%m%dT%H%M}Z_0123abcd.log.gz"
    s3.put_object(Bucket=bucket, Key=f"AWSLogs/123456789012/vpcflowlogs/{region}/{now:%Y/%m/%d}/{name}", Body=b"")


@pytest.mark.parametrize(
    ("log_type", "filters", "mark", "words"),
    [
        pytest.param(
            FLOW, "regions: [us-esat-1]", "FAIL", "regions: us-esat-1 (nearest: us-east-1)", id="a mistyped region"
        ),
        pytest.param(
            DNS, "regions: [us-esat-1]", "FAIL", "regions: us-esat-1 (nearest: us-east-1)", id="of VPCs, mistyped"
        ),
        pytest.param(FLOW, "regions: {deny: [us-wset-2]}", "FAIL", "(nearest: us-west-2)", id="a mistyped denied one"),
        pytest.param(
            FLOW, 'accounts: ["123456789021"]', "FAIL", "123456789021 (nearest: 123456789012)", id="a mistyped account"
        ),
        pytest.param(
            FLOW,
            "regions: [us-west-2, eu-west-1]",
            "OK",
            "match nothing in S3 yet: regions: eu-west-1",
            id="no logs yet",
        ),
        pytest.param(
            FLOW, 'accounts: ["123456789012"], regions: [us-west-2]', "OK", "all entries match", id="all match"
        ),
        pytest.param(DNS, "regions: [us-west-2]", "OK", "all entries match", id="of VPCs, all match"),
    ],
)
def test_entries_of_filters_that_match_nothing_are_named(
    log_type: str, filters: str, mark: str, words: str, deployment: Deployment, s3: Any
) -> None:
    put(s3, deployment.bucket, gzip.compress(SEED_EVENT))
    put_flow(s3, deployment.bucket, REGION)
    deployment.configure(vpc_dns=f"{log_type}, {filters}")
    today = f"{datetime.now(UTC):%Y-%m-%d}"

    doctor = deployment.vpclogs("doctor")
    plan = deployment.vpclogs("plan", "--log-type", log_type, "--from", today, "--to", today)

    (line,) = [line for line in doctor.stdout.splitlines() if ": filters: " in line]
    assert line.startswith(mark)
    assert words in line
    named = [line for line in plan.stderr.splitlines() if "match nothing in S3" in line]
    assert bool(named) == ("all entries match" not in words)
