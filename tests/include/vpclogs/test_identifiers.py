"""The grammar of names: wide enough for every AWS cloud, bounded by what can store a name."""

from __future__ import annotations

from datetime import date

import botocore.session
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpclogs.config.sources import Source
from vpclogs.errors import InvalidPartition
from vpclogs.identifiers import is_account, is_organization, is_region, is_vpc
from vpclogs.ledger.tables import objects, partitions
from vpclogs.object_keys import Placed, parse_key
from vpclogs.partitions import LogType, Partition

DAY = date(2026, 1, 14)


def known_regions() -> list[str]:
    """Every region in the endpoint data of the installed botocore; names that end in ``-global`` are none."""
    loader = botocore.session.get_session().get_component("data_loader")
    clouds = loader.load_data("endpoints")["partitions"] + loader.load_data("partitions")["partitions"]
    return sorted({region for cloud in clouds for region in cloud["regions"] if not region.endswith("-global")})


def test_the_clouds_of_botocore_are_all_there() -> None:
    assert {"us-east-1", "cn-north-1", "us-gov-west-1", "eusc-de-east-1"} < set(known_regions())
    assert {"us-iso-east-1", "us-isob-east-1", "eu-isoe-west-1", "us-isof-south-1"} < set(known_regions())


@pytest.mark.parametrize("region", [*known_regions(), "mx-central-2", "eusc-fr-west-12", "us-isog2-northcentral-1"])
def test_every_module_takes_the_same_regions(region: str) -> None:
    file = f"123456789012_vpcflowlogs_{region}_fl-1234abcd_20260114T1620Z_fe123456.log.gz"
    plain, hive = "123456789012/vpcflowlogs/{}/2026/01/14/", "aws-account-id=123456789012/aws-service=vpcflowlogs/"
    hive += "aws-region={}/year=2026/month=01/day=14/"

    assert is_region(region)
    for folder in (plain, hive):
        placed = parse_key(f"AWSLogs/{folder.format(region)}{file}", "", LogType.VPC_FLOW)
        assert isinstance(placed, Placed)
        assert placed.region == region
    assert Partition(LogType.VPC_FLOW, "123456789012", region, DAY).region == region
    source = Source(name="flow", log_type=LogType.VPC_FLOW, bucket="raw", region=region, regions=[region])  # type: ignore[arg-type]
    assert source.covers_region(region)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "unknown",
        "aws-global",
        "us-east",
        "useast1",
        "us--east-1",
        "us-east-1a",
        "US-EAST-1",
        "us-east-1\n",
        "us-east-\u0661",
        "us_east_1",
        "us-east-1/",
        "../us-east-1",
        "us-" + "e" * 40 + "-1",
        "us-east-" + "1" * 40,
    ],
)
def test_other_texts_are_no_region(text: str) -> None:
    assert not is_region(text)
    if text != "unknown":
        with pytest.raises(InvalidPartition):
            Partition(LogType.VPC_FLOW, "123456789012", text, DAY)


@given(st.from_regex(r"[a-z]{1,50}(-[a-z0-9]{0,50}){0,5}-[0-9]{1,50}", fullmatch=True))
def test_a_region_fits_the_ledger_and_a_file_name(text: str) -> None:
    if is_region(text):
        assert len(text) <= min(objects.c.region.type.length, partitions.c.region.type.length)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("judge", "good", "bad"),
    [
        (is_account, "012345678910", ["12345678901", "1234567890123", "\u0660" * 12, "123456789012\n"]),
        (is_vpc, "vpc-0123456789abcdf12", ["vpc-", "vpc-0G", "VPC-0a", "vpc-" + "0" * 65, "vpc-0a\n", "fl-0a"]),
        (is_organization, "o-a1b2c3d4e5", ["o-", "o-abc", "o-" + "a" * 33, "o-a1b2c3d4e5/", "ou-a1b2c3d4e5"]),
    ],
)
def test_ids_are_bounded(judge, good: str, bad: list[str]) -> None:  # type: ignore[no-untyped-def]
    assert judge(good)
    assert [text for text in bad if judge(text)] == []


@pytest.mark.parametrize("scope", ["vpc-" + "0" * 64, "fl-" + "f" * 64])
def test_the_longest_scope_fits_the_ledger(scope: str) -> None:
    assert len(scope) <= objects.c.scope.type.length  # type: ignore[attr-defined]
