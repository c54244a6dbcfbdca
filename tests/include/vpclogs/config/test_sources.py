"""Sources: which accounts and regions they read, and which descriptions are refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from vpclogs.config.settings import Settings
from vpclogs.config.sources import Source

ONE, TWO = "000000000001", "000000000002"


def source(**fields: Any) -> Source:
    return Source.model_validate({"name": "dns", "log_type": "vpc_dns", "bucket": "raw-logs", **fields})


@pytest.mark.parametrize(
    ("accounts", "covered", "listed"),
    [
        pytest.param("all", {ONE, TWO}, None, id="all"),
        pytest.param([TWO, ONE], {ONE, TWO}, (ONE, TWO), id="a list, sorted for listing"),
        pytest.param({"allow": [ONE]}, {ONE}, (ONE,), id="allow"),
        pytest.param({"deny": [ONE]}, {TWO}, None, id="deny"),
        pytest.param([123456789012], set(), ("123456789012",), id="an unquoted number of twelve digits"),
    ],
)
def test_accounts(accounts: Any, covered: set[str], listed: tuple[str, ...] | None) -> None:
    read = source(accounts=accounts)

    assert {account for account in (ONE, TWO) if read.covers_account(account)} == covered
    assert read.account_list == listed


def test_regions_are_chosen_the_same_way() -> None:
    read = source(regions={"deny": ["us-east-1"]})

    assert not read.covers_region("us-east-1")
    assert read.covers_region("us-gov-west-1")


@pytest.mark.parametrize(("written", "prefix"), [("", ""), ("logs", "logs/"), ("a/b/", "a/b/")])
def test_a_prefix_ends_in_a_slash(written: str, prefix: str) -> None:
    assert source(prefix=written).prefix == prefix


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        pytest.param({"name": "My source"}, "small letters", id="name"),
        pytest.param({"bucket": "s3://raw"}, "name alone", id="bucket with scheme"),
        pytest.param(
            {"bucket": "arn:aws-us-gov:s3:us-gov-west-1:123456789012:accesspoint/logs"}, "alias", id="access point"
        ),
        pytest.param(
            {"bucket": "arn:aws:s3-outposts:us-west-2:123456789012:outpost/op-1/accesspoint/logs"},
            "alias",
            id="access point of an outpost",
        ),
        pytest.param({"bucket": "arn:aws:s3:::raw"}, "name alone", id="bucket's ARN"),
        pytest.param({"prefix": "/logs"}, "no leading slash", id="leading slash"),
        pytest.param({"prefix": "logs/AWSLogs/"}, "what comes before AWSLogs", id="prefix too deep"),
        pytest.param({"accounts": []}, "would read nothing", id="empty list"),
        pytest.param({"accounts": [1234567890]}, "leading zero is lost.*quotes", id="lost leading zero"),
        pytest.param({"accounts": [True]}, "valid string", id="a boolean"),
        pytest.param({"accounts": ["12"]}, "12 digits", id="short account"),
        pytest.param({"accounts": ["\u0660" * 12]}, "12 digits", id="digits of another script"),
        pytest.param({"accounts": {"allow": [ONE], "deny": [TWO]}}, "not both", id="allow and deny"),
        pytest.param({"accounts": ONE}, "write all, a list", id="a bare account"),
        pytest.param({"regions": ["Oregon"]}, "us-west-2", id="no region"),
        pytest.param({"connection": "aws", "profile": "p"}, "one of connection, profile", id="two identities"),
        pytest.param({"external_id": "x1"}, "needs role_arn", id="external id alone"),
        pytest.param({"role_arn": "reader"}, "arn:aws:iam", id="a role's bare name"),
        pytest.param({"endpoint_url": "127.0.0.1:8333"}, "http://", id="endpoint without scheme"),
        pytest.param({"lookback_days": 31}, "less than or equal to 30", id="look-back too long"),
        pytest.param({"start_day": 20221001}, "2022-10-01", id="a day without hyphens"),
        pytest.param({"log_type": "flow"}, "vpc_flow", id="log type"),
    ],
)
def test_wrong_fields_are_refused_in_words(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        source(**fields)


@pytest.mark.parametrize(
    ("mine", "theirs", "overlap"),
    [
        pytest.param({}, {}, True, id="the same place"),
        pytest.param({"prefix": "a"}, {"prefix": "a/"}, True, id="the same prefix written twice"),
        pytest.param({"accounts": [ONE]}, {"accounts": {"deny": [TWO]}}, True, id="a shared account"),
        pytest.param({"accounts": {"deny": [ONE]}}, {"accounts": {"deny": [TWO]}}, True, id="two deny lists"),
        pytest.param({"accounts": [ONE]}, {"accounts": [TWO]}, False, id="different accounts"),
        pytest.param({"accounts": {"deny": [ONE]}}, {"accounts": [ONE]}, False, id="one denies what the other reads"),
        pytest.param({"regions": ["us-east-1"]}, {"regions": ["us-east-2"]}, False, id="different regions"),
        pytest.param({"prefix": "a"}, {"prefix": "b"}, False, id="different prefixes"),
        pytest.param({}, {"log_type": "vpc_flow"}, False, id="different logs"),
    ],
)
def test_two_sources_may_not_read_the_same_object(mine: dict[str, Any], theirs: dict[str, Any], overlap: bool) -> None:
    first, second = source(**mine), source(name="other", **theirs)

    assert first.overlaps(second) is second.overlaps(first) is overlap
    if overlap:
        with pytest.raises(ValidationError, match="the source dns reads the vpc_dns objects"):
            Settings(sources=(first, second))
    else:
        assert len(Settings(sources=(first, second)).sources) == 2


def test_two_sources_may_not_share_a_name() -> None:
    with pytest.raises(ValidationError, match="second source is named dns"):
        Settings(sources=(source(), source(prefix="b")))
