"""What each key says, and why a key says nothing."""

from __future__ import annotations

import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpclogs.object_keys import (
    Layout,
    Placed,
    Stray,
    account_folders,
    is_organization,
    parse_key,
    read_account_folder,
    read_scope_folder,
)
from vpclogs.partitions import LogType

DNS, FLOW = LogType.VPC_DNS, LogType.VPC_FLOW
VPC = "vpc-0123456789abcdf12"
DNS_FILE = f"{VPC}_vpcdnsquerylogs_012345678910_20230215T0000Z_213be99c.log.gz"
DNS_KEY = f"AWSLogs/012345678910/vpcdnsquerylogs/{VPC}/2023/02/15/{DNS_FILE}"
FLOW_FILE = "123456789012_vpcflowlogs_us-east-1_fl-1234abcd_20180620T1620Z_fe123456.log.gz"
FLOW_DIR = "AWSLogs/123456789012/vpcflowlogs/us-east-1/2018/06/20/"
HIVE_DIR = "AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/aws-region=us-east-1/year=2018/month=06/day=20/"
FLOW_DAY = date(2018, 6, 20)


@pytest.mark.parametrize("prefix", ["", "OptionalPrefix/", "a/b c/"])
@pytest.mark.parametrize("organization", ["", "o-exampleorgid/"])
def test_a_dns_key_names_account_vpc_and_day(prefix: str, organization: str) -> None:
    key = prefix + DNS_KEY.replace("AWSLogs/", "AWSLogs/" + organization)

    assert parse_key(key, prefix, DNS) == Placed(Layout.DNS, "012345678910", None, VPC, date(2023, 2, 15))


@pytest.mark.parametrize("organization", ["", "o-exampleorgid/"])
@pytest.mark.parametrize(
    ("folder", "layout"),
    [
        (FLOW_DIR, Layout.DEFAULT),
        (FLOW_DIR + "16/", Layout.HOURLY),
        (HIVE_DIR, Layout.HIVE),
        (HIVE_DIR + "hour=16/", Layout.HIVE_HOURLY),
    ],
)
def test_each_flow_layout_names_account_region_flow_log_and_day(folder: str, layout: Layout, organization: str) -> None:
    key = (folder + FLOW_FILE).replace("AWSLogs/", "AWSLogs/" + organization)

    assert parse_key(key, "", FLOW) == Placed(layout, "123456789012", "us-east-1", "fl-1234abcd", FLOW_DAY)


@pytest.mark.parametrize("suffix", [".log.gz", ".log.parquet", ".parquet"])
def test_a_flow_file_is_text_or_parquet(suffix: str) -> None:
    assert isinstance(parse_key(FLOW_DIR + FLOW_FILE.replace(".log.gz", suffix), "", FLOW), Placed)


@pytest.mark.parametrize("region", ["us-gov-west-1", "cn-northwest-1", "ap-southeast-5", "us-isob-east-1"])
def test_regions_of_every_aws_cloud_are_regions(region: str) -> None:
    placed = parse_key((FLOW_DIR + FLOW_FILE).replace("us-east-1", region), "", FLOW)

    assert isinstance(placed, Placed)
    assert placed.region == region


@pytest.mark.parametrize(
    ("key", "log_type", "why"),
    [
        pytest.param(DNS_KEY, FLOW, "folders are not", id="the other log"),
        pytest.param("other/" + DNS_KEY, DNS, "does not begin with AWSLogs/", id="another prefix"),
        pytest.param(DNS_KEY.replace("/15/", "/"), DNS, "folders are not", id="no day folder"),
        pytest.param(DNS_KEY.replace("/15/", "/15/00/"), DNS, "folders are not", id="DNS has no hourly layout"),
        pytest.param(DNS_KEY.replace("/02/15/", "/02/30/"), DNS, "2023-02-30 is not a day", id="no such day"),
        pytest.param(DNS_KEY.replace("/2023/02/15/", "/2023/02/29/"), DNS, "is not a day", id="no leap year"),
        pytest.param(DNS_KEY.replace(DNS_FILE, "README.txt"), DNS, "its file name is not", id="some other file"),
        pytest.param(DNS_KEY + ".gz", DNS, "its file name is not", id="gzipped twice"),
        pytest.param(
            DNS_KEY.replace("_012345678910_", "_999999999999_"),
            DNS,
            "file name says account 999999999999, its folders say 012345678910",
            id="file of another account",
        ),
        pytest.param(
            DNS_KEY.replace(f"/{VPC}_", "/vpc-0a_"), DNS, "file name says VPC vpc-0a", id="file of another VPC"
        ),
        pytest.param(
            (FLOW_DIR + FLOW_FILE).replace("_us-east-1_", "_eu-west-1_"),
            FLOW,
            "file name says region eu-west-1, its folders say us-east-1",
            id="file of another region",
        ),
        pytest.param(FLOW_DIR + "24/" + FLOW_FILE, FLOW, "24 is not an hour", id="no such hour"),
        pytest.param(FLOW_DIR + "hour=16/" + FLOW_FILE, FLOW, "folders are not", id="half Hive"),
        pytest.param(
            (FLOW_DIR + FLOW_FILE).replace("2018/06", "٢٠١٨/06"), FLOW, "folders are not", id="digits of other scripts"
        ),
        pytest.param(DNS_KEY + "\n", DNS, "folders are not|file name", id="newline at the end"),
    ],
)
def test_a_stray_key_is_explained(key: str, log_type: LogType, why: str) -> None:
    found = parse_key(key, "", log_type)

    assert isinstance(found, Stray)
    assert re.search(why, found.why)


@given(st.text(max_size=200), st.sampled_from(LogType))
def test_any_text_below_the_root_has_an_answer(text: str, log_type: LogType) -> None:
    assert isinstance(parse_key("AWSLogs/" + text, "", log_type), Placed | Stray)


@pytest.mark.parametrize(
    ("folder", "log_type", "path"),
    [
        ("123456789012/", DNS, "AWSLogs/123456789012/vpcdnsquerylogs/"),
        ("123456789012/", FLOW, "AWSLogs/123456789012/vpcflowlogs/"),
        ("aws-account-id=123456789012/", FLOW, "AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/"),
        ("aws-account-id=123456789012/", DNS, None),
        ("1234567890123/", DNS, None),
        ("o-exampleorgid/", DNS, None),
    ],
)
def test_account_folders_are_told_from_others(folder: str, log_type: LogType, path: str | None) -> None:
    found = read_account_folder("AWSLogs/", folder, log_type)

    assert (found.path if found else None) == path


def test_day_prefixes_follow_the_layout_of_the_folder() -> None:
    plain, hive = account_folders("AWSLogs/", "123456789012", FLOW)
    day = date(2018, 6, 2)

    plain_scope = read_scope_folder(plain, "us-east-1/", FLOW)
    hive_scope = read_scope_folder(hive, "aws-region=us-east-1/", FLOW)

    assert plain_scope is not None
    assert plain_scope.day_prefix(day) == FLOW_DIR.replace("/20/", "/02/")
    assert hive_scope is not None
    assert hive_scope.day_prefix(day) == HIVE_DIR.replace("day=20/", "day=02/")
    assert read_scope_folder(plain, "aws-region=us-east-1/", FLOW) is None


def test_an_organization_is_told_from_an_account() -> None:
    assert is_organization("o-exampleorgid/")
    assert not is_organization("123456789012/")
