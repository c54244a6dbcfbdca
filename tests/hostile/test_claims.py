"""One account's objects say nothing about another account's VPCs."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from demo.seaweed import Seaweed
from tests.include.vpclogs.cli.conftest import deploy, keys
from tests.pipelines import dns_key, event, make_pipeline, put_lines, rows, run_hour
from vpclogs.config.sources import RegionFilter
from vpclogs.monitors.running import run
from vpclogs.partitions import LogType
from vpclogs.pipeline import Pipeline

OWNER, OTHER = "123456789012", "222222222222"
VPC = "vpc-0a1b2c3d"
EVIL = "eu-evil-1"


def narrow(pipeline: Pipeline, *regions: str) -> None:
    """Let the DNS source read these regions only."""
    sources = tuple(
        one.model_copy(update={"regions": RegionFilter(allow=regions)}) for one in pipeline.settings.sources
    )
    pipeline.settings = pipeline.settings.model_copy(update={"sources": sources})


def put_record(s3: Any, bucket: str, name: str, *, folder: str, account: str, region: str) -> None:
    lines = [event(account_id=account, region=region, vpc_id=VPC, srcport=name)]
    put_lines(s3, bucket, dns_key(name, account=folder, vpc=VPC), lines)


def ports(pipeline: Pipeline) -> set[str]:
    return {row["srcport"] for row in rows(pipeline, "vpc_dns", "srcport")}


@pytest.mark.parametrize("named", [OTHER, OWNER], ids=["its own account", "the owner's account"])
def test_claim_on_a_vpc_does_not_hide_its_owners_logs(named, s3, bucket, tmp_path):
    pipeline = make_pipeline(tmp_path, bucket, s3)
    narrow(pipeline, "us-west-2")
    put_record(s3, bucket, "2100", folder=OTHER, account=named, region=EVIL)
    run_hour(pipeline, "before the owner's VPC is known")
    put_record(s3, bucket, "2105", folder=OWNER, account=OWNER, region="us-west-2")

    run_hour(pipeline, "after")

    assert ports(pipeline) == {"2105"}
    known = pipeline.ledger.objects.known_scopes()
    assert known[OWNER, VPC] == "us-west-2"
    assert ((OTHER, VPC) in known) == (named == OTHER)


def test_records_of_a_shared_vpc_are_loaded_without_being_remembered(s3, bucket, tmp_path):
    """With a shared query log configuration, another account's records can lie in a folder."""
    pipeline = make_pipeline(tmp_path, bucket, s3)
    put_record(s3, bucket, "2100", folder=OTHER, account=OWNER, region="eu-west-1")

    run_hour(pipeline, "run")

    (row,) = rows(pipeline, "vpc_dns", "p_account", "p_region")
    assert (row["p_account"], row["p_region"]) == (OTHER, "eu-west-1")
    assert pipeline.ledger.objects.known_scopes() == {}


def test_vpcs_that_the_list_of_regions_leaves_out_are_reported(s3, bucket, tmp_path):
    pipeline = make_pipeline(tmp_path, bucket, s3)
    narrow(pipeline, "us-west-2")
    put_record(s3, bucket, "2100", folder=OTHER, account=OTHER, region=EVIL)

    first, second = (pipeline.survey_days("vpc_dns", [date(2022, 10, 7)]) for _ in range(2))
    found = [one for one in run(pipeline).findings if one.monitor == "uncovered_regions"]

    assert [one.label for one in first.left_out] == [one.label for one in second.left_out] == [f"{OTHER} {EVIL} {VPC}"]
    (alert,) = found
    assert alert.key == f"uncovered_regions/dns/{EVIL}"
    assert f"{VPC} of account {OTHER}" in alert.message


def test_plan_and_doctor_name_left_out_vpcs_with_bounded_output(seaweed: Seaweed, s3, bucket, tmp_path):
    today = datetime.now(UTC).date()
    for number in range(30):
        vpc = f"vpc-{number:08x}"
        lines = [event(account_id=OTHER, region=EVIL, vpc_id=vpc)]
        put_lines(s3, bucket, dns_key("0000", account=OTHER, vpc=vpc, day=f"{today:%Y/%m/%d}"), lines)
    deployment = deploy(tmp_path, bucket, seaweed.endpoint, **keys(seaweed))
    deployment.configure(log_type="regions: [us-west-2], log_type")

    plan = deployment.vpclogs("plan", "--log-type", "vpc_dns", "--from", f"{today}", "--to", f"{today}")
    doctor = deployment.vpclogs("doctor")

    for text in (plan.stderr, doctor.stdout):
        (line,) = [line for line in text.splitlines() if EVIL in line]
        assert line.count(EVIL) == 10
        assert line.endswith("and 20 more")
    assert LogType.VPC_DNS.value not in plan.stdout
